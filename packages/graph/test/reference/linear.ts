/** Matrix products: MatMul, Gemm, Einsum. */
import { floatAttribute, stringAttribute } from '../../src/index.ts';
import {
  type Array64,
  at,
  broadcastDims,
  build,
  flatten,
  forEachIndex,
  get,
  getBroadcast,
  InterpretationError,
  reshaped,
} from './array64.ts';
import { allInputs, type Call, flag, input, type Kernels } from './kernel.ts';

/** The product of stacks of matrices as NumPy's `matmul` has it; vectors become rows or columns for a while. */
export function matMul(a: Array64, b: Array64): Array64 {
  if (a.dims.length === 0 || b.dims.length === 0) throw new InterpretationError('MatMul takes no scalars');
  const left = a.dims.length === 1 ? reshaped(a, [1, ...a.dims]) : a;
  const right = b.dims.length === 1 ? reshaped(b, [...b.dims, 1]) : b;
  const rows = at(left.dims, left.dims.length - 2);
  const inner = at(left.dims, left.dims.length - 1);
  const columns = at(right.dims, right.dims.length - 1);
  if (inner !== at(right.dims, right.dims.length - 2)) {
    throw new InterpretationError(`MatMul of [${a.dims.join(', ')}] and [${b.dims.join(', ')}]`);
  }
  const batch = broadcastDims([left.dims.slice(0, -2), right.dims.slice(0, -2)]);
  const result = build(a.elementType, [...batch, rows, columns], (index) => {
    const lead = index.slice(0, -2);
    const row = at(index, index.length - 2);
    const column = at(index, index.length - 1);
    const leftStart = (matrixNumber(left, lead) * rows + row) * inner;
    const rightStart = matrixNumber(right, lead) * inner * columns + column;
    let total = 0;
    for (let k = 0; k < inner; k++) {
      total += at(left.values, leftStart + k) * at(right.values, rightStart + k * columns);
    }
    return total;
  });
  const dims = [...batch];
  if (a.dims.length > 1) dims.push(rows);
  if (b.dims.length > 1) dims.push(columns);
  return reshaped(result, dims);
}

/** Which matrix of a stack stands at an index of the batch axes, to which those of the stack broadcast. */
function matrixNumber(x: Array64, lead: readonly number[]): number {
  const own = x.dims.slice(0, -2);
  const skip = lead.length - own.length;
  return flatten(
    own,
    own.map((size, axis) => (size === 1 ? 0 : at(lead, skip + axis))),
  );
}

/** alpha · A′ B′ + beta · C. */
function gemm(call: Call): Array64 {
  const { node } = call;
  const a = maybeTransposed(input(call, 0), flag(node, 'transA', false));
  const b = maybeTransposed(input(call, 1), flag(node, 'transB', false));
  const c = call.inputs[2];
  const alpha = floatAttribute(node, 'alpha', 1);
  const beta = floatAttribute(node, 'beta', 1);
  const ab = matMul(a, b);
  return build(
    ab.elementType,
    ab.dims,
    (index) => alpha * get(ab, index) + (c === undefined ? 0 : beta * getBroadcast(c, index)),
  );
}

function maybeTransposed(x: Array64, transpose: boolean): Array64 {
  if (!transpose) return x;
  return build(x.elementType, x.dims.toReversed(), (index) => get(x, index.toReversed()));
}

/**
 * Einstein summation. An ellipsis stands for axes that broadcast; they get the labels `0`, `1`, …
 * counted from the right, so that those of different operands align.
 */
function einsum(call: Call): Array64 {
  const operands = allInputs(call);
  const equation = stringAttribute(call.node, 'equation', '').replaceAll(' ', '');
  const [left = '', right] = equation.split('->');
  const terms = left.split(',');
  const hidden = Math.max(
    0,
    ...terms.map((term, i) =>
      term.includes('...') ? at(operands, i).dims.length - term.replace('...', '').length : 0,
    ),
  );
  const operandLabels = terms.map((term, i) =>
    expandEllipsis(term, at(operands, i).dims.length - term.replace('...', '').length),
  );
  const output = right === undefined ? implicitOutput(operandLabels) : expandEllipsis(right, hidden);

  const sizes = new Map<string, number>();
  operandLabels.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const size = at(at(operands, i).dims, axis);
      const known = sizes.get(label) ?? 1;
      if (known !== 1 && size !== 1 && known !== size)
        throw new InterpretationError(`Einsum sizes of ${label} differ`);
      sizes.set(label, Math.max(known, size));
    });
  });
  const summed = [...sizes.keys()].filter((label) => !output.includes(label));
  const sizesOf = (labels: readonly string[]) => labels.map((label) => sizes.get(label) ?? 1);
  return build(at(operands, 0).elementType, sizesOf(output), (outer) => {
    let total = 0;
    forEachIndex(sizesOf(summed), (inner) => {
      const position = new Map<string, number>();
      output.forEach((label, i) => {
        position.set(label, at(outer, i));
      });
      summed.forEach((label, i) => {
        position.set(label, at(inner, i));
      });
      let term = 1;
      operands.forEach((operand, i) => {
        term *= getBroadcast(
          operand,
          at(operandLabels, i).map((label) => position.get(label) ?? 0),
        );
      });
      total += term;
    });
    return total;
  });
}

function expandEllipsis(term: string, hidden: number): readonly string[] {
  const [before = '', after] = term.split('...');
  if (after === undefined) return [...before];
  return [...before, ...Array.from({ length: hidden }, (_, i) => `${hidden - 1 - i}`), ...after];
}

/** Without an arrow: the axes of the ellipsis, then the labels that occur once, in alphabetical order. */
function implicitOutput(operandLabels: readonly (readonly string[])[]): readonly string[] {
  const all = operandLabels.flat();
  const isHidden = (label: string) => /^\d+$/.test(label);
  const hidden = [...new Set(all.filter(isHidden))].toSorted((a, b) => Number(b) - Number(a));
  const once = all.filter((label) => !isHidden(label) && all.indexOf(label) === all.lastIndexOf(label));
  return [...hidden, ...once.toSorted()];
}

export const linear: Kernels = {
  Einsum: (call) => [einsum(call)],
  Gemm: (call) => [gemm(call)],
  MatMul: (call) => [matMul(input(call, 0), input(call, 1))],
};
