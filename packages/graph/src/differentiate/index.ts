/**
 * Reverse-mode differentiation as a rewrite: an ONNX model in, an ONNX model out that also computes gradients, with
 * operators of the standard set only, so that any runtime of ONNX runs it.
 */
import { GraphBuilder } from '../build.ts';
import { GraphError } from '../errors.ts';
import { inlineConditionals } from '../inline.ts';
import type { Graph, Model, TensorType, ValueInfo } from '../model.ts';
import { inferShapes, type ShapeInfo } from '../shapes/index.ts';
import { upgradeModel } from '../upgrade.ts';
import { expandGradientNodes } from './gradient-node.ts';
import { namesIn } from './names.ts';
import { reverse } from './reverse.ts';
import { removeStopGradients } from './stop-gradient.ts';

export { expandGradientNodes } from './gradient-node.ts';
export { type OperatorGradient, type Rule, RuleContext } from './rule.ts';
export { makeStopGradient } from './stop-gradient.ts';
export { ASSAY_DOMAIN, FAMILIES, gradientOf, ZERO_DERIVATIVE } from './table.ts';

/** Put before the name of a value to name its gradient. */
export const GRADIENT_PREFIX = 'grad.';

export interface DifferentiateOptions {
  /** The value to differentiate; it has one element. */
  readonly of: string;
  /** Initializers, inputs or intermediate values. */
  readonly withRespectTo: readonly string[];
  /** Put before a name to name its gradient; default `grad.`. Another one serves for gradients of gradients. */
  readonly prefix?: string;
}

/**
 * Adds an output `grad.NAME` for each wanted value: the gradient of a scalar with respect to it.
 *
 * The forward part keeps its names; the model is upgraded to the emitted operator set first. A wanted value on which
 * the scalar does not depend gets zeros.
 *
 * @throws NotDifferentiableError naming the node and the op, if one between them has no rule
 * @throws GraphError if a name is unknown or `of` has more than one element
 * @example
 * const withGradients = differentiate(model, { of: 'loss', withRespectTo: ['fc1.weight', 'fc1.bias'] });
 */
export function differentiate(model: Model, options: DifferentiateOptions): Model {
  const { of } = options;
  return extend(model, [of], options, (build, info) => {
    const type = floatType(info, of);
    const shape = type.shape;
    if (shape === undefined || shape.some((dim) => dim !== 1)) {
      const dims = shape === undefined ? 'an unknown shape' : `shape [${shape.join(', ')}]`;
      throw new GraphError(
        `"${of}" has ${dims}; the gradient is that of one number. Reduce it first (a mean or a sum), or ask for a product with a cotangent.`,
      );
    }
    const one = build.scalar(type.elementType, 1);
    const seed = shape.length === 0 ? one : build.op('Reshape', [one, build.ints(shape.map(() => 1))]);
    return { seeds: new Map([[of, seed]]), inputs: [] };
  });
}

export interface VectorJacobianProductOptions {
  /** Output value → name of the new input that takes its cotangent (same shape and type). */
  readonly cotangents: Readonly<Record<string, string>>;
  readonly withRespectTo: readonly string[];
  /** As in {@link DifferentiateOptions}. */
  readonly prefix?: string;
}

/**
 * Adds inputs for cotangents w of some values y = f(x), and outputs `grad.NAME` = Jᵀw for each wanted value.
 *
 * @throws as {@link differentiate}
 */
export function vectorJacobianProduct(model: Model, options: VectorJacobianProductOptions): Model {
  const pairs = Object.entries(options.cotangents);
  const values = pairs.map(([value]) => value);
  return extend(model, values, options, (build, info) => ({
    seeds: new Map(pairs.map(([value, input]) => [value, build.claim(input)])),
    inputs: pairs.map(([value, name]) => ({ name, type: floatType(info, value) })),
  }));
}

interface Seeding {
  readonly seeds: ReadonlyMap<string, string>;
  readonly inputs: readonly ValueInfo[];
}

function extend(
  original: Model,
  targets: readonly string[],
  options: { readonly withRespectTo: readonly string[]; readonly prefix?: string },
  seeding: (build: GraphBuilder, info: ShapeInfo) => Seeding,
): Model {
  const model = expandGradientNodes(inlineConditionals(upgradeModel(original)));
  const { graph } = model;
  const known = namesIn(graph);
  const { withRespectTo, prefix = GRADIENT_PREFIX } = options;
  for (const name of [...targets, ...withRespectTo]) {
    if (!known.has(name)) throw new GraphError(`the graph has no value named "${name}"`);
  }
  // To everything but the reverse pass, a stop-gradient marker is an identity.
  const info = inferShapes(removeStopGradients(model));
  const build = new GraphBuilder(known);
  const { seeds, inputs } = seeding(build, info);
  const wanted = new Set(withRespectTo);
  const gradients = reverse({ nodes: graph.nodes, info, build, seeds, withRespectTo: wanted });
  const outputs = [...wanted].map((name): ValueInfo => {
    const type = floatType(info, name);
    const output = build.claim(prefix + name);
    build.op('Identity', [gradients.get(name) ?? zeros(build, type, name)], {}, output);
    return { name: output, type };
  });
  const extended: Graph = {
    ...graph,
    nodes: [...graph.nodes, ...build.nodes],
    inputs: [...graph.inputs, ...inputs],
    outputs: [...graph.outputs, ...outputs],
    initializers: new Map([...graph.initializers, ...build.initializers]),
  };
  return removeStopGradients({ ...model, graph: extended });
}

function floatType(info: ShapeInfo, name: string): TensorType {
  const type = info.typeOf(name);
  if (type === undefined) throw new GraphError(`the type of "${name}" cannot be inferred`);
  if (!['float32', 'float64', 'float16', 'bfloat16'].includes(type.elementType)) {
    throw new GraphError(`"${name}" holds ${type.elementType} elements, which have no gradient`);
  }
  return type;
}

function zeros(build: GraphBuilder, type: TensorType, name: string): string {
  return build.op('Expand', [build.scalar(type.elementType, 0), build.op('Shape', [name])]);
}
