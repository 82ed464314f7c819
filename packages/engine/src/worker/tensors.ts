/** Tensors of this project to tensors of ONNX Runtime and back, sharing memory where the alignment allows. */
import type { ElementType, Tensor } from '@assay/graph';
import type * as Ort from 'onnxruntime-web';

/** The part of a runtime package that is needed to make tensors. */
export interface TensorFactory {
  readonly Tensor: typeof Ort.Tensor;
}

type TypedArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

interface ArrayType {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray;
}

/** Element types that both runtimes take as dense tensors, with the array type that views them. */
const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const satisfies Partial<Record<ElementType, ArrayType>>;

type NumericType = keyof typeof ARRAYS;

function isNumeric(elementType: ElementType): elementType is NumericType {
  return Object.hasOwn(ARRAYS, elementType);
}

/** Whether tensors of this element type can be fed to a session. */
export function isRunnable(elementType: ElementType): boolean {
  return elementType === 'string' || isNumeric(elementType);
}

/** Bytes that `count` elements take, or undefined for strings and types that cannot be fed. */
export function runnableByteLength(elementType: ElementType, count: number): number | undefined {
  return isNumeric(elementType) ? count * ARRAYS[elementType].BYTES_PER_ELEMENT : undefined;
}

/** A tensor for the runtime; views the same bytes when they are aligned to the element size. */
export function toOrt(factory: TensorFactory, value: Tensor): Ort.Tensor {
  const { data, elementType } = value;
  const dims = [...value.dims];
  if (!(data instanceof Uint8Array)) return new factory.Tensor('string', [...data], dims);
  if (!isNumeric(elementType)) throw new TypeError(`tensors of ${elementType} cannot be fed to ONNX Runtime`);
  const view = typedView(ARRAYS[elementType], data);
  // The constructor's overloads take one array type per element type; the table above pairs them.
  return Reflect.construct(factory.Tensor, [elementType, view, dims]);
}

/** Little-endian bytes of a tensor that the runtime gave. Shares its memory. */
export function fromOrt(value: Ort.Tensor): Tensor {
  const { data, dims } = value;
  if (value.type === 'string') {
    if (!isStrings(data)) throw new TypeError('a string tensor holds something else');
    return { elementType: 'string', dims, data };
  }
  if (!ArrayBuffer.isView(data)) throw new TypeError(`a ${value.type} tensor holds no numbers`);
  return {
    elementType: value.type,
    dims,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

/** The same tensor on bytes of its own, so that they can be transferred without taking anything else along. */
export function detached(value: Tensor): Tensor {
  if (!(value.data instanceof Uint8Array)) {
    return { elementType: value.elementType, dims: value.dims, data: [...value.data] };
  }
  return { elementType: value.elementType, dims: value.dims, data: value.data.slice() };
}

/** The buffers to transfer with these tensors. */
export function buffersOf(tensors: Iterable<Tensor>): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of tensors) {
    if (data instanceof Uint8Array && data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
  }
  return [...buffers];
}

function typedView(array: ArrayType, bytes: Uint8Array): TypedArray {
  const size = array.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return new array(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / size));
}

function isStrings(data: unknown): data is string[] {
  return Array.isArray(data) && data.every((element) => typeof element === 'string');
}
