/** Batches of rows in a seeded order, as a pure function of the step: so that a run resumes by its step number alone. */
import { tensor } from '@assay/graph';
import { RandomStream } from '@assay/random';
import { EngineError } from './errors.ts';
import { rowCount, sliceRows, takeRows } from './rows.ts';
import type { Tensors } from './session.ts';

/** Feeds for step after step, epoch after epoch, without end. */
export interface Batches {
  readonly rows: number;
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  /** The feeds of a step, counted from 0 over all epochs; the same for every call. */
  at(step: number): Tensors;
}

/** How rows are put into batches. */
export interface BatchOptions {
  /** Rows per batch; the last of an epoch may have fewer. */
  readonly batchSize: number;
  /** Shuffles every epoch anew by this seed; without it rows keep their order. */
  readonly seed?: number;
  /** Leaves out the last batch of an epoch where it is not full. */
  readonly dropLast?: boolean;
}

/**
 * Batches of the rows of some tensors.
 *
 * @param inputs tensors by input name, all with the same first dimension
 * @throws EngineError of kind `argument` if there are no rows, or not enough for one batch
 */
export function batches(inputs: Tensors, options: BatchOptions): Batches {
  const rows = rowCount(inputs);
  const columns = Object.entries(inputs);
  return batchesOf(rows, options, (order, start, end) =>
    Object.fromEntries(
      columns.map(([name, value]) => [
        name,
        order === undefined ? sliceRows(value, start, end) : takeRows(value, order.subarray(start, end)),
      ]),
    ),
  );
}

/**
 * Batches of row numbers, for a graph that gathers the rows itself (see `gatherRows`).
 *
 * @param input name of the input, int64 [batch]
 */
export function rowNumberBatches(rows: number, options: BatchOptions, input = 'rows'): Batches {
  return batchesOf(rows, options, (order, start, end) => {
    const numbers = order?.subarray(start, end) ?? Array.from({ length: end - start }, (_, i) => start + i);
    return { [input]: tensor('int64', [end - start], numbers) };
  });
}

function batchesOf(
  rows: number,
  options: BatchOptions,
  feedsOf: (order: Uint32Array | undefined, start: number, end: number) => Tensors,
): Batches {
  const { batchSize, seed, dropLast = false } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new EngineError('argument', `A batch has a whole number of rows from 1, not ${batchSize}.`);
  }
  const stepsPerEpoch = dropLast ? Math.floor(rows / batchSize) : Math.ceil(rows / batchSize);
  if (stepsPerEpoch < 1)
    throw new EngineError('argument', `${rows} rows do not fill a batch of ${batchSize}.`);
  let known: { epoch: number; order: Uint32Array } | undefined;
  const orderOf = (epoch: number): Uint32Array | undefined => {
    if (seed === undefined) return undefined;
    if (known?.epoch !== epoch) {
      known = { epoch, order: new RandomStream(seed, `order of epoch ${epoch}`).permutation(rows) };
    }
    return known.order;
  };
  return {
    rows,
    batchSize,
    stepsPerEpoch,
    at(step) {
      const epoch = Math.floor(step / stepsPerEpoch);
      const start = (step % stepsPerEpoch) * batchSize;
      return feedsOf(orderOf(epoch), start, Math.min(start + batchSize, rows));
    },
  };
}
