/** Shapes of ops that work element by element, with broadcasting where they take several tensors. */

import { elementTypeOf as elementTypeOfCode } from '../codec/elements.ts';
import { intAttribute } from '../model.ts';
import {
  broadcastShapes,
  elementTypeOf,
  known,
  type NodeContext,
  type RuleTable,
  shapeOf,
} from './context.ts';

const same = (context: NodeContext) => [known(elementTypeOf(context, 0), shapeOf(context, 0))];

/** Before operator set 7 only the second input was stretched, and only where an attribute said so. */
const broadcastShape = (context: NodeContext) =>
  context.opset < 7
    ? shapeOf(context, 0)
    : broadcastShapes(
        context,
        context.inputs.map((input) => input?.shape),
      );

const broadcast = (context: NodeContext) => [known(elementTypeOf(context, 0), broadcastShape(context))];

const predicate = (context: NodeContext) => [known('bool', broadcastShape(context))];

const test = (context: NodeContext) => [known('bool', shapeOf(context, 0))];

export const elementwiseRules = {
  Abs: same,
  Acos: same,
  Acosh: same,
  Add: broadcast,
  And: predicate,
  Asin: same,
  Asinh: same,
  Atan: same,
  Atanh: same,
  Bernoulli: (context) => {
    const to = intAttribute(context.node, 'dtype');
    return [known(to === undefined ? elementTypeOf(context, 0) : elementTypeOfCode(to), shapeOf(context, 0))];
  },
  BitShift: broadcast,
  BitwiseAnd: broadcast,
  BitwiseNot: same,
  BitwiseOr: broadcast,
  BitwiseXor: broadcast,
  Cast: (context) => [known(elementTypeOfCode(intAttribute(context.node, 'to', 0)), shapeOf(context, 0))],
  CastLike: (context) => [known(elementTypeOf(context, 1), shapeOf(context, 0))],
  Ceil: same,
  Celu: same,
  Clip: same,
  Cos: same,
  Cosh: same,
  CumProd: same,
  CumSum: same,
  Div: broadcast,
  Dropout: (context) => {
    // Before operator set 10 the mask had the type of the data.
    const mask = context.opset < 10 ? elementTypeOf(context, 0) : 'bool';
    return [...same(context), known(mask, shapeOf(context, 0))];
  },
  Elu: same,
  Equal: predicate,
  Erf: same,
  Exp: same,
  Floor: same,
  Gelu: same,
  Greater: predicate,
  GreaterOrEqual: predicate,
  HardSigmoid: same,
  HardSwish: same,
  Hardmax: same,
  Identity: same,
  IsInf: test,
  IsNaN: test,
  LeakyRelu: same,
  Less: predicate,
  LessOrEqual: predicate,
  Log: same,
  LogSoftmax: same,
  LpNormalization: same,
  Max: broadcast,
  Mean: broadcast,
  Min: broadcast,
  Mish: same,
  Mod: broadcast,
  Mul: broadcast,
  Neg: same,
  Not: same,
  Or: predicate,
  // The slope broadcasts to the data, never the other way round.
  PRelu: same,
  Pow: broadcast,
  Reciprocal: same,
  Relu: same,
  RotaryEmbedding: same,
  Round: same,
  Selu: same,
  Shrink: same,
  Sigmoid: same,
  Sign: same,
  Sin: same,
  Sinh: same,
  Softmax: same,
  Softplus: same,
  Softsign: same,
  Sqrt: same,
  Sub: broadcast,
  Sum: broadcast,
  Swish: same,
  Tan: same,
  Tanh: same,
  ThresholdedRelu: same,
  Trilu: same,
  Where: (context) => [
    known(
      elementTypeOf(context, 1),
      broadcastShapes(
        context,
        context.inputs.map((input) => input?.shape),
      ),
    ),
  ],
  Xor: predicate,
} as const satisfies RuleTable;
