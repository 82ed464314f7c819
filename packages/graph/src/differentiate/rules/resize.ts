/** Gradient rules of resampling: Resize, and the two ops that trade space for depth. */
import { type Attributes, intAttribute, intsAttribute, stringAttribute } from '../../model.ts';
import { tensor, toNumbers } from '../../tensor.ts';
import type { OperatorGradient, Rule, RuleContext } from '../rule.ts';

/** The TensorProto code of float32. */
const FLOAT32 = 1;

/** How one axis is resized. */
interface ResizedAxis {
  readonly axis: number;
  /** Position in the inputs `roi`, `scales` and `sizes`. */
  readonly position: number;
  /** The scale, where it is given and known. */
  readonly scale: number | undefined;
}

/**
 * y = resize(x) is linear and works on each axis by itself: y = (R₁ ⊗ R₂ ⊗ …) x, so that x̄ = (R₁ᵀ ⊗ R₂ᵀ ⊗ …) ȳ.
 *
 * Rᵢ is found by resizing an identity matrix along one of its axes with the node's own attributes: every mode and
 * every way to round a coordinate then counts exactly as the runtime counts it, and where the sizes are known the
 * runtime folds the matrix when it loads the graph. Where each element is repeated a whole number of times, x̄ is
 * the sum over the copies, which average pooling gives faster.
 */
const resample: Rule = (at) => {
  const { build, node } = at;
  const x = at.input(0);
  if (stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch') {
    at.fail('its keep_aspect_ratio_policy is not "stretch"; give the sizes that it leads to instead');
  }
  // Between equal shapes ONNX Runtime copies, whatever the scales.
  const [before, after] = [at.staticShape(x), at.staticShape(at.output(0))];
  if (before !== undefined && before.join() === after?.join()) return [at.dY];
  const axes = resizedAxes(at, x);
  const copies = wholeRepeats(at, x, axes);
  if (copies !== undefined) return [sumOfCopies(at, axes, copies)];
  let value = at.dY;
  for (const resized of axes) value = contract(at, value, resamplingMatrix(at, x, resized), resized.axis);
  return [axes.length === 0 ? value : build.op('Reshape', [value, at.shapeOf(x)])];
};

/** The axes whose size can change; for one that cannot, R is the identity. */
function resizedAxes(at: RuleContext, x: string): readonly ResizedAxis[] {
  const rank = at.rank(x);
  const declared = intsAttribute(at.node, 'axes') ?? Array.from({ length: rank }, (_, axis) => axis);
  const scales = givenScales(at);
  return declared.flatMap((entry, position) => {
    const axis = at.axis(entry, rank);
    const scale = scales?.[position];
    const [before, after] = [at.shape(x)[axis], at.shape(at.output(0))[axis]];
    const same =
      scale === 1 || (scales === undefined && !usesScales(at) && before === after && before !== '');
    return same && !crops(at) ? [] : [{ axis, position, scale }];
  });
}

/** Whether each axis reads a region of its own. */
function crops(at: RuleContext): boolean {
  return stringAttribute(at.node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';
}

/** Whether `scales` decides, which it does where it is there and not empty. */
function usesScales(at: RuleContext): boolean {
  return at.hasInput(2) && !at.hasInput(3);
}

function givenScales(at: RuleContext): readonly number[] | undefined {
  if (!usesScales(at)) return undefined;
  const constant = at.constant(at.input(2));
  return constant === undefined ? undefined : [...toNumbers(constant)];
}

/**
 * By how much each element is repeated along the axes, if Resize does no more than that: enlarging by whole factors
 * with nearest neighbours, rounded so that output f·i + j comes from input i for 0 ≤ j < f.
 */
function wholeRepeats(
  at: RuleContext,
  x: string,
  axes: readonly ResizedAxis[],
): readonly number[] | undefined {
  const { node } = at;
  const rank = at.rank(x);
  if (stringAttribute(node, 'mode', 'nearest') !== 'nearest' || rank < 3 || rank > 5 || axes.length === 0)
    return undefined;
  const coordinates = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  const rounding = stringAttribute(node, 'nearest_mode', 'round_prefer_floor');
  // (f·i + j)/f lies in [i, i + 1); (f·i + j + ½)/f − ½ within less than ½ of i.
  const floors = coordinates === 'asymmetric' && rounding === 'floor';
  const rounds =
    ['half_pixel', 'half_pixel_symmetric', 'pytorch_half_pixel'].includes(coordinates) &&
    rounding.startsWith('round');
  if (!floors && !rounds) return undefined;
  const factors = new Array<number>(rank).fill(1);
  for (const { axis, scale } of axes) {
    const [before, after] = [at.shape(x)[axis], at.shape(at.output(0))[axis]];
    const ratio = typeof before === 'number' && typeof after === 'number' ? after / before : undefined;
    const factor = scale ?? (usesScales(at) ? undefined : ratio);
    if (factor === undefined || !Number.isInteger(factor) || axis < 2) return undefined;
    factors[axis] = factor;
  }
  return factors;
}

function sumOfCopies(at: RuleContext, axes: readonly ResizedAxis[], factors: readonly number[]): string {
  const window = factors.slice(2);
  const average = at.build.op('AveragePool', [at.dY], { kernel_shape: window, strides: window });
  const count = axes.reduce((product, { axis }) => product * (factors[axis] ?? 1), 1);
  return at.build.op('Mul', [average, at.scalar(count, at.input(0))]);
}

/**
 * Rᵀ [input size, output size] of one axis: the rows of an identity matrix, resized as images of one line.
 *
 * The line is doubled, and one copy dropped again: a runtime that finds nothing to enlarge may copy its input, though
 * a scale that is lost in rounding the size still shifts the elements where another axis does change.
 */
function resamplingMatrix(at: RuleContext, x: string, { axis, position }: ResizedAxis): string {
  const { build, node } = at;
  const vector = (value: string) => build.op('Reshape', [value, build.ints([1])]);
  const pick = (list: string, index: number) => build.op('Gather', [list, build.ints([index])], { axis: 0 });
  const size = sizeAlong(at, x, axis);
  const rows = build.op('Unsqueeze', [identityMatrix(at, size, x), build.ints([1, 2])]);
  const scales = () => {
    const line = build.constant(tensor('float32', [3], [1, 1, 2]));
    return build.op('Concat', [line, pick(at.input(2), position)], { axis: 0 });
  };
  const sizes = () =>
    build.op('Concat', [size, build.ints([1, 2]), sizeAlong(at, at.output(0), axis)], { axis: 0 });
  const region = () => {
    const roi = at.input(1);
    const declared = intsAttribute(node, 'axes')?.length ?? at.rank(x);
    const whole = (value: number) => at.scalar(value, roi);
    const begin = [whole(0), whole(0), whole(0)].map(vector);
    const end = [whole(1), whole(1), whole(1)].map(vector);
    return build.op('Concat', [...begin, pick(roi, position), ...end, pick(roi, declared + position)], {
      axis: 0,
    });
  };
  const output = build.fresh('Resize');
  build.node({
    op: 'Resize',
    domain: '',
    name: '',
    inputs: [rows, crops(at) ? region() : '', ...(usesScales(at) ? [scales()] : ['', sizes()])],
    outputs: [output],
    attributes: withoutLayout(node.attributes),
  });
  const line = build.op('Gather', [output, build.scalar('int64', 0)], { axis: 2 });
  return build.op('Squeeze', [line, build.ints([1])]);
}

/** The size of a forward value along an axis, as an int64 vector of one element. */
function sizeAlong(at: RuleContext, value: string, axis: number): string {
  const known = at.shape(value)[axis];
  if (typeof known === 'number') return at.build.ints([known]);
  return at.build.op('Shape', [value], { start: axis, end: axis + 1 });
}

/** The attributes that say how an axis is resampled; a constant for what lies outside has no gradient. */
function withoutLayout(attributes: Attributes): Attributes {
  const { axes: _, extrapolation_value: __, ...kept } = attributes;
  return kept;
}

/** [n, n] for n in an int64 vector of one element. */
function identityMatrix(at: RuleContext, size: string, like: string): string {
  const { build } = at;
  const [zero, one] = [build.scalar('int64', 0), build.scalar('int64', 1)];
  const count = build.op('Squeeze', [size, build.ints([0])]);
  const range = build.op('Range', [zero, count, one]);
  const diagonal = build.op('Equal', [range, build.op('Unsqueeze', [range, build.ints([1])])]);
  return at.elementType(like) === 'float32'
    ? build.op('Cast', [diagonal], { to: FLOAT32 })
    : build.op('CastLike', [diagonal, at.scalar(1, like)]);
}

/** Σ_o matrix[i, o] · value[…, o, …] along an axis. */
function contract(at: RuleContext, value: string, matrix: string, axis: number): string {
  const { build } = at;
  const after = at.rank(at.input(0)) - 1 - axis;
  if (after === 0) return build.op('MatMul', [value, build.op('Transpose', [matrix], { perm: [1, 0] })]);
  if (after === 1) return build.op('MatMul', [matrix, value]);
  const lead = new Array<number>(axis).fill(0);
  const rows = build.op('Reshape', [value, build.ints([...lead, 0, -1])]);
  const product = build.op('MatMul', [matrix, rows]);
  const rest = build.op('Shape', [value], { start: axis + 1 });
  return build.op('Reshape', [product, build.op('Concat', [build.ints([...lead, -1]), rest], { axis: 0 })]);
}

/**
 * Both move blocks of b×b positions to channels or back, in the order depth–column–row (DCR): each is the inverse
 * and so the transpose of the other. In the order CRD the block comes after the channel:
 * [N, C·b², H, W] is [N, C, b, b, H, W] there and [N, b, b, C, H, W] in DCR.
 */
const depthToSpace: Rule = (at) => {
  const { build, node } = at;
  const blocksize = intAttribute(node, 'blocksize', 1);
  const depth = build.op('SpaceToDepth', [at.dY], { blocksize });
  if (stringAttribute(node, 'mode', 'DCR') === 'DCR') return [depth];
  const x = at.input(0);
  const channels = at.shape(at.output(0))[1];
  if (typeof channels !== 'number') return at.fail('its number of channels is not known before it runs');
  const split = build.op('Reshape', [depth, build.ints([0, blocksize * blocksize, channels, -1])]);
  return [build.op('Reshape', [build.op('Transpose', [split], { perm: [0, 2, 1, 3] }), at.shapeOf(x)])];
};

const spaceToDepth: Rule = (at) => [
  at.build.op('DepthToSpace', [at.dY], { blocksize: intAttribute(at.node, 'blocksize', 1), mode: 'DCR' }),
];

export const resize: Readonly<Record<string, OperatorGradient>> = {
  Resize: {
    differentiable: [0],
    rule: resample,
    note: 'every mode and coordinate transformation; not with keep_aspect_ratio_policy',
  },
  DepthToSpace: { differentiable: [0], rule: depthToSpace },
  SpaceToDepth: { differentiable: [0], rule: spaceToDepth },
};
