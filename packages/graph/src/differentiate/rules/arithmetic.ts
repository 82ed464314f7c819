/** Gradient rules of elementwise arithmetic, with broadcasting. */

import { toNumbers } from '../../tensor.ts';
import { sumToShape } from '../broadcast.ts';
import type { Cotangent, OperatorGradient, Rule, RuleContext } from '../rule.ts';

/** A unary rule x̄ = ȳ · f′(x). */
function unary(derivative: (at: RuleContext, x: string, y: string) => string): OperatorGradient {
  return {
    differentiable: [0],
    rule: (at) => [at.build.op('Mul', [at.dY, derivative(at, at.input(0), at.output(0))])],
  };
}

/** Sums a cotangent with the output's shape to the shape of input `index`, if that input is wanted. */
function toInput(at: RuleContext, index: number, cotangent: () => string): Cotangent {
  return at.wants(index) ? sumToShape(at, cotangent(), at.output(0), at.input(index)) : undefined;
}

// y = a + b:  ā = ȳ,  b̄ = ȳ
const add: Rule = (at) => [toInput(at, 0, () => at.dY), toInput(at, 1, () => at.dY)];

// y = a − b:  ā = ȳ,  b̄ = −ȳ
const sub: Rule = (at) => [
  toInput(at, 0, () => at.dY),
  at.wants(1) ? at.build.op('Neg', [sumToShape(at, at.dY, at.output(0), at.input(1))]) : undefined,
];

// y = a · b:  ā = ȳ·b,  b̄ = ȳ·a
const mul: Rule = (at) => [
  toInput(at, 0, () => at.build.op('Mul', [at.dY, at.input(1)])),
  toInput(at, 1, () => at.build.op('Mul', [at.dY, at.input(0)])),
];

// y = a / b:  ā = ȳ/b,  b̄ = −ȳ·y/b
const div: Rule = (at) => {
  const quotient = at.build.op('Div', [at.dY, at.input(1)]);
  return [
    toInput(at, 0, () => quotient),
    toInput(at, 1, () => at.build.op('Neg', [at.build.op('Mul', [quotient, at.output(0)])])),
  ];
};

/**
 * y = a^b:  ā = ȳ · b·a^(b−1),  b̄ = ȳ · y · ln a.
 * At a = 0 the second is 0 for b > 0 (the limit), where ln a would give NaN; for a constant b, b·a^(b−1) is written
 * without a power for the exponents 2, 1 and ½ that normalisation layers use.
 */
const pow: Rule = (at) => {
  const { build } = at;
  const [a, b] = [at.input(0), at.input(1)];
  const base = () => {
    const exponent = at.constant(b) === undefined ? undefined : scalarValue(at, b);
    if (exponent === 2) return build.op('Mul', [at.dY, build.op('Mul', [a, at.scalar(2, a)])]);
    if (exponent === 1) return at.dY;
    if (exponent === 0.5) return build.op('Div', [build.op('Mul', [at.dY, at.scalar(0.5, a)]), at.output(0)]);
    const exponents = at.elementType(b) === at.elementType(a) ? b : build.op('CastLike', [b, a]);
    const power = build.op('Pow', [a, build.op('Sub', [exponents, at.scalar(1, a)])]);
    return build.op('Mul', [at.dY, build.op('Mul', [exponents, power])]);
  };
  const exponent = () => {
    const positive = build.op('Greater', [a, at.scalar(0, a)]);
    const safe = build.op('Where', [positive, a, at.scalar(1, a)]);
    return build.op('Mul', [at.dY, build.op('Mul', [at.output(0), build.op('Log', [safe])])]);
  };
  return [toInput(at, 0, base), toInput(at, 1, exponent)];
};

function scalarValue(at: RuleContext, name: string): number | undefined {
  const value = at.constant(name);
  if (value === undefined || value.dims.some((dim) => dim !== 1)) return undefined;
  const [number] = toNumbers(value);
  return number;
}

/**
 * y = max(a₁, …): ȳ goes to the argument that attains the maximum; where several do, in equal parts, which is the
 * element of the subdifferential that treats them alike.
 */
const extremum: Rule = (at) => {
  const { build, node } = at;
  const one = at.scalar(1, at.input(0));
  const zero = at.scalar(0, at.input(0));
  const attained = node.inputs.map((input) =>
    build.op('Where', [build.op('Equal', [input, at.output(0)]), one, zero]),
  );
  const ties = attained.length === 1 ? one : build.op('Sum', attained);
  const share = build.op('Div', [at.dY, ties]);
  return node.inputs.map((_, index) =>
    toInput(at, index, () => build.op('Mul', [share, attained[index] ?? one])),
  );
};

// y = Σ aᵢ (with broadcasting):  āᵢ = ȳ
const sum: Rule = (at) => at.node.inputs.map((_, index) => toInput(at, index, () => at.dY));

// y = (Σ aᵢ)/n:  āᵢ = ȳ/n
const mean: Rule = (at) => {
  const part = at.build.op('Div', [at.dY, at.scalar(at.node.inputs.length, at.input(0))]);
  return at.node.inputs.map((_, index) => toInput(at, index, () => part));
};

// y = c ? a : b:  ā = c ? ȳ : 0,  b̄ = c ? 0 : ȳ
const where: Rule = (at) => {
  const zero = at.scalar(0, at.output(0));
  return [
    undefined,
    toInput(at, 1, () => at.build.op('Where', [at.input(0), at.dY, zero])),
    toInput(at, 2, () => at.build.op('Where', [at.input(0), zero, at.dY])),
  ];
};

// y = a mod b (fmod):  ā = ȳ almost everywhere; b̄ = −ȳ·trunc(a/b) is not offered.
const mod: Rule = (at) => {
  if (at.wants(1)) at.fail('the gradient with respect to the modulus is not offered');
  return [toInput(at, 0, () => at.dY)];
};

// y = cast(x): ȳ is cast back to the type of x.
const cast: Rule = (at) => [at.build.op('CastLike', [at.dY, at.input(0)])];

const square = (at: RuleContext, x: string) => at.build.op('Mul', [x, x]);

export const arithmetic: Readonly<Record<string, OperatorGradient>> = {
  Add: { differentiable: 'all', rule: add },
  Sub: { differentiable: 'all', rule: sub },
  Mul: { differentiable: 'all', rule: mul },
  Div: { differentiable: 'all', rule: div },
  Pow: {
    differentiable: 'all',
    rule: pow,
    note: 'the gradient of the exponent is 0 where the base is not positive',
  },
  Mod: { differentiable: [0, 1], rule: mod, note: 'not with respect to the modulus' },
  Max: { differentiable: 'all', rule: extremum, note: 'ties share the gradient' },
  Min: { differentiable: 'all', rule: extremum, note: 'ties share the gradient' },
  Sum: { differentiable: 'all', rule: sum },
  Mean: { differentiable: 'all', rule: mean },
  Where: { differentiable: [1, 2], rule: where },
  Identity: { differentiable: [0], rule: (at) => [at.dY] },
  Cast: { differentiable: [0], rule: cast },
  CastLike: { differentiable: [0], rule: cast },
  Neg: { differentiable: [0], rule: (at) => [at.build.op('Neg', [at.dY])] },
  Abs: unary((at, x) => at.build.op('Sign', [x])),
  // y = √x:  y′ = 1/(2y)
  Sqrt: {
    differentiable: [0],
    rule: (at) => [
      at.build.op('Div', [at.build.op('Mul', [at.dY, at.scalar(0.5, at.input(0))]), at.output(0)]),
    ],
  },
  Exp: unary((_, __, y) => y),
  Log: { differentiable: [0], rule: (at) => [at.build.op('Div', [at.dY, at.input(0)])] },
  // y = 1/x:  y′ = −y²
  Reciprocal: unary((at, _, y) => at.build.op('Neg', [square(at, y)])),
  Sin: unary((at, x) => at.build.op('Cos', [x])),
  Cos: unary((at, x) => at.build.op('Neg', [at.build.op('Sin', [x])])),
  // tan′ = 1 + tan²
  Tan: unary((at, x, y) => at.build.op('Add', [at.scalar(1, x), square(at, y)])),
  // asin′ = 1/√(1 − x²)
  Asin: unary((at, x) => reciprocalRoot(at, at.build.op('Sub', [at.scalar(1, x), square(at, x)]))),
  Acos: unary((at, x) =>
    at.build.op('Neg', [reciprocalRoot(at, at.build.op('Sub', [at.scalar(1, x), square(at, x)]))]),
  ),
  // atan′ = 1/(1 + x²)
  Atan: unary((at, x) => at.build.op('Reciprocal', [at.build.op('Add', [at.scalar(1, x), square(at, x)])])),
  Sinh: unary((at, x) => at.build.op('Cosh', [x])),
  Cosh: unary((at, x) => at.build.op('Sinh', [x])),
  // asinh′ = 1/√(x² + 1)
  Asinh: unary((at, x) => reciprocalRoot(at, at.build.op('Add', [square(at, x), at.scalar(1, x)]))),
  // acosh′ = 1/√(x² − 1)
  Acosh: unary((at, x) => reciprocalRoot(at, at.build.op('Sub', [square(at, x), at.scalar(1, x)]))),
  // atanh′ = 1/(1 − x²)
  Atanh: unary((at, x) => at.build.op('Reciprocal', [at.build.op('Sub', [at.scalar(1, x), square(at, x)])])),
};

function reciprocalRoot(at: RuleContext, x: string): string {
  return at.build.op('Reciprocal', [at.build.op('Sqrt', [x])]);
}
