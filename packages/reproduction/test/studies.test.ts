/** The ablations and the theorem on planted federations, what is kept of them, and their tables. */

import { startWorker } from '@assay/engine';
import { toNumbers, trainableInitializers } from '@assay/graph';
import { RandomStream } from '@assay/random';
import { meanOf, type Rows, trainAsPublished } from '@assay/unlearn';
import { describe, expect, test } from 'vitest';
import { anchor } from '../src/ablations/anchor.ts';
import { withClients } from '../src/ablations/clients.ts';
import { ABLATIONS } from '../src/ablations/index.ts';
import { byOurs, byProof, byPublished, type LocalContext, ownRows } from '../src/ablations/local.ts';
import { measurePoint } from '../src/ablations/measure.ts';
import type { ResultStore, RunEvent } from '../src/events.ts';
import { prefixed } from '../src/kept.ts';
import type { Prepared } from '../src/scenario.ts';
import { cellsOf, studiesOf } from '../src/studies.ts';
import { type AblationPoint, type Study, studyFromJson, studyKey, studyToJson } from '../src/study.ts';
import { studyTablesOf } from '../src/study-tables.ts';
import { checkTheorem, displaced, judgeClaim, judgeEquality } from '../src/theorem.ts';
import { plantedRows, tableScenario, trainedContext, triggerScenario } from './tiny.ts';

const table = tableScenario();
const context: LocalContext = await trainedContext(table);
const watched = { seed: 7, session: { threads: 1 }, signal: undefined };

class InMemory implements ResultStore {
  readonly kept = new Map<string, Study>();
  readonly bytes = new Map<string, Uint8Array>();
  trainings = 0;

  async studies() {
    return [...this.kept.values()];
  }
  async saveStudy(study: Study) {
    // As a folder would: through text.
    this.kept.set(studyKey(study), studyFromJson(studyToJson(study)));
  }
  async load(key: string) {
    return this.bytes.get(key);
  }
  async keep(key: string, bytes: Uint8Array) {
    if (key.includes('/baseline/')) this.trainings += 1;
    this.bytes.set(key, bytes);
  }
  async drop(key: string) {
    this.bytes.delete(key);
  }
  async results() {
    return [];
  }
  async save() {}
  async pictures() {
    return [];
  }
  async savePicture() {}
}

async function collected(
  prepared: Prepared,
  wanted: ReturnType<typeof cellsOf>,
  folder: ResultStore,
): Promise<readonly RunEvent[]> {
  const events: RunEvent[] = [];
  const options = { folder, preset: 'quick', network: 'cnn', threads: 1 } as const;
  const worker = await startWorker();
  try {
    const lane = { worker, signal: new AbortController().signal };
    for await (const event of studiesOf(prepared, wanted, options, lane)) events.push(event);
    return events;
  } finally {
    await worker.close();
  }
}

describe('the published variant with other settings', () => {
  const task = {
    classifier: { ...table.classifier, model: context.model },
    feature: table.feature,
    rows: ownRows(table, 1, 7),
    seed: 7,
    session: { threads: 1 },
  };
  const name = trainableInitializers(context.model)[0] ?? '';
  const numbersOf = async (settings: Parameters<typeof trainAsPublished>[1]) => {
    const { weights } = await trainAsPublished(task, settings);
    const value = weights[name];
    return value === undefined ? [] : [...toNumbers(value)];
  };
  const rows = task.rows.count;

  test('sums over the batch: a rate times the rows of a step is the same as the mean over them', async () => {
    const batchSize = rows;
    const summed = await numbersOf({ batchSize, learningRate: 1e-4, over: 'sum' });
    const averaged = await numbersOf({ batchSize, learningRate: 1e-4 * rows, over: 'mean' });
    summed.forEach((value, i) => {
      expect(averaged[i]).toBeCloseTo(value, 5);
    });
  });

  test('stops half of the gradient: of a linear model both halves are alike but for x and x + δ', async () => {
    const linear = tableScenario([]);
    const model = linear.classifier.model;
    const weight =
      trainableInitializers(model).find((one) => model.graph.initializers.get(one)?.dims.length === 2) ?? '';
    const step = async (branches: 'one' | 'both') => {
      const { weights } = await trainAsPublished(
        { ...task, classifier: linear.classifier },
        { branches, batchSize: rows, perturbations: 2, learningRate: 1e-3, over: 'mean' },
      );
      const [after, before] = [weights[weight], model.graph.initializers.get(weight)];
      if (after === undefined || before === undefined) throw new TypeError('no weights');
      const old = toNumbers(before);
      return [...toNumbers(after)].map((value, i) => value - (old[i] ?? 0));
    };
    const [one, both] = [await step('one'), await step('both')];
    // f(x) − f(x + δ) = −Wδ: with both branches the gradient is that of ‖Wδ‖, which only the feature's columns (2 and 3) have.
    const isByColumn = model.graph.initializers.get(weight)?.dims[0] === 5;
    const isFeature = (i: number) => [2, 3].includes(isByColumn ? Math.floor(i / 2) : i % 5);
    const away = (values: readonly number[]) =>
      Math.max(...values.filter((_, i) => !isFeature(i)).map(Math.abs));
    expect(away(both)).toBeLessThan(1e-7);
    expect(Math.max(...both.map(Math.abs))).toBeGreaterThan(1e-5);
    // With one, columns that have nothing to do with the feature move.
    expect(away(one)).toBeGreaterThan(1e-5);
  });

  test('with a task loss and no weight on the sensitivity only learns', async () => {
    const settings = { over: 'mean', weight: 0, learningRate: 0.5, epochs: 30 } as const;
    const learned = await trainAsPublished(task, { ...settings, taskLoss: 'labels' });
    const still = await trainAsPublished(task, { ...settings, taskLoss: 'none' });
    expect(still.weights[name]).toEqual(task.classifier.model.graph.initializers.get(name));
    const before = await measurePoint(table, context.model, context.model, watched);
    const after = await measurePoint(table, learned.model, context.model, watched);
    expect(after.accuracy.test.value).toBeGreaterThan(before.accuracy.test.value - 0.03);
    expect(after.sensitivity.value).toBeGreaterThan(0.3 * before.sensitivity.value);
  });

  test('refuses labels that are not there', async () => {
    const unlabelled: Rows = { ...task.rows, labels: undefined };
    await expect(trainAsPublished({ ...task, rows: unlabelled }, { taskLoss: 'labels' })).rejects.toThrow(
      /some rows have none/,
    );
  });
});

describe('a share of the requester’s rows', () => {
  test('is part of every larger one', () => {
    const keysOf = ({ inputs, count }: Rows) => {
      const numbers = inputs.features === undefined ? [] : toNumbers(inputs.features);
      return new Set(Array.from({ length: count }, (_, row) => numbers.slice(row * 5, row * 5 + 5).join()));
    };
    const [few, more, all] = [0.1, 0.5, 1].map((part) => ownRows(table, part, 3));
    expect([few?.count, more?.count, all?.count]).toEqual([30, 150, 300]);
    const within = keysOf(more ?? plantedRows(0, 0));
    for (const key of keysOf(few ?? plantedRows(0, 0))) expect(within).toContain(key);
  });

  test('of a tenth is enough for the exact cut', async () => {
    const { model, rows } = await byOurs(context, 'exact', 0.1);
    const before = await measurePoint(table, context.model, context.model, watched);
    const after = await measurePoint(table, model, context.model, watched);
    expect(rows).toBe(30);
    expect(after.sensitivity.value).toBe(0);
    // Without the group, of whose effect 3/√12 ≈ 0.9 of 3 in logits is lost, it can only be worse.
    expect(after.accuracy.test.value).toBeGreaterThan(before.accuracy.test.value - 0.12);
  });
});

describe('the number of clients', () => {
  test.each([2, 5])('%i: every row has one client', (count) => {
    const { dealt, federation } = withClients(table, count, 1);
    const rows = [...dealt.parts.values()].flatMap((part) => [...part]).sort((a, b) => a - b);
    expect(rows).toEqual(Array.from({ length: table.dealt.rows.count }, (_, row) => row));
    expect(dealt.parts.size).toBe(count);
    expect(federation.perRound).toBe(Math.max(1, Math.round(0.4 * count)));
  });

  test('leaves a requester with rows of its own kind those', () => {
    const trigger = triggerScenario();
    const { dealt } = withClients(trigger, 6, 1);
    expect(dealt.parts.get(trigger.requester)).toEqual(trigger.dealt.parts.get(trigger.requester));
    expect([...dealt.parts.values()].reduce((sum, part) => sum + part.length, 0)).toBe(900);
  });
});

test('a backdoor is the same in all of the requester’s rows, so that the anchor of a sensitive feature is refused', async () => {
  const trigger = triggerScenario();
  const [own] = anchor.series;
  const wrong = own?.settings.find(({ label }) => label === 'old model');
  const at = { ...context, prepared: trigger, model: trigger.classifier.model };
  const shelf = (name: string) => prefixed(new InMemory(), name);
  await expect(wrong?.run({ ...at, shelf, train: async () => at.model })).rejects.toThrow(
    /has the same value in all/,
  );
});

describe('a run of studies', () => {
  const cells = (names: readonly ('share' | 'rate')[], series: readonly string[]) =>
    cellsOf({ scenarios: ['adult'], seeds: [1], ablations: names, theorem: false, series });

  test('keeps each point and says why one has nothing', async () => {
    const folder = new InMemory();
    const wanted = cells(['share'], ['exact']).filter(({ point }) =>
      ['1%', '10%', '100%'].includes(point?.setting.label ?? ''),
    );
    const events = await collected(table, wanted, folder);
    const found = events.flatMap((event) => (event.kind === 'study' ? [event.study] : []));
    expect(found).toHaveLength(3);
    expect(await folder.studies()).toEqual(found);
    expect(folder.trainings).toBe(1);
    const [few, , all] = found;
    expect(few).toMatchObject({ setting: '1%', notRun: expect.stringMatching(/has 3 rows; at least 10/) });
    expect(all).toMatchObject({ setting: '100%', at: 1, rows: 300, targetMet: true });
  });

  test('a rate that is too large diverges or destroys the model, and is a point all the same', async () => {
    const folder = new InMemory();
    const wanted = cells(['rate'], ['ferrari-paper']).filter(({ point }) =>
      ['1e−7', '1e−2'].includes(point?.setting.label ?? ''),
    );
    await collected(table, wanted, folder);
    const [small, large] = await folder.studies();
    if (small?.study !== 'ablation' || large?.study !== 'ablation') throw new TypeError('no points');
    const left = (point: AblationPoint) =>
      (point.after?.sensitivity.value ?? 0) / (point.before?.sensitivity.value ?? 1);
    expect(left(small)).toBeCloseTo(1, 2);
    expect(large.notRun !== undefined || left(large) < 0.9).toBe(true);
  });

  test('settings have labels and keys of their own, and the usual one is among them', () => {
    const head = { study: 'ablation', scenario: 'adult', seed: 1, preset: 'quick', network: 'cnn' } as const;
    const anywhere = { ...head, ablation: 'rate' };
    for (const { series } of ABLATIONS)
      for (const { name, settings, usual } of series) {
        const labels = settings.map(({ label }) => label);
        expect(new Set(labels).size).toBe(labels.length);
        const keys = labels.map((setting) => studyKey({ ...anywhere, series: name, setting }));
        expect(new Set(keys).size).toBe(labels.length);
        for (const key of keys) expect(key).toMatch(/^[a-z0-9/-]+$/);
        if (usual !== undefined) expect(labels).toContain(usual);
      }
  });
});

/** Rows to judge by, all of one kind. */
function everywhere(test: Rows): Pick<Prepared, 'test' | 'retainTest' | 'forgetTest'> {
  return { test, retainTest: test, forgetTest: test };
}

describe('relapse', () => {
  const cells = (series: readonly string[], settings: readonly string[]) =>
    cellsOf({ scenarios: ['adult'], seeds: [1], ablations: ['relapse'], theorem: false, series }).filter(
      ({ point }) => settings.includes(point?.setting.label ?? ''),
    );
  /** The server accepts what costs little: `b` says hardly more than `a` does. */
  const [, proxy = table.feature] = table.features;
  const cheap: Prepared = { ...table, feature: proxy, ...everywhere(plantedRows(6000, 2)) };
  const pointsIn = async (folder: ResultStore) =>
    (await folder.studies()).flatMap((study) => (study.study === 'ablation' ? [study] : []));
  const measuredAt = async (folder: ResultStore, series: string, setting: string) => {
    const points = await pointsIn(folder);
    const found = points.find((point) => point.series === series && point.setting === setting)?.after;
    if (found === undefined)
      throw new TypeError(
        points.map(({ series: name, setting: at, notRun }) => `${name} ${at}: ${notRun}`).join('\n'),
      );
    return found;
  };

  test('what was cut stays out; what was unlearned comes back, slower or not at all where something is done', async () => {
    const folder = new InMemory();
    const courses = ['ferrari', 'ferrari-anchored', 'ferrari-repeated', 'exact'];
    await collected(cheap, cells(courses, ['at once', '5']), folder);
    const left = async (series: string, setting: string) =>
      (await measuredAt(folder, series, setting)).sensitivity.value;
    const before = (await pointsIn(folder))[0]?.before?.sensitivity.value ?? 0;
    for (const setting of ['at once', '5']) expect(await left('exact', setting)).toBe(0);
    expect(await left('ferrari', 'at once')).toBeLessThan(0.05 * before);
    const alone = await left('ferrari', '5');
    expect(alone).toBeGreaterThan(0.3 * before);
    expect(await left('ferrari-anchored', '5')).toBeLessThan(alone);
    // The server asks again above 5 % on its own rows; on others it may be somewhat more.
    expect(await left('ferrari-repeated', '5')).toBeLessThan(0.1 * before);
    const repeated = (await pointsIn(folder)).find(
      ({ series, setting }) => series === 'ferrari-repeated' && setting === '5',
    );
    expect(repeated?.notes.join()).toMatch(/^repeated (?:once|\d+ times) by then\.$/);
    const keptOf = (series: string) =>
      [...folder.bytes.keys()].filter((key) => key.includes(`/relapse/${series}/`));
    expect(keptOf('exact')).not.toEqual([]);
    // After the last look nothing of the federation is kept.
    await collected(cheap, cells(['exact'], ['20']), folder);
    expect(await left('exact', '20')).toBe(0);
    expect(keptOf('exact')).toEqual([]);
  });

  test('a look goes on from the one before it to the same numbers, and an earlier one begins anew', async () => {
    const [inTurn, alone] = [new InMemory(), new InMemory()];
    await collected(cheap, cells(['ferrari'], ['1', '5']), inTurn);
    await collected(cheap, cells(['ferrari'], ['5']), alone);
    expect(await measuredAt(alone, 'ferrari', '5')).toEqual(await measuredAt(inTurn, 'ferrari', '5'));
    await collected(cheap, cells(['ferrari'], ['1']), alone);
    expect(await measuredAt(alone, 'ferrari', '1')).toEqual(await measuredAt(inTurn, 'ferrari', '1'));
  });

  test('is judged on other rows than the server’s, beside studies that are judged on all', async () => {
    const folder = new InMemory();
    const [all] = cellsOf({
      scenarios: ['adult'],
      seeds: [1],
      ablations: ['share'],
      theorem: false,
      series: ['exact'],
    }).slice(-1);
    await collected(cheap, [...(all === undefined ? [] : [all]), ...cells(['exact'], ['at once'])], folder);
    const rows = (await pointsIn(folder)).map(({ ablation, before, after }) => [
      ablation,
      before?.accuracy.test.rows,
      after?.accuracy.test.rows,
    ]);
    expect(rows).toEqual([
      ['share', 6000, 6000],
      ['relapse', 3000, 3000],
    ]);
  });

  test('a trigger stays gone while the others train without the poisoned rows; a region is not cut out of weights', async () => {
    const folder = new InMemory();
    await collected(triggerScenario(2000), cells(['ferrari', 'exact'], ['at once', '5']), folder);
    const points = await pointsIn(folder);
    expect(points.filter(({ series }) => series === 'exact').map(({ notRun }) => notRun)).toEqual([
      expect.stringMatching(/exchanges weights only/),
      expect.stringMatching(/exchanges weights only/),
    ]);
    expect(points[0]?.notRun).toBeUndefined();
    // Half of the rows have the target class by themselves.
    expect(points[0]?.before?.implant?.value).toBeGreaterThan(0.4);
    for (const setting of ['at once', '5']) {
      const { implant, accuracy } = await measuredAt(folder, 'ferrari', setting);
      expect(implant?.value).toBeLessThan(0.03);
      expect(accuracy.test.value).toBeGreaterThan(0.95);
    }
  });

  test('what the server refuses is said at every look, and unlearned once', async () => {
    const few = { ...table, ...everywhere(plantedRows(60, 2)) };
    const folder = new InMemory();
    const events = await collected(few, cells(['ferrari'], ['at once', '1', '20']), folder);
    const reasons = (await pointsIn(folder)).map(({ notRun }) => notRun);
    expect(reasons[0]).toMatch(/^The server refused it: The accuracy on the server's 30 rows/);
    expect(new Set(reasons).size).toBe(1);
    expect(reasons).toHaveLength(3);
    const unlearned = events.flatMap((event) => (event.kind === 'progress' ? [event.detail] : []));
    expect(
      unlearned.filter((detail) => /^round 1 of at most \d+, step 100,/.test(detail)).length,
    ).toBeLessThan(2);
    expect([...folder.bytes.keys()].filter((key) => key.includes('/relapse/'))).toEqual([]);
  });
});

describe('the theorem', () => {
  const rows = plantedRows(500, 11);

  test.each(['shift', 'noise'] as const)(
    'δ in the reading %s has its length, on the feature alone',
    (reading) => {
      const moved = displaced(rows, table.feature, 2, reading, new RandomStream(1, 'test'));
      const [before, after] = [rows, moved].map(({ inputs }) =>
        inputs.features === undefined ? [] : [...toNumbers(inputs.features)],
      );
      const deltas = Array.from({ length: rows.count }, (_, row) =>
        [0, 1, 2, 3, 4].map((k) => (after?.[row * 5 + k] ?? 0) - (before?.[row * 5 + k] ?? 0)),
      );
      for (const [a, b, c, d, e] of deltas) {
        expect([a, b, e]).toEqual([0, 0, 0]);
        expect(Math.hypot(c ?? 0, d ?? 0)).toBeCloseTo(2, 4);
      }
      const directions = new Set(deltas.map(([, , c]) => (c ?? 0).toFixed(3)));
      if (reading === 'shift') expect(directions.size).toBeLessThanOrEqual(4);
      else expect(directions.size).toBeGreaterThan(100);
    },
  );

  test('on planted rows: a shift costs nothing, noise costs what the feature tells, the premise fails', async () => {
    const found = await checkTheorem(context, {
      norms: [0, 4, 8],
      bounds: [4],
      steps: { tables: 600, images: 100 },
      epochs: 20,
    });
    const loss = (reading: string, norm: number) =>
      found.curve.find((one) => one.reading === reading && one.norm === norm)?.loss.crossEntropy.value ??
      Number.NaN;
    expect(found.rows).toBe(300);
    expect(found.curve).toHaveLength(6);
    // A bias takes a shift back; noise far larger than the columns leaves what the other columns tell.
    expect(loss('shift', 4) - loss('noise', 0)).toBeLessThan(0.5 * (loss('noise', 8) - loss('noise', 0)));
    expect(loss('noise', 8)).toBeGreaterThan(loss('noise', 0) + 0.05);
    // A model that does not look at the feature loses the same at every norm, so no norm can cost more than the largest.
    for (const norm of [0, 4, 8]) expect(loss('noise', norm)).toBeLessThan(loss('noise', 8) + 0.02);
    const verdictsOf = (name: string, reading?: string) =>
      found.checks
        .filter((check) => check.name === name && (reading === undefined || check.reading === reading))
        .map(({ verdict }) => verdict);
    // Labels are drawn with noise: no model of 16 hidden units learns 300 of them by heart.
    expect(verdictsOf('assumption-4').slice(0, 2)).toEqual(['does-not-hold', 'does-not-hold']);
    expect(verdictsOf('assumption-3', 'printed')).toEqual(['holds', 'holds']);
    // As printed ℓ₁ is 0, and every unlearned model has a loss.
    expect(new Set(verdictsOf('claim', 'printed'))).toEqual(new Set(['does-not-hold']));
    expect(verdictsOf('inequality-13')).toHaveLength(2);
    for (const { left, right, difference } of found.checks)
      expect(difference.value).toBeCloseTo(left.value - right.value, 6);
  });

  test('an upper estimate of ℓ₁ refutes the claim and never proves it', () => {
    expect(judgeClaim(meanOf([0.1, 0.11, 0.12]), false).verdict).toBe('does-not-hold');
    expect(judgeClaim(meanOf([-0.1, -0.11, -0.12]), false).verdict).toBe('cannot-be-told');
    expect(judgeClaim(meanOf([-0.1, 0.1]), false).verdict).toBe('cannot-be-told');
    expect(judgeClaim(meanOf([0, 0, 0]), true).verdict).toBe('holds');
  });

  test('ℓ₂ ≤ ℓ₁ holds as an equality, and fails only beyond what the search leaves open', () => {
    expect(judgeEquality(meanOf([0, 0, 0]), 0).verdict).toBe('holds');
    expect(judgeEquality(meanOf([0.1, 0.11, 0.12]), 0.01).verdict).toBe('does-not-hold');
    expect(judgeEquality(meanOf([0.1, 0.11, 0.12]), 0.2).verdict).toBe('cannot-be-told');
  });
});

describe('tables of studies', () => {
  const estimate = (value: number) => ({ value, lower: value - 0.01, upper: value + 0.01 });
  const measured = (accuracy: number, sensitivity: number) => ({
    accuracy: {
      test: { ...estimate(accuracy), majority: 0.7, rows: 1000 },
      retain: { ...estimate(accuracy), majority: 0.7, rows: 1000 },
      forget: { ...estimate(accuracy), majority: 0.7, rows: 1000 },
    },
    sensitivity: estimate(sensitivity),
    flips: estimate(0.1),
  });
  const point = (setting: string, seed: number, accuracy: number, targetMet = true): AblationPoint => ({
    study: 'ablation',
    scenario: 'adult',
    seed,
    preset: 'quick',
    network: 'cnn',
    ablation: 'share',
    series: 'exact',
    setting,
    rows: 88,
    before: measured(0.86, 0.4),
    after: measured(accuracy, 0),
    targetMet,
    seconds: 1,
    notes: [],
  });
  const share = (at2: readonly number[], met = true) =>
    [1, 2, 3].flatMap((seed, i) => [
      point('2%', seed, at2[i] ?? 0, met),
      point('100%', seed, 0.85),
      {
        ...point('1%', seed, 0),
        after: undefined,
        before: undefined,
        targetMet: undefined,
        notRun: 'too few',
      },
    ]) satisfies readonly AblationPoint[];

  test('the aim: within half a point of all data, and forgotten in every seed', () => {
    const goalOf = (studies: readonly Study[]) => studyTablesOf(studies).goals[0];
    const reached = goalOf(share([0.846, 0.848, 0.847]));
    expect(reached).toMatchObject({ share: '2%', rows: 88, isReached: true, reachedFrom: '2%' });
    // Mean 0.003 of three seeds, s = 0.001: Student's 4.3027 · 0.001 / √3.
    expect(reached?.loss.value).toBeCloseTo(0.003, 9);
    expect((reached?.loss.upper ?? 0) - 0.003).toBeCloseTo((4.3027 * 0.001) / Math.sqrt(3), 6);
    expect(goalOf(share([0.84, 0.842, 0.841]))?.isReached).toBe(false);
    expect(goalOf(share([0.85, 0.85, 0.85], false))?.isReached).toBe(false);
  });

  test('do not depend on the order, and hold one accuracy where all rows are of one kind', () => {
    const studies = share([0.846, 0.848, 0.847]);
    const tables = studyTablesOf(studies);
    expect(studyTablesOf(studies.toReversed())).toEqual(tables);
    const [block] = tables.shares;
    expect(block?.measures).toEqual(['test', 'sensitivity', 'flips']);
    expect(block?.setup).toEqual({ preset: 'quick', network: 'mlp', seeds: [1, 2, 3] });
    expect(block?.curves[0]?.points.map(({ setting }) => setting)).toEqual(['1%', '2%', '100%']);
    expect(block?.curves[0]?.points[0]?.notRun).toBe('too few');
    expect(block?.curves[0]?.points[1]?.met).toEqual({ count: 3, of: 3 });
    expect(block?.before.test?.value).toBeCloseTo(0.86, 9);
  });

  test('a document that is no study is refused by the place where it is wrong', () => {
    expect(() => studyFromJson('{')).toThrow(/no JSON|not JSON/);
    const text = studyToJson(point('2%', 1, 0.8)).replace('"seed": 1', '"seed": "one"');
    expect(() => studyFromJson(text)).toThrow(/seed is not as it has to be/);
  });
});

test('the proof’s objective forgets and keeps, where the authors’ variant at its settings does not', async () => {
  const before = await measurePoint(table, context.model, context.model, watched);
  const proof = await byProof(context);
  const published = await byPublished(context, {});
  const [a, b] = [
    await measurePoint(table, proof.model, context.model, watched),
    await measurePoint(table, published.model, context.model, watched),
  ];
  expect(a.sensitivity.value).toBeLessThan(0.15 * before.sensitivity.value);
  expect(a.accuracy.test.value).toBeGreaterThan(0.7);
  expect(b.sensitivity.value).toBeGreaterThan(0.5 * before.sensitivity.value);
});
