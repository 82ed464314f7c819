/** What a shape rule sees of a node, and what it answers. */
import { differentDims, equalDims } from '../dim.ts';
import type { Dim, ElementType, Graph, Node, Shape } from '../model.ts';
import type { Tensor } from '../tensor.ts';

/** What is known of a value while shapes are inferred; every part may be missing. */
export interface Known {
  readonly elementType: ElementType | undefined;
  readonly shape: Shape | undefined;
  /**
   * The elements in row-major order as dimensions, for small tensors of fixed shape; booleans are 0 and 1, `""`
   * stands for an element of which nothing is known.
   */
  readonly contents?: readonly Dim[] | undefined;
  readonly constant?: Tensor | undefined;
}

/** A node while its outputs are inferred. */
export interface NodeContext {
  readonly node: Node;
  /** The version of the standard operator set. */
  readonly opset: number;
  /** What is known of each input; undefined for an optional input that is left out. */
  readonly inputs: readonly (Known | undefined)[];
  /** A size of which only its existence is known. */
  unknownSize(): Dim;
  /** Infers a subgraph of the node; what it captures is looked up outside. `undefined` for unknown outputs. */
  subgraph(graph: Graph, inputs: readonly Known[]): readonly Known[];
  /** Throws the error that says that this node cannot take inputs of these shapes. */
  fail(reason: string): never;
}

/** The outputs of a node, in order; missing ones are unknown. */
export type ShapeRule = (context: NodeContext) => readonly Known[];

/** Rules by operator of the standard domain. */
export type RuleTable = Readonly<Record<string, ShapeRule>>;

export const UNKNOWN: Known = { elementType: undefined, shape: undefined };

/** An answer with a type and a shape. */
export function known(elementType: ElementType | undefined, shape: Shape | undefined): Known {
  return { elementType, shape };
}

export function shapeOf(context: NodeContext, index: number): Shape | undefined {
  return context.inputs[index]?.shape;
}

export function elementTypeOf(context: NodeContext, index: number): ElementType | undefined {
  return context.inputs[index]?.elementType;
}

/** Whether the optional input is given. */
export function hasInput(context: NodeContext, index: number): boolean {
  return (context.node.inputs[index] ?? '') !== '';
}

/** A rank with nothing known of its dimensions. */
export function unknownShape(context: NodeContext, rank: number): Shape {
  return Array.from({ length: rank }, () => context.unknownSize());
}

/** An axis counted from the front; fails outside of [−rank, rank). */
export function normalizeAxis(context: NodeContext, axis: number, rank: number): number {
  if (axis < -rank || axis >= rank) context.fail(`axis ${axis} does not exist in rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/** The integers of an input where all of them are known as numbers. */
export function numbersOf(context: NodeContext, index: number): readonly number[] | undefined {
  const contents = context.inputs[index]?.contents;
  if (contents === undefined) return undefined;
  const numbers: number[] = [];
  for (const dim of contents) {
    if (typeof dim !== 'number') return undefined;
    numbers.push(dim);
  }
  return numbers;
}

/** How many elements a one-dimensional input has, if that is fixed. */
export function lengthOf(context: NodeContext, index: number): number | undefined {
  const shape = shapeOf(context, index);
  const [length] = shape ?? [];
  return shape?.length === 1 && typeof length === 'number' ? length : undefined;
}

/** An integer list given as an attribute (older operator sets) or as an input: 'absent', 'unknown', or the list. */
export function listArgument(
  context: NodeContext,
  attribute: readonly number[] | undefined,
  index: number,
): readonly number[] | 'absent' | 'unknown' {
  if (attribute !== undefined) return attribute;
  if (!hasInput(context, index)) return 'absent';
  return numbersOf(context, index) ?? 'unknown';
}

/**
 * The size that two sizes broadcast to. A size that cannot be 1 decides; of two that may each be 1 nothing can
 * be said.
 */
export function broadcastDims(context: NodeContext, a: Dim, b: Dim): Dim {
  if (equalDims(a, b)) return a;
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof a === 'number' && typeof b === 'number')
    return context.fail(`sizes ${a} and ${b} do not broadcast`);
  if (differentDims(a, 1)) return a;
  if (differentDims(b, 1)) return b;
  return context.unknownSize();
}

/** The shape that several shapes broadcast to; undefined if one has no known rank. */
export function broadcastShapes(
  context: NodeContext,
  shapes: readonly (Shape | undefined)[],
): Shape | undefined {
  let result: Shape = [];
  for (const shape of shapes) {
    if (shape === undefined) return undefined;
    const rank = Math.max(result.length, shape.length);
    const a = [...Array<Dim>(rank - result.length).fill(1), ...result];
    const b = [...Array<Dim>(rank - shape.length).fill(1), ...shape];
    result = a.map((dim, i) => broadcastDims(context, dim, b[i] ?? 1));
  }
  return result;
}

/** The size that two sizes must both be; fails if they are known to differ. */
export function sameDim(context: NodeContext, a: Dim, b: Dim, what: string): Dim {
  if (typeof a === 'number' && typeof b === 'number' && a !== b) context.fail(`${what} ${a} and ${b} differ`);
  return typeof b === 'number' ? b : a;
}
