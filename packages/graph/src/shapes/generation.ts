/** Shapes of ops that make tensors: constants, ranges, random numbers, shapes as tensors. */

import { elementTypeOf as elementTypeOfCode } from '../codec/elements.ts';
import { ceilDivDims, maxDims, subDims } from '../dim.ts';
import { type Dim, type ElementType, intAttribute, intsAttribute, type Shape } from '../model.ts';
import { scalar, type Tensor, tensor } from '../tensor.ts';
import { shapeArgument } from './arrangement.ts';
import { elementTypeOf, type Known, known, type NodeContext, type RuleTable, shapeOf } from './context.ts';

function constant(context: NodeContext): readonly Known[] {
  const value = constantValue(context);
  if (value === undefined) return [];
  return [{ elementType: value.elementType, shape: value.dims, constant: value }];
}

function constantValue({ node }: NodeContext): Tensor | undefined {
  const { value, value_float, value_floats, value_int, value_ints, value_string, value_strings } =
    node.attributes;
  if (value?.kind === 'tensor') return value.value;
  if (value_float?.kind === 'float') return scalar('float32', value_float.value);
  if (value_floats?.kind === 'floats')
    return tensor('float32', [value_floats.value.length], value_floats.value);
  if (value_int?.kind === 'int') return int64Tensor([], [value_int.value]);
  if (value_ints?.kind === 'ints') return int64Tensor([value_ints.value.length], value_ints.value);
  if (value_string?.kind === 'string') return { elementType: 'string', dims: [], data: [value_string.value] };
  if (value_strings?.kind === 'strings') {
    return { elementType: 'string', dims: [value_strings.value.length], data: value_strings.value };
  }
  return undefined;
}

function int64Tensor(dims: readonly number[], values: readonly bigint[]): Tensor {
  const array = BigInt64Array.from(values);
  return { elementType: 'int64', dims, data: new Uint8Array(array.buffer) };
}

function constantOfShape(context: NodeContext): readonly Known[] {
  const value = context.node.attributes.value;
  const elementType: ElementType = value?.kind === 'tensor' ? value.value.elementType : 'float32';
  return [known(elementType, shapeArgument(context, 0))];
}

function range(context: NodeContext): readonly Known[] {
  const [start, limit, step] = [0, 1, 2].map((i) => context.inputs[i]?.contents?.[0] ?? '');
  const elementType = elementTypeOf(context, 0);
  let size: Dim = '';
  if (typeof step === 'number' && step !== 0 && start !== undefined && limit !== undefined) {
    const all = Number.isInteger(step) ? subDims(limit, start) : '';
    if (typeof start === 'number' && typeof limit === 'number')
      size = Math.max(0, Math.ceil((limit - start) / step));
    else if (step > 0) size = maxDims(0, ceilDivDims(all, step));
    else size = maxDims(0, ceilDivDims(subDims(start, limit), -step));
  }
  return [known(elementType, [size === '' ? context.unknownSize() : size])];
}

function shape(context: NodeContext): readonly Known[] {
  const x = shapeOf(context, 0);
  if (x === undefined) return [known('int64', [context.unknownSize()])];
  const rank = x.length;
  const bound = (value: number) => Math.min(Math.max(value < 0 ? value + rank : value, 0), rank);
  const from = bound(intAttribute(context.node, 'start', 0));
  const to = bound(intAttribute(context.node, 'end', rank));
  return [known('int64', [Math.max(0, to - from)])];
}

function likeInput(context: NodeContext): readonly Known[] {
  const code = intAttribute(context.node, 'dtype');
  return [
    known(code === undefined ? elementTypeOf(context, 0) : elementTypeOfCode(code), shapeOf(context, 0)),
  ];
}

function random(context: NodeContext): readonly Known[] {
  const wanted: Shape | undefined = intsAttribute(context.node, 'shape');
  return [known(elementTypeOfCode(intAttribute(context.node, 'dtype', 1)), wanted)];
}

function multinomial(context: NodeContext): readonly Known[] {
  const batch = shapeOf(context, 0)?.[0] ?? context.unknownSize();
  const elementType = elementTypeOfCode(intAttribute(context.node, 'dtype', 6));
  return [known(elementType, [batch, intAttribute(context.node, 'sample_size', 1)])];
}

/** Windows of signal processing: one dimension of the given size. */
function signalWindow(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOfCode(intAttribute(context.node, 'output_datatype', 1));
  const size = context.inputs[0]?.contents?.[0] ?? '';
  return [known(elementType, [size === '' ? context.unknownSize() : size])];
}

export const generationRules = {
  BlackmanWindow: signalWindow,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  EyeLike: likeInput,
  HammingWindow: signalWindow,
  HannWindow: signalWindow,
  Multinomial: multinomial,
  RandomNormal: random,
  RandomNormalLike: likeInput,
  RandomUniform: random,
  RandomUniformLike: likeInput,
  Range: range,
  Shape: shape,
  Size: () => [known('int64', [])],
} as const satisfies RuleTable;
