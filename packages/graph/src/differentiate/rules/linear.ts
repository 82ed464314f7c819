/** Gradient rules of matrix products. */
import { floatAttribute, intAttribute, stringAttribute } from '../../model.ts';
import { sumFromShape, sumToShape } from '../broadcast.ts';
import type { Cotangent, OperatorGradient, Rule, RuleContext } from '../rule.ts';

/** The last two axes swapped. */
function transposed(at: RuleContext, name: string, rank: number): string {
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  perm[rank - 1] = rank - 2;
  perm[rank - 2] = rank - 1;
  return at.build.op('Transpose', [name], { perm });
}

/**
 * Y = A B over the last two axes, the leading ones broadcast:  Ā = Ȳ Bᵀ,  B̄ = Aᵀ Ȳ, each summed over the axes
 * along which its matrix was repeated.
 *
 * A vector a is a matrix of one row, a vector b one of one column; the axis that MatMul then drops from Y is put
 * back before and dropped again after.
 *
 * For A of rank ≥ 3 and B of rank 2, which is a linear layer on sequences, B̄ is one product of the flattened A and
 * Ȳ, instead of one per leading index that is summed afterwards.
 */
const matMul: Rule = (at) => {
  const { build } = at;
  const [a, b] = [at.input(0), at.input(1)];
  const [rankA, rankB] = [at.rank(a), at.rank(b)];
  if (rankA === 1 && rankB === 1) {
    return [
      at.wants(0) ? build.op('Mul', [at.dY, b]) : undefined,
      at.wants(1) ? build.op('Mul', [at.dY, a]) : undefined,
    ];
  }
  if (rankA === 1) {
    // y[…, n] = Σₖ a[k] B[…, k, n]:  ā = Σ_… B ȳ,  B̄ = a ȳᵀ
    const column = build.op('Unsqueeze', [at.dY, build.ints([-1])]);
    const leading = Array.from({ length: rankB - 2 }, (_, i) => i);
    const product = () => build.op('Squeeze', [build.op('MatMul', [b, column]), build.ints([-1])]);
    const row = () => build.op('Unsqueeze', [at.dY, build.ints([-2])]);
    return [
      at.wants(0)
        ? leading.length === 0
          ? product()
          : build.op('ReduceSum', [product(), build.ints(leading)], { keepdims: 0 })
        : undefined,
      at.wants(1) ? build.op('Mul', [build.op('Unsqueeze', [a, build.ints([-1])]), row()]) : undefined,
    ];
  }
  if (rankB === 1) {
    // y[…, m] = Σₖ A[…, m, k] b[k]:  Ā = ȳ bᵀ,  b̄ = Σ_{…,m} ȳ A
    const column = build.op('Unsqueeze', [at.dY, build.ints([-1])]);
    const others = Array.from({ length: rankA - 1 }, (_, i) => i);
    return [
      at.wants(0) ? build.op('Mul', [column, b]) : undefined,
      at.wants(1)
        ? build.op('ReduceSum', [build.op('Mul', [column, a]), build.ints(others)], { keepdims: 0 })
        : undefined,
    ];
  }
  return [
    at.wants(0) ? matrixCotangent(at, build.op('MatMul', [at.dY, transposed(at, b, rankB)]), a) : undefined,
    at.wants(1) ? secondFactor(at, a, b, rankA, rankB) : undefined,
  ];
};

function secondFactor(at: RuleContext, a: string, b: string, rankA: number, rankB: number): string {
  const { build } = at;
  if (rankA > 2 && rankB === 2) {
    const rows = (name: string, columns: string) =>
      build.op('Reshape', [name, build.op('Concat', [build.ints([-1]), columns], { axis: 0 })]);
    const width = (index: number) => build.op('Shape', [b], { start: index, end: index + 1 });
    return build.op('Gemm', [rows(a, width(0)), rows(at.dY, width(1))], { transA: 1 });
  }
  return matrixCotangent(at, build.op('MatMul', [transposed(at, a, rankA), at.dY]), b);
}

/** Sums the leading axes of a stack of matrices to those of `to`; the last two axes already agree. */
function matrixCotangent(at: RuleContext, cotangent: string, to: string): string {
  const leading = at.shape(at.output(0)).slice(0, -2);
  return sumFromShape(at, cotangent, [...leading, ...at.shape(to).slice(-2)], to);
}

/**
 * Y = α A′B′ + β C with A′ = A or Aᵀ, B′ = B or Bᵀ:
 *   Ā′ = α Ȳ B′ᵀ,  B̄′ = α A′ᵀ Ȳ,  C̄ = β Ȳ summed to the shape of C.
 * Each is one Gemm, transposed where A or B was.
 */
const gemm: Rule = (at) => {
  const { build, node } = at;
  const alpha = floatAttribute(node, 'alpha', 1);
  const beta = floatAttribute(node, 'beta', 1);
  const transA = intAttribute(node, 'transA', 0) !== 0;
  const transB = intAttribute(node, 'transB', 0) !== 0;
  const product = (left: string, right: string, transLeft: boolean, transRight: boolean) =>
    build.op('Gemm', [left, right], { alpha, transA: transLeft ? 1 : 0, transB: transRight ? 1 : 0 });
  const [a, b] = [at.input(0), at.input(1)];
  const c = () => {
    const summed = sumToShape(at, at.dY, at.output(0), at.input(2));
    return beta === 1 ? summed : build.op('Mul', [summed, at.scalar(beta, at.input(2))]);
  };
  return [
    at.wants(0) ? (transA ? product(b, at.dY, transB, true) : product(at.dY, b, false, !transB)) : undefined,
    at.wants(1) ? (transB ? product(at.dY, a, true, transA) : product(a, at.dY, !transA, false)) : undefined,
    at.wants(2) ? c() : undefined,
  ];
};

/**
 * Einsum: y[out] = Σ Πᵢ aᵢ[termᵢ]. The cotangent of one operand is an Einsum of ȳ with the other operands, giving
 * that operand's indices; an index of the operand that occurs nowhere else was summed over, and is repeated.
 */
const einsum: Rule = (at) => {
  const { build, node } = at;
  const equation = stringAttribute(node, 'equation', '').replaceAll(' ', '');
  if (equation.includes('.')) at.fail('an equation with an ellipsis is not supported; write the axes out');
  const [left = '', right] = equation.split('->');
  const terms = left.split(',');
  const output = right ?? implicitOutput(terms);
  return terms.map((term, index): Cotangent => {
    if (!at.wants(index)) return undefined;
    if (new Set(term).size !== term.length)
      at.fail('an operand with a repeated index (a diagonal) is not supported');
    const others = terms.filter((_, other) => other !== index);
    const elsewhere = new Set([output, ...others].join(''));
    const kept = [...term].filter((letter) => elsewhere.has(letter)).join('');
    const operands = [at.dY, ...node.inputs.filter((_, other) => other !== index)];
    const reduced = build.op('Einsum', operands, { equation: `${[output, ...others].join(',')}->${kept}` });
    if (kept === term) return reduced;
    const lost = [...term].flatMap((letter, axis) => (elsewhere.has(letter) ? [] : [axis]));
    const unsqueezed = build.op('Unsqueeze', [reduced, build.ints(lost)]);
    return build.op('Expand', [unsqueezed, at.shapeOf(at.input(index))]);
  });
};

/** Without `->`, the output has the indices that occur once, in alphabetical order. */
function implicitOutput(terms: readonly string[]): string {
  const letters = [...terms.join('')];
  return [...new Set(letters)]
    .filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter))
    .sort()
    .join('');
}

export const linear: Readonly<Record<string, OperatorGradient>> = {
  MatMul: { differentiable: 'all', rule: matMul },
  Gemm: { differentiable: 'all', rule: gemm },
  Einsum: { differentiable: 'all', rule: einsum, note: 'no ellipsis, no repeated index within one operand' },
};
