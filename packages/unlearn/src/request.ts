/** A request to forget a feature, and what comes of it. */
import type { SessionOptions } from '@assay/engine';
import type { Model } from '@assay/graph';
import type { Anchor, Reason } from './anchor.ts';
import type { Accuracy } from './measure/accuracy.ts';
import type { FlipEffect } from './measure/flip.ts';
import type { ImplantEffect } from './measure/implant.ts';
import type { Sensitivity } from './measure/sensitivity.ts';
import type { Classifier, Feature, Rows } from './subject.ts';

/** Share of test rows that a forgotten backdoor may still decide, by the upper end of the interval. */
export const MOST_IMPLANTED = 0.01;

/** The ways of forgetting; `auto` picks `exact` or `ferrari` and says why. */
export type MethodName = 'exact' | 'ferrari' | 'ferrari-paper';

/** What the student is to agree with where the feature mattered. */
export type TeacherName =
  /** f₀(x), the old model with the feature at its true value: keeps the accuracy; the student may use proxies. */
  | 'conditional'
  /** E_z f₀(x₋F, z), the old model averaged over other values of the feature: leans no more on proxies. */
  | 'marginal';

/** Part of the original sensitivity at which a feature counts as forgotten, unless it is told otherwise. */
export const TARGET_SENSITIVITY = 0.02;

export interface UnlearnRequest {
  readonly classifier: Classifier;
  readonly feature: Feature;
  /** All features of the model: side effects are measured on them. */
  readonly features: readonly Feature[];
  /** The requester's rows. Part of them is held out to watch the utility; no others are used to unlearn. */
  readonly requester: Rows;
  /** Rows to measure on, before and after; never used to unlearn. */
  readonly test: Rows;
  readonly method: MethodName | 'auto';
  readonly seed: number;
  /** Why the feature has to go; default `sensitive`. Decides what the utility is anchored to. */
  readonly because?: Reason;
  /** Default `conditional`; for the reason `sensitive` only. */
  readonly teacher?: TeacherName;
  /** Whether the requester's labels are used as well; default false. Never for a backdoor, whose labels are wrong. */
  readonly useLabels?: boolean;
  /** Part of the original sensitivity at which the feature counts as forgotten; default {@link TARGET_SENSITIVITY}. */
  readonly targetSensitivity?: number;
  /** Accuracy (0 to 1) that may be lost on the requester's own held-out rows; default 0.01. */
  readonly maxAccuracyDrop?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: UnlearnProgress) => void;
  readonly checkpoints?: CheckpointStore;
  /** Seconds between two checkpoints; default 10. */
  readonly checkpointSeconds?: number;
  readonly session?: SessionOptions;
}

/** Where a run stands. */
export interface UnlearnProgress {
  readonly phase: 'measuring-before' | 'unlearning' | 'measuring-after';
  /** Work done in this phase, from 0 to 1. */
  readonly done: number;
  /** What the current numbers are, in words (for a status line). */
  readonly detail: string;
}

/** Keeps the state of a run, so that it can go on after an interruption. */
export interface CheckpointStore {
  /** The last state saved under this key, if any. */
  load(key: string): Promise<Uint8Array | undefined>;
  /** Replaces the state atomically. */
  save(key: string, state: Uint8Array): Promise<void>;
  /** Forgets it (the run is complete). */
  clear(key: string): Promise<void>;
}

/** How a model behaves with respect to one feature. */
export interface Measurement {
  readonly accuracy: Accuracy;
  readonly sensitivity: Sensitivity;
  readonly flip: FlipEffect;
  /** What the planted feature decides; for the reason `backdoor` only. */
  readonly implant: ImplantEffect | undefined;
}

/** One look at the run on the requester's held-out rows. */
export interface CurvePoint {
  readonly step: number;
  /** Sensitivity as a part of the original one. */
  readonly sensitivity: number;
  /** Kullback–Leibler divergence from the old model's prediction, in nats, mean over rows. */
  readonly divergence: number;
  /** Share of held-out rows on which the prediction is the old model's. */
  readonly agreement: number;
  /** Weight of the sensitivity in the objective (0 for `exact`). */
  readonly lambda: number;
  /** Whether the weights of this look were the ones returned. */
  readonly chosen: boolean;
}

/** A proof that no path leads from the feature to the output. */
export interface Certificate {
  readonly feature: string;
  /** The columns, by graph input. */
  readonly columns: readonly { readonly input: string; readonly start: number; readonly length: number }[];
  readonly output: string;
  /** How the cut is written: into the weights, or as a node behind the input. */
  readonly form: 'folded' | 'masked';
  /** Values that the columns still enter, from the input to where their influence ends. */
  readonly reach: readonly string[];
  /** Whether the proof needs the inputs to be finite numbers (a product with 0). */
  readonly finiteInputsOnly: boolean;
}

export interface UnlearnResult {
  /** The model that has forgotten: same inputs, outputs and metadata. */
  readonly model: Model;
  readonly feature: string;
  readonly method: MethodName;
  /** Why this method. */
  readonly because: string;
  /** Why the feature had to go. */
  readonly reason: Reason;
  /** Whose answers the student learned. */
  readonly teacher: Anchor['answers'];
  readonly usedLabels: boolean;
  /**
   * Whether the sensitivity came down to the target (for `exact`: whether the proof holds; for a backdoor in images: whether
   * what it decides came down to at most {@link MOST_IMPLANTED} of the test rows).
   */
  readonly targetMet: boolean;
  /** Whether the utility floor held on the requester's held-out rows; undefined if they are too few to tell. */
  readonly floorMet: boolean | undefined;
  readonly before: Measurement;
  readonly after: Measurement;
  /** Sensitivity of every other feature. */
  readonly sideEffects: ReadonlyMap<string, { readonly before: Sensitivity; readonly after: Sensitivity }>;
  readonly certificate: Certificate | undefined;
  readonly curve: readonly CurvePoint[];
  /** Steps of the optimiser. */
  readonly steps: number;
  /** Rows of the requester: used to unlearn, and held out. */
  readonly rows: { readonly used: number; readonly heldOut: number };
  /** Sentences that a reader of the result has to know. */
  readonly notes: readonly string[];
  readonly seconds: number;
  /** The execution provider that ran. */
  readonly provider: string;
}
