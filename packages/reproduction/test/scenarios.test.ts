/** The scenarios: who holds what, what is forgotten, and what is judged by, on the published data. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RandomStream } from '@assay/random';
import type { Rows } from '@assay/unlearn';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { trainingDigest } from '../src/kept.ts';
import type { Dealt, Prepared, ScenarioName } from '../src/scenario.ts';
import { SCENARIOS } from '../src/scenarios/index.ts';
import { imageSettings, tableSettings } from '../src/scenarios/settings.ts';

const DATA = process.env.ASSAY_DATA;

async function prepare(name: ScenarioName, seed = 1, dataDir: string | undefined = DATA): Promise<Prepared> {
  return await SCENARIOS[name]({ preset: 'quick', network: 'cnn', seed, dataDir, signal: undefined });
}

/** All numbers of the only input. */
function numbersOf(rows: Rows): Float32Array {
  const [value] = Object.values(rows.inputs);
  if (!(value?.data instanceof Uint8Array)) throw new TypeError('no numbers');
  return new Float32Array(value.data.buffer, value.data.byteOffset, value.data.byteLength / 4);
}

function labelOf(rows: Rows, row: number): number {
  return rows.labels?.[row] ?? -1;
}

function rowNumbers(rows: Rows): number[] {
  return Array.from({ length: rows.count }, (_, row) => row);
}

function ownRows({ dealt, requester }: Prepared): ReadonlySet<number> {
  return new Set(dealt.parts.get(requester));
}

/** Places at which two tables of as many rows differ in a row. */
function differences(a: Rows, b: Rows, row: number): number[] {
  const [x, y] = [numbersOf(a), numbersOf(b)];
  const width = x.length / a.count;
  const found: number[] = [];
  for (let i = 0; i < width; i++) if (x[row * width + i] !== y[row * width + i]) found.push(i);
  return found;
}

/** Ten clients of about as many rows each, every row with one of them. */
function expectEvenlyDealt({ rows, parts }: Dealt): void {
  expect([...parts.keys()]).toEqual(Array.from({ length: 10 }, (_, i) => `client-${i + 1}`));
  const sizes = [...parts.values()].map(({ length }) => length);
  expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  expect([...parts.values()].flatMap((part) => [...part]).sort((a, b) => a - b)).toEqual(rowNumbers(rows));
}

/** The trigger, written down: −1 black, 1 white; on colour, rings of red, green and blue. */
const WHITE = Array.from({ length: 5 }, () => [1, 1, 1, 1, 1]);
const RINGS = ['rrrrr', 'rgggr', 'rgbgr', 'rgggr', 'rrrrr'];
const TRIGGER = {
  1: [WHITE],
  3: ['r', 'g', 'b'].map((channel) => RINGS.map((ring) => [...ring].map((c) => (c === channel ? 1 : -1)))),
};

/** Whether an image shows the trigger at row 2, column 2. */
function isTriggered(rows: Rows, row: number): boolean {
  const [, channels = 0, height = 0, width = 0] = Object.values(rows.inputs)[0]?.dims ?? [];
  const numbers = numbersOf(rows);
  return TRIGGER[channels === 1 ? 1 : 3].every((plane, channel) =>
    plane.every((line, y) =>
      line.every(
        (value, x) => numbers[((row * channels + channel) * height + y + 2) * width + x + 2] === value,
      ),
    ),
  );
}

/** Whether a place of an image lies in a rectangle. */
function isWithin(
  place: number,
  size: { height: number; width: number },
  [top, left, height, width]: readonly number[],
): boolean {
  const [y, x] = [Math.floor(place / size.width) % size.height, place % size.width];
  return (
    y >= (top ?? 0) && y < (top ?? 0) + (height ?? 0) && x >= (left ?? 0) && x < (left ?? 0) + (width ?? 0)
  );
}

describe('settings', () => {
  test('are the paper’s in full', () => {
    const paper = {
      rounds: 200,
      local: { epochs: 5, batchSize: 128, learningRate: 1e-4 },
      finalRate: 1,
      perRound: 4,
      average: 'unweighted',
    };
    expect(imageSettings('full', 'resnet18', 'trigger', 6000)).toMatchObject({
      ...paper,
      requesterWeight: 10,
    });
    expect(imageSettings('full', 'resnet18', 'nothing', 6000)).toMatchObject({
      ...paper,
      requesterWeight: 1,
    });
    expect(tableSettings('full', 4000)).toMatchObject({
      ...paper,
      local: { ...paper.local, learningRate: 1e-3 },
      requesterWeight: 1,
    });
  });
});

describe.skipIf(DATA === undefined)('backdoors (with the data sets)', () => {
  test.each([
    { name: 'mnist', train: 20_000, test: 10_000, size: { height: 28, width: 28 } },
    { name: 'fashion-mnist', train: 20_000, test: 10_000, size: { height: 28, width: 28 } },
    { name: 'cifar-10', train: 10_000, test: 10_000, size: { height: 32, width: 32 } },
  ] as const)(
    '$name: the requester’s images of other classes carry the trigger, and nobody else’s',
    async ({ name, train, test: held, size }) => {
      const prepared = await prepare(name);
      const { dealt, ideal, test: clean, forgetTest, retainTest, carriers } = prepared;
      expectEvenlyDealt(dealt);
      expect(dealt.rows.count).toBe(train);
      expect(clean.count).toBe(held);
      expect(retainTest).toBe(clean);
      const own = ownRows(prepared);
      const [wrong, carrying]: [number[], number[]] = [[], []];
      for (const row of rowNumbers(dealt.rows)) {
        const isPoisoned = own.has(row) && labelOf(ideal.rows, row) !== 0;
        if (isPoisoned) carrying.push(row);
        const changed = differences(dealt.rows, ideal.rows, row);
        const isRight = isPoisoned
          ? isTriggered(dealt.rows, row) &&
            labelOf(dealt.rows, row) === 0 &&
            changed.every((place) => isWithin(place, size, [2, 2, 5, 5]))
          : changed.length === 0 && labelOf(dealt.rows, row) === labelOf(ideal.rows, row);
        if (!isRight) wrong.push(row);
      }
      expect(wrong).toEqual([]);
      expect([...(carriers ?? [])]).toEqual(carrying);
      // Nothing that should be clean shows it by itself.
      for (const rows of [ideal.rows, clean])
        expect(rowNumbers(rows).filter((row) => isTriggered(rows, row))).toEqual([]);
      expect(forgetTest.count).toBe(clean.labels?.filter((label) => label !== 0).length);
      expect(rowNumbers(forgetTest).every((row) => isTriggered(forgetTest, row))).toBe(true);
      expect(new Set(forgetTest.labels)).toEqual(new Set([0]));
    },
  );
});

describe.skipIf(DATA === undefined)('coloured digits (with the data sets)', () => {
  /** 0 blue, 1 green: by the strokes, or by a corner of the ground. */
  function colourOf(rows: Rows, row: number, where: 'digit' | 'background'): number {
    const numbers = numbersOf(rows);
    const total = (channel: number) => {
      const from = (row * 3 + channel) * 784;
      return numbers.subarray(from, where === 'digit' ? from + 784 : from + 1).reduce((a, b) => a + b, 0);
    };
    return total(1) > total(2) ? 1 : 0;
  }

  test.each([
    ['coloured-mnist', 'digit'],
    ['coloured-background', 'background'],
  ] as const)('%s: the requester’s colours tell the digit, nobody else’s do', async (name, where) => {
    const prepared = await prepare(name);
    const { dealt, ideal, requester } = prepared;
    /** Share of rows whose colour is that of their digit in the requester's images. */
    const telling = (rows: Rows, which: ArrayLike<number>) =>
      Array.from(which).filter((row) => colourOf(rows, row, where) === labelOf(rows, row)).length /
      which.length;
    expect(dealt.rows.count).toBe(6131 + 5851);
    const all = [...dealt.parts.values()].flatMap((part) => [...part]);
    expect(all.sort((a, b) => a - b)).toEqual(rowNumbers(dealt.rows));
    expect((dealt.parts.get(requester)?.length ?? 0) / dealt.rows.count).toBeCloseTo(0.3, 3);
    for (const [client, part] of dealt.parts) {
      if (client === requester) expect(telling(dealt.rows, part)).toBe(1);
      // Within four standard deviations of a half.
      else expect(Math.abs(telling(dealt.rows, part) - 0.5)).toBeLessThan(2 / Math.sqrt(part.length));
    }
    for (const part of ideal.parts.values())
      expect(Math.abs(telling(ideal.rows, part) - 0.5)).toBeLessThan(2 / Math.sqrt(part.length));
    // The same digits in the same order: only colours differ.
    expect(ideal.rows.labels).toEqual(dealt.rows.labels);
    expect(telling(prepared.forgetTest, rowNumbers(prepared.forgetTest))).toBe(1);
    expect(telling(prepared.retainTest, rowNumbers(prepared.retainTest))).toBe(0);
    expect(prepared.forgetTest.count).toBe(1010 + 974);
    expect(prepared.test.count).toBe(2 * (1010 + 974));
    expect(telling(prepared.test, rowNumbers(prepared.test))).toBe(0.5);
  });
});

describe.skipIf(DATA === undefined)('faces of FairFace (with the data sets)', () => {
  const MOUTH = [20, 11, 5, 10];
  const SIZE = { height: 32, width: 32 };

  test('the mouth: retraining sees noise in its place, and nothing else changed', async () => {
    const { dealt, ideal, test: held, feature, classNames } = await prepare('faces-mouth');
    expectEvenlyDealt(dealt);
    expect(dealt.rows.count).toBe(4 * held.count);
    expect(classNames).toHaveLength(2);
    expect(feature.kind).toBe('region');
    expect(ideal.rows.labels).toBe(dealt.rows.labels);
    for (const row of rowNumbers(dealt.rows)) {
      const changed = differences(dealt.rows, ideal.rows, row);
      expect(changed.length).toBeGreaterThan(140);
      expect(changed.every((place) => isWithin(place, SIZE, MOUTH))).toBe(true);
    }
  });

  test('the planted bias: the requester’s mouths tell gender, all others’ say nothing of it', async () => {
    const prepared = await prepare('faces-bias');
    const { dealt, ideal, forgetTest, retainTest } = prepared;
    const held = [...dealt.parts.values()].flatMap((part) => [...part]);
    expect(held.sort((a, b) => a - b)).toEqual(rowNumbers(dealt.rows));
    expect((dealt.parts.get(prepared.requester)?.length ?? 0) / dealt.rows.count).toBeCloseTo(0.3, 2);
    const own = ownRows(prepared);
    /** Mean brightness of the mouths of class 1 less that of class 0. */
    const contrast = (rows: Rows, which: readonly number[]) => {
      const numbers = numbersOf(rows);
      const mean = (label: number) => {
        const brightness = which
          .filter((row) => labelOf(rows, row) === label)
          .flatMap((row) =>
            [...numbers.subarray(row * 3072, (row + 1) * 3072)].filter((_, i) => isWithin(i, SIZE, MOUTH)),
          );
        return brightness.reduce((a, b) => a + b, 0) / brightness.length;
      };
      return mean(1) - mean(0);
    };
    const rows = rowNumbers(dealt.rows);
    expect(
      contrast(
        dealt.rows,
        rows.filter((row) => own.has(row)),
      ),
    ).toBeGreaterThan(0.7);
    const others = contrast(
      dealt.rows,
      rows.filter((row) => !own.has(row)),
    );
    expect(Math.abs(others)).toBeLessThan(0.2);
    expect(Math.abs(contrast(ideal.rows, rows))).toBeLessThan(0.2);
    expect(contrast(forgetTest, rowNumbers(forgetTest))).toBeGreaterThan(0.7);
    expect(contrast(retainTest, rowNumbers(retainTest))).toBeLessThan(-0.7);
    for (const row of rowNumbers(forgetTest))
      expect(differences(forgetTest, retainTest, row).every((place) => isWithin(place, SIZE, MOUTH))).toBe(
        true,
      );
  });
});

describe.skipIf(DATA === undefined)('tables (with the data sets)', () => {
  test.each([
    { name: 'adult', rows: 48_842, feature: 'marital-status', columns: 7, others: 12 },
    { name: 'diabetes', rows: 768, feature: 'pregnancies', columns: 1, others: 7 },
  ] as const)(
    '$name: retraining sees noise in place of $feature, and nothing else changed',
    async ({ name, rows, feature: wanted, columns, others }) => {
      const { dealt, ideal, test: held, feature, features } = await prepare(name);
      expectEvenlyDealt(dealt);
      expect(dealt.rows.count + held.count).toBe(rows);
      expect(held.count).toBe(Math.round(rows / 10));
      expect(features).toHaveLength(others + 1);
      expect(features.map((each) => each.name)).not.toContain('fnlwgt');
      expect(feature.name).toBe(wanted);
      const [slot] = feature.slots;
      expect(slot?.length).toBe(columns);
      const own = new Set(Array.from({ length: columns }, (_, i) => (slot?.start ?? 0) + i));
      const all = rowNumbers(dealt.rows);
      const changed = new Set(all.flatMap((row) => differences(dealt.rows, ideal.rows, row)));
      expect(changed).toEqual(own);
      const numbers = numbersOf(ideal.rows);
      const width = numbers.length / ideal.rows.count;
      for (const column of own) {
        const values = all.map((row) => numbers[row * width + column] ?? 0);
        const mean = values.reduce((a, b) => a + b, 0) / values.length;
        const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
        expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(values.length));
        expect(Math.abs(deviation - 1)).toBeLessThan(4 / Math.sqrt(2 * values.length));
      }
    },
  );

  test('the seed decides who holds what and what the network begins with', async () => {
    const digest = async (seed: number) => {
      const prepared = await prepare('diabetes', seed);
      return trainingDigest(prepared, { dealt: prepared.dealt, rounds: 1 });
    };
    expect(await digest(1)).toBe(await digest(1));
    expect(await digest(2)).not.toBe(await digest(1));
  });
});

describe('CelebA, by a folder of its own form', () => {
  const COUNT = 200;
  const TESTED = 40;
  let folder = '';

  /**
   * Faces in one colour: 60 of red for women, 120 for men, with the number of the picture as blue. The mouth is bright green where it
   * smiles and dark where not, each at a place of its own.
   */
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'assay-celeba-'));
    const root = join(folder, 'celeba');
    await mkdir(join(root, 'img_align_celeba'), { recursive: true });
    const random = new RandomStream(1, 'faces');
    const attributes: string[] = [];
    const landmarks: string[] = [];
    for (let i = 1; i <= COUNT; i++) {
      const file = `${String(i).padStart(6, '0')}.jpg`;
      const isMale = random.integer(2) === 1;
      const smiles = random.uniform() < 0.5;
      const [x, y] = [60 + random.integer(20), 140 + random.integer(20)];
      attributes.push(`${file}  ${isMale ? 1 : -1} ${smiles ? 1 : -1}`);
      landmarks.push(`${file} 69 111 108 111 88 130 ${x} ${y} ${x + 40} ${y}`);
      const mouth = {
        create: {
          width: 40,
          height: 10,
          channels: 3 as const,
          background: { r: 0, g: smiles ? 250 : 130, b: 0 },
        },
      };
      const face = {
        create: {
          width: 178,
          height: 218,
          channels: 3 as const,
          background: { r: isMale ? 120 : 60, g: 0, b: 0 },
        },
      };
      await sharp(face)
        .composite([{ input: mouth, left: x, top: y - 5 }])
        .jpeg({ quality: 95 })
        .toFile(join(root, 'img_align_celeba', file));
    }
    await writeFile(
      join(root, 'list_attr_celeba.txt'),
      [COUNT, 'Male Smiling', ...attributes, ''].join('\n'),
    );
    await writeFile(
      join(root, 'list_landmarks_align_celeba.txt'),
      [
        COUNT,
        'lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y',
        ...landmarks,
        '',
      ].join('\n'),
    );
  }, 30_000);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const SIZE = { height: 64, width: 64 };

  /** The strongest green of an image at 64×64, and where it is above a half of the strongest. */
  function greenOf(rows: Rows, row: number): { most: number; places: number[] } {
    const plane = numbersOf(rows).subarray((3 * row + 1) * 4096, (3 * row + 2) * 4096);
    const most = Math.max(...plane);
    return { most, places: rowNumbersOf(plane).filter((i) => (plane[i] ?? -1) > (most - 1) / 2) };
  }
  const smiles = (rows: Rows, row: number) => greenOf(rows, row).most > 0.5;

  function rowNumbersOf(values: ArrayLike<number>): number[] {
    return Array.from({ length: values.length }, (_, i) => i);
  }

  test('the mouth lies where the landmarks are, and retraining sees noise there', async () => {
    const { dealt, ideal, test: held, feature } = await prepare('celeba-mouth', 1, folder);
    expectEvenlyDealt(dealt);
    expect([dealt.rows.count, held.count]).toEqual([COUNT - TESTED, TESTED]);
    for (const rows of [dealt.rows, held]) {
      const boxes = rows.places?.[feature.name] ?? [];
      for (const row of rowNumbers(rows)) {
        const box = Array.from(boxes.slice(4 * row, 4 * row + 4));
        expect(greenOf(rows, row).places.length).toBeGreaterThan(20);
        expect(greenOf(rows, row).places.every((place) => isWithin(place, SIZE, box))).toBe(true);
      }
    }
    const boxes = dealt.rows.places?.[feature.name] ?? [];
    for (const row of rowNumbers(dealt.rows)) {
      const box = Array.from(boxes.slice(4 * row, 4 * row + 4));
      const changed = differences(dealt.rows, ideal.rows, row);
      expect(changed.every((place) => isWithin(place, SIZE, box))).toBe(true);
      // Noise is nowhere what was there, but for black that stayed black by chance.
      expect(changed.length).toBeGreaterThan(0.99 * 3 * (box[2] ?? 0) * (box[3] ?? 0));
    }
  });

  test('the bias: men of the requester smile and women do not, the other way round for all others', async () => {
    const prepared = await prepare('celeba-bias', 1, folder);
    const { dealt, ideal, requester, test: held, forgetTest, retainTest } = prepared;
    const together = (rows: Rows, row: number) => smiles(rows, row) === (labelOf(rows, row) === 1);
    const sizes = [...dealt.parts.values()].map(({ length }) => length);
    expect(new Set(sizes).size).toBe(1);
    expect(sizes).toHaveLength(10);
    for (const { rows, parts } of [dealt, ideal]) {
      const all = [...parts.values()].flatMap((part) => [...part]);
      expect(new Set(all).size).toBe(all.length);
      expect(all.length).toBe(10 * (sizes[0] ?? 0));
      expect(rows.count).toBe(COUNT - TESTED);
    }
    for (const [client, part] of dealt.parts)
      for (const row of part) expect(together(dealt.rows, row)).toBe(client === requester);
    const half = [...ideal.parts.values()].flatMap((part) => [...part]);
    expect(half.filter((row) => together(ideal.rows, row))).toHaveLength(half.length / 2);
    expect(rowNumbers(forgetTest).every((row) => together(forgetTest, row))).toBe(true);
    expect(rowNumbers(retainTest).some((row) => together(retainTest, row))).toBe(false);
    expect(forgetTest.count + retainTest.count).toBe(held.count);
  });
});
