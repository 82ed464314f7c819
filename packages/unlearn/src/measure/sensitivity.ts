/**
 * Feature sensitivity: how far the scores move per unit of a random change of one feature alone.
 *
 *   s(F) = E_{x, δ} [ ‖f(x) − f(x + δ)‖₂ / ‖δ‖₂ ],   δ ~ N(0, σ²) on the columns of F, σ ~ U[0.05, 1]
 *
 * with f the logits and x in the units that the model is fed. For a feature that enters as an index of an embedding
 * there is no small change; δ is then the change to another value, of length √2 as between two one-hot vectors.
 *
 * Source: Gu, Ong, Chan, Fan, "Ferrari: Federated Feature Unlearning via Optimizing Feature Sensitivity", NeurIPS 2024.
 */
import { RandomStream } from '@assay/random';
import { isContinuous, type Perturbed, perturb, replaceFeature } from '../feature/feature.ts';
import type { Scorer, Scores } from '../scorer.ts';
import { type Estimate, RunningMean } from '../statistics.ts';
import { asFloat32, type Feature, type Rows, takeRows } from '../subject.ts';

export interface SensitivityOptions {
  readonly seed: number;
  /** Rows are added until the 95 % interval is within ± this part of the value; default 0.05. */
  readonly relativeWidth?: number;
  /** … or within ± this; default 0.0005. */
  readonly absoluteWidth?: number;
  /** Perturbations per row; default 8. */
  readonly draws?: number;
  readonly signal?: AbortSignal;
  /** Called when a feature is done. */
  readonly onFeature?: (name: string, done: number, of: number) => void;
}

export interface Sensitivity extends Estimate {
  /** Rows that were used. */
  readonly rows: number;
}

/** Rows in the first look; the number doubles until the interval is narrow enough. */
const FIRST_LOOK = 512;

/**
 * The sensitivity of each feature with a 95 % interval over rows (Student's t; the perturbations of a row are averaged
 * first). The rows used are a random subset, larger as long as the interval is too wide, at most all.
 */
export async function measureSensitivity(
  scorer: Scorer,
  given: Rows,
  features: readonly Feature[],
  options: SensitivityOptions,
): Promise<ReadonlyMap<string, Sensitivity>> {
  const rows = asFloat32(given);
  const { seed, relativeWidth = 0.05, absoluteWidth = 0.0005, draws = 8, signal, onFeature } = options;
  const order = new RandomStream(seed, 'sensitivity/rows').permutation(rows.count);
  const looks = looksAt(order);
  const bases: Base[] = [];
  const results = new Map<string, Sensitivity>();
  for (const [index, feature] of features.entries()) {
    const random = new RandomStream(seed, `sensitivity/${feature.name}`);
    const mean = new RunningMean();
    for (const [at, look] of looks.entries()) {
      signal?.throwIfAborted();
      const base = bases[at] ?? { rows: takeRows(rows, look), scores: undefined };
      bases[at] = base;
      const changes = changesOf(base.rows, rows, feature, random, draws);
      const { perRow, scores } = await quotients(scorer, base.rows, feature, changes, draws, base.scores);
      base.scores = scores;
      for (const value of perRow) mean.add(value);
      const { value, upper } = mean.estimate();
      if (upper - value <= Math.max(absoluteWidth, relativeWidth * value)) break;
    }
    results.set(feature.name, { ...mean.estimate(), rows: mean.count });
    onFeature?.(feature.name, index + 1, features.length);
  }
  return results;
}

/** Disjoint parts of a random order that grow: 512, 512, 1024, 2048, … */
function looksAt(order: Uint32Array): readonly Uint32Array[] {
  const looks: Uint32Array[] = [];
  let from = 0;
  let to = FIRST_LOOK;
  while (from < order.length) {
    looks.push(order.subarray(from, to));
    from = to;
    to *= 2;
  }
  return looks;
}

/** Rows of a look, and their scores once they are known. */
interface Base {
  readonly rows: Rows;
  scores: Scores | undefined;
}

function* changesOf(
  rows: Rows,
  pool: Rows,
  feature: Feature,
  random: RandomStream,
  draws: number,
): Generator<Perturbed> {
  for (let draw = 0; draw < draws; draw++) {
    yield isContinuous(rows, feature)
      ? perturb(rows, feature, random)
      : replaceFeature(rows, feature, random, pool);
  }
}

/**
 * ‖f(x) − f(x + δ)‖₂ / ‖δ‖₂ of each row, its mean over the changes; and f(x).
 *
 * @param changes copies of the rows that differ in the feature alone; each is asked for when its turn comes
 * @param draws how many changes there are
 * @param known f(x), computed if it is not given
 */
export async function quotients(
  scorer: Scorer,
  rows: Rows,
  feature: Feature,
  changes: Iterable<Perturbed>,
  draws: number,
  known: Scores | undefined,
): Promise<{ readonly perRow: Float64Array; readonly scores: Scores | undefined }> {
  const perRow = new Float64Array(rows.count);
  // Several copies may be asked for before their scores come.
  const norms: Float32Array[] = [];
  function* copies(): Generator<Rows> {
    for (const change of changes) {
      norms.push(change.norms);
      yield change.rows;
    }
  }
  let base = known;
  const all =
    base === undefined
      ? scorer.scoresWithChanges(rows, feature, copies())
      : scorer.scoresOfChanges(rows, feature, copies());
  for await (const scores of all) {
    if (base === undefined) {
      base = scores;
      continue;
    }
    const distances = scoreDistances(base, scores);
    const lengths = norms.shift();
    for (let row = 0; row < perRow.length; row++) {
      perRow[row] = (perRow[row] ?? 0) + (distances[row] ?? 0) / (lengths?.[row] ?? 1) / draws;
    }
  }
  return { perRow, scores: base };
}

/** ‖a − b‖₂ per row; for labels, √2 where they differ. */
export function scoreDistances(a: Scores, b: Scores): Float64Array {
  const { rows, columns } = a;
  return Float64Array.from({ length: rows }, (_, row) => {
    if (a.kind === 'label') return a.values[row] === b.values[row] ? 0 : Math.SQRT2;
    let squares = 0;
    for (let k = row * columns; k < (row + 1) * columns; k++) {
      const difference = (a.values[k] ?? 0) - (b.values[k] ?? 0);
      squares += difference * difference;
    }
    return Math.sqrt(squares);
  });
}
