/** Shapes and element types of quantisation. */

import { elementTypeOf as elementTypeOfCode } from '../codec/elements.ts';
import { type ElementType, intAttribute } from '../model.ts';
import {
  elementTypeOf,
  hasInput,
  type Known,
  known,
  type NodeContext,
  type RuleTable,
  shapeOf,
} from './context.ts';

/** The type is that of the zero point, else `output_dtype`, else uint8. */
function quantize(context: NodeContext): readonly Known[] {
  const code = intAttribute(context.node, 'output_dtype', 0);
  const otherwise: ElementType | undefined = code === 0 ? 'uint8' : elementTypeOfCode(code);
  const elementType = hasInput(context, 2) ? elementTypeOf(context, 2) : otherwise;
  return [known(elementType, shapeOf(context, 0))];
}

/** The type is that of the scale, unless `output_dtype` says otherwise. */
function dequantize(context: NodeContext): readonly Known[] {
  const code = intAttribute(context.node, 'output_dtype', 0);
  return [known(code === 0 ? elementTypeOf(context, 1) : elementTypeOfCode(code), shapeOf(context, 0))];
}

function dynamicQuantize(context: NodeContext): readonly Known[] {
  return [known('uint8', shapeOf(context, 0)), known('float32', []), known('uint8', [])];
}

export const quantizationRules = {
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
  QuantizeLinear: quantize,
} as const satisfies RuleTable;
