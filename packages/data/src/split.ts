/** Which rows are for what: train and test, clients, shares. All are functions of the seed alone. */
import { RandomStream } from '@assay/random';
import { DataError } from './errors.ts';

/** Row numbers, counted from 0, in ascending order. */
export interface RowSplit {
  readonly train: Uint32Array;
  readonly test: Uint32Array;
}

/**
 * Splits `count` rows at random into training and test rows.
 *
 * The test part has `round(count · testFraction)` rows. The order is drawn by Philox4x32-10 from the stream
 * "split" of the seed, so the same arguments give the same split on every machine.
 *
 * @param testFraction from 0 to 1; 0.2 by default
 * @throws DataError `out-of-range`
 */
export function splitRows(
  count: number,
  options: { readonly seed: number; readonly testFraction?: number },
): RowSplit {
  const testFraction = options.testFraction ?? 0.2;
  requireCount('number of rows', count, 0);
  requireFraction('test fraction', testFraction);
  const order = stream(options.seed, 'split').permutation(count);
  const testRows = Math.round(count * testFraction);
  return { train: order.slice(testRows).sort(), test: order.slice(0, testRows).sort() };
}

/**
 * Deals rows at random to clients (independent and identically distributed); sizes differ by at most one.
 *
 * @throws DataError `out-of-range` where there are fewer rows than clients
 */
export function partition(rows: Uint32Array, clients: number, seed: number): readonly Uint32Array[] {
  requireCount('number of clients', clients, 1);
  if (clients > rows.length) {
    throw new DataError(
      'out-of-range',
      `${rows.length} rows cannot be dealt to ${clients} clients: each needs at least one.`,
    );
  }
  const order = shuffled(rows, stream(seed, 'partition'));
  return Array.from({ length: clients }, (_, client) =>
    order
      .slice(Math.floor((client * rows.length) / clients), Math.floor(((client + 1) * rows.length) / clients))
      .sort(),
  );
}

/**
 * A random part of the rows. Parts are nested: with one seed, a smaller fraction is contained in every larger one.
 *
 * @param fraction from 0 to 1; above 0 the part has at least one row
 * @throws DataError `out-of-range`
 */
export function shareOf(rows: Uint32Array, fraction: number, seed: number): Uint32Array {
  requireFraction('share', fraction);
  const size = fraction === 0 ? 0 : Math.min(rows.length, Math.max(1, Math.round(rows.length * fraction)));
  return shuffled(rows, stream(seed, 'share')).slice(0, size).sort();
}

/** The rows 0 … count − 1. */
export function allRows(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, row) => row);
}

/** The random numbers of a seed for one purpose; different purposes never share numbers. */
export function stream(seed: number, purpose: 'split' | 'partition' | 'share' | 'census'): RandomStream {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new DataError('out-of-range', `The seed has to be a whole number from 0 to 2^53 − 1, not ${seed}.`);
  }
  return new RandomStream(seed, purpose);
}

function shuffled(rows: Uint32Array, random: RandomStream): Uint32Array {
  return random.permutation(rows.length).map((position) => rows[position] ?? 0);
}

function requireFraction(what: string, value: number): void {
  if (!(value >= 0 && value <= 1))
    throw new DataError('out-of-range', `The ${what} has to be from 0 to 1, not ${value}.`);
}

function requireCount(what: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least || value > 2 ** 32 - 1) {
    throw new DataError(
      'out-of-range',
      `The ${what} has to be a whole number of at least ${least}, not ${value}.`,
    );
  }
}
