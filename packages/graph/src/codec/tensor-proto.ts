/** `TensorProto` ↔ {@link Tensor}: raw and typed data, strings, sub-byte types, data in other files. */
import { type TensorProto, TensorProto_DataLocation, TensorProtoSchema } from 'onnx-buf';
import { DecodeError } from '../errors.ts';
import type { ElementType } from '../model.ts';
import { ELEMENT_BITS, type Tensor } from '../tensor.ts';
import { elementTypeNumber, elementTypeOf } from './elements.ts';
import { readEntries, startFrom, unknownOf, unlessEmpty, writeEntries } from './rest.ts';

/**
 * Gives the bytes of a tensor that the file keeps elsewhere.
 *
 * @param location path relative to the model's folder; already checked not to lead out of it
 * @param offset first byte in that file
 * @param length number of bytes; undefined means up to the end of the file
 */
export type ExternalReader = (location: string, offset: number, length: number | undefined) => Uint8Array;

/**
 * Reads a `TensorProto`; the bytes of raw data are shared, not copied.
 *
 * @param where what errors call the tensor
 */
export function readTensor(proto: TensorProto, external: ExternalReader | undefined, where: string): Tensor {
  const elementType = elementTypeOf(proto.dataType);
  if (elementType === undefined) {
    throw new DecodeError(`${where} has the unknown element type ${proto.dataType}.`);
  }
  const dims = proto.dims.map((dim) => readDim(dim, where));
  const count = countElements(dims, where);
  const { map: metadata, left } = readEntries(proto.metadataProps);
  const rest = unknownOf(TensorProtoSchema, proto);
  rest.metadataProps = left;
  if (proto.segment !== undefined) rest.segment = proto.segment;

  let data: Tensor['data'];
  if (elementType === 'string') {
    if (proto.stringData.length !== count)
      throw wrongSize(where, dims, count, proto.stringData.length, 'strings');
    const strings = proto.stringData.map((bytes) => LENIENT.decode(bytes));
    if (proto.stringData.some((bytes) => readUtf8(bytes) === undefined)) rest.stringData = proto.stringData;
    data = strings;
  } else {
    data = readBytes(proto, elementType, dims, count, external, where);
  }
  const unread = unlessEmpty(rest);
  return {
    elementType,
    dims,
    data,
    ...(proto.docString === '' ? {} : { docString: proto.docString }),
    ...(metadata.size === 0 ? {} : { metadata }),
    ...(unread === undefined ? {} : { rest: unread }),
  };
}

/** Writes a tensor with its data inside the message, as raw bytes (or strings). */
export function writeTensor(tensor: Tensor, name: string): TensorProto {
  const proto = describeTensor(tensor, name);
  const { data } = tensor;
  if (data instanceof Uint8Array) {
    proto.rawData = unshared(data);
  } else {
    const original = proto.stringData;
    const unchanged =
      original.length === data.length && original.every((bytes, i) => LENIENT.decode(bytes) === data[i]);
    if (!unchanged) proto.stringData = data.map((text) => ENCODER.encode(text));
  }
  return proto;
}

/** Writes everything of a tensor except its bytes. */
export function describeTensor(tensor: Tensor, name: string): TensorProto {
  const proto = startFrom(TensorProtoSchema, tensor.rest);
  if (name !== '') proto.name = name;
  proto.dataType = elementTypeNumber(tensor.elementType);
  proto.dims = tensor.dims.map((dim) => BigInt(dim));
  if (tensor.docString !== undefined) proto.docString = tensor.docString;
  proto.metadataProps = writeEntries(tensor.metadata, proto.metadataProps);
  return proto;
}

/** Bytes that are certain not to be shared with another thread, as the protobuf types ask. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isUnshared(bytes) ? bytes : new Uint8Array(bytes);
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

const ENCODER = new TextEncoder();
const LENIENT = new TextDecoder('utf-8', { ignoreBOM: true });
const STRICT = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** The text of UTF-8 bytes; undefined if they are not UTF-8. */
export function readUtf8(bytes: Uint8Array): string | undefined {
  try {
    return STRICT.decode(bytes);
  } catch {
    return undefined;
  }
}

function readDim(dim: bigint, where: string): number {
  if (dim < 0n) throw new DecodeError(`${where} has a negative dimension; the file is damaged.`);
  if (dim > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new DecodeError(`${where} has a dimension beyond 2^53; the file is damaged.`);
  }
  return Number(dim);
}

function countElements(dims: readonly number[], where: string): number {
  if (dims.includes(0)) return 0;
  let count = 1;
  for (const dim of dims) {
    count *= dim;
    if (count > Number.MAX_SAFE_INTEGER) {
      throw new DecodeError(`${where} has more than 2^53 elements by its dimensions; the file is damaged.`);
    }
  }
  return count;
}

function wrongSize(
  where: string,
  dims: readonly number[],
  expected: number,
  found: number,
  unit: string,
): DecodeError {
  const shape = `[${dims.slice(0, 8).join(', ')}${dims.length > 8 ? ', …' : ''}]`;
  return new DecodeError(
    `${where} has shape ${shape}, which takes ${expected} ${unit}, but the file holds ${found}; it is damaged or was cut off.`,
  );
}

/** A typed data field of `TensorProto`: how many values it has, and how to put one into bytes. */
interface TypedField {
  readonly length: number;
  /** Bytes per value. */
  readonly width: number;
  readonly put: (view: DataView, offset: number, index: number) => void;
}

/**
 * The typed field that the specification assigns to an element type. Of `int32_data` only the low bytes count:
 * one for 8-bit types and for packed 2- and 4-bit ones, two for 16-bit ones.
 */
function typedField(proto: TensorProto, elementType: ElementType): TypedField {
  const { floatData, doubleData, int64Data, uint64Data, int32Data } = proto;
  switch (elementType) {
    case 'float32':
    case 'complex64':
      return {
        length: floatData.length,
        width: 4,
        put: (v, o, i) => v.setFloat32(o, floatData[i] ?? 0, true),
      };
    case 'float64':
    case 'complex128':
      return {
        length: doubleData.length,
        width: 8,
        put: (v, o, i) => v.setFloat64(o, doubleData[i] ?? 0, true),
      };
    case 'int64':
      return {
        length: int64Data.length,
        width: 8,
        put: (v, o, i) => v.setBigInt64(o, int64Data[i] ?? 0n, true),
      };
    case 'uint64':
      return {
        length: uint64Data.length,
        width: 8,
        put: (v, o, i) => v.setBigUint64(o, uint64Data[i] ?? 0n, true),
      };
    case 'uint32': {
      const put = (v: DataView, o: number, i: number) =>
        v.setUint32(o, Number((uint64Data[i] ?? 0n) & 0xffffffffn), true);
      return { length: uint64Data.length, width: 4, put };
    }
    case 'int32':
      return { length: int32Data.length, width: 4, put: (v, o, i) => v.setInt32(o, int32Data[i] ?? 0, true) };
    case 'float16':
    case 'bfloat16':
    case 'int16':
    case 'uint16':
      return { length: int32Data.length, width: 2, put: (v, o, i) => v.setInt16(o, int32Data[i] ?? 0, true) };
    default:
      return { length: int32Data.length, width: 1, put: (v, o, i) => v.setInt8(o, int32Data[i] ?? 0) };
  }
}

function readBytes(
  proto: TensorProto,
  elementType: ElementType,
  dims: readonly number[],
  count: number,
  external: ExternalReader | undefined,
  where: string,
): Uint8Array {
  const expected = Math.ceil((count * (ELEMENT_BITS[elementType] ?? 0)) / 8);
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    return readExternal(proto, expected, dims, external, where);
  }
  const typed = typedField(proto, elementType);
  if (proto.rawData.length > 0) {
    if (typed.length > 0)
      throw new DecodeError(`${where} holds its data twice, raw and typed; the file is damaged.`);
    if (proto.rawData.length !== expected)
      throw wrongSize(where, dims, expected, proto.rawData.length, 'bytes');
    return proto.rawData;
  }
  const found = typed.length * typed.width;
  if (found !== expected) throw wrongSize(where, dims, expected, found, 'bytes');
  const bytes = new Uint8Array(expected);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < typed.length; i++) typed.put(view, i * typed.width, i);
  return bytes;
}

function readExternal(
  proto: TensorProto,
  expected: number,
  dims: readonly number[],
  external: ExternalReader | undefined,
  where: string,
): Uint8Array {
  const entries = readEntries(proto.externalData).map;
  const location = safeLocation(entries.get('location') ?? '', where);
  const offset = readCount(entries.get('offset') ?? '0', 'offset', where);
  const stated = entries.get('length');
  const length = stated === undefined ? undefined : readCount(stated, 'length', where);
  if (length !== undefined && length !== expected) throw wrongSize(where, dims, expected, length, 'bytes');
  if (external === undefined) {
    throw new DecodeError(
      `${where} is kept in another file, "${location}"; read the model from its folder, where that file lies beside it.`,
    );
  }
  const bytes = external(location, offset, length);
  if (bytes.length !== expected) throw wrongSize(where, dims, expected, bytes.length, 'bytes');
  return bytes;
}

/**
 * The location of external data, if it is a path that stays inside the model's folder.
 *
 * Backslashes and drive letters are refused on every platform, so that a file means the same everywhere.
 */
export function safeLocation(location: string, where: string): string {
  const parts = location.split('/');
  const escapes =
    location === '' ||
    /[\\:\0]/.test(location) ||
    parts.some((part) => part === '..') ||
    parts[0] === '' ||
    parts.at(-1) === '';
  if (escapes) {
    throw new DecodeError(`${where} points to external data outside the model's folder; that is refused.`);
  }
  return location;
}

function readCount(text: string, what: string, where: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new DecodeError(`${where} has external data whose ${what} is not a whole number of bytes.`);
  }
  return value;
}

/** A tensor description whose bytes lie in another file. */
export function writeExternal(
  tensor: Tensor,
  name: string,
  location: string,
  offset: number,
  length: number,
): TensorProto {
  const proto = describeTensor(tensor, name);
  proto.dataLocation = TensorProto_DataLocation.EXTERNAL;
  proto.externalData = writeEntries(
    new Map([
      ['location', location],
      ['offset', String(offset)],
      ['length', String(length)],
    ]),
    [],
  );
  return proto;
}
