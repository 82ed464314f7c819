/** Passes over all rows of a table. */
import type { Tensor } from '@assay/graph';
import { EngineError } from './errors.ts';
import { concatenateRows, rowCount, sliceRows, takeRows } from './rows.ts';
import type { Session, Tensors } from './session.ts';

/** How {@link predictAll} goes over the rows. */
export interface PredictOptions {
  /** Rows per run, default 1024; a model with a fixed batch size is run with that. */
  readonly batchSize?: number;
  /** Outputs to collect; default all. Each has the rows as its first axis. */
  readonly outputs?: readonly string[];
  /** Gives up between batches. */
  readonly signal?: AbortSignal;
}

/** Batches under way at once: the next is prepared and sent while one runs. */
const IN_FLIGHT = 2;

/**
 * Runs a session over all rows and concatenates its outputs.
 *
 * @param inputs tensors by input name, all with the same first dimension
 * @returns outputs by name, with the rows as first axis
 * @throws EngineError of kind `argument` if an output does not have one row per row of input
 */
export async function predictAll(
  session: Session,
  inputs: Tensors,
  options: PredictOptions = {},
): Promise<Record<string, Tensor>> {
  const { signal, outputs = session.outputs.map(({ name }) => name) } = options;
  const rows = rowCount(inputs);
  const fixed = fixedBatch(session, inputs);
  const batchSize = fixed ?? options.batchSize ?? 1024;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new EngineError('argument', `A batch has a whole number of rows from 1, not ${batchSize}.`);
  }
  const parts = new Map(outputs.map((name): [string, Tensor[]] => [name, []]));
  const pending: { count: number; result: Promise<Tensors> }[] = [];
  const collect = async (): Promise<void> => {
    const batch = pending.shift();
    if (batch === undefined) return;
    const result = await batch.result;
    for (const [name, collected] of parts) {
      const value = result[name];
      if (value !== undefined) collected.push(cut(name, value, batch.count, fixed ?? batch.count));
    }
  };
  try {
    // At least one batch is run, so that an empty table still gives outputs of the right type.
    for (let start = 0; start === 0 || start < rows; start += batchSize) {
      signal?.throwIfAborted();
      const end = Math.min(start + batchSize, rows);
      const feeds = Object.fromEntries(
        Object.entries(inputs).map(([name, value]) => [name, batchOf(value, start, end, fixed)]),
      );
      pending.push({ count: end - start, result: session.run(feeds, outputs) });
      if (pending.length >= IN_FLIGHT) await collect();
    }
    while (pending.length > 0) await collect();
  } finally {
    // Where one failed, the others are waited for, so that none fails unheard.
    await Promise.allSettled(pending.map(({ result }) => result));
  }
  return Object.fromEntries([...parts].map(([name, collected]) => [name, concatenateRows(collected)]));
}

/** The batch size that the model is written for, if it is fixed. */
function fixedBatch(session: Session, inputs: Tensors): number | undefined {
  for (const { name, shape } of session.inputs) {
    const [batch] = shape;
    if (Object.hasOwn(inputs, name) && typeof batch === 'number' && batch > 0) return batch;
  }
  return undefined;
}

/** Rows of one batch; filled up by repeating a row where the model wants a fixed number. */
function batchOf(value: Tensor, start: number, end: number, fixed: number | undefined): Tensor {
  if (fixed === undefined || end - start === fixed) return sliceRows(value, start, end);
  if (end === start)
    throw new EngineError('argument', 'There are no rows, and the model takes a fixed number.');
  return takeRows(
    value,
    Array.from({ length: fixed }, (_, i) => Math.min(start + i, end - 1)),
  );
}

function cut(name: string, value: Tensor, count: number, run: number): Tensor {
  if (value.dims[0] !== run) {
    throw new EngineError('argument', `Output "${name}" does not have one row per row of input.`);
  }
  return count === run ? value : sliceRows(value, 0, count);
}
