/** Gradient rules of ops that move elements without changing them. */
import { intAttribute, intsAttribute, stringAttribute } from '../../model.ts';
import { sumToShape } from '../broadcast.ts';
import type { Cotangent, OperatorGradient, Rule, RuleContext } from '../rule.ts';

/** Reshape, Flatten, Squeeze, Unsqueeze: the same elements in the same order, so x̄ = ȳ in the shape of x. */
const reshape: Rule = (at) => [at.build.op('Reshape', [at.dY, at.shapeOf(at.input(0))], { allowzero: 1 })];

// y = transpose(x, p):  x̄ = transpose(ȳ, p⁻¹)
const transpose: Rule = (at) => {
  const rank = at.rank(at.input(0));
  const perm = intsAttribute(at.node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  const inverse = new Array<number>(rank).fill(0);
  perm.forEach((source, axis) => {
    inverse[source] = axis;
  });
  return [at.build.op('Transpose', [at.dY], { perm: inverse })];
};

/** y = concat(x₁, …): each x̄ᵢ is its own slice of ȳ. */
const concat: Rule = (at) => {
  const { build, node } = at;
  const axis = at.axis(intAttribute(node, 'axis', 0), at.rank(at.output(0)));
  const axes = build.ints([axis]);
  const sizeOf = (input: string) => {
    const size = at.shape(input)[axis];
    return typeof size === 'number' ? size : undefined;
  };
  let start: string | number = 0;
  return node.inputs.map((input, index): Cotangent => {
    const size = sizeOf(input);
    const from = start;
    if (typeof from === 'number' && size !== undefined) {
      start = from + size;
    } else {
      const width =
        size === undefined ? build.op('Shape', [input], { start: axis, end: axis + 1 }) : build.ints([size]);
      start = build.op('Add', [typeof from === 'number' ? build.ints([from]) : from, width]);
    }
    if (!at.wants(index)) return undefined;
    const position = (value: string | number) => (typeof value === 'number' ? build.ints([value]) : value);
    return build.op('Slice', [at.dY, position(from), position(start), axes]);
  });
};

/** y₁, … = split(x): x̄ is the concatenation of the ȳᵢ; a part that nobody used is zero. */
const split: Rule = (at) => {
  const { build, node } = at;
  const axis = at.axis(intAttribute(node, 'axis', 0), at.rank(at.input(0)));
  const parts = node.outputs.map((output, index) => {
    const cotangent = at.cotangent(index);
    if (cotangent !== undefined) return cotangent;
    if (output === '') at.fail('one of its outputs has no name');
    return at.zerosLike(output);
  });
  return [build.op('Concat', parts, { axis })];
};

/**
 * y = x[starts:ends:steps]: ȳ goes back to where it was taken from, into zeros.
 *
 * With steps of 1 and known sizes that is a Pad; otherwise the same Slice is taken of the numbers 0 … n−1 of each
 * sliced axis, which gives the positions for a scatter along it, one axis at a time.
 */
const slice: Rule = (at) => {
  const { build } = at;
  const x = at.input(0);
  const rank = at.rank(x);
  const padded = slicePadding(at, rank);
  if (padded !== undefined) return [build.op('Pad', [at.dY, build.ints(padded)])];

  const axes = at.hasInput(3) ? at.integers(at.input(3)) : undefined;
  const count = at.shape(at.input(1))[0];
  const axisList =
    axes ?? (typeof count === 'number' ? Array.from({ length: count }, (_, i) => i) : undefined);
  if (axisList === undefined) return at.fail('its axes are not known before it runs');
  const element = (input: number, index: number) => {
    const picked = build.op('Slice', [
      at.input(input),
      build.ints([index]),
      build.ints([index + 1]),
      build.ints([0]),
    ]);
    return at.elementType(at.input(input)) === 'int64' ? picked : build.op('Cast', [picked], { to: INT64 });
  };
  let value = at.dY;
  axisList.forEach((declared, index) => {
    const axis = at.axis(declared, rank);
    const { length, positions } = axisPositions(at, x, axis);
    const step = at.hasInput(4) ? [element(4, index)] : [];
    const taken = build.op('Slice', [
      positions,
      element(1, index),
      element(2, index),
      build.ints([0]),
      ...step,
    ]);
    value = scatterAlong(at, value, axis, taken, length, rank, 'none');
  });
  return [value];
};

/** The TensorProto code of int64. */
const INT64 = 7;

/** The length n of an axis as a scalar, and the numbers 0 … n−1. */
function axisPositions(at: RuleContext, x: string, axis: number): { length: string; positions: string } {
  const { build } = at;
  const length = build.op('Squeeze', [
    build.op('Shape', [x], { start: axis, end: axis + 1 }),
    build.ints([0]),
  ]);
  return {
    length,
    positions: build.op('Range', [build.scalar('int64', 0), length, build.scalar('int64', 1)]),
  };
}

/** The padding that undoes a slice with steps of 1 and sizes known beforehand. */
function slicePadding(at: RuleContext, rank: number): readonly number[] | undefined {
  const x = at.input(0);
  const starts = at.integers(at.input(1));
  const ends = at.integers(at.input(2));
  const axes = at.hasInput(3) ? at.integers(at.input(3)) : starts?.map((_, i) => i);
  const steps = at.hasInput(4) ? at.integers(at.input(4)) : starts?.map(() => 1);
  if (starts === undefined || ends === undefined || axes === undefined || steps === undefined)
    return undefined;
  const pads = new Array<number>(2 * rank).fill(0);
  for (const [i, declared] of axes.entries()) {
    const axis = at.axis(declared, rank);
    const size = at.shape(x)[axis];
    if (steps[i] !== 1 || typeof size !== 'number') return undefined;
    const clamp = (position: number) =>
      Math.min(Math.max(position < 0 ? position + size : position, 0), size);
    const start = clamp(starts[i] ?? 0);
    pads[axis] = start;
    pads[axis + rank] = size - Math.max(start, clamp(ends[i] ?? size));
  }
  return pads;
}

/**
 * y = pad(x): constant: x̄ is the inner part of ȳ, and the gradient of the fill value is the sum of the border.
 * reflect, edge, wrap: the border repeats inner elements, so its cotangents are added back to them. Padding the
 * numbers 0 … n−1 of each axis in the same mode says which element each came from.
 */
const pad: Rule = (at) => {
  const { build, node } = at;
  const x = at.input(0);
  const rank = at.rank(x);
  const mode = stringAttribute(node, 'mode', 'constant');
  const axes = at.hasInput(3) ? at.integers(at.input(3)) : Array.from({ length: rank }, (_, i) => i);
  if (axes === undefined) return at.fail('its axes are not known before it runs');
  const count = axes.length;
  const amount = (index: number) =>
    build.op('Slice', [at.input(1), build.ints([index]), build.ints([index + 1]), build.ints([0])]);
  const known = at.integers(at.input(1));
  const unpadded = () => {
    // start = the padding before (negative padding crops: then the border below is padded back with zeros)
    const axisNames = build.ints(axes.map((axis) => at.axis(axis, rank)));
    if (known?.some((padding) => padding < 0)) {
      return build.op('Pad', [at.dY, build.ints(known.map((padding) => -padding)), '', axisNames]);
    }
    const before = build.op('Slice', [at.input(1), build.ints([0]), build.ints([count]), build.ints([0])]);
    const sizes = build.op('Gather', [build.op('Shape', [x]), axisNames], { axis: 0 });
    return build.op('Slice', [at.dY, before, build.op('Add', [before, sizes]), axisNames]);
  };
  if (mode === 'constant') {
    const inner = at.wants(0) || at.wants(2) ? unpadded() : undefined;
    const border = () => {
      const all = build.op('ReduceSum', [at.dY], { keepdims: 0 });
      const difference = build.op('Sub', [
        all,
        build.op('ReduceSum', [inner ?? unpadded()], { keepdims: 0 }),
      ]);
      return build.op('Reshape', [difference, at.shapeOf(at.input(2))]);
    };
    return [at.wants(0) ? inner : undefined, undefined, at.wants(2) ? border() : undefined];
  }
  if (known?.some((padding) => padding < 0)) at.fail(`negative padding in mode "${mode}" is not supported`);
  let value = at.dY;
  axes.forEach((declared, index) => {
    if (known !== undefined && known[index] === 0 && known[index + count] === 0) return;
    const axis = at.axis(declared, rank);
    const { length, positions } = axisPositions(at, x, axis);
    const amounts = build.op('Concat', [amount(index), amount(index + count)], { axis: 0 });
    const sources = build.op('Pad', [positions, amounts], { mode });
    value = scatterAlong(at, value, axis, sources, length, rank, 'add');
  });
  return [value];
};

/**
 * Zeros with `values` put at `positions` of `axis`, whose full length is `length`; with `add`, positions may repeat.
 */
function scatterAlong(
  at: RuleContext,
  values: string,
  axis: number,
  positions: string,
  length: string,
  rank: number,
  reduction: 'none' | 'add',
): string {
  const { build } = at;
  const axisFirst = [axis, ...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis)];
  const axisBack = Array.from({ length: rank }, (_, i) => (i < axis ? i + 1 : i === axis ? 0 : i));
  const moved = axis === 0 ? values : build.op('Transpose', [values], { perm: axisFirst });
  const rest = build.op('Shape', [moved], { start: 1 });
  const target = build.op('Concat', [build.op('Unsqueeze', [length, build.ints([0])]), rest], { axis: 0 });
  const zeros = build.op('Expand', [at.scalar(0, at.input(0)), target]);
  const indices = build.op('Unsqueeze', [positions, build.ints([1])]);
  const scattered = build.op('ScatterND', [zeros, indices, moved], { reduction });
  return axis === 0 ? scattered : build.op('Transpose', [scattered], { perm: axisBack });
}

// y = expand(x, shape):  x̄ = ȳ summed over the repeated axes
const expand: Rule = (at) => [sumToShape(at, at.dY, at.output(0), at.input(0))];

/** y = tile(x, r): split every axis of ȳ into (repeat, size) and sum over the repeats. */
const tile: Rule = (at) => {
  const { build } = at;
  const x = at.input(0);
  const rank = at.rank(x);
  const column = (list: string) => build.op('Unsqueeze', [list, build.ints([1])]);
  const pairs = build.op('Concat', [column(at.input(1)), column(at.shapeOf(x))], { axis: 1 });
  const interleaved = build.op('Reshape', [pairs, build.ints([-1])]);
  const split = build.op('Reshape', [at.dY, interleaved]);
  return [
    build.op('ReduceSum', [split, build.ints(Array.from({ length: rank }, (_, i) => 2 * i))], {
      keepdims: 0,
    }),
  ];
};

/** y = triangle of x: ȳ masked the same way. */
const trilu: Rule = (at) => {
  const k = at.hasInput(1) ? [at.input(1)] : [];
  const upper = intAttribute(at.node, 'upper', 1) === 0 ? 0 : 1;
  return [at.build.op('Trilu', [at.dY, ...k], { upper })];
};

/** y = cumulative sum: x̄ is the cumulative sum of ȳ from the other end. */
const cumSum: Rule = (at) => {
  const reverse = intAttribute(at.node, 'reverse', 0) === 0 ? 1 : 0;
  const exclusive = intAttribute(at.node, 'exclusive', 0) === 0 ? 0 : 1;
  return [at.build.op('CumSum', [at.dY, at.input(1)], { reverse, exclusive })];
};

export const layout: Readonly<Record<string, OperatorGradient>> = {
  Reshape: { differentiable: [0], rule: reshape },
  Flatten: { differentiable: [0], rule: reshape },
  Squeeze: { differentiable: [0], rule: reshape },
  Unsqueeze: { differentiable: [0], rule: reshape },
  Transpose: { differentiable: [0], rule: transpose },
  Concat: { differentiable: 'all', rule: concat },
  Split: { differentiable: [0], rule: split },
  Slice: { differentiable: [0], rule: slice },
  Pad: {
    differentiable: [0, 2],
    rule: pad,
    note: 'constant, reflect, edge and wrap; negative padding only in constant mode',
  },
  Expand: { differentiable: [0], rule: expand },
  Tile: { differentiable: [0], rule: tile },
  Trilu: { differentiable: [0], rule: trilu },
  CumSum: { differentiable: [0], rule: cumSum },
};
