/**
 * What the runtime says when it fails, as errors that a person can act on.
 *
 * The runtime's own messages mix the useful (node, op, shapes) with source paths of its build and, for some ops, values
 * of the data (an index out of range, say). Only parts known to speak of shapes, types and names are passed on.
 */
import { EngineError } from '../errors.ts';
import type { Failure, Tensors } from './protocol.ts';

const MAX_LENGTH = 600;

/** The runtime refused to make a session. Nothing but the model has been seen, so its message may be quoted. */
export function modelFailure(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const text = tidy(messageOf(error));
  if (
    /no available backend found|Failed to load (shared )?library|adapter|OrtSessionOptionsAppend|not (enabled|supported) in this build|not built/i.test(
      text,
    )
  ) {
    const [first = text] = text.replace(/^no available backend found\. ERR: \[\w+\] /, '').split('. ');
    return new EngineError('provider', `${stripFullStop(first)}.`);
  }
  if (/protobuf parsing failed|ModelProto|No graph was found/i.test(text)) {
    return new EngineError('model', 'The bytes are no readable ONNX model.');
  }
  return new EngineError(
    'model',
    `ONNX Runtime does not take the model: ${stripFullStop(text)}.`,
    whereIn(text),
  );
}

/**
 * The runtime failed inside a run.
 *
 * @param feeds what was fed; only shapes are reported
 */
export function runFailure(error: unknown, feeds: Tensors): EngineError {
  if (error instanceof EngineError) return error;
  const text = tidy(messageOf(error));
  const where = whereIn(text);
  const place = where.op === undefined ? '' : ` in ${where.op}${where.node ? ` "${where.node}"` : ''}`;
  const shapes = Object.entries(feeds)
    .map(([name, { elementType, dims }]) => `${name} ${elementType}[${dims.join(', ')}]`)
    .join(', ');
  return new EngineError(
    'run',
    `The graph failed${place}: ${reasonIn(text)}. It was fed ${shapes || 'nothing'}.`,
    where,
  );
}

/** A failure that can be posted. */
export function toFailure(error: unknown): Failure {
  if (error instanceof EngineError) {
    return { kind: error.kind, message: error.message, node: error.node, op: error.op };
  }
  return {
    kind: 'run',
    message: `The worker failed (${error instanceof Error ? error.name : typeof error}).`,
    node: undefined,
    op: undefined,
  };
}

/** The error that a posted failure stands for. */
export function fromFailure({ kind, message, node, op }: Failure): EngineError {
  return new EngineError(kind, message, {
    ...(node === undefined ? {} : { node }),
    ...(op === undefined ? {} : { op }),
  });
}

/** Reasons whose numbers are sizes and positions of dimensions, or which have none. */
const REASONS: readonly (readonly [RegExp, (match: RegExpExecArray) => string])[] = [
  [
    /Got invalid dimensions for input: (\S+) for the following indices\s+index: (\d+) Got: (\d+) Expected: (\d+)/,
    ([, name, axis, got, expected]) =>
      `input "${name}" has ${got} along axis ${axis} where the model takes ${expected}`,
  ],
  [
    /Invalid rank for input: (\S+) Got: (\d+) Expected: (\d+)/,
    ([, name, got, expected]) => `input "${name}" has ${got} dimensions, not ${expected}`,
  ],
  [
    /(axis == 1 \|\| axis == largest|Attempting to broadcast an axis by a dimension other than 1)\. (\d+) by (\d+)/,
    ([, , a, b]) => `shapes cannot be broadcast (${a} against ${b})`,
  ],
  [/right operand cannot broadcast on dim \d+/, () => 'shapes cannot be broadcast'],
  [
    /(GEMM: )?Dimension mismatch, W: \{([\d,]+)\} K: (\d+) N:(-?\d+)/,
    ([, , w, k]) => `a weight of shape [${w}] does not fit an input of width ${k}`,
  ],
  [/MatMul dimension mismatch/i, () => 'the shapes of a matrix product do not fit'],
  [
    /input tensor cannot be reshaped to the requested shape\. Input shape:\s*\{([\d,]+)\}, requested shape:\s*\{([-\d,]+)\}/,
    ([, a, b]) => `[${a}] cannot be reshaped to [${b}]`,
  ],
  [
    /ind(ex|ices)\b.*out of (data )?(bounds|range)|out of range value in index|invalid ind(ex|ice) found/i,
    () => 'an index lies outside the axis that it indexes',
  ],
  [/label.*(range|class)/i, () => 'a label lies outside the range of classes'],
  [/Failed to allocate memory|bad_alloc|out of memory/i, () => 'there is not enough memory'],
  [/Non concat axis dimensions must match/i, () => 'the shapes to concatenate do not fit'],
  [/Unexpected input data type/i, () => 'an input has another element type than the model takes'],
];

function reasonIn(text: string): string {
  for (const [pattern, say] of REASONS) {
    const match = pattern.exec(text);
    if (match !== null) return say(match);
  }
  return 'the runtime refused the shapes or values that reached it';
}

function whereIn(text: string): { node?: string; op?: string } {
  const running =
    /running (\w+) node\. Name:'([^']*)'/.exec(text) ?? /Error No Op registered for (\w+)/.exec(text);
  const named = /[Nn]ode ?\(([^)]*)\)(?: [Oo]p ?\((\w+)\))?/.exec(text);
  const op = running?.[1] ?? named?.[2];
  const node = running?.[2] ?? named?.[1];
  return { ...(op === undefined ? {} : { op }), ...(node === undefined ? {} : { node }) };
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : 'unknown failure';
}

/** Without the source paths and function signatures of the runtime's build. */
function tidy(text: string): string {
  return text
    .replace(/\S*onnxruntime(_src)?\/\S*:\d+ /g, '')
    .replace(/Non-zero status code returned while /, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_LENGTH);
}

function stripFullStop(text: string): string {
  return text.replace(/[.\s]+$/, '');
}
