/** Shapes of normalisations and of losses. */

import { elementTypeOf as elementTypeOfCode } from '../codec/elements.ts';
import { intAttribute, type Shape, stringAttribute } from '../model.ts';
import {
  elementTypeOf,
  type Known,
  known,
  type NodeContext,
  normalizeAxis,
  type RuleTable,
  shapeOf,
} from './context.ts';

function same(context: NodeContext): readonly Known[] {
  return [known(elementTypeOf(context, 0), shapeOf(context, 0))];
}

/** In training mode the running mean and variance come too; operator sets before 14 also gave the batch's own. */
function batchNormalization(context: NodeContext): readonly Known[] {
  const statistic = known(elementTypeOf(context, 3) ?? elementTypeOf(context, 0), shapeOf(context, 3));
  return [...same(context), statistic, statistic, statistic, statistic];
}

/** The mean and the inverse deviation keep the rank, with 1 from the axis on. */
function layerNormalization(context: NodeContext): readonly Known[] {
  const x = shapeOf(context, 0);
  const stash = elementTypeOfCode(intAttribute(context.node, 'stash_type', 1));
  if (x === undefined) return same(context);
  const axis = normalizeAxis(context, intAttribute(context.node, 'axis', -1), x.length);
  const statistic = known(
    stash,
    x.map((dim, i) => (i < axis ? dim : 1)),
  );
  return [...same(context), statistic, statistic];
}

/** SoftmaxCrossEntropyLoss(scores [N, C, …], labels [N, …]): the loss, and the log-probabilities. */
function loss(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOf(context, 0);
  const scores = shapeOf(context, 0);
  const labels = shapeOf(context, 1) ?? scores?.filter((_, i) => i !== 1);
  const whole = stringAttribute(context.node, 'reduction', 'mean') === 'none';
  const shape: Shape | undefined = whole ? labels : [];
  return [known(elementType, shape), known(elementType, scores)];
}

export const normalizationRules = {
  BatchNormalization: batchNormalization,
  GroupNormalization: same,
  InstanceNormalization: same,
  LRN: same,
  LayerNormalization: layerNormalization,
  MeanVarianceNormalization: same,
  NegativeLogLikelihoodLoss: (context) => loss(context).slice(0, 1),
  RMSNormalization: same,
  SoftmaxCrossEntropyLoss: loss,
} as const satisfies RuleTable;
