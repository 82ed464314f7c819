/** Shapes of matrix products: MatMul, Gemm, Einsum, Attention. */
import { addDims, floorDivDims, mulDims } from '../dim.ts';
import { type Dim, intAttribute, type Shape, stringAttribute } from '../model.ts';
import {
  broadcastDims,
  broadcastShapes,
  elementTypeOf,
  hasInput,
  type Known,
  known,
  type NodeContext,
  type RuleTable,
  sameDim,
  shapeOf,
  unknownShape,
} from './context.ts';

function matMulShape(context: NodeContext, a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a.length === 0 || b.length === 0) return context.fail('a scalar is no matrix');
  // A vector on the left is a row, on the right a column; that dimension is dropped again.
  const left: Shape = a.length === 1 ? [1, ...a] : a;
  const right: Shape = b.length === 1 ? [...b, 1] : b;
  const rows = left.at(-2) ?? '';
  const columns = right.at(-1) ?? '';
  sameDim(context, left.at(-1) ?? '', right.at(-2) ?? '', 'the inner sizes');
  const batch = broadcastShapes(context, [left.slice(0, -2), right.slice(0, -2)]);
  if (batch === undefined) return undefined;
  return [...batch, ...(a.length === 1 ? [] : [rows]), ...(b.length === 1 ? [] : [columns])];
}

function matMul(context: NodeContext): readonly Known[] {
  return [known(elementTypeOf(context, 0), matMulShape(context, shapeOf(context, 0), shapeOf(context, 1)))];
}

function matMulInteger(context: NodeContext): readonly Known[] {
  return [known('int32', matMulShape(context, shapeOf(context, 0), shapeOf(context, 1)))];
}

function qLinearMatMul(context: NodeContext): readonly Known[] {
  return [known(elementTypeOf(context, 7), matMulShape(context, shapeOf(context, 0), shapeOf(context, 3)))];
}

function gemm(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOf(context, 0);
  const a = shapeOf(context, 0);
  const b = shapeOf(context, 1);
  for (const shape of [a, b]) {
    if (shape !== undefined && shape.length !== 2) context.fail('both factors have to be matrices');
  }
  const [m, k] = oriented(a, intAttribute(context.node, 'transA', 0) !== 0) ?? [undefined, undefined];
  const [l, n] = oriented(b, intAttribute(context.node, 'transB', 0) !== 0) ?? [undefined, undefined];
  if (k !== undefined && l !== undefined) sameDim(context, k, l, 'the inner sizes');
  return [known(elementType, [m ?? context.unknownSize(), n ?? context.unknownSize()])];
}

function oriented(shape: Shape | undefined, transposed: boolean): readonly [Dim, Dim] | undefined {
  if (shape === undefined) return undefined;
  const [rows = '', columns = ''] = shape;
  return transposed ? [columns, rows] : [rows, columns];
}

/**
 * Each letter of the equation names a size. An ellipsis stands for broadcast dimensions, which come where the
 * output's ellipsis is, or first in an implicit output (whose letters are those seen once, in alphabetical order).
 */
function einsum(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOf(context, 0);
  const [left = '', right] = stringAttribute(context.node, 'equation', '').replaceAll(' ', '').split('->');
  const terms = left.split(',');
  if (terms.length !== context.inputs.length) {
    context.fail(`the equation has ${terms.length} terms for ${context.inputs.length} inputs`);
  }
  const sizes = new Map<string, Dim>();
  const ellipses: Shape[] = [];
  for (const [i, term] of terms.entries()) {
    const shape = shapeOf(context, i);
    const [before = '', after] = term.split('...');
    const named = before.length + (after?.length ?? 0);
    if (shape === undefined) {
      if (after !== undefined) return [known(elementType, undefined)];
      continue;
    }
    if (after === undefined ? shape.length !== named : shape.length < named) {
      context.fail(`the equation's term "${term}" does not fit rank ${shape.length}`);
    }
    const rest = shape.length - named;
    if (after !== undefined) ellipses.push(shape.slice(before.length, before.length + rest));
    for (const [j, letter] of [...before].entries()) meet(context, sizes, letter, shape[j] ?? '');
    for (const [j, letter] of [...(after ?? '')].entries()) {
      meet(context, sizes, letter, shape[before.length + rest + j] ?? '');
    }
  }
  const shared = broadcastShapes(context, ellipses) ?? [];
  const letters = left.replaceAll(/[^A-Za-z]/g, '');
  const implicit = [...new Set(letters)].filter((l) => letters.indexOf(l) === letters.lastIndexOf(l)).sort();
  const output = right ?? `${left.includes('...') ? '...' : ''}${implicit.join('')}`;
  const [before = '', after] = output.split('...');
  const size = (letter: string) => sizes.get(letter) ?? context.unknownSize();
  const shape = [
    ...[...before].map(size),
    ...(after === undefined ? [] : shared),
    ...[...(after ?? '')].map(size),
  ];
  return [known(elementType, shape)];
}

function meet(context: NodeContext, sizes: Map<string, Dim>, letter: string, dim: Dim): void {
  const seen = sizes.get(letter);
  sizes.set(letter, seen === undefined ? dim : broadcastDims(context, seen, dim));
}

/**
 * Attention(Q, K, V, mask?, pastKey?, pastValue?): Q is [batch, heads, queries, size] or [batch, queries, heads·size].
 * The output has Q's layout with V's size; keys and values are returned with the past put before them.
 */
function attention(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOf(context, 0);
  const queries = headed(shapeOf(context, 0), intAttribute(context.node, 'q_num_heads', 0));
  const keys = headed(shapeOf(context, 1), intAttribute(context.node, 'kv_num_heads', 0));
  const values = headed(shapeOf(context, 2), intAttribute(context.node, 'kv_num_heads', 0));
  if (queries === undefined || keys === undefined || values === undefined) {
    const rank = shapeOf(context, 0)?.length;
    return [known(elementType, rank === undefined ? undefined : unknownShape(context, rank))];
  }
  const [batch, heads, length] = queries;
  const past = hasInput(context, 4) ? (shapeOf(context, 4)?.[2] ?? context.unknownSize()) : 0;
  const total = addDims(past, keys[2]);
  const output: Shape =
    shapeOf(context, 0)?.length === 3
      ? [batch, length, mulDims(heads, values[3])]
      : [batch, heads, length, values[3]];
  return [
    known(elementType, output),
    known(elementType, [batch, keys[1], total, keys[3]]),
    known(elementTypeOf(context, 2), [batch, values[1], total, values[3]]),
    known(elementType, [batch, heads, length, total]),
  ];
}

function headed(shape: Shape | undefined, heads: number): readonly [Dim, Dim, Dim, Dim] | undefined {
  if (shape?.length === 4) {
    const [batch = '', count = '', length = '', size = ''] = shape;
    return [batch, count, length, size];
  }
  if (shape?.length !== 3 || heads <= 0) return undefined;
  const [batch = '', length = '', width = ''] = shape;
  return [batch, heads, length, floorDivDims(width, heads)];
}

/** Determinants of the matrices in the last two dimensions. */
function det(context: NodeContext): readonly Known[] {
  return [known(elementTypeOf(context, 0), shapeOf(context, 0)?.slice(0, -2))];
}

export const linearRules = {
  Attention: attention,
  Det: det,
  Einsum: einsum,
  Gemm: gemm,
  MatMul: matMul,
  MatMulInteger: matMulInteger,
  QLinearMatMul: qLinearMatMul,
} as const satisfies RuleTable;
