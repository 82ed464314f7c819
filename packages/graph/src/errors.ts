/** Errors of this package; each message is a sentence that a user can act on. */

/** A model, graph or tensor is not what it has to be. */
export class GraphError extends Error {
  override name = 'GraphError';
}

/** The bytes are not a readable ONNX file. */
export class DecodeError extends GraphError {
  override name = 'DecodeError';
}

/** The gradient of a node cannot be written: its op has no rule, or not for this use of it. */
export class NotDifferentiableError extends GraphError {
  override name = 'NotDifferentiableError';
  readonly node: string;
  readonly op: string;

  constructor(node: string, op: string, message: string) {
    super(message);
    this.node = node;
    this.op = op;
  }
}
