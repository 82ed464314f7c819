/**
 * What a gradient rule is: given the cotangents of a node's outputs, it emits nodes that compute the cotangents
 * of its inputs (a vector–Jacobian product), with operators of the standard set only.
 */
import type { GraphBuilder } from '../build.ts';
import { NotDifferentiableError } from '../errors.ts';
import { describeNode, type ElementType, type Node, type Shape } from '../model.ts';
import type { ShapeInfo } from '../shapes/index.ts';
import type { Tensor } from '../tensor.ts';

/** The name of a value that holds a cotangent; undefined where it is zero and nothing has been built. */
export type Cotangent = string | undefined;

/** A rule returns one cotangent per input, in order; missing entries at the end are absent. */
export type Rule = (at: RuleContext) => readonly Cotangent[];

/** An entry of the rule table. */
export interface OperatorGradient {
  /**
   * Positions of the inputs through which a gradient can flow, or `all`. The others (indices, shapes, axes) are
   * never asked for; a path that only enters there carries no gradient.
   */
  readonly differentiable: readonly number[] | 'all';
  readonly rule: Rule;
  /** What the rule takes and what it refuses, for the operator table. */
  readonly note?: string;
}

/** What a rule sees of its node, and where it emits. */
export class RuleContext {
  readonly node: Node;
  readonly build: GraphBuilder;
  readonly #info: ShapeInfo;
  readonly #cotangents: readonly Cotangent[];
  readonly #wanted: readonly boolean[];

  constructor(
    node: Node,
    build: GraphBuilder,
    info: ShapeInfo,
    cotangents: readonly Cotangent[],
    wanted: readonly boolean[],
  ) {
    this.node = node;
    this.build = build;
    this.#info = info;
    this.#cotangents = cotangents;
    this.#wanted = wanted;
  }

  /** The name of input `index`; an error where the node leaves it out. */
  input(index: number): string {
    const name = this.node.inputs[index];
    if (name === undefined || name === '') this.fail(`its input ${index} is missing`);
    return name;
  }

  hasInput(index: number): boolean {
    return (this.node.inputs[index] ?? '') !== '';
  }

  /** The name of output `index`. */
  output(index: number): string {
    const name = this.node.outputs[index];
    if (name === undefined || name === '') this.fail(`its output ${index} is missing`);
    return name;
  }

  hasOutput(index: number): boolean {
    return (this.node.outputs[index] ?? '') !== '';
  }

  /** Whether the gradient with respect to input `index` is asked for. */
  wants(index: number): boolean {
    return this.#wanted[index] ?? false;
  }

  /** The cotangent of output `index`, if it has one. */
  cotangent(index: number): Cotangent {
    return this.#cotangents[index];
  }

  /** The cotangent of the only output. The pass calls a rule only where there is one. */
  get dY(): string {
    const cotangent = this.#cotangents[0];
    if (cotangent === undefined)
      this.fail('only an output other than its first is used, for which there is no rule');
    return cotangent;
  }

  elementType(name: string): ElementType {
    const type = this.#info.typeOf(name)?.elementType;
    if (type === undefined) this.fail(`the element type of "${name}" is not known`);
    return type;
  }

  /** The shape of a forward value; an error where not even its rank is known. */
  shape(name: string): Shape {
    const shape = this.#info.typeOf(name)?.shape;
    if (shape === undefined) this.fail(`the rank of "${name}" is not known`);
    return shape;
  }

  rank(name: string): number {
    return this.shape(name).length;
  }

  /** The shape of a forward value where every dimension is a number. */
  staticShape(name: string): readonly number[] | undefined {
    const numbers: number[] = [];
    for (const dim of this.shape(name)) {
      if (typeof dim !== 'number') return undefined;
      numbers.push(dim);
    }
    return numbers;
  }

  /** The constant behind a name, if it is one. */
  constant(name: string): Tensor | undefined {
    return this.#info.constantOf(name);
  }

  /** The contents of a constant or inferred integer tensor whose elements are all known numbers. */
  integers(name: string): readonly number[] | undefined {
    const contents = this.#info.contentsOf(name);
    if (contents === undefined) return undefined;
    const numbers: number[] = [];
    for (const value of contents) {
      if (typeof value !== 'number') return undefined;
      numbers.push(value);
    }
    return numbers;
  }

  /** The shape of a forward value as a run-time int64 tensor; a constant where it is known. */
  shapeOf(name: string): string {
    const known = this.staticShape(name);
    return known === undefined ? this.build.op('Shape', [name]) : this.build.ints(known);
  }

  /** A scalar of the element type of `like`. */
  scalar(value: number, like: string): string {
    return this.build.scalar(this.elementType(like), value);
  }

  /** Zeros of the shape and type of a forward value. */
  zerosLike(name: string): string {
    return this.build.op('Expand', [this.scalar(0, name), this.shapeOf(name)]);
  }

  /** A non-negative axis. */
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis;
    if (positive < 0 || positive >= rank) this.fail(`its axis ${axis} is outside a tensor of rank ${rank}`);
    return positive;
  }

  /** Stops: this node cannot be differentiated, and why. */
  fail(reason: string): never {
    throw new NotDifferentiableError(
      this.node.name,
      this.node.op,
      `${describeNode(this.node)} cannot be differentiated: ${reason}`,
    );
  }
}
