/**
 * Where each element of a rearranged tensor comes from: flat indices into the row-major input, so that numbers,
 * bytes and symbolic sizes are moved by the same code.
 */

export interface Rearrangement {
  readonly dims: readonly number[];
  /** For each output element, the flat index of the input element. */
  readonly from: readonly number[];
}

/** Distance in elements between neighbours along each axis. */
export function strides(dims: readonly number[]): readonly number[] {
  const result = Array<number>(dims.length).fill(1);
  for (let i = dims.length - 2; i >= 0; i--) result[i] = (result[i + 1] ?? 1) * (dims[i + 1] ?? 1);
  return result;
}

/** An output whose element at index i comes from offset + Σ i_a · step_a. */
function affine(dims: readonly number[], steps: readonly number[], offset = 0): Rearrangement {
  let from = [offset];
  for (const [axis, size] of dims.entries()) {
    const step = steps[axis] ?? 0;
    from = from.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * step));
  }
  return { dims, from };
}

export function transposed(dims: readonly number[], perm: readonly number[]): Rearrangement {
  const step = strides(dims);
  return affine(
    perm.map((axis) => dims[axis] ?? 0),
    perm.map((axis) => step[axis] ?? 0),
  );
}

/** Repeats axes of size 1 (and leading ones that are missing) up to the wanted dims. */
export function broadcastTo(dims: readonly number[], wanted: readonly number[]): Rearrangement {
  const step = strides(dims);
  const lead = wanted.length - dims.length;
  return affine(
    wanted,
    wanted.map((_, i) => (i < lead || dims[i - lead] === 1 ? 0 : (step[i - lead] ?? 0))),
  );
}

/** Start and step per axis; `sizes` is how many entries are taken. */
export function sliced(
  dims: readonly number[],
  starts: readonly number[],
  steps: readonly number[],
  sizes: readonly number[],
): Rearrangement {
  const step = strides(dims);
  const offset = starts.reduce((total, start, i) => total + start * (step[i] ?? 0), 0);
  return affine(
    sizes,
    step.map((s, i) => s * (steps[i] ?? 1)),
    offset,
  );
}

/** Entries along an axis at (already non-negative) indices of any shape. */
export function gathered(
  dims: readonly number[],
  axis: number,
  indexDims: readonly number[],
  indices: readonly number[],
): Rearrangement {
  const size = dims[axis] ?? 1;
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = dims.slice(0, axis).reduce((a, b) => a * b, 1);
  const from: number[] = [];
  for (let o = 0; o < outer; o++) {
    for (const index of indices) {
      for (let i = 0; i < inner; i++) from.push((o * size + index) * inner + i);
    }
  }
  return { dims: [...dims.slice(0, axis), ...indexDims, ...dims.slice(axis + 1)], from };
}

export function tiled(dims: readonly number[], repeats: readonly number[]): Rearrangement {
  const step = strides(dims);
  let from = [0];
  for (const [axis, size] of dims.entries()) {
    const count = size * (repeats[axis] ?? 1);
    from = from.flatMap((at) => Array.from({ length: count }, (_, i) => at + (i % size) * (step[axis] ?? 0)));
  }
  return { dims: dims.map((d, i) => d * (repeats[i] ?? 1)), from };
}

/** Joins tensors along an axis: for each output element, which tensor and which of its elements. */
export function concatenated(
  parts: readonly (readonly number[])[],
  axis: number,
): { readonly dims: readonly number[]; readonly from: readonly (readonly [part: number, index: number])[] } {
  const [first = []] = parts;
  const outer = first.slice(0, axis).reduce((a, b) => a * b, 1);
  const inner = first.slice(axis + 1).reduce((a, b) => a * b, 1);
  const from: (readonly [number, number])[] = [];
  for (let o = 0; o < outer; o++) {
    for (const [part, dims] of parts.entries()) {
      const block = (dims[axis] ?? 0) * inner;
      for (let i = 0; i < block; i++) from.push([part, o * block + i]);
    }
  }
  const joined = parts.reduce((total, dims) => total + (dims[axis] ?? 0), 0);
  return { dims: first.map((d, i) => (i === axis ? joined : d)), from };
}

/** For each output element of a reduction, the flat indices of the inputs that go into it. */
export function reducedGroups(
  dims: readonly number[],
  axes: ReadonlySet<number>,
): readonly (readonly number[])[] {
  const step = strides(dims);
  const axesOf = (inside: boolean) => dims.flatMap((_, i) => (axes.has(i) === inside ? [i] : []));
  const offsets = (chosen: readonly number[]) =>
    affine(
      chosen.map((i) => dims[i] ?? 0),
      chosen.map((i) => step[i] ?? 0),
    ).from;
  const within = offsets(axesOf(true));
  return offsets(axesOf(false)).map((base) => within.map((i) => base + i));
}
