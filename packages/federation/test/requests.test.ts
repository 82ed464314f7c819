import type { Learner } from '@assay/engine';
import { fromFloat32, GraphBuilder, type Model, makeModel, toNumbers, valueInfo } from '@assay/graph';
import { RandomStream } from '@assay/random';
import type { Rows } from '@assay/unlearn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  accuracyDrop,
  type Client,
  digestOf,
  Federation,
  type FederationOptions,
  type ForgetTask,
  type Forgotten,
  InProcessTransport,
  localClients,
  MemoryStore,
  maskExamples,
  openValidation,
  projectWeights,
  type Store,
  unlearner,
  type Validation,
} from '../src/index.ts';
import {
  classifierOf,
  collect,
  examplesOf,
  FEATURES,
  mapped,
  network,
  numbersOf,
  openLearner,
  plantedRows,
  range,
  towards,
} from './support.ts';

const MODEL = network();
const CLIENTS = 4;
const PER_CLIENT = 300;
const ROWS = plantedRows(CLIENTS * PER_CLIENT, 1);
const SERVER_ROWS = plantedRows(3000, 2);
const LOCAL = { epochs: 2, batchSize: 32, learningRate: 0.1 };
const REQUEST = { client: 'c0', feature: 'a', because: 'sensitive' } as const;

let learner: Learner;
let validation: Validation;
/** The state after three rounds, to begin from. */
let trained: Store;

beforeAll(async () => {
  learner = await openLearner(MODEL);
  validation = await openValidation({
    classifier: classifierOf(MODEL),
    rows: SERVER_ROWS,
    features: FEATURES,
    weights: learner.weights,
    seed: 1,
  });
  const federation = await open();
  await collect(federation.train(3));
  trained = storeOf(federation);
});
afterAll(async () => {
  await validation.close();
  await learner.close();
});

const stores = new WeakMap<Federation, MemoryStore>();
function storeOf(federation: Federation): Store {
  return stores.get(federation) ?? new MemoryStore();
}

function rowsOf(client: number, from = 0, to = PER_CLIENT): Rows {
  const width = 6;
  const values = toNumbers(ROWS.inputs.features ?? fromFloat32([0, width], new Float32Array()));
  const [start, end] = [client * PER_CLIENT + from, client * PER_CLIENT + to];
  return {
    count: end - start,
    inputs: {
      features: fromFloat32(
        [end - start, width],
        Float32Array.from(values.subarray(start * width, end * width)),
      ),
    },
    labels: ROWS.labels.slice(start, end),
  };
}

interface Setting extends Partial<FederationOptions> {
  readonly method?: 'auto' | 'exact' | 'ferrari';
  /** In the place of what the clients would send. */
  readonly forget?: (task: ForgetTask) => unknown;
}

async function open({ method = 'auto', forget, ...options }: Setting = {}): Promise<Federation> {
  const parts = new Map(
    Array.from(
      { length: CLIENTS },
      (_, i) => [`c${i}`, range(i * PER_CLIENT, (i + 1) * PER_CLIENT)] as const,
    ),
  );
  const ownUnlearner = (id: string) => {
    const client = Number(id.slice(1));
    return unlearner({
      classifier: classifierOf(MODEL),
      features: FEATURES,
      rows: rowsOf(client, 0, 200),
      test: rowsOf(client, 200),
      method,
      seed: 3,
      settings: { maxAccuracyDrop: 0.05 },
    });
  };
  const clients = localClients({
    learner,
    examples: examplesOf(ROWS),
    parts,
    forget: (id) =>
      forget === undefined ? ownUnlearner(id) : async (task) => JSON.parse('{}', () => forget(task)),
  });
  const store = new MemoryStore();
  if (trained !== undefined) {
    for (const key of ['state', 'version/000000']) {
      const bytes = await trained.load(key);
      if (bytes !== undefined) await store.save(key, bytes);
    }
  }
  const federation = await Federation.open({
    transport: new InProcessTransport(clients),
    initial: learner.initial,
    seed: 1,
    local: LOCAL,
    store,
    validation,
    model: MODEL,
    acceptance: { maxAccuracyDrop: 0.2 },
    ...options,
  });
  stores.set(federation, store);
  return federation;
}

/** Weights of the first layer that the columns of a feature enter. */
function firstLayer(weights: Federation['weights'], feature: string): number[] {
  const { slots } = FEATURES.find(({ name }) => name === feature) ?? { slots: [] };
  const values = toNumbers(weights['layer0.weight'] ?? fromFloat32([0], new Float32Array()));
  return slots.flatMap(({ start, length }) =>
    [...values].filter((_, i) => i % 6 >= start && i % 6 < start + length),
  );
}

describe('a request to forget', () => {
  it('is answered with a model that has forgotten, and the old one is kept', async () => {
    const federation = await open();
    const before = federation.weights;
    const outcome = await federation.forget(REQUEST);
    expect(outcome).toMatchObject({ accepted: true, reasons: [], round: 3, version: 2 });
    expect(outcome.report?.method).toBe('exact');
    expect(outcome.sensitivity?.before.value).toBeGreaterThan(0.3);
    expect(outcome.sensitivity?.after.value).toBe(0);
    expect(outcome.accuracy?.rows).toBe(3000);
    expect(outcome.bytes.sent).toBe(4 * numbersOf(before).length);
    expect(firstLayer(federation.weights, 'a').every((value) => value === 0)).toBe(true);
    expect(federation.versions.map(({ cause }) => cause.kind)).toEqual(['initial', 'rounds', 'request']);
    expect(federation.versions[1]?.digest).toBe(await digestOf(before));
    expect(outcome.digests).toEqual({
      before: await digestOf(before),
      after: await digestOf(federation.weights),
    });
    expect(numbersOf(await federation.version(1))).toEqual(numbersOf(before));
    await expect(federation.version(3)).rejects.toThrow('no version 3');
    await federation.restore(1);
    expect(numbersOf(federation.weights)).toEqual(numbersOf(before));
    expect(federation.forgotten).toEqual([]);
  });

  it('that was cut out stays at exactly zero for ever, also after the state was loaded again', async () => {
    const federation = await open();
    const { sensitivity } = await federation.forget(REQUEST);
    const reports = await collect(federation.train(6));
    for (const { relapse, weights } of reports) {
      expect(relapse).toMatchObject([{ feature: 'a', accepted: 0, original: sensitivity?.before.value }]);
      expect(relapse[0]?.sensitivity).toMatchObject({ value: 0, upper: 0 });
      expect(firstLayer(weights, 'a').every((value) => value === 0)).toBe(true);
      expect(firstLayer(weights, 'b').some((value) => value !== 0)).toBe(true);
    }
    // Clients that know of the cut learn nothing there, so that the projection has nothing to take away.
    const again = await open({ store: storeOf(federation) });
    expect(again.forgotten).toEqual(federation.forgotten);
    const [report] = await collect(again.train(7));
    expect(report?.relapse[0]?.sensitivity.value).toBe(0);
  });

  it('stays cut also if clients train on the feature, by hostility or ignorance', async () => {
    const federation = await open();
    await federation.forget(REQUEST);
    const parts = new Map([['c9', range(0, ROWS.count)]]);
    const [ignorant] = localClients({ learner, examples: examplesOf(ROWS), parts });
    if (ignorant === undefined) throw new Error('no client');
    const client: Client = {
      ...ignorant,
      fit: (task, signal) => ignorant.fit({ ...task, cuts: [] }, signal),
    };
    const next = await Federation.open({
      transport: new InProcessTransport([client]),
      initial: learner.initial,
      seed: 1,
      local: LOCAL,
      store: storeOf(federation),
      validation,
      model: MODEL,
    });
    const [report] = await collect(next.train(4));
    expect(report?.relapse[0]?.sensitivity.value).toBe(0);
  });

  it('by a method that is not exact relapses, which is measured, and repeating it cures', async () => {
    const cured = await open({ method: 'ferrari' });
    const left = await open({ method: 'ferrari', cure: {} });
    for (const federation of [cured, left])
      expect(await federation.forget(REQUEST)).toMatchObject({
        accepted: true,
        report: { method: 'ferrari' },
      });
    const [withCure, without] = [await collect(cured.train(6)), await collect(left.train(6))];
    const shareOf = (report: (typeof without)[number] | undefined): number => {
      const { sensitivity, original } = report?.relapse[0] ?? {};
      return (sensitivity?.value ?? Number.NaN) / (original ?? Number.NaN);
    };
    expect(shareOf(without.at(-1))).toBeGreaterThan(0.3);
    expect(shareOf(withCure.at(-1))).toBeLessThan(0.1);
    expect(withCure.some(({ repeated }) => repeated.some(({ accepted }) => accepted))).toBe(true);
    expect(without.every(({ repeated }) => repeated.length === 0)).toBe(true);
  });

  it('is repeated after so many rounds where that is the rule', async () => {
    const federation = await open({ method: 'ferrari', cure: { repeatEvery: 2 } });
    await federation.forget(REQUEST);
    const reports = await collect(federation.train(6));
    expect(reports.map(({ round, repeated }) => [round, repeated.length])).toEqual([
      [4, 1],
      [5, 0],
      [6, 1],
    ]);
  });

  it('is told what has come back, so that a repetition aims at the same part of the original', async () => {
    const own = unlearner({
      classifier: classifierOf(MODEL),
      features: FEATURES,
      rows: rowsOf(0, 0, 200),
      test: rowsOf(0, 200),
      method: 'ferrari',
      seed: 3,
      settings: { maxAccuracyDrop: 0.05 },
    });
    const { signal } = new AbortController();
    const tasks: ForgetTask[] = [];
    const federation = await open({
      forget: (task) => {
        tasks.push(task);
        return own(task, signal);
      },
      cure: { repeatEvery: 1 },
    });
    expect((await federation.forget(REQUEST)).accepted).toBe(true);
    await collect(federation.train(federation.round + 1));
    const [first, again] = tasks;
    if (first === undefined || again?.left === undefined) throw new Error('it was not repeated');
    expect(first.left).toBeUndefined();
    expect(again.left).toBeGreaterThan(0.02);
    expect(again.left).toBeLessThan(1);
    const reached = async (task: ForgetTask) => {
      const { before, after } = (await own(task, signal)).report.sensitivity;
      return after / before;
    };
    const [whole, tenth] = [await reached(first), await reached({ ...first, left: 0.2 })];
    expect(whole).toBeLessThan(0.03);
    expect(tenth).toBeGreaterThan(whole);
    expect(tenth).toBeLessThan(0.15);
  });

  it('waits for those before it, and starts from what they have forgotten', async () => {
    const federation = await open();
    const outcomes = await Promise.all([
      federation.forget(REQUEST),
      federation.forget({ client: 'c1', feature: 'colour', because: 'bias' }),
      federation.forget({ client: 'c2', feature: 'noise', because: 'sensitive' }),
    ]);
    expect(outcomes.map(({ accepted }) => accepted)).toEqual([true, true, true]);
    expect(outcomes[1]?.digests.before).toBe(outcomes[0]?.digests.after);
    expect(outcomes[2]?.digests.before).toBe(outcomes[1]?.digests.after);
    for (const feature of ['a', 'colour', 'noise'])
      expect((await validation.sensitivity(federation.weights, feature))?.value).toBe(0);
    expect((await validation.sensitivity(federation.weights, 'b'))?.value).toBeGreaterThan(0.3);
    const [report] = await collect(federation.train(4));
    expect(report?.relapse.map(({ feature, sensitivity }) => [feature, sensitivity.value])).toEqual([
      ['a', 0],
      ['colour', 0],
      ['noise', 0],
    ]);
  });

  it('comes in between two rounds', async () => {
    const federation = await open();
    const reports = federation.train(6);
    await reports.next();
    const asked = federation.forget(REQUEST);
    const after = (await reports.next()).value;
    expect((await asked).round).toBe(4);
    expect(after).toMatchObject({ round: 5, relapse: [{ feature: 'a' }] });
  });

  it("reaches the server through the transport, under the client's own name", async () => {
    const parts = new Map([['c0', range(0, 300)]]);
    const transport = new InProcessTransport(localClients({ learner, examples: examplesOf(ROWS), parts }));
    const federation = await open({ transport });
    expect(await transport.request('c0', 'a', 'sensitive')).toMatchObject({
      accepted: false,
      reasons: ['The client could not unlearn: The client "c0" cannot unlearn.'],
    });
    await federation.close();
    await expect(transport.request('c0', 'a', 'sensitive')).rejects.toThrow('No server listens');
  });
});

describe('a server', () => {
  const report = { method: 'mine', sensitivity: { before: 1, after: 0 }, seconds: 1, notes: [] };
  const refusal = async (
    forget: (task: ForgetTask) => unknown,
    options: Setting = {},
  ): Promise<readonly string[]> => {
    const federation = await open({ forget, ...options });
    const before = await digestOf(federation.weights);
    const outcome = await federation.forget(REQUEST);
    expect(outcome.accepted).toBe(false);
    expect(outcome.digests).toEqual({ before, after: before });
    expect(await digestOf(federation.weights)).toBe(before);
    expect(federation.forgotten).toEqual([]);
    expect(federation.versions).toHaveLength(1);
    // And training goes on.
    const [next] = await collect(federation.train(4));
    expect(next?.averaged).toBe(true);
    return outcome.reasons;
  };

  it('refuses what it cannot use, and says why', async () => {
    expect(await refusal(() => 'θ')).toEqual(['The answer is no set of weights with a report.']);
    const broken = await refusal(({ weights }) => ({ weights: mapped(weights, () => Number.NaN), report }));
    expect(broken[0]).toMatch(/^The upload has \d+ numbers in ".*" that are not finite\.$/);
    const { 'layer0.bias': _, ...fewer } = learner.initial;
    expect(await refusal(() => ({ weights: fewer, report }))).toEqual(['The upload lacks "layer0.bias".']);
    const far = await refusal(({ weights }) => ({ weights: mapped(weights, (x) => 30 * x), report }));
    expect(far[0]).toMatch(/^The upload is .* away from the global weights; at most/);
  });

  it('refuses a model that is worse on its own rows', async () => {
    const [reason] = await refusal(({ weights }) => ({ weights: mapped(weights, () => 0), report }), {
      acceptance: { maxAccuracyDrop: 0.02, maxRelativeNorm: 10 },
    });
    expect(reason).toMatch(/^The accuracy on the server's 3000 rows falls by \d+\.\d points/);
  });

  it('refuses a model that has not forgotten', async () => {
    expect((await refusal(({ weights }) => ({ weights, report })))[0]).toMatch(
      /^The model still depends on "a": its sensitivity is/,
    );
  });

  it('judges a backdoor by the accuracy alone: its own rows cannot show what the trigger does', async () => {
    const parts = new Map([['c0', range(0, 300)]]);
    const forget = () => async (task: ForgetTask) => ({ weights: task.weights, report });
    const federation = await open({
      transport: new InProcessTransport(localClients({ learner, examples: examplesOf(ROWS), parts, forget })),
      cure: { repeatAbove: 0.01 },
    });
    const outcome = await federation.forget({ ...REQUEST, because: 'backdoor' });
    expect(outcome).toMatchObject({ accepted: true, sensitivity: undefined });
    const [round] = await collect(federation.train(federation.round + 1));
    expect(round).toMatchObject({ relapse: [], repeated: [] });
  });

  it('refuses a cut that is none, or cannot be', async () => {
    const cut = (slots: object[]) => ({ feature: 'a', slots });
    const own = cut([{ input: 'features', start: 0, length: 1 }]);
    expect(await refusal(({ weights }) => ({ weights, report, cut: own }))).toEqual([
      'The upload says that the feature is cut out of it, and it is not.',
    ]);
    for (const slots of [
      [{ input: 'nothing', start: 0, length: 1 }],
      [{ input: 'features', start: 5, length: 3 }],
    ]) {
      const [reason] = await refusal(({ weights }) => ({ weights, report, cut: cut(slots) }));
      expect(reason).toMatch(/^The cut cannot be made/);
    }
    const without = await open();
    const { weights: exact } = without;
    await without.forget(REQUEST);
    const forgotten: Forgotten = { weights: without.weights, cut: JSON.parse(JSON.stringify(own)), report };
    expect(exact).not.toEqual(without.weights);
    const parts = new Map([['c0', range(0, 300)]]);
    const transport = new InProcessTransport(
      localClients({ learner, examples: examplesOf(ROWS), parts, forget: () => async () => forgotten }),
    );
    const blind = await Federation.open({
      transport,
      initial: learner.initial,
      seed: 1,
      local: LOCAL,
      validation,
      acceptance: { maxRelativeNorm: 10, maxAccuracyDrop: 1 },
    });
    expect((await blind.forget(REQUEST)).reasons).toEqual(['The server has no model to check a cut with.']);
  });

  it('refuses a request that brings an earlier feature back', async () => {
    const federation = await open({ method: 'ferrari' });
    const old = federation.weights;
    await federation.forget(REQUEST);
    const parts = new Map([['c1', range(0, 300)]]);
    // The old weights, for a feature that the server cannot measure.
    const forget = () => async () => ({ weights: old, report });
    const next = await open({
      store: storeOf(federation),
      transport: new InProcessTransport(localClients({ learner, examples: examplesOf(ROWS), parts, forget })),
    });
    const { reasons } = await next.forget({ client: 'c1', feature: 'a pattern', because: 'backdoor' });
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toMatch(/^It brings back "a", which was forgotten before: its sensitivity rises from/);
  });

  it('refuses everything without rows of its own', async () => {
    const transport = new InProcessTransport([towards('c0', 1)]);
    const federation = await Federation.open({ transport, initial: learner.initial, seed: 1, local: LOCAL });
    expect((await federation.forget(REQUEST)).reasons[0]).toMatch('no rows of its own');
  });

  it('waits for an answer no longer than it says', async () => {
    const client: Client = { ...towards('c0', 1), forget: () => new Promise(() => {}) };
    const federation = await open({
      transport: new InProcessTransport([client]),
      requestSeconds: 60,
      wait: async () => {},
    });
    expect((await federation.forget(REQUEST)).reasons).toEqual([
      'The client could not unlearn: It had not answered after 60 s.',
    ]);
    const silent = await open({ transport: new InProcessTransport([client]) });
    const stop = new AbortController();
    const asked = silent.forget(REQUEST, stop.signal);
    stop.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
  });

  it('refuses a request that is none', async () => {
    const federation = await open();
    for (const wrong of [{ feature: '' }, { because: 'fun' }, { feature: 'a'.repeat(1001) }]) {
      const { reasons } = await federation.forget(JSON.parse(JSON.stringify({ ...REQUEST, ...wrong })));
      expect(reasons).toEqual(['The request is none: it names no feature, or no reason that there is.']);
    }
  });

  it('hears of a feature that the model has not', async () => {
    const federation = await open();
    const { reasons } = await federation.forget({ ...REQUEST, feature: 'height' });
    expect(reasons).toEqual(['The client could not unlearn: The model has no feature named "height".']);
  });
});

describe('the projection of a cut', () => {
  const cuts = [{ feature: 'a', slots: [{ input: 'features', start: 0, length: 2 }] }];

  it('is one, and leaves what does not depend on the inputs as it was', () => {
    const once = projectWeights(MODEL, learner.initial, cuts);
    expect(numbersOf(once)).not.toEqual(numbersOf(learner.initial));
    expect(numbersOf(projectWeights(MODEL, once, cuts))).toEqual(numbersOf(once));
    expect(Object.keys(once)).toEqual(Object.keys(learner.initial));
  });

  it('changes nothing for who feeds nothing there', async () => {
    const masked = maskExamples(examplesOf(SERVER_ROWS), cuts);
    const blind = await openValidation({
      classifier: classifierOf(MODEL),
      rows: { ...SERVER_ROWS, inputs: masked.inputs },
      features: FEATURES,
      weights: learner.weights,
      seed: 1,
    });
    const projected = projectWeights(MODEL, learner.initial, cuts);
    expect(await blind.predictions(projected)).toEqual(await blind.predictions(learner.initial));
    expect(await validation.predictions(projected)).toEqual(await blind.predictions(learner.initial));
    await blind.close();
    // The examples themselves are as they were.
    expect(examplesOf(SERVER_ROWS).inputs.features).toBe(SERVER_ROWS.inputs.features);
    expect(masked.inputs.features).not.toEqual(SERVER_ROWS.inputs.features);
  });

  it('makes the rows of an embedding table equal', () => {
    const build = new GraphBuilder();
    build.initializer('table', fromFloat32([3, 2], Float32Array.of(1, 2, 3, 4, 5, 6)));
    build.op('Gather', ['table', 'town'], { axis: 0 }, 'logits');
    const model: Model = makeModel(
      build.finish(
        'embedding',
        [valueInfo('town', 'int64', ['batch'])],
        [valueInfo('logits', 'float32', ['batch', 2])],
      ),
    );
    const weights = Object.fromEntries(model.graph.initializers);
    const cut = [{ feature: 'town', slots: [{ input: 'town', start: 0, length: 1 }] }];
    expect(numbersOf(projectWeights(model, weights, cut))).toEqual([1, 2, 1, 2, 1, 2]);
  });
});

describe('the loss of accuracy', () => {
  it('counts the rows on which two models differ', () => {
    const labels = Int32Array.of(1, 1, 1, 0, 0, -1);
    const drop = accuracyDrop(Int32Array.of(1, 1, 0, 0, 0, 1), Int32Array.of(0, 1, 1, 0, 1, 1), labels);
    expect(drop).toMatchObject({ before: 4 / 5, after: 3 / 5, rows: 5 });
    expect(drop.value).toBeCloseTo(1 / 5, 12);
  });

  it('has an interval that holds the true loss 95 times in 100', () => {
    // Lost with probability 0.06, won with 0.03: the true loss is 0.03.
    const [trials, rows] = [2000, 300];
    const random = new RandomStream(1, 'coverage');
    let holds = 0;
    for (let trial = 0; trial < trials; trial++) {
      const before = new Int32Array(rows);
      const after = new Int32Array(rows);
      for (let row = 0; row < rows; row++) {
        const draw = random.uniform();
        before[row] = draw < 0.06 || draw > 0.5 ? 1 : 0;
        after[row] = (draw >= 0.06 && draw < 0.09) || draw > 0.5 ? 1 : 0;
      }
      const { lower, upper } = accuracyDrop(before, after, new Int32Array(rows).fill(1));
      if (lower <= 0.03 && 0.03 <= upper) holds += 1;
    }
    expect(holds / trials).toBeGreaterThan(0.93);
    expect(holds / trials).toBeLessThan(0.975);
  });
});
