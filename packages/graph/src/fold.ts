/** Constant folding: nodes that compute the same at every run are replaced by their results. */
import type { Attribute, Graph, Model, Node } from './model.ts';
import { inferShapes, type ShapeInfo } from './shapes/infer.ts';
import { elementCount, type Tensor } from './tensor.ts';

export interface FoldOptions {
  /** Values that stay as they are: their nodes are neither folded nor dropped. */
  readonly keep?: Iterable<string>;
  /** Also fold what is computed from floating-point initializers of rank ≥ 1 (weights). Default false. */
  readonly weights?: boolean;
  /** Results with more elements are not folded. Default 65536. */
  readonly maxElements?: number;
}

/**
 * Evaluates nodes whose results do not depend on the graph's inputs (among them the shape arithmetic on sizes that are
 * fixed) and drops nodes that nothing uses. A folded value keeps its name and is given by a Constant node; graph
 * inputs, outputs and initializers keep their names, and initializers that only folded nodes used are dropped.
 *
 * Results are those of a runtime, bit for bit: integers exact, floats correctly rounded; operations of which runtimes
 * give slightly different results (Exp, sums of floats) are not folded. Subgraphs are left as they are.
 *
 * @throws GraphError if a node cannot take inputs of their shapes
 */
export function foldConstants(model: Model, options: FoldOptions = {}): Model {
  const { graph } = model;
  const keep = new Set(options.keep ?? []);
  const maxElements = options.maxElements ?? 65_536;
  const info = inferShapes(fixedInitializersOnly(model), { maxElements });
  const bound = options.weights === true ? new Set<string>() : weightsIn(graph);
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    // Shape and Size look at no element.
    const fromWeights =
      node.op !== 'Shape' && node.op !== 'Size' && uses(node).some((name) => bound.has(name));
    if (fromWeights) for (const output of node.outputs) bound.add(output);
    const constants =
      fromWeights || hasGraphs(node) ? undefined : foldedOutputs(node, info, keep, maxElements);
    if (constants === undefined) nodes.push(node);
    else nodes.push(...constants);
  }
  const live = liveNodes(graph, nodes, keep);
  return { ...model, graph: { ...graph, nodes: live, initializers: stillUsed(graph, live, keep) } };
}

/** From IR version 4 on, an initializer that is also an input is only a default; before, all had to be inputs. */
function fixedInitializersOnly(model: Model): Model {
  if (model.irVersion < 4) return model;
  const overridable = new Set(model.graph.inputs.map((input) => input.name));
  const initializers = new Map([...model.graph.initializers].filter(([name]) => !overridable.has(name)));
  return { ...model, graph: { ...model.graph, initializers } };
}

function weightsIn(graph: Graph): Set<string> {
  const weights = new Set<string>();
  for (const [name, { elementType, dims }] of graph.initializers) {
    if (/float|complex/.test(elementType) && dims.length > 0) weights.add(name);
  }
  return weights;
}

/** The node as Constant nodes, if all its outputs are constant. */
function foldedOutputs(
  node: Node,
  info: ShapeInfo,
  keep: ReadonlySet<string>,
  maxElements: number,
): readonly Node[] | undefined {
  if (node.op === 'Constant' || node.domain !== '') return undefined;
  const folded: Node[] = [];
  for (const output of node.outputs) {
    if (output === '') continue;
    const value = keep.has(output) ? undefined : info.constantOf(output);
    if (value === undefined || elementCount(value.dims) > maxElements) return undefined;
    folded.push(constantNode(output, value, node.name));
  }
  return folded;
}

function constantNode(output: string, value: Tensor, name: string): Node {
  return {
    op: 'Constant',
    domain: '',
    name,
    inputs: [],
    outputs: [output],
    attributes: { value: { kind: 'tensor', value } },
  };
}

function liveNodes(graph: Graph, nodes: readonly Node[], keep: ReadonlySet<string>): readonly Node[] {
  const needed = new Set([...keep, ...graph.outputs.map((output) => output.name)]);
  const live: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    for (const name of uses(node)) needed.add(name);
    live.push(node);
  }
  return live.reverse();
}

function stillUsed(
  graph: Graph,
  live: readonly Node[],
  keep: ReadonlySet<string>,
): ReadonlyMap<string, Tensor> {
  const before = new Set(graph.nodes.flatMap(uses));
  const after = new Set(live.flatMap(uses));
  const named = new Set([...keep, ...[...graph.inputs, ...graph.outputs].map((value) => value.name)]);
  return new Map(
    [...graph.initializers].filter(([name]) => after.has(name) || !before.has(name) || named.has(name)),
  );
}

/** Names that a node reads, those that its subgraphs capture included. */
function uses(node: Node): readonly string[] {
  return [...node.inputs.filter((name) => name !== ''), ...graphsOf(node).flatMap(usedIn)];
}

function usedIn(graph: Graph): readonly string[] {
  return [...graph.nodes.flatMap(uses), ...graph.outputs.map((output) => output.name)];
}

function hasGraphs(node: Node): boolean {
  return graphsOf(node).length > 0;
}

function graphsOf(node: Node): readonly Graph[] {
  return Object.values(node.attributes).flatMap((attribute: Attribute) => {
    if (attribute.kind === 'graph') return [attribute.value];
    return attribute.kind === 'graphs' ? attribute.value : [];
  });
}
