/**
 * Runs the experiments: scenario by scenario and seed by seed, trains the federation, lets every method forget, and measures.
 *
 * A cell (scenario, seed, method) is one result. What is kept is not computed again: results, the trained baseline, the
 * retrained model, and the state of every training after each round, so that an interrupted run goes on where it stopped.
 * The state goes once its result is there; the history of the rounds, a model per client and round, is kept only for the
 * methods that read it, and until they have. On disk that is some 45 GB for 200 rounds of ResNet-18, for each job under way;
 * nothing of it is in memory.
 */

import type { SessionOptions, Tensors } from '@assay/engine';
import { History } from '@assay/federation';
import { decodeModel, encodeModel, type Model } from '@assay/graph';
import { UnlearnError } from '@assay/unlearn';
import type { Lane } from './abreast.ts';
import { estimateSeconds } from './cost.ts';
import type { ResultStore, RunEvent, RunOptions } from './events.ts';
import { federateOf } from './federate.ts';
import { prefixed, trainingDigest } from './kept.ts';
import { costOf, distanceTo, isDivergence, measure, type Reference, withWeightsOf } from './measure.ts';
import type { Federate, Method, Remedy } from './method.ts';
import { METHODS } from './methods/index.ts';
import { picturesOf } from './pictures.ts';
import { eachPiece, type Placed } from './pieces.ts';
import { Queue } from './queue.ts';
import type { Result } from './result.ts';
import { resultKey } from './result-document.ts';
import type { Prepared, ScenarioName } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';
import type { Prepare } from './scenarios/prepare.ts';
import { setupOf } from './setup.ts';

/** The methods that the others are measured against; they always run, and first. */
const REFERENCES: readonly string[] = ['baseline', 'retrain'];
/** The methods that read the history of the rounds. */
const READ_HISTORY: readonly string[] = ['fed-recovery'];

/** What is run; tests put their own in its place. */
export interface Experiments {
  readonly scenarios: Readonly<Record<ScenarioName, Prepare>>;
  readonly methods: readonly Method[];
}

/**
 * A scenario whose data are not here is `skipped`. A method that refuses, or says that it diverged, gives a result that is
 * `notRun`. Everything else that goes wrong in a cell is told as `failed`, nothing is kept of it, and the run goes on: the
 * next run tries again. Whoever stops listening stops the run.
 *
 * @throws the signal's reason if it is aborted, and what the folder throws; what was finished is kept
 */
export async function* reproduce(
  options: RunOptions,
  { scenarios: prepares, methods: all }: Experiments = { scenarios: SCENARIOS, methods: METHODS },
): AsyncGenerator<RunEvent, void, undefined> {
  const { scenarios, seeds, folder } = options;
  const methods = all.filter(({ name }) => options.methods.includes(name) || REFERENCES.includes(name));
  const kept = new Map((await folder.results()).map((result) => [resultKey(result), result.setup]));
  const cells = seeds.flatMap((seed) =>
    scenarios.flatMap((scenario) => methods.map(({ name }): Cell => ({ scenario, seed, method: name }))),
  );
  const { preset, network } = options;
  const open = cells.filter(
    (cell) => kept.get(resultKey({ ...cell, preset, network })) !== setupOf(cell.scenario, options),
  );
  const estimate = (list: readonly Cell[]) =>
    list.reduce((sum, { scenario, method }) => sum + estimateSeconds(scenario, method, options), 0);
  yield* eachPiece({ cells, open, estimate }, options, prepares, async function* (piece, lane) {
    const { prepared, own, scenario, seed, place, pace } = piece;
    const wanted = methods.filter(({ name }) => own.some(({ method }) => method === name));
    let left = own;
    for await (const event of runScenario(prepared, methods, wanted, seed, options, lane)) {
      if (event.kind === 'progress') {
        const current = estimateSeconds(scenario, event.method, options) * event.done;
        yield { ...event, ...pace.at(place, current) };
        continue;
      }
      if (event.kind === 'result') {
        const done = left.filter(({ method }) => method === event.result.method);
        left = left.filter((cell) => !done.includes(cell));
        pace.finish(place, estimate(done));
      }
      yield event;
    }
    // What failed.
    pace.leaveOut(estimate(left), place);
  });
}

interface Cell extends Placed {
  readonly method: string;
}

/** @param wanted those of the methods whose results are not there */
async function* runScenario(
  prepared: Prepared,
  methods: readonly Method[],
  wanted: readonly Method[],
  seed: number,
  options: RunOptions,
  lane: Lane,
): AsyncGenerator<RunEvent, void, undefined> {
  const { folder, preset, network } = options;
  const scenario = prepared.name;
  const session: SessionOptions = { threads: options.threads ?? 1, worker: lane.worker };
  const place = `${scenario}/${network}-${preset}/seed-${seed}`;
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, lane.signal]);
  const queue = new Queue<RunEvent>();
  const headOf = (method: string) => ({
    scenario,
    method,
    seed,
    preset,
    network,
    setup: setupOf(scenario, options),
  });
  const failed = (method: string, cause: unknown): void => {
    signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : String(cause);
    queue.push({ kind: 'failed', scenario, method, seed, why, cause });
  };
  const report = (method: string, from: number, to: number) => (done: number, detail: string) =>
    queue.push({
      kind: 'progress',
      scenario,
      method,
      seed,
      done: from + (to - from) * Math.min(1, Math.max(0, done)),
      detail,
    });
  const rounds = prepared.federation.rounds;
  const setup = trainingDigest(prepared, { dealt: prepared.dealt, rounds });
  const history = prefixed(folder, `${place}/history/${setup}`);
  const retrainedKey = `${place}/retrain/${trainingDigest(prepared, { dealt: prepared.ideal, rounds })}`;

  /** The model before anything is forgotten, with its history where a method reads it. */
  const train = async (isRecorded: boolean) => {
    // A training that was begun without its history cannot be gone on with where it is wanted.
    const state = prefixed(folder, `${place}/federation${isRecorded ? '-with-history' : ''}`);
    const learn = () =>
      federateOf(prepared, seed, session, signal, { state, ...(isRecorded ? { history } : {}) })({
        dealt: prepared.dealt,
        rounds,
        onProgress: report('baseline', 0, 0.7),
      });
    const baseline = await trained(folder, `${place}/baseline`, learn, prepared);
    if (isRecorded && (await history.load(WHOLE)) === undefined) {
      // After a training just now this does nothing; else it gives the same weights again, and their history.
      await learn();
      await history.save(WHOLE, new Uint8Array(1));
    }
    await state.empty();
    return baseline;
  };

  const work = async (): Promise<void> => {
    const kept = (await folder.results()).find(
      (result) => resultKey(result) === resultKey(headOf('baseline')),
    );
    const keptRetrained = await folder.load(retrainedKey);
    // Without its model a result says nothing of those that are to be measured against it.
    const lacks = [
      ...((await folder.load(`${place}/baseline/${setup}`)) === undefined ? ['baseline'] : []),
      ...(keptRetrained === undefined ? ['retrain'] : []),
    ];
    const open = methods.filter((method) => wanted.includes(method) || lacks.includes(method.name));
    const baseline = await train(open.some(({ name }) => READ_HISTORY.includes(name)));
    let first = lacks.includes('baseline') ? undefined : kept;
    let reference: Reference = {
      baseline: baseline.model,
      sensitivity: first?.sensitivity,
      retrained: keptRetrained === undefined ? undefined : decodeModel(keptRetrained),
    };

    const forget = async (method: Method): Promise<{ remedy: Remedy; seconds: number }> => {
      const began = performance.now();
      // Seconds of trainings before they were interrupted.
      let earlier = 0;
      const state = prefixed(folder, `${place}/${method.name}`);
      const again = federateOf(prepared, seed, session, signal, { state });
      const federate: Federate = async (training) => {
        const started = performance.now();
        const federated = await again(training);
        earlier += federated.seconds - (performance.now() - started) / 1000;
        return federated;
      };
      const remedy = await method.run({
        prepared,
        model: baseline.model,
        weights: baseline.weights,
        history: new History(history),
        federate,
        seed,
        session,
        signal,
        onProgress: report(method.name, method.name === 'baseline' ? 0.7 : 0, 0.7),
      });
      return { remedy, seconds: (performance.now() - began) / 1000 + Math.max(0, earlier) };
    };

    for (const method of open) {
      signal.throwIfAborted();
      const head = headOf(method.name);
      const because = method.reasonAgainst(prepared);
      let result: Result;
      let remedy: Remedy | undefined;
      try {
        if (because === undefined) {
          const done = await forget(method).catch((error: unknown) => {
            if (error instanceof UnlearnError || isDivergence(error)) return error;
            throw error;
          });
          if (done instanceof Error) {
            result = { ...head, notRun: done.message, notes: [] };
          } else {
            remedy = done.remedy;
            if (method.name === 'retrain') reference = { ...reference, retrained: remedy.model };
            const found = await measure(prepared, remedy.model, reference, {
              seed,
              session,
              signal,
              onProgress: report(method.name, 0.7, 1),
            });
            const cost = costOf(prepared, remedy, done.seconds);
            result = { ...head, ...found, cost, notes: [...prepared.notes, ...remedy.notes] };
          }
        } else {
          result = { ...head, notRun: because, notes: [] };
        }
      } catch (error) {
        failed(method.name, error);
        // The others are measured against it.
        if (REFERENCES.includes(method.name)) return;
        continue;
      }
      if (method.name === 'retrain' && remedy !== undefined) {
        await folder.keep(retrainedKey, encodeModel(remedy.model));
        // The baseline was measured before there was anything to compare it with.
        if (first?.accuracy !== undefined && first.distance === undefined) {
          const distance = await distanceTo(prepared, baseline.model, remedy.model, {
            seed,
            session,
            signal,
          });
          await folder.save({ ...first, distance });
        }
      }
      if (method.name === 'baseline') {
        first = result;
        reference = { ...reference, sensitivity: result.sensitivity };
      }
      await folder.save(result);
      await prefixed(folder, `${place}/${method.name}`).empty();
      queue.push({ kind: 'result', result });
      if (method.name !== 'ferrari' || remedy === undefined) continue;
      const drawing = { seed, session, signal };
      const drawn = await picturesOf(prepared, baseline.model, remedy.model, drawing).catch(
        (error: unknown) => {
          failed(method.name, error);
          return [];
        },
      );
      for (const picture of drawn) {
        await folder.savePicture(picture);
        queue.push({ kind: 'picture', picture });
      }
    }
    await history.empty();
  };
  const running = work();
  try {
    yield* queue.drain(running);
  } finally {
    stop.abort();
    await running.catch(() => {});
  }
}

/** Marks a history that has all rounds. */
const WHOLE = 'whole';

/** The trained baseline: kept once it is there, for as long as its training is the same. */
export async function trained(
  folder: ResultStore,
  place: string,
  train: () => Promise<{ readonly weights: Tensors }>,
  prepared: Prepared,
): Promise<{
  readonly model: Model;
  readonly weights: Tensors;
}> {
  const { dealt, federation } = prepared;
  const key = `${place}/${trainingDigest(prepared, { dealt, rounds: federation.rounds })}`;
  const bytes = await folder.load(key);
  const { model: first } = prepared.classifier;
  if (bytes !== undefined) {
    const model = decodeModel(bytes);
    const floats = [...model.graph.initializers].filter(([, value]) => value.elementType === 'float32');
    return { model, weights: Object.fromEntries(floats) };
  }
  const { weights } = await train();
  const model = withWeightsOf(first, weights);
  await folder.keep(key, encodeModel(model));
  return { model, weights };
}
