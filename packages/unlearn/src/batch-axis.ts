/** Models that were exported for a fixed number of rows, opened for any number of them. */
import {
  freeInputs,
  GraphBuilder,
  inferShapes,
  intAttribute,
  type Model,
  type Node,
  namesIn,
  tensor,
  toNumbers,
  type ValueInfo,
} from '@assay/graph';

/** The number of rows that a model's file fixes; undefined where it takes any. */
export function fixedBatch(model: Model): number | undefined {
  const sizes = freeInputs(model.graph).map(({ type }) => type?.shape?.[0]);
  return sizes.find((size) => typeof size === 'number');
}

/**
 * The model with its first axis open, where the file fixes it: rows are stacked there.
 *
 * A Reshape to a constant shape that begins with the number of rows takes that number from what it is given instead
 * (a 0 in the shape), which is the same at the old number of rows. Whether the rest of the graph bears other numbers of
 * rows has to be tried.
 */
export function withDynamicBatch(model: Model): Model {
  const rows = fixedBatch(model);
  if (rows === undefined) return model;
  const { graph } = model;
  const isFree = new Set(freeInputs(graph).map(({ name }) => name));
  const open = (info: ValueInfo): ValueInfo => {
    const { type } = info;
    if (type?.shape?.[0] !== rows) return info;
    return { ...info, type: { ...type, shape: ['objective.stacked', ...type.shape.slice(1)] } };
  };
  const info = inferShapes(model);
  const build = new GraphBuilder(namesIn(graph), 'rows');
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== 'Reshape' || node.domain !== '' || intAttribute(node, 'allowzero', 0) !== 0) return node;
    const [data = '', shape = ''] = node.inputs;
    const wanted = [...toNumbers(info.constantOf(shape) ?? tensor('int64', [0], []))];
    if (wanted[0] !== rows || info.typeOf(data)?.shape?.[0] !== rows) return node;
    return { ...node, inputs: [data, build.ints([0, ...wanted.slice(1)])] };
  });
  return {
    ...model,
    graph: {
      ...graph,
      nodes,
      inputs: graph.inputs.map((input) => (isFree.has(input.name) ? open(input) : input)),
      outputs: graph.outputs.map(open),
      initializers: new Map([...graph.initializers, ...build.initializers]),
      valueInfo: new Map(),
    },
  };
}
