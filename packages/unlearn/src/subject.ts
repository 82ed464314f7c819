/** What is measured and unlearned: a classifier, the rows it is fed, and the features in them. */
import { takeRows as takeTensorRows } from '@assay/engine';
import { type Model, type Tensor, tensor, toNumbers } from '@assay/graph';
import type { RandomStream } from '@assay/random';
import { UnlearnError } from './errors.ts';

/** What a model's output means. */
export type OutputKind =
  /** [N, C]: unnormalised log-probabilities. */
  | 'logits'
  /** [N, C]: probabilities that sum to 1. */
  | 'probabilities'
  /** [N] or [N, 1]: the logit of class 1 against class 0. */
  | 'margin'
  /** [N] or [N, 1]: the probability of class 1. */
  | 'probability'
  /** [N]: the class number itself. */
  | 'label';

/** A model with the meaning of its output. */
export interface Classifier {
  readonly model: Model;
  readonly output: { readonly name: string; readonly kind: OutputKind };
  /** Number of classes, at least 2. */
  readonly classes: number;
}

/** Columns of a graph input that hold a feature. */
export interface Slots {
  readonly input: string;
  /** First column along the last axis. */
  readonly start: number;
  readonly length: number;
}

/** A feature by where it enters the model. */
export interface Feature {
  readonly name: string;
  readonly kind: 'number' | 'category';
  readonly slots: readonly Slots[];
}

/** Encoded rows: every tensor has the rows along its first axis. */
export interface Rows {
  readonly count: number;
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Class numbers, −1 where unknown; undefined where there are no labels at all. */
  readonly labels: Int32Array | undefined;
}

/** The bytes of one row of a tensor. */
export function rowBytes(value: Tensor): number {
  const rows = value.dims[0] ?? 1;
  return rows === 0 ? 0 : bytesOf(value).byteLength / rows;
}

/** Numbers in one row of an input: 1 for a vector [N], k for a matrix [N, k]. */
export function widthOf(value: Tensor): number {
  return value.dims.length < 2 ? 1 : (value.dims.at(-1) ?? 1);
}

/** The rows with float64 and float16 inputs as float32, in which features are perturbed; the same rows if there are none. */
export function asFloat32(rows: Rows): Rows {
  const isOther = ({ elementType }: Tensor) => elementType === 'float64' || elementType === 'float16';
  if (!Object.values(rows.inputs).some(isOther)) return rows;
  const inputs = Object.entries(rows.inputs).map(([name, value]) => [
    name,
    isOther(value) ? tensor('float32', value.dims, toNumbers(value)) : value,
  ]);
  return { ...rows, inputs: Object.fromEntries(inputs) };
}

/** The bytes of a tensor of numbers. */
export function bytesOf(value: Tensor): Uint8Array {
  if (!(value.data instanceof Uint8Array)) throw new TypeError('rows hold numbers, not strings');
  return value.data;
}

/** The given rows in the given order (a row may come more than once). */
export function takeRows(rows: Rows, indices: ArrayLike<number>): Rows {
  const inputs: Record<string, Tensor> = {};
  for (const [name, value] of Object.entries(rows.inputs)) inputs[name] = takeTensorRows(value, indices);
  const { labels } = rows;
  return {
    count: indices.length,
    inputs,
    labels:
      labels === undefined
        ? undefined
        : Int32Array.from({ length: indices.length }, (_, i) => labels[indices[i] ?? 0] ?? -1),
  };
}

/** Byte ranges of a feature within one row, by input. */
interface ByteRange {
  readonly input: string;
  readonly from: number;
  readonly to: number;
}

function byteRanges(rows: Rows, feature: Feature): readonly ByteRange[] {
  return feature.slots.map(({ input, start, length }) => {
    const value = rows.inputs[input];
    if (value === undefined) throw new TypeError(`the rows have no input "${input}"`);
    const width = widthOf(value);
    const element = rowBytes(value) / width;
    return { input, from: start * element, to: (start + length) * element };
  });
}

/**
 * For every row, another row that holds a different value of the feature, drawn from the rows' own marginal.
 *
 * @throws UnlearnError `constant-feature` if there is only one value
 */
export function drawReplacements(
  rows: Rows,
  feature: Feature,
  random: RandomStream,
  pool: Rows = rows,
): Uint32Array {
  const keys = featureKeys(rows, feature);
  const poolKeys = pool === rows ? keys : featureKeys(pool, feature);
  const byKey = new Map<string, number[]>();
  poolKeys.forEach((key, row) => {
    const members = byKey.get(key);
    if (members === undefined) byKey.set(key, [row]);
    else members.push(row);
  });
  const values = [...byKey.keys()];
  if (values.length < 2 && values[0] === keys[0]) {
    throw new UnlearnError(
      'constant-feature',
      `Feature "${feature.name}" has the same value in all ${pool.count} rows, so its effect cannot be measured on them. Give rows in which it varies.`,
    );
  }
  return Uint32Array.from(keys, (key) => {
    // Rejection keeps the marginal of the other values; a dominant value makes it slow, so then draw among the rest.
    for (let attempt = 0; attempt < 16; attempt++) {
      const row = random.integer(pool.count);
      if (poolKeys[row] !== key) return row;
    }
    const others = pool.count - (byKey.get(key)?.length ?? 0);
    if (others === 0) return random.integer(pool.count);
    let left = random.integer(others);
    for (const value of values) {
      if (value === key) continue;
      const members = byKey.get(value) ?? [];
      if (left < members.length) return members[left] ?? 0;
      left -= members.length;
    }
    return 0;
  });
}

/** The bytes of a feature in each row, as text: equal exactly where the values are. */
export function featureKeys(rows: Rows, feature: Feature): readonly string[] {
  const ranges = byteRanges(rows, feature).map(({ input, from, to }) => {
    const value = rows.inputs[input];
    if (value === undefined) throw new TypeError(`the rows have no input "${input}"`);
    return { bytes: bytesOf(value), size: rowBytes(value), from, to };
  });
  return Array.from({ length: rows.count }, (_, row) => {
    let key = '';
    for (const { bytes, size, from, to } of ranges) {
      for (let i = row * size + from; i < row * size + to; i++) key += String.fromCharCode(bytes[i] ?? 0);
    }
    return key;
  });
}

/** Copies of the rows in which the feature is that of other rows of the pool. */
export function withFeatureOf(
  rows: Rows,
  feature: Feature,
  sources: ArrayLike<number>,
  pool: Rows = rows,
): Rows {
  const inputs: Record<string, Tensor> = { ...rows.inputs };
  for (const { input, from, to } of byteRanges(rows, feature)) {
    const value = inputs[input];
    const other = pool.inputs[input];
    if (value === undefined || other === undefined) continue;
    const size = rowBytes(value);
    const copied = inputs[input] === rows.inputs[input] ? bytesOf(value).slice() : bytesOf(value);
    const source = bytesOf(other);
    for (let row = 0; row < rows.count; row++) {
      const at = (sources[row] ?? 0) * size;
      copied.set(source.subarray(at + from, at + to), row * size + from);
    }
    inputs[input] = { ...value, data: copied };
  }
  return { ...rows, inputs };
}

/** Writable float32 copies of inputs of rows, made once each. */
export class FloatRows {
  readonly #inputs: Record<string, Tensor>;
  readonly #writable = new Map<string, Float32Array>();

  constructor(rows: Rows) {
    this.#inputs = { ...rows.inputs };
  }

  /** The values of a float32 input, row by row; writing changes this copy only. */
  values(input: string): Float32Array {
    const known = this.#writable.get(input);
    if (known !== undefined) return known;
    const value = this.#inputs[input];
    if (value === undefined || value.elementType !== 'float32') {
      throw new UnlearnError(
        'not-applicable',
        `Input "${input}" does not hold float32 numbers, so it cannot be perturbed.`,
      );
    }
    const copy = bytesOf(value).slice();
    this.#inputs[input] = { ...value, data: copy };
    const view = new Float32Array(copy.buffer, 0, copy.byteLength / 4);
    this.#writable.set(input, view);
    return view;
  }

  /** The tensors with what has been written. */
  get inputs(): Readonly<Record<string, Tensor>> {
    return this.#inputs;
  }
}

/** Whether a feature enters as numbers that can be perturbed by small amounts (not as an index into a table). */
export function isContinuous(rows: Rows, feature: Feature): boolean {
  return feature.slots.every(({ input }) => rows.inputs[input]?.elementType === 'float32');
}

/**
 * δ ~ N(0, σ²) with σ ~ U[0.05, 1] on the feature's columns, added to copies of the rows.
 *
 * A draw with ‖δ‖ < 0.01 is drawn again: in float32 the quotient ‖f(x) − f(x+δ)‖/‖δ‖ would be mostly rounding.
 *
 * @returns the perturbed rows and ‖δ‖ per row
 */
export function perturb(
  rows: Rows,
  feature: Feature,
  random: RandomStream,
): { rows: Rows; norms: Float32Array } {
  const copies = new FloatRows(rows);
  const norms = new Float32Array(rows.count);
  const places = feature.slots.map(({ input, start, length }) => {
    const value = rows.inputs[input];
    const width = value === undefined ? 1 : widthOf(value);
    return { values: copies.values(input), width, start, length };
  });
  const total = places.reduce((sum, { length }) => sum + length, 0);
  const delta = new Float64Array(total);
  for (let row = 0; row < rows.count; row++) {
    let norm = 0;
    do {
      const sigma = SIGMA_LOW + (SIGMA_HIGH - SIGMA_LOW) * random.uniform();
      let squares = 0;
      for (let i = 0; i < total; i++) {
        const value = sigma * random.normal();
        delta[i] = value;
        squares += value * value;
      }
      norm = Math.sqrt(squares);
    } while (norm < SHORTEST_PERTURBATION);
    norms[row] = norm;
    let i = 0;
    for (const { values, width, start, length } of places) {
      for (let k = 0; k < length; k++) {
        const at = row * width + start + k;
        values[at] = (values[at] ?? 0) + (delta[i++] ?? 0);
      }
    }
  }
  return { rows: { ...rows, inputs: copies.inputs }, norms };
}

/** The authors' range of σ. */
const SIGMA_LOW = 0.05;
const SIGMA_HIGH = 1;
const SHORTEST_PERTURBATION = 0.01;

/** ‖x_F − x′_F‖ per row between two tables of the same rows; √2 for two different values of an index. */
export function featureDistances(a: Rows, b: Rows, feature: Feature): Float32Array {
  const squares = new Float64Array(a.count);
  for (const { input, start, length } of feature.slots) {
    const left = a.inputs[input];
    const right = b.inputs[input];
    if (left === undefined || right === undefined) continue;
    const width = widthOf(left);
    if (left.elementType === 'float32') {
      const [p, q] = [floats(left), floats(right)];
      for (let row = 0; row < a.count; row++) {
        for (let k = start; k < start + length; k++) {
          const difference = (p[row * width + k] ?? 0) - (q[row * width + k] ?? 0);
          squares[row] = (squares[row] ?? 0) + difference * difference;
        }
      }
    } else {
      const [p, q] = [bytesOf(left), bytesOf(right)];
      const size = rowBytes(left);
      const element = size / width;
      for (let row = 0; row < a.count; row++) {
        const from = row * size + start * element;
        const differs = p.subarray(from, from + length * element).some((byte, i) => byte !== q[from + i]);
        if (differs) squares[row] = (squares[row] ?? 0) + 2;
      }
    }
  }
  return Float32Array.from(squares, Math.sqrt);
}

/** A float32 tensor's elements without copying. */
export function floats(value: Tensor): Float32Array {
  const bytes = bytesOf(value);
  if (bytes.byteOffset % 4 !== 0) return new Float32Array(bytes.slice().buffer);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
