/** The range of operator sets and format versions that this package and the runtime take. */

/** Broadcasting and BatchNormalization have had their present meaning since this operator set. */
export const OLDEST_OPSET = 7;

/** The newest operator set that ONNX Runtime 1.30 loads. */
export const NEWEST_OPSET = 26;

/** The newest format version that ONNX Runtime 1.30 loads. */
export const NEWEST_IR_VERSION = 13;
