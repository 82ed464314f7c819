/** Feature sensitivity and feature unlearning for ONNX models. */
export type { Anchor, Reason } from './anchor.ts';
export * from './attacks/attribute-inversion.ts';
export * from './attacks/image-inversion.ts';
export * from './attacks/membership.ts';
export * from './attention/grad-cam.ts';
export * from './errors.ts';
export {
  featureDistances,
  featureKeys,
  isConstant,
  isContinuous,
  isVisual,
  type Perturbed,
  perturb,
  replaceFeature,
  withoutFeature,
} from './feature/feature.ts';
export {
  type Box,
  type ImageShape,
  imageShape,
  imagesOf,
  masked,
  rectangle,
  regionPixels,
  wholeImage,
} from './feature/images.ts';
export * from './measure/accuracy.ts';
export * from './measure/auc.ts';
export type { Output } from './measure/batch-runner.ts';
export * from './measure/class-gradient.ts';
export * from './measure/distance.ts';
export * from './measure/flip.ts';
export { hiddenActivations, hiddenLayerOf } from './measure/hidden-layer.ts';
export * from './measure/implant.ts';
export { meanOf } from './measure/intervals.ts';
export { fitRidge, type RidgeProbe } from './measure/linear-probe.ts';
export type { Matrix } from './measure/matrix.ts';
export * from './measure/proxy-probe.ts';
export * from './measure/relearn.ts';
export * from './measure/sensitivity.ts';
export { certify, reasonAgainstCut } from './methods/cut.ts';
export {
  PUBLISHED,
  type Published,
  type PublishedSettings,
  type PublishedTask,
  trainAsPublished,
} from './methods/ferrari-paper.ts';
export { ROWS_PER_STEP } from './methods/schedule.ts';
export * from './request.ts';
export * from './scorer.ts';
export * from './statistics.ts';
export * from './subject.ts';
export { unlearn } from './unlearn.ts';
