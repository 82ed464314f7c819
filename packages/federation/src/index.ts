/** Federated learning: rounds, clients, aggregation, requests to forget. */
export type {
  Client,
  Cut,
  FitTask,
  ForgetReport,
  ForgetRequest,
  ForgetTask,
  Forgotten,
  LocalSettings,
  Update,
} from './client.ts';
export { FederationError, type FederationErrorKind } from './errors.ts';
export { Federation } from './federation.ts';
export { type ForgetFunction, type LocalClientsOptions, localClients } from './local-clients.ts';
export type { Cure, FederationOptions } from './options.ts';
export type { ForgetOutcome, Relapse, RoundReport } from './reports.ts';
export { maskExamples, projectWeights } from './request/cut.ts';
export type { AcceptanceRules, ForgottenFeature } from './request/decision.ts';
export { type UnlearnerOptions, unlearner } from './request/unlearner.ts';
export {
  type AccuracyDrop,
  accuracyDrop,
  openValidation,
  type Validation,
  type ValidationOptions,
} from './request/validation.ts';
export type { NormRule } from './rounds/aggregation.ts';
export { ExactMean } from './rounds/exact-mean.ts';
export type { Participant, RejectedUpdate, RoundRules } from './rounds/round.ts';
export type { RejectionCode } from './rounds/screening.ts';
export { type Selection, selectClients } from './rounds/selection.ts';
export type { Version } from './state.ts';
export { FileStore } from './store/files.ts';
export { History, type HistoryParticipant, type HistoryRound } from './store/history.ts';
export { isKey, MemoryStore, type Store } from './store/store.ts';
export { digestOf } from './store/weights-file.ts';
export type { DroppedClient } from './transport/ask-all.ts';
export { InProcessTransport } from './transport/in-process.ts';
export type { Delivery, Member, Question, Transport } from './transport/transport.ts';
export type { Wait } from './wait.ts';
