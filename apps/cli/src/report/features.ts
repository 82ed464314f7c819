/** The sensitivity of every feature before and after, by feature. */
import type { Sensitivity } from '@assay/unlearn';
import type { ReportedRun } from './input.ts';

export interface FeatureRow {
  readonly name: string;
  /** Whether this is the feature that was to be forgotten. */
  readonly forgotten: boolean;
  readonly before: Sensitivity;
  /** After each run, in their order; undefined where that run did not measure it. */
  readonly after: readonly (Sensitivity | undefined)[];
}

/** All features, the one first on which the model depended most. */
export function featureRows(runs: readonly ReportedRun[]): readonly FeatureRow[] {
  const before = new Map<string, { sensitivity: Sensitivity; forgotten: boolean }>();
  for (const { result } of runs) {
    if (!before.has(result.feature)) {
      before.set(result.feature, { sensitivity: result.before.sensitivity, forgotten: true });
    }
    for (const [name, effect] of result.sideEffects) {
      if (!before.has(name)) before.set(name, { sensitivity: effect.before, forgotten: false });
    }
  }
  return [...before]
    .map(([name, { sensitivity, forgotten }]) => ({
      name,
      forgotten,
      before: sensitivity,
      after: runs.map(({ result }) =>
        name === result.feature ? result.after.sensitivity : result.sideEffects.get(name)?.after,
      ),
    }))
    .sort((a, b) => (b.before.value || 0) - (a.before.value || 0));
}

/** Whether two intervals have no number in common. */
export function isApart(a: Sensitivity, b: Sensitivity): boolean {
  return a.upper < b.lower || b.upper < a.lower;
}
