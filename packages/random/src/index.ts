/**
 * Seeded counter-based random numbers (Philox4x32-10): the n-th number of a stream is a pure function of seed,
 * stream and n, so that streams never depend on the order of calls elsewhere, a run resumes by remembering one
 * integer, and Node and the browser agree bit for bit.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
export { type PhiloxBlock, philox4x32 } from './philox.ts';
export { RandomStream } from './stream.ts';
