/** What an ablation is: one setting varied, all others as they are; a new one is a file beside this one. */
import type { SessionOptions } from '@assay/engine';
import type { Model } from '@assay/graph';
import type { Shelf } from '../kept.ts';
import type { Prepared } from '../scenario.ts';

/** The ablations by name. */
export const ABLATION_NAMES = [
  'share',
  'perturbations',
  'sigma',
  'batch',
  'rate',
  'objective',
  'anchor',
  'clients',
  'relapse',
] as const;

export type AblationName = (typeof ABLATION_NAMES)[number];

/** Tables of curves, by the names of the command line. */
export const CURVE_TABLE_NAMES = ['ablations', 'shares', 'relapse'] as const;

export type CurveTableName = (typeof CURVE_TABLE_NAMES)[number];

/** What a setting is run with. */
export interface AblationContext {
  readonly prepared: Prepared;
  /** The global model before anything is forgotten. */
  readonly model: Model;
  /** Trains the federation of another scenario, once: the key is part of its place in the folder. */
  readonly train: (prepared: Prepared, key: string) => Promise<Model>;
  /** Keeps the state of what is under way, by a name. */
  readonly shelf: (name: string) => Shelf;
  readonly seed: number;
  readonly session: SessionOptions;
  readonly signal: AbortSignal | undefined;
  /** @param done from 0 to 1 */
  readonly onProgress: (done: number, detail: string) => void;
}

/** What a setting led to. */
export interface Outcome {
  readonly model: Model;
  /** The model and scenario before, where they are not the context's. */
  readonly before?: { readonly model: Model; readonly prepared: Prepared };
  /** Rows of the requester that were given. */
  readonly rows: number;
  readonly seconds: number;
  readonly notes: readonly string[];
}

export interface Setting {
  /** In words, distinct in its series by letters and digits alone; other words make it another point. */
  readonly label: string;
  /** As a number, where it is one. */
  readonly at?: number;
  /** @throws UnlearnError if it cannot be done or diverges */
  readonly run: (context: AblationContext) => Promise<Outcome>;
}

/** One curve: a method whose setting is varied. */
export interface Series {
  readonly name: string;
  readonly title: string;
  /** The label of the setting as it is by default. */
  readonly usual: string | undefined;
  readonly settings: readonly Setting[];
  /** Why it cannot be used in a scenario; undefined if it can. */
  readonly reasonAgainst: (prepared: Prepared) => string | undefined;
  /** How long a setting takes, in unlearnings by the method Ferrari. */
  readonly effort: number;
}

export interface Ablation {
  readonly name: AblationName;
  /** The table that it stands in. */
  readonly table: CurveTableName;
  readonly title: string;
  /** What is varied. */
  readonly axis: string;
  readonly about: string;
  /** How settings stand on an axis: by their logarithm, one after the other, or as names, which are not drawn. */
  readonly scale: 'logarithmic' | 'steps' | 'names';
  readonly series: readonly Series[];
}
