/** Rows of tensors: the first axis counts them. */
import { ELEMENT_BITS, elementCount, type Tensor } from '@assay/graph';
import { EngineError } from './errors.ts';
import type { Tensors } from './session.ts';

/**
 * How many rows a set of columns has.
 *
 * @throws EngineError of kind `argument` if there is no column, one is a scalar, or they differ in length
 */
export function rowCount(columns: Tensors): number {
  const counts = Object.entries(columns).map(([name, { dims }]) => {
    const [rows] = dims;
    if (rows === undefined) throw new EngineError('argument', `"${name}" is a scalar and has no rows.`);
    return { name, rows };
  });
  const [first, ...others] = counts;
  if (first === undefined) throw new EngineError('argument', 'There is no column to take rows from.');
  const other = others.find(({ rows }) => rows !== first.rows);
  if (other !== undefined) {
    throw new EngineError(
      'argument',
      `"${first.name}" has ${first.rows} rows and "${other.name}" has ${other.rows}; all inputs need the same number.`,
    );
  }
  return first.rows;
}

/** Rows from `start` up to `end`, sharing memory. */
export function sliceRows(value: Tensor, start: number, end: number): Tensor {
  const { elementType, data } = value;
  const width = elementCount(value.dims.slice(1));
  const dims = [end - start, ...value.dims.slice(1)];
  if (!(data instanceof Uint8Array))
    return { elementType, dims, data: data.slice(start * width, end * width) };
  const stride = width * bytesPerElement(value);
  return { elementType, dims, data: data.subarray(start * stride, end * stride) };
}

/** The rows with these numbers, in their order, copied. Numbers must be below the row count. */
export function takeRows(value: Tensor, rows: ArrayLike<number>): Tensor {
  const { elementType, data } = value;
  const width = elementCount(value.dims.slice(1));
  const dims = [rows.length, ...value.dims.slice(1)];
  if (!(data instanceof Uint8Array)) {
    const strings = Array.from(rows, (row) => data.slice(row * width, (row + 1) * width)).flat();
    return { elementType, dims, data: strings };
  }
  const stride = width * bytesPerElement(value);
  const taken = new Uint8Array(rows.length * stride);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] ?? 0;
    taken.set(data.subarray(row * stride, (row + 1) * stride), i * stride);
  }
  return { elementType, dims, data: taken };
}

/**
 * Tensors laid one after the other along their first axis.
 *
 * @throws EngineError of kind `argument` if there is none, or their types or other dimensions differ
 */
export function concatenateRows(parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  if (first === undefined) throw new EngineError('argument', 'There is nothing to concatenate.');
  const { elementType } = first;
  const inner = first.dims.slice(1);
  for (const part of parts) {
    if (
      part.elementType !== elementType ||
      part.dims.length === 0 ||
      part.dims.slice(1).join() !== inner.join()
    ) {
      throw new EngineError('argument', 'Tensors of different types or row shapes cannot be concatenated.');
    }
  }
  const dims = [parts.reduce((sum, part) => sum + (part.dims[0] ?? 0), 0), ...inner];
  if (!(first.data instanceof Uint8Array)) {
    return {
      elementType,
      dims,
      data: parts.flatMap(({ data }) => (data instanceof Uint8Array ? [] : [...data])),
    };
  }
  const joined = new Uint8Array(elementCount(dims) * bytesPerElement(first));
  let offset = 0;
  for (const { data } of parts) {
    if (!(data instanceof Uint8Array)) continue;
    joined.set(data, offset);
    offset += data.byteLength;
  }
  return { elementType, dims, data: joined };
}

function bytesPerElement({ elementType }: Tensor): number {
  const bits = ELEMENT_BITS[elementType];
  if (bits === undefined || bits % 8 !== 0) {
    throw new EngineError('argument', `Rows of ${elementType} elements do not begin at whole bytes.`);
  }
  return bits / 8;
}
