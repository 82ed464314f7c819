/** Gradient rules of softmax and of the losses built on it. */
import { intAttribute, stringAttribute } from '../../model.ts';
import type { OperatorGradient, Rule, RuleContext } from '../rule.ts';

/** s = softmax(x):  x̄ = s ⊙ (s̄ − Σ s̄ ⊙ s), the sum along the axis. */
const softmaxRule: Rule = (at) => {
  const { build } = at;
  const y = at.output(0);
  const axis = at.axis(intAttribute(at.node, 'axis', -1), at.rank(at.input(0)));
  const weighted = build.op('Mul', [at.dY, y]);
  const total = build.op('ReduceSum', [weighted, build.ints([axis])], { keepdims: 1 });
  return [build.op('Sub', [weighted, build.op('Mul', [y, total])])];
};

/** y = log softmax(x):  x̄ = ȳ − exp(y) Σ ȳ, the sum along the axis. */
function logSoftmaxCotangent(at: RuleContext, cotangent: string, y: string, axis: number): string {
  const { build } = at;
  const total = build.op('ReduceSum', [cotangent, build.ints([axis])], { keepdims: 1 });
  return build.op('Sub', [cotangent, build.op('Mul', [build.op('Exp', [y]), total])]);
}

const logSoftmax: Rule = (at) => {
  const axis = at.axis(intAttribute(at.node, 'axis', -1), at.rank(at.input(0)));
  return [logSoftmaxCotangent(at, at.dY, at.output(0), axis)];
};

/** What both losses share: labels as indicators along the class axis (1), and the weight of each example. */
interface Labelled {
  /** 1 at the label's class, 0 elsewhere; 0 everywhere for an ignored example. Shape of the scores. */
  readonly indicator: string;
  /** ∂loss/∂lᵢ for the loss lᵢ of each example; shape of the scores with one class. */
  readonly share: string;
}

/**
 * With weights w and labels t, the loss of an example is w_t times −log p_t (0 if t is ignored); reduction mean
 * divides the sum by Σ w_t. So ∂L/∂lᵢ = L̄ w_tᵢ / Σ w (mean), L̄ w_tᵢ (sum), L̄ᵢ w_tᵢ (none).
 */
function labelled(at: RuleContext, cotangent: string): Labelled {
  const { build, node } = at;
  const [scores, labels] = [at.input(0), at.input(1)];
  const one = at.scalar(1, scores);
  const zero = at.scalar(0, scores);
  const ignored = intAttribute(node, 'ignore_index');
  const axis = build.ints([1]);
  // An ignored label may lie outside the classes; it is counted as class 0 and its weight set to 0.
  const isIgnored =
    ignored === undefined
      ? undefined
      : build.op('Equal', [labels, build.scalar(at.elementType(labels), ignored)]);
  const safe =
    isIgnored === undefined
      ? labels
      : build.op('Where', [isIgnored, build.scalar(at.elementType(labels), 0), labels]);
  // Class numbers along axis 1 against the labels; OneHot would say it in one node, but runtimes have it for few types.
  const classes = build.op('Squeeze', [build.op('Shape', [scores], { start: 1, end: 2 }), build.ints([0])]);
  const numbers = build.op('Range', [build.scalar('int64', 0), classes, build.scalar('int64', 1)]);
  const column = build.op('Reshape', [
    numbers,
    build.ints([
      -1,
      ...at
        .shape(scores)
        .slice(2)
        .map(() => 1),
    ]),
  ]);
  const wide = at.elementType(labels) === 'int64' ? safe : build.op('Cast', [safe], { to: 7 });
  const isClass = build.op('Equal', [column, build.op('Unsqueeze', [wide, axis])]);
  const indicator = build.op('Where', [isClass, one, zero]);
  let weight = at.hasInput(2)
    ? build.op('Unsqueeze', [build.op('Gather', [at.input(2), safe], { axis: 0 }), axis])
    : build.op('Expand', [one, build.op('Shape', [build.op('Unsqueeze', [labels, axis])])]);
  if (isIgnored !== undefined)
    weight = build.op('Where', [build.op('Unsqueeze', [isIgnored, axis]), zero, weight]);
  const reduction = stringAttribute(node, 'reduction', 'mean');
  if (reduction === 'none')
    return { indicator, share: build.op('Mul', [build.op('Unsqueeze', [cotangent, axis]), weight]) };
  const scaled = build.op('Mul', [cotangent, weight]);
  if (reduction === 'sum') return { indicator, share: scaled };
  return { indicator, share: build.op('Div', [scaled, build.op('ReduceSum', [weight], { keepdims: 0 })]) };
}

/** −Σᵢ shareᵢ · log p[i, tᵢ]: the cotangent of log p is −share at the label and 0 elsewhere. */
const negativeLogLikelihood: Rule = (at) => {
  const { indicator, share } = labelled(at, at.dY);
  return [at.build.op('Neg', [at.build.op('Mul', [indicator, share])])];
};

/** Cross-entropy of softmax: the cotangent of the scores is share ⊙ (p − indicator). */
const softmaxCrossEntropy: Rule = (at) => {
  const { build } = at;
  const scores = at.input(0);
  const logProbability = at.hasOutput(1) ? at.output(1) : build.op('LogSoftmax', [scores], { axis: 1 });
  const parts: string[] = [];
  const loss = at.cotangent(0);
  if (loss !== undefined) {
    const { indicator, share } = labelled(at, loss);
    parts.push(build.op('Mul', [share, build.op('Sub', [build.op('Exp', [logProbability]), indicator])]));
  }
  const direct = at.cotangent(1);
  if (direct !== undefined) parts.push(logSoftmaxCotangent(at, direct, logProbability, 1));
  const [first, second] = parts;
  return [first !== undefined && second !== undefined ? build.op('Add', [first, second]) : first];
};

export const softmax: Readonly<Record<string, OperatorGradient>> = {
  Softmax: { differentiable: [0], rule: softmaxRule },
  LogSoftmax: { differentiable: [0], rule: logSoftmax },
  SoftmaxCrossEntropyLoss: {
    differentiable: [0],
    rule: softmaxCrossEntropy,
    note: 'not with respect to class weights',
  },
  NegativeLogLikelihoodLoss: {
    differentiable: [0],
    rule: negativeLogLikelihood,
    note: 'not with respect to class weights',
  },
};
