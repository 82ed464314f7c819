/** What a run of the experiments is told, what it tells, and where it keeps its results. */
import type { Result } from './result.ts';
import type { Network, Preset, ScenarioName } from './scenario.ts';
import type { Study } from './study.ts';

export interface RunOptions {
  readonly scenarios: readonly ScenarioName[];
  /** Names of methods; the baseline and the retrained model are always measured with them. */
  readonly methods: readonly string[];
  readonly seeds: readonly number[];
  readonly preset: Preset;
  /** Which network the images get. */
  readonly network: Network;
  /** Folder with the published data sets. */
  readonly dataDir?: string;
  /** Results that are in it are not computed again. */
  readonly folder: ResultStore;
  /** Threads of the runtime in each job. */
  readonly threads?: number;
  /** Scenarios and seeds that are run side by side; 1 by default. Each has its data in memory. */
  readonly jobs?: number;
  readonly signal?: AbortSignal;
}

/** What happens in a run, in the order in which it happens; `plan` comes first, before any costly work. */
export type RunEvent =
  | {
      readonly kind: 'plan';
      /** Results to be had: scenarios × methods × seeds. */
      readonly cells: number;
      /** Of them those that the folder holds already. */
      readonly done: number;
      /** For the rest; undefined where it cannot be told. */
      readonly estimatedSeconds: number | undefined;
    }
  | {
      readonly kind: 'progress';
      readonly scenario: ScenarioName;
      readonly method: string;
      readonly seed: number;
      /** Of the whole run, from 0 to 1. */
      readonly done: number;
      readonly detail: string;
      readonly remainingSeconds?: number;
    }
  /** A result, which the folder holds by now. */
  | { readonly kind: 'result'; readonly result: Result }
  /** A point of an ablation, or the theorem in a scenario, which the folder holds by now. */
  | { readonly kind: 'study'; readonly study: Study }
  /** A cell that something went wrong in that no method says of itself: nothing is kept, and the next run tries again. */
  | {
      readonly kind: 'failed';
      readonly scenario: ScenarioName;
      readonly method: string;
      readonly seed: number;
      readonly why: string;
      readonly cause: unknown;
    }
  /** A scenario that was left out: its data are not here. */
  | { readonly kind: 'skipped'; readonly scenario: string; readonly why: string }
  | { readonly kind: 'picture'; readonly picture: Picture };

/** A picture for the report: attention before and after, a reconstructed face. */
export interface Picture {
  /** Distinct among the pictures of a folder, such as `mnist-ferrari-1-attention`: lower case letters, digits and hyphens. */
  readonly name: string;
  readonly title: string;
  /** What it shows, for those who cannot see it too. */
  readonly caption: string;
  /** A PNG file. */
  readonly png: Uint8Array;
}

/** Where results are kept, so that a run goes on where it was stopped. */
export interface ResultStore {
  /** All whole results, in an order that does not depend on when they came. */
  results(): Promise<readonly Result[]>;
  /** Keeps a result, in place of an earlier one of the same scenario, method, seed, preset and network. */
  save(result: Result): Promise<void>;
  /** All whole studies: points of ablations, and what was found of the theorem. */
  studies(): Promise<readonly Study[]>;
  /** Keeps a study, in place of an earlier one of the same key. */
  saveStudy(study: Study): Promise<void>;
  /** Bytes kept under a key: a trained model, the state of a federation; undefined where there are none. */
  load(key: string): Promise<Uint8Array | undefined>;
  /** Keeps bytes under a key, in place of earlier ones; readers see all of them or none. */
  keep(key: string, bytes: Uint8Array): Promise<void>;
  /** Throws bytes away; does nothing where there are none. */
  drop(key: string): Promise<void>;
  pictures(): Promise<readonly Picture[]>;
  /** Keeps a picture, in place of an earlier one of the same name. */
  savePicture(picture: Picture): Promise<void>;
}
