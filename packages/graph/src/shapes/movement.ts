/** Ops that only move elements: which input element each element of output 0 is. */
import { intAttribute, intsAttribute } from '../model.ts';
import { elementCount } from '../tensor.ts';
import { listArgument, type NodeContext, numbersOf } from './context.ts';
import { fixedDims } from './fixed.ts';
import { broadcastTo, gathered, type Rearrangement, sliced, tiled, transposed } from './layout.ts';

/** Input dims and output dims are fixed when a rule is asked. */
type Movement = (
  context: NodeContext,
  from: readonly number[],
  to: readonly number[],
) => Rearrangement | undefined;

function kept(_context: NodeContext, _from: readonly number[], to: readonly number[]): Rearrangement {
  return { dims: to, from: Array.from({ length: elementCount(to) }, (_, i) => i) };
}

function gather(context: NodeContext, from: readonly number[]): Rearrangement | undefined {
  const indices = numbersOf(context, 1);
  const indexDims = fixedDims(context.inputs[1]);
  if (indices === undefined || indexDims === undefined) return undefined;
  const given = intAttribute(context.node, 'axis', 0);
  const axis = given < 0 ? given + from.length : given;
  const length = from[axis] ?? 0;
  if (indices.some((i) => i < -length || i >= length)) {
    context.fail(`an index is outside of axis ${axis} of size ${length}`);
  }
  const positive = indices.map((i) => (i < 0 ? i + length : i));
  return gathered(from, axis, indexDims, positive);
}

function slice(
  context: NodeContext,
  from: readonly number[],
  to: readonly number[],
): Rearrangement | undefined {
  const { node } = context;
  const starts = intsAttribute(node, 'starts') ?? numbersOf(context, 1);
  const axes = listArgument(context, intsAttribute(node, 'axes'), 3);
  const steps = (node.inputs[4] ?? '') === '' ? [] : numbersOf(context, 4);
  if (starts === undefined || steps === undefined || axes === 'unknown') return undefined;
  const start = from.map(() => 0);
  const step = from.map(() => 1);
  for (const [k, position] of starts.entries()) {
    const given = axes === 'absent' ? k : (axes[k] ?? 0);
    const axis = given < 0 ? given + from.length : given;
    const length = from[axis] ?? 0;
    const stride = steps[k] ?? 1;
    const absolute = position < 0 ? position + length : position;
    step[axis] = stride;
    start[axis] = Math.min(Math.max(absolute, 0), stride < 0 ? length - 1 : length);
  }
  return sliced(from, start, step, to);
}

function transpose(context: NodeContext, from: readonly number[]): Rearrangement {
  const rank = from.length;
  const perm = intsAttribute(context.node, 'perm') ?? from.map((_, i) => rank - 1 - i);
  return transposed(
    from,
    perm.map((axis) => (axis < 0 ? axis + rank : axis)),
  );
}

function tile(context: NodeContext, from: readonly number[]): Rearrangement | undefined {
  const repeats = numbersOf(context, 1);
  return repeats && tiled(from, repeats);
}

const MOVEMENTS: ReadonlyMap<string, Movement> = new Map<string, Movement>([
  ['Expand', (_, from, to) => broadcastTo(from, to)],
  ['Flatten', kept],
  ['Gather', gather],
  ['Identity', kept],
  ['Reshape', kept],
  ['Slice', slice],
  ['Squeeze', kept],
  ['Tile', tile],
  ['Transpose', transpose],
  ['Unsqueeze', kept],
]);

/** The movement of a node, if it is one and its parameters are known. */
export function movementOf(context: NodeContext, to: readonly number[]): Rearrangement | undefined {
  const from = fixedDims(context.inputs[0]);
  return from && MOVEMENTS.get(context.node.op)?.(context, from, to);
}
