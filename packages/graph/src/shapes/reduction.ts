/** Shapes of reductions along axes. */
import { type ElementType, intAttribute, intsAttribute, type Shape } from '../model.ts';
import {
  elementTypeOf,
  known,
  listArgument,
  type NodeContext,
  normalizeAxis,
  type RuleTable,
  shapeOf,
  unknownShape,
} from './context.ts';

function reducedShape(axes: ReadonlySet<number>, shape: Shape, keep: boolean): Shape {
  return keep ? shape.map((dim, i) => (axes.has(i) ? 1 : dim)) : shape.filter((_, i) => !axes.has(i));
}

function reduce(context: NodeContext) {
  const shape = shapeOf(context, 0);
  const elementType = elementTypeOf(context, 0);
  if (shape === undefined) return [known(elementType, undefined)];
  const keep = intAttribute(context.node, 'keepdims', 1) !== 0;
  const axes = listArgument(context, intsAttribute(context.node, 'axes'), 1);
  if (axes === 'unknown') return [known(elementType, keep ? unknownShape(context, shape.length) : undefined)];
  if (axes === 'absent' || axes.length === 0) {
    const nothing = intAttribute(context.node, 'noop_with_empty_axes', 0) !== 0;
    if (nothing) return [known(elementType, shape)];
    return [known(elementType, keep ? shape.map(() => 1) : [])];
  }
  const chosen = new Set(axes.map((axis) => normalizeAxis(context, axis, shape.length)));
  return [known(elementType, reducedShape(chosen, shape, keep))];
}

function argument(context: NodeContext) {
  const shape = shapeOf(context, 0);
  const elementType: ElementType = 'int64';
  if (shape === undefined) return [known(elementType, undefined)];
  const axis = normalizeAxis(context, intAttribute(context.node, 'axis', 0), shape.length);
  const keep = intAttribute(context.node, 'keepdims', 1) !== 0;
  return [known(elementType, reducedShape(new Set([axis]), shape, keep))];
}

export const reductionRules = {
  ArgMax: argument,
  ArgMin: argument,
  ReduceL1: reduce,
  ReduceL2: reduce,
  ReduceLogSum: reduce,
  ReduceLogSumExp: reduce,
  ReduceMax: reduce,
  ReduceMean: reduce,
  ReduceMin: reduce,
  ReduceProd: reduce,
  ReduceSum: reduce,
  ReduceSumSquare: reduce,
} as const satisfies RuleTable;
