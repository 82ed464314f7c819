/** Symbolic shape inference: one file per op family, `rules.ts` joins their tables. */
export { type InferOptions, inferShapes, type ShapeConflict, type ShapeInfo } from './infer.ts';
export type { InferredOp } from './rules.ts';
