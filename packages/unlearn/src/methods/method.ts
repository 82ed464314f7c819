/** What every method of forgetting takes and gives. */
import type { SessionOptions } from '@assay/engine';
import type { Model } from '@assay/graph';
import type { Anchor } from '../anchor.ts';
import type { Certificate, CurvePoint } from '../request.ts';
import type { RunStore } from '../run-store.ts';
import type { Classifier, Feature, Rows } from '../subject.ts';

export interface MethodInput {
  readonly classifier: Classifier;
  readonly feature: Feature;
  readonly features: readonly Feature[];
  /** Other features on which the model is proved not to depend; they have to stay so. */
  readonly forgotten: readonly Feature[];
  /** The requester's rows that are used to unlearn. */
  readonly rows: Rows;
  /** The requester's rows that are only looked at. */
  readonly heldOut: Rows;
  /** Rows whose values of the feature may take the place of others. */
  readonly pool: Rows;
  readonly seed: number;
  /** Whose answers the student learns. */
  readonly answers: Anchor['answers'];
  /** By which changes it is judged on the held-out rows. */
  readonly judgedBy: Anchor['judgedBy'];
  readonly useLabels: boolean;
  /** Part of the original sensitivity at which the feature counts as forgotten. */
  readonly targetSensitivity: number;
  /** Accuracy (0 to 1) that may be lost on the held-out rows. */
  readonly maxAccuracyDrop: number;
  readonly session: SessionOptions;
  readonly signal: AbortSignal | undefined;
  readonly store: RunStore | undefined;
  /** Seconds between two checkpoints. */
  readonly checkpointSeconds: number;
  /** @param done from 0 to 1 */
  readonly onProgress: (done: number, detail: string) => void;
}

export interface MethodOutput {
  readonly model: Model;
  /** Whether the method reached its aim on the held-out rows (for `exact`: whether the proof holds). */
  readonly met: boolean;
  /** Whether the utility floor was kept on the held-out rows; undefined if they are too few to tell. */
  readonly floorMet: boolean | undefined;
  readonly certificate: Certificate | undefined;
  readonly curve: readonly CurvePoint[];
  readonly steps: number;
  readonly notes: readonly string[];
  readonly provider: string;
}

/** One way of forgetting. */
export type Method = (input: MethodInput) => Promise<MethodOutput>;
