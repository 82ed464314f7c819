/** Dimensions and element types as far as they are fixed. */
import type { ElementType } from '../model.ts';
import type { Known } from './context.ts';

/** Fixed dimensions of a value, if all of them are. */
export function fixedDims(value: Known | undefined): readonly number[] | undefined {
  const dims: number[] = [];
  for (const dim of value?.shape ?? ['']) {
    if (typeof dim !== 'number') return undefined;
    dims.push(dim);
  }
  return dims;
}

export function isInteger(elementType: ElementType | undefined): boolean {
  return elementType !== undefined && /^u?int(8|16|32|64)$/.test(elementType);
}

export function isFloat(elementType: ElementType | undefined): boolean {
  return elementType !== undefined && /^b?float(16|32|64)$/.test(elementType);
}
