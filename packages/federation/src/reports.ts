/** What a federation reports. */
import type { Tensors } from '@assay/engine';
import type { Estimate } from '@assay/unlearn';
import type { ForgetReport, ForgetRequest } from './client.ts';
import type { AccuracyDrop } from './request/validation.ts';
import type { Participant, RejectedUpdate } from './rounds/round.ts';
import type { DroppedClient } from './transport/ask-all.ts';

/** How much of a forgotten feature has come back. */
export interface Relapse {
  readonly feature: string;
  /** The server's measurement after the round. */
  readonly sensitivity: Estimate;
  /** Before the feature was first forgotten, and when it was last accepted as forgotten. */
  readonly original: number;
  readonly accepted: number;
}

/** What happened in a round. */
export interface RoundReport {
  /** Counted from 1. */
  readonly round: number;
  readonly participants: readonly Participant[];
  readonly rejected: readonly RejectedUpdate[];
  readonly dropped: readonly DroppedClient[];
  /** Whether there were enough updates to change the weights. */
  readonly averaged: boolean;
  /** Mean training loss of the participants; NaN where there are none. */
  readonly loss: number;
  readonly bytes: { readonly sent: number; readonly received: number };
  readonly seconds: number;
  /** The global weights after the round. */
  readonly weights: Tensors;
  /** Of the forgotten features that the server can measure, which backdoors are not. */
  readonly relapse: readonly Relapse[];
  /** Requests that were repeated after the round, so that their features stay forgotten. */
  readonly repeated: readonly ForgetOutcome[];
}

/** What became of a request. */
export interface ForgetOutcome {
  readonly request: ForgetRequest;
  readonly accepted: boolean;
  /** Why not, in sentences. */
  readonly reasons: readonly string[];
  /** Rounds done when it was decided. */
  readonly round: number;
  /** SHA-256 of the weights before it, and of those the federation goes on with. */
  readonly digests: { readonly before: string; readonly after: string };
  /** Number of the version with the feature forgotten, where one was made. */
  readonly version: number | undefined;
  readonly accuracy: AccuracyDrop | undefined;
  /** The server's own measurement; undefined where it does not know the feature, and of a backdoor. */
  readonly sensitivity: { readonly before: Estimate; readonly after: Estimate } | undefined;
  /** What the client says. */
  readonly report: ForgetReport | undefined;
  readonly bytes: { readonly sent: number; readonly received: number };
  readonly seconds: number;
}
