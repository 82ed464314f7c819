/**
 * Dense tensors as values: little-endian bytes, as ONNX's `raw_data`, with typed views on top.
 */
import { GraphError } from './errors.ts';
import type { ElementType } from './model.ts';

/** A dense tensor in row-major order. */
export interface Tensor {
  readonly elementType: ElementType;
  readonly dims: readonly number[];
  /** Little-endian bytes (sub-byte types packed as ONNX packs them), or the strings of a string tensor. */
  readonly data: Uint8Array | readonly string[];
  readonly docString?: string;
  readonly metadata?: ReadonlyMap<string, string>;
  /** The original protobuf message, where it says more than the fields above. */
  readonly rest?: unknown;
}

/** Bits of one element; undefined for strings. */
export const ELEMENT_BITS: Readonly<Record<ElementType, number | undefined>> = {
  float32: 32,
  uint8: 8,
  int8: 8,
  uint16: 16,
  int16: 16,
  int32: 32,
  int64: 64,
  string: undefined,
  bool: 8,
  float16: 16,
  float64: 64,
  uint32: 32,
  uint64: 64,
  complex64: 64,
  complex128: 128,
  bfloat16: 16,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  uint4: 4,
  int4: 4,
  float4e2m1: 4,
  float8e8m0: 8,
  uint2: 2,
  int2: 2,
};

/** Number of elements of a tensor with these dimensions (1 for a scalar). */
export function elementCount(dims: readonly number[]): number {
  let count = 1;
  for (const dim of dims) count *= dim;
  return count;
}

/** Bytes that a tensor of this type and these dimensions takes. */
export function byteLength(elementType: ElementType, dims: readonly number[]): number {
  const bits = ELEMENT_BITS[elementType];
  if (bits === undefined) throw new GraphError('string tensors have no fixed size in bytes');
  return Math.ceil((elementCount(dims) * bits) / 8);
}

/**
 * A tensor from numbers, rounded to the element type.
 *
 * @example tensor('float32', [2, 2], [1, 2, 3, 4])
 */
export function tensor(elementType: ElementType, dims: readonly number[], values: ArrayLike<number>): Tensor {
  const count = elementCount(dims);
  if (values.length !== count) {
    throw new GraphError(
      `a tensor of shape [${dims.join(', ')}] has ${count} elements, not ${values.length}`,
    );
  }
  return { elementType, dims: [...dims], data: bytesOf(elementType, values) };
}

/** A scalar. */
export function scalar(elementType: ElementType, value: number): Tensor {
  return tensor(elementType, [], [value]);
}

/** A one-dimensional int64 tensor, the form in which ONNX takes shapes and axes. */
export function int64s(values: readonly number[]): Tensor {
  return tensor('int64', [values.length], values);
}

/** A float32 tensor that shares the array's memory. */
export function fromFloat32(dims: readonly number[], values: Float32Array): Tensor {
  if (values.length !== elementCount(dims)) {
    throw new GraphError(`a tensor of shape [${dims.join(', ')}] does not hold ${values.length} elements`);
  }
  return {
    elementType: 'float32',
    dims: [...dims],
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

/** The elements as numbers (float64). int64 values beyond ±2⁵³ lose their low bits; bool is 0 or 1. */
export function toNumbers(value: Tensor): Float64Array {
  const bytes = bytesIn(value);
  const count = elementCount(value.dims);
  const out = new Float64Array(count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = READERS[value.elementType];
  if (read === undefined) throw new GraphError(`cannot read ${value.elementType} elements as numbers`);
  for (let i = 0; i < count; i++) out[i] = read(view, i);
  return out;
}

/** The elements of a float32 tensor; shares memory where alignment allows. */
export function toFloat32(value: Tensor): Float32Array {
  if (value.elementType !== 'float32') return Float32Array.from(toNumbers(value));
  const bytes = bytesIn(value);
  const count = elementCount(value.dims);
  if (bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  return new Float32Array(bytes.slice().buffer, 0, count);
}

function bytesIn(value: Tensor): Uint8Array {
  const { data } = value;
  if (!(data instanceof Uint8Array)) throw new GraphError('a string tensor has no numbers');
  return data;
}

function bytesOf(elementType: ElementType, values: ArrayLike<number>): Uint8Array {
  const write = WRITERS[elementType];
  const bits = ELEMENT_BITS[elementType];
  if (write === undefined || bits === undefined) {
    throw new GraphError(`cannot make ${elementType} elements from numbers`);
  }
  const bytes = new Uint8Array(Math.ceil((values.length * bits) / 8));
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) write(view, i, values[i] ?? 0);
  return bytes;
}

type Reader = (view: DataView, index: number) => number;
type Writer = (view: DataView, index: number, value: number) => void;

const READERS: Partial<Record<ElementType, Reader>> = {
  float32: (v, i) => v.getFloat32(i * 4, true),
  float64: (v, i) => v.getFloat64(i * 8, true),
  float16: (v, i) => float16ToNumber(v.getUint16(i * 2, true)),
  bfloat16: (v, i) => bfloat16ToNumber(v.getUint16(i * 2, true)),
  int8: (v, i) => v.getInt8(i),
  uint8: (v, i) => v.getUint8(i),
  bool: (v, i) => (v.getUint8(i) === 0 ? 0 : 1),
  int16: (v, i) => v.getInt16(i * 2, true),
  uint16: (v, i) => v.getUint16(i * 2, true),
  int32: (v, i) => v.getInt32(i * 4, true),
  uint32: (v, i) => v.getUint32(i * 4, true),
  int64: (v, i) => Number(v.getBigInt64(i * 8, true)),
  uint64: (v, i) => Number(v.getBigUint64(i * 8, true)),
};

const WRITERS: Partial<Record<ElementType, Writer>> = {
  float32: (v, i, x) => v.setFloat32(i * 4, x, true),
  float64: (v, i, x) => v.setFloat64(i * 8, x, true),
  float16: (v, i, x) => v.setUint16(i * 2, numberToFloat16(x), true),
  bfloat16: (v, i, x) => v.setUint16(i * 2, numberToBfloat16(x), true),
  int8: (v, i, x) => v.setInt8(i, x),
  uint8: (v, i, x) => v.setUint8(i, x),
  bool: (v, i, x) => v.setUint8(i, x === 0 ? 0 : 1),
  int16: (v, i, x) => v.setInt16(i * 2, x, true),
  uint16: (v, i, x) => v.setUint16(i * 2, x, true),
  int32: (v, i, x) => v.setInt32(i * 4, x, true),
  uint32: (v, i, x) => v.setUint32(i * 4, x, true),
  int64: (v, i, x) => v.setBigInt64(i * 8, toInt64(x), true),
  uint64: (v, i, x) => v.setBigUint64(i * 8, BigInt(Math.trunc(x)), true),
};

/** `Number.MAX_SAFE_INTEGER` stands for "to the end" in attributes; write it as the largest int64. */
function toInt64(x: number): bigint {
  return BigInt(Math.trunc(x));
}

/** IEEE 754 half precision to a number, exactly. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A number to IEEE 754 half precision, rounding to nearest, ties to even. */
export function numberToFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14);
  if (magnitude === 0) return sign;
  const quantum = 2 ** (exponent - 10);
  const units = roundHalfToEven(magnitude / quantum);
  // `units` is the 11-bit significand; adding rather than or-ing lets a carry move into the exponent.
  return exponent === -14 && units < 1024 ? sign | units : sign | (((exponent + 15) << 10) + (units - 1024));
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest > 0.5 || (rest === 0.5 && floor % 2 === 1)) return floor + 1;
  return floor;
}

const SCRATCH = new DataView(new ArrayBuffer(4));

function bfloat16ToNumber(bits: number): number {
  SCRATCH.setUint32(0, bits << 16);
  return SCRATCH.getFloat32(0);
}

function numberToBfloat16(value: number): number {
  SCRATCH.setFloat32(0, value);
  const bits = SCRATCH.getUint32(0);
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
