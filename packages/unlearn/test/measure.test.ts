/** Measurements against closed forms: linear models, planted effects, known proportions. */
import { fromFloat32, GraphBuilder, type Model, makeModel, tensor, toFloat32, valueInfo } from '@assay/graph';
import { RandomStream } from '@assay/random';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  accuracyOf,
  type Classifier,
  type Feature,
  measureFlip,
  measureSensitivity,
  type OutputKind,
  perturb,
  predictions,
  probabilities,
  proportion,
  type Rows,
  RunningMean,
  Scorer,
  student95,
  UnlearnError,
} from '../src/index.ts';
import { columns } from './support.ts';

/** z = x W with W [columns, classes], optionally behind an activation. */
function linear(weights: readonly (readonly number[])[], end?: 'Softmax' | 'Sigmoid' | 'ArgMax'): Model {
  const [rows, width] = [weights.length, weights[0]?.length ?? 0];
  const build = new GraphBuilder(['features', 'out']);
  const w = build.initializer('w', tensor('float32', [rows, width], weights.flat()));
  if (end === undefined) build.op('MatMul', ['features', w], {}, 'out');
  else {
    const z = build.op('MatMul', ['features', w]);
    if (end === 'Softmax') build.op('Softmax', [z], { axis: 1 }, 'out');
    else if (end === 'Sigmoid') build.op('Sigmoid', [z], {}, 'out');
    else build.op('ArgMax', [z], { axis: 1, keepdims: 0 }, 'out');
  }
  const out =
    end === 'ArgMax' ? valueInfo('out', 'int64', ['batch']) : valueInfo('out', 'float32', ['batch', width]);
  return makeModel(build.finish('linear', [valueInfo('features', 'float32', ['batch', rows])], [out]));
}

const classifier = (model: Model, kind: OutputKind, classes = 2): Classifier => ({
  model,
  output: { name: 'out', kind },
  classes,
});

function randomRows(count: number, width: number): Rows {
  const random = new RandomStream(3, 'rows');
  return {
    count,
    inputs: {
      features: fromFloat32(
        [count, width],
        Float32Array.from({ length: count * width }, () => random.normal()),
      ),
    },
    labels: undefined,
  };
}

async function withScorer<T>(subject: Classifier, use: (scorer: Scorer) => Promise<T>): Promise<T> {
  const scorer = await Scorer.open(subject);
  try {
    return await use(scorer);
  } finally {
    await scorer.close();
  }
}

describe('sensitivity', () => {
  test('of a linear model to one column is the norm of its row of weights', async () => {
    const features = columns({ a: [0, 1], b: [1, 1], c: [2, 1] });
    const model = linear([
      [3, 4],
      [0, 0],
      [1, -1],
    ]);
    const found = await withScorer(classifier(model, 'logits'), (scorer) =>
      measureSensitivity(scorer, randomRows(300, 3), features, { seed: 1 }),
    );
    expect(found.get('a')?.value).toBeCloseTo(5, 4);
    expect(found.get('b')).toMatchObject({ value: 0, lower: 0, upper: 0 });
    expect(found.get('c')?.value).toBeCloseTo(Math.SQRT2, 4);
  });

  test('of a linear model to two columns is E‖Wᵀu‖ over directions u', async () => {
    // W = diag(2, 0): E|2 cos φ| over the circle = 4/π.
    const features = columns({ both: [0, 2] });
    const found = await withScorer(
      classifier(
        linear([
          [2, 0],
          [0, 0],
        ]),
        'logits',
      ),
      (scorer) => measureSensitivity(scorer, randomRows(4000, 2), features, { seed: 2, relativeWidth: 0.01 }),
    );
    const both = found.get('both');
    expect(both?.lower).toBeLessThan(4 / Math.PI);
    expect(both?.upper).toBeGreaterThan(4 / Math.PI);
    expect((both?.upper ?? 1) - (both?.value ?? 0)).toBeLessThanOrEqual(0.01 * (both?.value ?? 0));
  });

  test.each([
    [
      'probabilities',
      linear(
        [
          [3, 4],
          [1, 1],
        ],
        'Softmax',
      ),
      5,
    ],
    ['probability', linear([[3], [1]], 'Sigmoid'), 3],
  ] as const)('of a model that gives %s is taken of the logits behind', async (kind, model, expected) => {
    const found = await withScorer(classifier(model, kind), (scorer) =>
      measureSensitivity(scorer, randomRows(64, 2), columns({ a: [0, 1] }), { seed: 1 }),
    );
    expect(found.get('a')?.value).toBeCloseTo(expected, 3);
  });

  test('takes more rows for a narrower interval, and repeats by seed', async () => {
    const build = new GraphBuilder(['features', 'out']);
    build.op('Concat', [build.op('Exp', ['features']), 'features'], { axis: 1 }, 'out');
    const model = makeModel(
      build.finish(
        'exp',
        [valueInfo('features', 'float32', ['batch', 1])],
        [valueInfo('out', 'float32', ['batch', 2])],
      ),
    );
    await withScorer(classifier(model, 'logits'), async (scorer) => {
      const rows = randomRows(8000, 1);
      const measure = (relativeWidth: number, seed: number) =>
        measureSensitivity(scorer, rows, columns({ a: [0, 1] }), { seed, relativeWidth });
      const [wide, narrow, again] = [await measure(0.2, 1), await measure(0.02, 1), await measure(0.2, 1)];
      expect(narrow.get('a')?.rows).toBeGreaterThan(wide.get('a')?.rows ?? 0);
      expect(again.get('a')).toEqual(wide.get('a'));
    });
  });

  test('of an index is the effect of another value over √2', async () => {
    const build = new GraphBuilder(['index', 'out']);
    const table = build.initializer('table', tensor('float32', [2, 2], [0, 0, 3, 4]));
    build.op('Gather', [table, 'index'], { axis: 0 }, 'out');
    const model = makeModel(
      build.finish(
        'e',
        [valueInfo('index', 'int64', ['batch'])],
        [valueInfo('out', 'float32', ['batch', 2])],
      ),
    );
    const rows: Rows = {
      count: 40,
      inputs: {
        index: tensor(
          'int64',
          [40],
          Array.from({ length: 40 }, (_, i) => i % 2),
        ),
      },
      labels: undefined,
    };
    const feature: Feature = {
      name: 'i',
      kind: 'category',
      slots: [{ input: 'index', start: 0, length: 1 }],
    };
    const found = await withScorer(classifier(model, 'logits'), (scorer) =>
      measureSensitivity(scorer, rows, [feature], { seed: 1 }),
    );
    expect(found.get('i')?.value).toBeCloseTo(5 / Math.SQRT2, 5);
  });
});

describe('the flip effect', () => {
  const colour = columns({ colour: [0, 2] });
  const rows: Rows = {
    count: 100,
    inputs: {
      features: tensor(
        'float32',
        [100, 2],
        Array.from({ length: 200 }, (_, i) => (Math.floor(i / 2) % 2 === i % 2 ? 1 : 0)),
      ),
    },
    labels: undefined,
  };

  test('is total where the prediction is the category', async () => {
    const [feature] = colour;
    if (feature === undefined) return;
    const found = await withScorer(
      classifier(
        linear([
          [9, 0],
          [0, 9],
        ]),
        'logits',
      ),
      (scorer) => measureFlip(scorer, rows, feature, 2, 1),
    );
    expect(found.changed.value).toBe(1);
    const p = 1 / (1 + Math.exp(-9));
    expect(found.meanAbsDelta.value).toBeCloseTo(2 * p - 1, 5);
  });

  test('is nothing where the category has no weight', async () => {
    const [feature] = colour;
    if (feature === undefined) return;
    const found = await withScorer(
      classifier(
        linear([
          [0, 0],
          [0, 0],
        ]),
        'logits',
      ),
      (scorer) => measureFlip(scorer, rows, feature, 2, 1),
    );
    expect(found.changed).toMatchObject({ value: 0, lower: 0 });
    expect(found.meanAbsDelta.value).toBe(0);
  });

  test('cannot be measured on a constant', async () => {
    const [feature] = colour;
    if (feature === undefined) return;
    const constant = {
      ...rows,
      inputs: { features: tensor('float32', [100, 2], new Array<number>(200).fill(1)) },
    };
    await expect(
      withScorer(
        classifier(
          linear([
            [1, 0],
            [0, 1],
          ]),
          'logits',
        ),
        (scorer) => measureFlip(scorer, constant, feature, 2, 1),
      ),
    ).rejects.toThrow(UnlearnError);
  });
});

describe('predictions and probabilities', () => {
  test.each([
    ['logits', [0, 1, 2, 0], 2, [1, 0]],
    ['probabilities', [0.3, 0.7, 0.6, 0.4], 2, [1, 0]],
    ['margin', [-1, 2], 1, [0, 1]],
    ['probability', [0.2, 0.9], 1, [0, 1]],
    ['label', [1, 0], 1, [1, 0]],
  ] as const)('of %s', (kind, values, width, expected) => {
    const scores = { rows: 2, columns: width, values: Float32Array.from(values), kind };
    expect([...predictions(scores)]).toEqual(expected);
    const p = probabilities(scores, 2);
    expect((p[0] ?? 0) + (p[1] ?? 0)).toBeCloseTo(1, 6);
    expect(p[expected[0]] ?? 0).toBeGreaterThan(0.5);
  });

  test('an output of another shape is refused in words', async () => {
    await expect(
      withScorer(classifier(linear([[1, 2, 3]]), 'logits'), (scorer) => scorer.scores(randomRows(4, 1))),
    ).rejects.toThrow(/shape \[4, 3\], where a classifier with 2 classes gives \[rows, 2\]/);
  });
});

describe('statistics', () => {
  test("Wilson's interval agrees with published values", () => {
    // Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    const table = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const;
    for (const [successes, count, lower, upper] of table) {
      const found = proportion(successes, count);
      expect(found.lower).toBeCloseTo(lower, 4);
      expect(found.upper).toBeCloseTo(upper, 4);
    }
  });

  test("Student's quantile agrees with tables", () => {
    for (const [degrees, value] of [
      [1, 12.706],
      [2, 4.303],
      [3, 3.182],
      [5, 2.571],
      [10, 2.228],
      [30, 2.042],
      [1000, 1.962],
    ] as const) {
      expect(Math.abs(student95(degrees) / value - 1)).toBeLessThan(0.004);
    }
  });

  test('a running mean covers the mean of its distribution about 19 times in 20', () => {
    let covered = 0;
    for (let run = 0; run < 400; run++) {
      const random = new RandomStream(run, 'coverage');
      const mean = new RunningMean();
      for (let i = 0; i < 30; i++) mean.add(5 + random.normal());
      const { lower, upper } = mean.estimate();
      if (lower <= 5 && 5 <= upper) covered += 1;
    }
    expect(covered / 400).toBeGreaterThan(0.91);
    expect(covered / 400).toBeLessThan(0.985);
  });

  test('accuracy leaves out rows without a label, and knows the majority', () => {
    const found = accuracyOf(Int32Array.from([0, 1, 1, 0]), Int32Array.from([0, 1, 0, -1]));
    expect(found).toMatchObject({ rows: 3, value: 2 / 3, majority: 2 / 3 });
  });
});

test('perturbations touch the feature alone, and are never too short', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.integer({ min: 1, max: 3 }), (seed, length) => {
      const rows = randomRows(20, 5);
      const feature: Feature = {
        name: 'f',
        kind: 'number',
        slots: [{ input: 'features', start: 1, length }],
      };
      const { rows: changed, norms } = perturb(rows, feature, new RandomStream(seed, 'p'));
      const [a, b] = [rows.inputs.features, changed.inputs.features].map((value) =>
        value === undefined ? [] : toFloat32(value),
      );
      for (let i = 0; i < 100; i++) if (i % 5 < 1 || i % 5 > length) expect(b?.[i]).toBe(a?.[i]);
      expect(norms.every((norm) => norm >= 0.01)).toBe(true);
    }),
    { numRuns: 30 },
  );
});
