/** The rule table: which ops have a gradient, and how it is written. */
import type { Node } from '../model.ts';
import type { OperatorGradient } from './rule.ts';
import { activation } from './rules/activation.ts';
import { arithmetic } from './rules/arithmetic.ts';
import { attention } from './rules/attention.ts';
import { convolution } from './rules/convolution.ts';
import { indexing } from './rules/indexing.ts';
import { layout } from './rules/layout.ts';
import { linear } from './rules/linear.ts';
import { normalization } from './rules/normalization.ts';
import { pooling } from './rules/pooling.ts';
import { reduction } from './rules/reduction.ts';
import { resize } from './rules/resize.ts';
import { softmax } from './rules/softmax.ts';

/** Gradient rules by family; the families are disjoint. */
export const FAMILIES: Readonly<Record<string, Readonly<Record<string, OperatorGradient>>>> = {
  Arithmetic: arithmetic,
  Activations: activation,
  'Linear algebra': linear,
  Convolutions: convolution,
  Pooling: pooling,
  Normalisation: normalization,
  'Softmax and losses': softmax,
  Reductions: reduction,
  'Shape and layout': layout,
  'Indexing and selection': indexing,
  Resampling: resize,
  Attention: attention,
};

/** Domain of the marker that stops a gradient: `ai.assay.StopGradient(x) = x` with derivative zero. */
export const ASSAY_DOMAIN = 'ai.assay';

/** Ops whose output does not change under a small change of the input, or is no floating-point number. */
export const ZERO_DERIVATIVE: ReadonlySet<string> = new Set([
  'And',
  'ArgMax',
  'ArgMin',
  'BitShift',
  'BitwiseAnd',
  'BitwiseNot',
  'BitwiseOr',
  'BitwiseXor',
  'Ceil',
  'Constant',
  'ConstantOfShape',
  'Equal',
  'EyeLike',
  'Floor',
  'Greater',
  'GreaterOrEqual',
  'IsInf',
  'IsNaN',
  'Less',
  'LessOrEqual',
  'NonMaxSuppression',
  'NonZero',
  'Not',
  'OneHot',
  'Or',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
  'Range',
  'Round',
  'Shape',
  'Sign',
  'Size',
  'Xor',
]);

const TABLE: ReadonlyMap<string, OperatorGradient> = new Map(
  Object.values(FAMILIES).flatMap((family) => Object.entries(family)),
);

/** The gradient of a node: a rule, `zero` where there is nothing to propagate, undefined where there is no rule. */
export function gradientOf(node: Node): OperatorGradient | 'zero' | undefined {
  if (node.domain === ASSAY_DOMAIN && node.op === 'StopGradient') return 'zero';
  if (node.domain !== '' && node.domain !== 'ai.onnx') return undefined;
  if (ZERO_DERIVATIVE.has(node.op)) return 'zero';
  return TABLE.get(node.op);
}
