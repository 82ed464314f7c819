/** How long work tells where it is and is called off. */

/** How far a step has come. */
export interface Progress {
  /** What is being done, for people: "reading adult.data". */
  readonly step: string;
  readonly done: number;
  /** Undefined where it is not known. */
  readonly total: number | undefined;
  readonly unit: 'bytes' | 'rows';
}

/** Options of everything that may take long. */
export interface Watch {
  readonly onProgress?: (progress: Progress) => void;
  /** Aborting it ends the work with the signal's reason; nothing half-written stays. */
  readonly signal?: AbortSignal;
}
