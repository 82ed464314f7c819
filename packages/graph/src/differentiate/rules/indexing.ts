/** Gradient rules of ops that select or replace elements by index. */
import { intAttribute, stringAttribute } from '../../model.ts';
import type { OperatorGradient, Rule, RuleContext } from '../rule.ts';

/** Indices with negative ones (counted from the end of `size` elements) made positive. */
function positiveIndices(at: RuleContext, indices: string, size: () => string): string {
  const { build } = at;
  const known = at.integers(indices);
  if (known?.every((index) => index >= 0)) return widened(at, indices);
  const wide = widened(at, indices);
  const negative = build.op('Less', [wide, build.scalar('int64', 0)]);
  return build.op('Where', [negative, build.op('Add', [wide, size()]), wide]);
}

/** Gather takes int32 indices, ScatterND only int64. */
function widened(at: RuleContext, indices: string): string {
  return at.elementType(indices) === 'int64' ? indices : at.build.op('Cast', [indices], { to: 7 });
}

/**
 * y = x taken at the indices along one axis (an embedding, with axis 0): ȳ is added at the indices into zeros;
 * an index that occurs twice receives both. The axis is moved to the front and back, where it is not there.
 */
const gather: Rule = (at) => {
  const { build, node } = at;
  const [x, indices] = [at.input(0), at.input(1)];
  const rank = at.rank(x);
  const axis = at.axis(intAttribute(node, 'axis', 0), rank);
  const indexRank = at.rank(indices);
  const size = () =>
    build.op('Squeeze', [build.op('Shape', [x], { start: axis, end: axis + 1 }), build.ints([0])]);
  const positions = build.op('Unsqueeze', [positiveIndices(at, indices, size), build.ints([-1])]);
  if (axis === 0) return [build.op('ScatterND', [at.zerosLike(x), positions, at.dY], { reduction: 'add' })];

  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  const outputRank = rank - 1 + indexRank;
  const indicesFirst = [
    ...range(axis, axis + indexRank),
    ...range(0, axis),
    ...range(axis + indexRank, outputRank),
  ];
  const axisFirst = [axis, ...range(0, axis), ...range(axis + 1, rank)];
  const axisBack = [...range(1, axis + 1), 0, ...range(axis + 1, rank)];
  const shape = build.op('Gather', [at.shapeOf(x), build.ints(axisFirst)], { axis: 0 });
  const zeros = build.op('Expand', [at.scalar(0, x), shape]);
  const moved = build.op('Transpose', [at.dY], { perm: indicesFirst });
  const summed = build.op('ScatterND', [zeros, positions, moved], { reduction: 'add' });
  return [build.op('Transpose', [summed], { perm: axisBack })];
};

// y[i] = x[index[i]] along an axis:  x̄ = ȳ added at the indices
const gatherElements: Rule = (at) => {
  const axis = intAttribute(at.node, 'axis', 0);
  return [
    at.build.op('ScatterElements', [at.zerosLike(at.input(0)), at.input(1), at.dY], {
      axis,
      reduction: 'add',
    }),
  ];
};

/**
 * y = x taken at index tuples: ȳ is added at the tuples. With b batch dimensions these are merged into one of size
 * P, and its number is put in front of each tuple, so that one scatter serves all.
 */
const gatherNd: Rule = (at) => {
  const { build, node } = at;
  const [x, indices] = [at.input(0), at.input(1)];
  const batch = intAttribute(node, 'batch_dims', 0);
  if (batch === 0) return [build.op('ScatterND', [at.zerosLike(x), indices, at.dY], { reduction: 'add' })];

  const minusOne = build.ints([-1]);
  const shapeX = at.shapeOf(x);
  const head = build.op('Shape', [x], { start: 0, end: batch });
  const inner = build.op('Shape', [x], { start: batch });
  const batches = build.op('ReduceProd', [head], { keepdims: 1 });
  const tuple = build.op('Shape', [indices], { start: -1 });
  const tuples = build.op('Reshape', [indices, build.op('Concat', [batches, minusOne, tuple], { axis: 0 })]);
  const perBatch = build.op('Shape', [tuples], { start: 1, end: 2 });
  const numbers = build.op('Range', [
    build.scalar('int64', 0),
    build.op('Squeeze', [batches, build.ints([0])]),
    build.scalar('int64', 1),
  ]);
  const prefix = build.op('Expand', [
    build.op('Unsqueeze', [numbers, build.ints([1, 2])]),
    build.op('Concat', [batches, perBatch, build.ints([1])], { axis: 0 }),
  ]);
  const positions = build.op('Concat', [prefix, tuples], { axis: 2 });
  const zeros = build.op('Expand', [at.scalar(0, x), build.op('Concat', [batches, inner], { axis: 0 })]);
  const sliceShape = build.op('Shape', [zeros], { start: 1 + indexWidth(at, indices) });
  const updates = build.op('Reshape', [
    at.dY,
    build.op('Concat', [batches, perBatch, sliceShape], { axis: 0 }),
  ]);
  const summed = build.op('ScatterND', [zeros, positions, updates], { reduction: 'add' });
  return [build.op('Reshape', [summed, shapeX], { allowzero: 1 })];
};

function indexWidth(at: RuleContext, indices: string): number {
  const width = at.shape(indices).at(-1);
  if (typeof width !== 'number') at.fail('the length of its index tuples is not known before it runs');
  return width;
}

/**
 * y = x with elements replaced (or added to): for a replacement x̄ is ȳ with zeros where elements were replaced, for
 * an addition ȳ itself; the updates' cotangent is ȳ taken at the indices.
 */
const scatterElements: Rule = (at) => {
  const { build, node } = at;
  const axis = intAttribute(node, 'axis', 0);
  const added = isAddition(at);
  const zeros = () => at.zerosLike(at.input(2));
  return [
    at.wants(0)
      ? added
        ? at.dY
        : build.op('ScatterElements', [at.dY, at.input(1), zeros()], { axis })
      : undefined,
    undefined,
    at.wants(2) ? build.op('GatherElements', [at.dY, at.input(1)], { axis }) : undefined,
  ];
};

const scatterNd: Rule = (at) => {
  const { build } = at;
  const added = isAddition(at);
  const zeros = () => at.zerosLike(at.input(2));
  return [
    at.wants(0) ? (added ? at.dY : build.op('ScatterND', [at.dY, at.input(1), zeros()])) : undefined,
    undefined,
    at.wants(2) ? build.op('GatherND', [at.dY, at.input(1)]) : undefined,
  ];
};

function isAddition(at: RuleContext): boolean {
  const reduction = stringAttribute(at.node, 'reduction', 'none');
  if (reduction !== 'none' && reduction !== 'add') at.fail(`reduction "${reduction}" is not supported`);
  return reduction === 'add';
}

// The k largest along an axis: each cotangent goes back to where its value came from.
const topK: Rule = (at) => {
  const axis = intAttribute(at.node, 'axis', -1);
  return [at.build.op('ScatterElements', [at.zerosLike(at.input(0)), at.output(1), at.dY], { axis })];
};

/** y = the elements (or slices along an axis) where the condition holds. */
const compress: Rule = (at) => {
  const { build, node } = at;
  const axis = intAttribute(node, 'axis');
  if (axis !== undefined && at.axis(axis, at.rank(at.input(0))) !== 0)
    at.fail('only axis 0, or none, is supported');
  const positions = build.op('Transpose', [build.op('NonZero', [at.input(1)])], { perm: [1, 0] });
  if (axis !== undefined) return [build.op('ScatterND', [at.zerosLike(at.input(0)), positions, at.dY])];
  const shape = at.shapeOf(at.input(0));
  const flat = build.op('Reshape', [at.zerosLike(at.input(0)), build.ints([-1])]);
  return [build.op('Reshape', [build.op('ScatterND', [flat, positions, at.dY]), shape], { allowzero: 1 })];
};

export const indexing: Readonly<Record<string, OperatorGradient>> = {
  Gather: { differentiable: [0], rule: gather, note: 'embeddings; repeated and negative indices' },
  GatherElements: { differentiable: [0], rule: gatherElements },
  GatherND: { differentiable: [0], rule: gatherNd },
  ScatterElements: { differentiable: [0, 2], rule: scatterElements, note: 'reductions none and add' },
  ScatterND: { differentiable: [0, 2], rule: scatterNd, note: 'reductions none and add' },
  TopK: { differentiable: [0], rule: topK },
  Compress: { differentiable: [0], rule: compress, note: 'along axis 0 or over the flattened tensor' },
};
