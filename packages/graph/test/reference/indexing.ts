/** Ops that read or write elements at places that another input names. */
import { intAttribute, stringAttribute } from '../../src/index.ts';
import {
  type Array64,
  at,
  build,
  flatten,
  forEachIndex,
  get,
  InterpretationError,
  normalizeAxis,
  replaced,
  reshaped,
} from './array64.ts';
import { type Call, input, type Kernels } from './kernel.ts';

/** An index that may count from the end. */
function wrapped(index: number, size: number): number {
  return index < 0 ? index + size : index;
}

/** Y[a…, i…, b…] = X[a…, indices[i…], b…]. */
function gather(call: Call): Array64 {
  const x = input(call, 0);
  const indices = input(call, 1);
  const axis = normalizeAxis(intAttribute(call.node, 'axis', 0), x.dims.length);
  const rank = indices.dims.length;
  return build(x.elementType, x.dims.toSpliced(axis, 1, ...indices.dims), (index) => {
    const place = wrapped(get(indices, index.slice(axis, axis + rank)), at(x.dims, axis));
    return get(x, index.toSpliced(axis, rank, place));
  });
}

/** Y[…, i, …] = X[…, indices[…, i, …], …]. */
function gatherElements(call: Call): Array64 {
  const x = input(call, 0);
  const indices = input(call, 1);
  const axis = normalizeAxis(intAttribute(call.node, 'axis', 0), x.dims.length);
  return build(x.elementType, indices.dims, (index) =>
    get(x, replaced(index, axis, wrapped(get(indices, index), at(x.dims, axis)))),
  );
}

/** The last axis of `indices` holds places in the axes of the data that follow the batch axes. */
function gatherNd(call: Call): Array64 {
  const x = input(call, 0);
  const indices = input(call, 1);
  const batch = intAttribute(call.node, 'batch_dims', 0);
  const depth = at(indices.dims, indices.dims.length - 1);
  const outer = indices.dims.slice(0, -1);
  return build(x.elementType, [...outer, ...x.dims.slice(batch + depth)], (index) => {
    const row = index.slice(0, outer.length);
    const place = Array.from({ length: depth }, (_, i) =>
      wrapped(get(indices, [...row, i]), at(x.dims, batch + i)),
    );
    return get(x, [...index.slice(0, batch), ...place, ...index.slice(outer.length)]);
  });
}

/** How a scattered value joins the one that is there. */
function combine(reduction: string): (old: number, update: number) => number {
  switch (reduction) {
    case 'none':
      return (_, update) => update;
    case 'add':
      return (old, update) => old + update;
    case 'mul':
      return (old, update) => old * update;
    case 'max':
      return Math.max;
    case 'min':
      return Math.min;
    default:
      throw new InterpretationError(`reduction "${reduction}" is not known`);
  }
}

function scatter(
  call: Call,
  place: (x: Array64, indices: Array64, index: readonly number[]) => readonly number[],
): Array64 {
  const x = input(call, 0);
  const indices = input(call, 1);
  const updates = input(call, 2);
  const join = combine(stringAttribute(call.node, 'reduction', 'none'));
  const values = Float64Array.from(x.values);
  forEachIndex(updates.dims, (index) => {
    const flat = flatten(x.dims, place(x, indices, index));
    values[flat] = join(at(values, flat), get(updates, index));
  });
  return { ...x, values };
}

function scatterElements(call: Call): Array64 {
  const axis = intAttribute(call.node, 'axis', 0);
  return scatter(call, (x, indices, index) => {
    const along = normalizeAxis(axis, x.dims.length);
    return replaced(index, along, wrapped(get(indices, index), at(x.dims, along)));
  });
}

function scatterNd(call: Call): Array64 {
  return scatter(call, (x, indices, index) => {
    const depth = at(indices.dims, indices.dims.length - 1);
    const outer = indices.dims.length - 1;
    const row = index.slice(0, outer);
    const lead = Array.from({ length: depth }, (_, i) => wrapped(get(indices, [...row, i]), at(x.dims, i)));
    return [...lead, ...index.slice(outer)];
  });
}

/** Keeps the slices along an axis (or without one, the elements) whose condition holds; what lies beyond is dropped. */
function compress(call: Call): Array64 {
  const given = intAttribute(call.node, 'axis');
  const whole = input(call, 0);
  const x = given === undefined ? reshaped(whole, [whole.values.length]) : whole;
  const axis = normalizeAxis(given ?? 0, x.dims.length);
  const kept = [...input(call, 1).values.keys()].filter((i) => at(input(call, 1).values, i) !== 0);
  return build(x.elementType, replaced(x.dims, axis, kept.length), (index) =>
    get(x, replaced(index, axis, at(kept, at(index, axis)))),
  );
}

export const indexing: Kernels = {
  Compress: (call) => [compress(call)],
  Gather: (call) => [gather(call)],
  GatherElements: (call) => [gatherElements(call)],
  GatherND: (call) => [gatherNd(call)],
  Scatter: (call) => [scatterElements(call)],
  ScatterElements: (call) => [scatterElements(call)],
  ScatterND: (call) => [scatterNd(call)],
};
