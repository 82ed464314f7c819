import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeModel, type Tensor, toNumbers } from '@assay/graph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  batches,
  type Checkpoint,
  cosineRate,
  decodeCheckpoint,
  EngineError,
  encodeCheckpoint,
  gatherRows,
  loadCheckpoint,
  openFrozen,
  openSession,
  openTrainable,
  predictAll,
  rowNumberBatches,
  saveCheckpoint,
  type Tensors,
  type TrainingProgress,
  type TrainOptions,
  train,
} from '../src/index.ts';
import { RUNTIMES } from './support/models.ts';
import { PLANTED, regression, regressionData, regressionStep } from './support/regression.ts';

const DATA = regressionData(200, 1);
const SHUFFLED = batches(DATA, { batchSize: 32, seed: 5 });

async function collect(options: TrainOptions): Promise<TrainingProgress[]> {
  const reports: TrainingProgress[] = [];
  for await (const report of train(options)) reports.push(report);
  return reports;
}

function bytesOf(state: Tensors): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(state).map(([name, { data }]) => [name, data instanceof Uint8Array ? [...data] : []]),
  );
}

function weightsOf(state: Tensors): number[] {
  const { w } = state;
  return w === undefined ? [] : [...toNumbers(w)];
}

describe.each(RUNTIMES)('training on the %s runtime', (runtime) => {
  it('finds planted weights', async () => {
    const step = regressionStep();
    await using session = await openTrainable(step, { runtime });
    const reports = await collect({
      session,
      step,
      feeds: SHUFFLED,
      epochs: 60,
      learningRate: cosineRate(0.1, 420),
    });
    const weights = weightsOf(await session.held(['w']));
    weights.forEach((weight, i) => {
      expect(weight).toBeCloseTo(PLANTED[i] ?? Number.NaN, 3);
    });
    const last = reports.at(-1);
    expect(last).toMatchObject({
      epoch: 60,
      step: 420,
      steps: 420,
      stopped: 'finished',
      remainingSeconds: 0,
    });
    expect(last?.loss).toBeLessThan(1e-5);
    expect(reports.slice(0, -1).every(({ stopped }) => stopped === undefined)).toBe(true);
  });

  it('goes on from a checkpoint as if it had not stopped, to the bit', async () => {
    const step = regressionStep({ kind: 'adamw' });
    const common = { step, feeds: SHUFFLED, epochs: 4, learningRate: cosineRate(0.05, 28) };
    const through = async (
      resume: Checkpoint | undefined,
      maxSteps: number,
      stepsPerReport: number,
    ): Promise<Checkpoint> => {
      await using session = await openTrainable(step, { runtime });
      let last: Checkpoint | undefined;
      const options = {
        ...common,
        session,
        maxSteps,
        stepsPerReport,
        ...(resume === undefined ? {} : { resume }),
      };
      for await (const report of train(options)) last = await report.checkpoint();
      if (last === undefined) throw new Error('no step was made');
      return last;
    };
    const whole = await through(undefined, 20, 7);
    const half = await through(undefined, 10, 3);
    const resumed = await through(decodeCheckpoint(encodeCheckpoint(half)), 20, 16);
    expect(half.step).toBe(10);
    expect(resumed.step).toBe(20);
    expect(bytesOf(resumed.state)).toEqual(bytesOf(whole.state));
    expect(bytesOf(half.state)).not.toEqual(bytesOf(whole.state));
  });

  it('gathers its rows from a table in the worker to the same result', async () => {
    const run = async (resident: boolean): Promise<Tensors> => {
      const plain = regressionStep();
      const step = resident ? { ...plain, model: gatherRows(plain.model, ['x', 'y']) } : plain;
      await using session = await openTrainable(step, { runtime });
      if (resident) await session.hold({ 'x.table': DATA.x, 'y.table': DATA.y });
      const feeds = resident ? rowNumberBatches(200, { batchSize: 32, seed: 5 }) : SHUFFLED;
      await collect({ session, step, feeds, epochs: 2, learningRate: 0.01 });
      return session.held(['w']);
    };
    expect(bytesOf(await run(true))).toEqual(bytesOf(await run(false)));
  });

  it('predicts all rows, whatever the batch size, as one run would', async () => {
    const step = regressionStep();
    await using trainable = await openTrainable(step, { runtime });
    await collect({ session: trainable, step, feeds: SHUFFLED, epochs: 2, learningRate: 0.05 });
    const weights = await trainable.held(['w']);
    await using session = await openFrozen(regression(), weights, { runtime });
    const all = await session.run({ ...DATA }, ['prediction']);
    for (const batchSize of [1, 7, 100, 1000]) {
      const { prediction } = await predictAll(session, { ...DATA }, { batchSize, outputs: ['prediction'] });
      const [a, b] = [prediction, all.prediction].map((value) =>
        value === undefined ? [] : [...toNumbers(value)],
      );
      expect(prediction?.dims).toEqual([200, 1]);
      expect(Math.max(...(a ?? []).map((value, i) => Math.abs(value - (b?.[i] ?? Number.NaN))))).toBeLessThan(
        1e-5,
      );
    }
  });
});

describe('a training run', () => {
  const step = regressionStep({ kind: 'sgd' });
  const feeds = batches(DATA, { batchSize: 50 });

  it('reports epochs, steps and time left', async () => {
    await using session = await openTrainable(step);
    const reports = await collect({ session, step, feeds, epochs: 3, learningRate: 0.1, stepsPerReport: 5 });
    expect(reports.map((report) => report.step)).toEqual([5, 10, 12]);
    expect(reports.map((report) => report.epoch)).toEqual([2, 3, 3]);
    for (const { elapsedSeconds, remainingSeconds, steps, step: done } of reports) {
      expect(remainingSeconds).toBeCloseTo((elapsedSeconds / done) * ((steps ?? 0) - done), 6);
    }
  });

  it('computes what the formula says', async () => {
    await using session = await openTrainable(step);
    const [report] = await collect({
      session,
      step,
      feeds: batches(DATA, { batchSize: 200 }),
      learningRate: 0.25,
    });
    const [x, y] = [toNumbers(DATA.x), toNumbers(DATA.y)];
    const expected = [0, 1, 2].map((column) => {
      let gradient = 0;
      for (let row = 0; row < 200; row++) gradient += (-2 * (x[row * 3 + column] ?? 0) * (y[row] ?? 0)) / 200;
      return -0.25 * gradient;
    });
    weightsOf(await session.held(['w'])).forEach((weight, i) => {
      expect(weight).toBeCloseTo(expected[i] ?? Number.NaN, 5);
    });
    expect(report?.loss).toBeCloseTo(y.reduce((sum, value) => sum + value * value, 0) / 200, 4);
  });

  it.each(['sync', 'async'])('takes feeds from any %s iterable', async (kind) => {
    await using session = await openTrainable(step);
    const list = Array.from({ length: 7 }, (_, i) => feeds.at(i));
    async function* later(): AsyncGenerator<Tensors> {
      yield* list;
    }
    const reports = await collect({
      session,
      step,
      feeds: kind === 'sync' ? list : later(),
      learningRate: 0.1,
      stepsPerReport: 3,
    });
    expect(reports.at(-1)).toMatchObject({
      step: 7,
      steps: undefined,
      remainingSeconds: undefined,
      stopped: 'finished',
    });
  });

  it('stops when the score no longer improves, and keeps the best parameters', async () => {
    await using session = await openTrainable(step);
    const scores = [5, 3, 4, 3, 9, 0];
    const seen: number[][] = [];
    const reports = await collect({
      session,
      step,
      feeds,
      epochs: 6,
      learningRate: 0.1,
      validation: {
        measure: async (parameters) => {
          seen.push(weightsOf(await parameters()));
          return scores[seen.length - 1] ?? 0;
        },
        patience: 3,
      },
    });
    expect(reports.map(({ score }) => score)).toEqual([5, 3, 4, 3, 9]);
    expect(reports.at(-1)).toMatchObject({ stopped: 'patience', best: { step: 8, score: 3 }, step: 20 });
    expect(weightsOf(await session.held(['w']))).toEqual(seen[1]);
  });

  it('remembers the best state and the patience used across a checkpoint', async () => {
    const run = async (resume: Checkpoint | undefined, epochs: number): Promise<Checkpoint | undefined> => {
      await using session = await openTrainable(step);
      let last: Checkpoint | undefined;
      const validation = {
        every: 2,
        restoreBest: false,
        patience: 4,
        measure: async (parameters: () => Promise<Record<string, Tensor>>) =>
          Math.abs((weightsOf(await parameters())[0] ?? 0) - 0.8),
      };
      const options = {
        session,
        step,
        feeds,
        epochs,
        learningRate: 0.02,
        validation,
        ...(resume === undefined ? {} : { resume }),
      };
      for await (const report of train(options)) last = await report.checkpoint();
      return last === undefined ? undefined : decodeCheckpoint(encodeCheckpoint(last));
    };
    const whole = await run(undefined, 30);
    const resumed = await run(await run(undefined, 3), 30);
    expect(whole?.best).toBeDefined();
    expect(resumed).toEqual(whole);
  });

  it('stops between steps on request, and can go on from there', async () => {
    await using session = await openTrainable(step);
    const controller = new AbortController();
    const common = { session, step, feeds, epochs: 1000, learningRate: 0.01 };
    let last: TrainingProgress | undefined;
    let kept: Checkpoint | undefined;
    for await (const report of train({ ...common, stepsPerReport: 2, signal: controller.signal })) {
      last = report;
      if (report.step === 6) controller.abort();
      kept = await report.checkpoint();
    }
    expect(last).toMatchObject({ step: 6, stopped: 'aborted' });
    if (kept === undefined) throw new Error('no checkpoint');
    const [next] = await collect({ ...common, resume: kept, maxSteps: 8 });
    expect(next).toMatchObject({ step: 8, stopped: 'finished' });
  });

  it('refuses to go on when the loss is no number', async () => {
    await using session = await openTrainable(step);
    await expect(collect({ session, step, feeds, epochs: 1000, learningRate: 1e6 })).rejects.toThrow(
      /The loss is no finite number at step \d+\. Lower the learning rate/,
    );
  });

  it('refuses the checkpoint of another model', async () => {
    await using session = await openTrainable(step);
    const resume: Checkpoint = { step: 1, state: {}, withoutImprovement: 0 };
    await expect(collect({ session, step, feeds, learningRate: 0.1, resume })).rejects.toThrow(
      /"w" is missing, not float32\[3, 1\]/,
    );
  });
});

describe('a checkpoint file', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'assay-checkpoint-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const checkpoint: Checkpoint = {
    step: 12,
    state: { ...regressionStep().initialState },
    best: { step: 8, score: 0.1 + 0.2, state: { ...regressionStep().initialState } },
    withoutImprovement: 1,
  };

  it('gives back what was saved, and replaces the old one whole', async () => {
    const path = join(folder, 'run.onnx');
    await saveCheckpoint(path, { ...checkpoint, step: 11 });
    await saveCheckpoint(path, checkpoint);
    expect(await loadCheckpoint(path)).toEqual(checkpoint);
    expect(await readdir(folder)).toEqual(['run.onnx']);
  });

  it('leaves nothing behind where it cannot be written', async () => {
    const before = await readdir(folder);
    await expect(saveCheckpoint(join(folder, 'missing', 'run.onnx'), checkpoint)).rejects.toThrow();
    await expect(saveCheckpoint(folder, checkpoint)).rejects.toThrow();
    expect(await readdir(folder)).toEqual(before);
  });

  it('is refused when it is cut off, another model, or has a damaged record', async () => {
    const path = join(folder, 'bad.onnx');
    const bytes = encodeCheckpoint(checkpoint);
    const text = new TextDecoder('latin1').decode(bytes);
    const damaged = Uint8Array.from(text.replace('"step":12', '"step":-2'), (character) =>
      character.charCodeAt(0),
    );
    for (const content of [bytes.subarray(0, bytes.length / 2), encodeModel(regression()), damaged]) {
      await writeFile(path, content);
      const error = await loadCheckpoint(path).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(EngineError);
      expect(error).toMatchObject({ kind: 'checkpoint' });
    }
    expect((await readFile(path)).length).toBe(damaged.length);
  });
});

describe('predicting', () => {
  it('fills up batches for a model of a fixed batch size', async () => {
    const model = regression();
    const fixed = {
      ...model,
      graph: {
        ...model.graph,
        inputs: model.graph.inputs.map((input) => ({
          ...input,
          type: input.type && { ...input.type, shape: [4, ...(input.type.shape ?? []).slice(1)] },
        })),
      },
    };
    const weights = {
      w: { elementType: 'float32', dims: [3, 1], data: new Uint8Array(Float32Array.of(1, 2, 3).buffer) },
    } as const;
    await using session = await openFrozen(fixed, weights);
    await using free = await openFrozen(model, weights);
    for (const rows of [1, 4, 6]) {
      const data = regressionData(rows, 2);
      const [a, b] = await Promise.all(
        [session, free].map((each) => predictAll(each, { ...data }, { outputs: ['prediction'] })),
      );
      expect(a).toEqual(b);
    }
  });

  it('refuses outputs that are not per row, and gives empty outputs for no rows', async () => {
    await using session = await openSession(regression());
    await expect(predictAll(session, { ...DATA })).rejects.toThrow(/"loss" does not have one row per row/);
    const { prediction } = await predictAll(
      session,
      { ...regressionData(0, 1) },
      { outputs: ['prediction'] },
    );
    expect(prediction?.dims).toEqual([0, 1]);
  });
});
