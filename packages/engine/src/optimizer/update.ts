/** What the update rules of the optimisers share. */
import type { ElementType, GraphBuilder, Tensor } from '@assay/graph';

/** Element types in which parameters can be trained. */
export type ParameterType = Extract<ElementType, 'float32' | 'float64' | 'float16'>;

/** One vector of parameters that is updated as a whole: a single parameter, or several small ones laid end to end. */
export interface Group {
  /** Names the group in the names of its state. */
  readonly label: string;
  readonly elementType: ParameterType;
  readonly dims: readonly number[];
  /** Value names. */
  readonly parameter: string;
  readonly gradient: string;
}

/** A rule's access to the graph that is extended. */
export interface UpdateContext {
  readonly build: GraphBuilder;
  /** The learning rate as a float32 scalar. */
  readonly learningRate: string;
  /**
   * Declares a tensor that lives from step to step.
   *
   * @returns the name of its current value; give its next value to `next`
   */
  state(hint: string, initial: Tensor): { readonly current: string; next(value: string): void };
}

/** Gives the name of the updated parameter vector of each group, in order. */
export type UpdateRule = (groups: readonly Group[], context: UpdateContext) => readonly string[];

/** A scalar value as another type; nothing is emitted where it already has it. */
export function castScalar(build: GraphBuilder, value: string, from: ElementType, to: ElementType): string {
  return from === to ? value : build.op('Cast', [value], { to: CAST_NUMBERS[to] ?? 1 });
}

/** Numbers of `TensorProto.DataType`. */
const CAST_NUMBERS: Partial<Record<ElementType, number>> = { float32: 1, float16: 10, float64: 11 };

/** a·x, in the type of x; x itself where a is 1. */
export function scaled(build: GraphBuilder, elementType: ElementType, factor: number, value: string): string {
  return factor === 1 ? value : build.op('Mul', [value, build.scalar(elementType, factor)]);
}
