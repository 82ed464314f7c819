/**
 * ONNX's own `ai.onnx.preview.training.Gradient` node, expanded into standard operators.
 *
 * Its attributes name values of the surrounding graph: y is differentiated with respect to xs, with zs held fixed;
 * its inputs are the points at which the derivatives are taken (one for each of xs, then of zs). Where an input is
 * the value of that name itself, the forward pass is there already; otherwise the part of the graph between it and
 * y is written again with the input in its place.
 *
 * Source: ONNX operator specification, ai.onnx.preview.training, Gradient-1.
 */
import { GraphBuilder } from '../build.ts';
import { GraphError } from '../errors.ts';
import { describeNode, type Graph, type Model, type Node, type ValueInfo } from '../model.ts';
import { inferShapes } from '../shapes/index.ts';
import { namesIn } from './names.ts';
import { reverse } from './reverse.ts';

const DOMAIN = 'ai.onnx.preview.training';

const isGradient = (node: Node) => node.domain === DOMAIN && node.op === 'Gradient';

/** The model without Gradient nodes; the same object if it has none. */
export function expandGradientNodes(model: Model): Model {
  let current = model;
  for (;;) {
    const index = current.graph.nodes.findIndex(isGradient);
    if (index < 0) break;
    current = expandOne(current, index);
  }
  if (current === model) return model;
  return { ...current, opsets: new Map([...current.opsets].filter(([domain]) => domain !== DOMAIN)) };
}

function expandOne(model: Model, index: number): Model {
  const { graph } = model;
  const node = graph.nodes[index];
  if (node === undefined) return model;
  const xs = stringsOf(node, 'xs');
  const zs = node.attributes.zs === undefined ? [] : stringsOf(node, 'zs');
  const yAttribute = node.attributes.y;
  if (yAttribute?.kind !== 'string')
    throw new GraphError(`${describeNode(node)} does not say which value y it is of`);
  const y = yAttribute.value;
  const points = [...xs, ...zs];
  if (points.length !== node.inputs.length) {
    throw new GraphError(
      `${describeNode(node)} names ${points.length} values in xs and zs but has ${node.inputs.length} inputs`,
    );
  }

  const build = new GraphBuilder(namesIn(graph));
  const forward = graph.nodes.slice(0, index);
  const replaced = new Map(
    points.flatMap((name, i) => (node.inputs[i] === name ? [] : [[name, node.inputs[i] ?? '']])),
  );
  const copies = copyDependents(build, forward, replaced);
  const renamed = (name: string) => copies.names.get(name) ?? name;
  const nodes = [...forward, ...copies.nodes];

  const types =
    copies.nodes.length === 0 ? graph : { ...graph, nodes: [...nodes, ...graph.nodes.slice(index + 1)] };
  const info = inferShapes({ ...model, graph: types });
  const target = renamed(y);
  const type = info.typeOf(target);
  if (type?.shape === undefined)
    throw new GraphError(`${describeNode(node)}: the shape of "${y}" cannot be inferred`);
  const one = build.scalar(type.elementType, 1);
  const seed = type.shape.length === 0 ? one : build.op('Expand', [one, build.op('Shape', [target])]);
  const wanted = xs.map((name, i) => node.inputs[i] ?? name);
  const gradients = reverse({
    nodes,
    info,
    build,
    seeds: new Map([[target, seed]]),
    withRespectTo: new Set(wanted),
  });
  node.outputs.forEach((output, i) => {
    if (output === '') return;
    const at = wanted[i] ?? '';
    const gradient =
      gradients.get(at) ?? build.op('Expand', [build.scalar(type.elementType, 0), build.op('Shape', [at])]);
    build.node({
      op: 'Identity',
      domain: '',
      name: '',
      inputs: [gradient],
      outputs: [output],
      attributes: {},
    });
  });

  const expanded: Graph = {
    ...graph,
    nodes: [...nodes, ...build.nodes, ...graph.nodes.slice(index + 1)],
    initializers: new Map([...graph.initializers, ...build.initializers]),
    valueInfo: new Map(
      [...graph.valueInfo].filter(([, info]: [string, ValueInfo]) => info.type !== undefined),
    ),
  };
  return { ...model, graph: expanded };
}

/** The nodes that depend on replaced values, written again on what replaces them. */
function copyDependents(
  build: GraphBuilder,
  nodes: readonly Node[],
  replaced: ReadonlyMap<string, string>,
): { nodes: readonly Node[]; names: ReadonlyMap<string, string> } {
  const names = new Map(replaced);
  const copies: Node[] = [];
  for (const node of nodes) {
    if (!node.inputs.some((input) => names.has(input))) continue;
    const inputs = node.inputs.map((input) => names.get(input) ?? input);
    const outputs = node.outputs.map((output) => {
      // A value that is replaced itself stays replaced: it is a point, not something to compute.
      if (output === '' || replaced.has(output)) return output === '' ? '' : build.fresh('unused');
      const copy = build.fresh(output);
      names.set(output, copy);
      return copy;
    });
    copies.push({ ...node, inputs, outputs });
  }
  return { nodes: copies, names };
}

function stringsOf(node: Node, name: string): readonly string[] {
  const attribute = node.attributes[name];
  if (attribute?.kind !== 'strings')
    throw new GraphError(`${describeNode(node)} lacks its attribute "${name}"`);
  return attribute.value;
}
