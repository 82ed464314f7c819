/** Accuracy with its interval, and the majority class beside it. */
import { type Estimate, proportion } from '../statistics.ts';

export interface Accuracy extends Estimate {
  /** Rows with a known label. */
  readonly rows: number;
  /** The share of the most frequent class: what a constant prediction would score. */
  readonly majority: number;
}

/** Share of rows whose prediction is the label (from 0 to 1), with a 95 % Wilson interval; unlabelled rows do not count. */
export function accuracyOf(predicted: Int32Array, labels: Int32Array): Accuracy {
  let right = 0;
  let rows = 0;
  const perClass = new Map<number, number>();
  labels.forEach((label, i) => {
    if (label < 0) return;
    rows += 1;
    perClass.set(label, (perClass.get(label) ?? 0) + 1);
    if (predicted[i] === label) right += 1;
  });
  const majority = rows === 0 ? Number.NaN : Math.max(...perClass.values()) / rows;
  return { ...proportion(right, rows), rows, majority };
}
