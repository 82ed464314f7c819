/** A run piece by piece: each is what is open of a scenario and a seed, with its data; some are worked on side by side. */
import { availableParallelism } from 'node:os';
import { DataError } from '@assay/data';
import { abreast, type Lane } from './abreast.ts';
import type { RunEvent, RunOptions } from './events.ts';
import { Pace } from './pace.ts';
import type { Prepared, ScenarioName } from './scenario.ts';
import type { Prepare } from './scenarios/prepare.ts';

/** Where something to be computed belongs. */
export interface Placed {
  readonly scenario: ScenarioName;
  readonly seed: number;
}

/** All that a run is to compute, and what of it is not there yet. */
export interface Agenda<Cell extends Placed> {
  /** In the order in which they are computed. */
  readonly cells: readonly Cell[];
  readonly open: readonly Cell[];
  /** Estimated seconds of cells. */
  readonly estimate: (cells: readonly Cell[]) => number;
}

/** What is open of a scenario and a seed, with its data. */
export interface Piece<Cell extends Placed> extends Placed {
  readonly prepared: Prepared;
  readonly own: readonly Cell[];
  /** How far the run is, and the name of this piece in it. */
  readonly pace: Pace;
  readonly place: string;
}

/**
 * Says what there is to do, and hands each piece to `run` when a lane is free for it. A scenario whose data are not here is
 * left out, and said once.
 *
 * @throws the signal's reason if it is aborted, and what `run` throws
 */
export async function* eachPiece<Cell extends Placed>(
  agenda: Agenda<Cell>,
  options: Pick<RunOptions, 'preset' | 'network' | 'dataDir' | 'signal' | 'jobs'>,
  prepares: Readonly<Record<ScenarioName, Prepare>>,
  run: (piece: Piece<Cell>, lane: Lane) => AsyncGenerator<RunEvent, void, undefined>,
): AsyncGenerator<RunEvent, void, undefined> {
  const { cells, open, estimate } = agenda;
  const groups = byPlace(open);
  const lanes = Math.max(1, Math.min(options.jobs ?? 1, groups.length));
  const pace = new Pace(estimate(cells), estimate(open), lanes);
  yield {
    kind: 'plan',
    cells: cells.length,
    done: cells.length - open.length,
    estimatedSeconds: secondsAbreast(groups.map(estimate), lanes),
  };
  const pieces = (signal: AbortSignal) => preparing(groups, { ...options, signal }, prepares, estimate, pace);
  yield* abreast(pieces, lanes, options.signal, async function* (piece, lane) {
    if ('kind' in piece) yield piece;
    else yield* run(piece, lane);
  });
}

/** Estimated seconds of pieces side by side: no less than the longest of them, nor than the cores of this machine allow. */
export function secondsAbreast(pieces: readonly number[], lanes: number): number {
  const sum = pieces.reduce((total, seconds) => total + seconds, 0);
  return Math.max(0, ...pieces, sum / Math.min(lanes, availableParallelism()));
}

/** Cells of the same scenario and seed together, in the order of the first of each. */
export function byPlace<Cell extends Placed>(cells: readonly Cell[]): readonly (readonly Cell[])[] {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const group = groups.get(placeOf(cell));
    if (group === undefined) groups.set(placeOf(cell), [cell]);
    else group.push(cell);
  }
  return [...groups.values()];
}

function placeOf({ scenario, seed }: Placed): string {
  return `${scenario} ${seed}`;
}

async function* preparing<Cell extends Placed>(
  groups: readonly (readonly Cell[])[],
  { preset, network, dataDir, signal }: Pick<RunOptions, 'preset' | 'network' | 'dataDir' | 'signal'>,
  prepares: Readonly<Record<ScenarioName, Prepare>>,
  estimate: (cells: readonly Cell[]) => number,
  pace: Pace,
): AsyncGenerator<Piece<Cell> | RunEvent, void, undefined> {
  const missing = new Set<ScenarioName>();
  for (const own of groups) {
    const [first] = own;
    if (first === undefined) continue;
    const { scenario, seed } = first;
    if (missing.has(scenario)) {
      pace.leaveOut(estimate(own));
      continue;
    }
    signal?.throwIfAborted();
    let prepared: Prepared;
    try {
      prepared = await prepares[scenario]({ preset, network, dataDir, signal, seed });
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      missing.add(scenario);
      pace.leaveOut(estimate(own));
      yield { kind: 'skipped', scenario, why: error.message };
      continue;
    }
    yield { scenario, seed, prepared, own, pace, place: placeOf(first) };
  }
}
