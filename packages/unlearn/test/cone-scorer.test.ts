/** Scores of perturbed regions by the cone of what they reach, against the whole network on every copy. */
import { cnn, resnet18 } from '@assay/engine';
import { fromFloat32, GraphBuilder, makeModel, tensor, trainableInitializers, valueInfo } from '@assay/graph';
import { RandomStream } from '@assay/random';
import { describe, expect, test, vi } from 'vitest';
import { HeldOut } from '../src/held-out.ts';
import {
  type Classifier,
  type Feature,
  imageShape,
  masked,
  measureSensitivity,
  perturb,
  type Rows,
  rectangle,
  replaceFeature,
  Scorer,
  scoreDistances,
  takeRows,
  unlearn,
} from '../src/index.ts';
import { convNet, images, randomMatrix } from './nets.ts';

const SIDE = 28;

function noise(count: number, channels = 1, side = SIDE): Rows {
  const random = new RandomStream(4, 'images');
  return images([count, channels, side, side], () => random.normal());
}

function shapeOf(rows: Rows) {
  const shape = imageShape(rows, 'images');
  if (shape === undefined) throw new Error('the rows hold no images');
  return shape;
}

const trigger = (rows: Rows): Feature => rectangle('trigger', shapeOf(rows), [2, 2, 5, 5]);

const SIZES = { channels: 1, height: SIDE, width: SIDE, classes: 10, seed: 5 };
const NETWORKS: readonly (readonly [string, Classifier, number])[] = (
  [
    ['the compact CNN', cnn(SIZES), 40],
    ['ResNet-18', resnet18(SIZES), 3],
  ] as const
).map(([name, model, rows]) => [
  name,
  { model, output: { name: 'logits', kind: 'logits' }, classes: 10 },
  rows,
]);

/** Mean of ‖f(x) − f(x + δ)‖ / ‖δ‖ with every copy run through the whole network. */
async function plainSensitivity(scorer: Scorer, rows: Rows, feature: Feature, seed: number, draws: number) {
  const order = new RandomStream(seed, 'sensitivity/rows').permutation(rows.count);
  const taken = takeRows(rows, order);
  const random = new RandomStream(seed, `sensitivity/${feature.name}`);
  const base = await scorer.scores(taken);
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    const { rows: changed, norms } = perturb(taken, feature, random);
    const distances = scoreDistances(base, await scorer.scores(changed));
    for (let row = 0; row < rows.count; row++) sum += (distances[row] ?? 0) / (norms[row] ?? 1);
  }
  return sum / (rows.count * draws);
}

/** How many rows went through the whole network. */
function countingRows(scorer: Scorer) {
  const spy = vi.spyOn(scorer, 'scores');
  return () => spy.mock.calls.reduce((sum, [rows]) => sum + rows.count, 0);
}

describe.each(NETWORKS)('perturbing a trigger of 5×5 pixels in %s', (_, classifier, count) => {
  test('gives the sensitivity of the plain way, and runs only the images through the whole network', async () => {
    const rows = noise(count);
    const feature = trigger(rows);
    const scorer = await Scorer.open(classifier);
    const expected = await plainSensitivity(scorer, rows, feature, 3, 10);
    const whole = countingRows(scorer);
    const found = await measureSensitivity(scorer, rows, [feature], { seed: 3, draws: 10 });
    expect(found.get('trigger')?.value).toBeCloseTo(expected, 4);
    // The images once, and a few of them with copies to see that both ways agree.
    expect(whole()).toBeLessThanOrEqual(count + 3 * Math.min(8, count));
    await scorer.close();
  });

  test('gives every copy its own scores', async () => {
    const rows = noise(count);
    const shape = shapeOf(rows);
    const mask = Uint8Array.from({ length: SIDE * SIDE }, (_, i) => (i % 7 === 0 && i < 8 * SIDE ? 1 : 0));
    const scorer = await Scorer.open(classifier);
    await scorer.scores(rows);
    for (const feature of [rectangle('corner', shape, [23, 22, 5, 6]), masked('dots', shape, mask)]) {
      const random = new RandomStream(6, feature.name);
      const copies = [0, 1, 2].map(() => perturb(rows, feature, random).rows);
      copies.push(replaceFeature(rows, feature, random).rows);
      let at = 0;
      for await (const scores of scorer.scoresOfChanges(rows, feature, copies)) {
        const expected = await scorer.scores(copies[at++] ?? rows);
        expect(scores.columns).toBe(10);
        scores.values.forEach((value, i) => {
          expect(Math.abs(value - (expected.values[i] ?? 0))).toBeLessThan(1e-4);
        });
      }
      expect(at).toBe(4);
      const own = await scorer.scores(rows);
      const all: Float32Array[] = [];
      for await (const { values } of scorer.scoresWithChanges(rows, feature, copies)) all.push(values);
      expect(all).toHaveLength(5);
      all[0]?.forEach((value, i) => {
        expect(Math.abs(value - (own.values[i] ?? 0))).toBeLessThan(1e-4);
      });
    }
    await scorer.close();
  });
});

describe('a scorer of regions', () => {
  const rows = noise(16, 2, 10);
  const NET = { channels: 2, size: 10, maps: 4, head: 'dense', weights: 3, classes: 3 } as const;
  const classifier = convNet({ ...NET, kernels: randomMatrix(1, 4 * 2 * 9, 2).flat() });
  const feature = rectangle('spot', shapeOf(rows), [4, 1, 2, 3]);

  test('follows weights that are replaced', async () => {
    const names = trainableInitializers(classifier.model);
    const student = await Scorer.openLoadable(classifier, names);
    const before = await student.scores(rows);
    const changed = perturb(rows, feature, new RandomStream(1, 'once')).rows;
    const one = async () => {
      for await (const scores of student.scoresOfChanges(rows, feature, [changed])) return scores.values;
      return new Float32Array();
    };
    const first = await one();
    const kernel = classifier.model.graph.initializers.get('kernel');
    if (kernel === undefined) throw new Error('the net has no kernel');
    const random = new RandomStream(8, 'kernel');
    const other = Float32Array.from({ length: 72 }, () => random.normal());
    await student.load({ kernel: fromFloat32(kernel.dims, other) });
    const second = await one();
    const expected = await student.scores(changed);
    second.forEach((value, i) => {
      expect(value).toBeCloseTo(expected.values[i] ?? 0, 4);
    });
    expect(first).not.toEqual(second);
    expect(before.values).not.toEqual(expected.values);
    await student.close();
  });

  test('finds a sensitivity of exactly 0 where the region was cut out', async () => {
    const large = noise(40);
    const [, compact] = NETWORKS[0] ?? [];
    if (compact === undefined) throw new Error('no network');
    const spot = trigger(large);
    const { model } = await unlearn({
      classifier: compact,
      feature: spot,
      features: [spot],
      requester: large,
      test: { ...noise(20), labels: Int32Array.from({ length: 20 }, (_, row) => row % 10) },
      method: 'exact',
      seed: 1,
    });
    const scorer = await Scorer.open({ ...compact, model });
    const found = await measureSensitivity(scorer, large, [spot], { seed: 3 });
    expect(found.get('trigger')).toMatchObject({ value: 0, lower: 0, upper: 0 });
    await scorer.close();
  });

  test('keeps the same number of copies however many are asked for', async () => {
    const scorer = await Scorer.open(classifier);
    await scorer.scores(rows);
    const random = new RandomStream(2, 'many');
    let [drawn, given, most] = [0, 0, 0];
    function* copies(): Generator<Rows> {
      for (; drawn < 200; drawn++) {
        most = Math.max(most, drawn - given);
        yield perturb(rows, feature, random).rows;
      }
    }
    for await (const { rows: count } of scorer.scoresOfChanges(rows, feature, copies())) {
      expect(count).toBe(rows.count);
      given++;
    }
    expect([drawn, given]).toEqual([200, 200]);
    expect(most).toBeLessThanOrEqual(32);
    await scorer.close();
  });

  test('looks at a student with the quotients of the plain way', async () => {
    const held = { heldOut: rows, pool: rows, answers: 'conditional', judgedBy: 'changes' } as const;
    const other = convNet({ ...NET, kernels: randomMatrix(1, 4 * 2 * 9, 9).flat() });
    const looks = [];
    for (const isPlain of [false, true]) {
      const teacher = await Scorer.open(classifier);
      const student = await Scorer.open(other);
      for (const scorer of [teacher, student]) {
        await scorer.scores(rows);
        if (isPlain) goPlainly(scorer);
      }
      looks.push(await (await HeldOut.open(teacher, held, feature, 3, 1)).look(student));
      await Promise.all([teacher.close(), student.close()]);
    }
    const [own, plain] = looks;
    expect(Math.abs((plain?.ratio ?? 1) - 1)).toBeGreaterThan(0.01);
    expect(own?.ratio).toBeCloseTo(plain?.ratio ?? Number.NaN, 4);
    expect(own?.ratioUpper).toBeCloseTo(plain?.ratioUpper ?? Number.NaN, 4);
  });

  test('takes a student for what it does with the change that it minds more', async () => {
    // The score is the pixel itself; a student that cuts it off at ±1 hardly minds another pixel, and still minds a small change.
    const pixel = (most: number): Classifier => {
      const build = new GraphBuilder(['images', 'out']);
      const cut = build.op('Clip', ['images', build.scalar('float32', -most), build.scalar('float32', most)]);
      const sum = build.op('ReduceSum', [cut, build.ints([1, 2, 3])], { keepdims: 0 });
      const column = build.op('Reshape', [sum, build.ints([-1, 1])]);
      build.op('Concat', [column, build.op('Neg', [column])], { axis: 1 }, 'out');
      const inputs = [valueInfo('images', 'float32', ['batch', 1, 2, 2])];
      const outputs = [valueInfo('out', 'float32', ['batch', 2])];
      return {
        model: makeModel(build.finish('pixel', inputs, outputs)),
        output: { name: 'out', kind: 'logits' },
        classes: 2,
      };
    };
    const random = new RandomStream(5, 'pixels');
    // Half of the pixels lie within ±1, where the student follows; the others lie at ±100.
    const pixels = Float32Array.from({ length: 4 * 300 }, () => {
      const value = 2 * random.uniform() - 1;
      return random.uniform() < 0.5 ? 0.2 * value : 100 * Math.sign(value);
    });
    const some: Rows = {
      count: 300,
      inputs: { images: fromFloat32([300, 1, 2, 2], pixels) },
      labels: undefined,
    };
    const one = rectangle('pixel', shapeOf(some), [0, 0, 1, 1]);
    const teacher = await Scorer.open(pixel(1e6));
    const student = await Scorer.open(pixel(1));
    const held = { heldOut: some, pool: some, answers: 'conditional', judgedBy: 'changes' } as const;
    const look = await (await HeldOut.open(teacher, held, one, 2, 1)).look(student);
    // A small change is followed in half of the rows, mostly; what replaces a pixel is followed where both lie within ±1, in a quarter.
    expect(look.ratio).toBeGreaterThan(0.43);
    expect(look.ratio).toBeLessThan(0.55);
    expect(look.ratioUpper).toBeGreaterThan(look.ratio);
    const ofTrigger = await HeldOut.open(teacher, { ...held, judgedBy: 'replacements' }, one, 2, 1);
    expect((await ofTrigger.look(student)).ratio).toBeLessThan(0.3);
    await Promise.all([teacher.close(), student.close()]);
  });

  test('takes the plain way where the rows of a model depend on each other', async () => {
    const build = new GraphBuilder(['images', 'out']);
    const kernel = build.initializer(
      'kernel',
      tensor('float32', [3, 2, 3, 3], randomMatrix(1, 54, 5).flat()),
    );
    const maps = build.op('Conv', ['images', kernel], { pads: [1, 1, 1, 1] });
    const centred = build.op('Sub', [maps, build.op('ReduceMean', [maps, build.ints([0])], { keepdims: 1 })]);
    build.op('ReduceMean', [build.op('Relu', [centred]), build.ints([2, 3])], { keepdims: 0 }, 'out');
    const inputs = [valueInfo('images', 'float32', ['batch', 2, 10, 10])];
    const mixing: Classifier = {
      model: makeModel(build.finish('mixing', inputs, [valueInfo('out', 'float32', ['batch', 3])])),
      output: { name: 'out', kind: 'logits' },
      classes: 3,
    };
    const scorer = await Scorer.open(mixing);
    await scorer.scores(rows);
    const changed = perturb(rows, feature, new RandomStream(1, 'once')).rows;
    for await (const scores of scorer.scoresOfChanges(rows, feature, [changed])) {
      expect(scores.values).toEqual((await scorer.scores(changed)).values);
    }
    await scorer.close();
  });
});

/** Every copy through the whole network. */
function goPlainly(scorer: Scorer): void {
  scorer.scoresOfChanges = async function* (_base, _feature, changes) {
    for (const copy of changes) yield await scorer.scores(copy);
  };
  scorer.scoresWithChanges = async function* (base, _feature, changes) {
    for (const rows of [base, ...changes]) yield await scorer.scores(rows);
  };
}
