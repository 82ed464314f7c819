/** Brings models of older operator sets to the one in which this package works. */
import { EMITTED_IR_VERSION, EMITTED_OPSET, GraphBuilder } from './build.ts';
import { elementTypeOf } from './codec/elements.ts';
import { GraphError } from './errors.ts';
import {
  type Attribute,
  type ElementType,
  freeInputs,
  type Graph,
  intAttribute,
  type Model,
  type Node,
} from './model.ts';
import { OLDEST_OPSET } from './opsets.ts';
import { type Scope, UpgradeContext } from './upgrade/context.ts';
import { STEPS } from './upgrade/steps.ts';

export interface UpgradeOptions {
  /** Ranks that the caller knows (from shape inference, say); they spare nodes around old Softmax. */
  readonly rankOf?: (name: string) => number | undefined;
  /** The oldest operator set to accept: 7 by default, or 6 (PyTorch 0.3), whose broadcasting was another. */
  readonly oldest?: 6 | 7;
}

/**
 * Rewrites a model to a newer operator set, so that what follows needs to know one form of each operator only.
 *
 * Names of values, nodes and initializers stay; constants and values that are added get fresh names. The IR
 * version rises as needed; where it was below 4, initializers that were listed as inputs (as it asked) are
 * listed no more. A model that is at least as new comes back as it is, the same object.
 *
 * @param target {@link EMITTED_OPSET} or newer
 * @throws GraphError if the model is older than operator set 7, or a node has no newer form
 */
export function upgradeModel(
  model: Model,
  target: number = EMITTED_OPSET,
  options: UpgradeOptions = {},
): Model {
  if (target < EMITTED_OPSET) {
    throw new GraphError(
      `Models can be upgraded to operator set ${EMITTED_OPSET} or newer, not to ${target}.`,
    );
  }
  const opset = model.opsets.get('');
  if (opset === undefined || opset >= target) return model;
  const oldest = options.oldest ?? OLDEST_OPSET;
  if (opset < oldest) {
    throw new GraphError(
      `The model uses operator set ${opset}, which is too old; export it again with ${oldest} or newer (${EMITTED_OPSET} is best).`,
    );
  }
  const builder = new GraphBuilder(allNames(model.graph), 'upgrade');
  const setting: Setting = {
    opset,
    builder,
    floatType: onlyFloatType(model.graph),
    rankOf: options.rankOf ?? (() => undefined),
  };
  const graph = upgradeGraph(model.graph, undefined, setting);
  return {
    ...model,
    irVersion: Math.max(model.irVersion, EMITTED_IR_VERSION),
    opsets: new Map(model.opsets).set('', target),
    graph: {
      ...graph,
      inputs: model.irVersion < 4 ? freeInputs(graph) : graph.inputs,
      initializers: new Map([...graph.initializers, ...builder.initializers]),
    },
  };
}

interface Setting {
  readonly opset: number;
  readonly builder: GraphBuilder;
  readonly floatType: ElementType | undefined;
  readonly rankOf: (name: string) => number | undefined;
}

function upgradeGraph(graph: Graph, outer: Scope | undefined, setting: Setting): Graph {
  const scope: Scope = {
    graph,
    outer,
    used: usedNames(graph),
    producers: new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const))),
  };
  const context = new UpgradeContext(
    scope,
    setting.builder,
    setting.opset,
    setting.floatType,
    setting.rankOf,
  );
  const nodes = graph.nodes.flatMap((node) => upgradeNode(node, setting.opset, context));
  return {
    ...graph,
    nodes: nodes.map((node) => withSubgraphs(node, (inner) => upgradeGraph(inner, scope, setting))),
  };
}

/** Applies the changes of form that came after operator set `from`, one after the other. */
function upgradeNode(node: Node, from: number, context: UpgradeContext): readonly Node[] {
  if (node.domain !== '') return [node];
  const step = STEPS.get(node.op)?.find(({ since }) => since > from);
  if (step === undefined) return [node];
  return step.rewrite(node, context).flatMap((next) => upgradeNode(next, step.since, context));
}

function withSubgraphs(node: Node, change: (graph: Graph) => Graph): Node {
  const entries = Object.entries(node.attributes);
  if (!entries.some(([, { kind }]) => kind === 'graph' || kind === 'graphs')) return node;
  const changed = entries.map(([name, attribute]): readonly [string, Attribute] => {
    if (attribute.kind === 'graph') return [name, { kind: 'graph', value: change(attribute.value) }];
    if (attribute.kind === 'graphs') return [name, { kind: 'graphs', value: attribute.value.map(change) }];
    return [name, attribute];
  });
  return { ...node, attributes: Object.fromEntries(changed) };
}

/** Every graph inside a graph, itself first. */
function* graphsIn(graph: Graph): Generator<Graph> {
  yield graph;
  for (const node of graph.nodes) {
    for (const attribute of Object.values(node.attributes)) {
      if (attribute.kind === 'graph') yield* graphsIn(attribute.value);
      if (attribute.kind === 'graphs') for (const inner of attribute.value) yield* graphsIn(inner);
    }
  }
}

function allNames(graph: Graph): Set<string> {
  const names = new Set<string>();
  for (const { nodes, inputs, outputs, initializers, valueInfo } of graphsIn(graph)) {
    for (const name of [...initializers.keys(), ...valueInfo.keys()]) names.add(name);
    for (const { name } of [...inputs, ...outputs]) names.add(name);
    for (const node of nodes) for (const name of [...node.inputs, ...node.outputs]) names.add(name);
  }
  return names;
}

function usedNames(graph: Graph): Set<string> {
  const used = new Set<string>();
  for (const inner of graphsIn(graph)) {
    for (const node of inner.nodes) for (const name of node.inputs) used.add(name);
    for (const { name } of inner.outputs) used.add(name);
  }
  return used;
}

const FLOAT_TYPES: ReadonlySet<ElementType> = new Set(['float32', 'float64', 'float16', 'bfloat16']);

/**
 * The floating-point type of the whole model if it knows only one: values get their types from inputs,
 * initializers, constants and casts, so that all floating-point values are of it.
 */
function onlyFloatType(graph: Graph): ElementType | undefined {
  const found = new Set<ElementType>();
  const see = (type: ElementType | undefined) => {
    if (type !== undefined && FLOAT_TYPES.has(type)) found.add(type);
  };
  for (const { nodes, inputs, outputs, initializers, valueInfo } of graphsIn(graph)) {
    for (const value of [...inputs, ...outputs, ...valueInfo.values()]) see(value.type?.elementType);
    for (const { elementType } of initializers.values()) see(elementType);
    for (const node of nodes) {
      see(elementTypeOf(intAttribute(node, 'to', intAttribute(node, 'dtype', 0))));
      for (const attribute of Object.values(node.attributes)) {
        if (attribute.kind === 'tensor') see(attribute.value.elementType);
      }
      if (node.domain !== '') return undefined;
    }
  }
  const [only, ...others] = found;
  return others.length === 0 ? only : undefined;
}
