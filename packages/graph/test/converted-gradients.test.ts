/**
 * Gradients of models as other converters write them: Keras by tf2onnx, scikit-learn by skl2onnx, and files from the
 * ONNX model zoo. Checked against finite differences in the float64 reference, and on both runtimes.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import {
  TypeProto_MapSchema,
  TypeProto_SequenceSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  decodeModel,
  differentiate,
  encodeModel,
  GraphBuilder,
  int64s,
  type LossSpecification,
  type Model,
  makeModel,
  type Tensor,
  tensor,
  trainableInitializers,
  type ValueInfo,
  valueInfo,
  withLoss,
} from '../src/index.ts';
import { DATA_FOLDER } from './backend-data.ts';
import { compareGradients, gradientError, runOnnx, seededUniform } from './gradient-check.ts';
import { type Array64, array64, fromTensor, interpret } from './reference/index.ts';

const RUNTIMES = ['node', 'web'] as const;
const uniform = seededUniform(11);

function random(dims: readonly number[]): Array64 {
  const count = dims.reduce((product, size) => product * size, 1);
  return array64(
    'float32',
    dims,
    Array.from({ length: count }, () => Math.fround(uniform())),
  );
}

function weight(dims: readonly number[]): Tensor {
  return tensor('float32', dims, random(dims).values);
}

function labels(...values: readonly number[]): Array64 {
  return array64('int64', [values.length], values);
}

/** An operator that the builder does not emit itself. */
function add(
  build: GraphBuilder,
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
  domain = '',
): void {
  build.node({ op, domain, name: '', inputs, outputs, attributes });
}

/** As written to a file and read again. */
function filed(
  build: GraphBuilder,
  inputs: readonly ValueInfo[],
  outputs: readonly ValueInfo[],
  opsets = {},
): Model {
  const model = makeModel(build.finish('converted', inputs, outputs));
  return decodeModel(
    encodeModel({ ...model, opsets: new Map([...model.opsets, ...Object.entries<number>(opsets)]) }),
  );
}

interface Differentiated {
  readonly forward: Model;
  readonly gradient: Model;
  readonly parameters: readonly string[];
  readonly notes: readonly string[];
}

function differentiated(model: Model, loss: LossSpecification): Differentiated {
  const parameters = trainableInitializers(model);
  const { model: forward, notes } = withLoss(model, loss);
  const gradient = differentiate(forward, { of: 'loss', withRespectTo: parameters });
  return { forward, gradient: decodeModel(encodeModel(gradient)), parameters, notes };
}

/** Finite differences in float64, then both runtimes in float32. */
async function expectRightGradients(
  { forward, gradient, parameters }: Differentiated,
  feeds: Readonly<Record<string, Array64>>,
): Promise<void> {
  const errors = compareGradients(forward, gradient, parameters, feeds, { objective: 'loss' });
  for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(1e-6);
  const exact = interpret(gradient, feeds);
  for (const runtime of RUNTIMES) await expectSame(gradient, feeds, exact, parameters, runtime);
}

async function expectSame(
  gradient: Model,
  feeds: Readonly<Record<string, Array64>>,
  exact: Readonly<Record<string, Array64>>,
  parameters: readonly string[],
  runtime: (typeof RUNTIMES)[number],
): Promise<void> {
  const outputs = await runOnnx(gradient, feeds, runtime);
  for (const name of ['loss', ...parameters.map((parameter) => `grad.${parameter}`)]) {
    const [actual, expected] = [outputs[name], exact[name]];
    if (actual === undefined || expected === undefined) throw new Error(`${name} is missing`);
    expect(gradientError(actual, expected), `${name} on ${runtime}`).toBeLessThan(1e-5);
  }
}

describe('Keras by tf2onnx', () => {
  const DENSE = 'sequential/dense/MatMul/ReadVariableOp:0';
  const DENSE_BIAS = 'sequential/dense/BiasAdd/ReadVariableOp:0';

  function dense(build: GraphBuilder, x: string, inputs: number, units: number): string {
    const product = build.op('MatMul', [x, build.initializer(DENSE, weight([inputs, units]))]);
    return build.op('Add', [product, build.initializer(DENSE_BIAS, weight([units]))]);
  }

  it('differentiates an image classifier: Normalization, NHWC, SAME padding, a variable of rank 0, Softmax', async () => {
    const build = new GraphBuilder(['input_1', 'dense']);
    const mean = build.initializer('sequential/normalization/sub/y:0', weight([1, 1, 1, 2]));
    const centred = build.op('Sub', ['input_1', mean]);
    const scaled = build.op('Mul', [centred, build.initializer('Const__7', tensor('float32', [], [2]))]);
    const gain = build.initializer('sequential/gain/ReadVariableOp:0', tensor('float32', [], [0.8]));
    const nchw = build.op('Transpose', [build.op('Mul', [scaled, gain])], { perm: [0, 3, 1, 2] });
    const kernel = build.initializer('sequential/conv2d/Conv2D/ReadVariableOp:0', weight([3, 2, 3, 3]));
    const bias = build.initializer('sequential/conv2d/BiasAdd/ReadVariableOp:0', weight([3]));
    const conv = build.op('Conv', [nchw, kernel, bias], { auto_pad: 'SAME_UPPER', strides: [2, 2] });
    const pooled = build.op('MaxPool', [build.op('Tanh', [conv])], { kernel_shape: [2, 2], strides: [1, 1] });
    const nhwc = build.op('Transpose', [pooled], { perm: [0, 2, 3, 1] });
    const flat = build.op('Reshape', [nhwc, build.initializer('const_fold_opt__18', int64s([-1, 12]))]);
    build.op('Softmax', [dense(build, flat, 12, 3)], { axis: -1 }, 'dense');
    const model = filed(
      build,
      [valueInfo('input_1', 'float32', ['unk__20', 6, 5, 2])],
      [valueInfo('dense', 'float32', ['unk__21', 3])],
    );
    const result = differentiated(model, { kind: 'cross-entropy' });
    expect(new Set(result.parameters)).toEqual(
      new Set([
        'sequential/gain/ReadVariableOp:0',
        'sequential/conv2d/Conv2D/ReadVariableOp:0',
        'sequential/conv2d/BiasAdd/ReadVariableOp:0',
        DENSE,
        DENSE_BIAS,
      ]),
    );
    expect(result.notes[0]).toMatch(/the argument of the softmax that gives "dense"/);
    await expectRightGradients(result, { input_1: random([4, 6, 5, 2]), labels: labels(0, 2, 1, 1) });
  });

  it('takes the classes along the last axis where a softmax runs over it', async () => {
    const build = new GraphBuilder(['tokens', 'tagger']);
    const table = build.initializer('model/embedding/embedding_lookup/123:0', weight([7, 4]));
    const tokens = build.op('Cast', ['tokens'], { to: 6 });
    const embedded = build.op('Gather', [table, tokens]);
    build.op('Softmax', [dense(build, embedded, 4, 3)], { axis: 2 }, 'tagger');
    const model = filed(
      build,
      [valueInfo('tokens', 'float32', ['batch', 5])],
      [valueInfo('tagger', 'float32', ['batch', 5, 3])],
    );
    const result = differentiated(model, { kind: 'cross-entropy' });
    expect(result.forward.graph.inputs.at(-1)?.type?.shape).toEqual(['batch', 5]);
    expect(result.notes[0]).toMatch(/the classes along axis 2/);
    const feeds = {
      tokens: array64('float32', [2, 5], [0, 1, 2, 3, 4, 6, 5, 5, 1, 0]),
      labels: array64('int64', [2, 5], [0, 1, 2, 0, 1, 2, 2, 1, 0, 0]),
    };
    await expectRightGradients(result, feeds);
    // Independent of ours: the mean of −log p at the label, p as the model gives it.
    const { tagger, loss } = interpret(result.forward, feeds);
    const losses = [...feeds.labels.values].map((label, i) => -Math.log(tagger?.values[3 * i + label] ?? 0));
    expect(loss?.values[0]).toBeCloseTo(losses.reduce((sum, each) => sum + each, 0) / losses.length, 10);
  });

  it('differentiates a regression with global pooling and a squeezed output', async () => {
    const build = new GraphBuilder(['signal', 'squeezed']);
    const nhwc = build.op('Transpose', ['signal'], { perm: [0, 2, 1] });
    const kernel = build.initializer('model/conv1d/Conv1D/ExpandDims_1:0', weight([4, 2, 3]));
    const conv = build.op('Conv', [nhwc, kernel], { auto_pad: 'SAME_LOWER' });
    add(build, 'LeakyRelu', [conv], ['leaky'], { alpha: { kind: 'float', value: 0.3 } });
    add(build, 'GlobalAveragePool', ['leaky'], ['pooled']);
    const flat = build.op('Squeeze', ['pooled', build.ints([2])]);
    build.op('Squeeze', [dense(build, flat, 4, 1), build.ints([1])], {}, 'squeezed');
    const model = filed(
      build,
      [valueInfo('signal', 'float32', ['n', 6, 2])],
      [valueInfo('squeezed', 'float32', ['n'])],
    );
    const result = differentiated(model, { kind: 'mse' });
    expect(result.parameters).toHaveLength(3);
    await expectRightGradients(result, { signal: random([3, 6, 2]), labels: random([3]) });
  });
});

/** The type sequence(map(int64, float)) that a ZipMap gives. */
function zipMapOutput(name: string): ValueInfo {
  const float = create(TypeProtoSchema, {
    value: { case: 'tensorType', value: create(TypeProto_TensorSchema, { elemType: 1 }) },
  });
  const map = create(TypeProtoSchema, {
    value: { case: 'mapType', value: create(TypeProto_MapSchema, { keyType: 7, valueType: float }) },
  });
  const type = create(TypeProtoSchema, {
    value: { case: 'sequenceType', value: create(TypeProto_SequenceSchema, { elemType: map }) },
  });
  return { name, type: undefined, rest: create(ValueInfoProtoSchema, { name, type }) };
}

/** MLPClassifier as skl2onnx writes it, with the label and a map of probabilities for each row. */
function mlpClassifier(classes: number): Model {
  const build = new GraphBuilder(['X', 'output_label', 'output_probability']);
  const units = classes === 2 ? 1 : classes;
  const first = build.op('MatMul', ['X', build.initializer('coefficient', weight([4, 5]))]);
  const hidden = build.op('Tanh', [
    build.op('Add', [first, build.initializer('intercepts', weight([1, 5]))]),
  ]);
  const second = build.op('MatMul', [hidden, build.initializer('coefficient1', weight([5, units]))]);
  const scores = build.op('Add', [second, build.initializer('intercepts1', weight([1, units]))]);
  if (classes === 2) {
    const positive = build.op('Sigmoid', [scores], {}, 'out_activations_result');
    const one = build.initializer('unity', tensor('float32', [], [1]));
    build.op('Concat', [build.op('Sub', [one, positive]), positive], { axis: 1 }, 'probabilities');
  } else {
    build.op('Softmax', [scores], { axis: 1 }, 'probabilities');
  }
  const known = build.initializer('classes', int64s(Array.from({ length: classes }, (_, i) => 10 * i)));
  const best = build.op('ArgMax', ['probabilities'], { axis: 1 });
  add(build, 'ArrayFeatureExtractor', [known, best], ['labels'], {}, 'ai.onnx.ml');
  build.op('Reshape', ['labels', build.ints([-1])], {}, 'output_label');
  add(
    build,
    'ZipMap',
    ['probabilities'],
    ['output_probability'],
    {
      classlabels_int64s: { kind: 'ints', value: Array.from({ length: classes }, (_, i) => BigInt(10 * i)) },
    },
    'ai.onnx.ml',
  );
  return filed(
    build,
    [valueInfo('X', 'float32', ['', 4])],
    [valueInfo('output_label', 'int64', ['']), zipMapOutput('output_probability')],
    { 'ai.onnx.ml': 1 },
  );
}

describe('scikit-learn by skl2onnx', () => {
  const PARAMETERS = ['coefficient', 'coefficient1', 'intercepts', 'intercepts1'];
  const feeds = { X: random([5, 4]), labels: labels(0, 1, 1, 0, 1) };

  it.each([3, 2])('differentiates an MLPClassifier of %i classes', async (classes) => {
    const result = differentiated(mlpClassifier(classes), { kind: 'cross-entropy', output: 'probabilities' });
    expect([...result.parameters].sort()).toEqual(PARAMETERS);
    expect(result.notes).toContainEqual('Left out: "output_probability", which is no tensor.');
    expect(result.gradient.graph.outputs.map(({ name }) => name)).toEqual([
      'output_label',
      'loss',
      ...result.parameters.map((name) => `grad.${name}`),
    ]);
    // The label is taken by an operator of ai.onnx.ml, which the reference interpreter lacks.
    const { nodes } = result.forward.graph;
    const probabilities = interpretOnly(result.forward, 'probabilities', feeds);
    const columns = probabilities.dims[1] ?? 0;
    const losses = [...feeds.labels.values].map(
      (label, i) => -Math.log(probabilities.values[columns * i + label] ?? 0),
    );
    const mean = losses.reduce((sum, each) => sum + each, 0) / losses.length;
    expect(interpretOnly(result.forward, 'loss', feeds).values[0]).toBeCloseTo(mean, 10);
    expect(nodes.some(({ op }) => op === 'ZipMap')).toBe(false);
    const withoutLabel = { ...result, forward: only(result.forward), gradient: only(result.gradient) };
    await expectRightGradients(withoutLabel, feeds);
  });

  it('finds the probabilities behind the maps when no output is named', () => {
    const model = mlpClassifier(3);
    const named = withLoss(model, { kind: 'cross-entropy', output: 'probabilities' });
    expect(withLoss(model, { kind: 'cross-entropy' })).toEqual(named);
  });

  it.each(RUNTIMES)('keeps the label beside the gradients, on onnxruntime-%s', async (runtime) => {
    const { gradient } = differentiated(mlpClassifier(3), { kind: 'cross-entropy' });
    const outputs = await runOnnx(gradient, feeds, runtime);
    expect(outputs.output_label?.dims).toEqual([5]);
    expect(outputs['grad.coefficient']?.dims).toEqual([4, 5]);
  });

  it('says what to do where the named output is no tensor, or has no numbers to take a loss of', () => {
    const lossOf = (output: string) => () => withLoss(mlpClassifier(3), { kind: 'cross-entropy', output });
    expect(lossOf('output_probability')).toThrow(/"output_probability" is no tensor.*name the value/);
    expect(lossOf('output_label')).toThrow(/int64 elements; a loss needs floating-point numbers/);
    expect(lossOf('probability')).toThrow(/no output named "probability"; its outputs are "output_label"/);
  });
});

/** The model without the operators of other domains and the outputs that need them. */
function only(model: Model): Model {
  const outputs = model.graph.outputs.filter(({ name }) => name !== 'output_label');
  const nodes = model.graph.nodes.filter(
    (node) => node.domain === '' && !node.outputs.includes('output_label'),
  );
  return { ...model, graph: { ...model.graph, nodes, outputs } };
}

function interpretOnly(model: Model, name: string, feeds: Readonly<Record<string, Array64>>): Array64 {
  const { graph } = only(model);
  const value = interpret({ ...model, graph: { ...graph, outputs: [{ name, type: undefined }] } }, feeds)[
    name
  ];
  if (value === undefined) throw new Error(`nothing gives ${name}`);
  return value;
}

function zooModel(name: string): Model {
  return decodeModel(readFileSync(join(DATA_FOLDER ?? '', 'onnx-models', `${name}.onnx`)));
}

/** The largest element of some gradients, on both runtimes, against a central difference. */
async function expectLargestElements(
  { forward, gradient }: Differentiated,
  names: readonly string[],
  feeds: Readonly<Record<string, Array64>>,
): Promise<void> {
  const native = await runOnnx(gradient, feeds, 'node');
  const wasm = await runOnnx(gradient, feeds, 'web');
  for (const name of names) {
    const stored = forward.graph.initializers.get(name);
    const found = native[`grad.${name}`];
    if (stored === undefined || found === undefined) throw new Error(`${name} is missing`);
    const size = found.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const position = found.values.findIndex((value) => Math.abs(value) === size);
    const value = fromTensor(stored);
    const at = (t: number) => {
      const moved = { ...value, values: value.values.with(position, (value.values[position] ?? 0) + t) };
      return interpret(forward, { ...feeds, [name]: moved }).loss?.values[0] ?? Number.NaN;
    };
    const step = 1e-5;
    const slope = (at(step) - at(-step)) / (2 * step);
    for (const outputs of [native, wasm]) {
      const actual = outputs[`grad.${name}`]?.values[position] ?? Number.NaN;
      expect(Math.abs(actual - slope) / size, name).toBeLessThan(1e-4);
    }
  }
}

describe.skipIf(DATA_FOLDER === undefined)('files of the ONNX model zoo', () => {
  it('differentiates the cross-entropy of mnist-12', async () => {
    const result = differentiated(zooModel('mnist-12'), { kind: 'cross-entropy' });
    expect(result.parameters).toHaveLength(6);
    const pixels = random([1, 1, 28, 28]);
    const feeds = {
      Input3: { ...pixels, values: pixels.values.map((value) => 255 * Math.abs(value)) },
      labels: labels(3),
    };
    await expectLargestElements(result, result.parameters, feeds);
  });

  it('differentiates the mean squared error of super_resolution, on an image of 4 × 4', async () => {
    const result = differentiated(smaller(zooModel('super_resolution'), 4), { kind: 'mse' });
    expect(result.parameters).toHaveLength(8);
    const feeds = { input: random([1, 1, 4, 4]), labels: random([1, 1, 12, 12]) };
    await expectLargestElements(result, ['conv1.weight', 'conv2.weight', 'conv4.bias'], feeds);
  });

  it('runs super_resolution as it is', async () => {
    const result = differentiated(zooModel('super_resolution'), { kind: 'mse' });
    const feeds = { input: random([1, 1, 224, 224]), labels: random([1, 1, 672, 672]) };
    const outputs = await runOnnx(result.gradient, feeds, 'node');
    const { output } = outputs;
    const squares = output?.values.map((value, i) => (value - (feeds.labels.values[i] ?? 0)) ** 2);
    const mean = (squares?.reduce((sum, each) => sum + each, 0) ?? 0) / (squares?.length ?? 1);
    expect(outputs.loss?.values[0]).toBeCloseTo(mean, 4);
    for (const name of result.parameters) {
      expect(outputs[`grad.${name}`]?.dims).toEqual(result.forward.graph.initializers.get(name)?.dims);
      expect(outputs[`grad.${name}`]?.values.every(Number.isFinite)).toBe(true);
    }
  });

  it('refuses the MNIST file of operator set 1 with a sentence', () => {
    expect(() => differentiated(zooModel('mnist-2018-opset1'), { kind: 'cross-entropy' })).toThrow(
      /^The model uses operator set 1, which is too old; export it again with 7 or newer/,
    );
  });
});

/** super_resolution for images of another size: its input and the two shapes that it reshapes to. */
function smaller(model: Model, size: number): Model {
  const { graph } = model;
  const sizes = new Map([
    [224, size],
    [672, 3 * size],
  ]);
  const resized = (dim: number | string) => (typeof dim === 'number' ? (sizes.get(dim) ?? dim) : dim);
  const inputs = graph.inputs.map((info) =>
    info.type?.shape === undefined
      ? info
      : valueInfo(info.name, info.type.elementType, info.type.shape.map(resized)),
  );
  const outputs = graph.outputs.map(({ name }) =>
    valueInfo(name, 'float32', ['batch_size', 1, 3 * size, 3 * size]),
  );
  const nodes = graph.nodes.map((node) => {
    const attribute = node.attributes.value;
    if (node.op !== 'Constant' || attribute?.kind !== 'tensor') return node;
    const shape = [...fromTensor(attribute.value).values].map((dim) => sizes.get(dim) ?? dim);
    return { ...node, attributes: { value: { kind: 'tensor', value: int64s(shape) } as const } };
  });
  return { ...model, graph: { ...graph, nodes, inputs, outputs } };
}
