/** The marker that stops a gradient: an identity that counts as a constant while differentiating. */
import type { Model, Node } from '../model.ts';
import { ASSAY_DOMAIN } from './table.ts';

/**
 * A node `output = input` through which no gradient flows. Differentiation leaves a plain Identity in its place.
 */
export function makeStopGradient(input: string, output: string): Node {
  return {
    op: 'StopGradient',
    domain: ASSAY_DOMAIN,
    name: '',
    inputs: [input],
    outputs: [output],
    attributes: {},
  };
}

/** Replaces the markers by Identity, so that a runtime takes the model. */
export function removeStopGradients(model: Model): Model {
  const isMarker = (node: Node) => node.domain === ASSAY_DOMAIN && node.op === 'StopGradient';
  if (!model.graph.nodes.some(isMarker)) return model;
  const nodes = model.graph.nodes.map((node) =>
    isMarker(node) ? { ...node, op: 'Identity', domain: '' } : node,
  );
  const opsets = new Map([...model.opsets].filter(([domain]) => domain !== ASSAY_DOMAIN));
  return { ...model, opsets, graph: { ...model.graph, nodes } };
}
