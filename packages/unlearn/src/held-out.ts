/**
 * Looks at the student on rows that it never sees: how sensitive it still is, and what the change costs.
 *
 * Both are judged by one-sided 95 % bounds, so that few rows give "cannot tell" rather than "passed".
 */
import { RandomStream } from '@assay/random';
import type { Anchor } from './anchor.ts';
import { isContinuous, isVisual, type Perturbed, perturb, replaceFeature } from './feature/feature.ts';
import { quotients } from './measure/sensitivity.ts';
import { predictions, probabilities, type Scorer, type Scores } from './scorer.ts';
import type { Feature, Rows } from './subject.ts';

/** What a look finds. */
export interface Look {
  /**
   * ρ: the student's sensitivity as a part of the old model's, on the same changes; the larger of both where images are
   * judged perturbed and with their feature replaced.
   */
  readonly ratio: number;
  /** Upper bound of ρ. */
  readonly ratioUpper: number;
  /** Mean regret: accuracy that the change of predictions costs, as the old model itself, or the labels, would reckon (0 to 1). */
  readonly regret: number;
  readonly regretLower: number;
  readonly regretUpper: number;
  /** Mean Kullback–Leibler divergence from what it is to answer (the old model, or the labels), in nats. */
  readonly divergence: number;
  /** Share of rows on which it predicts the class that it is to answer. */
  readonly agreement: number;
}

/** Whether the accuracy lost stays within `drop` (0 to 1); undefined if the rows are too few to tell. */
export function floorKept(
  look: Pick<Look, 'regretLower' | 'regretUpper'>,
  drop: number,
): boolean | undefined {
  if (look.regretUpper <= drop) return true;
  return look.regretLower > drop ? false : undefined;
}

/** Fewest and most perturbations per row; small tables get more. */
const FEWEST_DRAWS = 4;
const MOST_DRAWS = 64;
const EVALUATIONS = 4000;

/** A way of changing the feature that moves the scores by less than this part of another's moves them by rounding, if at all. */
const DEAF = 1e-4;

/** One-sided 95 % point of the normal distribution, shared among at most three looks that decide (Bonferroni). */
const Z_THREE_LOOKS = 2.128;
const ERROR_PER_LOOK = 0.05 / 3;

/** Copies of the rows that are changed in one way, by which a student is judged, and how the old model takes it. */
interface Changes {
  readonly copies: readonly Perturbed[];
  /** ‖f(x) − f(x + δ)‖ / ‖δ‖ of each row. */
  readonly before: Float64Array;
}

/** The old model's side of every look, computed once. */
export class HeldOut {
  readonly rows: Rows;
  readonly #feature: Feature;
  readonly #classes: number;
  /** What the student is to answer: the old model's probabilities, or 1 for the class of the label. */
  readonly #answers: Float64Array;
  /** Regret that the old model itself has on its own rows: only what comes on top is held against the student. */
  readonly #pardoned: Float64Array;
  readonly #changes: readonly Changes[];
  /**
   * The old model's sensitivity to each way of changing the feature: perturbed, then replaced, where there are both; the larger
   * one's for a way that it does not react to.
   */
  readonly scales: readonly number[];

  private constructor(
    rows: Rows,
    feature: Feature,
    classes: number,
    answers: Float64Array,
    pardoned: Float64Array,
    changes: readonly Changes[],
    scales: readonly number[],
  ) {
    this.rows = rows;
    this.#feature = feature;
    this.#classes = classes;
    this.#answers = answers;
    this.#pardoned = pardoned;
    this.#changes = changes;
    this.scales = scales;
  }

  /** @param anchor its `heldOut` is looked at; values of the feature are taken from its `pool` */
  static async open(
    teacher: Scorer,
    anchor: Pick<Anchor, 'heldOut' | 'pool' | 'answers' | 'judgedBy'>,
    feature: Feature,
    classes: number,
    seed: number,
  ): Promise<HeldOut> {
    const { heldOut, pool, answers, judgedBy } = anchor;
    const random = new RandomStream(seed, 'held-out');
    const rows =
      answers === 'labels'
        ? replaceFeature(heldOut, feature, new RandomStream(seed, 'held-out/shown'), pool).rows
        : heldOut;
    const draws = Math.min(MOST_DRAWS, Math.max(FEWEST_DRAWS, Math.floor(EVALUATIONS / rows.count)));
    const perturbed = { change: () => perturb(rows, feature, random), isJudged: judgedBy === 'changes' };
    const replaced = { change: () => replaceFeature(rows, feature, random, pool), isJudged: true };
    // A model may mind what replaces a region ten times as much as a perturbation: one mean of both would say little of the latter.
    const ways = isVisual(feature)
      ? [perturbed, replaced]
      : [isContinuous(rows, feature) ? { ...perturbed, isJudged: true } : replaced];
    const scores = await teacher.scores(rows);
    const found: Changes[] = [];
    for (const { change } of ways) {
      const copies = Array.from({ length: Math.ceil(draws / ways.length) }, change);
      const { perRow } = await quotients(teacher, rows, feature, copies, copies.length, scores);
      found.push({ copies, before: perRow });
    }
    const means = found.map(({ before }) => before.reduce((sum, value) => sum + value, 0) / before.length);
    const largest = Math.max(...means);
    const scales = means.map((mean) => (mean < DEAF * largest ? largest : mean));
    const changes = found.filter((_, i) => ways[i]?.isJudged === true && means[i] === scales[i]);
    if (answers !== 'labels') {
      const pardoned = new Float64Array(rows.count);
      return new HeldOut(rows, feature, classes, probabilities(scores, classes), pardoned, changes, scales);
    }
    const oneHot = new Float64Array(rows.count * classes);
    const given = predictions(await teacher.scores(heldOut));
    const pardoned = Float64Array.from({ length: rows.count }, (_, row) => {
      const label = rows.labels?.[row] ?? 0;
      oneHot[row * classes + label] = 1;
      return given[row] === label ? 0 : 1;
    });
    return new HeldOut(rows, feature, classes, oneHot, pardoned, changes, scales);
  }

  /** Share of rows on which a student predicts the class that it is to answer. */
  async agreement(student: Scorer): Promise<number> {
    const chosen = predictions(await student.scores(this.rows));
    return chosen.reduce((sum, label, row) => sum + (label === this.#answer(row) ? 1 : 0), 0) / chosen.length;
  }

  /** The class that is to be answered for a row. */
  #answer(row: number): number {
    const answer = this.#answers.subarray(row * this.#classes, (row + 1) * this.#classes);
    return answer.reduce((best, p, k) => (p > (answer[best] ?? 0) ? k : best), 0);
  }

  async look(student: Scorer): Promise<Look> {
    const { count } = this.rows;
    const ratios: Pick<Look, 'ratio' | 'ratioUpper'>[] = [];
    let known: Scores | undefined;
    for (const { copies, before } of this.#changes) {
      const { perRow, scores } = await quotients(
        student,
        this.rows,
        this.#feature,
        copies,
        copies.length,
        known,
      );
      ratios.push(ratioOf(perRow, before));
      known = scores;
    }
    const scores = known ?? (await student.scores(this.rows));
    const p = probabilities(scores, this.#classes);
    const chosen = predictions(scores);
    let divergence = 0;
    let agreed = 0;
    const regrets = new Float64Array(count);
    for (let row = 0; row < count; row++) {
      const answer = this.#answers.subarray(row * this.#classes, (row + 1) * this.#classes);
      const best = this.#answer(row);
      answer.forEach((p0, k) => {
        if (p0 > 0)
          divergence += (p0 * Math.log(p0 / Math.max(p[row * this.#classes + k] ?? 0, 1e-12))) / count;
      });
      if (chosen[row] === best) agreed += 1;
      const regret = (answer[best] ?? 0) - (answer[chosen[row] ?? 0] ?? 0);
      regrets[row] = Math.max(0, regret - (this.#pardoned[row] ?? 0));
    }
    return {
      ratio: Math.max(0, ...ratios.map(({ ratio }) => ratio)),
      ratioUpper: Math.max(0, ...ratios.map(({ ratioUpper }) => ratioUpper)),
      ...regretOf(regrets),
      divergence,
      agreement: agreed / count,
    };
  }
}

/** ρ = Σ a / Σ b with the delta method's upper bound: the standard error of (aᵢ − ρ bᵢ) over the mean of b. */
function ratioOf(own: Float64Array, old: Float64Array): { ratio: number; ratioUpper: number } {
  const count = own.length;
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / count;
  const denominator = mean(old);
  if (denominator === 0) return { ratio: 0, ratioUpper: 0 };
  const ratio = mean(own) / denominator;
  if (count < 2) return { ratio, ratioUpper: Number.POSITIVE_INFINITY };
  let squares = 0;
  own.forEach((a, i) => {
    squares += (a - ratio * (old[i] ?? 0)) ** 2;
  });
  const error = Math.sqrt(squares / (count - 1) / count) / denominator;
  return { ratio, ratioUpper: ratio + Z_THREE_LOOKS * error };
}

/** The mean of regrets with one-sided bounds, each at the error of one look. */
function regretOf(regrets: Float64Array): { regret: number; regretLower: number; regretUpper: number } {
  const regret = regrets.reduce((sum, value) => sum + value, 0) / regrets.length;
  return {
    regret,
    regretLower: Math.min(
      regret,
      1 -
        upperBound(
          regrets.map((value) => 1 - value),
          ERROR_PER_LOOK,
        ),
    ),
    regretUpper: Math.max(regret, upperBound(regrets, ERROR_PER_LOOK)),
  };
}

/**
 * An upper confidence bound of the mean of numbers in [0, 1], valid for every distribution and number of rows: bets
 * against a mean of m pay 1 − ν_i (X_i − m) each; were m the true mean, capital would reach 1/error with at most that
 * probability, so every m at which it does is ruled out. The stakes ν_i follow the variance seen so far.
 *
 * Source: Waudby-Smith & Ramdas, JRSS B 86 (2024); in this form Bates et al., JACM 68 (2021), proposition 5.
 */
export function upperBound(values: Float64Array, error: number): number {
  const count = values.length;
  const stakes = new Float64Array(count);
  let sum = 0.5;
  let squares = 0.25;
  values.forEach((value, i) => {
    stakes[i] = Math.min(1, Math.sqrt((2 * Math.log(1 / error)) / (count * (squares / (1 + i)))));
    sum += value;
    squares += (value - sum / (2 + i)) ** 2;
  });
  const isRuledOut = (mean: number): boolean => {
    let capital = 0;
    for (let i = 0; i < count; i++) {
      capital += Math.log1p(-(stakes[i] ?? 0) * ((values[i] ?? 0) - mean));
      if (capital > -Math.log(error)) return true;
    }
    return false;
  };
  let low = 0;
  let high = 1;
  if (!isRuledOut(high)) return 1;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (isRuledOut(middle)) high = middle;
    else low = middle;
  }
  return high;
}
