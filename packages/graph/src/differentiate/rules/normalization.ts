/**
 * Gradient rules of normalisation layers.
 *
 * They share one map, standardisation over some axes: with the mean μ, the variance σ² (biased) and r = 1/√(σ² + ε),
 *
 *     x̂ = (x − μ)·r
 *     x̄ = r·(x̂̄ − mean(x̂̄) − x̂·mean(x̂̄·x̂))
 *
 * where the means run over the same axes. A layer y = γ·x̂ + β has x̂̄ = γ·ȳ, γ̄ = Σ ȳ·x̂ and β̄ = Σ ȳ.
 */
import { floatAttribute, intAttribute, intsAttribute } from '../../model.ts';
import { sumToShape } from '../broadcast.ts';
import type { Cotangent, OperatorGradient, Rule, RuleContext } from '../rule.ts';

const DEFAULT_EPSILON = 1e-5;

function epsilonOf(at: RuleContext): string {
  return at.scalar(floatAttribute(at.node, 'epsilon', DEFAULT_EPSILON), at.input(0));
}

/** What the transpose of a standardisation needs of its forward run. */
interface Standardised {
  /** x̂ */
  readonly value: string;
  /** r, with axes of size 1 */
  readonly inverse: string;
  /** The axes, as an int64 vector. */
  readonly axes: string;
}

function mean(at: RuleContext, value: string, axes: string): string {
  return at.build.op('ReduceMean', [value, axes], { keepdims: 1 });
}

function standardise(at: RuleContext, x: string, axes: string): Standardised {
  const { build } = at;
  const centred = build.op('Sub', [x, mean(at, x, axes)]);
  const variance = mean(at, build.op('Mul', [centred, centred]), axes);
  const inverse = inverseRoot(at, variance);
  return { value: build.op('Mul', [centred, inverse]), inverse, axes };
}

/** 1/√(v + ε) */
function inverseRoot(at: RuleContext, variance: string): string {
  const { build } = at;
  return build.op('Reciprocal', [build.op('Sqrt', [build.op('Add', [variance, epsilonOf(at)])])]);
}

/** x̄ from x̂̄ */
function transposeStandardise(
  at: RuleContext,
  { value, inverse, axes }: Standardised,
  cotangent: string,
): string {
  const { build } = at;
  const centred = build.op('Sub', [cotangent, mean(at, cotangent, axes)]);
  const along = mean(at, build.op('Mul', [cotangent, value]), axes);
  return build.op('Mul', [build.op('Sub', [centred, build.op('Mul', [value, along])]), inverse]);
}

/** A vector over channels [C] so that it broadcasts against [N, C, …]. */
function perChannel(at: RuleContext, vector: string, rank: number): string {
  const shape = [-1, ...new Array<number>(Math.max(0, rank - 2)).fill(1)];
  return shape.length === 1 ? vector : at.build.op('Reshape', [vector, at.build.ints(shape)]);
}

/** Every axis but that of the channels. */
function allButChannels(at: RuleContext, x: string): string {
  return at.build.ints(axesFrom(at.rank(x), 0).filter((axis) => axis !== 1));
}

function axesFrom(rank: number, first: number): readonly number[] {
  return Array.from({ length: Math.max(0, rank - first) }, (_, i) => first + i);
}

function sumOver(at: RuleContext, value: string, axes: string): string {
  return at.build.op('ReduceSum', [value, axes], { keepdims: 0 });
}

/** Only the first output carries a gradient; statistics that are given besides do not. */
function refuseStatistics(at: RuleContext, what: string): void {
  const used = at.node.outputs.some((_, index) => index > 0 && at.cotangent(index) !== undefined);
  if (used) at.fail(`a gradient reaches its ${what}, for which there is no rule`);
}

// --- BatchNormalization ---

const batchNormalization: Rule = (at) => {
  refuseStatistics(at, 'running statistics');
  return intAttribute(at.node, 'training_mode', 0) === 0
    ? withRunningStatistics(at)
    : withBatchStatistics(at);
};

/**
 * In inference y = γ·(x − m)·r + β with the running mean m, variance v and r = 1/√(v + ε):
 *
 *     x̄ = γ·r·ȳ,  γ̄ = r·Σ ȳ·(x − m),  β̄ = Σ ȳ,  m̄ = −γ·r·Σ ȳ,  v̄ = −½·γ·r³·Σ ȳ·(x − m)
 */
function withRunningStatistics(at: RuleContext): readonly Cotangent[] {
  const { build } = at;
  const [x, scale, average] = [at.input(0), at.input(1), at.input(3)];
  const rank = at.rank(x);
  const axes = allButChannels(at, x);
  const inverse = inverseRoot(at, at.input(4));
  const slope = build.op('Mul', [scale, inverse]);
  const moment =
    at.wants(1) || at.wants(4)
      ? sumOver(at, build.op('Mul', [at.dY, build.op('Sub', [x, perChannel(at, average, rank)])]), axes)
      : '';
  const total = at.wants(2) || at.wants(3) ? sumOver(at, at.dY, axes) : '';
  const variance = () => {
    const cubed = build.op('Mul', [slope, build.op('Mul', [inverse, inverse])]);
    return build.op('Mul', [build.op('Mul', [cubed, moment]), at.scalar(-0.5, x)]);
  };
  return [
    at.wants(0) ? build.op('Mul', [at.dY, perChannel(at, slope, rank)]) : undefined,
    at.wants(1) ? build.op('Mul', [inverse, moment]) : undefined,
    at.wants(2) ? total : undefined,
    at.wants(3) ? build.op('Neg', [build.op('Mul', [slope, total])]) : undefined,
    at.wants(4) ? variance() : undefined,
  ];
}

/**
 * In training the statistics are those of the batch, n values per channel. γ is one number there, so that with the
 * sums that γ̄ and β̄ are anyway,  x̄ = γ·r·(ȳ − β̄/n − x̂·γ̄/n).
 */
function withBatchStatistics(at: RuleContext): readonly Cotangent[] {
  const { build } = at;
  const x = at.input(0);
  const rank = at.rank(x);
  const axes = allButChannels(at, x);
  const centred = build.op('Sub', [x, mean(at, x, axes)]);
  const inverse = inverseRoot(at, mean(at, build.op('Mul', [centred, centred]), axes));
  const meanCotangent = mean(at, at.dY, axes);
  // mean(ȳ·x̂) = r·mean(ȳ·(x − μ))
  const along = build.op('Mul', [mean(at, build.op('Mul', [at.dY, centred]), axes), inverse]);
  const input = () => {
    const slope = build.op('Mul', [perChannel(at, at.input(1), rank), inverse]);
    const level = build.op('Sub', [at.dY, meanCotangent]);
    const tilt = build.op('Mul', [centred, build.op('Mul', [along, inverse])]);
    return build.op('Mul', [build.op('Sub', [level, tilt]), slope]);
  };
  const total = (average: string, like: string) => {
    const count = build.op('Div', [sizeOf(at, x), sizeOf(at, like)]);
    const sum = build.op('Mul', [average, build.op('CastLike', [count, average])]);
    return build.op('Reshape', [sum, at.shapeOf(like)]);
  };
  return [
    at.wants(0) ? input() : undefined,
    at.wants(1) ? total(along, at.input(1)) : undefined,
    at.wants(2) ? total(meanCotangent, at.input(2)) : undefined,
  ];
}

/** Number of elements, as an int64 scalar. */
function sizeOf(at: RuleContext, value: string): string {
  return at.build.op('ReduceProd', [at.shapeOf(value)], { keepdims: 0 });
}

// --- Layer, instance, group and RMS normalisation ---

const layerNormalization: Rule = (at) => {
  refuseStatistics(at, 'mean or standard deviation');
  const { build } = at;
  const [x, scale] = [at.input(0), at.input(1)];
  const rank = at.rank(x);
  const axes = build.ints(axesFrom(rank, at.axis(intAttribute(at.node, 'axis', -1), rank)));
  const known = at.hasOutput(1) && at.hasOutput(2) && at.elementType(at.output(1)) === at.elementType(x);
  const standardised = () => {
    if (!known) return standardise(at, x, axes);
    const inverse = at.output(2);
    const value = build.op('Mul', [build.op('Sub', [x, at.output(1)]), inverse]);
    return { value, inverse, axes };
  };
  const forward = at.wants(0) || at.wants(1) ? standardised() : undefined;
  return [
    at.wants(0) && forward ? transposeStandardise(at, forward, build.op('Mul', [at.dY, scale])) : undefined,
    at.wants(1) && forward ? sumToShape(at, build.op('Mul', [at.dY, forward.value]), x, scale) : undefined,
    at.wants(2) ? sumToShape(at, at.dY, x, at.input(2)) : undefined,
  ];
};

/** y = γ·x·r with r = 1/√(mean(x²) + ε):  x̄ = r·(x̂̄ − x̂·mean(x̂̄·x̂)). */
const rmsNormalization: Rule = (at) => {
  const { build } = at;
  const [x, scale] = [at.input(0), at.input(1)];
  const rank = at.rank(x);
  const axes = build.ints(axesFrom(rank, at.axis(intAttribute(at.node, 'axis', -1), rank)));
  const inverse = inverseRoot(at, mean(at, build.op('Mul', [x, x]), axes));
  const value = build.op('Mul', [x, inverse]);
  const input = () => {
    const cotangent = build.op('Mul', [at.dY, scale]);
    const along = mean(at, build.op('Mul', [cotangent, value]), axes);
    return build.op('Mul', [build.op('Sub', [cotangent, build.op('Mul', [value, along])]), inverse]);
  };
  return [
    at.wants(0) ? input() : undefined,
    at.wants(1) ? sumToShape(at, build.op('Mul', [at.dY, value]), x, scale) : undefined,
  ];
};

/** Each channel of each example over its positions. */
const instanceNormalization: Rule = (at) => {
  const spatial = at.build.ints(axesFrom(at.rank(at.input(0)), 2));
  return scaledPerChannel(
    at,
    (value) => value,
    (value) => value,
    spatial,
  );
};

/** Each group of channels of each example over all that is in it: one axis of [N, groups, rest]. */
const groupNormalization: Rule = (at) => {
  const { build } = at;
  const groups = build.ints([0, intAttribute(at.node, 'num_groups', 1), -1]);
  const shape = at.shapeOf(at.input(0));
  return scaledPerChannel(
    at,
    (value) => build.op('Reshape', [value, groups]),
    (value) => build.op('Reshape', [value, shape]),
    build.ints([2]),
  );
};

/** y = γ_c·x̂ + β_c, standardised in another arrangement of the elements. */
function scaledPerChannel(
  at: RuleContext,
  arrange: (value: string) => string,
  restore: (value: string) => string,
  axes: string,
): readonly Cotangent[] {
  const { build } = at;
  const x = at.input(0);
  const channels = allButChannels(at, x);
  const forward = at.wants(0) || at.wants(1) ? standardise(at, arrange(x), axes) : undefined;
  const input = (standardised: Standardised) => {
    const scale = perChannel(at, at.input(1), at.rank(x));
    return restore(transposeStandardise(at, standardised, arrange(build.op('Mul', [at.dY, scale]))));
  };
  return [
    at.wants(0) && forward ? input(forward) : undefined,
    at.wants(1) && forward
      ? sumOver(at, build.op('Mul', [at.dY, restore(forward.value)]), channels)
      : undefined,
    at.wants(2) ? sumOver(at, at.dY, channels) : undefined,
  ];
}

// --- Without parameters ---

/**
 * y = (x − μ)/(σ + 10⁻⁹):  x̄ = (ȳ − mean(ȳ) − y·mean(ȳ·y)·(σ + 10⁻⁹)/σ)/(σ + 10⁻⁹), and the last factor inside is 1
 * as far as floating point goes, or y is 0.
 */
const meanVarianceNormalization: Rule = (at) => {
  const { build } = at;
  const [x, y] = [at.input(0), at.output(0)];
  const axes = build.ints(intsAttribute(at.node, 'axes') ?? [0, 2, 3]);
  const centred = build.op('Sub', [x, mean(at, x, axes)]);
  const deviation = build.op('Sqrt', [mean(at, build.op('Mul', [centred, centred]), axes)]);
  const inverse = build.op('Reciprocal', [build.op('Add', [deviation, at.scalar(1e-9, x)])]);
  return [transposeStandardise(at, { value: y, inverse, axes }, at.dY)];
};

/**
 * y = x/‖x‖ₚ along an axis:  x̄ = (ȳ − ∇‖x‖·Σ ȳ·y)/‖x‖, where ∇‖x‖ is y for p = 2 and sign(x) for p = 1. Where the
 * norm is 0, so is y, and x̄ is set to 0.
 */
const lpNormalization: Rule = (at) => {
  const { build } = at;
  const [x, y] = [at.input(0), at.output(0)];
  const axis = build.ints([at.axis(intAttribute(at.node, 'axis', -1), at.rank(x))]);
  const first = intAttribute(at.node, 'p', 2) === 1;
  const norm = first
    ? build.op('ReduceSum', [build.op('Abs', [x]), axis], { keepdims: 1 })
    : build.op('Sqrt', [build.op('ReduceSum', [build.op('Mul', [x, x]), axis], { keepdims: 1 })]);
  const gradient = first ? build.op('Sign', [x]) : y;
  const along = build.op('ReduceSum', [build.op('Mul', [at.dY, y]), axis], { keepdims: 1 });
  const tangent = build.op('Sub', [at.dY, build.op('Mul', [gradient, along])]);
  const positive = build.op('Greater', [norm, at.scalar(0, x)]);
  const safe = build.op('Where', [positive, norm, at.scalar(1, x)]);
  return [build.op('Where', [positive, build.op('Div', [tangent, safe]), at.scalar(0, x)])];
};

/**
 * y_c = x_c·u_c^(−β) with u_c = bias + (α/n)·Σ x_j² over the n channels from c − ⌊(n−1)/2⌋ to c + ⌈(n−1)/2⌉:
 *
 *     x̄_c = ȳ_c·u_c^(−β) − (2αβ/n)·x_c·Σ ȳ_j·x_j·u_j^(−β−1)  over the channels j whose window has c in it,
 *
 * which are those from c − ⌈(n−1)/2⌉ to c + ⌊(n−1)/2⌋.
 */
const localResponseNormalization: Rule = (at) => {
  const { build } = at;
  const x = at.input(0);
  const number = (value: number) => at.scalar(value, x);
  const size = intAttribute(at.node, 'size', 1);
  const alpha = floatAttribute(at.node, 'alpha', 1e-4);
  const beta = floatAttribute(at.node, 'beta', 0.75);
  const bias = floatAttribute(at.node, 'bias', 1);
  const [fewer, more] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  // Means over `size` channels, of [N, 1, C, positions]: what lies outside counts as 0.
  const rows = (value: string) => {
    const flat = build.op('Reshape', [value, build.ints([0, 0, -1])]);
    return build.op('Unsqueeze', [flat, build.ints([1])]);
  };
  const average = (value: string, before: number, after: number) =>
    build.op('AveragePool', [value], {
      kernel_shape: [size, 1],
      pads: [before, 0, after, 0],
      count_include_pad: 1,
    });
  const [input, cotangent] = [rows(x), rows(at.dY)];
  const squares = average(build.op('Mul', [input, input]), fewer, more);
  const base = build.op('Add', [build.op('Mul', [squares, number(alpha)]), number(bias)]);
  const power = build.op('Pow', [base, number(-beta)]);
  const scaled = build.op('Mul', [cotangent, power]);
  const spread = average(build.op('Div', [build.op('Mul', [scaled, input]), base]), more, fewer);
  const through = build.op('Mul', [build.op('Mul', [input, spread]), number(2 * alpha * beta)]);
  return [build.op('Reshape', [build.op('Sub', [scaled, through]), at.shapeOf(x)])];
};

export const normalization: Readonly<Record<string, OperatorGradient>> = {
  BatchNormalization: {
    differentiable: [0, 1, 2, 3, 4],
    rule: batchNormalization,
    note: 'inference and training mode; not through the running statistics that it gives',
  },
  LayerNormalization: {
    differentiable: [0, 1, 2],
    rule: layerNormalization,
    note: 'not through Mean and InvStdDev',
  },
  InstanceNormalization: { differentiable: [0, 1, 2], rule: instanceNormalization },
  GroupNormalization: {
    differentiable: [0, 1, 2],
    rule: groupNormalization,
    note: 'scale and bias per channel',
  },
  RMSNormalization: { differentiable: [0, 1], rule: rmsNormalization },
  MeanVarianceNormalization: { differentiable: [0], rule: meanVarianceNormalization },
  LpNormalization: { differentiable: [0], rule: lpNormalization, note: '0 where the norm is 0' },
  LRN: { differentiable: [0], rule: localResponseNormalization },
};
