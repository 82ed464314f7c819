/** Shapes of ops that read or write at indices. */
import { minDims } from '../dim.ts';
import { intAttribute, type Shape } from '../model.ts';
import {
  elementTypeOf,
  type Known,
  known,
  type NodeContext,
  normalizeAxis,
  type RuleTable,
  shapeOf,
} from './context.ts';

function same(context: NodeContext): readonly Known[] {
  return [known(elementTypeOf(context, 0), shapeOf(context, 0))];
}

function gather(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOf(context, 0);
  const data = shapeOf(context, 0);
  const indices = shapeOf(context, 1);
  if (data === undefined || indices === undefined) return [known(elementType, undefined)];
  const axis = normalizeAxis(context, intAttribute(context.node, 'axis', 0), data.length);
  return [known(elementType, [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)])];
}

/** The last dimension of the indices says how many dimensions one index tuple addresses. */
function gatherND(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOf(context, 0);
  const data = shapeOf(context, 0);
  const indices = shapeOf(context, 1);
  const addressed = indices?.at(-1);
  const batch = intAttribute(context.node, 'batch_dims', 0);
  if (data === undefined || indices === undefined || typeof addressed !== 'number') {
    return [known(elementType, undefined)];
  }
  if (batch + addressed > data.length)
    context.fail(`${addressed} indices address more than the data's dimensions`);
  return [known(elementType, [...indices.slice(0, -1), ...data.slice(batch + addressed)])];
}

/** Values are counted by a condition that only the run knows. */
function compress(context: NodeContext): readonly Known[] {
  const data = shapeOf(context, 0);
  const elementType = elementTypeOf(context, 0);
  const given = intAttribute(context.node, 'axis');
  if (given === undefined) return [known(elementType, [context.unknownSize()])];
  if (data === undefined) return [known(elementType, undefined)];
  const axis = normalizeAxis(context, given, data.length);
  return [
    known(
      elementType,
      data.map((dim, i) => (i === axis ? context.unknownSize() : dim)),
    ),
  ];
}

function topK(context: NodeContext): readonly Known[] {
  const data = shapeOf(context, 0);
  const elementType = elementTypeOf(context, 0);
  if (data === undefined) return [known(elementType, undefined), known('int64', undefined)];
  const axis = normalizeAxis(context, intAttribute(context.node, 'axis', -1), data.length);
  const k = intAttribute(context.node, 'k') ?? context.inputs[1]?.contents?.[0] ?? '';
  const size = k === '' ? context.unknownSize() : k;
  if (typeof size === 'number' && minDims(size, data[axis] ?? '') === data[axis] && size !== data[axis]) {
    context.fail(`there are fewer than ${size} entries along axis ${axis}`);
  }
  const shape = data.map((dim, i) => (i === axis ? size : dim));
  return [known(elementType, shape), known('int64', shape)];
}

function nonZero(context: NodeContext): readonly Known[] {
  const rank = shapeOf(context, 0)?.length;
  return [known('int64', [rank === undefined ? context.unknownSize() : rank, context.unknownSize()])];
}

function oneHot(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOf(context, 2);
  const indices = shapeOf(context, 0);
  if (indices === undefined) return [known(elementType, undefined)];
  const axis = normalizeAxis(context, intAttribute(context.node, 'axis', -1), indices.length + 1);
  const depth = context.inputs[1]?.contents?.[0] ?? '';
  const size = depth === '' ? context.unknownSize() : depth;
  return [known(elementType, [...indices.slice(0, axis), size, ...indices.slice(axis)])];
}

function unique(context: NodeContext): readonly Known[] {
  const data = shapeOf(context, 0);
  const elementType = elementTypeOf(context, 0);
  const count = context.unknownSize();
  const given = intAttribute(context.node, 'axis');
  let values: Shape | undefined = [count];
  if (given !== undefined) {
    const axis = data && normalizeAxis(context, given, data.length);
    values = data?.map((dim, i) => (i === axis ? count : dim));
  }
  const first = known('int64', [count]);
  return [known(elementType, values), first, known('int64', [context.unknownSize()]), first];
}

function nonMaxSuppression(context: NodeContext): readonly Known[] {
  return [known('int64', [context.unknownSize(), 3])];
}

/** TensorScatter, ScatterElements, ScatterND keep the shape of what they write into. */
export const indexingRules = {
  Compress: compress,
  Gather: gather,
  GatherElements: (context) => [known(elementTypeOf(context, 0), shapeOf(context, 1))],
  GatherND: gatherND,
  NonMaxSuppression: nonMaxSuppression,
  NonZero: nonZero,
  OneHot: oneHot,
  Scatter: same,
  ScatterElements: same,
  ScatterND: same,
  TensorScatter: same,
  TopK: topK,
  Unique: unique,
} as const satisfies RuleTable;
