/** Ops that slide a window over spatial axes: convolutions and poolings of any rank. */
import { intAttribute, intsAttribute, type Node, stringAttribute } from '../../src/index.ts';
import {
  type Array64,
  array64,
  at,
  build,
  flatten,
  forEachIndex,
  get,
  product,
  reshaped,
  sum,
} from './array64.ts';
import { type Call, flag, input, type Kernels } from './kernel.ts';

/** A window over the spatial axes, one entry per axis in each list. */
interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
  /** Number of positions of the window. */
  readonly output: readonly number[];
}

function readWindow(node: Node, spatial: readonly number[], kernel: readonly number[]): Window {
  const strides = intsAttribute(node, 'strides') ?? spatial.map(() => 1);
  const dilations = intsAttribute(node, 'dilations') ?? spatial.map(() => 1);
  const pads = intsAttribute(node, 'pads') ?? [...spatial, ...spatial].map(() => 0);
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET');
  const ceilMode = flag(node, 'ceil_mode', false);
  const axes = spatial.map((size, axis) => {
    const stride = at(strides, axis);
    const extent = (at(kernel, axis) - 1) * at(dilations, axis) + 1;
    if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') {
      const output = Math.ceil(size / stride);
      const total = Math.max((output - 1) * stride + extent - size, 0);
      const [begin, end] = splitPadding(total, autoPad === 'SAME_UPPER');
      return { begin, end, output };
    }
    const begin = autoPad === 'VALID' ? 0 : at(pads, axis);
    const end = autoPad === 'VALID' ? 0 : at(pads, spatial.length + axis);
    const steps = (size + begin + end - extent) / stride;
    let output = (ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A window that would start in the padding at the end does not count.
    if (ceilMode && (output - 1) * stride >= size + begin) output--;
    return { begin, end, output };
  });
  return {
    kernel,
    strides,
    dilations,
    padsBegin: axes.map((axis) => axis.begin),
    padsEnd: axes.map((axis) => axis.end),
    output: axes.map((axis) => axis.output),
  };
}

/** Padding in two halves, the larger one at the end (`upper`) or at the beginning. */
function splitPadding(total: number, upper: boolean): readonly [number, number] {
  const small = Math.floor(total / 2);
  return upper ? [small, total - small] : [total - small, small];
}

/** An element that the window covers: its flat place in the window and in the spatial axes of the input. */
interface Tap {
  readonly kernel: number;
  readonly place: number;
}

/** What the window covers at one of its positions. */
interface Coverage {
  /** Elements of the input, in the order of the window; those of the padding are left out. */
  readonly taps: readonly Tap[];
  /** How many elements the window has inside of the padded input. */
  readonly padded: number;
}

/** What the window covers at each position: element k lies at o·stride + k·dilation − pad. */
function coverages(window: Window, spatial: readonly number[]): readonly Coverage[] {
  const all: Coverage[] = [];
  forEachIndex(window.output, (position) => {
    const taps: Tap[] = [];
    let padded = 0;
    let kernel = 0;
    forEachIndex(window.kernel, (k) => {
      const from = position.map(
        (o, axis) =>
          o * at(window.strides, axis) +
          at(k, axis) * at(window.dilations, axis) -
          at(window.padsBegin, axis),
      );
      const isInPadded = from.every(
        (i, axis) => i >= -at(window.padsBegin, axis) && i < at(spatial, axis) + at(window.padsEnd, axis),
      );
      if (isInPadded) padded++;
      if (inside(from, spatial)) taps.push({ kernel, place: flatten(spatial, from) });
      kernel++;
    });
    all.push({ taps, padded });
  });
  return all;
}

function inside(index: readonly number[], dims: readonly number[]): boolean {
  return index.every((i, axis) => i >= 0 && i < at(dims, axis));
}

/** Y[n, m, o] = B[m] + Σ_c Σ_k W[m, c, k] · X[n, group(m)·C/groups + c, o·s + k·d − p]. */
function conv(call: Call): Array64 {
  const x = input(call, 0);
  const w = input(call, 1);
  const bias = call.inputs[2];
  const group = intAttribute(call.node, 'group', 1);
  const [batch = 0, channels = 0, ...spatial] = x.dims;
  const [maps = 0, perGroup = 0, ...kernel] = w.dims;
  const window = readWindow(call.node, spatial, kernel);
  const positions = coverages(window, spatial);
  const area = product(spatial);
  const kernelArea = product(kernel);
  const y = build(x.elementType, [batch, maps, positions.length], ([n = 0, m = 0, position = 0]) => {
    const firstChannel = Math.floor(m / (maps / group)) * perGroup;
    let total = bias === undefined ? 0 : get(bias, [m]);
    for (let c = 0; c < perGroup; c++) {
      const xStart = (n * channels + firstChannel + c) * area;
      const wStart = (m * perGroup + c) * kernelArea;
      for (const tap of at(positions, position).taps) {
        total += at(w.values, wStart + tap.kernel) * at(x.values, xStart + tap.place);
      }
    }
    return total;
  });
  return reshaped(y, [batch, maps, ...window.output]);
}

/** Y[n, m, i·s + k·d − p] += W[c, m, k] · X[n, c, i], plus B[m]: the adjoint of the convolution. */
function convTranspose(call: Call): Array64 {
  const { node } = call;
  const x = input(call, 0);
  const w = input(call, 1);
  const bias = call.inputs[2];
  const group = intAttribute(node, 'group', 1);
  const spatial = x.dims.slice(2);
  const kernel = w.dims.slice(2);
  const strides = intsAttribute(node, 'strides') ?? spatial.map(() => 1);
  const dilations = intsAttribute(node, 'dilations') ?? spatial.map(() => 1);
  const pads = intsAttribute(node, 'pads') ?? [...spatial, ...spatial].map(() => 0);
  const extra = intsAttribute(node, 'output_padding') ?? spatial.map(() => 0);
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET');
  const same = autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER';
  const wantedShape = intsAttribute(node, 'output_shape');
  const axes = spatial.map((size, axis) => {
    const stride = at(strides, axis);
    const full = stride * (size - 1) + at(extra, axis) + (at(kernel, axis) - 1) * at(dilations, axis) + 1;
    const wanted = wantedShape === undefined ? undefined : at(wantedShape.slice(-spatial.length), axis);
    const output = wanted ?? (same ? size * stride : undefined);
    if (output !== undefined) {
      return { begin: at(splitPadding(full - output, autoPad === 'SAME_UPPER'), 0), output };
    }
    const valid = autoPad === 'VALID';
    const begin = valid ? 0 : at(pads, axis);
    return { begin, output: full - begin - (valid ? 0 : at(pads, spatial.length + axis)) };
  });
  const [batch = 0, channels = 0] = x.dims;
  const perGroup = at(w.dims, 1);
  const maps = perGroup * group;
  const target = axes.map((axis) => axis.output);
  // The positions of the input are those of a convolution's window over the output.
  const positions = coverages(
    {
      kernel,
      strides,
      dilations,
      padsBegin: axes.map((axis) => axis.begin),
      padsEnd: axes.map(() => 0),
      output: spatial,
    },
    target,
  );
  const area = product(target);
  const kernelArea = product(kernel);
  const values = new Float64Array(batch * maps * area);
  forEachIndex([batch, channels, perGroup, positions.length], ([n = 0, c = 0, m = 0, position = 0]) => {
    const value = at(x.values, (n * channels + c) * positions.length + position);
    const map = Math.floor(c / (channels / group)) * perGroup + m;
    for (const tap of at(positions, position).taps) {
      const to = (n * maps + map) * area + tap.place;
      values[to] = at(values, to) + value * at(w.values, (c * perGroup + m) * kernelArea + tap.kernel);
    }
  });
  const y = array64(x.elementType, [batch, maps, ...target], values);
  return bias === undefined
    ? y
    : build(y.elementType, y.dims, (index) => get(y, index) + get(bias, [at(index, 1)]));
}

/** What the window covers, as values with their flat places in the spatial axes. */
interface Pooled {
  readonly values: readonly number[];
  readonly places: readonly number[];
  readonly padded: number;
  /** Number of the map: n · channels + c. */
  readonly map: number;
}

function pool(call: Call, f: (pooled: Pooled) => number): Array64 {
  const x = input(call, 0);
  const [batch = 0, channels = 0, ...spatial] = x.dims;
  const window = readWindow(call.node, spatial, intsAttribute(call.node, 'kernel_shape') ?? spatial);
  const positions = coverages(window, spatial);
  const area = product(spatial);
  const y = build(x.elementType, [batch * channels, positions.length], ([map = 0, position = 0]) => {
    const { taps, padded } = at(positions, position);
    const places = taps.map((tap) => tap.place);
    return f({ values: places.map((place) => at(x.values, map * area + place)), places, padded, map });
  });
  return reshaped(y, [batch, channels, ...window.output]);
}

/** Values, and their flat places in the whole input (in `storage_order` 1 with the spatial axes reversed). */
function maxPool(call: Call): readonly Array64[] {
  const spatial = input(call, 0).dims.slice(2);
  const columnMajor = intAttribute(call.node, 'storage_order', 0) === 1;
  const inOrder = (place: number) =>
    columnMajor ? flatten(spatial.toReversed(), unflatten(spatial, place).toReversed()) : place;
  const values = pool(call, (pooled) => Math.max(...pooled.values));
  // The first of equal maxima.
  const places = pool(call, (pooled) => {
    const best = pooled.values.indexOf(Math.max(...pooled.values));
    return pooled.map * product(spatial) + inOrder(at(pooled.places, best));
  });
  return [values, { ...places, elementType: 'int64' }];
}

/** The index at a place in row-major order. */
function unflatten(dims: readonly number[], place: number): readonly number[] {
  let rest = place;
  return dims
    .toReversed()
    .map((size) => {
      const i = rest % size;
      rest = Math.floor(rest / size);
      return i;
    })
    .toReversed();
}

function averagePool(call: Call): Array64 {
  const includePad = flag(call.node, 'count_include_pad', false);
  return pool(call, ({ values, padded }) => sum(values) / (includePad ? padded : values.length));
}

/** (Σ |x|ᵖ)^(1/p). */
function lpNorm(values: readonly number[], p: number): number {
  return sum(values.map((v) => Math.abs(v) ** p)) ** (1 / p);
}

function lpPool(call: Call): Array64 {
  const p = intAttribute(call.node, 'p', 2);
  return pool(call, ({ values }) => lpNorm(values, p));
}

function globalPool(call: Call, f: (values: readonly number[]) => number): Array64 {
  const x = input(call, 0);
  const spatial = x.dims.slice(2);
  return build(x.elementType, [...x.dims.slice(0, 2), ...spatial.map(() => 1)], ([n = 0, c = 0]) => {
    const values: number[] = [];
    forEachIndex(spatial, (index) => {
      values.push(get(x, [n, c, ...index]));
    });
    return f(values);
  });
}

/**
 * Puts every value at its flat place in a zero array of the shape that the attributes imply. A larger
 * `output_shape` keeps that array in its corner.
 */
function maxUnpool(call: Call): Array64 {
  const x = input(call, 0);
  const places = input(call, 1);
  const kernel = intsAttribute(call.node, 'kernel_shape') ?? [];
  const strides = intsAttribute(call.node, 'strides') ?? kernel.map(() => 1);
  const pads = intsAttribute(call.node, 'pads') ?? [...kernel, ...kernel].map(() => 0);
  const implied = [
    ...x.dims.slice(0, 2),
    ...kernel.map(
      (k, axis) =>
        (at(x.dims, axis + 2) - 1) * at(strides, axis) - at(pads, axis) - at(pads, kernel.length + axis) + k,
    ),
  ];
  const values = new Float64Array(product(implied));
  places.values.forEach((place, i) => {
    values[place] = at(x.values, i);
  });
  const unpooled = array64(x.elementType, implied, values);
  const wanted = call.inputs[2] === undefined ? implied : [...call.inputs[2].values];
  return build(x.elementType, wanted, (index) => (inside(index, implied) ? get(unpooled, index) : 0));
}

export const windows: Kernels = {
  AveragePool: (call) => [averagePool(call)],
  Conv: (call) => [conv(call)],
  ConvTranspose: (call) => [convTranspose(call)],
  GlobalAveragePool: (call) => [globalPool(call, (values) => sum(values) / values.length)],
  GlobalMaxPool: (call) => [globalPool(call, (values) => Math.max(...values))],
  LpPool: (call) => [lpPool(call)],
  MaxPool: maxPool,
  MaxUnpool: (call) => [maxUnpool(call)],
};
