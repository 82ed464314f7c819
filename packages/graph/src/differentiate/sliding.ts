/**
 * Windows that slide over spatial axes: the geometry that convolutions and poolings share, and the transpose of
 * the linear map that they stand for.
 *
 * Per axis, with kernel k, stride s, dilation d and padding b before and a after,
 *
 *     y[m, p] = Σ_c Σ_t  x[c, s·p + d·t − b] · w[m, c, t]
 *     x̄[c, i] = Σ_m Σ_t  Σ_{p: s·p + d·t − b = i}  ȳ[m, p] · w[m, c, t]
 */
import { type Dim, intAttribute, intsAttribute, stringAttribute } from '../model.ts';
import type { RuleContext } from './rule.ts';

/** How a kernel slides over the larger side x of the bilinear form. */
export interface Sliding {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: Padding;
}

/** Padding per axis, or int64 vectors that hold it where it follows from sizes that only the run tells. */
export type Padding =
  | { readonly kind: 'fixed'; readonly before: readonly number[]; readonly after: readonly number[] }
  | { readonly kind: 'computed'; readonly before: string; readonly after: string };

/** One side of the form: a tensor [batch, channels, spatial…] and what is known of its spatial sizes. */
export interface Side {
  readonly value: string;
  readonly sizes: readonly Dim[];
}

/** A forward value, or a value of the same shape as one. */
export function sideOf(at: RuleContext, forward: string, value = forward): Side {
  return { value, sizes: at.shape(forward).slice(2) };
}

/** The dimensions if all are numbers. */
export function fixedSizes(dims: readonly Dim[]): readonly number[] | undefined {
  const known = dims.filter((dim) => typeof dim === 'number');
  return known.length === dims.length ? known : undefined;
}

/** Numbers of the spatial axes of a tensor [batch, channels, spatial…]. */
export function spatialAxes(kernel: readonly number[]): readonly number[] {
  return kernel.map((_, i) => i + 2);
}

/** The spatial sizes of a value as an int64 vector. */
export function sizesOf(at: RuleContext, side: Side): string {
  const known = fixedSizes(side.sizes);
  return known === undefined ? at.build.op('Shape', [side.value], { start: 2 }) : at.build.ints(known);
}

/** Size of the dilated kernel along axis i: d(k − 1) + 1. */
export function extent({ kernel, dilations }: Omit<Sliding, 'padding'>, i: number): number {
  return (dilations[i] ?? 1) * ((kernel[i] ?? 1) - 1) + 1;
}

/** Strides and dilations of a node, 1 where it does not say. */
export function readSteps(at: RuleContext, kernel: readonly number[]): Omit<Sliding, 'padding'> {
  return {
    kernel,
    strides: intsAttribute(at.node, 'strides') ?? kernel.map(() => 1),
    dilations: intsAttribute(at.node, 'dilations') ?? kernel.map(() => 1),
  };
}

/** Padding that the attributes state; undefined where it follows from sizes (SAME_UPPER, SAME_LOWER). */
export function statedPadding(
  at: RuleContext,
  rank: number,
): (Padding & { readonly kind: 'fixed' }) | undefined {
  const automatic = stringAttribute(at.node, 'auto_pad', 'NOTSET');
  if (automatic.startsWith('SAME')) return undefined;
  const pads = automatic === 'VALID' ? undefined : intsAttribute(at.node, 'pads');
  const zeros = new Array<number>(rank).fill(0);
  return { kind: 'fixed', before: pads?.slice(0, rank) ?? zeros, after: pads?.slice(rank) ?? zeros };
}

/** Splits the padding of each axis in two; with SAME_UPPER an odd unit goes to the end, else to the beginning. */
export function splitPadding(
  at: RuleContext,
  total: readonly number[],
): Padding & { readonly kind: 'fixed' } {
  const upper = stringAttribute(at.node, 'auto_pad', 'NOTSET') === 'SAME_UPPER';
  const before = total.map((t) => (upper ? Math.floor(t / 2) : Math.ceil(t / 2)));
  return { kind: 'fixed', before, after: total.map((t, i) => t - (before[i] ?? 0)) };
}

/**
 * The padding of a convolution or pooling over x. SAME pads as much as makes the output ⌈size / s⌉ long: d(k − 1)
 * with stride 1, whatever the size.
 */
export function readPadding(at: RuleContext, steps: Omit<Sliding, 'padding'>, x: Side): Padding {
  const stated = statedPadding(at, steps.kernel.length);
  if (stated !== undefined) return stated;
  const total: number[] = [];
  for (const [i, stride] of steps.strides.entries()) {
    const size = x.sizes[i];
    if (stride === 1) total.push(extent(steps, i) - 1);
    else if (typeof size !== 'number') return samePaddingAtRunTime(at, steps, x);
    else total.push(Math.max(0, (Math.ceil(size / stride) - 1) * stride + extent(steps, i) - size));
  }
  return splitPadding(at, total);
}

function samePaddingAtRunTime(at: RuleContext, steps: Omit<Sliding, 'padding'>, x: Side): Padding {
  const { build } = at;
  const strides = build.ints(steps.strides);
  const size = build.op('Shape', [x.value], { start: 2 });
  // ⌈size / s⌉ − 1 = ⌊(size − 1) / s⌋
  const last = build.op('Div', [build.op('Sub', [size, build.scalar('int64', 1)]), strides]);
  const extents = build.ints(steps.kernel.map((_, i) => extent(steps, i)));
  const reach = build.op('Add', [build.op('Mul', [last, strides]), extents]);
  const total = build.op('Max', [build.op('Sub', [reach, size]), build.scalar('int64', 0)]);
  const smaller = build.op('Div', [total, build.scalar('int64', 2)]);
  const larger = build.op('Sub', [total, smaller]);
  return stringAttribute(at.node, 'auto_pad', 'NOTSET') === 'SAME_UPPER'
    ? { kind: 'computed', before: smaller, after: larger }
    : { kind: 'computed', before: larger, after: smaller };
}

/** Weights [channels of y, channels of x per group, kernel…]. */
export interface Weights {
  readonly value: string;
  readonly shape: readonly number[];
  readonly group: number;
}

/** The `group` attribute of a convolution. */
export function readGroup(at: RuleContext): number {
  return intAttribute(at.node, 'group', 1);
}

/**
 * x̄ from ȳ: a transposed convolution.
 *
 * With stride 1 it is a convolution with the kernel mirrored and its channels exchanged, padded by d(k − 1) − b,
 * which runtimes compute faster. Otherwise the sizes that a stride rounds away are given back as output_padding;
 * where they are not known, the largest possible amount is added, and cut off again.
 */
export function transposeSliding(
  at: RuleContext,
  sliding: Sliding,
  weights: Weights,
  x: Side,
  y: Side,
): string {
  const { build } = at;
  const { kernel, strides, dilations, padding } = sliding;
  const { group } = weights;
  const none = kernel.map(() => 0);
  const spare = strides.map((s) => s - 1);
  const axes = build.ints(spatialAxes(kernel));
  if (padding.kind === 'computed') {
    const pads = [...none, ...none];
    const attributes = { strides, dilations, group, pads, output_padding: spare };
    const whole = build.op('ConvTranspose', [y.value, weights.value], attributes);
    const end = build.op('Add', [padding.before, sizesOf(at, x)]);
    return build.op('Slice', [whole, padding.before, end, axes]);
  }

  const { before, after } = padding;
  const lead = before.map((b, i) => extent(sliding, i) - 1 - b);
  const tail = after.map((a, i) => extent(sliding, i) - 1 - a);
  if (strides.every((s) => s === 1) && [...lead, ...tail].every((pad) => pad >= 0)) {
    return build.op('Conv', [y.value, mirrored(at, weights)], { dilations, group, pads: [...lead, ...tail] });
  }
  const large = fixedSizes(x.sizes);
  const small = fixedSizes(y.sizes);
  if (large !== undefined && small !== undefined) {
    const output_padding = large.map((size, i) => {
      const covered = ((small[i] ?? 0) - 1) * (strides[i] ?? 1) + extent(sliding, i);
      return size + (before[i] ?? 0) + (after[i] ?? 0) - covered;
    });
    const attributes = { strides, dilations, group, pads: [...before, ...after], output_padding };
    return build.op('ConvTranspose', [y.value, weights.value], attributes);
  }
  const attributes = { strides, dilations, group, pads: [...before, ...none], output_padding: spare };
  const whole = build.op('ConvTranspose', [y.value, weights.value], attributes);
  return build.op('Slice', [whole, build.ints(none), sizesOf(at, x), axes]);
}

/** w[m, c, t] → w′[c, m, k − 1 − t], group by group. */
function mirrored(at: RuleContext, { value, shape, group }: Weights): string {
  const { build } = at;
  const [out = 0, perGroup = 0, ...kernel] = shape;
  const turned = kernel.some((k) => k > 1)
    ? build.op('Slice', [
        value,
        build.ints(kernel.map(() => -1)),
        build.ints(kernel.map((k) => -k - 1)),
        build.ints(spatialAxes(kernel)),
        build.ints(kernel.map(() => -1)),
      ])
    : value;
  if (group === 1) return build.op('Transpose', [turned], { perm: [1, 0, ...spatialAxes(kernel)] });
  const grouped = build.op('Reshape', [turned, build.ints([group, out / group, perGroup, ...kernel])]);
  const exchanged = build.op('Transpose', [grouped], { perm: [0, 2, 1, ...kernel.map((_, i) => i + 3)] });
  return build.op('Reshape', [exchanged, build.ints([group * perGroup, out / group, ...kernel])]);
}
