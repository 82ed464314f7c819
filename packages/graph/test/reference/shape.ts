/** Ops that make, move, join, cut and repeat elements by their place. */
import { floatAttribute, intAttribute, intsAttribute, stringAttribute, toNumbers } from '../../src/index.ts';
import {
  type Array64,
  array64,
  at,
  broadcastDims,
  build,
  forEachIndex,
  get,
  getBroadcast,
  InterpretationError,
  normalizeAxis,
  product,
  replaced,
  reshaped,
  sum,
} from './array64.ts';
import { castTarget } from './elementwise.ts';
import { allInputs, type Call, flag, floatsAttribute, input, integers, type Kernels } from './kernel.ts';

function constant({ node }: Call): Array64 {
  const { value, value_float, value_int } = node.attributes;
  if (value?.kind === 'tensor') {
    return array64(value.value.elementType, value.value.dims, toNumbers(value.value));
  }
  if (value_float?.kind === 'float') return array64('float32', [], [value_float.value]);
  if (value_int?.kind === 'int') return array64('int64', [], [Number(value_int.value)]);
  const floats = floatsAttribute(node, 'value_floats');
  if (floats !== undefined) return array64('float32', [floats.length], floats);
  const ints = intsAttribute(node, 'value_ints');
  if (ints !== undefined) return array64('int64', [ints.length], ints);
  throw new InterpretationError('Constant of a kind that is not supported');
}

function constantOfShape(call: Call): Array64 {
  const { value } = call.node.attributes;
  const dims = [...input(call, 0).values];
  if (value?.kind !== 'tensor') return build('float32', dims, () => 0);
  const [fill = 0] = toNumbers(value.value);
  return build(value.value.elementType, dims, () => fill);
}

/** start, start + delta, … up to but without limit. */
function range(call: Call): Array64 {
  const start = at(input(call, 0).values, 0);
  const limit = at(input(call, 1).values, 0);
  const delta = at(input(call, 2).values, 0);
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  return build(input(call, 0).elementType, [count], ([i = 0]) => start + i * delta);
}

function eyeLike(call: Call): Array64 {
  const x = input(call, 0);
  const k = intAttribute(call.node, 'k', 0);
  const to = intAttribute(call.node, 'dtype');
  return build(to === undefined ? x.elementType : castTarget(to), x.dims, ([i = 0, j = 0]) =>
    j - i === k ? 1 : 0,
  );
}

function shape(call: Call): Array64 {
  const { dims } = input(call, 0);
  const part = dims.slice(intAttribute(call.node, 'start', 0), intAttribute(call.node, 'end'));
  return array64('int64', [part.length], part);
}

/** 0 copies the old dimension (unless `allowzero`), −1 takes what is left. */
function reshape(call: Call): Array64 {
  const x = input(call, 0);
  const wanted = integers(call, 1, 'shape') ?? [];
  const allowZero = flag(call.node, 'allowzero', false);
  const dims = wanted.map((size, axis) => (size === 0 && !allowZero ? at(x.dims, axis) : size));
  const rest = x.values.length / product(dims.filter((size) => size !== -1));
  return reshaped(
    x,
    dims.map((size) => (size === -1 ? rest : size)),
  );
}

function flattenTo2d(call: Call): Array64 {
  const x = input(call, 0);
  const axis = intAttribute(call.node, 'axis', 1);
  const split = axis < 0 ? axis + x.dims.length : axis;
  return reshaped(x, [product(x.dims.slice(0, split)), product(x.dims.slice(split))]);
}

function squeeze(call: Call): Array64 {
  const x = input(call, 0);
  const axes = integers(call, 1, 'axes')?.map((axis) => normalizeAxis(axis, x.dims.length));
  return reshaped(
    x,
    x.dims.filter((size, axis) => (axes === undefined ? size !== 1 : !axes.includes(axis))),
  );
}

/** The axes count in the result. */
function unsqueeze(call: Call): Array64 {
  const x = input(call, 0);
  const axes = integers(call, 1, 'axes') ?? [];
  const rank = x.dims.length + axes.length;
  const fresh = axes.map((axis) => normalizeAxis(axis, rank));
  const old = [...x.dims];
  return reshaped(
    x,
    Array.from({ length: rank }, (_, axis) => (fresh.includes(axis) ? 1 : (old.shift() ?? 1))),
  );
}

/** Output axis i is input axis perm[i]. */
export function transposed(x: Array64, perm: readonly number[]): Array64 {
  return build(
    x.elementType,
    perm.map((axis) => at(x.dims, axis)),
    (index) =>
      get(
        x,
        x.dims.map((_, axis) => at(index, perm.indexOf(axis))),
      ),
  );
}

export function concat(parts: readonly Array64[], axis: number): Array64 {
  const first = at(parts, 0);
  const along = normalizeAxis(axis, first.dims.length);
  const total = sum(parts.map((part) => at(part.dims, along)));
  return build(first.elementType, replaced(first.dims, along, total), (index) => {
    let position = at(index, along);
    for (const part of parts) {
      const size = at(part.dims, along);
      if (position < size) return get(part, replaced(index, along, position));
      position -= size;
    }
    throw new InterpretationError('Concat ran past its inputs');
  });
}

/** Given sizes, or equal parts of which the last may be smaller. */
function split(call: Call): readonly Array64[] {
  const x = input(call, 0);
  const axis = normalizeAxis(intAttribute(call.node, 'axis', 0), x.dims.length);
  const size = at(x.dims, axis);
  const parts = intAttribute(call.node, 'num_outputs', call.node.outputs.length);
  const chunk = Math.ceil(size / parts);
  const sizes =
    integers(call, 1, 'split') ??
    Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(chunk, size - i * chunk)));
  let start = 0;
  return sizes.map((length) => {
    const from = start;
    start += length;
    return build(x.elementType, replaced(x.dims, axis, length), (index) =>
      get(x, replaced(index, axis, at(index, axis) + from)),
    );
  });
}

/** start : end : step per axis, with the clamping of Python. */
function slice(call: Call): Array64 {
  const x = input(call, 0);
  const starts = integers(call, 1, 'starts') ?? [];
  const ends = integers(call, 2, 'ends') ?? [];
  const axes = integers(call, 3, 'axes') ?? starts.map((_, i) => i);
  const steps = integers(call, 4, 'steps') ?? starts.map(() => 1);
  const from = x.dims.map(() => 0);
  const stride = x.dims.map(() => 1);
  const dims = [...x.dims];
  axes.forEach((given, i) => {
    const axis = normalizeAxis(given, x.dims.length);
    const size = at(x.dims, axis);
    const step = at(steps, i);
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    const bound = (value: number) => Math.min(Math.max(value < 0 ? value + size : value, low), high);
    const start = bound(at(starts, i));
    from[axis] = start;
    stride[axis] = step;
    dims[axis] = Math.max(0, Math.ceil((bound(at(ends, i)) - start) / step));
  });
  return build(x.elementType, dims, (index) =>
    get(
      x,
      index.map((i, axis) => at(from, axis) + i * at(stride, axis)),
    ),
  );
}

/** Where padding takes its value from; undefined for the constant. */
function paddingSource(i: number, size: number, mode: string): number | undefined {
  if (i >= 0 && i < size) return i;
  if (mode === 'edge') return i < 0 ? 0 : size - 1;
  if (mode === 'wrap') return ((i % size) + size) % size;
  if (mode === 'reflect') {
    if (size === 1) return 0;
    const period = 2 * (size - 1);
    const folded = ((i % period) + period) % period;
    return folded < size ? folded : period - folded;
  }
  return undefined;
}

function pad(call: Call): Array64 {
  const x = input(call, 0);
  const rank = x.dims.length;
  const pads = integers(call, 1, 'pads') ?? [];
  const fill = call.inputs[2]?.values[0] ?? floatAttribute(call.node, 'value', 0);
  const axes = call.inputs[3] === undefined ? x.dims.map((_, axis) => axis) : [...call.inputs[3].values];
  const mode = stringAttribute(call.node, 'mode', 'constant');
  const begin = x.dims.map(() => 0);
  const dims = [...x.dims];
  axes.forEach((given, i) => {
    const axis = normalizeAxis(given, rank);
    begin[axis] = at(pads, i);
    dims[axis] = at(x.dims, axis) + at(pads, i) + at(pads, axes.length + i);
  });
  return build(x.elementType, dims, (index) => {
    const from: number[] = [];
    for (const [axis, i] of index.entries()) {
      const place = paddingSource(i - at(begin, axis), at(x.dims, axis), mode);
      if (place === undefined) return fill;
      from.push(place);
    }
    return get(x, from);
  });
}

function expand(call: Call): Array64 {
  const x = input(call, 0);
  const dims = broadcastDims([x.dims, [...input(call, 1).values]]);
  return build(x.elementType, dims, (index) => getBroadcast(x, index));
}

function tile(call: Call): Array64 {
  const x = input(call, 0);
  const repeats = input(call, 1).values;
  return build(
    x.elementType,
    x.dims.map((size, axis) => size * at(repeats, axis)),
    (index) =>
      get(
        x,
        index.map((i, axis) => i % at(x.dims, axis)),
      ),
  );
}

/** Keeps the triangle above (or below) the k-th diagonal of each matrix. */
function trilu(call: Call): Array64 {
  const x = input(call, 0);
  const k = call.inputs[1]?.values[0] ?? 0;
  const upper = flag(call.node, 'upper', true);
  return build(x.elementType, x.dims, (index) => {
    const row = at(index, index.length - 2);
    const column = at(index, index.length - 1);
    const keep = upper ? column - row >= k : column - row <= k;
    return keep ? get(x, index) : 0;
  });
}

/** Blocks of depth become blocks of space; `DCR` has the block axes outermost in the depth, `CRD` innermost. */
function depthToSpace(call: Call): Array64 {
  const x = input(call, 0);
  const block = intAttribute(call.node, 'blocksize', 1);
  const [n = 0, c = 0, h = 0, w = 0] = x.dims;
  const depth = c / (block * block);
  const columnRowDepth = stringAttribute(call.node, 'mode', 'DCR') === 'CRD';
  return build(x.elementType, [n, depth, h * block, w * block], ([i = 0, d = 0, y = 0, z = 0]) => {
    const inner = (y % block) * block + (z % block);
    const channel = columnRowDepth ? d * block * block + inner : inner * depth + d;
    return get(x, [i, channel, Math.floor(y / block), Math.floor(z / block)]);
  });
}

function spaceToDepth(call: Call): Array64 {
  const x = input(call, 0);
  const block = intAttribute(call.node, 'blocksize', 1);
  const [n = 0, c = 0, h = 0, w = 0] = x.dims;
  const dims = [n, c * block * block, h / block, w / block];
  return build(x.elementType, dims, ([i = 0, d = 0, y = 0, z = 0]) => {
    const inner = Math.floor(d / c);
    return get(x, [i, d % c, y * block + Math.floor(inner / block), z * block + (inner % block)]);
  });
}

/** `values[1]` where the index says so, `values[0]` elsewhere; indices beyond the depth give a row of "off". */
function oneHot(call: Call): Array64 {
  const indices = input(call, 0);
  const depth = at(input(call, 1).values, 0);
  const values = input(call, 2);
  const axis = normalizeAxis(intAttribute(call.node, 'axis', -1), indices.dims.length + 1);
  const dims = indices.dims.toSpliced(axis, 0, depth);
  return build(values.elementType, dims, (index) => {
    const hot = get(indices, index.toSpliced(axis, 1));
    return get(values, [(hot < 0 ? hot + depth : hot) === at(index, axis) ? 1 : 0]);
  });
}

function nonZero(call: Call): Array64 {
  const x = input(call, 0);
  const places: number[][] = [];
  forEachIndex(x.dims, (index) => {
    if (get(x, index) !== 0) places.push([...index]);
  });
  return build('int64', [x.dims.length, places.length], ([axis = 0, i = 0]) => at(at(places, i), axis));
}

export const shapes: Kernels = {
  Concat: (call) => [concat(allInputs(call), intAttribute(call.node, 'axis', 1))],
  Constant: (call) => [constant(call)],
  ConstantOfShape: (call) => [constantOfShape(call)],
  DepthToSpace: (call) => [depthToSpace(call)],
  Expand: (call) => [expand(call)],
  EyeLike: (call) => [eyeLike(call)],
  Flatten: (call) => [flattenTo2d(call)],
  NonZero: (call) => [nonZero(call)],
  OneHot: (call) => [oneHot(call)],
  Pad: (call) => [pad(call)],
  Range: (call) => [range(call)],
  Reshape: (call) => [reshape(call)],
  Shape: (call) => [shape(call)],
  Size: (call) => [array64('int64', [], [input(call, 0).values.length])],
  Slice: (call) => [slice(call)],
  SpaceToDepth: (call) => [spaceToDepth(call)],
  Split: split,
  Squeeze: (call) => [squeeze(call)],
  Tile: (call) => [tile(call)],
  Transpose: (call) => {
    const x = input(call, 0);
    return [transposed(x, intsAttribute(call.node, 'perm') ?? x.dims.map((_, axis) => axis).toReversed())];
  },
  Trilu: (call) => [trilu(call)],
  Unsqueeze: (call) => [unsqueeze(call)],
};
