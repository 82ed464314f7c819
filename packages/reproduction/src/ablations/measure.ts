/** What is measured at a point of a curve: few numbers, since there are many points. */
import type { Model } from '@assay/graph';
import { MOST_IMPLANTED, type Reason, Scorer } from '@assay/unlearn';
import { type MeasureOptions, measureOutcome } from '../measure.ts';
import type { Estimated } from '../result.ts';
import type { Prepared } from '../scenario.ts';
import type { PointMeasured } from '../study.ts';

/** Part of the sensitivity before at which a feature counts as forgotten. */
const TARGET = 0.02;
/** Difference of the accuracies with and against a cue at which it counts as forgotten. */
const WIDEST_GAP = 0.02;

/** @param baseline the model before anything was forgotten, which tells what a trigger stands for */
export async function measurePoint(
  prepared: Prepared,
  model: Model,
  baseline: Model,
  options: Pick<MeasureOptions, 'seed' | 'session' | 'signal'>,
): Promise<PointMeasured> {
  const scorer = await Scorer.open({ ...prepared.classifier, model }, options.session);
  try {
    const { accuracy, sensitivity, flips, implant } = await measureOutcome(
      prepared,
      scorer,
      { baseline },
      options,
    );
    return {
      accuracy,
      sensitivity: estimate(sensitivity),
      flips: estimate(flips),
      ...(implant === undefined ? {} : { implant: estimate(implant.success) }),
    };
  } finally {
    await scorer.close();
  }
}

function estimate({ value, lower, upper }: Estimated): Estimated {
  return { value, lower, upper };
}

/**
 * Whether the feature counts as forgotten. What was planted or goes along by accident is judged by what it does: a trigger
 * decides at most 1 % of the rows (by the interval's end); with and against a cue the accuracy is the same within 2 points. Of a
 * sensitive feature at most 2 % of the sensitivity is left (by the interval's end).
 */
export function isTargetMet(reason: Reason, before: PointMeasured, after: PointMeasured): boolean {
  switch (reason) {
    case 'backdoor':
      return after.implant !== undefined && after.implant.upper <= MOST_IMPLANTED;
    case 'bias':
      return Math.abs(after.accuracy.retain.value - after.accuracy.forget.value) <= WIDEST_GAP;
    case 'sensitive':
      return after.sensitivity.upper <= TARGET * before.sensitivity.value;
  }
}
