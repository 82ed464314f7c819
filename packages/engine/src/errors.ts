/** Errors of this package; each message is a sentence that a user can act on, and none quotes a data value. */

/** What an {@link EngineError} is about. */
export type EngineErrorKind =
  /** The caller used an argument that cannot be: an unknown name, a wrong shape or type, a missing input. */
  | 'argument'
  /** No execution provider could be started, or its name is not known. */
  | 'provider'
  /** The runtime refused the model. */
  | 'model'
  /** The runtime failed while it ran a node. */
  | 'run'
  /** The session or its worker is closed or has died. */
  | 'closed'
  /** A checkpoint is not what it has to be. */
  | 'checkpoint';

/** A graph could not be opened or run. */
export class EngineError extends Error {
  override name = 'EngineError';
  readonly kind: EngineErrorKind;
  /** The node that failed, where the runtime says so. */
  readonly node: string | undefined;
  /** The op of that node. */
  readonly op: string | undefined;

  constructor(kind: EngineErrorKind, message: string, where: { node?: string; op?: string } = {}) {
    super(message);
    this.kind = kind;
    this.node = where.node;
    this.op = where.op;
  }
}
