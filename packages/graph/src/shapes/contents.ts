/**
 * The elements of small tensors as dimensions: the arithmetic on sizes that exporters write into graphs
 * (Shape → Gather → Mul → Concat → Reshape, and all its relatives).
 *
 * A rule gives the elements of the node's outputs in row-major order, `""` for an element of which nothing is known.
 * Elements of float tensors may be fractions as long as they are exact in float32.
 */

import { elementTypeOf as elementTypeOfCode } from '../codec/elements.ts';
import {
  addDims,
  differentDims,
  elementsOf,
  equalDims,
  floorDim,
  floorDivDims,
  isAtLeast,
  lowerBound,
  maxDims,
  minDims,
  mulDims,
  subDims,
} from '../dim.ts';
import { type Dim, type ElementType, intAttribute, intsAttribute } from '../model.ts';
import { elementCount, toNumbers } from '../tensor.ts';
import { type Known, listArgument, type NodeContext, numbersOf } from './context.ts';
import { fixedDims, isFloat, isInteger } from './fixed.ts';
import { broadcastTo, concatenated, type Rearrangement, reducedGroups } from './layout.ts';
import { movementOf } from './movement.ts';

/** Elements of tensors beyond this are not followed. */
export const MAX_CONTENTS = 1024;

type Contents = readonly Dim[];
/** The dims of output 0 are fixed, and at most {@link MAX_CONTENTS} elements, when a rule is asked. */
type ContentsRule = (context: NodeContext, dims: readonly number[]) => Contents | undefined;

/** The elements of a constant, where they are few and numbers. */
export function contentsOfConstant(value: Known): Contents | undefined {
  const tensor = value.constant;
  if (tensor === undefined || elementCount(tensor.dims) > MAX_CONTENTS) return undefined;
  const { elementType } = tensor;
  if (elementType === 'bool' || isFloat(elementType) || /^u?int(8|16|32|64)$/.test(elementType)) {
    // Infinities and NaN are nothing that a size could be.
    return Array.from(toNumbers(tensor), (x) => (Number.isFinite(x) ? x : ''));
  }
  return undefined;
}

interface Elements {
  readonly dims: readonly number[];
  readonly contents: Contents;
}

function elements(context: NodeContext, index: number): Elements | undefined {
  const value = context.inputs[index];
  const dims = fixedDims(value);
  const contents = value?.contents;
  return dims !== undefined && contents !== undefined ? { dims, contents } : undefined;
}

function moved({ contents }: Elements, { from }: Rearrangement): Contents {
  return from.map((i) => contents[i] ?? '');
}

function onElements(operation: (a: Dim, b: Dim, context: NodeContext) => Dim): ContentsRule {
  return (context, dims) => {
    const inputs = context.inputs.map((_, i) => elements(context, i));
    let result: Contents | undefined;
    for (const input of inputs) {
      if (input === undefined) return undefined;
      const spread = moved(input, broadcastTo(input.dims, dims));
      result = result?.map((a, i) => single(context, operation(a, spread[i] ?? '', context))) ?? spread;
    }
    return result;
  };
}

function onEach(operation: (a: Dim, context: NodeContext) => Dim): ContentsRule {
  return (context) => context.inputs[0]?.contents?.map((a) => single(context, operation(a, context)));
}

/** Numbers of float32 tensors are rounded as the runtime rounds them. */
function single(context: NodeContext, value: Dim): Dim {
  return typeof value === 'number' && context.inputs[0]?.elementType === 'float32'
    ? Math.fround(value)
    : value;
}

/** Integer division truncates; the quotient of floats is kept where it is exact. */
function quotient(a: Dim, b: Dim, context: NodeContext): Dim {
  if (a === '' || b === '' || b === 0) return '';
  const integers = isInteger(context.inputs[0]?.elementType);
  if (typeof a === 'number' && typeof b === 'number') return integers ? Math.trunc(a / b) : a / b;
  const floor = floorDivDims(a, b);
  if (equalDims(mulDims(floor, b), a)) return floor;
  if (integers) return lowerBound(a) >= 0 && lowerBound(b) > 0 ? floor : '';
  return typeof b === 'number' && Number.isInteger(Math.log2(Math.abs(b))) ? mulDims(a, 1 / b) : '';
}

function remainder(a: Dim, b: Dim, context: NodeContext): Dim {
  if (intAttribute(context.node, 'fmod', 0) !== 0 || !isInteger(context.inputs[0]?.elementType)) return '';
  // Python's sign: the remainder of floor division.
  return subDims(a, mulDims(b, floorDivDims(a, b)));
}

/** 1, 0, or unknown. */
function truth(yes: boolean, no: boolean): Dim {
  return yes ? 1 : no ? 0 : '';
}

const isKnown = (a: Dim, b: Dim) => a !== '' && b !== '';
const less = (a: Dim, b: Dim) => isKnown(a, b) && isAtLeast(b, addDims(a, 1));
const atMost = (a: Dim, b: Dim) => isKnown(a, b) && isAtLeast(b, a);
/** Strict comparison of whole numbers; fractions compare only as numbers. */
function comparison(compare: (a: Dim, b: Dim) => Dim): ContentsRule {
  return onElements((a, b, context) => {
    if (a === '' || b === '') return '';
    if (typeof a === 'number' && typeof b === 'number') {
      const sign = Math.sign(a - b);
      return compare(sign, 0);
    }
    return isInteger(context.inputs[0]?.elementType) ? compare(a, b) : '';
  });
}

function cast(context: NodeContext): Contents | undefined {
  const from = context.inputs[0]?.elementType;
  const to = elementTypeOfCode(intAttribute(context.node, 'to', 0));
  return castTo(context, from, to);
}

function castTo(
  context: NodeContext,
  from: ElementType | undefined,
  to: ElementType | undefined,
): Contents | undefined {
  const contents = context.inputs[0]?.contents;
  if (contents === undefined) return undefined;
  if (to === 'bool') return contents.map((a) => truth(differentDims(a, 0), a === 0));
  if (to === 'float32' || to === 'float64')
    return contents.map((a) => (typeof a === 'number' && to === 'float32' ? Math.fround(a) : a));
  if (to !== 'int64' && to !== 'int32') return undefined;
  if (!isFloat(from)) return contents;
  return contents.map((a) => {
    if (typeof a === 'number') return Math.trunc(a);
    return lowerBound(a) >= 0 || equalDims(floorDim(a), a) ? floorDim(a) : '';
  });
}

function shape(context: NodeContext, [length = 0]: readonly number[]): Contents | undefined {
  const x = context.inputs[0]?.shape;
  if (x === undefined) return undefined;
  const start = intAttribute(context.node, 'start', 0);
  const from = Math.min(Math.max(start < 0 ? start + x.length : start, 0), x.length);
  return x.slice(from, from + length);
}

function size(context: NodeContext): Contents | undefined {
  const x = context.inputs[0]?.shape;
  return x && [elementsOf(x)];
}

function concat(context: NodeContext, dims: readonly number[]): Contents | undefined {
  const parts = context.inputs.map((_, i) => elements(context, i));
  const all = parts.filter((part) => part !== undefined);
  // Parts of which nothing is known leave holes, as long as their size is fixed.
  const partDims = context.inputs.map((input) => fixedDims(input));
  const fixed = partDims.filter((d) => d !== undefined);
  if (all.length === 0 || fixed.length !== partDims.length) return undefined;
  const given = intAttribute(context.node, 'axis', 1);
  const { from } = concatenated(fixed, given < 0 ? given + dims.length : given);
  return from.map(([part, index]) => parts[part]?.contents[index] ?? '');
}

function split(context: NodeContext, dims: readonly number[]): readonly Contents[] | undefined {
  const data = elements(context, 0);
  if (data === undefined || data.dims.length !== 1) return undefined;
  const sizes = intsAttribute(context.node, 'split') ?? numbersOf(context, 1);
  let start = 0;
  return context.node.outputs.map((_, k) => {
    const length = sizes?.[k] ?? dims[0] ?? 0;
    start += length;
    return data.contents.slice(start - length, start);
  });
}

function constantOfShape(context: NodeContext, dims: readonly number[]): Contents | undefined {
  const value = context.node.attributes.value;
  const [fill = 0] =
    value?.kind === 'tensor' ? (contentsOfConstant({ ...EMPTY, constant: value.value }) ?? ['']) : [0];
  return Array<Dim>(elementCount(dims)).fill(fill);
}

const EMPTY: Known = { elementType: undefined, shape: undefined };

function range(context: NodeContext, [length = 0]: readonly number[]): Contents | undefined {
  const start = context.inputs[0]?.contents?.[0];
  const step = context.inputs[2]?.contents?.[0];
  if (start === undefined || step === undefined || !isInteger(context.inputs[0]?.elementType))
    return undefined;
  return Array.from({ length }, (_, i) => addDims(start, mulDims(step, i)));
}

/** Where the condition is unknown, an element is still known if both choices agree. */
function where(context: NodeContext, dims: readonly number[]): Contents | undefined {
  const [condition, yes, no] = [0, 1, 2].map((i) => {
    const input = elements(context, i);
    return input && moved(input, broadcastTo(input.dims, dims));
  });
  if (yes === undefined && no === undefined) return undefined;
  return Array.from({ length: elementCount(dims) }, (_, i): Dim => {
    const a = yes?.[i] ?? '';
    const b = no?.[i] ?? '';
    const c = condition?.[i] ?? '';
    if (typeof c === 'number') return c === 0 ? b : a;
    return equalDims(a, b) ? a : '';
  });
}

function reduction(start: Dim | undefined, operation: (a: Dim, b: Dim) => Dim): ContentsRule {
  return (context) => {
    const data = elements(context, 0);
    if (data === undefined) return undefined;
    const given = listArgument(context, intsAttribute(context.node, 'axes'), 1);
    if (given === 'unknown') return undefined;
    const rank = data.dims.length;
    const none = given === 'absent' || given.length === 0;
    if (none && intAttribute(context.node, 'noop_with_empty_axes', 0) !== 0) return data.contents;
    const axes = none ? data.dims.map((_, i) => i) : given.map((axis) => (axis < 0 ? axis + rank : axis));
    return reducedGroups(data.dims, new Set(axes)).map((group) => {
      const [first = start, ...rest] = group.map((i) => data.contents[i] ?? '');
      return first === undefined ? '' : rest.reduce<Dim>((a, b) => single(context, operation(a, b)), first);
    });
  };
}

const RULES: Readonly<Partial<Record<string, ContentsRule>>> = {
  Abs: onEach((a) => (typeof a === 'number' ? Math.abs(a) : lowerBound(a) >= 0 ? a : '')),
  Add: onElements(addDims),
  And: onElements((a, b) => truth(a === 1 && b === 1, a === 0 || b === 0)),
  Cast: cast,
  CastLike: (context) => castTo(context, context.inputs[0]?.elementType, context.inputs[1]?.elementType),
  Ceil: onEach((a) => (typeof a === 'number' ? Math.ceil(a) : mulDims(-1, floorDim(mulDims(-1, a))))),
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Div: onElements(quotient),
  Equal: onElements((a, b) => truth(equalDims(a, b), differentDims(a, b))),
  Floor: onEach(floorDim),
  Greater: comparison((a, b) => truth(less(b, a), atMost(a, b))),
  GreaterOrEqual: comparison((a, b) => truth(atMost(b, a), less(a, b))),
  Less: comparison((a, b) => truth(less(a, b), atMost(b, a))),
  LessOrEqual: comparison((a, b) => truth(atMost(a, b), less(b, a))),
  Max: onElements(maxDims),
  Min: onElements(minDims),
  Mod: onElements(remainder),
  Mul: onElements(mulDims),
  Neg: onEach((a) => mulDims(a, -1)),
  Not: onEach((a) => (typeof a === 'number' ? 1 - a : '')),
  Or: onElements((a, b) => truth(a === 1 || b === 1, a === 0 && b === 0)),
  Range: range,
  ReduceMax: reduction(undefined, maxDims),
  ReduceMin: reduction(undefined, minDims),
  ReduceProd: reduction(1, mulDims),
  ReduceSum: reduction(0, addDims),
  Shape: shape,
  Size: size,
  Sub: onElements(subDims),
  Sum: onElements(addDims),
  Where: where,
};

/** The elements of each output, as far as they are known; undefined for outputs of which nothing is. */
export function contentsOfOutputs(
  context: NodeContext,
  outputs: readonly Known[],
): readonly (Contents | undefined)[] {
  const dims = fixedDims(outputs[0]);
  if (dims === undefined || elementCount(dims) > MAX_CONTENTS) return [];
  if (context.node.op === 'Split') return split(context, dims) ?? [];
  const movement = movementOf(context, dims);
  const data = context.inputs[0]?.contents;
  if (movement !== undefined && data !== undefined) return [movement.from.map((i) => data[i] ?? '')];
  return [RULES[context.node.op]?.(context, dims)];
}
