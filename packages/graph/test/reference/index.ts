/**
 * A reference interpreter of ONNX graphs in float64, for tests only.
 *
 * Each op is written as its specification reads, one output element at a time, with every index checked. It
 * shares nothing with the code that it is there to check, and is checked itself against ONNX's backend tests.
 */
import {
  type Attribute,
  describeNode,
  type Graph,
  type Model,
  type Node,
  type Tensor,
  toNumbers,
} from '../../src/index.ts';
import { type Array64, array64, InterpretationError } from './array64.ts';
import { attentions } from './attention.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { input, type Kernels } from './kernel.ts';
import { linear } from './linear.ts';
import { losses } from './loss.ts';
import { normalizations } from './normalization.ts';
import { reductions } from './reduction.ts';
import { resizing } from './resize.ts';
import { shapes } from './shape.ts';
import { windows } from './window.ts';

export { type Array64, array64, InterpretationError } from './array64.ts';

/** Control flow: the branch is evaluated in place, and sees the values around it. */
const control: Kernels = {
  If: (call) => {
    const [condition = 0] = input(call, 0).values;
    const branch: Attribute | undefined =
      call.node.attributes[condition === 0 ? 'else_branch' : 'then_branch'];
    if (branch?.kind !== 'graph') throw new InterpretationError('If has no graph for this branch');
    return call.run(branch.value);
  },
};

const KERNELS: ReadonlyMap<string, Kernels[string]> = new Map(
  Object.entries({
    ...attentions,
    ...control,
    ...elementwise,
    ...indexing,
    ...linear,
    ...losses,
    ...normalizations,
    ...reductions,
    ...resizing,
    ...shapes,
    ...windows,
  }),
);

/** Names of the ops of the standard domain that can be interpreted. */
export const REFERENCE_OPS: ReadonlySet<string> = new Set(KERNELS.keys());

/** Whether the interpreter has every op of a graph, those of its subgraphs included. */
export function canInterpret(graph: Graph): boolean {
  return graph.nodes.every(
    (node) =>
      isStandard(node) &&
      REFERENCE_OPS.has(node.op) &&
      Object.values(node.attributes).every(
        (attribute) => attribute.kind !== 'graph' || canInterpret(attribute.value),
      ),
  );
}

/**
 * Evaluates a model.
 *
 * @param feeds values by name; they may also stand in for initializers (so that weights can be perturbed)
 * @returns all outputs of the graph. Floats of any width are computed in float64 and never rounded.
 */
export function interpret(model: Model, feeds: Readonly<Record<string, Array64>>): Record<string, Array64> {
  const opset = model.opsets.get('') ?? model.opsets.get('ai.onnx') ?? 1;
  const values = evaluate(model.graph, new Map(Object.entries(feeds)), opset);
  return Object.fromEntries(model.graph.outputs.map(({ name }) => [name, lookUp(values, name)]));
}

/** A stored tensor as an array. */
export function fromTensor(value: Tensor): Array64 {
  return array64(value.elementType, value.dims, toNumbers(value));
}

function isStandard(node: Node): boolean {
  return node.domain === '' || node.domain === 'ai.onnx';
}

function lookUp(values: ReadonlyMap<string, Array64>, name: string): Array64 {
  const value = values.get(name);
  if (value === undefined) throw new InterpretationError(`nothing gives "${name}"`);
  return value;
}

/** All values of a graph by name, those around it included. */
function evaluate(
  graph: Graph,
  given: ReadonlyMap<string, Array64>,
  opset: number,
): ReadonlyMap<string, Array64> {
  const values = new Map(given);
  for (const [name, tensor] of graph.initializers) {
    if (!values.has(name)) values.set(name, fromTensor(tensor));
  }
  for (const node of graph.nodes) {
    const kernel = isStandard(node) ? KERNELS.get(node.op) : undefined;
    if (kernel === undefined) throw new InterpretationError(`${describeNode(node)}: op is not supported`);
    const outputs = kernel({
      node,
      opset,
      inputs: node.inputs.map((name) => (name === '' ? undefined : lookUp(values, name))),
      run: (subgraph) => {
        const inner = evaluate(subgraph, values, opset);
        return subgraph.outputs.map(({ name }) => lookUp(inner, name));
      },
    });
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      const value = outputs[i];
      if (value === undefined)
        throw new InterpretationError(`${describeNode(node)}: output ${i} is not supported`);
      values.set(name, value);
    });
  }
  return values;
}
