/**
 * The values of nodes whose inputs are all constant.
 *
 * Only what every runtime computes alike: integers exactly (with the wrap-around of their width), floats in
 * operations that IEEE 754 rounds correctly, and the moving of elements. A float32 or float16 operation done in
 * float64 and rounded once more gives the correctly rounded result, because 53 ≥ 2·24 + 2. Anything else (Exp,
 * sums of floats, conversions out of range, division by zero) is left for the runtime.
 */

import { elementTypeOf as elementTypeOfCode } from '../codec/elements.ts';
import { type ElementType, intAttribute, intsAttribute } from '../model.ts';
import { ELEMENT_BITS, elementCount, type Tensor, tensor, toNumbers } from '../tensor.ts';
import { type Known, listArgument, type NodeContext, numbersOf } from './context.ts';
import { fixedDims, isFloat, isInteger } from './fixed.ts';
import { broadcastTo, concatenated, reducedGroups, sliced } from './layout.ts';
import { movementOf } from './movement.ts';

/**
 * The constant outputs of a node; undefined where it is not evaluated here.
 *
 * @param outputs what the shape rule says of the outputs; output 0 has fixed dimensions
 */
export function evaluate(context: NodeContext, outputs: readonly Known[]): readonly Tensor[] | undefined {
  const { op } = context.node;
  const dims = fixedDims(outputs[0]);
  if (dims === undefined) return undefined;
  const [data] = constants(context);
  const movement = movementOf(context, dims);
  if (movement !== undefined)
    return (
      data &&
      single(
        picked(
          dims,
          data.elementType,
          movement.from.map((i) => [data, i]),
        ),
      )
    );
  if (op === 'Split') return split(context, outputs);
  return single(EVALUATIONS.get(op)?.(context, dims));
}

type Evaluation = (context: NodeContext, dims: readonly number[]) => Tensor | undefined;

function single(value: Tensor | undefined): readonly Tensor[] | undefined {
  return value && [value];
}

function constants(context: NodeContext): readonly Tensor[] {
  return context.inputs.flatMap((input) => input?.constant ?? []);
}

// Moving ------------------------------------------------------------------------------------------------

/** A tensor of elements of others; undefined for types that pack several elements into a byte. */
function picked(
  dims: readonly number[],
  elementType: ElementType,
  from: readonly (readonly [Tensor, number])[],
): Tensor | undefined {
  const bits = ELEMENT_BITS[elementType];
  if (bits === undefined) {
    return {
      elementType,
      dims,
      data: from.map(([{ data }, i]) => (data instanceof Uint8Array ? '' : (data[i] ?? ''))),
    };
  }
  if (bits % 8 !== 0) return undefined;
  const width = bits / 8;
  const bytes = new Uint8Array(from.length * width);
  for (const [k, [{ data }, i]] of from.entries()) {
    if (data instanceof Uint8Array) bytes.set(data.subarray(i * width, (i + 1) * width), k * width);
  }
  return { elementType, dims, data: bytes };
}

function concat(context: NodeContext): Tensor | undefined {
  const parts = constants(context);
  const [first] = parts;
  if (first === undefined) return undefined;
  const given = intAttribute(context.node, 'axis', 1);
  const { dims, from } = concatenated(
    parts.map((part) => part.dims),
    given < 0 ? given + first.dims.length : given,
  );
  return picked(
    dims,
    first.elementType,
    from.map(([part, i]) => [parts[part] ?? first, i]),
  );
}

function split(context: NodeContext, outputs: readonly Known[]): readonly Tensor[] | undefined {
  const [data] = constants(context);
  if (data === undefined) return undefined;
  const given = intAttribute(context.node, 'axis', 0);
  const axis = given < 0 ? given + data.dims.length : given;
  const parts: Tensor[] = [];
  let start = 0;
  for (const output of outputs) {
    const sizes = fixedDims(output);
    if (sizes === undefined) return undefined;
    const starts = sizes.map((_, i) => (i === axis ? start : 0));
    const { from } = sliced(
      data.dims,
      starts,
      sizes.map(() => 1),
      sizes,
    );
    const part = picked(
      sizes,
      data.elementType,
      from.map((i) => [data, i]),
    );
    if (part === undefined) return undefined;
    parts.push(part);
    start += sizes[axis] ?? 0;
  }
  return parts;
}

function where(context: NodeContext, dims: readonly number[]): Tensor | undefined {
  const [condition, yes, no] = constants(context);
  if (condition === undefined || yes === undefined || no === undefined) return undefined;
  const choice = toNumbers(condition);
  const [c, a, b] = [condition, yes, no].map((value) => broadcastTo(value.dims, dims).from);
  const from = Array.from({ length: elementCount(dims) }, (_, i): readonly [Tensor, number] =>
    choice[c?.[i] ?? 0] === 0 ? [no, b?.[i] ?? 0] : [yes, a?.[i] ?? 0],
  );
  return picked(dims, yes.elementType, from);
}

function constantOfShape(context: NodeContext, dims: readonly number[]): Tensor | undefined {
  const { value } = context.node.attributes;
  const fill = value?.kind === 'tensor' ? value.value : tensor('float32', [1], [0]);
  return picked(
    dims,
    fill.elementType,
    Array.from({ length: elementCount(dims) }, () => [fill, 0]),
  );
}

// Arithmetic --------------------------------------------------------------------------------------------

/** Integers as bigints, exactly; undefined for other types. */
function integersOf(value: Tensor): readonly bigint[] | undefined {
  const { data, elementType } = value;
  if (!isInteger(elementType) || !(data instanceof Uint8Array)) return undefined;
  if (elementType !== 'int64' && elementType !== 'uint64') return Array.from(toNumbers(value), BigInt);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: elementCount(value.dims) }, (_, i) =>
    elementType === 'int64' ? view.getBigInt64(8 * i, true) : view.getBigUint64(8 * i, true),
  );
}

/** Runtimes differ in which of 0 and -0 they take. */
function extremum(operation: (a: number, b: number) => number): (a: number, b: number) => number | undefined {
  return (a, b) => (a === 0 && b === 0 && !Object.is(a, b) ? undefined : operation(a, b));
}

function larger(a: bigint, b: bigint): bigint {
  if (a < b) return b;
  return a;
}

function smaller(a: bigint, b: bigint): bigint {
  if (a > b) return b;
  return a;
}

/** Integers of the type's width; what does not fit wraps around. */
function integerTensor(elementType: ElementType, dims: readonly number[], values: readonly bigint[]): Tensor {
  const bits = ELEMENT_BITS[elementType] ?? 64;
  const wrapped = values.map((x) =>
    elementType.startsWith('u') ? BigInt.asUintN(bits, x) : BigInt.asIntN(bits, x),
  );
  if (bits < 64) return tensor(elementType, dims, wrapped.map(Number));
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, x] of wrapped.entries()) view.setBigUint64(8 * i, BigInt.asUintN(64, x), true);
  return { elementType, dims: [...dims], data: bytes };
}

interface Arithmetic {
  readonly integer?: (a: bigint, b: bigint) => bigint | undefined;
  readonly float?: (a: number, b: number) => number | undefined;
}

/** Left to right over all inputs, broadcast to the output. */
function arithmetic({ integer, float }: Arithmetic): Evaluation {
  return (context, dims) => {
    const inputs = constants(context);
    const elementType = inputs[0]?.elementType;
    if (elementType === undefined || inputs.some((input) => input.elementType !== elementType))
      return undefined;
    const spread = inputs.map((input) => broadcastTo(input.dims, dims).from);
    if (isInteger(elementType) && integer !== undefined) {
      const columns = inputs.map((input, k) => {
        const integers = integersOf(input);
        return spread[k]?.map((i) => integers?.[i] ?? 0n) ?? [];
      });
      const values = folded(columns, integer);
      return values && integerTensor(elementType, dims, values);
    }
    if (!isFloat(elementType) || float === undefined) return undefined;
    let result: Tensor | undefined;
    for (const [k, input] of inputs.entries()) {
      const numbers = toNumbers(input);
      const column = spread[k]?.map((i) => numbers[i] ?? 0) ?? [];
      const before = result && Array.from(toNumbers(result));
      const values = before ? folded([before, column], float) : column;
      if (values === undefined) return undefined;
      result = tensor(elementType, dims, values);
    }
    return result;
  };
}

function folded<T>(
  columns: readonly (readonly T[])[],
  operation: (a: T, b: T) => T | undefined,
): readonly T[] | undefined {
  const [first = [], ...rest] = columns;
  const result = [...first];
  for (const column of rest) {
    for (const [i, a] of result.entries()) {
      const b = column[i];
      const value = b === undefined ? undefined : operation(a, b);
      if (value === undefined) return undefined;
      result[i] = value;
    }
  }
  return result;
}

function unary(
  integer: ((a: bigint) => bigint) | undefined,
  float: ((a: number) => number) | undefined,
): Evaluation {
  return (context, dims) => {
    const [value] = constants(context);
    if (value === undefined) return undefined;
    const integers = integersOf(value);
    if (integers !== undefined)
      return integer && integerTensor(value.elementType, dims, integers.map(integer));
    if (!isFloat(value.elementType) || float === undefined) return undefined;
    return tensor(value.elementType, dims, toNumbers(value).map(float));
  };
}

function comparison(compare: (a: number | bigint, b: number | bigint) => boolean): Evaluation {
  return (context, dims) => {
    const [a, b] = constants(context);
    if (a === undefined || b === undefined || typeof a.data[0] === 'string') return undefined;
    const columns = [a, b].map((input) => {
      if (!isInteger(input.elementType) && !isFloat(input.elementType) && input.elementType !== 'bool')
        return undefined;
      const values = integersOf(input) ?? Array.from(toNumbers(input));
      return broadcastTo(input.dims, dims).from.map((i) => values[i] ?? 0);
    });
    const [x, y] = columns;
    if (x === undefined || y === undefined) return undefined;
    return tensor(
      'bool',
      dims,
      x.map((value, i) => (compare(value, y[i] ?? 0) ? 1 : 0)),
    );
  };
}

function logical(operation: (a: boolean, b: boolean) => boolean): Evaluation {
  return (context, dims) => {
    const [a, b] = constants(context);
    if (a?.elementType !== 'bool' || b?.elementType !== 'bool') return undefined;
    const [x, y] = [a, b].map((input) => {
      const values = toNumbers(input);
      return broadcastTo(input.dims, dims).from.map((i) => values[i] === 1);
    });
    return tensor(
      'bool',
      dims,
      (x ?? []).map((value, i) => (operation(value, y?.[i] ?? false) ? 1 : 0)),
    );
  };
}

function not(context: NodeContext, dims: readonly number[]): Tensor | undefined {
  const [value] = constants(context);
  return value?.elementType === 'bool'
    ? tensor(
        'bool',
        dims,
        toNumbers(value).map((x) => 1 - x),
      )
    : undefined;
}

function cast(context: NodeContext, dims: readonly number[]): Tensor | undefined {
  return converted(constants(context)[0], elementTypeOfCode(intAttribute(context.node, 'to', 0)), dims);
}

function castLike(context: NodeContext, dims: readonly number[]): Tensor | undefined {
  return converted(constants(context)[0], context.inputs[1]?.elementType, dims);
}

/** Conversions whose result the specification fixes. */
function converted(
  value: Tensor | undefined,
  to: ElementType | undefined,
  dims: readonly number[],
): Tensor | undefined {
  if (value === undefined || to === undefined) return undefined;
  const from = value.elementType;
  if (from === to) return value;
  const integers = integersOf(value);
  if (isInteger(to) && integers !== undefined) return integerTensor(to, dims, integers);
  if (!isFloat(from) && from !== 'bool' && integers === undefined) return undefined;
  const numbers = toNumbers(value);
  if (to === 'bool')
    return tensor(
      'bool',
      dims,
      numbers.map((x) => (x === 0 ? 0 : 1)),
    );
  // Rounding twice (to float64, then on) could differ from rounding once.
  if (integers?.some((x) => x > 2n ** 53n || x < -(2n ** 53n))) return undefined;
  if (to === 'float32' || to === 'float64' || (to === 'float16' && from !== 'float64'))
    return tensor(to, dims, numbers);
  if (!isInteger(to)) return undefined;
  const whole = numbers.map(Math.trunc);
  const limit = 2 ** Math.min((ELEMENT_BITS[to] ?? 8) - 1, 53);
  if (!whole.every((x) => (to.startsWith('u') ? x >= 0 && x < limit : x >= -limit && x < limit)))
    return undefined;
  return integerTensor(to, dims, Array.from(whole, BigInt));
}

function range(context: NodeContext, dims: readonly number[]): Tensor | undefined {
  const [start, , step] = constants(context).map((value) => integersOf(value)?.[0]);
  const elementType = context.inputs[0]?.elementType;
  if (start === undefined || step === undefined || elementType === undefined) return undefined;
  return integerTensor(
    elementType,
    dims,
    Array.from({ length: elementCount(dims) }, (_, i) => start + step * BigInt(i)),
  );
}

/** Reductions of integers, and of floats where no rounding can occur. */
function reduction(start: bigint | undefined, operation: (a: bigint, b: bigint) => bigint): Evaluation {
  return (context, dims) => {
    const [data] = constants(context);
    const axes = listArgument(context, intsAttribute(context.node, 'axes'), 1);
    if (data === undefined || axes === 'unknown') return undefined;
    const none = axes === 'absent' || axes.length === 0;
    if (none && intAttribute(context.node, 'noop_with_empty_axes', 0) !== 0) return data;
    const rank = data.dims.length;
    const chosen = none ? data.dims.map((_, i) => i) : axes.map((axis) => (axis < 0 ? axis + rank : axis));
    const values = integersOf(data) ?? wholeNumbers(data);
    if (values === undefined) return undefined;
    const results: bigint[] = [];
    for (const group of reducedGroups(data.dims, new Set(chosen))) {
      let result = start;
      for (const i of group) {
        const value = values[i] ?? 0n;
        result = result === undefined ? value : operation(result, value);
        if (!isSafe(value) || !isSafe(result)) return undefined;
      }
      if (result === undefined) return undefined;
      results.push(result);
    }
    if (isInteger(data.elementType)) return integerTensor(data.elementType, dims, results);
    const exact = results.every((x) => x <= EXACT && x >= -EXACT);
    return exact ? tensor(data.elementType, dims, results.map(Number)) : undefined;
  };
}

/** Some runtimes reduce int64 in float64: beyond this they lose low bits. */
const SAFE = 2n ** 53n;

function isSafe(value: bigint): boolean {
  return value <= SAFE && value >= -SAFE;
}

/** Whole numbers up to this are exact in float32, and so are their partial sums and products. */
const EXACT = 2n ** 24n;

function wholeNumbers(value: Tensor): readonly bigint[] | undefined {
  if (value.elementType !== 'float32' && value.elementType !== 'float64') return undefined;
  const numbers = Array.from(toNumbers(value));
  // A zero could hide a partial product out of range, a sign a partial sum.
  return numbers.every((x) => Number.isInteger(x) && x > 0) ? numbers.map(BigInt) : undefined;
}

function gatherElements(context: NodeContext, dims: readonly number[]): Tensor | undefined {
  const [data, indices] = constants(context);
  const at = numbersOf(context, 1);
  if (data === undefined || indices === undefined || at === undefined || data.dims.length !== 1)
    return undefined;
  const length = data.dims[0] ?? 0;
  if (at.some((i) => i < -length || i >= length)) return undefined;
  return picked(
    dims,
    data.elementType,
    at.map((i) => [data, i < 0 ? i + length : i]),
  );
}

const EVALUATIONS: ReadonlyMap<string, Evaluation> = new Map<string, Evaluation>([
  ['Abs', unary((a) => (a < 0n ? -a : a), Math.abs)],
  ['Add', arithmetic({ integer: (a, b) => a + b, float: (a, b) => a + b })],
  ['And', logical((a, b) => a && b)],
  ['Cast', cast],
  ['CastLike', castLike],
  ['Ceil', unary(undefined, Math.ceil)],
  ['Concat', concat],
  ['ConstantOfShape', constantOfShape],
  ['Div', arithmetic({ integer: (a, b) => (b === 0n ? undefined : a / b), float: (a, b) => a / b })],
  ['Equal', comparison((a, b) => a === b)],
  ['Floor', unary(undefined, Math.floor)],
  ['GatherElements', gatherElements],
  ['Greater', comparison((a, b) => a > b)],
  ['GreaterOrEqual', comparison((a, b) => a >= b)],
  ['Less', comparison((a, b) => a < b)],
  ['LessOrEqual', comparison((a, b) => a <= b)],
  ['Max', arithmetic({ integer: larger, float: extremum(Math.max) })],
  ['Min', arithmetic({ integer: smaller, float: extremum(Math.min) })],
  ['Mod', modulo],
  ['Mul', arithmetic({ integer: (a, b) => a * b, float: (a, b) => a * b })],
  [
    'Neg',
    unary(
      (a) => -a,
      (a) => -a,
    ),
  ],
  ['Not', not],
  ['Or', logical((a, b) => a || b)],
  ['Range', range],
  ['ReduceMax', reduction(undefined, larger)],
  ['ReduceMin', reduction(undefined, smaller)],
  ['ReduceProd', reduction(1n, (a, b) => a * b)],
  ['ReduceSum', reduction(0n, (a, b) => a + b)],
  ['Sign', unary((a) => (a > 0n ? 1n : a < 0n ? -1n : 0n), undefined)],
  ['Sqrt', unary(undefined, Math.sqrt)],
  ['Sub', arithmetic({ integer: (a, b) => a - b, float: (a, b) => a - b })],
  ['Where', where],
  ['Xor', logical((a, b) => a !== b)],
]);

/** The remainder has the divisor's sign, or with `fmod` the dividend's. */
function modulo(context: NodeContext, dims: readonly number[]): Tensor | undefined {
  const truncated = intAttribute(context.node, 'fmod', 0) !== 0;
  return arithmetic({
    integer: (a, b) => {
      if (b === 0n) return undefined;
      const rest = a % b;
      return truncated || rest === 0n || rest < 0n === b < 0n ? rest : rest + b;
    },
  })(context, dims);
}
