/** Models as other tools write them: vectors and index matrices as inputs, fixed batches, scalers, maps, trees. */
import {
  fromFloat32,
  GraphBuilder,
  type Model,
  makeModel,
  type Tensor,
  tensor,
  toNumbers,
  type ValueInfo,
  valueInfo,
} from '@assay/graph';
import { describe, expect, test } from 'vitest';
import {
  type Classifier,
  type Feature,
  measureSensitivity,
  type OutputKind,
  type Rows,
  Scorer,
  UnlearnError,
  type UnlearnRequest,
  unlearn,
} from '../src/index.ts';

/** Numbers that look random and are the same every time. */
const wave = (count: number, phase: number) =>
  Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * phase) * 1.5);
const weights = (dims: readonly number[], phase: number) =>
  tensor(
    'float32',
    dims,
    wave(
      dims.reduce((a, b) => a * b, 1),
      phase,
    ),
  );

/** What a network is made of before its two dense layers: from the inputs to a matrix of `width` columns. */
interface Front {
  readonly inputs: readonly ValueInfo[];
  readonly width: number;
  readonly build: (build: GraphBuilder) => string;
}

function network({ inputs, width, build: front }: Front, rows: string | number = 'n'): Model {
  const build = new GraphBuilder([...inputs.map(({ name }) => name), 'logits']);
  const weight = (name: string, dims: readonly number[], phase: number) =>
    build.initializer(name, weights(dims, phase));
  const hidden = build.op('Gemm', [
    front(build),
    weight('first.weight', [width, 8], 1),
    weight('first.bias', [8], 2),
  ]);
  const second = [weight('second.weight', [8, 2], 3), weight('second.bias', [2], 4)];
  build.op('Gemm', [build.op('Relu', [hidden]), ...second], {}, 'logits');
  return makeModel(build.finish('foreign', inputs, [valueInfo('logits', 'float32', [rows, 2])]));
}

const classifierOf = (model: Model, name = 'logits', kind: OutputKind = 'logits'): Classifier => ({
  model,
  output: { name, kind },
  classes: 2,
});

const number = (name: string, input: string, start = 0): Feature => ({
  name,
  kind: 'number',
  slots: [{ input, start, length: 1 }],
});
const category = (name: string, input: string, start = 0): Feature => ({
  ...number(name, input, start),
  kind: 'category',
});

function rowsOf(count: number, inputs: Readonly<Record<string, Tensor>>): Rows {
  return { count, inputs, labels: Int32Array.from({ length: count }, (_, i) => (i * 5) % 2) };
}

const COUNT = 120;
/** x [COUNT, 3] of numbers between 0 and 3. */
const numbers = (phase = 9) =>
  rowsOf(COUNT, {
    x: tensor(
      'float32',
      [COUNT, 3],
      wave(3 * COUNT, phase).map((v) => v + 1.5),
    ),
  });
const X: readonly ValueInfo[] = [valueInfo('x', 'float32', ['n', 3])];
const [A, B, C] = [number('a', 'x', 0), number('b', 'x', 1), number('c', 'x', 2)];

function request(model: Model, feature: Feature, features: readonly Feature[], rows: Rows): UnlearnRequest {
  return {
    classifier: classifierOf(model),
    feature,
    features,
    requester: rows,
    test: rows,
    method: 'auto',
    seed: 3,
  };
}

async function scoresOf(model: Model, rows: Rows): Promise<readonly number[]> {
  const scorer = await Scorer.open(classifierOf(model));
  const { values } = await scorer.scores(rows);
  await scorer.close();
  return [...values];
}

/** The rows with one column of an input replaced. */
function withColumn(rows: Rows, input: string, column: number, value: (row: number) => number): Rows {
  const old = rows.inputs[input];
  if (old === undefined) throw new Error(input);
  const width = old.dims[1] ?? 1;
  const values = toNumbers(old).map((v, i) => (i % width === column ? value(Math.floor(i / width)) : v));
  return { ...rows, inputs: { ...rows.inputs, [input]: tensor(old.elementType, old.dims, values) } };
}

async function refusal(asked: UnlearnRequest): Promise<UnlearnError> {
  const error: unknown = await unlearn(asked).catch((reason: unknown) => reason);
  if (!(error instanceof UnlearnError)) throw error;
  return error;
}

describe('several index columns in one input', () => {
  const inputs = [valueInfo('x', 'float32', ['n', 1]), valueInfo('c', 'int64', ['n', 2])];
  const rows = rowsOf(COUNT, {
    x: tensor('float32', [COUNT, 1], wave(COUNT, 5)),
    c: tensor(
      'int64',
      [COUNT, 2],
      Array.from({ length: 2 * COUNT }, (_, i) => (i * 7 + Math.floor(i / 3)) % 4),
    ),
  });
  const [CITY, JOB] = [category('city', 'c', 0), category('job', 'c', 1)];
  const features = [number('x', 'x'), CITY, JOB];
  const joined = (build: GraphBuilder, parts: readonly string[]) =>
    build.op('Concat', ['x', ...parts], { axis: 1 });

  test('that share a table: only the one asked for is cut, as a column', async () => {
    const model = network({
      inputs,
      width: 7,
      build: (build) =>
        joined(build, [
          build.op('Flatten', [
            build.op('Gather', [build.initializer('table', weights([4, 3], 6)), 'c'], { axis: 0 }),
          ]),
        ]),
    });
    const result = await unlearn(request(model, CITY, features, rows));
    expect(result).toMatchObject({ method: 'exact', targetMet: true, certificate: { form: 'masked' } });
    const before = await scoresOf(result.model, rows);
    expect(
      await scoresOf(
        result.model,
        withColumn(rows, 'c', 0, (row) => (row * 3 + 1) % 4),
      ),
    ).toEqual(before);
    expect(
      await scoresOf(
        result.model,
        withColumn(rows, 'c', 1, (row) => (row * 3 + 1) % 4),
      ),
    ).not.toEqual(before);
    expect(result.sideEffects.get('job')?.after.value).toBeGreaterThan(0.1);
  });

  test('with a table each: the rows of that table become equal, and no node is added', async () => {
    const model = network({
      inputs,
      width: 7,
      build: (build) =>
        joined(
          build,
          [0, 1].map((k) =>
            build.op(
              'Gather',
              [
                build.initializer(`table.${k}`, weights([4, 3], 6 + k)),
                build.op('Gather', ['c', build.constant(tensor('int64', [], [k]))], { axis: 1 }),
              ],
              { axis: 0 },
            ),
          ),
        ),
    });
    const result = await unlearn(request(model, JOB, features, rows));
    expect(result).toMatchObject({ method: 'exact', targetMet: true, certificate: { form: 'folded' } });
    expect(result.model.graph.nodes.map(({ op }) => op)).toEqual(model.graph.nodes.map(({ op }) => op));
    const before = await scoresOf(result.model, rows);
    expect(
      await scoresOf(
        result.model,
        withColumn(rows, 'c', 1, () => 2),
      ),
    ).toEqual(before);
    expect(
      await scoresOf(
        result.model,
        withColumn(rows, 'c', 0, () => 2),
      ),
    ).not.toEqual(before);
  });
});

describe('sensitivity in closed form: z = 2a − b', () => {
  /** A linear margin, whose sensitivity is the size of its weight. */
  function linear(elementType: 'float32' | 'float64', rows: string | number, reshaped = false): Classifier {
    const build = new GraphBuilder(['x', 'z']);
    const weight = build.initializer('w', tensor(elementType, [3, 1], [2, -1, 0]));
    const x = reshaped
      ? build.op('Reshape', [
          build.op('Reshape', ['x', build.ints([Number(rows), 1, 3])]),
          build.ints([Number(rows), 3]),
        ])
      : 'x';
    build.op('MatMul', [x, weight], {}, 'z');
    const model = makeModel(
      build.finish(
        'linear',
        [valueInfo('x', elementType, [rows, 3])],
        [valueInfo('z', elementType, [rows, 1])],
      ),
    );
    return classifierOf(model, 'z', 'margin');
  }
  const measured = async (classifier: Classifier, rows: Rows, features: readonly Feature[]) => {
    const scorer = await Scorer.open(classifier);
    const found = await measureSensitivity(scorer, rows, features, { seed: 1 });
    const { fixedBatch } = scorer;
    await scorer.close();
    return { values: features.map(({ name }) => found.get(name)?.value ?? Number.NaN), fixedBatch };
  };
  const expectTwoOneZero = (values: readonly number[]) => {
    [2, 1, 0].forEach((value, i) => {
      expect(values[i]).toBeCloseTo(value, 3);
    });
  };

  test('of inputs that are vectors', async () => {
    const build = new GraphBuilder(['p', 'q', 'r', 'z']);
    const columns = ['p', 'q', 'r'].map((name) => build.op('Unsqueeze', [name, build.ints([1])]));
    const joined = build.op('Concat', columns, { axis: 1 });
    build.op('MatMul', [joined, build.initializer('w', tensor('float32', [3, 1], [2, -1, 0]))], {}, 'z');
    const inputs = ['p', 'q', 'r'].map((name) => valueInfo(name, 'float32', ['n']));
    const model = makeModel(build.finish('v', inputs, [valueInfo('z', 'float32', ['n', 1])]));
    const rows = rowsOf(
      COUNT,
      Object.fromEntries(
        ['p', 'q', 'r'].map((name, i) => [name, tensor('float32', [COUNT], wave(COUNT, i))]),
      ),
    );
    const features = ['p', 'q', 'r'].map((name) => number(name, name));
    expectTwoOneZero((await measured(classifierOf(model, 'z', 'margin'), rows, features)).values);
    const [p = A] = features;
    const result = await unlearn({
      ...request(model, p, features, rows),
      classifier: classifierOf(model, 'z', 'margin'),
    });
    expect(result).toMatchObject({ method: 'exact', targetMet: true, after: { sensitivity: { upper: 0 } } });
  });

  test('of a float64 model, which cannot be trained and says so', async () => {
    const { x } = numbers().inputs;
    if (x === undefined) throw new Error('no x');
    const rows = rowsOf(COUNT, { x: tensor('float64', x.dims, toNumbers(x)) });
    const classifier = linear('float64', 'n');
    expectTwoOneZero((await measured(classifier, rows, [A, B, C])).values);
    const error = await refusal({ ...request(classifier.model, A, [A, B, C], rows), classifier });
    expect(error.message).toMatch(/float64; only float32 models/);
  });

  test.each([1, 4])('of a model made for %i rows at a time, whose shapes say so', async (rows) => {
    const found = await measured(linear('float32', rows, true), numbers(), [A, B, C]);
    expectTwoOneZero(found.values);
    expect(found.fixedBatch).toBeUndefined();
  });
});

describe('a fixed number of rows', () => {
  const reshaped = (rows: number) =>
    network(
      {
        inputs: [valueInfo('x', 'float32', [rows, 3])],
        width: 3,
        build: (build) =>
          build.op('Reshape', [build.op('Reshape', ['x', build.ints([rows, 1, 3])]), build.ints([rows, 3])]),
      },
      rows,
    );

  test.each(['exact', 'ferrari-paper'] as const)('is kept by %s', async (method) => {
    const model = reshaped(4);
    const result = await unlearn({ ...request(model, B, [A, B, C], numbers()), method });
    expect(result.model.graph.inputs).toEqual(model.graph.inputs);
    expect(result.model.graph.outputs).toEqual(model.graph.outputs);
    expect(await scoresOf(result.model, numbers())).toHaveLength(2 * COUNT);
  });

  test('that mixes its rows is refused', async () => {
    const mixing = network(
      {
        inputs: [valueInfo('x', 'float32', [4, 3])],
        width: 3,
        build: (build) => build.op('MatMul', [build.constant(weights([4, 4], 8)), 'x']),
      },
      4,
    );
    const error = await refusal(request(mixing, B, [A, B, C], numbers()));
    expect(error.message).toMatch(/works on 4 rows at a time and on no other number/);
  });
});

describe('arithmetic before the first layer', () => {
  const scaled = network({
    inputs: X,
    width: 3,
    build: (build) =>
      build.op('Div', [
        build.op('Sub', ['x', build.initializer('mean', tensor('float32', [3], [1, 2, 3]))]),
        build.initializer('deviation', tensor('float32', [3], [0.5, 0.01, 2])),
      ]),
  });
  const logarithm = network({
    inputs: X,
    width: 3,
    build: (build) => build.op('Log', [build.op('Add', ['x', build.scalar('float32', 0.1)])]),
  });

  test('a standardisation stays, and not even the largest number shows through', async () => {
    const result = await unlearn(request(scaled, B, [A, B, C], numbers()));
    expect(result).toMatchObject({ certificate: { form: 'folded' }, targetMet: true });
    expect(result.model.graph.nodes.map(({ op }) => op)).toEqual(scaled.graph.nodes.map(({ op }) => op));
    const before = await scoresOf(result.model, numbers());
    for (const value of [3.4e38, -3.4e38, 1e-30, 0]) {
      const changed = withColumn(numbers(), 'x', 1, () => value);
      expect(await scoresOf(result.model, changed)).toEqual(before);
    }
  });

  test('a logarithm is cut before it is taken: a product with 0 would pass on its NaN', async () => {
    const result = await unlearn(request(logarithm, B, [A, B, C], numbers()));
    expect(result).toMatchObject({
      certificate: { form: 'masked', finiteInputsOnly: false },
      targetMet: true,
    });
    const before = await scoresOf(result.model, numbers());
    expect(before.every(Number.isFinite)).toBe(true);
    for (const value of [-5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const changed = withColumn(numbers(), 'x', 1, () => value);
      expect(await scoresOf(result.model, changed)).toEqual(before);
    }
  });

  test('a sensitivity that is no number cannot be minimised', async () => {
    const error = await refusal({ ...request(logarithm, B, [A, B, C], numbers()), method: 'ferrari' });
    expect(error).toMatchObject({ kind: 'not-applicable' });
    expect(error.message).toMatch(/no finite numbers where "b" is changed a little/);
  });
});

describe('a schema that says another kind of output', () => {
  const model = network({ inputs: X, width: 3, build: (build) => build.op('Identity', ['x']) });
  const activated = (op: 'Softmax' | 'Sigmoid'): Model => {
    const node = { op, domain: '', name: '', inputs: ['logits'], outputs: ['p'], attributes: {} };
    return {
      ...model,
      graph: {
        ...model.graph,
        nodes: [...model.graph.nodes, node],
        outputs: [valueInfo('p', 'float32', ['n', 2])],
      },
    };
  };
  const refusedAs = async (classifier: Classifier) =>
    (await refusal({ ...request(classifier.model, A, [A, B, C], numbers()), classifier })).message;

  test('is refused, and the right kind is named', async () => {
    expect(await refusedAs(classifierOf(model, 'logits', 'probabilities'))).toMatch(
      /cannot be probabilities. If they are logits, say "kind: logits"/,
    );
    expect(await refusedAs(classifierOf(activated('Softmax'), 'p', 'logits'))).toMatch(
      /comes out of a softmax, .*Say "kind: probabilities"/,
    );
    expect(await refusedAs(classifierOf(activated('Sigmoid'), 'p', 'margin'))).toMatch(
      /comes out of a sigmoid, .*Say "kind: probability"/,
    );
  });
});

describe("scikit-learn's converter", () => {
  test('maps from class to probability: the matrix in them is read', async () => {
    const build = new GraphBuilder(['x', 'maps']);
    const logits = build.op('MatMul', ['x', build.initializer('coefficient', weights([3, 2], 1))]);
    const zipped = build.op('Softmax', [logits], { axis: 1 });
    build.node({
      op: 'ZipMap',
      domain: 'ai.onnx.ml',
      name: 'zip',
      inputs: [zipped],
      outputs: ['maps'],
      attributes: { classlabels_int64s: { kind: 'ints', value: [0n, 1n] } },
    });
    const plain = makeModel(build.finish('s', X, [{ name: 'maps', type: undefined }]));
    const model: Model = { ...plain, opsets: new Map([...plain.opsets, ['ai.onnx.ml', 1]]) };
    const classifier = classifierOf(model, 'maps', 'probabilities');
    const result = await unlearn({ ...request(model, A, [A, B, C], numbers()), classifier });
    expect(result).toMatchObject({ method: 'exact', targetMet: true });
    expect(result.before.sensitivity.value).toBeGreaterThan(0.1);
    expect(result.model.graph.outputs).toEqual(model.graph.outputs);
  });

  test('a model without weights is measured, and refused by node and op', async () => {
    const build = new GraphBuilder(['x', 'label', 'p']);
    build.node({
      op: 'LinearClassifier',
      domain: 'ai.onnx.ml',
      name: 'forest',
      inputs: ['x'],
      outputs: ['label', 'p'],
      attributes: {
        coefficients: { kind: 'floats', value: [-2, 1, 0, 2, -1, 0] },
        intercepts: { kind: 'floats', value: [0, 0] },
        classlabels_ints: { kind: 'ints', value: [0n, 1n] },
        post_transform: { kind: 'string', value: 'SOFTMAX' },
        multi_class: { kind: 'int', value: 1n },
      },
    });
    const outputs = [valueInfo('label', 'int64', ['n']), valueInfo('p', 'float32', ['n', 2])];
    const plain = makeModel(build.finish('t', X, outputs));
    const model: Model = { ...plain, opsets: new Map([...plain.opsets, ['ai.onnx.ml', 1]]) };
    const classifier = classifierOf(model, 'p', 'probabilities');
    const scorer = await Scorer.open(classifier);
    const found = await measureSensitivity(scorer, numbers(), [A, C], { seed: 1 });
    await scorer.close();
    expect(found.get('a')?.value).toBeGreaterThan(0.1);
    expect(found.get('c')?.value).toBeLessThan(1e-6);
    const error = await refusal({ ...request(model, A, [A, B, C], numbers()), classifier });
    expect(error.message).toMatch(/node "forest" \(LinearClassifier of ai\.onnx\.ml\)/);
  });
});

describe('a feature that says the same as another', () => {
  const model = network({ inputs: X, width: 3, build: (build) => build.op('Identity', ['x']) });
  const copied = (scale: number, noise: number) => {
    const rows = numbers();
    const { x } = rows.inputs;
    const values = x === undefined ? [] : toNumbers(x);
    return withColumn(
      rows,
      'x',
      2,
      (row) => scale * (values[3 * row + 1] ?? 0) + noise * Math.sin(row * 9.7),
    );
  };

  test.each([
    [1, 0, true],
    [-3, 0.05, true],
    [1, 1, false],
  ])('is named: c = %f b + %f noise: %s', async (scale, noise, isNamed) => {
    const rows = copied(scale, noise);
    const { notes } = await unlearn({ ...request(model, B, [A, B, C], rows), method: 'ferrari-paper' });
    expect(notes.some((note) => note.startsWith('"c" says the same as "b"'))).toBe(isNamed);
  });
});

describe('another output', () => {
  /** A second head on the hidden layer, and the class with the largest score. */
  function heads(): Model {
    const model = network({ inputs: X, width: 3, build: (build) => build.op('Identity', ['x']) });
    const hidden = model.graph.nodes.find(({ op }) => op === 'Relu')?.outputs[0] ?? '';
    const node = (op: string, inputs: readonly string[], output: string) => ({
      op,
      domain: '',
      name: '',
      inputs,
      outputs: [output],
      attributes: {},
    });
    return {
      ...model,
      graph: {
        ...model.graph,
        nodes: [
          ...model.graph.nodes,
          node('MatMul', [hidden, 'other.weight'], 'other'),
          node('ArgMax', ['logits'], 'class'),
        ],
        outputs: [
          ...model.graph.outputs,
          valueInfo('other', 'float32', ['n', 2]),
          valueInfo('class', 'int64', undefined),
        ],
        initializers: new Map([
          ...model.graph.initializers,
          ['other.weight', fromFloat32([8, 2], Float32Array.from(wave(16, 7)))],
        ]),
      },
    };
  }

  test('that shares weights is named, with what is known of it; what follows the scores is not', async () => {
    const asked = request(heads(), B, [A, B, C], numbers());
    const exact = (await unlearn(asked)).notes.join(' ');
    expect(exact).toMatch(/another output, "other", .*depends on "b" no more either/);
    expect(exact).not.toMatch(/"class"/);
    const paper = (await unlearn({ ...asked, method: 'ferrari-paper' })).notes.join(' ');
    expect(paper).toMatch(/another output, "other", .*may still depend on "b"/);
  });
});
