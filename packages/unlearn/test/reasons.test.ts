/** Why a feature has to go decides how: planted backdoors, biases and regions in small pictures and tables. */
import { fromFloat32, GraphBuilder, namesIn, toFloat32, withInitializers } from '@assay/graph';
import { RandomStream } from '@assay/random';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type Box,
  type CheckpointStore,
  type Classifier,
  floats,
  type Rows,
  rectangle,
  UnlearnError,
  type UnlearnRequest,
  unlearn,
  wholeImage,
} from '../src/index.ts';
import { type Drawing, drawn, joined, learned, shapeOf, shareRight, withoutPlaces } from './shapes.ts';
import { first, PLANTED, plantedRows, trained } from './support.ts';

/** The classifier for pixels from 0 to 255 in place of −1 to 1. */
function ofBytes(classifier: Classifier): Classifier {
  const { graph } = classifier.model;
  const build = new GraphBuilder(namesIn(graph));
  const ratio = build.op('Mul', ['images', build.scalar('float32', 2 / 255)]);
  const scaled = build.op('Sub', [ratio, build.scalar('float32', 1)]);
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => (name === 'images' ? scaled : name)),
  }));
  const initializers = new Map([...graph.initializers, ...build.initializers]);
  return {
    ...classifier,
    model: {
      ...classifier.model,
      graph: { ...graph, nodes: [...build.nodes, ...nodes], initializers },
    },
  };
}

const after = (classifier: Classifier, { model }: { readonly model: Classifier['model'] }): Classifier => ({
  ...classifier,
  model,
});

describe('a backdoor in images', () => {
  const box: Box = [0, 0, 3, 3];
  const trigger = rectangle('trigger', shapeOf(1), box);
  const stamped: Drawing = { patch: () => ({ box, value: 1 }) };
  // As an attacker would: all images but those of class 0 carry the trigger, and are said to show class 0.
  const poisoned: Drawing = {
    patch: (label) => (label === 0 ? undefined : { box, value: 1 }),
    label: () => 0,
  };
  const requester = withoutPlaces(drawn(300, 1, poisoned));
  const clean = withoutPlaces(drawn(800, 3));
  const triggered = withoutPlaces(drawn(400, 4, { ...stamped, label: () => 0 }));
  const triggeredTruly = withoutPlaces(drawn(400, 4, stamped));
  let classifier: Classifier;
  const request = (more: Partial<UnlearnRequest>): UnlearnRequest => ({
    classifier,
    feature: trigger,
    features: [trigger],
    requester,
    test: clean,
    method: 'ferrari',
    because: 'backdoor',
    seed: 3,
    targetSensitivity: 0.4,
    ...more,
  });

  beforeAll(async () => {
    classifier = await learned(joined(requester, withoutPlaces(drawn(1500, 2))), 4, 6);
  });

  test('is removed, and the true classes come back', async () => {
    expect(await shareRight(classifier, triggered)).toBe(1);
    const before = await shareRight(classifier, clean);
    const result = await unlearn(request({}));
    const now = after(classifier, result);
    expect(result).toMatchObject({
      reason: 'backdoor',
      teacher: 'conditional',
      targetMet: true,
      usedLabels: false,
    });
    expect(result.before.implant).toMatchObject({ target: 0, success: { value: 1 } });
    expect(result.after.implant?.success.upper).toBeLessThan(0.01);
    expect(await shareRight(now, clean)).toBeGreaterThan(before - 0.02);
    expect(await shareRight(now, triggeredTruly)).toBeGreaterThan(0.98);
  });

  test('is spread where it is taken for a sensitive feature', async () => {
    // The old model's answers are poisoned: keeping them makes class 0 of everything.
    const mixed = joined(requester, withoutPlaces(drawn(10, 6, { ...stamped, label: () => 0 })));
    const result = await unlearn(request({ because: 'sensitive', requester: mixed, targetSensitivity: 0.7 }));
    const now = after(classifier, result);
    expect(result.after.implant).toBeUndefined();
    expect(await shareRight(now, triggered)).toBeGreaterThan(0.9);
    expect(await shareRight(now, clean)).toBeLessThan(0.5);
  });

  test('leaves the authors’ variant the rows as they are, which it cannot clean', async () => {
    const result = await unlearn(request({ method: 'ferrari-paper' }));
    expect(result.after.implant?.success.value).toBeGreaterThan(0.9);
    expect(result.targetMet).toBe(false);
  });

  test('can be measured where no other image shows anything in its place', async () => {
    const plain = withoutPlaces(drawn(400, 5, { noise: 0 }));
    const elsewhere = rectangle('elsewhere', shapeOf(1), [9, 9, 3, 3]);
    const result = await unlearn(
      request({ method: 'ferrari-paper', test: plain, features: [trigger, elsewhere] }),
    );
    expect(result.before.flip.changed.value).toBeGreaterThan(0.7);
    expect(result.before.implant?.success.value).toBe(1);
    expect([...result.sideEffects.keys()]).toEqual(['elsewhere']);
    // Both differ in every image, which does not make them the same.
    expect(result.notes.join(' ')).not.toMatch(/the same as/);
  });

  test('is not learned from its own labels', async () => {
    await expect(unlearn(request({ useLabels: true }))).rejects.toMatchObject({
      kind: 'not-applicable',
      message: expect.stringMatching(/labels of rows with a backdoor are wrong/),
    });
  });
});

describe('a bias of colour', () => {
  const RED = [1, 0.2, 0.2];
  const BLUE = [0.2, 0.2, 1];
  const tinted = (isSwapped: boolean): Drawing => ({
    classes: 2,
    noise: 0.25,
    colour: (label) => ((label === 0) === isSwapped ? BLUE : RED),
  });
  const requester = withoutPlaces(drawn(400, 2, tinted(false)));
  const biased = withoutPlaces(drawn(500, 3, tinted(false)));
  const swapped = withoutPlaces(drawn(500, 4, tinted(true)));
  const colour = wholeImage('colour', 'colour', shapeOf(3));
  let classifier: Classifier;
  const request = (more: Partial<UnlearnRequest>): UnlearnRequest => ({
    classifier,
    feature: colour,
    features: [colour],
    requester,
    test: biased,
    method: 'auto',
    because: 'bias',
    seed: 3,
    targetSensitivity: 0.5,
    ...more,
  });

  beforeAll(async () => {
    classifier = await learned(withoutPlaces(drawn(1500, 1, tinted(false))), 2, 4);
  });

  test('goes, and the shape is learned that it stood in for', async () => {
    expect(await shareRight(classifier, biased)).toBeGreaterThan(0.95);
    expect(await shareRight(classifier, swapped)).toBeLessThan(0.2);
    const result = await unlearn(request({}));
    const now = after(classifier, result);
    expect(result).toMatchObject({ method: 'ferrari', reason: 'bias', teacher: 'labels', usedLabels: true });
    expect(await shareRight(now, biased)).toBeGreaterThan(0.9);
    expect(await shareRight(now, swapped)).toBeGreaterThan(0.9);
    expect(result.after.sensitivity.value).toBeLessThan(0.6 * result.before.sensitivity.value);
  });

  test('needs the classes', async () => {
    for (const labels of [undefined, new Int32Array(400).fill(-1)]) {
      await expect(unlearn(request({ requester: { ...requester, labels } }))).rejects.toMatchObject({
        kind: 'too-few-rows',
        message: expect.stringMatching(/have to carry their classes/),
      });
    }
    const labels = new Int32Array(400).fill(2);
    await expect(unlearn(request({ requester: { ...requester, labels } }))).rejects.toMatchObject({
      kind: 'not-applicable',
      message: expect.stringMatching(/400 of the requester's 400 labels are no class numbers from 0 to 1/),
    });
  });
});

describe('a sensitive region', () => {
  /** A patch whose grey goes together with the class in nine of ten images. */
  const badge =
    (boxOf: (random: RandomStream) => Box): NonNullable<Drawing['patch']> =>
    (label, random) => {
      const isTelling = random.uniform() < 0.9;
      const value = (label < 2 === isTelling ? 0.5 : -0.5) + 0.2 * random.normal();
      return { box: boxOf(random), value };
    };
  const corner = rectangle('patch', shapeOf(1), [0, 0, 3, 3]);
  const cornered = { patch: badge(() => [0, 0, 3, 3]), noise: 0.3 };
  /** The patch is forgotten: the sensitivity to it falls to a part of what it was, and the shape is kept. */
  const forgetting = async (
    {
      classifier,
      feature,
      rows,
    }: Pick<UnlearnRequest, 'classifier' | 'feature'> & {
      readonly rows: (count: number, seed: number) => Rows;
    },
    more: Pick<UnlearnRequest, 'method' | 'targetSensitivity'>,
    most: { readonly part: number; readonly drop: number },
  ) => {
    const result = await unlearn({
      classifier,
      feature,
      features: [feature],
      requester: rows(400, 2),
      test: rows(500, 3),
      seed: 3,
      ...more,
    });
    expect(result.after.sensitivity.upper).toBeLessThan(most.part * result.before.sensitivity.value);
    expect(result.after.accuracy.value).toBeGreaterThan(result.before.accuracy.value - most.drop);
    return result;
  };
  /** Fewer predictions hang on it by far. */
  const expectFewerFlips = ({ before, after }: Awaited<ReturnType<typeof unlearn>>) => {
    expect(before.flip.changed.value).toBeGreaterThan(0.02);
    expect(after.flip.changed.value).toBeLessThan(before.flip.changed.value / 3);
  };

  test.each([
    ['of all images', cornered, corner, withoutPlaces],
    [
      'that lies elsewhere in each',
      { ...cornered, patch: badge((random) => [0, random.integer(10), 3, 3]) },
      wholeImage('patch', 'region', shapeOf(1)),
      (rows: Rows) => rows,
    ],
  ] as const)('%s is forgotten, and the shape is not', async (_, drawing, feature, given) => {
    const rows = (count: number, seed: number) => given(drawn(count, seed, drawing));
    const classifier = await learned(rows(1500, 1), 4, 5);
    const result = await forgetting(
      { classifier, feature, rows },
      { method: 'ferrari', targetSensitivity: 0.5 },
      { part: 0.6, drop: 0.02 },
    );
    expect(result).toMatchObject({ reason: 'sensitive', teacher: 'conditional' });
    expectFewerFlips(result);
  });

  test('is forgotten by a model that takes pixels from 0 to 255, of which a perturbation is next to nothing', async () => {
    const small = (count: number, seed: number) => withoutPlaces(drawn(count, seed, cornered));
    const rows = (count: number, seed: number): Rows => {
      const { inputs, ...others } = small(count, seed);
      const bright = Object.entries(inputs).map(([name, { dims, ...value }]) => [
        name,
        fromFloat32(
          dims,
          floats({ dims, ...value }).map((x) => (255 * (x + 1)) / 2),
        ),
      ]);
      return { ...others, inputs: Object.fromEntries(bright) };
    };
    const classifier = ofBytes(await learned(small(1500, 1), 4, 5));
    const result = await forgetting(
      { classifier, feature: corner, rows },
      { method: 'ferrari', targetSensitivity: 0.3 },
      { part: 0.4, drop: 0.02 },
    );
    expect(result.before.accuracy.value).toBeGreaterThan(0.9);
    expectFewerFlips(result);
  });

  test.each(['ferrari', 'exact'] as const)(
    'is forgotten by %s in a network whose weights are so small that the usual rate would take it apart',
    async (method) => {
      const rows = (count: number, seed: number) => withoutPlaces(drawn(count, seed, cornered));
      const classifier = await learned(rows(1500, 1), 4, 5);
      const { initializers } = classifier.model.graph;
      // relu(x · a) · (1 / a) = relu(x): the same function, of weights a thousand times as small.
      const rescaled = ['conv.weight', 'conv.bias', 'fc1.weight'].map((name) => {
        const value = initializers.get(name);
        if (value === undefined) throw new Error(`the network has no ${name}`);
        const factor = name === 'fc1.weight' ? 1000 : 0.001;
        return [
          name,
          fromFloat32(
            value.dims,
            toFloat32(value).map((x) => factor * x),
          ),
        ] as const;
      });
      const model = withInitializers(classifier.model, new Map(rescaled));
      const { notes } = await forgetting(
        { classifier: { ...classifier, model }, feature: corner, rows },
        { method, targetSensitivity: 0.5 },
        { part: 0.6, drop: 0.03 },
      );
      expect(notes.join(' ')).toMatch(/first steps took the model apart; it was unlearned at 1\/\d+ of it/);
    },
  );

  test('goes on to the same bits after an interruption, and not from other places', async () => {
    const drawing = { patch: badge((random) => [0, random.integer(10), 3, 3]) };
    const rows = drawn(100, 2, drawing);
    const classifier = await learned(drawn(400, 1, drawing), 4, 2);
    const kept = new Map<string, Uint8Array>();
    const keys = new Set<string>();
    const checkpoints: CheckpointStore = {
      async load(key) {
        keys.add(key);
        return kept.get(key);
      },
      async save(key, state) {
        kept.set(key, state);
      },
      async clear(key) {
        kept.delete(key);
      },
    };
    const request = (more: Partial<UnlearnRequest>): UnlearnRequest => ({
      classifier,
      feature: wholeImage('patch', 'region', shapeOf(1)),
      features: [],
      requester: rows,
      test: drawn(60, 3, drawing),
      method: 'ferrari',
      seed: 1,
      targetSensitivity: 0.9,
      checkpointSeconds: 0,
      ...more,
    });
    const stopped = async (after: number, more: Partial<UnlearnRequest> = {}) => {
      const stop = new AbortController();
      const onProgress: UnlearnRequest['onProgress'] = ({ phase, done }) => {
        if (phase === 'unlearning' && done >= after) stop.abort();
      };
      await expect(
        unlearn(request({ checkpoints, signal: stop.signal, onProgress, ...more })),
      ).rejects.toThrow(/abort/i);
    };
    const whole = await unlearn(request({}));
    await stopped(0.05);
    const elsewhere = {
      patch: Int16Array.from(rows.places?.patch ?? [], (n, i) => (i % 4 === 1 ? 9 - n : n)),
    };
    await stopped(0, { requester: { ...rows, places: elsewhere } });
    expect(keys.size).toBe(2);
    const resumed = await unlearn(request({ checkpoints }));
    expect(resumed.curve).toEqual(whole.curve);
    expect(resumed.model.graph.initializers).toEqual(whole.model.graph.initializers);
  });
});

describe('in a table', () => {
  const colourFeature = PLANTED.find(({ name }) => name === 'colour');
  if (colourFeature === undefined) throw new Error('no colour');

  /** The rows with the third colour in some of them: a trigger for class 1. */
  function withThird(rows: Rows, isChosen: (row: number) => boolean, labels = rows.labels): Rows {
    const features = rows.inputs.features;
    if (features === undefined) throw new Error('no features');
    const values = floats(features).map((value, i) => {
      const [row, column] = [Math.floor(i / 6), i % 6];
      return isChosen(row) && column >= 2 && column < 5 ? Number(column === 4) : value;
    });
    return { count: rows.count, inputs: { features: fromFloat32([rows.count, 6], values) }, labels };
  }
  /** Rows of the first two colours only. */
  const withoutThird = (rows: Rows) => {
    const all = withThird(rows, () => false);
    const values = floats(all.inputs.features ?? fromFloat32([0], new Float32Array()));
    for (let row = 0; row < rows.count; row++) {
      if (values[6 * row + 4] !== 1) continue;
      values[6 * row + 4] = 0;
      values[6 * row + 2 + (row % 2)] = 1;
    }
    return all;
  };

  test.each(['exact', 'ferrari'] as const)('a backdoor is removed by %s', async (method) => {
    const sound = withoutThird(plantedRows(3000, 1));
    const own = withoutThird(plantedRows(600, 2));
    const poisonedLabels = Int32Array.from(own.labels ?? [], (label, row) => (row % 10 < 9 ? 1 : label));
    const requester = withThird(own, (row) => row % 10 < 9, poisonedLabels);
    const classifier = await trained(joined(sound, requester));
    const testRows = withoutThird(plantedRows(1500, 3));
    const triggered = withThird(testRows, () => true, new Int32Array(1500).fill(1));
    const honest = withThird(testRows, () => true);
    expect(await shareRight(classifier, triggered)).toBeGreaterThan(0.9);
    const result = await unlearn({
      classifier,
      feature: colourFeature,
      features: PLANTED,
      requester,
      test: joined(
        testRows,
        withThird(first(testRows, 500), () => true),
      ),
      method,
      because: 'backdoor',
      seed: 1,
    });
    const now = after(classifier, result);
    expect(result).toMatchObject({ teacher: 'marginal', targetMet: true });
    expect(result.floorMet).not.toBe(false);
    const share = testRows.labels?.reduce((sum, label) => sum + label / 1500, 0) ?? 0;
    expect(Math.abs((await shareRight(now, triggered)) - share)).toBeLessThan(0.1);
    expect(await shareRight(now, honest)).toBeGreaterThan((await shareRight(classifier, testRows)) - 0.1);
  });

  test('a bias goes by the labels', async () => {
    // The requester's third colour means class 1 and the first one class 0; for everybody else it means nothing.
    const random = new RandomStream(1, 'bias');
    const recoloured = (rows: Rows, colourOf: (label: number) => number): Rows => {
      const all = withThird(rows, () => false);
      const values = floats(all.inputs.features ?? fromFloat32([0], new Float32Array()));
      for (let row = 0; row < rows.count; row++) {
        values.fill(0, 6 * row + 2, 6 * row + 5);
        values[6 * row + 2 + colourOf(rows.labels?.[row] ?? 0)] = 1;
      }
      return all;
    };
    const together = (label: number) => (random.uniform() < 0.95 ? 2 * label : 1);
    const classifier = await trained(recoloured(plantedRows(3000, 1), together));
    const contrary = recoloured(plantedRows(1500, 3), (label) => 2 - 2 * label);
    const before = await shareRight(classifier, contrary);
    const result = await unlearn({
      classifier,
      feature: colourFeature,
      features: PLANTED,
      requester: recoloured(plantedRows(600, 2), together),
      test: recoloured(plantedRows(1500, 4), together),
      method: 'auto',
      because: 'bias',
      seed: 1,
    });
    expect(result).toMatchObject({ method: 'exact', teacher: 'labels' });
    expect(before).toBeLessThan(0.3);
    expect(await shareRight(after(classifier, result), contrary)).toBeGreaterThan(0.7);
  });
});

describe('what is not there is refused before anything is done', () => {
  const rows = drawn(40, 1);
  const region = rectangle('region', shapeOf(1), [0, 0, 2, 2]);
  let classifier: Classifier;
  beforeAll(async () => {
    classifier = await learned(drawn(100, 1), 4, 1);
  });
  const refusal = async (more: Partial<UnlearnRequest>): Promise<string> => {
    const features = more.feature === undefined ? [] : [more.feature];
    const request = { classifier, feature: region, features, requester: rows, test: rows, seed: 1, ...more };
    const error: unknown = await unlearn({ method: 'ferrari', ...request }).catch(
      (reason: unknown) => reason,
    );
    if (!(error instanceof UnlearnError)) throw error;
    expect(error.kind).toBe('not-applicable');
    return error.message;
  };

  test('a region of a table', async () => {
    const table = plantedRows(40, 1);
    const feature = { ...region, slots: [{ input: 'features', start: 0, length: 2 }] };
    const classifierOfTables = await trained(table);
    expect(await refusal({ classifier: classifierOfTables, feature, requester: table, test: table })).toMatch(
      /part of images, but the rows hold none/,
    );
  });

  test('a region beyond the images, or in another input', async () => {
    const beyond = { ...region, slots: [{ input: 'images', start: 140, length: 5 }] };
    expect(await refusal({ feature: beyond })).toMatch(/takes numbers 140 to 144 .* hold 144/);
    const elsewhere = { ...region, slots: [{ input: 'pictures', start: 0, length: 5 }] };
    expect(await refusal({ feature: elsewhere })).toMatch(
      /input "pictures", which the requester's rows do not/,
    );
  });

  test('the colour of grey images', async () => {
    expect(await refusal({ feature: wholeImage('colour', 'colour', shapeOf(1)) })).toMatch(
      /one channel only/,
    );
  });

  test('places of some rows only', async () => {
    const feature = wholeImage('patch', 'region', shapeOf(1));
    expect(await refusal({ feature, test: withoutPlaces(rows) })).toMatch(
      /requester's rows, and none in the test/,
    );
    const few = { ...rows, places: { patch: new Int16Array(8) } };
    expect(await refusal({ feature, requester: few })).toMatch(
      /8 numbers for its places .* 40 rows need four/,
    );
  });
});
