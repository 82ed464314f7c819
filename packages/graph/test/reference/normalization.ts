/** Normalisations with scale and shift, and dropout as it is at inference. */
import { floatAttribute, intAttribute, type Node } from '../../src/index.ts';
import {
  type Array64,
  array64,
  at,
  build,
  get,
  getBroadcast,
  InterpretationError,
  mapped,
  normalizeAxis,
  reshaped,
  sum,
} from './array64.ts';
import { type Call, flag, input, type Kernels } from './kernel.ts';
import { axesFrom, reduceKeeping } from './reduction.ts';

const DEFAULT_EPSILON = 1e-5;

function epsilonOf(node: Node): number {
  return floatAttribute(node, 'epsilon', DEFAULT_EPSILON);
}

function meanOf(numbers: readonly number[]): number {
  return sum(numbers) / numbers.length;
}

/** The biased variance: the mean squared distance from the mean. */
function varianceOf(numbers: readonly number[]): number {
  const mean = meanOf(numbers);
  return meanOf(numbers.map((x) => (x - mean) ** 2));
}

/** (x − mean) / √(variance + ε) over the axes. */
function standardized(x: Array64, axes: readonly number[], epsilon: number): Array64 {
  const mean = reduceKeeping(x, axes, meanOf);
  const variance = reduceKeeping(x, axes, varianceOf);
  return build(
    x.elementType,
    x.dims,
    (index) =>
      (get(x, index) - getBroadcast(mean, index)) / Math.sqrt(getBroadcast(variance, index) + epsilon),
  );
}

/** scale[c] · x + bias[c], where c counts along axis 1. */
function scaledPerChannel(x: Array64, scale: Array64, bias: Array64): Array64 {
  return build(x.elementType, x.dims, (index) => {
    const channel = [at(index, 1)];
    return get(scale, channel) * get(x, index) + get(bias, channel);
  });
}

/**
 * With the running statistics, or (training) with those of the batch, which then also move the running ones:
 * running · momentum + batch · (1 − momentum), the variance biased.
 */
function batchNormalization(call: Call): readonly Array64[] {
  const { node } = call;
  const x = input(call, 0);
  const scale = input(call, 1);
  const bias = input(call, 2);
  const runningMean = input(call, 3);
  const runningVariance = input(call, 4);
  const epsilon = epsilonOf(node);
  const momentum = floatAttribute(node, 'momentum', 0.9);
  if (!flag(node, 'training_mode', false)) {
    const normalized = build(x.elementType, x.dims, (index) => {
      const channel = [at(index, 1)];
      return (get(x, index) - get(runningMean, channel)) / Math.sqrt(get(runningVariance, channel) + epsilon);
    });
    return [scaledPerChannel(normalized, scale, bias)];
  }
  const axes = [0, ...axesFrom(x, 2)];
  const moved = (running: Array64, statistic: (numbers: readonly number[]) => number) => {
    const batch = reduceKeeping(x, axes, statistic);
    return build(running.elementType, running.dims, ([c = 0]) => {
      return get(running, [c]) * momentum + at(batch.values, c) * (1 - momentum);
    });
  };
  return [
    scaledPerChannel(standardized(x, axes, epsilon), scale, bias),
    moved(runningMean, meanOf),
    moved(runningVariance, varianceOf),
  ];
}

function instanceNormalization(call: Call): Array64 {
  const x = input(call, 0);
  return scaledPerChannel(
    standardized(x, axesFrom(x, 2), epsilonOf(call.node)),
    input(call, 1),
    input(call, 2),
  );
}

/** Scale and bias are per channel since operator set 21, per group before. */
function groupNormalization(call: Call): Array64 {
  const x = input(call, 0);
  const groups = intAttribute(call.node, 'num_groups', 1);
  const [batch = 0, channels = 0, ...spatial] = x.dims;
  const grouped = reshaped(x, [batch, groups, channels / groups, ...spatial]);
  const normalized = standardized(grouped, axesFrom(grouped, 2), epsilonOf(call.node));
  const scale = input(call, 1);
  const bias = input(call, 2);
  if (call.opset < 21) return reshaped(scaledPerChannel(normalized, scale, bias), x.dims);
  return scaledPerChannel(reshaped(normalized, x.dims), scale, bias);
}

/** Y, the mean, and 1 / √(variance + ε), over the axes from `axis` on. */
function layerNormalization(call: Call): readonly Array64[] {
  const x = input(call, 0);
  const scale = input(call, 1);
  const bias = call.inputs[2];
  const axes = axesFrom(x, normalizeAxis(intAttribute(call.node, 'axis', -1), x.dims.length));
  const epsilon = epsilonOf(call.node);
  const normalized = standardized(x, axes, epsilon);
  return [
    build(
      x.elementType,
      x.dims,
      (index) =>
        getBroadcast(scale, index) * get(normalized, index) +
        (bias === undefined ? 0 : getBroadcast(bias, index)),
    ),
    reduceKeeping(x, axes, meanOf),
    reduceKeeping(x, axes, (numbers) => 1 / Math.sqrt(varianceOf(numbers) + epsilon)),
  ];
}

/** scale · x / √(mean(x²) + ε) over the axes from `axis` on. */
function rmsNormalization(call: Call): Array64 {
  const x = input(call, 0);
  const scale = input(call, 1);
  const axes = axesFrom(x, normalizeAxis(intAttribute(call.node, 'axis', -1), x.dims.length));
  const meanSquare = reduceKeeping(x, axes, (numbers) => meanOf(numbers.map((v) => v * v)));
  const epsilon = epsilonOf(call.node);
  return build(
    x.elementType,
    x.dims,
    (index) =>
      (getBroadcast(scale, index) * get(x, index)) / Math.sqrt(getBroadcast(meanSquare, index) + epsilon),
  );
}

/** The identity, with a mask of ones. Training with a ratio above 0 draws numbers that no specification fixes. */
function dropout(call: Call): readonly Array64[] {
  const x = input(call, 0);
  const ratio = call.inputs[1]?.values[0] ?? floatAttribute(call.node, 'ratio', 0.5);
  const training = (call.inputs[2]?.values[0] ?? 0) !== 0;
  if (training && ratio !== 0) throw new InterpretationError('Dropout in training is random');
  const ones = mapped(x, () => 1, 'bool');
  return [x, array64('bool', x.dims, ones.values)];
}

export const normalizations: Kernels = {
  BatchNormalization: batchNormalization,
  Dropout: dropout,
  GroupNormalization: (call) => [groupNormalization(call)],
  InstanceNormalization: (call) => [instanceNormalization(call)],
  LayerNormalization: layerNormalization,
  RMSNormalization: (call) => [rmsNormalization(call)],
};
