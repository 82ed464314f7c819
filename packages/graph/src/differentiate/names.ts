/** Every name that a graph uses, with those of its subgraphs. */
import type { Graph } from '../model.ts';

export function namesIn(graph: Graph): Set<string> {
  const names = new Set<string>(graph.initializers.keys());
  for (const { name } of [...graph.inputs, ...graph.outputs]) names.add(name);
  for (const node of graph.nodes) {
    for (const name of [...node.inputs, ...node.outputs]) if (name !== '') names.add(name);
    for (const attribute of Object.values(node.attributes)) {
      const graphs =
        attribute.kind === 'graph' ? [attribute.value] : attribute.kind === 'graphs' ? attribute.value : [];
      for (const inner of graphs) for (const name of namesIn(inner)) names.add(name);
    }
  }
  return names;
}
