/** The studies in the form in which the command gives them to programs. */
import type { CurveBlock, StudyTables, Summary } from '@assay/reproduction';

/** Shares are from 0 to 1; what is infinite is the text "Infinity", what is no number is null. */
export function studiesDocument({ names, ablations, shares, relapse, goals, theorem }: StudyTables) {
  return {
    ...(names.includes('ablations') ? { ablations: ablations.map(curves) } : {}),
    ...(names.includes('shares')
      ? {
          shares: shares.map(curves),
          goals: goals.map(({ loss, part, whole, ...goal }) => ({
            ...goal,
            loss: summary(loss),
            part: summary(part),
            whole: summary(whole),
          })),
        }
      : {}),
    ...(names.includes('relapse') ? { relapse: relapse.map(curves) } : {}),
    ...(names.includes('theorem')
      ? {
          theorem: theorem.map(({ curve, models, checks, ...block }) => ({
            ...block,
            curve: curve.map(({ crossEntropy, distance, ...place }) => ({
              ...place,
              crossEntropy: summary(crossEntropy),
              distance: summary(distance),
            })),
            models: models.map(({ crossEntropy, distance, ...model }) => ({
              ...model,
              crossEntropy: summary(crossEntropy),
              distance: summary(distance),
            })),
            checks: checks.map(({ left, right, difference, ...check }) => ({
              ...check,
              left: summary(left),
              right: summary(right),
              difference: summary(difference),
            })),
          })),
        }
      : {}),
  };
}

function curves({ curves: own, before, ...block }: CurveBlock) {
  return {
    ...block,
    before: numbers(before),
    curves: own.map(({ points, ...curve }) => ({
      ...curve,
      points: points.map(({ measures, ...point }) => ({ ...point, measures: numbers(measures) })),
    })),
  };
}

function numbers(found: CurveBlock['before']) {
  return Object.fromEntries(
    Object.entries(found).map(([measure, value]) => [measure, value === undefined ? null : summary(value)]),
  );
}

function summary({ value, lower, upper, over, seeds }: Summary) {
  const bounded = over === 'none' ? { lower: null, upper: null } : { lower: json(lower), upper: json(upper) };
  return { value: json(value), ...bounded, interval_over: over, seeds };
}

function json(value: number): number | string | null {
  if (Number.isNaN(value)) return null;
  return Number.isFinite(value) ? value : value > 0 ? 'Infinity' : '-Infinity';
}
