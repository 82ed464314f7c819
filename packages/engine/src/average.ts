/** Weighted means of sets of tensors, as federated averaging takes them of its clients' parameters. */
import { type Tensor, tensor, toNumbers } from '@assay/graph';
import { EngineError } from './errors.ts';
import type { Tensors } from './session.ts';

/** One member of a mean: its tensors by name, and how much it counts (in federated averaging its number of rows). */
export interface WeightedTensors {
  readonly tensors: Tensors;
  /** At least 0. */
  readonly weight: number;
}

const AVERAGED = new Set(['float32', 'float64', 'float16']);

/**
 * The weighted mean  w̄ = Σₖ nₖ wₖ / Σₖ nₖ  of each tensor, added up in float64 and rounded once.
 *
 * McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-efficient learning of deep networks from decentralized
 * data", AISTATS 2017 (federated averaging).
 *
 * @throws EngineError of kind `argument` if there is no member, their names, shapes or types differ, they are no
 *   floating-point tensors, or the weights are negative, not finite or all 0
 */
export function weightedAverage(members: readonly WeightedTensors[]): Record<string, Tensor> {
  const [first] = members;
  if (first === undefined) throw new EngineError('argument', 'There is nothing to average.');
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  if (members.some(({ weight }) => !(weight >= 0)) || !(total > 0) || !Number.isFinite(total)) {
    throw new EngineError('argument', 'The weights of an average are finite, at least 0, and not all 0.');
  }
  const names = Object.keys(first.tensors);
  for (const { tensors } of members) {
    if (Object.keys(tensors).length !== names.length) {
      throw new EngineError('argument', 'The members of an average have different numbers of tensors.');
    }
  }
  return Object.fromEntries(names.map((name) => [name, averageOf(name, members, total)]));
}

function averageOf(name: string, members: readonly WeightedTensors[], total: number): Tensor {
  let kind: Pick<Tensor, 'elementType' | 'dims'> | undefined;
  let sums = new Float64Array();
  for (const { tensors, weight } of members) {
    const value = tensors[name];
    if (value === undefined)
      throw new EngineError('argument', `A member of the average has no tensor "${name}".`);
    if (kind === undefined) {
      if (!AVERAGED.has(value.elementType)) {
        throw new EngineError(
          'argument',
          `"${name}" holds ${value.elementType} elements, which have no mean.`,
        );
      }
      kind = value;
      sums = new Float64Array(toNumbers(value).length);
    }
    if (value.elementType !== kind.elementType || value.dims.join() !== kind.dims.join()) {
      throw new EngineError(
        'argument',
        `"${name}" is ${kind.elementType}[${kind.dims.join(', ')}] in one member and ${value.elementType}[${value.dims.join(', ')}] in another.`,
      );
    }
    const values = toNumbers(value);
    for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] ?? 0) + (weight / total) * (values[i] ?? 0);
  }
  return tensor(kind?.elementType ?? 'float32', kind?.dims ?? [], sums);
}
