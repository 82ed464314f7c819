/**
 * The learning rate that a network bears. Adam moves every weight by about the rate, whatever its size: what is nothing to weights
 * of 0.2 takes those of 0.01, as deep networks have, apart within a few steps. So the first steps are tried, and undone.
 */
import { UnlearnError } from '../errors.ts';
import { isVisual } from '../feature/feature.ts';
import type { HeldOut } from '../held-out.ts';
import type { Scorer } from '../scorer.ts';
import type { Curriculum, Student } from '../student.ts';
import type { MethodInput } from './method.ts';
import { PEAK_RATE } from './schedule.ts';

/** Steps that are tried. */
const TRIED = 20;
/** Part of the rate that is tried next, and how often. */
const BACK_OFF = 1 / 4;
const MOST_TRIALS = 5;
/** Part of its agreement beyond chance that a student may lose in these steps: what is more comes back no more. */
const MOST_LOST = 0.5;

/** What is tried, and on what. */
export interface Trial {
  readonly student: Student;
  readonly curriculum: Curriculum;
  readonly watcher: Scorer;
  readonly held: HeldOut;
  /** Weight of the sensitivity. */
  readonly lambda: number;
}

/**
 * The usual peak of the rate, or the first of its fourths that leaves the student in one piece; the student is as before. The
 * networks of tables are shallow, and bear it.
 */
export async function bearableRate(
  { classifier, feature, signal, onProgress }: MethodInput,
  trial: Trial,
): Promise<number> {
  if (!isVisual(feature)) return PEAK_RATE;
  onProgress(0, 'trying the learning rate');
  const { student, curriculum, lambda } = trial;
  const chance = 1 / classifier.classes;
  const before = await agreementOf(trial);
  let rate = PEAK_RATE;
  for (let trials = 1; trials < MOST_TRIALS; trials++, rate *= BACK_OFF) {
    const isWhole = await survives(async () => {
      for (let step = 0; step < TRIED; step += curriculum.chunkSteps) {
        signal?.throwIfAborted();
        const chunk = await curriculum.chunk(step, Math.min(curriculum.chunkSteps, TRIED - step));
        await student.run(chunk, () => rate, lambda, signal);
      }
      return (await agreementOf(trial)) - chance >= (1 - MOST_LOST) * (before - chance);
    });
    await student.restart();
    signal?.throwIfAborted();
    if (isWhole) break;
  }
  return rate;
}

/** A sentence where the usual rate was too much. */
export function notesOnRate(rate: number): readonly string[] {
  return rate === PEAK_RATE
    ? []
    : [
        `At the usual learning rate the first steps took the model apart; it was unlearned at 1/${Math.round(PEAK_RATE / rate)} of it.`,
      ];
}

async function agreementOf({ student, watcher, held }: Trial): Promise<number> {
  await watcher.load(await student.weights());
  return await held.agreement(watcher);
}

async function survives(steps: () => Promise<boolean>): Promise<boolean> {
  try {
    return await steps();
  } catch (error) {
    if (error instanceof UnlearnError && error.kind === 'diverged') return false;
    throw error;
  }
}
