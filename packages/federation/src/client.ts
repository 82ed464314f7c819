/** What a client of a federation is, and what passes between it and the server. */
import type { Tensors } from '@assay/engine';
import type { Reason, Slots } from '@assay/unlearn';

/** How clients train in one round. */
export interface LocalSettings {
  /** Passes over a client's own rows, from 1. */
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Weight μ of FedProx's proximal term; default 0, which is FedAvg. */
  readonly mu?: number;
  /** Stops after so many steps, whatever `epochs` says. */
  readonly maxSteps?: number;
}

/** Inputs that the model must not learn from again: what a request has cut out of it. */
export interface Cut {
  readonly feature: string;
  readonly slots: readonly Slots[];
}

/** What the server asks of a client in a round. */
export interface FitTask {
  /** Counted from 1. */
  readonly round: number;
  /** The global weights. */
  readonly weights: Tensors;
  readonly local: LocalSettings;
  /** Of this client in this round. */
  readonly seed: number;
  /** Honest clients leave these inputs out of their training; whatever they send, the server cuts them out again. */
  readonly cuts: readonly Cut[];
}

/** What a client sends after its training. */
export interface Update {
  /** All of the global weights, moved. */
  readonly weights: Tensors;
  /** Mean training loss, as the client says. */
  readonly loss: number;
}

/** A client's request to forget a feature. */
export interface ForgetRequest {
  /** Who asks; a transport vouches for it. */
  readonly client: string;
  readonly feature: string;
  /** Why it has to go: decides what keeps the utility. */
  readonly because: Reason;
}

/** What the server hands to the client that asked. */
export interface ForgetTask {
  readonly request: ForgetRequest;
  /** The global weights θ. */
  readonly weights: Tensors;
  /** Features that were forgotten before, and have to stay so. */
  readonly forgotten: readonly string[];
  /** Those of them that are cut out exactly. */
  readonly cuts: readonly Cut[];
  /** Of a repetition, where the server knows the feature: what has come back, as a part of the original sensitivity. */
  readonly left?: number;
}

/** What the client sends after it has unlearned on its own rows. */
export interface Forgotten {
  /** θᵘ. */
  readonly weights: Tensors;
  /** The inputs that are cut out of θᵘ, where the method was exact: the server keeps them cut from then on. */
  readonly cut?: Cut;
  readonly report: ForgetReport;
}

/** What a client says of its unlearning; the server believes only what it measures itself. */
export interface ForgetReport {
  readonly method: string;
  /** Sensitivity to the feature on the client's own rows. */
  readonly sensitivity: { readonly before: number; readonly after: number };
  readonly seconds: number;
  readonly notes: readonly string[];
}

/** A member of a federation. */
export interface Client {
  /** Unique in the federation. */
  readonly id: string;
  /** Rows that it trains on: its weight in the average. */
  readonly samples: number;
  /** Trains on its own rows from the global weights. Rejects if it cannot, or the signal is aborted. */
  fit(task: FitTask, signal: AbortSignal): Promise<Update>;
  /** Unlearns a feature on its own rows; absent where the client cannot. */
  forget?(task: ForgetTask, signal: AbortSignal): Promise<Forgotten>;
}
