/** The runner: what it tells, what it keeps, and that it goes on where it was stopped. */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromFloat32, withInitializers } from '@assay/graph';
import { UnlearnError } from '@assay/unlearn';
import { describe, expect, test } from 'vitest';
import { estimateSeconds } from '../src/cost.ts';
import type { ResultStore, RunEvent, RunOptions } from '../src/events.ts';
import { trainingDigest } from '../src/kept.ts';
import type { Method, Remedy } from '../src/method.ts';
import { baseline } from '../src/methods/baseline.ts';
import { fedRecovery } from '../src/methods/fed-recovery.ts';
import { fineTune } from '../src/methods/fine-tune.ts';
import { retrain } from '../src/methods/retrain.ts';
import { Pace } from '../src/pace.ts';
import { secondsAbreast } from '../src/pieces.ts';
import type { Result } from '../src/result.ts';
import { resultFromJson, resultKey, resultToJson } from '../src/result-document.ts';
import { type Experiments, reproduce } from '../src/run.ts';
import { SCENARIO_NAMES } from '../src/scenario.ts';
import { SCENARIOS } from '../src/scenarios/index.ts';
import { plantedRows, tableScenario } from './tiny.ts';

/** A folder in memory; from some write on it is as after `kill -9`: nothing more gets there, and whoever writes fails. */
class Folder implements ResultStore {
  readonly saved = new Map<string, string>();
  readonly bytes = new Map<string, Uint8Array>();
  writes = 0;
  diesAt = Number.POSITIVE_INFINITY;

  #write(): void {
    this.writes += 1;
    if (this.writes >= this.diesAt) throw new Killed('killed');
  }
  async results() {
    return [...this.saved.values()].map(resultFromJson);
  }
  async save(result: Result) {
    this.#write();
    this.saved.set(resultKey(result), resultToJson(result));
  }
  async studies() {
    return [];
  }
  async saveStudy() {}
  async load(key: string) {
    return this.bytes.get(key)?.slice();
  }
  async keep(key: string, bytes: Uint8Array) {
    this.#write();
    this.bytes.set(key, bytes.slice());
  }
  async drop(key: string) {
    this.#write();
    this.bytes.delete(key);
  }
  async pictures() {
    return [];
  }
  async savePicture() {}
}

class Killed extends Error {}

const prepared = {
  ...tableScenario([4]),
  test: plantedRows(200, 2),
  federation: {
    ...tableScenario().federation,
    rounds: 3,
    local: { epochs: 1, batchSize: 64, learningRate: 0.01 },
  },
};

const refusing: Method = {
  ...baseline,
  name: 'refusing',
  reasonAgainst: () => 'There is nothing to refuse with.',
};
const diverging: Method = {
  ...baseline,
  name: 'diverging',
  run: async () => {
    throw new UnlearnError('diverged', 'The loss became infinite.');
  },
};
const broken: Method = {
  ...baseline,
  name: 'broken',
  run: async () => {
    throw new RangeError('Nobody thought of this.');
  },
};
/** Leaves a model whose scores are no numbers. */
const destroying: Method = {
  ...baseline,
  name: 'destroying',
  run: async ({ model }): Promise<Remedy> => {
    const initializers = [...model.graph.initializers].map(
      ([name, { dims }]) =>
        [
          name,
          fromFloat32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(Number.NaN)),
        ] as const,
    );
    return {
      model: withInitializers(model, new Map(initializers)),
      bytes: 0,
      trainedRows: 0,
      forwardRows: 0,
      notes: [],
    };
  },
};

function experiments(methods: readonly Method[], scenario = prepared): Experiments {
  return { scenarios: { ...SCENARIOS, adult: async () => scenario }, methods };
}

function options(folder: ResultStore, given: Partial<RunOptions> = {}): RunOptions {
  return {
    scenarios: ['adult'],
    methods: [],
    seeds: [1],
    preset: 'quick',
    network: 'cnn',
    folder,
    threads: 1,
    ...given,
  };
}

async function run(
  folder: Folder,
  methods: readonly Method[],
  given: Partial<RunOptions> = {},
): Promise<readonly RunEvent[]> {
  const events: RunEvent[] = [];
  const wanted = options(folder, { methods: methods.map(({ name }) => name), ...given });
  for await (const event of reproduce(wanted, experiments(methods))) events.push(event);
  return events;
}

/** All that a folder holds of results, but for how long they took. */
async function resultsIn(folder: Folder): Promise<readonly Result[]> {
  return (await folder.results())
    .map((result) =>
      result.cost === undefined ? result : { ...result, cost: { ...result.cost, seconds: 0 } },
    )
    .sort((a, b) => a.method.localeCompare(b.method));
}

const METHODS = [baseline, retrain, fineTune, fedRecovery];

describe('a run', () => {
  const everything = (async () => {
    const folder = new Folder();
    const events = await run(folder, [...METHODS, refusing, diverging, broken, destroying]);
    return { folder, events };
  })();

  test('tells its plan first, and never goes back', async () => {
    const { events } = await everything;
    const [plan] = events;
    expect(plan).toMatchObject({ kind: 'plan', cells: 8, done: 0 });
    const told = events.flatMap((event) => (event.kind === 'progress' ? [event.done] : []));
    expect(told.length).toBeGreaterThan(5);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(Math.max(...told)).toBeLessThanOrEqual(1);
    expect(events.flatMap((event) => (event.kind === 'result' ? [event.result.method] : []))).toEqual([
      'baseline',
      'retrain',
      'fine-tune',
      'fed-recovery',
      'refusing',
      'diverging',
      'destroying',
    ]);
  });

  test('gives the same side by side as one after the other, and does as many at a time as it may', async () => {
    const seeds = [1, 2, 3];
    let [underWay, most] = [0, 0];
    const results = async (jobs: number) => {
      // Those who wait for each other come together, if they may.
      const everybody = Promise.withResolvers<void>();
      const counting: Method = {
        ...baseline,
        name: 'counting',
        run: async (context) => {
          underWay += 1;
          most = Math.max(most, underWay);
          if (underWay === jobs) everybody.resolve();
          await everybody.promise;
          const remedy = await fineTune.run(context);
          underWay -= 1;
          return remedy;
        },
      };
      const folder = new Folder();
      const events = await run(folder, [baseline, retrain, counting], { seeds, jobs });
      expect(events.filter(({ kind }) => kind === 'result')).toHaveLength(9);
      return new Map((await resultsIn(folder)).map((result) => [resultKey(result), result]));
    };
    const alone = await results(1);
    expect(most).toBe(1);
    const together = await results(3);
    expect(most).toBe(3);
    expect(together).toEqual(alone);
  });

  test('takes no results of another set-up for its own', async () => {
    const folder = new Folder();
    await run(folder, [baseline, retrain]);
    const [plan] = await run(folder, [baseline, retrain]);
    expect(plan).toMatchObject({ kind: 'plan', cells: 2, done: 2 });
    for (const [key, text] of folder.saved) {
      if (key.endsWith('retrain/1'))
        folder.saved.set(key, resultToJson({ ...resultFromJson(text), setup: 'other' }));
    }
    const events = await run(folder, [baseline, retrain]);
    expect(events[0]).toMatchObject({ kind: 'plan', cells: 2, done: 1 });
    expect(events.flatMap((event) => (event.kind === 'result' ? [event.result.method] : []))).toEqual([
      'retrain',
    ]);
    const setups = (await resultsIn(folder)).map(({ setup }) => setup);
    expect(setups[0]).toMatch(/^[0-9a-f]{12}$/);
    expect(new Set(setups).size).toBe(1);
  });

  test('starts a worker anew where one has ended', async () => {
    const killing: Method = {
      ...baseline,
      name: 'killing',
      run: async ({ session, seed }) => {
        if (seed === 1) await session.worker?.close();
        throw new RangeError('Nothing works any more.');
      },
    };
    const folder = new Folder();
    const events = await run(folder, [baseline, retrain, killing], { seeds: [1, 2] });
    expect(events.filter(({ kind }) => kind === 'failed')).toHaveLength(2);
    expect((await resultsIn(folder)).map(({ method, seed }) => `${method} ${seed}`)).toEqual([
      'baseline 1',
      'baseline 2',
      'retrain 1',
      'retrain 2',
    ]);
  });

  test('that fails in one place stops in all, and is told why', async () => {
    const folder = new Folder();
    folder.diesAt = 12;
    const failing = run(folder, [baseline, retrain], { seeds: [1, 2, 3, 4], jobs: 2 });
    await expect(failing).rejects.toThrow(Killed);
    const { writes } = folder;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(folder.writes).toBe(writes);
    folder.diesAt = Number.POSITIVE_INFINITY;
    const [plan] = await run(folder, [baseline, retrain], { seeds: [1, 2, 3, 4], jobs: 2 });
    expect(plan).toMatchObject({ kind: 'plan', cells: 8 });
    expect(await resultsIn(folder)).toHaveLength(8);
  });

  test('that nobody listens to any more stops', async () => {
    const folder = new Folder();
    const wanted = options(folder, { methods: ['baseline', 'retrain'], seeds: [1, 2, 3, 4], jobs: 2 });
    for await (const event of reproduce(wanted, experiments([baseline, retrain])))
      if (event.kind === 'result') break;
    const { writes } = folder;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(folder.writes).toBe(writes);
    expect((await resultsIn(folder)).length).toBeLessThan(8);
  });

  test('says of methods that refuse or diverge why they were not run', async () => {
    const found = await resultsIn((await everything).folder);
    const notRun = Object.fromEntries(
      found.flatMap(({ method, notRun }) => (notRun ? [[method, notRun]] : [])),
    );
    expect(notRun).toEqual({
      refusing: 'There is nothing to refuse with.',
      diverging: 'The loss became infinite.',
    });
  });

  test('reports what else goes wrong, keeps nothing of it, and goes on', async () => {
    const { folder, events } = await everything;
    expect(events.filter(({ kind }) => kind === 'failed')).toEqual([
      {
        kind: 'failed',
        scenario: 'adult',
        method: 'broken',
        seed: 1,
        why: 'Nobody thought of this.',
        cause: expect.any(RangeError),
      },
    ]);
    expect((await resultsIn(folder)).map(({ method }) => method)).not.toContain('broken');
  });

  test('keeps the result of a method that left a model without numbers', async () => {
    const found = (await resultsIn((await everything).folder)).find(({ method }) => method === 'destroying');
    expect(found?.sensitivity?.value).toBeNaN();
    expect(found?.accuracy?.test.value).toBeLessThanOrEqual(found?.accuracy?.test.majority ?? 0);
    expect(found?.notRun).toBeUndefined();
  });

  test('measures the baseline too against the retrained model', async () => {
    const [first] = await resultsIn((await everything).folder);
    expect(first?.method).toBe('baseline');
    expect(first?.distance?.agreement.value).toBeLessThan(1);
  });

  test('leaves two models behind, and neither states nor histories of trainings', async () => {
    const { folder } = await everything;
    const parts = [...folder.bytes.keys()].map((key) => key.split('/').slice(3, -1).join('/'));
    expect(parts.sort()).toEqual(['baseline', 'retrain']);
  });

  test('does nothing again', async () => {
    const { folder } = await everything;
    const before = folder.writes;
    const events = await run(folder, METHODS);
    expect(events).toEqual([{ kind: 'plan', cells: 4, done: 4, estimatedSeconds: 0 }]);
    expect(folder.writes).toBe(before);
  });

  test.each([2, 9, 13, 17, 19, 24, 30, 40])(
    'that is killed at its %dth write ends as if it had not been',
    async (diesAt) => {
      const whole = (await resultsIn((await everything).folder)).filter(({ method }) =>
        METHODS.some(({ name }) => name === method),
      );
      const folder = new Folder();
      folder.diesAt = diesAt;
      await run(folder, METHODS).catch((error: unknown) => expect(error).toBeInstanceOf(Killed));
      folder.diesAt = Number.POSITIVE_INFINITY;
      await run(folder, METHODS);
      expect(await resultsIn(folder)).toEqual(whole);
    },
  );

  test('that is aborted ends as if it had not been', async () => {
    const whole = (await resultsIn((await everything).folder)).filter(({ method }) =>
      METHODS.some(({ name }) => name === method),
    );
    const folder = new Folder();
    const controller = new AbortController();
    const wanted = options(folder, { methods: METHODS.map(({ name }) => name), signal: controller.signal });
    const reason = new Error('enough');
    const stopped = (async () => {
      for await (const event of reproduce(wanted, experiments(METHODS)))
        if (event.kind === 'progress' && event.method === 'retrain') controller.abort(reason);
    })();
    await expect(stopped).rejects.toBe(reason);
    expect((await resultsIn(folder)).map(({ method }) => method)).toEqual(['baseline']);
    await run(folder, METHODS);
    expect(await resultsIn(folder)).toEqual(whole);
  });

  test('trains again for the history where a method that reads it comes later, to the same result', async () => {
    const whole = (await resultsIn((await everything).folder)).find(
      ({ method }) => method === 'fed-recovery',
    );
    const folder = new Folder();
    await run(folder, [baseline, retrain]);
    await run(folder, [baseline, retrain, fedRecovery]);
    expect((await resultsIn(folder)).find(({ method }) => method === 'fed-recovery')).toEqual(whole);
  });

  test('does not go on with what was kept of other settings', async () => {
    const folder = new Folder();
    await run(folder, [baseline, retrain]);
    const faster = {
      ...prepared,
      federation: { ...prepared.federation, local: { ...prepared.federation.local, learningRate: 0.03 } },
    };
    const wanted = options(folder, { methods: ['fine-tune'] });
    const done: string[] = [];
    for await (const event of reproduce(wanted, experiments([baseline, retrain, fineTune], faster)))
      if (event.kind === 'result') done.push(event.result.method);
    expect(done).toEqual(['baseline', 'retrain', 'fine-tune']);
  });

  test('ends when nobody listens any more', async () => {
    const folder = new Folder();
    for await (const event of reproduce(options(folder), experiments(METHODS)))
      if (event.kind === 'progress') break;
    const { writes } = folder;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(folder.writes).toBe(writes);
  });

  test('leaves a scenario out whose data are not here, and says why', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'assay-'));
    try {
      const events: RunEvent[] = [];
      const wanted = options(new Folder(), { scenarios: ['celeba-mouth'], seeds: [1, 2], dataDir });
      for await (const event of reproduce(wanted)) events.push(event);
      expect(events).toEqual([
        { kind: 'plan', cells: 4, done: 0, estimatedSeconds: expect.any(Number) },
        {
          kind: 'skipped',
          scenario: 'celeba-mouth',
          why: expect.stringMatching(/^CelebA is not at hand\..*list_attr_celeba\.txt/),
        },
      ]);
    } finally {
      await rm(dataDir, { recursive: true });
    }
  });
});

describe('what a training is known by', () => {
  const { dealt } = prepared;
  const training = { dealt, rounds: 3 };
  const digest = trainingDigest(prepared, training);

  test('is the same for the same', () => {
    expect(trainingDigest({ ...prepared }, { dealt: { ...dealt }, rounds: 3 })).toBe(digest);
  });

  test.each([
    ['rounds', () => trainingDigest(prepared, { dealt, rounds: 4 })],
    ['clients', () => trainingDigest(prepared, { ...training, clients: ['client-2'] })],
    [
      'settings',
      () =>
        trainingDigest(
          { ...prepared, federation: { ...prepared.federation, average: 'weighted' } },
          training,
        ),
    ],
    [
      'the network',
      () => trainingDigest({ ...prepared, classifier: tableScenario([5]).classifier }, training),
    ],
    [
      'labels',
      () => {
        const labels = prepared.dealt.rows.labels?.map((label) => 1 - label);
        return trainingDigest(prepared, {
          ...training,
          dealt: { ...dealt, rows: { ...dealt.rows, labels } },
        });
      },
    ],
    ['rows', () => trainingDigest(prepared, { ...training, dealt: prepared.ideal })],
    [
      'who holds them',
      () =>
        trainingDigest(prepared, {
          ...training,
          dealt: { ...dealt, parts: new Map([...dealt.parts].map(([id, rows]) => [id, rows.slice(1)])) },
        }),
    ],
    [
      'weights to start from',
      () => trainingDigest(prepared, { ...training, start: { w: fromFloat32([1], Float32Array.of(1)) } }),
    ],
  ])('changes with %s', (_, other) => {
    expect(other()).not.toBe(digest);
  });
});

describe('the pace of a run', () => {
  test('says what is left of all lanes, and forgets what failed', () => {
    const pace = new Pace(128, 128, 2);
    expect(pace.at('a', 16)).toEqual({ done: 0.125, remainingSeconds: 56 });
    expect(pace.at('b', 32)).toEqual({ done: 0.375, remainingSeconds: 40 });
    pace.finish('a', 64);
    expect(pace.at('b', 32).done).toBe(0.75);
    pace.leaveOut(32, 'b');
    expect(pace.at('c', 16).done).toBe(0.875);
    // Never back.
    expect(pace.at('c', 0).done).toBe(0.875);
  });

  test('is no shorter side by side than its longest piece, and no faster than the cores', () => {
    expect(secondsAbreast([200, 1], 2)).toBe(200);
    const many = Array.from({ length: 1000 }, () => 1);
    expect(secondsAbreast(many, 1)).toBe(1000);
    expect(secondsAbreast(many, 900)).toBe(1000 / Math.min(900, availableParallelism()));
    expect(secondsAbreast([], 1)).toBe(0);
  });
});

describe('what a run will cost', () => {
  test('is told of every scenario and network, and is days for the paper’s ResNet-18', () => {
    for (const scenario of SCENARIO_NAMES) {
      for (const network of ['cnn', 'resnet18'] as const) {
        const quick = estimateSeconds(scenario, 'baseline', { preset: 'quick', network });
        const full = estimateSeconds(scenario, 'baseline', { preset: 'full', network });
        expect(quick).toBeGreaterThan(0);
        expect(full).toBeGreaterThan(quick);
      }
    }
    // 200 rounds × 4 clients × 5 epochs × 6000 images, at 17 ms each.
    const days = estimateSeconds('mnist', 'baseline', { preset: 'full', network: 'resnet18' }) / 86_400;
    expect(days).toBeCloseTo(4.7, 1);
  });
});
