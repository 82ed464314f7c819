/** Puts a training loss on a model's output: cross-entropy, mean squared error, or the sum of an output. */
import { GraphBuilder, valueInfo } from './build.ts';
import { isNonTensor } from './codec/type-proto.ts';
import { namesIn } from './differentiate/names.ts';
import { GraphError } from './errors.ts';
import {
  type Graph,
  intAttribute,
  intsAttribute,
  type Model,
  type Node,
  type Shape,
  type ValueInfo,
} from './model.ts';
import { quoted } from './printable.ts';
import { keepOutputs, renameValues } from './rewrite.ts';
import { inferShapes } from './shapes/index.ts';
import { toNumbers } from './tensor.ts';
import { upgradeModel } from './upgrade.ts';

/**
 * A loss by name; `output` says which output it is taken of (the only floating-point one where left out). It may also
 * name a value inside the graph.
 */
export type LossSpecification =
  /**
   * Against class numbers: input `labels`, int64 [N] (or [N, d…] for scores [N, C, d…], or [N, d…, C] where a softmax
   * over the last axis says so).
   */
  | { readonly kind: 'cross-entropy'; readonly output?: string }
  /** Against numbers: input `labels`, of the type and shape of the output. */
  | { readonly kind: 'mse'; readonly output?: string }
  /** The sum of all elements of the output; no labels. */
  | { readonly kind: 'sum'; readonly output?: string };

export interface ModelWithLoss {
  readonly model: Model;
  /** What was decided on the way, in sentences. */
  readonly notes: readonly string[];
}

/** Name of the input that takes the labels. */
export const LABELS = 'labels';
/** Name of the output that gives the loss. */
export const LOSS = 'loss';

/**
 * Adds an output `loss` (the mean over the batch; one number) and, where the loss needs them, an input `labels`.
 *
 * Cross-entropy is taken of logits. Where the output is a Softmax, LogSoftmax or Sigmoid, its argument is used, which
 * is the same in exact arithmetic and keeps its digits; any other output counts as logits. A single column is the
 * logit of class 1 against class 0.
 *
 * The other outputs stay, but for those that are no tensors (the maps that scikit-learn's converter gives), which
 * runtimes do not hand out everywhere: they are left out, and the nodes that only they need.
 *
 * @throws GraphError if the output is not there, is ambiguous, or does not fit the loss
 */
export function withLoss(original: Model, loss: LossSpecification): ModelWithLoss {
  // Ranks in the original decide whether an old Softmax, which flattened its argument, is the Softmax of today.
  const old = inferShapes(original);
  const upgraded = upgradeModel(original, undefined, { rankOf: (name) => old.typeOf(name)?.shape?.length });
  const renamed = {
    ...upgraded,
    graph: freeNames(upgraded.graph, loss.kind === 'sum' ? [LOSS] : [LOSS, LABELS]),
  };
  const output = chooseOutput(renamed.graph, loss.output);
  const { model, notes } = withoutNonTensors(renamed, output);
  const build = new GraphBuilder(namesIn(model.graph), 'loss');
  const added = addLoss(model, output, loss.kind, build);
  const graph: Graph = {
    ...model.graph,
    nodes: [...model.graph.nodes, ...build.nodes],
    inputs: [...model.graph.inputs, ...added.inputs],
    outputs: [...model.graph.outputs, valueInfo(LOSS, added.elementType, [])],
    initializers: new Map([...model.graph.initializers, ...build.initializers]),
  };
  return { model: { ...model, graph }, notes: [...added.notes, ...notes] };
}

interface AddedLoss {
  readonly inputs: readonly ValueInfo[];
  readonly elementType: 'float32' | 'float64' | 'float16' | 'bfloat16';
  readonly notes: readonly string[];
}

function addLoss(
  model: Model,
  output: string,
  kind: LossSpecification['kind'],
  build: GraphBuilder,
): AddedLoss {
  const info = inferShapes(model);
  const type = info.typeOf(output);
  const elementType = type?.elementType;
  if (
    elementType !== 'float32' &&
    elementType !== 'float64' &&
    elementType !== 'float16' &&
    elementType !== 'bfloat16'
  ) {
    throw new GraphError(
      `output "${output}" holds ${elementType ?? 'unknown'} elements; a loss needs floating-point numbers`,
    );
  }
  const shape = type?.shape;
  if (kind === 'sum') {
    build.op('ReduceSum', [output], { keepdims: 0 }, LOSS);
    return { inputs: [], elementType, notes: [] };
  }
  if (kind === 'mse') {
    const difference = build.op('Sub', [output, LABELS]);
    build.op('ReduceMean', [build.op('Mul', [difference, difference])], { keepdims: 0 }, LOSS);
    return { inputs: [valueInfo(LABELS, elementType, shape)], elementType, notes: [] };
  }
  if (shape === undefined) throw new GraphError(`the rank of output "${output}" cannot be inferred`);
  const scores = scoresBehind(model.graph, output);
  if (scores.kind === 'two-columns') {
    binaryCrossEntropy(build, scores.name);
    return {
      inputs: [valueInfo(LABELS, 'int64', [shape[0] ?? ''])],
      elementType,
      notes: [`Cross-entropy of two classes on ${describe(scores, output)}.`],
    };
  }
  const axis = classAxis(scores, output, shape, info.typeOf(scores.name)?.shape);
  const classes = shape[axis];
  if (shape.length < 2 || classes === 1) {
    if (shape.length > 2)
      throw new GraphError(`output "${output}" of shape [${shape.join(', ')}] is no classifier's`);
    if (scores.kind === 'log-probabilities' || scores.kind === 'softmax')
      throw new GraphError(`output "${output}" has one column of softmax, which is always the same`);
    binaryCrossEntropy(build, scores.name);
    return {
      inputs: [valueInfo(LABELS, 'int64', [shape[0] ?? ''])],
      elementType,
      notes: [`Cross-entropy of two classes on ${describe(scores, output)}, as the logit of class 1.`],
    };
  }
  if (scores.kind === 'sigmoid') {
    throw new GraphError(
      `output "${output}" gives an independent sigmoid for each of ${classes} classes; cross-entropy needs classes that exclude each other`,
    );
  }
  multiclassCrossEntropy(build, scores, output, axis, shape.length);
  const where = shape.length > 2 ? `, the classes along axis ${axis}` : '';
  return {
    inputs: [valueInfo(LABELS, 'int64', shape.toSpliced(axis, 1))],
    elementType,
    notes: [`Cross-entropy on ${describe(scores, output)}${where}.`],
  };
}

/**
 * The axis of the output that its classes lie along: 1, or else that of the softmax. Where the output has another
 * shape than the softmax, it is the axis of the same size and with as many elements behind each index.
 */
function classAxis(scores: Scores, output: string, shape: Shape, inner: Shape | undefined): number {
  if (scores.kind !== 'softmax' && scores.kind !== 'log-probabilities') return 1;
  const within = scores.reshaped ? inner : shape;
  const rank = within?.length ?? 0;
  const softmaxAxis = scores.axis < 0 ? scores.axis + rank : scores.axis;
  const axis = scores.reshaped
    ? shape.findLastIndex(
        (size, i) =>
          size === inner?.[softmaxAxis] && elementsBehind(shape, i) === elementsBehind(inner, softmaxAxis),
      )
    : softmaxAxis;
  if (axis >= 1) return axis;
  throw new GraphError(
    `output "${output}" of shape [${shape.join(', ')}] comes from a softmax over axis ${softmaxAxis} of [${within?.join(', ') ?? '?'}], and does not tell the classes of each row`,
  );
}

/** How many elements an index of an axis stands for; undefined where a size is not fixed. */
function elementsBehind(shape: Shape, axis: number): number | undefined {
  let count = 1;
  for (const size of shape.slice(axis + 1)) {
    if (typeof size !== 'number') return undefined;
    count *= size;
  }
  return count;
}

/** Keeps a logarithm finite; the smallest that float16 can hold. */
const SMALLEST_PROBABILITY = 2 ** -24;

/** The operators of the specification want the classes along axis 1. */
function multiclassCrossEntropy(
  build: GraphBuilder,
  scores: Scores,
  output: string,
  axis: number,
  rank: number,
): void {
  let { name } = scores;
  let areLogProbabilities = scores.kind === 'log-probabilities';
  if (scores.kind === 'probabilities') {
    const least = build.op('CastLike', [build.scalar('float32', SMALLEST_PROBABILITY), name]);
    name = build.op('Log', [build.op('Max', [name, least])]);
    areLogProbabilities = true;
  }
  if (scores.reshaped) {
    if (scores.kind === 'softmax') {
      name = build.op('LogSoftmax', [name], { axis: scores.axis });
      areLogProbabilities = true;
    }
    name = build.op('Reshape', [name, build.op('Shape', [output])]);
  }
  if (axis !== 1) {
    const others = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== 0 && i !== axis);
    name = build.op('Transpose', [name], { perm: [0, axis, ...others] });
  }
  if (!areLogProbabilities) {
    build.op('SoftmaxCrossEntropyLoss', [name, LABELS], {}, LOSS);
    return;
  }
  build.node({
    op: 'NegativeLogLikelihoodLoss',
    domain: '',
    name: '',
    inputs: [name, LABELS],
    outputs: [build.claim(LOSS)],
    attributes: {},
  });
}

/** mean of softplus(z) − y z, which is −log σ(z) for y = 1 and −log(1 − σ(z)) for y = 0. */
function binaryCrossEntropy(build: GraphBuilder, logits: string): void {
  const flat = build.op('Reshape', [logits, build.ints([-1])]);
  const like = build.op('CastLike', [LABELS, flat]);
  const each = build.op('Sub', [build.op('Softplus', [flat]), build.op('Mul', [like, flat])]);
  build.op('ReduceMean', [each], { keepdims: 0 }, LOSS);
}

/** What a classifier's output is made of. */
export interface Scores {
  /**
   * The value that holds the scores: the argument of the last activation, or the output itself. Its elements come in
   * the order of the output's (of the second column, where there are two columns).
   */
  readonly name: string;
  /**
   * `two-columns` are 1 − σ(z) and σ(z) for the scores z; `probabilities` are a softmax moved in a way that its
   * argument cannot stand in for.
   */
  readonly kind: 'logits' | 'softmax' | 'log-probabilities' | 'probabilities' | 'sigmoid' | 'two-columns';
  /** The axis of a softmax, as its node says; may be negative. */
  readonly axis: number;
  /** Whether the scores have another shape than the output, or may have. */
  readonly reshaped: boolean;
}

/** Ops that give the same elements in the same order. */
const RESHAPES: ReadonlySet<string> = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** Follows an output back to the argument of its last activation (through Identity and changes of shape). */
export function scoresBehind(graph: Graph, output: string): Scores {
  const producers = new Map<string, Node>();
  for (const node of graph.nodes) for (const name of node.outputs) producers.set(name, node);
  const logits: Scores = { name: output, kind: 'logits', axis: 1, reshaped: false };
  const follow = (start: string): Scores => {
    let name = start;
    let reshaped = false;
    for (;;) {
      const node = producers.get(name);
      const source = node?.inputs[0];
      if (node === undefined || source === undefined || node.domain !== '') return logits;
      const axis = intAttribute(node, 'axis', -1);
      if (RESHAPES.has(node.op)) reshaped = true;
      else if (node.op === 'Softmax') return { name: source, kind: 'softmax', axis, reshaped };
      else if (node.op === 'LogSoftmax') return { name, kind: 'log-probabilities', axis, reshaped };
      else if (node.op === 'Sigmoid') return { name: source, kind: 'sigmoid', axis, reshaped };
      else if (node.op === 'Div') return writtenOut(node, reshaped) ?? logits;
      else if (node.op === 'Transpose') return moved(node, reshaped) ?? logits;
      else if (node.op === 'Concat' && !reshaped) return twoColumns(node) ?? logits;
      else if (node.op !== 'Identity') return logits;
      name = source;
    }
  };
  // transpose(softmax(transpose(z))) with the axis brought to the end and back, which those exporters write too.
  const moved = (back: Node, reshaped: boolean): Scores | undefined => {
    const inner = follow(back.inputs[0] ?? '');
    if (inner.kind === 'sigmoid' || inner.kind === 'two-columns' || inner.kind === 'logits') return undefined;
    const activation = producers.get(back.inputs[0] ?? '');
    const there = producers.get(activation?.inputs[0] ?? '');
    const perm = there?.op === 'Transpose' ? intsAttribute(there, 'perm') : undefined;
    const isUndone = intsAttribute(back, 'perm')?.every((position, i) => perm?.[position] === i);
    const [z, last] = [there?.inputs[0], perm?.at(inner.axis)];
    const isPlain = activation?.op === 'Softmax' || activation?.op === 'LogSoftmax';
    if (isPlain && isUndone === true && z !== undefined && last !== undefined)
      return { name: z, kind: 'softmax', axis: last, reshaped };
    const isLogarithm = inner.kind === 'log-probabilities';
    return { ...logits, kind: isLogarithm ? 'log-probabilities' : 'probabilities' };
  };
  // exp z / Σ exp z, as exporters of operator sets before 13 write a softmax over an axis other than the last.
  const writtenOut = ({ inputs: [top = '', bottom = ''] }: Node, reshaped: boolean): Scores | undefined => {
    const [exponential, sum] = [producers.get(top), producers.get(bottom)];
    const source = exponential?.op === 'Exp' ? exponential.inputs[0] : undefined;
    if (source === undefined || sum?.op !== 'ReduceSum' || sum.inputs[0] !== top) return undefined;
    const axes = constantNumbers(graph, producers, sum.inputs[1] ?? '');
    const axis = axes?.[0];
    if (axis === undefined || axes?.length !== 1 || intAttribute(sum, 'keepdims', 1) === 0) return undefined;
    return { name: source, kind: 'softmax', axis, reshaped };
  };
  const twoColumns = (node: Node): Scores | undefined => {
    const [negative = '', positive = '', ...others] = node.inputs;
    const complement = producers.get(negative);
    if (others.length > 0 || ![1, -1].includes(intAttribute(node, 'axis', 0))) return undefined;
    if (complement?.op !== 'Sub' || complement.inputs[1] !== positive) return undefined;
    if (!isOne(graph, producers, complement.inputs[0] ?? '')) return undefined;
    const scores = follow(positive);
    return scores.kind === 'sigmoid' ? { ...scores, kind: 'two-columns' } : undefined;
  };
  return follow(output);
}

function isOne(graph: Graph, producers: ReadonlyMap<string, Node>, name: string): boolean {
  const numbers = constantNumbers(graph, producers, name);
  return numbers?.length === 1 && numbers[0] === 1;
}

/** The elements of an initializer or Constant. */
function constantNumbers(
  graph: Graph,
  producers: ReadonlyMap<string, Node>,
  name: string,
): ArrayLike<number> | undefined {
  const attribute = producers.get(name)?.attributes.value;
  const value = graph.initializers.get(name) ?? (attribute?.kind === 'tensor' ? attribute.value : undefined);
  return value === undefined || value.elementType === 'string' ? undefined : toNumbers(value);
}

function describe(scores: Scores, output: string): string {
  switch (scores.kind) {
    case 'softmax':
      return `"${scores.name}", the argument of the softmax that gives "${output}"`;
    case 'probabilities':
      return `output "${output}", which holds probabilities`;
    case 'log-probabilities':
      return `output "${output}", which holds log-probabilities`;
    case 'sigmoid':
    case 'two-columns':
      return `"${scores.name}", the argument of the sigmoid that gives "${output}"`;
    case 'logits':
      return `output "${output}", taken as logits`;
  }
}

function chooseOutput(graph: Graph, wanted: string | undefined): string {
  const names = listed(graph.outputs.map(({ name }) => name));
  if (wanted !== undefined) {
    if (graph.nodes.some((node) => node.outputs.includes(wanted))) return wanted;
    if (graph.outputs.some(({ name }) => name === wanted)) return wanted;
    throw new GraphError(`the model has no output named ${quoted(wanted)}; its outputs are ${names}`);
  }
  const floating = graph.outputs.flatMap((info) => {
    if (!isNonTensor(info))
      return info.type === undefined || /float/.test(info.type.elementType) ? [info.name] : [];
    const probabilities = zippedInto(graph, info.name);
    return probabilities === undefined ? [] : [probabilities];
  });
  const [only, ...others] = floating;
  if (only === undefined)
    throw new GraphError(
      `the model has no floating-point output to take a loss of; its outputs are ${names}. Name a value inside it as the output.`,
    );
  if (others.length > 0) {
    throw new GraphError(`the model has several outputs (${listed(floating)}); say which one the loss is of`);
  }
  return only;
}

/** The matrix that a ZipMap makes its maps (class → probability) of. */
function zippedInto(graph: Graph, output: string): string | undefined {
  return graph.nodes.find(
    (node) => node.domain === 'ai.onnx.ml' && node.op === 'ZipMap' && node.outputs.includes(output),
  )?.inputs[0];
}

function withoutNonTensors(model: Model, output: string): ModelWithLoss {
  const left = model.graph.outputs.filter(isNonTensor).map(({ name }) => name);
  if (left.length === 0) return { model, notes: [] };
  if (left.includes(output))
    throw new GraphError(
      `output "${output}" is no tensor, and a loss needs one; name the value it is made of`,
    );
  const kept = model.graph.outputs.map(({ name }) => name).filter((name) => !left.includes(name));
  const wasOutput = kept.includes(output);
  const graph = wasOutput
    ? model.graph
    : { ...model.graph, outputs: [...model.graph.outputs, { name: output, type: undefined }] };
  const pruned = keepOutputs({ ...model, graph }, [...kept, ...(wasOutput ? [] : [output])]);
  const outputs = pruned.graph.outputs.filter(({ name }) => wasOutput || name !== output);
  const which = left.length === 1 ? 'which is no tensor' : 'which are no tensors';
  return {
    model: { ...pruned, graph: { ...pruned.graph, outputs } },
    notes: [`Left out: ${listed(left)}, ${which}.`],
  };
}

function listed(names: readonly string[]): string {
  return names.map((name) => quoted(name)).join(', ');
}

/** Makes room for the names that the loss brings: inner values give way, inputs and outputs do not. */
function freeNames(graph: Graph, wanted: readonly string[]): Graph {
  const taken = namesIn(graph);
  const renames = new Map<string, string>();
  for (const name of wanted) {
    if (!taken.has(name)) continue;
    if ([...graph.inputs, ...graph.outputs].some((info) => info.name === name)) {
      throw new GraphError(
        `the model already has an input or output named "${name}", the name that the loss needs`,
      );
    }
    let other = `${name}.inner`;
    while (taken.has(other)) other += '_';
    taken.add(other);
    renames.set(name, other);
  }
  return renames.size === 0 ? graph : renameValues(graph, renames);
}
