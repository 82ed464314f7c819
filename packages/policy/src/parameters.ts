/** Values of a policy's parameters: defaults, what is set for an evaluation, and the direction that is stricter. */

import type { ParameterValue } from './condition/evaluate.ts';
import { suggestion } from './condition/parse.ts';
import { EvaluationError } from './errors.ts';
import { type Parameter, type Policy, parameterMisfit } from './policy.ts';

/**
 * The values that count, defaults included, and the names that were changed.
 * @throws EvaluationError for a name that the policy does not have, a value of the wrong type, or a milder value.
 */
export function parametersFor(
  policy: Policy,
  given: Readonly<Record<string, ParameterValue>>,
): { readonly values: ReadonlyMap<string, ParameterValue>; readonly changed: readonly string[] } {
  const values = new Map<string, ParameterValue>();
  for (const [name, parameter] of policy.parameters) values.set(name, parameter.default);
  const changed: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    const parameter = policy.parameters.get(name);
    if (parameter === undefined)
      throw new EvaluationError(
        `The policy "${policy.id}" has no parameter "${name}".${suggestion(name, policy.parameters.keys())}`,
      );
    const complaint = parameterMisfit(parameter, value) ?? milder(parameter, value);
    if (complaint !== undefined)
      throw new EvaluationError(`The parameter "${name}" of the policy "${policy.id}" ${complaint}.`);
    if (JSON.stringify(value) !== JSON.stringify(parameter.default)) changed.push(name);
    values.set(name, value);
  }
  return { values, changed: changed.sort() };
}

/** What makes a value milder than the parameter's present one, as the end of a sentence; nothing when it is as strict. */
export function milder(parameter: Parameter, value: ParameterValue): string | undefined {
  const present = parameter.default;
  switch (parameter.tighten) {
    case undefined:
      return undefined;
    case 'up':
      return value >= present ? undefined : `may only be raised; it is ${String(present)}`;
    case 'down':
      return value <= present ? undefined : `may only be lowered; it is ${String(present)}`;
    case 'true':
      return value === true || value === present ? undefined : 'may only be set to true';
    case 'false':
      return value === false || value === present ? undefined : 'may only be set to false';
    case 'grow': {
      if (!Array.isArray(value) || !Array.isArray(present)) return 'must be a list';
      const lost = present.filter((element) => !value.includes(element));
      return lost.length === 0 ? undefined : `may only grow; it lacks ${lost.join(', ')}`;
    }
    case 'shrink': {
      if (!Array.isArray(value) || !Array.isArray(present)) return 'must be a list';
      const added = value.filter((element) => !present.includes(element));
      return added.length === 0 ? undefined : `may only shrink; new are ${added.join(', ')}`;
    }
  }
}
