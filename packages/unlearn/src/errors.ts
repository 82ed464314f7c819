/** Errors of this package; each message is a sentence that a user can act on. */

/** Why something cannot be measured or unlearned. */
export type UnlearnErrorKind =
  /** The model is no classifier that this package can read. */
  | 'not-a-classifier'
  /** The rows hold only one value of the feature, so its effect cannot be seen in them. */
  | 'constant-feature'
  /** Too few rows to work with. */
  | 'too-few-rows'
  /** The method cannot be used for this feature or model. */
  | 'not-applicable'
  /** Numbers stopped being finite. */
  | 'diverged'
  /** A checkpoint belongs to something else. */
  | 'checkpoint';

export class UnlearnError extends Error {
  override name = 'UnlearnError';
  readonly kind: UnlearnErrorKind;

  constructor(kind: UnlearnErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
