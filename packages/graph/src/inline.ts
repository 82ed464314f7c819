/**
 * Puts the branch of an If in its place where the condition is known beforehand.
 *
 * PyTorch's exporter writes `squeeze` as an If on the size of the axis; once shapes are inferred the size is known,
 * and what is left is a plain graph that other transformations can follow.
 */
import { namesIn } from './differentiate/names.ts';
import type { Graph, Model, Node } from './model.ts';
import { renameValues } from './rewrite.ts';
import { inferShapes } from './shapes/index.ts';
import { type Tensor, toNumbers } from './tensor.ts';

/**
 * The model with every If of a constant condition replaced by the nodes of its branch, those inside branches
 * included; the same object if there is none. Names of outputs stay; inner names change where they are taken.
 */
export function inlineConditionals(model: Model): Model {
  let current = model;
  for (;;) {
    const next = inlineOnce(current);
    if (next === current) return current;
    current = next;
  }
}

function inlineOnce(model: Model): Model {
  const { graph } = model;
  if (!graph.nodes.some(isConditional)) return model;
  const info = inferShapes(model);
  const taken = namesIn(graph);
  const initializers = new Map(graph.initializers);
  const nodes: Node[] = [];
  let found = false;
  for (const node of graph.nodes) {
    const branch = isConditional(node)
      ? chosenBranch(node, info.constantOf(node.inputs[0] ?? ''))
      : undefined;
    if (branch === undefined) {
      nodes.push(node);
      continue;
    }
    found = true;
    const inlined = inPlaceOf(node, branch, taken);
    nodes.push(...inlined.nodes);
    for (const [name, value] of inlined.initializers) initializers.set(name, value);
  }
  return found ? { ...model, graph: { ...graph, nodes, initializers } } : model;
}

function isConditional(node: Node): boolean {
  return node.op === 'If' && node.domain === '';
}

function chosenBranch(node: Node, condition: Tensor | undefined): Graph | undefined {
  if (condition === undefined) return undefined;
  const [value] = toNumbers(condition);
  const attribute = node.attributes[value === 0 ? 'else_branch' : 'then_branch'];
  return attribute?.kind === 'graph' ? attribute.value : undefined;
}

/** The branch's nodes, which give the If's outputs. */
function inPlaceOf(
  node: Node,
  branch: Graph,
  taken: Set<string>,
): { readonly nodes: readonly Node[]; readonly initializers: ReadonlyMap<string, Tensor> } {
  // A branch sees the values around it, and its own names need only differ from those; another branch may share them.
  const own = [...branch.initializers.keys(), ...branch.nodes.flatMap(({ outputs }) => outputs)];
  const names = new Map<string, string>();
  for (const name of own) {
    if (name === '') continue;
    let fresh = `${name}.inlined`;
    while (taken.has(fresh)) fresh += '_';
    taken.add(fresh);
    names.set(name, fresh);
  }
  const renamed = renameValues(branch, names);
  const given = node.outputs.flatMap((output, i): Node[] => {
    const source = renamed.outputs[i]?.name;
    if (output === '' || source === undefined) return [];
    return [{ op: 'Identity', domain: '', name: '', inputs: [source], outputs: [output], attributes: {} }];
  });
  return { nodes: [...renamed.nodes, ...given], initializers: renamed.initializers };
}
