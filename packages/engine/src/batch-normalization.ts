/**
 * Batch normalization in training and in inference mode.
 *
 * In training mode a node normalizes by the mean and variance of its batch, and moves the running statistics:
 *
 *   mean ← m·mean + (1 − m)·mean(batch),   var ← m·var + (1 − m)·var(batch)     (m is 1 − PyTorch's momentum)
 *
 * ONNX Runtime takes the biased variance b = Σ(x − x̄)² / n for the running one; PyTorch the unbiased, with n − 1. Started
 * from 0, the runtime gives r = (1 − m)·b, and the unbiased form is m·v + r·n / (n − 1). (The runtime overwrites the variance
 * that it starts from, even a constant: so it gets a 0 that is computed anew each time.)
 */
import {
  floatAttribute,
  freeInputs,
  GraphBuilder,
  intAttribute,
  keepOutputs,
  type Model,
  makeModel,
  type Node,
  namesIn,
  type Tensor,
  upgradeModel,
  type ValueInfo,
  valueInfo,
} from '@assay/graph';
import { EngineError } from './errors.ts';
import { claimName } from './names.ts';
import type { CarriedState } from './optimizer/updates.ts';
import { freezeWeights } from './weights.ts';

/** The first operator set whose BatchNormalization has a training mode of this form. */
const FIRST_OPSET = 14;

/** Keys under which a node in training mode remembers the names of its running statistics. */
const MEAN_KEY = 'assay.running-mean';
const VARIANCE_KEY = 'assay.running-variance';

/** How {@link toTrainingMode} moves the running variance. */
export interface TrainingModeOptions {
  /** `unbiased` (default) as PyTorch, `biased` as ONNX Runtime. */
  readonly variance?: 'unbiased' | 'biased';
}

/** A model in training mode, with the running statistics that a session has to carry. */
export interface TrainingModel extends CarriedState {
  readonly model: Model;
}

/**
 * The model with every BatchNormalization in training mode; the running statistics become inputs and outputs.
 *
 * Statistics shared by several nodes are moved by one after the other. A model without BatchNormalization comes back as it is.
 *
 * A model of an older operator set than 14 is upgraded first.
 *
 * @throws EngineError of kind `argument` if running statistics are computed in the graph
 * @example
 * const { model, ...carried } = toTrainingMode(original);
 * const step = withOptimizer(model, { loss, parameters, optimizer: { kind: 'sgd' }, carried });
 */
export function toTrainingMode(original: Model, options: TrainingModeOptions = {}): TrainingModel {
  if (!original.graph.nodes.some(isBatchNormalization))
    return { model: original, initialState: {}, carry: {} };
  const model = (original.opsets.get('') ?? 0) < FIRST_OPSET ? upgradeModel(original) : original;
  const { graph } = model;
  const taken = namesIn(graph);
  const build = new GraphBuilder(taken, 'batchnorm');
  const statistics = new Map<string, { readonly initial: Tensor; latest: string }>();
  const latestOf = (name: string): string => {
    const known = statistics.get(name);
    if (known !== undefined) return known.latest;
    const initial = graph.initializers.get(name);
    if (initial === undefined) {
      throw new EngineError(
        'argument',
        `The running statistic "${name}" is no initializer and cannot be trained.`,
      );
    }
    statistics.set(name, { initial, latest: name });
    return name;
  };
  const moveTo = (name: string, value: string): void => {
    const entry = statistics.get(name);
    if (entry !== undefined) entry.latest = value;
  };

  for (const node of graph.nodes) {
    const [x, scale, bias, mean, variance] = node.inputs;
    const [y] = node.outputs;
    const complete =
      x !== undefined &&
      scale !== undefined &&
      bias !== undefined &&
      mean !== undefined &&
      variance !== undefined;
    if (!isBatchNormalization(node) || !complete || y === undefined) {
      build.node(node);
      continue;
    }
    const biased = options.variance === 'biased';
    const oldVariance = latestOf(variance);
    const nextMean = node.outputs[1] || build.fresh('mean');
    const nextVariance = node.outputs[2] || build.fresh('variance');
    const moved = biased ? nextVariance : build.fresh('variance');
    const start = biased ? oldVariance : build.op('Sub', [oldVariance, oldVariance]);
    build.node({
      ...node,
      inputs: [x, scale, bias, latestOf(mean), start],
      outputs: [y, nextMean, moved],
      attributes: { ...node.attributes, training_mode: { kind: 'int', value: 1n } },
      metadata: new Map([...(node.metadata ?? []), [MEAN_KEY, mean], [VARIANCE_KEY, variance]]),
    });
    if (!biased) {
      const momentum = floatAttribute(node, 'momentum', 0.9);
      unbiased(build, { x, scale, old: oldVariance, moved, momentum }, nextVariance);
    }
    moveTo(mean, nextMean);
    moveTo(variance, nextVariance);
  }

  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const initialState: Record<string, Tensor> = {};
  const carry: Record<string, string> = {};
  for (const [name, { initial, latest }] of statistics) {
    const output = claimName(taken, `updated.${name}`);
    build.op('Identity', [latest], {}, output);
    inputs.push(valueInfo(name, initial.elementType, initial.dims));
    outputs.push(valueInfo(output, initial.elementType, initial.dims));
    initialState[name] = initial;
    carry[output] = name;
  }
  const kept = [...graph.initializers].filter(([name]) => !statistics.has(name));
  return {
    model: {
      ...model,
      irVersion: Math.max(model.irVersion, makeModel(graph).irVersion),
      graph: {
        ...graph,
        nodes: build.nodes,
        inputs: [...freeInputs(graph), ...inputs],
        outputs: [...graph.outputs, ...outputs],
        initializers: new Map([...kept, ...build.initializers]),
      },
    },
    initialState,
    carry,
  };
}

/**
 * The model with every BatchNormalization in inference mode: it normalizes by the running statistics.
 *
 * @param state running statistics that a session has carried, by name; those that are inputs become constants again
 * @throws EngineError of kind `argument` if a name is neither initializer nor input
 */
export function toInferenceMode(model: Model, state: Readonly<Record<string, Tensor>> = {}): Model {
  const gone = new Set<string>();
  const nodes = model.graph.nodes.map((node): Node => {
    if (!isBatchNormalization(node) || intAttribute(node, 'training_mode', 0) === 0) return node;
    for (const output of node.outputs.slice(1)) gone.add(output);
    const { training_mode: _, ...attributes } = node.attributes;
    const [x = '', scale = '', bias = '', mean = '', variance = ''] = node.inputs;
    const { metadata, ...rest } = node;
    const remembered = new Map(metadata);
    const inputs = [
      x,
      scale,
      bias,
      remembered.get(MEAN_KEY) ?? mean,
      remembered.get(VARIANCE_KEY) ?? variance,
    ];
    for (const key of [MEAN_KEY, VARIANCE_KEY]) remembered.delete(key);
    const outputs = node.outputs.slice(0, 1);
    return { ...rest, inputs, outputs, attributes, ...(remembered.size > 0 ? { metadata: remembered } : {}) };
  });
  // What follows from the statistics that are no longer computed goes with them.
  const kept = nodes.filter((node) => {
    if (!node.inputs.some((input) => gone.has(input))) return true;
    for (const output of node.outputs) gone.add(output);
    return false;
  });
  const outputs = model.graph.outputs.filter(({ name }) => !gone.has(name));
  const inference = { ...model, graph: { ...model.graph, nodes: kept, outputs } };
  const pruned =
    gone.size === 0
      ? inference
      : keepOutputs(
          inference,
          outputs.map(({ name }) => name),
        );
  return freezeWeights(pruned, state);
}

function isBatchNormalization({ op, domain }: Node): boolean {
  return op === 'BatchNormalization' && domain === '';
}

interface RunningVariance {
  readonly x: string;
  readonly scale: string;
  readonly old: string;
  readonly moved: string;
  readonly momentum: number;
}

/** m·v + r·n / (n − 1), where n is the number of elements per channel. A single element has no variance to correct. */
function unbiased(
  build: GraphBuilder,
  { x, scale, old, moved, momentum }: RunningVariance,
  output: string,
): void {
  const size = build.op('ReduceProd', [build.op('Shape', [x])], { keepdims: 0 });
  const channels = build.op('ReduceProd', [build.op('Shape', [scale])], { keepdims: 0 });
  const one = build.scalar('int64', 1);
  const count = build.op('Div', [size, channels]);
  const others = build.op('Max', [build.op('Sub', [count, one]), one]);
  const as = (value: string): string => build.op('CastLike', [value, old]);
  const ratio = build.op('Div', [as(count), as(others)]);
  const kept = build.op('Mul', [old, as(build.scalar('float32', momentum))]);
  build.op('Add', [kept, build.op('Mul', [moved, ratio])], {}, output);
}
