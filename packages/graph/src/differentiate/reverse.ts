/**
 * The reverse pass: walks the nodes from last to first, asks each rule for the cotangents of its inputs, and sums
 * those that several nodes give to one value.
 *
 * For y = f(x) with Jacobian J, a rule maps ȳ to x̄ = Jᵀȳ. A value that no cotangent has reached has none: nothing
 * is built for it, and no tensor of zeros stands for it.
 */
import type { GraphBuilder } from '../build.ts';
import { NotDifferentiableError } from '../errors.ts';
import { describeNode, type Node } from '../model.ts';
import { outerReferences } from '../rewrite.ts';
import type { ShapeInfo } from '../shapes/index.ts';
import { RuleContext } from './rule.ts';
import { gradientOf } from './table.ts';

export interface ReversePass {
  readonly nodes: readonly Node[];
  readonly info: ShapeInfo;
  readonly build: GraphBuilder;
  /** Cotangents to start from: forward value → name of its cotangent. */
  readonly seeds: ReadonlyMap<string, string>;
  /** Forward values whose gradient is wanted. */
  readonly withRespectTo: ReadonlySet<string>;
}

const FLOATING = new Set(['float32', 'float64', 'float16', 'bfloat16']);

/**
 * Emits the gradient nodes.
 *
 * @returns the cotangent of each wanted value that the seeds depend on; the others are absent
 * @throws NotDifferentiableError if a node between them has no rule
 */
export function reverse(pass: ReversePass): ReadonlyMap<string, string> {
  const { nodes, info, build, seeds, withRespectTo } = pass;
  const active = activeValues(nodes, info, withRespectTo);
  const contributions = new Map<string, string[]>();
  for (const [value, cotangent] of seeds) {
    if (active.has(value)) contributions.set(value, [cotangent]);
  }

  for (const node of [...nodes].reverse()) {
    const cotangents = node.outputs.map((output) => collect(build, contributions, output));
    if (cotangents.every((cotangent) => cotangent === undefined)) continue;
    const gradient = gradientOf(node);
    if (gradient === undefined) throw noRule(node);
    if (gradient === 'zero') continue;
    const flows = (index: number) =>
      gradient.differentiable === 'all' || gradient.differentiable.includes(index);
    const wanted = node.inputs.map((input, index) => flows(index) && active.has(input));
    if (!wanted.includes(true)) continue;
    const found = gradient.rule(new RuleContext(node, build, info, cotangents, wanted));
    node.inputs.forEach((input, index) => {
      const cotangent = found[index];
      if (cotangent === undefined || !wanted[index]) return;
      const known = contributions.get(input);
      if (known === undefined) contributions.set(input, [cotangent]);
      else known.push(cotangent);
    });
  }

  const gradients = new Map<string, string>();
  for (const value of withRespectTo) {
    const cotangent = collect(build, contributions, value);
    if (cotangent !== undefined) gradients.set(value, cotangent);
  }
  return gradients;
}

/** Sums what has been collected for a value, once. */
function collect(
  build: GraphBuilder,
  contributions: Map<string, string[]>,
  value: string,
): string | undefined {
  const parts = contributions.get(value);
  if (parts === undefined || value === '') return undefined;
  const [first] = parts;
  if (parts.length === 1 || first === undefined) return first;
  const sum = build.op(parts.length === 2 ? 'Add' : 'Sum', parts);
  contributions.set(value, [sum]);
  return sum;
}

/** The values that depend on a wanted value along a path that can carry a gradient. */
function activeValues(
  nodes: readonly Node[],
  info: ShapeInfo,
  withRespectTo: ReadonlySet<string>,
): ReadonlySet<string> {
  const active = new Set(withRespectTo);
  for (const node of nodes) {
    const gradient = gradientOf(node);
    if (gradient === 'zero') continue;
    // A node without a rule counts as a path, so that it is found (and named) if the path goes on to the loss.
    // So does one whose subgraphs use a value around them (a Loop, an If), which is not among its inputs.
    const carries =
      node.inputs.some(
        (input, index) =>
          active.has(input) &&
          (gradient === undefined ||
            gradient.differentiable === 'all' ||
            gradient.differentiable.includes(index)),
      ) || outerReferences(node).some((name) => active.has(name));
    if (!carries) continue;
    for (const output of node.outputs) {
      const type = info.typeOf(output)?.elementType;
      if (output !== '' && (type === undefined || FLOATING.has(type))) active.add(output);
    }
  }
  return active;
}

function noRule(node: Node): NotDifferentiableError {
  return new NotDifferentiableError(
    node.name,
    node.op,
    `${describeNode(node)} cannot be differentiated: there is no gradient rule for ${node.op}. OPERATORS.md lists what is supported.`,
  );
}
