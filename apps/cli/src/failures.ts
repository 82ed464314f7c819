/** From an error to an exit code and a sentence for the person at the terminal. */
import { DataError, type DataErrorCode } from '@assay/data';
import { DossierError, type DossierErrorCode } from '@assay/dossier';
import { EngineError } from '@assay/engine';
import { GraphError } from '@assay/graph';
import { EvaluationError, FactError, LimitError, PolicyError } from '@assay/policy';
import { UnlearnError } from '@assay/unlearn';
import { printable } from './terminal/text.ts';

/** What the exit codes of the command mean. */
export const EXIT = {
  /** Done, or the check passed. */
  done: 0,
  /** A check did not pass. */
  notPassed: 1,
  /** The command was used in a way that cannot be. */
  wrongUse: 2,
  /** A file, table or model is not what it has to be, or cannot be read or written. */
  badInput: 3,
  internal: 4,
  /** Stopped by the person (128 + SIGINT). */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command was used in a way that cannot be. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** A file or model is not what it has to be, or cannot be read or written. */
export class InputError extends Error {
  override name = 'InputError';
}

/** The person stopped the command; the message says what is left. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/** Errors of the data package that come from what was asked for, not from what the data are. */
const USAGE_CODES: ReadonlySet<DataErrorCode> = new Set([
  'unknown-column',
  'target-is-feature',
  'out-of-range',
]);

/** Errors of a dossier that come from what was asked for, not from what is in the folder. */
const DOSSIER_USAGE_CODES: ReadonlySet<DossierErrorCode> = new Set([
  'already-there',
  'not-permitted',
  'unknown-fact',
  'unknown-person',
  'unknown-subject',
  'wrong-type',
]);

export interface Failure {
  readonly exitCode: ExitCode;
  /** A sentence. */
  readonly message: string;
  /** A short word for programs. */
  readonly kind: string;
}

/** What an error means to the person who ran the command. */
export function failureOf(error: unknown): Failure {
  const of = (exitCode: ExitCode, kind: string): Failure => ({
    exitCode,
    kind,
    message: sentence(error instanceof Error ? error.message : String(error)),
  });
  if (error instanceof UsageError) return of(EXIT.wrongUse, 'wrong-use');
  if (error instanceof InputError) return of(EXIT.badInput, 'bad-input');
  if (error instanceof DataError) {
    if (error.code === 'internal') return of(EXIT.internal, error.code);
    return of(USAGE_CODES.has(error.code) ? EXIT.wrongUse : EXIT.badInput, error.code);
  }
  if (error instanceof DossierError) {
    return of(DOSSIER_USAGE_CODES.has(error.code) ? EXIT.wrongUse : EXIT.badInput, error.code);
  }
  if (error instanceof PolicyError) return of(EXIT.badInput, 'policy');
  if (error instanceof FactError || error instanceof EvaluationError || error instanceof LimitError) {
    return of(EXIT.badInput, 'evaluation');
  }
  if (error instanceof UnlearnError) return of(EXIT.badInput, error.kind);
  if (error instanceof GraphError) return of(EXIT.badInput, 'model');
  if (error instanceof EngineError) {
    const isInternal = error.kind === 'closed' || error.kind === 'provider';
    return of(isInternal ? EXIT.internal : EXIT.badInput, error.kind);
  }
  if (isSystemError(error)) {
    return { exitCode: EXIT.badInput, kind: error.code, message: sentence(systemReason(error)) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    exitCode: EXIT.internal,
    kind: 'internal',
    message: `Something went wrong inside assay: ${sentence(message)} Run again with --debug to see where.`,
  };
}

/** An error of the operating system. */
export interface SystemError extends Error {
  readonly code: string;
  readonly path?: string;
}

export function isSystemError(error: unknown): error is SystemError {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^E[A-Z0-9]+$/.test(error.code)
  );
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'you are not allowed to',
  EDQUOT: 'your quota of disk space is used up',
  EEXIST: 'it is there already',
  EIO: 'the disk reports an error',
  EISDIR: 'it is a folder',
  ELOOP: 'too many links lead to it',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'part of the path is no folder',
  EPERM: 'you are not allowed to',
  EROFS: 'the disk is read-only',
};

/** Why the operating system refused, in words. */
export function systemReason(error: SystemError): string {
  return REASONS[error.code] ?? `the system answered ${error.code}`;
}

/** Upper case at the beginning, a full stop at the end, nothing that would steer a terminal. */
export function sentence(text: string): string {
  const clean = printable(text).trim();
  // A word, not the name of a file.
  const begun = /^[a-z]+\s/.test(clean) ? clean.charAt(0).toUpperCase() + clean.slice(1) : clean;
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
