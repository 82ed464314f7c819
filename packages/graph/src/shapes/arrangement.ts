/** Shapes of ops that rearrange, cut, join or repeat their input. */
import {
  addDims,
  ceilDivDims,
  elementsOf,
  equalDims,
  floorDim,
  floorDivDims,
  lowerBound,
  maxDims,
  minDims,
  mulDims,
  subDims,
} from '../dim.ts';
import { type Dim, intAttribute, intsAttribute, type Shape, stringAttribute } from '../model.ts';
import {
  broadcastShapes,
  elementTypeOf,
  hasInput,
  type Known,
  known,
  lengthOf,
  listArgument,
  type NodeContext,
  normalizeAxis,
  numbersOf,
  type RuleTable,
  sameDim,
  shapeOf,
  unknownShape,
} from './context.ts';

function answer(context: NodeContext, shape: Shape | undefined): readonly Known[] {
  return [known(elementTypeOf(context, 0), shape)];
}

/** The dimensions in an input that holds a shape; a list of unknown ones if only its length is known. */
export function shapeArgument(context: NodeContext, index: number): Shape | undefined {
  const contents = context.inputs[index]?.contents;
  if (contents !== undefined) return contents.map((dim) => (dim === '' ? context.unknownSize() : dim));
  const length = lengthOf(context, index);
  return length === undefined ? undefined : unknownShape(context, length);
}

/**
 * 0 copies the input's dimension (unless `allowzero`), −1 takes what is left: all elements divided by the product of
 * the others. Dimensions that are copied to the same place cancel before the division.
 */
function reshape(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  const literal = intsAttribute(context.node, 'shape');
  const target: readonly Dim[] | undefined = literal ?? context.inputs[1]?.contents;
  if (target === undefined) {
    const rank = lengthOf(context, 1);
    return answer(context, rank === undefined ? undefined : unknownShape(context, rank));
  }
  const allowZero = intAttribute(context.node, 'allowzero', 0) !== 0;
  const copied = target.map((dim, i) =>
    dim === 0 && !allowZero ? (shape?.[i] ?? context.unknownSize()) : dim,
  );
  if (shape !== undefined && !allowZero && target.some((dim, i) => dim === 0 && i >= shape.length)) {
    context.fail('a 0 in the new shape has no dimension to copy');
  }
  const open = copied.flatMap((dim, i) => (dim === -1 || dim === '' ? [i] : []));
  const [first] = open;
  if (copied.filter((dim) => dim === -1).length > 1) context.fail('the new shape has more than one -1');
  if (first === undefined) {
    checkElements(context, shape, copied);
    return answer(context, copied);
  }
  if (open.length > 1 || shape === undefined) {
    return answer(
      context,
      copied.map((dim) => (dim === -1 || dim === '' ? context.unknownSize() : dim)),
    );
  }
  const rest = copied.filter((_, i) => i !== first);
  const [left, right] = cancelled(shape, rest);
  const size = floorDivDims(elementsOf(left), elementsOf(right));
  if (
    typeof size === 'number' &&
    elementsOf(right) !== 0 &&
    mulDims(size, elementsOf(right)) !== elementsOf(left)
  ) {
    context.fail(`the elements cannot be divided into [${copied.join(', ')}]`);
  }
  return answer(
    context,
    copied.map((dim, i) => (i === first ? (size === '' ? context.unknownSize() : size) : dim)),
  );
}

/** Both lists without the dimensions that occur in both. */
function cancelled(a: Shape, b: Shape): readonly [Shape, Shape] {
  const right = [...b];
  const left = a.filter((dim) => {
    const i = dim === 0 ? -1 : right.findIndex((other) => equalDims(dim, other));
    if (i >= 0) right.splice(i, 1);
    return i < 0;
  });
  return [left, right];
}

function checkElements(context: NodeContext, from: Shape | undefined, to: Shape): void {
  const before = from && elementsOf(from);
  const after = elementsOf(to);
  if (typeof before === 'number' && typeof after === 'number' && before !== after) {
    context.fail(`${before} elements cannot take the shape [${to.join(', ')}]`);
  }
}

function flatten(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  if (shape === undefined) return answer(context, unknownShape(context, 2));
  const given = intAttribute(context.node, 'axis', 1);
  const axis = given < 0 ? given + shape.length : given;
  if (axis < 0 || axis > shape.length) context.fail(`axis ${given} does not exist in rank ${shape.length}`);
  return answer(context, [elementsOf(shape.slice(0, axis)), elementsOf(shape.slice(axis))]);
}

function squeeze(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  const axes = listArgument(context, intsAttribute(context.node, 'axes'), 1);
  if (shape === undefined) return answer(context, undefined);
  if (axes === 'unknown') {
    const dropped = lengthOf(context, 1);
    return answer(
      context,
      dropped === undefined ? undefined : unknownShape(context, Math.max(0, shape.length - dropped)),
    );
  }
  if (axes === 'absent') {
    const decided = shape.every((dim) => typeof dim === 'number');
    return answer(context, decided ? shape.filter((dim) => dim !== 1) : undefined);
  }
  const drop = new Set(axes.map((axis) => normalizeAxis(context, axis, shape.length)));
  for (const axis of drop) {
    const size = shape[axis];
    if (typeof size === 'number' && size !== 1)
      context.fail(`axis ${axis} has size ${size} and cannot be squeezed`);
  }
  return answer(
    context,
    shape.filter((_, i) => !drop.has(i)),
  );
}

function unsqueeze(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  const axes = listArgument(context, intsAttribute(context.node, 'axes'), 1);
  if (shape === undefined || axes === 'absent') return answer(context, undefined);
  if (axes === 'unknown') {
    const added = lengthOf(context, 1);
    return answer(context, added === undefined ? undefined : unknownShape(context, shape.length + added));
  }
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => normalizeAxis(context, axis, rank)));
  if (added.size !== axes.length) context.fail('an axis is given twice');
  const rest = [...shape];
  return answer(
    context,
    Array.from({ length: rank }, (_, i) => (added.has(i) ? 1 : (rest.shift() ?? ''))),
  );
}

function transpose(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  const given = intsAttribute(context.node, 'perm');
  if (shape === undefined) return answer(context, given && unknownShape(context, given.length));
  const perm = given ?? shape.map((_, i) => shape.length - 1 - i);
  const axes = perm.map((axis) => normalizeAxis(context, axis, shape.length));
  if (axes.length !== shape.length || new Set(axes).size !== axes.length) {
    context.fail(`[${perm.join(', ')}] is no permutation of ${shape.length} axes`);
  }
  return answer(
    context,
    axes.map((axis) => shape[axis] ?? ''),
  );
}

function concat(context: NodeContext): readonly Known[] {
  const shapes = context.inputs.map((input) => input?.shape);
  const rank = shapes.find((shape) => shape !== undefined)?.length;
  if (rank === undefined) return answer(context, undefined);
  const axis = normalizeAxis(context, intAttribute(context.node, 'axis', 1), rank);
  let result: Shape | undefined;
  for (const shape of shapes) {
    const next: Shape = shape ?? unknownShape(context, rank);
    if (next.length !== rank) context.fail('the inputs differ in rank');
    result =
      result?.map((dim, i) => {
        const other = next[i] ?? '';
        return i === axis
          ? addDims(dim, other)
          : sameDim(context, dim, other, 'sizes beside the joined axis,');
      }) ?? next;
  }
  return answer(context, result);
}

function split(context: NodeContext): readonly Known[] {
  const { node } = context;
  const count = node.outputs.length;
  const shape = shapeOf(context, 0);
  const elementType = elementTypeOf(context, 0);
  if (shape === undefined) return node.outputs.map(() => known(elementType, undefined));
  const axis = normalizeAxis(context, intAttribute(node, 'axis', 0), shape.length);
  const sizes = splitSizes(context, shape[axis] ?? '', count);
  return node.outputs.map((_, k) => {
    const size = sizes[k] ?? '';
    return known(
      elementType,
      shape.map((dim, i) => (i === axis ? size : dim)),
    );
  });
}

function splitSizes(context: NodeContext, total: Dim, count: number): readonly Dim[] {
  const literal = intsAttribute(context.node, 'split');
  if (literal !== undefined || hasInput(context, 1)) {
    const sizes: readonly Dim[] = literal ?? context.inputs[1]?.contents ?? unknownShape(context, count);
    if (sizes.length !== count) context.fail(`${sizes.length} sizes are given for ${count} outputs`);
    const all = elementsOf(sizes) === '' ? '' : sizes.reduce<Dim>(addDims, 0);
    if (typeof all === 'number' && typeof total === 'number' && all !== total) {
      context.fail(`the parts have ${all} of ${total} entries together`);
    }
    return sizes;
  }
  // Equal parts; the last one is smaller where the number of parts does not divide the size.
  const part = ceilDivDims(total, count);
  const last = subDims(total, mulDims(part, count - 1));
  return Array.from({ length: count }, (_, k) => (k === count - 1 ? last : part));
}

/** The number of steps from start to end, both clamped as the specification says. */
function sliceSize(size: Dim, start: Dim, end: Dim, step: number): Dim {
  if (step > 0) {
    const from = clamped(size, start, 0, 0);
    const to = clamped(size, end, 0, 0);
    return maxDims(0, ceilDivDims(subDims(to, from), step));
  }
  const from = clamped(size, start, 0, -1);
  const to = clamped(size, end, -1, -1);
  return maxDims(0, ceilDivDims(subDims(from, to), -step));
}

/** A position counted from the end if negative, limited to [low, size + high]. */
function clamped(size: Dim, position: Dim, low: number, high: number): Dim {
  if (position === '') return '';
  if (typeof position === 'number' && position >= 2 ** 31 - 1) return addDims(size, high);
  if (typeof position === 'number' && position <= -(2 ** 31 - 1)) return low;
  if (typeof position === 'string' && lowerBound(position) < 0) return '';
  const absolute = typeof position === 'number' && position < 0 ? addDims(size, position) : position;
  return maxDims(low, minDims(absolute, addDims(size, high)));
}

function slice(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  if (shape === undefined) return answer(context, undefined);
  const { node } = context;
  const starts: readonly Dim[] | undefined = intsAttribute(node, 'starts') ?? context.inputs[1]?.contents;
  const ends: readonly Dim[] | undefined = intsAttribute(node, 'ends') ?? context.inputs[2]?.contents;
  const axes = listArgument(context, intsAttribute(node, 'axes'), 3);
  const steps = hasInput(context, 4) ? numbersOf(context, 4) : [];
  if (axes === 'unknown') return answer(context, unknownShape(context, shape.length));
  const count = starts?.length ?? ends?.length ?? lengthOf(context, 1) ?? shape.length;
  const chosen = axes === 'absent' ? Array.from({ length: count }, (_, i) => i) : axes;
  const result = [...shape];
  for (const [k, given] of chosen.entries()) {
    const axis = normalizeAxis(context, given, shape.length);
    const step = steps === undefined ? undefined : (steps[k] ?? 1);
    if (step === 0) context.fail('a step is 0');
    const size =
      step === undefined ? '' : sliceSize(shape[axis] ?? '', starts?.[k] ?? '', ends?.[k] ?? '', step);
    result[axis] = size === '' ? context.unknownSize() : size;
  }
  return answer(context, result);
}

function pad(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  if (shape === undefined) return answer(context, undefined);
  const pads: readonly Dim[] | undefined =
    intsAttribute(context.node, 'pads') ??
    intsAttribute(context.node, 'paddings') ??
    context.inputs[1]?.contents;
  const axes = listArgument(context, undefined, 3);
  if (axes === 'unknown') return answer(context, unknownShape(context, shape.length));
  const chosen = axes === 'absent' ? shape.map((_, i) => i) : axes;
  if (pads !== undefined && pads.length !== 2 * chosen.length) {
    context.fail(`there are ${pads.length} pads for ${chosen.length} axes`);
  }
  const result = [...shape];
  for (const [k, given] of chosen.entries()) {
    const axis = normalizeAxis(context, given, shape.length);
    const both = addDims(pads?.[k] ?? '', pads?.[k + chosen.length] ?? '');
    const size = addDims(shape[axis] ?? '', both);
    result[axis] = size === '' ? context.unknownSize() : size;
  }
  return answer(context, result);
}

/** Broadcasting goes both ways: a size of the input survives where the wanted one is 1. */
function expand(context: NodeContext): readonly Known[] {
  const target = shapeArgument(context, 1);
  return answer(context, broadcastShapes(context, [shapeOf(context, 0), target]));
}

function tile(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  if (shape === undefined) return answer(context, undefined);
  const repeats = context.inputs[1]?.contents;
  if (repeats !== undefined && repeats.length !== shape.length) {
    context.fail(`there are ${repeats.length} repeats for rank ${shape.length}`);
  }
  return answer(
    context,
    shape.map((dim, i) => mulDims(dim, repeats?.[i] ?? '')),
  );
}

/** Sizes are given, or are floor(size · scale) with the product taken in float32 as the runtime takes it. */
function resize(context: NodeContext): readonly Known[] {
  const { node } = context;
  const shape = shapeOf(context, 0);
  if (shape === undefined) return answer(context, undefined);
  const old = context.opset < 11;
  const chosen = (intsAttribute(node, 'axes') ?? shape.map((_, i) => i)).map((axis) =>
    normalizeAxis(context, axis, shape.length),
  );
  const sizes = old ? undefined : context.inputs[3]?.contents;
  const scales = context.inputs[old ? 1 : 2]?.contents;
  const policy = stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch');
  const result = [...shape];
  for (const [k, axis] of chosen.entries()) {
    const wanted =
      hasInput(context, 3) && !old ? (sizes?.[k] ?? '') : scaledSize(shape[axis] ?? '', scales?.[k] ?? '');
    result[axis] = wanted === '' ? context.unknownSize() : wanted;
  }
  if (policy === 'stretch' || !hasInput(context, 3)) return answer(context, result);
  return answer(context, keepAspectRatio(context, shape, result, chosen, policy === 'not_larger'));
}

function keepAspectRatio(
  context: NodeContext,
  shape: Shape,
  wanted: Shape,
  axes: readonly number[],
  smaller: boolean,
): Shape {
  const ratios = axes.map((axis) => {
    const [to, from] = [wanted[axis], shape[axis]];
    return typeof to === 'number' && typeof from === 'number' ? Math.fround(to / from) : Number.NaN;
  });
  const ratio = smaller ? Math.min(...ratios) : Math.max(...ratios);
  return shape.map((dim, i) => {
    if (!axes.includes(i)) return dim;
    if (Number.isNaN(ratio) || typeof dim !== 'number') return context.unknownSize();
    return Math.round(Math.fround(ratio * dim));
  });
}

function scaledSize(size: Dim, scale: Dim): Dim {
  if (typeof size === 'number' && typeof scale === 'number') return Math.floor(Math.fround(size * scale));
  return floorDim(mulDims(size, scale));
}

function upsample(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  const attribute = context.node.attributes.scales;
  const scales: readonly Dim[] | undefined =
    attribute?.kind === 'floats' ? attribute.value : context.inputs[1]?.contents;
  return answer(
    context,
    shape?.map((dim, i) => {
      const size = scaledSize(dim, scales?.[i] ?? '');
      return size === '' ? context.unknownSize() : size;
    }),
  );
}

function centerCropPad(context: NodeContext): readonly Known[] {
  const shape = shapeOf(context, 0);
  if (shape === undefined) return answer(context, undefined);
  const wanted = shapeArgument(context, 1);
  const axes = intsAttribute(context.node, 'axes') ?? shape.map((_, i) => i);
  const result = [...shape];
  for (const [k, axis] of axes.entries()) {
    result[normalizeAxis(context, axis, shape.length)] = wanted?.[k] ?? context.unknownSize();
  }
  return answer(context, result);
}

export const arrangementRules = {
  CenterCropPad: centerCropPad,
  Concat: concat,
  Expand: expand,
  Flatten: flatten,
  Pad: pad,
  Reshape: reshape,
  Resize: resize,
  ReverseSequence: (context) => answer(context, shapeOf(context, 0)),
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Upsample: upsample,
} as const satisfies RuleTable;
