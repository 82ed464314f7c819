/** Reductions along axes, and what is computed along one axis: softmax, cumulative sums, extrema, sorting. */
import { floatAttribute, intAttribute } from '../../src/index.ts';
import {
  type Array64,
  at,
  build,
  flatten,
  forEachIndex,
  get,
  normalizeAxis,
  product,
  replaced,
  reshaped,
  sum,
} from './array64.ts';
import { type Call, flag, input, integers, type Kernel, type Kernels } from './kernel.ts';

type Reduce = (numbers: readonly number[]) => number;

function max(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => (Number.isNaN(a) || a > b ? a : b), -Infinity);
}

function min(numbers: readonly number[]): number {
  return -max(numbers.map((x) => -x));
}

function sumSquare(numbers: readonly number[]): number {
  return sum(numbers.map((x) => x * x));
}

/** log Σ exp(x), shifted by the maximum so that nothing overflows. */
export function logSumExp(numbers: readonly number[]): number {
  const top = max(numbers);
  if (!Number.isFinite(top)) return top;
  return top + Math.log(sum(numbers.map((x) => Math.exp(x - top))));
}

const REDUCTIONS: Readonly<Record<string, Reduce>> = {
  ReduceL1: (numbers) => sum(numbers.map(Math.abs)),
  ReduceL2: (numbers) => Math.sqrt(sumSquare(numbers)),
  ReduceLogSum: (numbers) => Math.log(sum(numbers)),
  ReduceLogSumExp: logSumExp,
  ReduceMax: max,
  ReduceMean: (numbers) => sum(numbers) / numbers.length,
  ReduceMin: min,
  ReduceProd: product,
  ReduceSum: sum,
  ReduceSumSquare: sumSquare,
};

/** Reduces over `axes`, which stay as dimensions of 1. */
export function reduceKeeping(x: Array64, axes: readonly number[], reduce: Reduce): Array64 {
  const positive = axes.map((axis) => normalizeAxis(axis, x.dims.length));
  const outer = x.dims.map((size, axis) => (positive.includes(axis) ? 1 : size));
  const inner = x.dims.map((size, axis) => (positive.includes(axis) ? size : 1));
  return build(x.elementType, outer, (index) => {
    const numbers: number[] = [];
    forEachIndex(inner, (offset) => {
      numbers.push(
        get(
          x,
          index.map((i, axis) => i + at(offset, axis)),
        ),
      );
    });
    return reduce(numbers);
  });
}

/** All axes of an array, from one on. */
export function axesFrom(x: Array64, first: number): number[] {
  return Array.from({ length: x.dims.length - first }, (_, i) => first + i);
}

function dropAxes(x: Array64, axes: readonly number[]): Array64 {
  const positive = axes.map((axis) => normalizeAxis(axis, x.dims.length));
  return reshaped(
    x,
    x.dims.filter((_, axis) => !positive.includes(axis)),
  );
}

function reduction(reduce: Reduce): Kernel {
  return (call) => {
    const x = input(call, 0);
    const given = integers(call, 1, 'axes') ?? [];
    const noop = given.length === 0 && flag(call.node, 'noop_with_empty_axes', false);
    if (noop) return [x];
    const axes = given.length === 0 ? axesFrom(x, 0) : given;
    const kept = reduceKeeping(x, axes, reduce);
    return [flag(call.node, 'keepdims', true) ? kept : dropAxes(kept, axes)];
  };
}

function argExtremum(better: (a: number, b: number) => boolean): Kernel {
  return (call) => {
    const x = input(call, 0);
    const axis = normalizeAxis(intAttribute(call.node, 'axis', 0), x.dims.length);
    const last = flag(call.node, 'select_last_index', false);
    const best = reduceKeeping(x, [axis], (numbers) => {
      let position = 0;
      numbers.forEach((value, i) => {
        const current = at(numbers, position);
        if (better(value, current) || (last && value === current)) position = i;
      });
      return position;
    });
    const kept: Array64 = { ...best, elementType: 'int64' };
    return [flag(call.node, 'keepdims', true) ? kept : dropAxes(kept, [axis])];
  };
}

/** Replaces every line along the axes by a function of it; the lines are in row-major order. */
function alongAxes(
  x: Array64,
  axes: readonly number[],
  f: (line: readonly number[]) => readonly number[],
): Array64 {
  const outer = x.dims.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const inner = x.dims.map((size, axis) => (axes.includes(axis) ? size : 1));
  const values = new Float64Array(x.values.length);
  forEachIndex(outer, (base) => {
    const places: number[] = [];
    forEachIndex(inner, (offset) => {
      const index = base.map((i, axis) => i + at(offset, axis));
      places.push(flatten(x.dims, index));
    });
    const line = f(places.map((place) => at(x.values, place)));
    places.forEach((place, i) => {
      values[place] = at(line, i);
    });
  });
  return { ...x, values };
}

export function logSoftmaxLine(line: readonly number[]): readonly number[] {
  const total = logSumExp(line);
  return line.map((x) => x - total);
}

export function softmaxLine(line: readonly number[]): readonly number[] {
  const top = max(line);
  const exponentials = line.map((x) => Math.exp(x - top));
  const total = sum(exponentials);
  return exponentials.map((x) => x / total);
}

function hardmaxLine(line: readonly number[]): readonly number[] {
  const first = line.indexOf(max(line));
  return line.map((_, i) => (i === first ? 1 : 0));
}

/** Along `axis` since operator set 13; before, over all axes from `axis` on taken together. */
function normalizer(f: (line: readonly number[]) => readonly number[]): Kernel {
  return (call) => {
    const x = input(call, 0);
    const axis = normalizeAxis(intAttribute(call.node, 'axis', call.opset >= 13 ? -1 : 1), x.dims.length);
    return [alongAxes(x, call.opset >= 13 ? [axis] : axesFrom(x, axis), f)];
  };
}

export function softmax(x: Array64): Array64 {
  return alongAxes(x, [x.dims.length - 1], softmaxLine);
}

export function logSoftmax(x: Array64, axis: number): Array64 {
  return alongAxes(x, [axis], logSoftmaxLine);
}

function cumSum(call: Call): Array64 {
  const x = input(call, 0);
  const axis = normalizeAxis(at(input(call, 1).values, 0), x.dims.length);
  const exclusive = flag(call.node, 'exclusive', false);
  const reverse = flag(call.node, 'reverse', false);
  return alongAxes(x, [axis], (line) => {
    const ordered = reverse ? line.toReversed() : line;
    const sums = ordered.map((_, i) => sum(ordered.slice(0, exclusive ? i : i + 1)));
    return reverse ? sums.toReversed() : sums;
  });
}

function topK(call: Call): readonly Array64[] {
  const x = input(call, 0);
  const k = call.inputs[1]?.values[0] ?? intAttribute(call.node, 'k', 1);
  const axis = normalizeAxis(intAttribute(call.node, 'axis', -1), x.dims.length);
  const sign = flag(call.node, 'largest', true) ? -1 : 1;
  // Ties go to the lower index: the sort is stable.
  const order = alongAxes(x, [axis], (line) =>
    line.map((_, i) => i).toSorted((i, j) => sign * (at(line, i) - at(line, j))),
  );
  const indices = build('int64', replaced(x.dims, axis, k), (index) => get(order, index));
  const values = build(x.elementType, indices.dims, (index) =>
    get(x, replaced(index, axis, get(indices, index))),
  );
  return [values, indices];
}

/** x / ‖x‖ₚ along an axis; a zero vector stays zero. */
function lpNormalization(call: Call): Array64 {
  const x = input(call, 0);
  const axis = normalizeAxis(intAttribute(call.node, 'axis', -1), x.dims.length);
  const p = intAttribute(call.node, 'p', 2);
  return alongAxes(x, [axis], (line) => {
    const norm = p === 1 ? sum(line.map(Math.abs)) : Math.sqrt(sumSquare(line));
    return line.map((v) => (norm === 0 ? 0 : v / norm));
  });
}

/** ((x − mean) / (√(E[x²] − mean²) + 1e-9)) over the given axes. */
function meanVarianceNormalization(call: Call): Array64 {
  const x = input(call, 0);
  const axes = (integers(call, 1, 'axes') ?? [0, 2, 3]).map((axis) => normalizeAxis(axis, x.dims.length));
  return alongAxes(x, axes, (line) => {
    const mean = sum(line) / line.length;
    const variance = sumSquare(line) / line.length - mean * mean;
    return line.map((v) => (v - mean) / (Math.sqrt(variance) + 1e-9));
  });
}

/** x / (bias + alpha/size · Σ x²)^beta, the sum over a window of `size` channels. */
function localResponse(call: Call): Array64 {
  const x = input(call, 0);
  const size = intAttribute(call.node, 'size', 1);
  const alpha = floatAttribute(call.node, 'alpha', 0.0001);
  const beta = floatAttribute(call.node, 'beta', 0.75);
  const bias = floatAttribute(call.node, 'bias', 1);
  return alongAxes(x, [1], (line) =>
    line.map((v, c) => {
      const first = Math.max(0, c - Math.floor((size - 1) / 2));
      const last = Math.min(line.length - 1, c + Math.ceil((size - 1) / 2));
      return v / (bias + (alpha / size) * sumSquare(line.slice(first, last + 1))) ** beta;
    }),
  );
}

export const reductions: Kernels = {
  ...Object.fromEntries(Object.entries(REDUCTIONS).map(([op, reduce]) => [op, reduction(reduce)])),
  ArgMax: argExtremum((a, b) => a > b),
  ArgMin: argExtremum((a, b) => a < b),
  CumSum: (call) => [cumSum(call)],
  Hardmax: normalizer(hardmaxLine),
  LogSoftmax: normalizer(logSoftmaxLine),
  LpNormalization: (call) => [lpNormalization(call)],
  LRN: (call) => [localResponse(call)],
  MeanVarianceNormalization: (call) => [meanVarianceNormalization(call)],
  Softmax: normalizer(softmaxLine),
  TopK: topK,
};
