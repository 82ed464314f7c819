/** Pieces of work side by side, each on a worker of its own. */
import { type EngineWorker, startWorker } from '@assay/engine';
import { Queue } from './queue.ts';

/** What a piece of work is given. */
export interface Lane {
  /** Sessions opened on it wait for no other piece. */
  readonly worker: EngineWorker;
  /** Aborted when nobody listens any more, or another piece has failed. */
  readonly signal: AbortSignal;
}

/**
 * Runs pieces of work, at most so many at a time, and yields what they tell as it comes. A piece is asked for when a lane is
 * free for it.
 *
 * @param piecesOf is given the signal by which their making stops as well
 * @param lanes from 1; each piece that is under way has its data in memory
 * @throws what a piece throws, after the others have stopped
 */
export async function* abreast<Piece, Event>(
  piecesOf: (signal: AbortSignal) => AsyncGenerator<Piece, void, undefined>,
  lanes: number,
  signal: AbortSignal | undefined,
  run: (piece: Piece, lane: Lane) => AsyncGenerator<Event, void, undefined>,
): AsyncGenerator<Event, void, undefined> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const pieces = piecesOf(either);
  const queue = new Queue<Event>();
  const lane = async (): Promise<void> => {
    let worker: EngineWorker | undefined;
    try {
      for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
        either.throwIfAborted();
        if (worker?.alive !== true) worker = await startWorker();
        for await (const event of run(next.value, { worker, signal: either })) queue.push(event);
      }
    } catch (error) {
      stop.abort(error);
      throw error;
    } finally {
      await worker?.close();
    }
  };
  const running = Promise.allSettled(Array.from({ length: lanes }, lane)).then((ends) => {
    const failed = ends.find((end) => end.status === 'rejected');
    // The first to fail is why the others stopped.
    if (failed !== undefined) throw stop.signal.aborted ? stop.signal.reason : failed.reason;
  });
  try {
    yield* queue.drain(running);
  } finally {
    stop.abort();
    await running.catch(() => {});
    await pieces.return();
  }
}
