/**
 * Runs the ablations and the check of the theorem: scenario by scenario and seed by seed, point by point.
 *
 * A point is one document, which the folder holds as soon as it is known, and which is not computed again. The trained model
 * before forgetting is that of the other experiments, and is taken from the folder where they left it.
 */
import { EngineError, type SessionOptions } from '@assay/engine';
import type { Model } from '@assay/graph';
import { UnlearnError } from '@assay/unlearn';
import type { Ablation, AblationContext, AblationName, Series, Setting } from './ablations/ablation.ts';
import { ABLATIONS } from './ablations/index.ts';
import { isTargetMet, measurePoint } from './ablations/measure.ts';
import type { Lane } from './abreast.ts';
import { estimateSeconds } from './cost.ts';
import type { RunEvent, RunOptions } from './events.ts';
import { federateOf } from './federate.ts';
import { prefixed } from './kept.ts';
import { byPlace, eachPiece, type Placed } from './pieces.ts';
import { Queue } from './queue.ts';
import { trained } from './run.ts';
import type { Prepared } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';
import { setupOf } from './setup.ts';
import { type AblationPoint, type PointMeasured, type Study, studyKey } from './study.ts';
import { checkTheorem, reasonAgainstTheorem } from './theorem.ts';

export interface StudyOptions extends Omit<RunOptions, 'methods'> {
  /** Ablations to run; none for the theorem alone. */
  readonly ablations: readonly AblationName[];
  /** Whether the theorem is checked. */
  readonly theorem: boolean;
  /** Series of the ablations, by method; all if not given. */
  readonly series?: readonly string[];
}

/** One document to be had. */
interface Cell extends Placed {
  /** Undefined for the theorem. */
  readonly point:
    | { readonly ablation: Ablation; readonly series: Series; readonly setting: Setting }
    | undefined;
}

/** The theorem takes as long as so many unlearnings by the method Ferrari. */
const THEOREM_EFFORT = 4;

/**
 * What a run of the command yields for `--table ablations`, `shares` and `theorem`.
 *
 * @throws the signal's reason if it is aborted; what was finished is kept
 */
export async function* studies(options: StudyOptions): AsyncGenerator<RunEvent, void, undefined> {
  const { folder } = options;
  const known = new Map((await folder.studies()).map((study) => [studyKey(study), study.setup]));
  const cells = cellsOf(options);
  const open = cells.filter((cell) => {
    const head = headOf(cell, options);
    return known.get(studyKey(head)) !== head.setup;
  });
  const estimate = (list: readonly Cell[]) =>
    list.reduce((sum, cell) => sum + secondsOf(cell, options), 0) + trainingsOf(list, options);
  yield* eachPiece({ cells, open, estimate }, options, SCENARIOS, async function* (piece, lane) {
    const { prepared, own, place, pace } = piece;
    // The training belongs to the first of them.
    let ahead = trainingsOf(own, options);
    let at = 0;
    for await (const event of studiesOf(prepared, own, options, lane)) {
      const cell = own[at];
      const whole = ahead + (cell === undefined ? 0 : secondsOf(cell, options));
      if (event.kind === 'progress') {
        yield { ...event, ...pace.at(place, whole * event.done) };
        continue;
      }
      if (event.kind === 'study' || event.kind === 'failed') {
        if (event.kind === 'study') pace.finish(place, whole);
        else pace.leaveOut(whole, place);
        ahead = 0;
        at += 1;
      }
      yield event;
    }
  });
}

/** The documents of one scenario and seed that are wanted, whatever they are kept with; the runner of {@link studies}. */
export async function* studiesOf(
  prepared: Prepared,
  wanted: readonly Cell[],
  options: Pick<StudyOptions, 'folder' | 'preset' | 'network' | 'threads'>,
  lane: Lane,
): AsyncGenerator<RunEvent, void, undefined> {
  const { folder, preset, network } = options;
  const [first] = wanted;
  if (first === undefined) return;
  const { scenario, seed } = first;
  const stop = new AbortController();
  const signal = AbortSignal.any([lane.signal, stop.signal]);
  const session: SessionOptions = { threads: options.threads ?? 1, worker: lane.worker };
  const place = `${scenario}/${network}-${preset}/seed-${seed}`;
  const queue = new Queue<RunEvent>();
  const report = (method: string) => (done: number, detail: string) =>
    queue.push({ kind: 'progress', scenario, method, seed, done, detail });

  const train = async (of: Prepared, key: string): Promise<Model> => {
    const where = key === '' ? place : `${place}/${key}`;
    const state = prefixed(folder, `${where}/federation`);
    const onProgress = (done: number, detail: string) => report('baseline')(0.5 * done, detail);
    const learn = () =>
      federateOf(of, seed, session, signal, { state })({
        dealt: of.dealt,
        rounds: of.federation.rounds,
        onProgress,
      });
    const { model } = await trained(folder, `${where}/baseline`, learn, of);
    await state.empty();
    return model;
  };
  const measured = new Map<Prepared, Map<Model, PointMeasured>>();
  const measuredBefore = async (of: Prepared, model: Model): Promise<PointMeasured> => {
    const models = measured.get(of) ?? new Map<Model, PointMeasured>();
    const found = models.get(model) ?? (await measurePoint(of, model, model, { seed, session, signal }));
    measured.set(of, models.set(model, found));
    return found;
  };
  const studyOf = async (cell: Cell, model: Model): Promise<Study> => {
    const { point } = cell;
    const common = { prepared, model, seed, session, signal };
    if (point === undefined) {
      const head = { study: 'theorem', ...placeOf(cell, options) } as const;
      const because = reasonAgainstTheorem(prepared);
      if (because !== undefined)
        return { ...head, notRun: because, curve: [], models: [], checks: [], notes: [] };
      return { ...head, ...(await checkTheorem({ ...common, onProgress: report('theorem') })) };
    }
    const onProgress = report(`${point.ablation.name}, ${point.series.title}, ${point.setting.label}`);
    const shelf = (name: string) => prefixed(folder, `${place}/${name}`);
    const found = await pointOf(point, { ...common, train, shelf, onProgress }, measuredBefore);
    return { ...pointHead(cell, point, options), ...found };
  };

  const work = async (): Promise<void> => {
    const model = await train(prepared, '');
    for (const cell of wanted) {
      signal.throwIfAborted();
      try {
        const study = await studyOf(cell, model);
        await folder.saveStudy(study);
        queue.push({ kind: 'study', study });
      } catch (cause) {
        signal.throwIfAborted();
        const method = cell.point === undefined ? 'theorem' : cell.point.series.name;
        const why = cause instanceof Error ? cause.message : String(cause);
        queue.push({ kind: 'failed', scenario, method, seed, why, cause });
      }
    }
  };
  const running = work();
  try {
    yield* queue.drain(running);
  } finally {
    stop.abort();
    await running.catch(() => {});
  }
}

async function pointOf(
  { series, setting }: NonNullable<Cell['point']>,
  context: AblationContext,
  measuredBefore: (of: Prepared, model: Model) => Promise<PointMeasured>,
): Promise<
  Omit<AblationPoint, keyof ReturnType<typeof placeOf> | 'study' | 'ablation' | 'series' | 'setting'>
> {
  const { seed, session, signal } = context;
  const because = series.reasonAgainst(context.prepared);
  if (because !== undefined) return { notRun: because, notes: [] };
  try {
    const outcome = await setting.run(context);
    const { model: baseline, prepared } = outcome.before ?? context;
    const before = await measuredBefore(prepared, baseline);
    const after = await measurePoint(prepared, outcome.model, baseline, { seed, session, signal });
    return {
      rows: outcome.rows,
      before,
      after,
      targetMet: isTargetMet(prepared.reason, before, after),
      seconds: outcome.seconds,
      notes: [...outcome.notes],
    };
  } catch (error) {
    if (!(error instanceof UnlearnError) && !(error instanceof EngineError && error.kind === 'run'))
      throw error;
    return { notRun: error.message, notes: [] };
  }
}

/** All cells of a run, in the order in which they are computed. */
export function cellsOf({
  scenarios,
  seeds,
  ablations,
  theorem,
  series: wanted,
}: Pick<StudyOptions, 'scenarios' | 'seeds' | 'ablations' | 'theorem' | 'series'>): readonly Cell[] {
  return seeds.flatMap((seed) =>
    scenarios.flatMap((scenario): readonly Cell[] => [
      ...ABLATIONS.filter(({ name }) => ablations.includes(name)).flatMap((ablation) =>
        ablation.series
          .filter(({ name }) => wanted === undefined || wanted.includes(name))
          .flatMap((series) =>
            series.settings.map(
              (setting): Cell => ({ scenario, seed, point: { ablation, series, setting } }),
            ),
          ),
      ),
      ...(theorem ? [{ scenario, seed, point: undefined }] : []),
    ]),
  );
}

function placeOf({ scenario, seed }: Cell, { preset, network }: Pick<StudyOptions, 'preset' | 'network'>) {
  return { scenario, seed, preset, network, setup: setupOf(scenario, { preset, network }) };
}

function headOf(cell: Cell, options: Pick<StudyOptions, 'preset' | 'network'>) {
  return cell.point === undefined
    ? ({ study: 'theorem', ...placeOf(cell, options) } as const)
    : pointHead(cell, cell.point, options);
}

function pointHead(
  cell: Cell,
  { ablation, series, setting }: NonNullable<Cell['point']>,
  options: Pick<StudyOptions, 'preset' | 'network'>,
) {
  return {
    study: 'ablation',
    ...placeOf(cell, options),
    ablation: ablation.name,
    series: series.name,
    setting: setting.label,
    ...(setting.at === undefined ? {} : { at: setting.at }),
  } as const;
}

function secondsOf({ scenario, point }: Cell, options: StudyOptions): number {
  const ferrari = estimateSeconds(scenario, 'ferrari', options);
  return ferrari * (point === undefined ? THEOREM_EFFORT : point.series.effort);
}

/** Each scenario and seed is trained once; if it is there already, that much is saved. */
function trainingsOf(cells: readonly Cell[], options: StudyOptions): number {
  return byPlace(cells)
    .flatMap(([first]) => first ?? [])
    .reduce((sum, { scenario }) => sum + estimateSeconds(scenario, 'baseline', options), 0);
}
