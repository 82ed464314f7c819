/** Losses of a classifier. */
import { intAttribute, stringAttribute } from '../../src/index.ts';
import { type Array64, array64, build, forEachIndex, get, sum } from './array64.ts';
import { type Call, input, type Kernels } from './kernel.ts';
import { logSoftmax } from './reduction.ts';

/**
 * −weight[t] · logProb[n, t, d…] per element with target t; those with `ignore_index` count nothing.
 * The mean divides by the sum of the weights of what counts.
 */
function negativeLogLikelihood(call: Call, logProbabilities: Array64): Array64 {
  const target = input(call, 1);
  const weights = call.inputs[2];
  const ignored = intAttribute(call.node, 'ignore_index');
  const weightOf = (t: number) => (t === ignored ? 0 : weights === undefined ? 1 : get(weights, [t]));
  const losses = build(logProbabilities.elementType, target.dims, (index) => {
    const t = get(target, index);
    if (t === ignored) return 0;
    const [n = 0, ...rest] = index;
    return -weightOf(t) * get(logProbabilities, [n, t, ...rest]);
  });
  const reduction = stringAttribute(call.node, 'reduction', 'mean');
  if (reduction === 'none') return losses;
  const total = sum(losses.values);
  if (reduction === 'sum') return array64(losses.elementType, [], [total]);
  let weight = 0;
  forEachIndex(target.dims, (index) => {
    weight += weightOf(get(target, index));
  });
  return array64(losses.elementType, [], [total / weight]);
}

function softmaxCrossEntropy(call: Call): readonly Array64[] {
  const logProbabilities = logSoftmax(input(call, 0), 1);
  return [negativeLogLikelihood(call, logProbabilities), logProbabilities];
}

export const losses: Kernels = {
  NegativeLogLikelihoodLoss: (call) => [negativeLogLikelihood(call, input(call, 0))],
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
};
