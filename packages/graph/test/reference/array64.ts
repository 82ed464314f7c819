/** Dense float64 arrays addressed by index lists: the values of the reference interpreter. */
import type { ElementType } from '../../src/index.ts';

/** A dense row-major array; integers and booleans are kept in float64 too. */
export interface Array64 {
  readonly dims: readonly number[];
  readonly values: Float64Array;
  readonly elementType: ElementType;
}

/** What is read is outside of what there is, or an input of an op is not what it has to be. */
export class InterpretationError extends Error {
  override name = 'InterpretationError';
}

/** An element that has to be there. */
export function at<T>(list: ArrayLike<T>, index: number): T {
  const value = list[index];
  if (value === undefined)
    throw new InterpretationError(`index ${index} is outside of a list of ${list.length}`);
  return value;
}

/** An array from its elements in row-major order. */
export function array64(
  elementType: ElementType,
  dims: readonly number[],
  values: ArrayLike<number>,
): Array64 {
  if (product(dims) !== values.length) {
    throw new InterpretationError(`${values.length} values do not fill the shape [${dims.join(', ')}]`);
  }
  return { elementType, dims: [...dims], values: Float64Array.from(values) };
}

/** An array from a function of the index. */
export function build(
  elementType: ElementType,
  dims: readonly number[],
  element: (index: readonly number[]) => number,
): Array64 {
  const values = new Float64Array(product(dims));
  let flat = 0;
  forEachIndex(dims, (index) => {
    values[flat++] = element(index);
  });
  return { elementType, dims: [...dims], values };
}

/** The same elements under another shape. */
export function reshaped(x: Array64, dims: readonly number[]): Array64 {
  return array64(x.elementType, dims, x.values);
}

/** The same shape with a function of each element. */
export function mapped(x: Array64, f: (value: number) => number, elementType = x.elementType): Array64 {
  return { elementType, dims: x.dims, values: x.values.map(f) };
}

/** All indices of a shape in row-major order. The list that is passed on must not be kept. */
export function forEachIndex(dims: readonly number[], visit: (index: readonly number[]) => void): void {
  if (dims.includes(0)) return;
  const index = dims.map(() => 0);
  for (;;) {
    visit(index);
    let axis = dims.length - 1;
    while (axis >= 0 && at(index, axis) === at(dims, axis) - 1) index[axis--] = 0;
    if (axis < 0) return;
    index[axis] = at(index, axis) + 1;
  }
}

/** Position of an index in row-major order; an index outside of the shape is an error. */
export function flatten(dims: readonly number[], index: readonly number[]): number {
  if (index.length !== dims.length) {
    throw new InterpretationError(`an index of rank ${index.length} into a shape of rank ${dims.length}`);
  }
  let flat = 0;
  for (let axis = 0; axis < dims.length; axis++) {
    const i = at(index, axis);
    const size = at(dims, axis);
    if (!(i >= 0 && i < size))
      throw new InterpretationError(`index ${i} is outside of a dimension of ${size}`);
    flat = flat * size + i;
  }
  return flat;
}

/** The element at an index. */
export function get(x: Array64, index: readonly number[]): number {
  return at(x.values, flatten(x.dims, index));
}

/** The element at an index of a shape that `x` broadcasts to: trailing axes align, dimensions of 1 repeat. */
export function getBroadcast(x: Array64, index: readonly number[]): number {
  const lead = index.length - x.dims.length;
  let flat = 0;
  for (let axis = 0; axis < x.dims.length; axis++) {
    const size = at(x.dims, axis);
    const i = size === 1 ? 0 : at(index, lead + axis);
    if (!(i >= 0 && i < size))
      throw new InterpretationError(`index ${i} is outside of a dimension of ${size}`);
    flat = flat * size + i;
  }
  return at(x.values, flat);
}

/** The shape that all of these broadcast to. */
export function broadcastDims(shapes: readonly (readonly number[])[]): readonly number[] {
  const rank = Math.max(0, ...shapes.map((dims) => dims.length));
  return Array.from({ length: rank }, (_, axis) => {
    let size = 1;
    for (const dims of shapes) {
      const own = dims[axis - (rank - dims.length)] ?? 1;
      if (own !== 1 && size !== 1 && own !== size) {
        throw new InterpretationError(`dimensions ${size} and ${own} do not broadcast`);
      }
      if (own !== 1) size = own;
    }
    return size;
  });
}

export function product(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a * b, 1);
}

export function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const value of numbers) total += value;
  return total;
}

/** An axis counted from the front. */
export function normalizeAxis(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (positive < 0 || positive >= Math.max(rank, 1)) {
    throw new InterpretationError(`axis ${axis} is outside of rank ${rank}`);
  }
  return positive;
}

/** The list with one element replaced. */
export function replaced(list: readonly number[], position: number, value: number): number[] {
  return list.map((old, i) => (i === position ? value : old));
}

/** Bits of the integer types; undefined for all others. */
const INTEGER_BITS: Partial<Record<ElementType, { bits: number; signed: boolean }>> = {
  int8: { bits: 8, signed: true },
  uint8: { bits: 8, signed: false },
  int16: { bits: 16, signed: true },
  uint16: { bits: 16, signed: false },
  int32: { bits: 32, signed: true },
  uint32: { bits: 32, signed: false },
  int64: { bits: 64, signed: true },
  uint64: { bits: 64, signed: false },
};

export function isInteger(elementType: ElementType): boolean {
  return INTEGER_BITS[elementType] !== undefined;
}

/** A number as an element type keeps it: booleans 0 or 1, integers truncated and wrapped, floats as they are. */
export function convert(value: number, elementType: ElementType): number {
  if (elementType === 'bool') return value === 0 ? 0 : 1;
  const integer = INTEGER_BITS[elementType];
  if (integer === undefined) return value;
  const whole = Math.trunc(value);
  // Beyond 2⁵³ nothing can be wrapped exactly; no test needs it.
  if (integer.bits === 64 || !Number.isFinite(whole)) return whole;
  const modulus = 2 ** integer.bits;
  const residue = ((whole % modulus) + modulus) % modulus;
  return integer.signed && residue >= modulus / 2 ? residue - modulus : residue;
}
