/** All shape rules, by operator of the standard domain. */
import { arrangementRules } from './arrangement.ts';
import type { ShapeRule } from './context.ts';
import { controlFlowRules } from './control-flow.ts';
import { convolutionRules } from './convolution.ts';
import { elementwiseRules } from './elementwise.ts';
import { generationRules } from './generation.ts';
import { indexingRules } from './indexing.ts';
import { linearRules } from './linear.ts';
import { normalizationRules } from './normalization.ts';
import { quantizationRules } from './quantization.ts';
import { recurrentRules } from './recurrent.ts';
import { reductionRules } from './reduction.ts';

const RULES = {
  ...arrangementRules,
  ...controlFlowRules,
  ...convolutionRules,
  ...elementwiseRules,
  ...generationRules,
  ...indexingRules,
  ...linearRules,
  ...normalizationRules,
  ...quantizationRules,
  ...recurrentRules,
  ...reductionRules,
};

/** Ops whose output shapes can be inferred. */
export type InferredOp = keyof typeof RULES;

const BY_NAME: ReadonlyMap<string, ShapeRule> = new Map(Object.entries(RULES));

/** The rule of an op, if there is one. */
export function shapeRule(op: string): ShapeRule | undefined {
  return BY_NAME.get(op);
}
