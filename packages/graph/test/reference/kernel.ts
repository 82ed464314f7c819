/** What the interpreter hands to the implementation of one op, and how that reads it. */
import { describeNode, type Graph, intAttribute, intsAttribute, type Node } from '../../src/index.ts';
import { type Array64, InterpretationError } from './array64.ts';

/** One evaluation of a node. */
export interface Call {
  readonly node: Node;
  /** Version of the standard operator set. */
  readonly opset: number;
  /** Values of the inputs; undefined for those left out. */
  readonly inputs: readonly (Array64 | undefined)[];
  /** Evaluates a subgraph of the node, which sees the values around it. */
  run(graph: Graph): readonly Array64[];
}

/** Computes all outputs of an op (trailing ones that nobody wants are dropped by the interpreter). */
export type Kernel = (call: Call) => readonly Array64[];

export type Kernels = Readonly<Record<string, Kernel>>;

/** An input that has to be there. */
export function input(call: Call, position: number): Array64 {
  const value = call.inputs[position];
  if (value === undefined)
    throw new InterpretationError(`${describeNode(call.node)}: input ${position} is missing`);
  return value;
}

/** All inputs of a variadic op. */
export function allInputs(call: Call): readonly Array64[] {
  return call.inputs.map((_, i) => input(call, i));
}

/** A list of integers that is an input in newer operator sets and an attribute in older ones. */
export function integers(call: Call, position: number, attribute: string): readonly number[] | undefined {
  const value = call.inputs[position];
  return value === undefined ? intsAttribute(call.node, attribute) : [...value.values];
}

export function flag(node: Node, name: string, otherwise: boolean): boolean {
  return intAttribute(node, name, otherwise ? 1 : 0) !== 0;
}

export function floatsAttribute(node: Node, name: string): readonly number[] | undefined {
  const attribute = node.attributes[name];
  return attribute?.kind === 'floats' ? attribute.value : undefined;
}
