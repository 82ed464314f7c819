/** Overlays: an organisation's own rules on top of a policy, which may make it stricter and never milder. */

import { z } from 'zod';
import { type Condition, ConditionError, parseCondition } from './condition/parse.ts';
import { usesIn } from './condition/polarity.ts';
import { limits } from './limits.ts';
import { milder } from './parameters.ts';
import {
  type Parameter,
  type Policy,
  parameterMisfit,
  policyShapes,
  type Rule,
  type RuleScope,
  readCondition,
  readParameters,
  readRules,
} from './policy.ts';
import { conditionsOf } from './probe.ts';
import type { Vocabulary } from './vocabulary.ts';
import { readYaml, type YamlPath, type YamlSource } from './yaml-source.ts';

const { words, ruleId, policyId, severity, condition, parameterFile, ruleFile } = policyShapes;

const tightening = z
  .strictObject({
    because: words,
    severity: severity.optional(),
    /** A further condition that has to hold as well. */
    also: condition.optional(),
    /** Exceptions that do not count any more. */
    withdraw: z.array(ruleId).min(1).optional(),
  })
  .refine((change) => change.severity ?? change.also ?? change.withdraw, {
    error: 'Say what becomes stricter: "severity", "also" or "withdraw".',
  });

const overlayFile = z.strictObject({
  id: policyId,
  version: z.string().min(1).max(60),
  title: words,
  extends: policyId,
  note: words.optional(),
  set: z.record(z.string(), z.union([z.boolean(), z.number(), z.string(), z.array(z.string())])).optional(),
  parameters: z.record(z.string(), parameterFile).optional(),
  tighten: z.record(z.string(), tightening).optional(),
  rules: z.array(ruleFile).max(limits.rules).optional(),
});

/**
 * Lays an overlay over a policy. It may add rules and parameters, set parameters in their stricter direction, raise a
 * severity, add a condition to a rule, and withdraw exceptions.
 *
 * On every fact base, each rule of the policy then comes to a verdict at least as severe as before, in the order
 * not applicable, pass, review, open, fail.
 * @throws PolicyError with file, line and column, also for anything that could make the policy milder.
 */
export function applyOverlay(
  policy: Policy,
  overlayText: string,
  origin: string,
  vocabulary: Vocabulary,
): Policy {
  const source = readYaml(overlayText, origin, overlayFile);
  const file = source.value;
  if (file.extends !== policy.id)
    throw source.error(['extends'], `The overlay extends "${file.extends}"; this policy is "${policy.id}".`);
  const parameters = new Map(policy.parameters);
  for (const [name, value] of Object.entries(file.set ?? {})) {
    const parameter = parameters.get(name);
    if (parameter === undefined)
      throw source.error(['set', name], `The policy "${policy.id}" has no parameter "${name}".`);
    const complaint =
      parameterMisfit(parameter, value) ??
      (parameter.tighten === undefined && readsParameter(policy, name)
        ? 'has no direction that is known to be stricter ("tighten"), and conditions read it, so that an overlay may not set it'
        : milder(parameter, value));
    if (complaint !== undefined) throw source.error(['set', name], `The parameter "${name}" ${complaint}.`);
    parameters.set(name, { ...parameter, default: value });
  }
  for (const [name, parameter] of readParameters(source, file.parameters ?? {}, parameters))
    parameters.set(name, parameter);
  const changes = new Map(Object.entries(file.tighten ?? {}));
  const rules = policy.rules.map((rule) => {
    const change = changes.get(rule.id);
    changes.delete(rule.id);
    return change ? tightened(source, rule, change, parameters, vocabulary) : rule;
  });
  for (const id of changes.keys())
    throw source.error(['tighten', id], `The policy "${policy.id}" has no rule "${id}".`);
  const taken = new Set(rules.map(({ id }) => id));
  const added = readRules(source, file.rules ?? [], parameters, vocabulary, taken);
  if (rules.length + added.length > limits.rules)
    throw source.error(['rules'], `Policy and overlay have more than ${limits.rules} rules together.`);
  return {
    ...policy,
    parameters,
    rules: [...rules, ...added],
    overlays: [...policy.overlays, { id: file.id, version: file.version }],
    vocabulary,
  };
}

function tightened(
  source: YamlSource<unknown>,
  rule: Rule,
  change: z.infer<typeof tightening>,
  parameters: ReadonlyMap<string, Parameter>,
  vocabulary: Vocabulary,
): Rule {
  const path: YamlPath = ['tighten', rule.id];
  if (change.severity !== undefined && change.severity <= rule.severity)
    throw source.error(
      [...path, 'severity'],
      `${rule.id} has the severity ${rule.severity}; an overlay can only raise it.`,
    );
  const withdrawn = new Set(change.withdraw ?? []);
  for (const id of withdrawn) {
    if (!rule.exceptions.some((exception) => exception.id === id))
      throw source.error([...path, 'withdraw'], `${rule.id} has no exception "${id}".`);
  }
  const scope: RuleScope = { vocabulary, self: rule.for, parameters };
  const exceptions = rule.exceptions.filter(({ id }) => !withdrawn.has(id));
  return {
    ...rule,
    ...(change.also !== undefined && {
      require: both(source, [...path, 'also'], rule.require, change.also, scope),
    }),
    exceptions,
    ...(change.severity !== undefined && { severity: change.severity, severityReason: change.because }),
  };
}

/** The rule's own condition and a further one. */
function both(
  source: YamlSource<unknown>,
  path: YamlPath,
  own: Condition,
  also: string,
  scope: RuleScope,
): Condition {
  const further = readCondition(source, path, also, scope, 'passes');
  try {
    return parseCondition(`(${own.text}) && (${further.text})`, scope);
  } catch (error) {
    if (error instanceof ConditionError)
      throw source.error(path, `Together with the rule's own condition: ${error.message}`);
    throw error;
  }
}

function readsParameter(policy: Policy, name: string): boolean {
  return policy.rules.some((rule) =>
    conditionsOf(policy, rule).some((one) => usesIn(one.node).parameters.some((use) => use.name === name)),
  );
}
