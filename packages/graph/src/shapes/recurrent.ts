/**
 * Shapes of recurrent layers. With layout 0 the sequence is [time, batch, features], Y is [time, directions, batch,
 * hidden] and the last states are [directions, batch, hidden]; with layout 1 the batch comes first.
 */
import { type Dim, intAttribute, stringAttribute } from '../model.ts';
import { elementTypeOf, type Known, known, type NodeContext, type RuleTable, shapeOf } from './context.ts';

function recurrent(context: NodeContext): readonly Known[] {
  const { node } = context;
  const elementType = elementTypeOf(context, 0);
  const x = shapeOf(context, 0);
  const directions = stringAttribute(node, 'direction', 'forward') === 'bidirectional' ? 2 : 1;
  const hidden: Dim = intAttribute(node, 'hidden_size') ?? shapeOf(context, 2)?.[2] ?? context.unknownSize();
  const batchFirst = intAttribute(node, 'layout', 0) !== 0;
  const [a = context.unknownSize(), b = context.unknownSize()] = x ?? [];
  const [time, batch] = batchFirst ? [b, a] : [a, b];
  const sequence = batchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden];
  const state = known(elementType, batchFirst ? [batch, directions, hidden] : [directions, batch, hidden]);
  return [known(elementType, sequence), state, state];
}

export const recurrentRules = {
  GRU: recurrent,
  LSTM: recurrent,
  RNN: recurrent,
} as const satisfies RuleTable;
