/** Element types and their numbers in `TensorProto.DataType`. */
import type { ElementType } from '../model.ts';

const NUMBERS: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
  float8e8m0: 24,
  uint2: 25,
  int2: 26,
};

const TYPES = new Map<number, ElementType>();
for (const type of Object.keys(NUMBERS)) if (isElementType(type)) TYPES.set(NUMBERS[type], type);

function isElementType(name: string): name is ElementType {
  return Object.hasOwn(NUMBERS, name);
}

/** The number that files, and the `to` of Cast, use for an element type. */
export function elementTypeNumber(type: ElementType): number {
  return NUMBERS[type];
}

/** The element type with this number; undefined if there is none (0 means "not said"). */
export function elementTypeOf(number: number): ElementType | undefined {
  return TYPES.get(number);
}
