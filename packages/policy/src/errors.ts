/** Errors of this package: each message is a sentence, with the place in the file where there is one. */

/** A place in a text: file (or other origin), line and column, both counted from 1. */
export interface Place {
  readonly origin: string;
  readonly line: number;
  readonly column: number;
}

/** A vocabulary, policy, overlay or other text of this package is not what it has to be. */
export class PolicyError extends Error {
  override name = 'PolicyError';
  readonly origin: string;
  readonly line: number;
  readonly column: number;
  /** What was wrong, without the place. */
  readonly reason: string;

  constructor(reason: string, place: Place) {
    super(`${place.origin}:${place.line}:${place.column}: ${reason}`);
    this.reason = reason;
    this.origin = place.origin;
    this.line = place.line;
    this.column = place.column;
  }
}

/** A fact handed to the evaluation is not of the type that the vocabulary declares. */
export class FactError extends Error {
  override name = 'FactError';
  readonly fact: string;

  constructor(fact: string, message: string) {
    super(message);
    this.fact = fact;
  }
}

/** The evaluation would take more steps, or was given more, than the stated limits allow. */
export class LimitError extends Error {
  override name = 'LimitError';
}

/** What is asked of an evaluation (parameters, waivers, a rule to explain) does not fit it. */
export class EvaluationError extends Error {
  override name = 'EvaluationError';
}
