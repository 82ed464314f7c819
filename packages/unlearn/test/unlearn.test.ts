/** Forgetting on planted truth: what has to go goes, what has to stay stays, and the result says what it is. */
import {
  encodeModel,
  fromFloat32,
  GraphBuilder,
  influenceOf,
  makeModel,
  tensor,
  toFloat32,
  valueInfo,
} from '@assay/graph';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  accuracyOf,
  type CheckpointStore,
  type Classifier,
  type Feature,
  type MethodName,
  predictions,
  type Rows,
  Scorer,
  UnlearnError,
  type UnlearnRequest,
  unlearn,
} from '../src/index.ts';
import { first, PLANTED, plantedRows, trained } from './support.ts';

const requester = plantedRows(400, 2);
const testRows = plantedRows(2000, 3);
let classifier: Classifier;

beforeAll(async () => {
  classifier = await trained(plantedRows(4000, 1));
});

function featureNamed(name: string): Feature {
  const feature = PLANTED.find((each) => each.name === name);
  if (feature === undefined) throw new Error(name);
  return feature;
}

const request = (
  name: string,
  method: MethodName | 'auto',
  more: Partial<UnlearnRequest> = {},
): UnlearnRequest => ({
  classifier,
  feature: featureNamed(name),
  features: PLANTED,
  requester,
  test: testRows,
  method,
  seed: 5,
  ...more,
});

describe('exact', () => {
  test('cuts a category out, keeps the architecture, and proves it', async () => {
    const result = await unlearn(request('colour', 'auto'));
    expect(result).toMatchObject({ method: 'exact', targetMet: true });
    expect(result.because).toMatch(/3 input columns/);
    expect(result.after.sensitivity).toMatchObject({ value: 0, lower: 0, upper: 0 });
    expect(result.after.flip.changed.value).toBe(0);
    expect(result.certificate).toMatchObject({ form: 'folded', feature: 'colour' });
    expect(influenceOf(result.model, [{ input: 'features', columns: [2, 3, 4] }]).outputs).toEqual([]);
    expect(result.model.graph.nodes).toEqual(classifier.model.graph.nodes);
    expect([...result.model.graph.initializers.keys()]).toEqual([
      ...classifier.model.graph.initializers.keys(),
    ]);
    expect(result.before.sensitivity.value).toBeGreaterThan(0.3);
  });

  test('the accuracy is that of a model that never saw the feature', async () => {
    const without = (rows: Rows): Rows => {
      const values = toFloat32(rows.inputs.features ?? tensor('float32', [0], [])).map((value, i) =>
        i % 6 === 0 ? 0 : value,
      );
      return { ...rows, inputs: { features: fromFloat32([rows.count, 6], values) } };
    };
    const retrained = await trained(without(plantedRows(4000, 1)));
    const scorer = await Scorer.open(retrained);
    const best = accuracyOf(
      predictions(await scorer.scores(without(testRows))),
      testRows.labels ?? new Int32Array(),
    );
    await scorer.close();
    const { before, after } = await unlearn(request('a', 'exact'));
    expect(after.accuracy.value).toBeGreaterThan(best.value - 0.015);
    // The feature is worth something, and the result does not hide it.
    expect(after.accuracy.value).toBeLessThan(before.accuracy.value);
  });

  test('the conditional teacher leans on the proxy, the marginal one does not', async () => {
    const conditional = (await unlearn(request('a', 'exact'))).sideEffects.get('b');
    const marginal = (await unlearn(request('a', 'exact', { teacher: 'marginal' }))).sideEffects.get('b');
    expect(conditional?.after.value).toBeGreaterThan(1.2 * (conditional?.before.value ?? 0));
    expect(marginal?.after.value).toBeLessThan(1.2 * (marginal?.before.value ?? 0));
  });

  test('an embedding is cut by making its rows equal', async () => {
    const subject = embeddingClassifier();
    const result = await unlearn({ ...subject, method: 'auto', seed: 1 });
    expect(result).toMatchObject({ method: 'exact', targetMet: true });
    expect(influenceOf(result.model, [{ input: 'city' }]).outputs).toEqual([]);
    expect(result.after.flip.changed.value).toBe(0);
  });
});

describe('a second request', () => {
  test.each(['exact', 'ferrari'] as const)(
    'by %s does not bring back what was forgotten before',
    async (method) => {
      const once = await unlearn(request('colour', 'exact'));
      const twice = await unlearn(request('a', method, { classifier: { ...classifier, model: once.model } }));
      expect(influenceOf(twice.model, [{ input: 'features', columns: [2, 3, 4] }]).outputs).toEqual([]);
      expect(twice.sideEffects.get('colour')?.after.value).toBe(0);
      expect(twice.notes.join(' ')).toMatch(/stay so: "colour"/);
      expect(twice.model.graph.nodes).toEqual(classifier.model.graph.nodes);
    },
  );
});

describe('ferrari', () => {
  test('brings the sensitivity down to the target and keeps the rest', async () => {
    const result = await unlearn(request('colour', 'ferrari'));
    expect(result.targetMet).toBe(true);
    expect(result.after.sensitivity.upper).toBeLessThanOrEqual(0.02 * result.before.sensitivity.value);
    expect(result.after.flip.changed.value).toBeLessThan(0.01);
    const direct = result.sideEffects.get('a');
    expect(direct?.after.value).toBeGreaterThan(0.6 * (direct?.before.value ?? 0));
    expect(result.curve.filter(({ chosen }) => chosen)).toHaveLength(1);
    expect(result.certificate).toBeUndefined();
    expect(result.model.graph.nodes).toEqual(classifier.model.graph.nodes);
  });

  test('repeats bit for bit by seed', async () => {
    const small = { requester: first(requester, 60), targetSensitivity: 0.2 };
    const [a, b] = [
      await unlearn(request('noise', 'ferrari', small)),
      await unlearn(request('noise', 'ferrari', small)),
    ];
    expect(encodeModel(a.model)).toEqual(encodeModel(b.model));
  });

  test('says so where target and floor cannot both be had', async () => {
    // Without a or b, half of what can be known is gone: a floor of nothing at all cannot be kept.
    const both: Feature = {
      name: 'a and b',
      kind: 'number',
      slots: [{ input: 'features', start: 0, length: 2 }],
    };
    const result = await unlearn({
      ...request('a', 'ferrari'),
      feature: both,
      features: [...PLANTED.slice(2), both],
      requester: plantedRows(3000, 9),
      maxAccuracyDrop: 0.01,
    });
    expect(result.floorMet).toBe(false);
    expect(result.steps).toBe(6000);
    expect(result.notes.join(' ')).toMatch(/costs more than 1\.0 points/);
  });
});

describe("the authors' variant", () => {
  test('runs one pass and is measured like the others', async () => {
    const result = await unlearn(request('colour', 'ferrari-paper'));
    expect(result.steps).toBe(Math.ceil(320 / 128));
    expect(result.targetMet).toBe(false);
    expect(result.notes.join(' ')).toMatch(/authors' variant/);
  });
});

describe('an interrupted run', () => {
  class Memory implements CheckpointStore {
    readonly kept = new Map<string, Uint8Array>();
    saves = 0;
    async load(key: string) {
      return this.kept.get(key);
    }
    async save(key: string, state: Uint8Array) {
      this.kept.set(key, state);
      this.saves += 1;
    }
    async clear(key: string) {
      this.kept.delete(key);
    }
  }

  test.each(['exact', 'ferrari'] as const)('of %s goes on to the same bits', async (method) => {
    const whole = await unlearn(request('colour', method, { checkpointSeconds: 0 }));
    const checkpoints = new Memory();
    const stop = new AbortController();
    const stopped = unlearn(
      request('colour', method, {
        checkpoints,
        checkpointSeconds: 0,
        signal: stop.signal,
        onProgress: ({ phase, done }) => {
          if (phase === 'unlearning' && done > 0.1) stop.abort();
        },
      }),
    );
    await expect(stopped).rejects.toThrow(/abort/i);
    expect(checkpoints.saves).toBeGreaterThan(0);
    const resumed = await unlearn(request('colour', method, { checkpoints, checkpointSeconds: 0 }));
    expect(encodeModel(resumed.model)).toEqual(encodeModel(whole.model));
    expect(resumed.curve).toEqual(whole.curve);
    expect(checkpoints.kept.size).toBe(0);
  });

  test('with a damaged or foreign checkpoint starts afresh', async () => {
    const checkpoints = new Memory();
    checkpoints.load = async () => Uint8Array.from([1, 2, 3]);
    expect((await unlearn(request('colour', 'exact', { checkpoints }))).targetMet).toBe(true);
  });
});

describe('what cannot be done is said', () => {
  const failing = async (more: Partial<UnlearnRequest>, name = 'a') => {
    const error: unknown = await unlearn(request(name, 'auto', more)).catch((reason: unknown) => reason);
    if (!(error instanceof UnlearnError)) throw error;
    return error;
  };

  test('a constant feature', async () => {
    const constant = {
      ...requester,
      inputs: { features: fromFloat32([400, 6], new Float32Array(2400).fill(1)) },
    };
    expect(await failing({ requester: constant })).toMatchObject({ kind: 'constant-feature' });
  });

  test('too few rows, and rows without labels', async () => {
    expect((await failing({ requester: first(requester, 5) })).message).toMatch(/has 5 rows; at least 10/);
    expect(await failing({ test: { ...testRows, labels: undefined } })).toMatchObject({
      kind: 'too-few-rows',
    });
    expect(await failing({ useLabels: true, requester: { ...requester, labels: undefined } })).toMatchObject({
      kind: 'too-few-rows',
    });
  });

  test('a model that gives class numbers only', async () => {
    const build = new GraphBuilder(['features', 'label']);
    build.op(
      'ArgMax',
      [
        build.op('MatMul', [
          'features',
          build.initializer(
            'w',
            tensor(
              'float32',
              [6, 2],
              Array.from({ length: 12 }, (_, i) => Math.sin(i)),
            ),
          ),
        ]),
      ],
      { axis: 1, keepdims: 0 },
      'label',
    );
    const model = makeModel(
      build.finish('l', [valueInfo('features', 'float32', ['n', 6])], [valueInfo('label', 'int64', ['n'])]),
    );
    const labels: Classifier = { model, output: { name: 'label', kind: 'label' }, classes: 2 };
    expect((await failing({ classifier: labels })).message).toMatch(/class numbers, which have no gradient/);
  });
});

/** city (an index of an embedding) and one number; the city decides. */
function embeddingClassifier(): Pick<
  UnlearnRequest,
  'classifier' | 'feature' | 'features' | 'requester' | 'test'
> {
  const build = new GraphBuilder(['x', 'city', 'logits']);
  const table = build.initializer('city.table', tensor('float32', [4, 2], [2, -2, -2, 2, 1, 0, 0, 1]));
  const row = build.op('Gather', [table, 'city'], { axis: 0 });
  const joined = build.op('Concat', ['x', row], { axis: 1 });
  const hidden = build.op('Relu', [
    build.op('Gemm', [
      joined,
      build.initializer(
        'w',
        tensor(
          'float32',
          [3, 4],
          Array.from({ length: 12 }, (_, i) => Math.sin(1 + i)),
        ),
      ),
      build.initializer('b', tensor('float32', [4], [0.1, 0.2, 0.3, 0.4])),
    ]),
  ]);
  build.op(
    'Gemm',
    [
      hidden,
      build.initializer(
        'v',
        tensor(
          'float32',
          [4, 2],
          Array.from({ length: 8 }, (_, i) => Math.cos(i)),
        ),
      ),
      build.initializer('c', tensor('float32', [2], [0, 0])),
    ],
    {},
    'logits',
  );
  const model = makeModel(
    build.finish(
      'e',
      [valueInfo('x', 'float32', ['n', 1]), valueInfo('city', 'int64', ['n'])],
      [valueInfo('logits', 'float32', ['n', 2])],
    ),
  );
  const rows = (count: number, offset: number): Rows => ({
    count,
    inputs: {
      x: tensor(
        'float32',
        [count, 1],
        Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + offset)),
      ),
      city: tensor(
        'int64',
        [count],
        Array.from({ length: count }, (_, i) => (i * 7 + offset) % 4),
      ),
    },
    labels: Int32Array.from({ length: count }, (_, i) => i % 2),
  });
  const features: Feature[] = [
    { name: 'x', kind: 'number', slots: [{ input: 'x', start: 0, length: 1 }] },
    { name: 'city', kind: 'category', slots: [{ input: 'city', start: 0, length: 1 }] },
  ];
  const [, city] = features;
  if (city === undefined) throw new Error('no city');
  return {
    classifier: { model, output: { name: 'logits', kind: 'logits' }, classes: 2 },
    feature: city,
    features,
    requester: rows(80, 0),
    test: rows(200, 1),
  };
}
