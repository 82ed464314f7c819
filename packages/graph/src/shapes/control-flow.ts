/** Types of the outputs of If and Loop, from their subgraphs. */
import { equalDims } from '../dim.ts';
import type { Dim, Graph, Node, Shape } from '../model.ts';
import { type Known, known, type NodeContext, numbersOf, type RuleTable, UNKNOWN } from './context.ts';

function graphAttribute(node: Node, name: string): Graph | undefined {
  const attribute = node.attributes[name];
  return attribute?.kind === 'graph' ? attribute.value : undefined;
}

/** The branch that runs if the condition is constant, else what both branches agree on. */
function conditional(context: NodeContext): readonly Known[] {
  const yes = graphAttribute(context.node, 'then_branch');
  const no = graphAttribute(context.node, 'else_branch');
  if (yes === undefined || no === undefined) return [];
  const [condition] = numbersOf(context, 0) ?? [];
  if (condition !== undefined) return context.subgraph(condition === 0 ? no : yes, []);
  const a = context.subgraph(yes, []);
  const b = context.subgraph(no, []);
  return a.map((value, i) => agreed(context, value, b[i] ?? UNKNOWN));
}

function agreed(context: NodeContext, a: Known, b: Known): Known {
  const elementType = a.elementType === b.elementType ? a.elementType : undefined;
  return known(elementType, agreedShape(context, a.shape, b.shape));
}

function agreedShape(context: NodeContext, a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (a === undefined || b === undefined || a.length !== b.length) return undefined;
  return a.map((dim, i) => (equalDims(dim, b[i] ?? '') ? dim : context.unknownSize()));
}

/**
 * Loop(trip count, condition, carried…) gives the carried values and, stacked, the body's scan outputs. A carried
 * shape that the body gives back unchanged holds by induction; dimensions that change are unknown.
 */
function loop(context: NodeContext): readonly Known[] {
  const body = graphAttribute(context.node, 'body');
  if (body === undefined) return [];
  const count = Math.max(0, context.inputs.length - 2);
  const initial = context.inputs.slice(2).map((input) => input ?? UNKNOWN);
  let carried: readonly Known[] = initial.map((value) => known(value.elementType, value.shape));
  let outputs: readonly Known[] = [];
  for (let round = 0; ; round++) {
    outputs = context.subgraph(body, [known('int64', []), known('bool', []), ...carried]);
    const after = outputs.slice(1, 1 + count);
    const stable = carried.every((value, i) => sameShape(value.shape, after[i]?.shape));
    if (stable) break;
    carried = carried.map((value, i) => {
      const shape = round < 4 ? agreedShape(context, value.shape, after[i]?.shape) : undefined;
      return known(value.elementType, shape);
    });
    if (round > 5) return carried;
  }
  const [trips] = context.inputs[0]?.contents ?? [];
  const conditionGiven = (context.node.inputs[1] ?? '') !== '';
  // A condition may end the loop early, so the trip count is only an upper bound of the stacked length.
  const length = trips === undefined || trips === '' || conditionGiven ? undefined : trips;
  const scans = outputs.slice(1 + count).map(({ elementType, shape }) => {
    return known(elementType, shape && [length ?? context.unknownSize(), ...shape]);
  });
  return [...carried, ...scans].map(({ elementType, shape }) => {
    return known(
      elementType,
      shape?.map((dim) => (isAnonymous(dim) ? context.unknownSize() : dim)),
    );
  });
}

/** A size without a name may change from one iteration to the next. */
function isAnonymous(dim: Dim): boolean {
  return typeof dim === 'string' && (dim === '' || dim.includes('?'));
}

function sameShape(a: Shape | undefined, b: Shape | undefined): boolean {
  if (a === undefined) return true;
  if (b === undefined || a.length !== b.length) return false;
  return a.every((dim, i) => isAnonymous(dim) || equalDims(dim, b[i] ?? ''));
}

export const controlFlowRules = {
  If: conditional,
  Loop: loop,
} as const satisfies RuleTable;
