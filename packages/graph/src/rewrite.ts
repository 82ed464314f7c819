/** Small rewrites that keep a model's meaning: renaming values, replacing weights, pruning. */
import { GraphError } from './errors.ts';
import type { Attribute, Graph, Model, Node } from './model.ts';
import type { Tensor } from './tensor.ts';

/**
 * The model with initializers replaced, name by name; shapes and types stay as they were.
 *
 * @throws GraphError if a name is no initializer, or a tensor has another shape or type
 */
export function withInitializers(model: Model, weights: ReadonlyMap<string, Tensor>): Model {
  const initializers = new Map(model.graph.initializers);
  for (const [name, value] of weights) {
    const old = initializers.get(name);
    if (old === undefined) throw new GraphError(`the graph has no initializer named "${name}"`);
    if (old.elementType !== value.elementType || old.dims.join() !== value.dims.join()) {
      throw new GraphError(
        `"${name}" is ${old.elementType}[${old.dims.join(', ')}] and cannot become ${value.elementType}[${value.dims.join(', ')}]`,
      );
    }
    initializers.set(name, { ...old, data: value.data });
  }
  return { ...model, graph: { ...model.graph, initializers } };
}

/** The graph with values renamed everywhere (inputs, outputs, initializers, nodes, subgraphs' outer references). */
export function renameValues(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const rename = (name: string) => names.get(name) ?? name;
  const renameNode = (node: Node): Node => ({
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
    attributes: Object.fromEntries(
      Object.entries(node.attributes).map(([key, attribute]): [string, Attribute] => {
        if (attribute.kind === 'graph')
          return [key, { kind: 'graph', value: renameValues(attribute.value, names) }];
        if (attribute.kind === 'graphs') {
          return [key, { kind: 'graphs', value: attribute.value.map((inner) => renameValues(inner, names)) }];
        }
        return [key, attribute];
      }),
    ),
  });
  return {
    ...graph,
    nodes: graph.nodes.map(renameNode),
    inputs: graph.inputs.map((info) => ({ ...info, name: rename(info.name) })),
    outputs: graph.outputs.map((info) => ({ ...info, name: rename(info.name) })),
    initializers: new Map([...graph.initializers].map(([name, value]) => [rename(name), value])),
    valueInfo: new Map(
      [...graph.valueInfo].map(([name, info]) => [rename(name), { ...info, name: rename(name) }]),
    ),
  };
}

/** The names that the nodes of subgraphs take from outside. */
export function outerReferences(node: Node): readonly string[] {
  return Object.values(node.attributes).flatMap((attribute) => {
    const graphs =
      attribute.kind === 'graph' ? [attribute.value] : attribute.kind === 'graphs' ? attribute.value : [];
    return graphs.flatMap((graph) => [
      ...graph.outputs.map(({ name }) => name),
      ...graph.nodes.flatMap((inner) => [...inner.inputs, ...outerReferences(inner)]),
    ]);
  });
}

/** The model with only these outputs, and without the nodes and initializers that they do not need. */
export function keepOutputs(model: Model, names: readonly string[]): Model {
  const { graph } = model;
  const outputs = names.map((name) => {
    const output = graph.outputs.find((info) => info.name === name);
    if (output === undefined) throw new GraphError(`the model has no output named "${name}"`);
    return output;
  });
  const needed = new Set(names);
  const nodes: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    nodes.unshift(node);
    for (const name of [...node.inputs, ...outerReferences(node)]) needed.add(name);
  }
  const initializers = new Map([...graph.initializers].filter(([name]) => needed.has(name)));
  return { ...model, graph: { ...graph, nodes, outputs, initializers } };
}
