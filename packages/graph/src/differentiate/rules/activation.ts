/** Gradient rules of activation functions. */
import { floatAttribute, stringAttribute } from '../../model.ts';
import { toNumbers } from '../../tensor.ts';
import { sumToShape } from '../broadcast.ts';
import type { Cotangent, OperatorGradient, Rule, RuleContext } from '../rule.ts';

/** A rule x̄ = ȳ · f′(x), from an expression for f′. */
function pointwise(derivative: (at: RuleContext, x: string, y: string) => string): OperatorGradient {
  return {
    differentiable: [0],
    rule: (at) => [at.build.op('Mul', [at.dY, derivative(at, at.input(0), at.output(0))])],
  };
}

/** A rule x̄ = ȳ where a condition holds and 0 elsewhere, whatever ȳ is there. */
function passing(condition: (at: RuleContext, x: string, y: string) => string): Rule {
  return (at) => {
    const holds = condition(at, at.input(0), at.output(0));
    return [at.build.op('Where', [holds, at.dY, at.scalar(0, at.output(0))])];
  };
}

/** min(x, 0): where an exponential is only wanted on the negative side, its argument must not overflow on the other. */
function negativePart(at: RuleContext, x: string): string {
  return at.build.op('Min', [x, at.scalar(0, x)]);
}

function square(at: RuleContext, x: string): string {
  return at.build.op('Mul', [x, x]);
}

/** 1 − v² */
function oneMinusSquare(at: RuleContext, value: string): string {
  return at.build.op('Sub', [at.scalar(1, at.input(0)), square(at, value)]);
}

function scaled(at: RuleContext, value: string, factor: number): string {
  return factor === 1 ? value : at.build.op('Mul', [value, at.scalar(factor, at.input(0))]);
}

// relu(x) = max(x, 0):  relu′ = [y > 0]
const relu = passing((at, _, y) => at.build.op('Greater', [y, at.scalar(0, y)]));

/** leaky(x) = x for x > 0, αx otherwise. */
const leakyRelu: Rule = (at) => {
  const { build } = at;
  const x = at.input(0);
  const alpha = floatAttribute(at.node, 'alpha', 0.01);
  const positive = build.op('Greater', [x, at.scalar(0, x)]);
  return [build.op('Where', [positive, at.dY, scaled(at, at.dY, alpha)])];
};

/** prelu(x, a) = x for x > 0, a·x otherwise:  x̄ = ȳ or a·ȳ,  ā = Σ ȳ·min(x, 0) over the axes that a lacks. */
const pRelu: Rule = (at) => {
  const { build } = at;
  const [x, slope] = [at.input(0), at.input(1)];
  const input = () => {
    const positive = build.op('Greater', [x, at.scalar(0, x)]);
    return build.op('Where', [positive, at.dY, build.op('Mul', [at.dY, slope])]);
  };
  const slopes = () => sumToShape(at, build.op('Mul', [at.dY, negativePart(at, x)]), x, slope);
  return [at.wants(0) ? input() : undefined, at.wants(1) ? slopes() : undefined];
};

/** elu(x) = x for x > 0, α(eˣ − 1) otherwise:  elu′ = 1 or α·eˣ. */
function eluDerivative(at: RuleContext, x: string, alpha: number): string {
  const exponential = at.build.op('Exp', [negativePart(at, x)]);
  // With α = 1 the two sides meet: e^min(x, 0) is 1 on the positive one.
  if (alpha === 1) return exponential;
  const positive = at.build.op('Greater', [x, at.scalar(0, x)]);
  return at.build.op('Where', [positive, at.scalar(1, x), scaled(at, exponential, alpha)]);
}

/** celu(x) = max(0, x) + min(0, α(e^(x/α) − 1)):  celu′ = e^(min(x, 0)/α). */
function celuDerivative(at: RuleContext, x: string): string {
  const alpha = floatAttribute(at.node, 'alpha', 1);
  return at.build.op('Exp', [at.build.op('Div', [negativePart(at, x), at.scalar(alpha, x)])]);
}

/** The constants of self-normalising networks, as the operator's specification rounds them. */
const SELU_ALPHA = 1.6732632423543772;
const SELU_GAMMA = 1.0507009873554805;

// selu(x) = γ·elu(x) with α
function seluDerivative(at: RuleContext, x: string): string {
  const alpha = floatAttribute(at.node, 'alpha', SELU_ALPHA);
  return scaled(at, eluDerivative(at, x, alpha), floatAttribute(at.node, 'gamma', SELU_GAMMA));
}

// hardsigmoid(x) = clip(αx + β, 0, 1):  x̄ = α·ȳ where 0 < y < 1
const hardSigmoid: Rule = (at) => {
  const { build } = at;
  const [x, y] = [at.input(0), at.output(0)];
  const inside = build.op('And', [
    build.op('Greater', [y, at.scalar(0, x)]),
    build.op('Less', [y, at.scalar(1, x)]),
  ]);
  const sloped = scaled(at, at.dY, floatAttribute(at.node, 'alpha', 0.2));
  return [build.op('Where', [inside, sloped, at.scalar(0, x)])];
};

/** hardswish(x) = x·clip(x/6 + ½, 0, 1):  hardswish′ = x/3 + ½ for |x| < 3, else 0 or 1 by the sign of x. */
function hardSwishDerivative(at: RuleContext, x: string): string {
  const { build } = at;
  const near = build.op('Less', [build.op('Abs', [x]), at.scalar(3, x)]);
  const slope = build.op('Add', [build.op('Mul', [x, at.scalar(1 / 3, x)]), at.scalar(0.5, x)]);
  const step = build.op('Clip', [x, at.scalar(0, x), at.scalar(1, x)]);
  return build.op('Where', [near, slope, step]);
}

/**
 * gelu(x) = x·Φ(x), with the normal distribution Φ(x) = ½(1 + erf(x/√2)) and its density φ = Φ′:
 *
 *     gelu′ = Φ(x) + x·φ(x),  φ(x) = e^(−x²/2)/√(2π)
 *
 * The approximation puts ½(1 + tanh u), u = √(2/π)(x + c·x³), c = 0.044715, in place of Φ:
 *
 *     gelu′ = ½(1 + tanh u) + ½·x·(1 − tanh² u)·u′,  u′ = √(2/π)(1 + 3c·x²)
 */
function geluDerivative(at: RuleContext, x: string): string {
  const { build } = at;
  const number = (value: number) => at.scalar(value, x);
  const half = number(0.5);
  const upperHalf = (odd: string) => build.op('Add', [build.op('Mul', [odd, half]), half]);
  const squared = square(at, x);
  if (stringAttribute(at.node, 'approximate', 'none') === 'tanh') {
    const rate = Math.sqrt(2 / Math.PI);
    const cubic = 0.044715;
    // u = x·(√(2/π) + √(2/π)c·x²)
    const u = build.op('Mul', [
      x,
      build.op('Add', [build.op('Mul', [squared, number(rate * cubic)]), number(rate)]),
    ]);
    const tanh = build.op('Tanh', [u]);
    const slope = build.op('Add', [build.op('Mul', [squared, number(3 * rate * cubic)]), number(rate)]);
    const bump = build.op('Mul', [
      build.op('Mul', [oneMinusSquare(at, tanh), slope]),
      build.op('Mul', [x, half]),
    ]);
    return build.op('Add', [upperHalf(tanh), bump]);
  }
  const distribution = upperHalf(build.op('Erf', [build.op('Mul', [x, number(Math.SQRT1_2)])]));
  const density = build.op('Mul', [
    build.op('Exp', [build.op('Mul', [squared, number(-0.5)])]),
    number(1 / Math.sqrt(2 * Math.PI)),
  ]);
  return build.op('Add', [distribution, build.op('Mul', [x, density])]);
}

/** mish(x) = x·t with t = tanh(softplus(x)):  mish′ = t + x·σ(x)·(1 − t²). */
function mishDerivative(at: RuleContext, x: string): string {
  const { build } = at;
  const tanh = build.op('Tanh', [build.op('Softplus', [x])]);
  const slope = build.op('Mul', [build.op('Sigmoid', [x]), oneMinusSquare(at, tanh)]);
  return build.op('Add', [tanh, build.op('Mul', [x, slope])]);
}

/** swish(x) = x·s with s = σ(αx):  swish′ = s + αx·s·(1 − s). */
function swishDerivative(at: RuleContext, x: string): string {
  const { build } = at;
  const argument = scaled(at, x, floatAttribute(at.node, 'alpha', 1));
  const sigmoid = build.op('Sigmoid', [argument]);
  return build.op('Add', [sigmoid, build.op('Mul', [argument, sigmoidSlope(at, sigmoid)])]);
}

/** σ′ = σ(1 − σ), from σ */
function sigmoidSlope(at: RuleContext, sigmoid: string): string {
  return at.build.op('Mul', [sigmoid, at.build.op('Sub', [at.scalar(1, at.input(0)), sigmoid])]);
}

/**
 * clip(x, a, b) = min(max(x, a), b):  x̄ = ȳ where y = x (bounds included);  b̄ = Σ ȳ where the upper bound has cut,
 * ā = Σ ȳ where the lower one has and the upper has not.
 */
const clip: Rule = (at) => {
  const { build } = at;
  const [x, y] = [at.input(0), at.output(0)];
  const zero = at.scalar(0, x);
  const total = (condition: string, bound: string) =>
    build.op('Reshape', [
      build.op('ReduceSum', [build.op('Where', [condition, at.dY, zero])], { keepdims: 0 }),
      at.shapeOf(bound),
    ]);
  const lower = () => {
    const low = at.input(1);
    const below = build.op('Less', [x, low]);
    const kept = at.hasInput(2)
      ? build.op('And', [below, build.op('LessOrEqual', [low, at.input(2)])])
      : below;
    return total(kept, low);
  };
  const upper = () => {
    const high = at.input(2);
    const raised = at.hasInput(1) ? build.op('Max', [x, at.input(1)]) : x;
    return total(build.op('Greater', [raised, high]), high);
  };
  const input = () => build.op('Where', [build.op('Equal', [x, y]), at.dY, zero]);
  return [
    at.wants(0) ? input() : undefined,
    at.wants(1) ? lower() : undefined,
    at.wants(2) ? upper() : undefined,
  ];
};

/**
 * dropout(x) in training = x·m/(1 − p) with a random mask m:  x̄ = ȳ·m/(1 − p). In inference it is the identity, and
 * its mask is 1 everywhere.
 */
const dropout: Rule = (at): readonly Cotangent[] => {
  const { build } = at;
  if (!at.hasInput(2)) return [at.dY];
  const mode = at.constant(at.input(2));
  const always = mode === undefined ? undefined : toNumbers(mode)[0] !== 0;
  if (always === false) return [at.dY];
  if (!at.hasOutput(1)) at.fail('it is in training mode and does not give its mask; name its second output');
  const x = at.input(0);
  const one = at.scalar(1, x);
  const ratio = at.hasInput(1) ? build.op('CastLike', [at.input(1), one]) : at.scalar(0.5, x);
  const scale = build.op('Reciprocal', [build.op('Sub', [one, ratio])]);
  const factor = always === undefined ? build.op('Where', [at.input(2), scale, one]) : scale;
  return [build.op('Where', [at.output(1), build.op('Mul', [at.dY, factor]), at.scalar(0, x)])];
};

export const activation: Readonly<Record<string, OperatorGradient>> = {
  Relu: { differentiable: [0], rule: relu },
  LeakyRelu: { differentiable: [0], rule: leakyRelu },
  PRelu: { differentiable: [0, 1], rule: pRelu },
  Elu: pointwise((at, x) => eluDerivative(at, x, floatAttribute(at.node, 'alpha', 1))),
  Selu: pointwise(seluDerivative),
  Celu: pointwise(celuDerivative),
  // thresholded(x) = x where x > α, else 0
  ThresholdedRelu: {
    differentiable: [0],
    rule: passing((at, x) => at.build.op('Greater', [x, at.scalar(floatAttribute(at.node, 'alpha', 1), x)])),
  },
  // shrink(x) = x ∓ bias where |x| > λ, else 0
  Shrink: {
    differentiable: [0],
    rule: passing((at, x) =>
      at.build.op('Greater', [at.build.op('Abs', [x]), at.scalar(floatAttribute(at.node, 'lambd', 0.5), x)]),
    ),
  },
  // softplus(x) = ln(1 + eˣ)
  Softplus: pointwise((at, x) => at.build.op('Sigmoid', [x])),
  // softsign(x) = x/(1 + |x|):  softsign′ = 1/(1 + |x|)²
  Softsign: pointwise((at, x) =>
    at.build.op('Reciprocal', [square(at, at.build.op('Add', [at.build.op('Abs', [x]), at.scalar(1, x)]))]),
  ),
  Sigmoid: pointwise((at, _, y) => sigmoidSlope(at, y)),
  HardSigmoid: { differentiable: [0], rule: hardSigmoid },
  Tanh: pointwise((at, _, y) => oneMinusSquare(at, y)),
  HardSwish: pointwise(hardSwishDerivative),
  Gelu: pointwise(geluDerivative),
  Mish: pointwise(mishDerivative),
  Swish: pointwise(swishDerivative),
  // erf′ = 2/√π · e^(−x²)
  Erf: pointwise((at, x) =>
    scaled(at, at.build.op('Exp', [at.build.op('Neg', [square(at, x)])]), 2 / Math.sqrt(Math.PI)),
  ),
  Clip: { differentiable: [0, 1, 2], rule: clip },
  Dropout: {
    differentiable: [0],
    rule: dropout,
    note: 'in training mode its mask output must be present',
  },
};
