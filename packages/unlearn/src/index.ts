/** Feature sensitivity and feature unlearning for ONNX models. */
export * from './errors.ts';
export * from './measure/accuracy.ts';
export * from './measure/flip.ts';
export * from './measure/sensitivity.ts';
export { certify, reasonAgainstCut } from './methods/cut.ts';
export * from './request.ts';
export * from './scorer.ts';
export * from './statistics.ts';
export * from './subject.ts';
export { unlearn } from './unlearn.ts';
