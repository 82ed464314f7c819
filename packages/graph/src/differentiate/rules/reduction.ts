/** Gradient rules of reductions along axes. */
import { intAttribute } from '../../model.ts';
import type { OperatorGradient, Rule, RuleContext } from '../rule.ts';

/** What a reduction does, resolved: which axes (undefined: known at run time only), and whether they stay as 1. */
interface Reduction {
  /** The axes as an int64 tensor; undefined when all axes are reduced. */
  readonly axes: string | undefined;
  readonly keepdims: boolean;
  /** True for `noop_with_empty_axes` without axes: the op is the identity (or its elementwise part). */
  readonly none: boolean;
}

function reductionOf(at: RuleContext): Reduction {
  const keepdims = intAttribute(at.node, 'keepdims', 1) !== 0;
  const empty = !at.hasInput(1) || at.integers(at.input(1))?.length === 0;
  const noop = intAttribute(at.node, 'noop_with_empty_axes', 0) !== 0;
  return { axes: empty ? undefined : at.input(1), keepdims, none: empty && noop };
}

/** A value of the reduced shape with the reduced axes put back as size 1, so that it broadcasts against x. */
function restored(at: RuleContext, reduction: Reduction, value: string): string {
  const { build } = at;
  if (reduction.keepdims || reduction.none) return value;
  if (reduction.axes !== undefined) return build.op('Unsqueeze', [value, reduction.axes]);
  return build.op('Reshape', [value, build.ints(new Array<number>(at.rank(at.input(0))).fill(1))]);
}

function expanded(at: RuleContext, value: string): string {
  return at.build.op('Expand', [value, at.shapeOf(at.input(0))]);
}

/** The number of elements that one output element was made of: size(x) / size(y), in the type of x. */
function reducedCount(at: RuleContext): string {
  const { build } = at;
  const [x, y] = [at.input(0), at.output(0)];
  const [shapeX, shapeY] = [at.staticShape(x), at.staticShape(y)];
  if (shapeX !== undefined && shapeY !== undefined) {
    const size = (shape: readonly number[]) => shape.reduce((product, dim) => product * dim, 1);
    return at.scalar(size(shapeX) / Math.max(1, size(shapeY)), x);
  }
  const count = build.op('Div', [
    build.op('Size', [x]),
    build.op('Max', [build.op('Size', [y]), build.scalar('int64', 1)]),
  ]);
  return build.op('CastLike', [count, x]);
}

// y = Σ x:  x̄ = ȳ, repeated
const reduceSum: Rule = (at) => [expanded(at, restored(at, reductionOf(at), at.dY))];

// y = (1/n) Σ x:  x̄ = ȳ/n, repeated
const reduceMean: Rule = (at) => [
  expanded(at, restored(at, reductionOf(at), at.build.op('Div', [at.dY, reducedCount(at)]))),
];

/** y = max x: ȳ to where the extremum is attained, in equal parts between ties. */
const reduceExtremum: Rule = (at) => {
  const { build } = at;
  const reduction = reductionOf(at);
  if (reduction.none) return [at.dY];
  const x = at.input(0);
  const attained = build.op('Where', [
    build.op('Equal', [x, restored(at, reduction, at.output(0))]),
    at.scalar(1, x),
    at.scalar(0, x),
  ]);
  const axes = reduction.axes === undefined ? [] : [reduction.axes];
  const ties = build.op('ReduceSum', [attained, ...axes], { keepdims: 1 });
  const share = build.op('Div', [restored(at, reduction, at.dY), ties]);
  return [build.op('Mul', [share, attained])];
};

// y = Σ x²:  x̄ = 2 ȳ x
const reduceSumSquare: Rule = (at) => {
  const { build } = at;
  const doubled = build.op('Mul', [restored(at, reductionOf(at), at.dY), at.scalar(2, at.input(0))]);
  return [build.op('Mul', [doubled, at.input(0)])];
};

/** y = ‖x‖₂:  x̄ = ȳ x / y, and 0 where y = 0 (an element of the subdifferential; the formula would give NaN). */
const reduceL2: Rule = (at) => {
  const { build } = at;
  const x = at.input(0);
  const reduction = reductionOf(at);
  const norm = at.output(0);
  const isZero = build.op('Equal', [norm, at.scalar(0, x)]);
  const safe = build.op('Where', [isZero, at.scalar(1, x), norm]);
  const direction = restored(at, reduction, build.op('Div', [at.dY, safe]));
  return [build.op('Mul', [direction, x])];
};

// y = Σ |x|:  x̄ = ȳ sign x
const reduceL1: Rule = (at) => [
  at.build.op('Mul', [restored(at, reductionOf(at), at.dY), at.build.op('Sign', [at.input(0)])]),
];

// y = ln Σ x:  x̄ = ȳ / exp y
const reduceLogSum: Rule = (at) => {
  const { build } = at;
  const share = build.op('Div', [at.dY, build.op('Exp', [at.output(0)])]);
  return [expanded(at, restored(at, reductionOf(at), share))];
};

// y = ln Σ eˣ:  x̄ = ȳ exp(x − y), the softmax of x
const reduceLogSumExp: Rule = (at) => {
  const { build } = at;
  const reduction = reductionOf(at);
  const softmax = build.op('Exp', [build.op('Sub', [at.input(0), restored(at, reduction, at.output(0))])]);
  return [build.op('Mul', [restored(at, reduction, at.dY), softmax])];
};

/**
 * y = Π x:  x̄ᵢ = ȳ Π_{j≠i} xⱼ. With no zero that is ȳ y/xᵢ; with exactly one zero, only that position has a
 * gradient, ȳ times the product of the others; with more, none has.
 */
const reduceProd: Rule = (at) => {
  const { build } = at;
  const x = at.input(0);
  const reduction = reductionOf(at);
  if (reduction.none) return [at.dY];
  const axes = reduction.axes === undefined ? [] : [reduction.axes];
  const one = at.scalar(1, x);
  const zero = at.scalar(0, x);
  const isZero = build.op('Equal', [x, zero]);
  const flags = build.op('Where', [isZero, one, zero]);
  const zeros = build.op('ReduceSum', [flags, ...axes], { keepdims: 1 });
  const nonZero = build.op('Where', [isZero, one, x]);
  const rest = build.op('ReduceProd', [nonZero, ...axes], { keepdims: 1 });
  // The zeros among the others of position i: all zeros less its own.
  const otherZeros = build.op('Sub', [zeros, flags]);
  const others = build.op('Where', [
    build.op('Equal', [otherZeros, zero]),
    build.op('Div', [rest, nonZero]),
    zero,
  ]);
  return [build.op('Mul', [restored(at, reduction, at.dY), others])];
};

export const reduction: Readonly<Record<string, OperatorGradient>> = {
  ReduceSum: { differentiable: [0], rule: reduceSum },
  ReduceMean: { differentiable: [0], rule: reduceMean },
  ReduceMax: { differentiable: [0], rule: reduceExtremum, note: 'ties share the gradient' },
  ReduceMin: { differentiable: [0], rule: reduceExtremum, note: 'ties share the gradient' },
  ReduceProd: { differentiable: [0], rule: reduceProd },
  ReduceSumSquare: { differentiable: [0], rule: reduceSumSquare },
  ReduceL1: { differentiable: [0], rule: reduceL1 },
  ReduceL2: { differentiable: [0], rule: reduceL2, note: '0 at the origin' },
  ReduceLogSum: { differentiable: [0], rule: reduceLogSum },
  ReduceLogSumExp: { differentiable: [0], rule: reduceLogSumExp },
};
