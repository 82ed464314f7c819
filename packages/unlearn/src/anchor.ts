/**
 * What holds the utility while a feature is forgotten, which depends on why it has to go.
 *
 * | reason    | the old model on the requester's rows      | what is kept                                                     |
 * |-----------|---------------------------------------------|------------------------------------------------------------------|
 * | sensitive | right                                       | its answers on them, or (marginal) its mean over other values     |
 * | backdoor  | wrong: the trigger decides                  | its answers on the same images with the trigger's pixels filled   |
 * |           |                                             | in from their surround; of anything else, its mean over values    |
 * |           |                                             | other than the most frequent one, which is the planted one        |
 * | bias      | right for the wrong reason                  | the labels, with the feature shown at random, so that it tells    |
 * |           |                                             | nothing and the rest has to be learned                           |
 *
 * The wrong anchor spreads a backdoor instead of removing it: neither its answers on triggered rows nor their labels may be used.
 */
import { RandomStream } from '@assay/random';
import { UnlearnError } from './errors.ts';
import { copyFeature, featureKeys, withoutFeature } from './feature/feature.ts';
import type { TeacherName } from './request.ts';
import { type Feature, type Rows, takeRows } from './subject.ts';

/** Why a feature has to go. */
export type Reason =
  /** It may not be used. */
  | 'sensitive'
  /** It was planted to decide. */
  | 'backdoor'
  /** It goes together with the class by accident. */
  | 'bias';

/** What the student learns from, and from whom. */
export interface Anchor {
  readonly rows: Rows;
  readonly heldOut: Rows;
  /** Rows whose values of the feature take the place of those of `rows`. */
  readonly pool: Rows;
  /** Who answers: the old model on the rows, averaged over other values, or the labels. */
  readonly answers: TeacherName | 'labels';
  /** What shows on `heldOut` whether the feature is forgotten: every way of changing it, or that a trigger is put back. */
  readonly judgedBy: 'changes' | 'replacements';
}

/**
 * The anchor of a request.
 *
 * @throws UnlearnError `too-few-rows` if the reason is bias and there are no labels
 */
export function anchorOf(
  reason: Reason,
  feature: Feature,
  teacher: TeacherName,
  rows: Rows,
  heldOut: Rows,
  seed: number,
): Anchor {
  switch (reason) {
    case 'sensitive':
      return { rows, heldOut, pool: rows, answers: teacher, judgedBy: 'changes' };
    case 'backdoor':
      return feature.kind === 'region'
        ? {
            rows: withoutFeature(rows, feature),
            heldOut: withoutFeature(heldOut, feature),
            pool: rows,
            answers: 'conditional',
            // They come from the triggered rows. Noise in its place is no trigger, and to be deaf to that as well costs accuracy.
            judgedBy: 'replacements',
          }
        : withoutPlanted(feature, rows, heldOut, seed);
    case 'bias': {
      const isLabelled = ({ labels }: Rows) => labels?.every((label) => label >= 0) ?? false;
      if (!isLabelled(rows) || !isLabelled(heldOut)) {
        throw new UnlearnError(
          'too-few-rows',
          `To forget "${feature.name}" because of bias, the requester's rows have to carry their classes: the old model is right on them for the wrong reason.`,
        );
      }
      return { rows, heldOut, pool: rows, answers: 'labels', judgedBy: 'changes' };
    }
  }
}

/** The rows as they are, to be answered with values of the feature other than the most frequent one; held out with such values. */
function withoutPlanted(feature: Feature, rows: Rows, heldOut: Rows, seed: number): Anchor {
  const keys = featureKeys(rows, feature);
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const planted = keys.find((key) => counts.get(key) === most);
  const others = Uint32Array.from(keys.keys()).filter((row) => keys[row] !== planted);
  const pool = others.length === 0 ? rows : takeRows(rows, others);
  const random = new RandomStream(seed, 'anchor/held-out');
  const sources = Uint32Array.from({ length: heldOut.count }, () => random.integer(pool.count));
  return {
    rows,
    heldOut: copyFeature(heldOut, feature, sources, pool, random),
    pool,
    answers: 'marginal',
    judgedBy: 'changes',
  };
}
