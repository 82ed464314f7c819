/**
 * Gradient rules of convolutions. Per spatial axis, with kernel k, stride s, dilation d and padding b before,
 *
 *     y[n, m, p] = Σ_c Σ_t  x[n, c, s·p + d·t − b] · w[m, c, t]  + bias[m]
 *
 * x̄ is a transposed convolution of ȳ (see sliding.ts), and w̄ a correlation of x with ȳ:
 *
 *     w̄[m, c, t] = Σ_n Σ_p  ȳ[n, m, p] · x[n, c, s·p + d·t − b]
 *
 * A transposed convolution is the same bilinear form with x and y in each other's place: its x̄ is a convolution,
 * and its w̄ the same correlation.
 */
import { type Dim, intsAttribute } from '../../model.ts';
import type { OperatorGradient, Rule, RuleContext } from '../rule.ts';
import {
  extent,
  fixedSizes,
  type Padding,
  readGroup,
  readPadding,
  readSteps,
  type Side,
  type Sliding,
  sideOf,
  sizesOf,
  spatialAxes,
  splitPadding,
  statedPadding,
  transposeSliding,
  type Weights,
} from '../sliding.ts';

function readWeights(at: RuleContext): Weights {
  const value = at.input(1);
  const shape = at.staticShape(value);
  if (shape === undefined) return at.fail('the shape of its weights is not known before it runs');
  return { value, shape, group: readGroup(at) };
}

const conv: Rule = (at) => {
  const weights = readWeights(at);
  const steps = readSteps(at, weights.shape.slice(2));
  const x = sideOf(at, at.input(0));
  const y = sideOf(at, at.output(0), at.dY);
  const sliding: Sliding = { ...steps, padding: readPadding(at, steps, x) };
  return [
    at.wants(0) ? transposeSliding(at, sliding, weights, x, y) : undefined,
    at.wants(1) ? weightGradient(at, sliding, weights, x, y) : undefined,
    at.wants(2) ? biasGradient(at, steps.kernel) : undefined,
  ];
};

const convTranspose: Rule = (at) => {
  const weights = readWeights(at);
  const steps = readSteps(at, weights.shape.slice(2));
  const small = sideOf(at, at.input(0));
  const large = sideOf(at, at.output(0), at.dY);
  const sliding = { ...steps, padding: transposedPadding(at, steps, small.sizes) };
  return [
    at.wants(0) ? convolveCotangent(at, sliding, weights, large, small) : undefined,
    at.wants(1) ? weightGradient(at, sliding, weights, large, small) : undefined,
    at.wants(2) ? biasGradient(at, steps.kernel) : undefined,
  ];
};

/** b̄[m] = Σ ȳ[n, m, p] */
function biasGradient(at: RuleContext, kernel: readonly number[]): string {
  return at.build.op('ReduceSum', [at.dY, at.build.ints([0, ...spatialAxes(kernel)])], { keepdims: 0 });
}

/**
 * The padding of a transposed convolution, whose output is s(n − 1) + d(k − 1) + 1 + output_padding − b − a long.
 * `output_shape`, or SAME (which stands for s·n), fixes that length and so the sum b + a.
 */
function transposedPadding(
  at: RuleContext,
  steps: Omit<Sliding, 'padding'>,
  sizes: readonly Dim[],
): Padding & { readonly kind: 'fixed' } {
  const { kernel, strides } = steps;
  const shape = intsAttribute(at.node, 'output_shape')?.slice(-kernel.length);
  const stated = statedPadding(at, kernel.length);
  if (shape === undefined && stated !== undefined) return stated;
  const spare = intsAttribute(at.node, 'output_padding');
  const total = kernel.map((_, i) => {
    const size = sizes[i];
    const stride = strides[i] ?? 1;
    const grown = extent(steps, i) + (spare?.[i] ?? 0);
    if (shape === undefined) return Math.max(0, grown - stride);
    if (typeof size !== 'number') {
      return at.fail('it has an output_shape, and the size of its input is only known when it runs');
    }
    return Math.max(0, stride * (size - 1) + grown - (shape[i] ?? 0));
  });
  return splitPadding(at, total);
}

/** x̄ of a transposed convolution: ȳ convolved with the same weights. */
function convolveCotangent(
  at: RuleContext,
  sliding: Sliding & { readonly padding: Padding & { readonly kind: 'fixed' } },
  weights: Weights,
  large: Side,
  small: Side,
): string {
  const { build } = at;
  const { kernel, strides, dilations, padding } = sliding;
  const pads = [...padding.before, ...padding.after];
  const attributes = { strides, dilations, pads, group: weights.group };
  const whole = build.op('Conv', [large.value, weights.value], attributes);
  // Output padding of a stride or more leaves room for positions that x does not have.
  const exact = small.sizes.every(
    (size, i) => leftOver(sliding, large.sizes[i], size, i) < (strides[i] ?? 1),
  );
  return exact ? whole : keepFirst(at, whole, sizesOf(at, small), kernel);
}

/** What remains of axis i of the large side after the last position of the kernel; infinite if sizes are unknown. */
function leftOver(sliding: Sliding, large: Dim | undefined, small: Dim | undefined, i: number): number {
  const { padding, strides } = sliding;
  if (typeof large !== 'number' || typeof small !== 'number' || padding.kind === 'computed') return Infinity;
  const padded = large + (padding.before[i] ?? 0) + (padding.after[i] ?? 0);
  return padded - (small - 1) * (strides[i] ?? 1) - extent(sliding, i);
}

/** The first elements along every spatial axis, as many as the int64 vector `sizes` says. */
function keepFirst(at: RuleContext, value: string, sizes: string, kernel: readonly number[]): string {
  const { build } = at;
  return build.op('Slice', [value, build.ints(kernel.map(() => 0)), sizes, build.ints(spatialAxes(kernel))]);
}

/** With more taps than this, the copies of x cost more than a product of matrices saves. */
const MOST_TAPS = 12;
/** Fewer channels than this, in a group or in all, make matrices too thin for a product of their own to pay. */
const FEWEST_CHANNELS = 8;

/** w̄ in one of two forms, by the shape of the kernel. */
function weightGradient(at: RuleContext, sliding: Sliding, weights: Weights, x: Side, y: Side): string {
  const [out = 0, perGroup = 0] = weights.shape;
  const thin = weights.group > 1 && Math.min(perGroup, out / weights.group) < FEWEST_CHANNELS;
  const form = tapCount(sliding) > MOST_TAPS || thin ? weightsByConvolution : weightsByProduct;
  if (sliding.padding.kind === 'fixed') return form(at, sliding, weights, x, y);
  const { before, after } = sliding.padding;
  const axes = at.build.ints(spatialAxes(sliding.kernel));
  const pads = at.build.op('Concat', [before, after], { axis: 0 });
  const padded: Side = { value: at.build.op('Pad', [x.value, pads, '', axes]), sizes: x.sizes.map(() => '') };
  const none = sliding.kernel.map(() => 0);
  return form(at, { ...sliding, padding: { kind: 'fixed', before: none, after: none } }, weights, padded, y);
}

function tapCount({ kernel }: Sliding): number {
  return kernel.reduce((product, k) => product * k, 1);
}

/**
 * w̄ as products of matrices. With X_t[c, (n, p)] = x[n, c, s·p + d·t − b], the part of x that tap t sees,
 *
 *     w̄[m, (t, c)] = Σ_(n, p) ȳ[m, (n, p)] · X_t[c, (n, p)]
 *
 * The X_t are strided slices of the padded x. Each is multiplied by itself, so that it need not be copied once more; only
 * thin ones are put one above the other for a single product, and groups are a batch of such products.
 */
function weightsByProduct(at: RuleContext, sliding: Sliding, weights: Weights, x: Side, y: Side): string {
  const { build } = at;
  const { shape, group } = weights;
  const [out = 0, perGroup = 0] = shape;
  const taps = tapCount(sliding);
  const seen = slicesPerTap(at, sliding, x, y);
  const cotangent = exchangeBatch(at, y.value, sliding);
  const product = () => {
    if (group === 1 && perGroup >= FEWEST_CHANNELS) {
      const rows = build.op('Reshape', [cotangent, build.ints([out, -1])]);
      const products = seen.map((slice) =>
        build.op('Gemm', [rows, build.op('Reshape', [slice, build.ints([perGroup, -1])])], { transB: 1 }),
      );
      return stack(at, products, 1);
    }
    if (group === 1) {
      const columns = build.op('Reshape', [stack(at, seen, 0), build.ints([taps * perGroup, -1])]);
      return build.op('Gemm', [build.op('Reshape', [cotangent, build.ints([out, -1])]), columns], {
        transB: 1,
      });
    }
    const split = seen.map((slice) => build.op('Reshape', [slice, build.ints([group, perGroup, -1])]));
    const columns = build.op('Transpose', [stack(at, split, 1)], { perm: [0, 2, 1] });
    const rows = build.op('Reshape', [cotangent, build.ints([group, out / group, -1])]);
    return build.op('MatMul', [rows, columns]);
  };
  const byTap = build.op('Reshape', [product(), build.ints([out, taps, perGroup])]);
  return build.op('Reshape', [build.op('Transpose', [byTap], { perm: [0, 2, 1] }), build.ints(shape)]);
}

/** X_t for every tap t, channels first. */
function slicesPerTap(at: RuleContext, sliding: Sliding, x: Side, y: Side): readonly string[] {
  const { build } = at;
  const { kernel, strides, dilations, padding } = sliding;
  let source = exchangeBatch(at, x.value, sliding);
  if (padding.kind === 'fixed' && [...padding.before, ...padding.after].some((pad) => pad > 0)) {
    source = build.op('Pad', [source, build.ints([0, 0, ...padding.before, 0, 0, ...padding.after])]);
  }
  const axes = build.ints(spatialAxes(kernel));
  const steps = build.ints(strides);
  // The first tap sees elements 0 … s(P − 1), tap t the same number from d·t on.
  const sizes = fixedSizes(y.sizes);
  const spans = sizes?.map((size, i) => (size - 1) * (strides[i] ?? 1) + 1);
  const spanAtRunTime = () => {
    const reach = build.op('Mul', [build.op('Shape', [y.value], { start: 2 }), steps]);
    return build.op('Sub', [reach, build.ints(strides.map((s) => s - 1))]);
  };
  const span = spans === undefined ? spanAtRunTime() : build.ints(spans);
  return taps(kernel).map((tap) => {
    const start = tap.map((t, i) => t * (dilations[i] ?? 1));
    const ends = spans?.map((size, i) => size + (start[i] ?? 0));
    const end = ends === undefined ? build.op('Add', [span, build.ints(start)]) : build.ints(ends);
    return build.op('Slice', [source, build.ints(start), end, axes, steps]);
  });
}

/** All positions in a kernel, the last axis fastest. */
function taps(kernel: readonly number[]): readonly (readonly number[])[] {
  return kernel.reduce<readonly (readonly number[])[]>(
    (tuples, size) => tuples.flatMap((tuple) => Array.from({ length: size }, (_, i) => [...tuple, i])),
    [[]],
  );
}

/**
 * w̄ as a convolution: batch and channels change places, and so do stride and dilation, so that ȳ is the kernel.
 *
 *     w̄[m, c, t] = Σ_n Σ_p  x[n, c, d·t + s·p − b] · ȳ[n, m, p]
 *
 * Groups stay groups: the channels of x within a group become the batch, the batch the channels of each group.
 */
function weightsByConvolution(at: RuleContext, sliding: Sliding, weights: Weights, x: Side, y: Side): string {
  const { build } = at;
  const { kernel, strides, dilations, padding } = sliding;
  const { shape, group } = weights;
  const [, perGroup = 0] = shape;
  let source = exchangeBatch(at, x.value, sliding);
  if (group > 1) {
    // [g·c, n, …] → [g, c, n, …] → [c, g, n, …] → [c, g·n, …]
    const sizes = sizesOf(at, x);
    const shaped = (head: readonly number[]) => build.op('Concat', [build.ints(head), sizes], { axis: 0 });
    const split = build.op('Reshape', [source, shaped([group, perGroup, -1])]);
    const exchanged = build.op('Transpose', [split], { perm: [1, 0, 2, ...kernel.map((_, i) => i + 3)] });
    source = build.op('Reshape', [exchanged, shaped([perGroup, -1])]);
  }
  const pads = padding.kind === 'fixed' ? [...padding.before, ...padding.after] : undefined;
  const correlation = build.op('Conv', [source, exchangeBatch(at, y.value, sliding)], {
    strides: dilations,
    dilations: strides,
    group,
    ...(pads === undefined ? {} : { pads }),
  });
  const gradient = exchangeBatch(at, correlation, sliding);
  // What the stride leaves over at the end makes room for taps that the kernel does not have.
  const exact = kernel.every((_, i) => leftOver(sliding, x.sizes[i], y.sizes[i], i) < (dilations[i] ?? 1));
  return exact ? gradient : keepFirst(at, gradient, build.ints(kernel), kernel);
}

/** [n, c, …] ↔ [c, n, …] */
function exchangeBatch(at: RuleContext, value: string, { kernel }: Sliding): string {
  return at.build.op('Transpose', [value], { perm: [1, 0, ...spatialAxes(kernel)] });
}

function stack(at: RuleContext, parts: readonly string[], axis: number): string {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : at.build.op('Concat', parts, { axis });
}

export const convolution: Readonly<Record<string, OperatorGradient>> = {
  Conv: {
    differentiable: [0, 1, 2],
    rule: conv,
    note: '1-D, 2-D, 3-D; strides, dilations, groups, any padding',
  },
  ConvTranspose: {
    differentiable: [0, 1, 2],
    rule: convTranspose,
    note: '1-D, 2-D, 3-D; output_shape only where the size of the input is fixed',
  },
};
