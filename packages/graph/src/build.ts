/**
 * A typed builder: emits nodes of the standard operator set, with fresh names and shared constants.
 *
 * Values are named by strings, as in ONNX. The attribute types of every op that this project emits stand in
 * {@link OperatorAttributes}, so that a misspelt attribute is a type error.
 */
import { GraphError } from './errors.ts';
import type { Attribute, Attributes, Graph, Model, Node, TensorType, ValueInfo } from './model.ts';
import { int64s, scalar, type Tensor } from './tensor.ts';

/** The operator set in which graphs are emitted; older models are upgraded to it first. */
export const EMITTED_OPSET = 22;
/** The IR version that goes with {@link EMITTED_OPSET}. */
export const EMITTED_IR_VERSION = 10;

interface Axis {
  axis?: number;
}
interface KeepDims {
  keepdims?: 0 | 1;
  noop_with_empty_axes?: 0 | 1;
}
interface Window {
  kernel_shape?: readonly number[];
  strides?: readonly number[];
  pads?: readonly number[];
  dilations?: readonly number[];
  auto_pad?: string;
}
type None = Record<string, never>;

/** Attributes per op, with the names and types of the operator specification. */
export interface OperatorAttributes {
  Abs: None;
  Add: None;
  And: None;
  ArgMax: Axis & { keepdims?: 0 | 1; select_last_index?: 0 | 1 };
  ArgMin: Axis & { keepdims?: 0 | 1; select_last_index?: 0 | 1 };
  AveragePool: Window & { ceil_mode?: 0 | 1; count_include_pad?: 0 | 1 };
  BatchNormalization: { epsilon?: number; momentum?: number; training_mode?: 0 | 1 };
  Cast: { to: number };
  CastLike: None;
  Ceil: None;
  Clip: None;
  Concat: { axis: number };
  ConstantOfShape: { value?: Tensor };
  Conv: Window & { group?: number };
  ConvTranspose: Window & {
    group?: number;
    output_padding?: readonly number[];
    output_shape?: readonly number[];
  };
  Cos: None;
  Cosh: None;
  CumSum: { exclusive?: 0 | 1; reverse?: 0 | 1 };
  DepthToSpace: { blocksize: number; mode?: string };
  Div: None;
  Einsum: { equation: string };
  Equal: None;
  Erf: None;
  Exp: None;
  Expand: None;
  Flatten: Axis;
  Floor: None;
  Gather: Axis;
  GatherElements: Axis;
  GatherND: { batch_dims?: number };
  Gemm: { alpha?: number; beta?: number; transA?: 0 | 1; transB?: 0 | 1 };
  Greater: None;
  GreaterOrEqual: None;
  Identity: None;
  InstanceNormalization: { epsilon?: number };
  LayerNormalization: Axis & { epsilon?: number; stash_type?: number };
  Less: None;
  LessOrEqual: None;
  Log: None;
  LogSoftmax: Axis;
  MatMul: None;
  Max: None;
  MaxPool: Window & { ceil_mode?: 0 | 1; storage_order?: 0 | 1 };
  Min: None;
  Mod: { fmod?: 0 | 1 };
  Mul: None;
  Neg: None;
  NonZero: None;
  Not: None;
  OneHot: Axis;
  Or: None;
  Pad: { mode?: string };
  Pow: None;
  Range: None;
  Reciprocal: None;
  ReduceL2: KeepDims;
  ReduceLogSumExp: KeepDims;
  ReduceMax: KeepDims;
  ReduceMean: KeepDims;
  ReduceMin: KeepDims;
  ReduceProd: KeepDims;
  ReduceSum: KeepDims;
  ReduceSumSquare: KeepDims;
  Relu: None;
  Reshape: { allowzero?: 0 | 1 };
  Resize: {
    mode?: string;
    coordinate_transformation_mode?: string;
    nearest_mode?: string;
    axes?: readonly number[];
    cubic_coeff_a?: number;
    exclude_outside?: 0 | 1;
    extrapolation_value?: number;
    antialias?: 0 | 1;
    keep_aspect_ratio_policy?: string;
  };
  Round: None;
  ScatterElements: Axis & { reduction?: string };
  ScatterND: { reduction?: string };
  Shape: { start?: number; end?: number };
  Sigmoid: None;
  Sign: None;
  Sin: None;
  Sinh: None;
  Size: None;
  Slice: None;
  Softmax: Axis;
  SoftmaxCrossEntropyLoss: { ignore_index?: number; reduction?: string };
  Softplus: None;
  SpaceToDepth: { blocksize: number };
  Split: Axis & { num_outputs?: number };
  Sqrt: None;
  Squeeze: None;
  Sub: None;
  Sum: None;
  Tanh: None;
  Tile: None;
  Transpose: { perm?: readonly number[] };
  Trilu: { upper?: 0 | 1 };
  Unsqueeze: None;
  Where: None;
  Xor: None;
}

/** Ops that the builder emits. */
export type EmittedOp = keyof OperatorAttributes;

/** Attributes whose value is a float in the specification even when it happens to be whole. */
const FLOAT_ATTRIBUTES = new Set([
  'alpha',
  'beta',
  'bias',
  'cubic_coeff_a',
  'epsilon',
  'extrapolation_value',
  'gamma',
  'lambd',
  'momentum',
  'scale',
  'softcap',
]);

/** Collects nodes and constants; `finish` makes a graph of them. */
export class GraphBuilder {
  readonly #taken: Set<string>;
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<string, Tensor>();
  readonly #constants = new Map<string, string>();
  readonly #prefix: string;
  #counter = 0;

  /**
   * @param taken names that must not be used (those of the graph that is extended)
   * @param prefix put before every fresh name
   */
  constructor(taken: Iterable<string> = [], prefix = 'assay') {
    this.#taken = new Set(taken);
    this.#prefix = prefix;
  }

  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  get initializers(): ReadonlyMap<string, Tensor> {
    return this.#initializers;
  }

  /** A name that nothing else in the graph has. */
  fresh(hint: string): string {
    for (;;) {
      const name = `${this.#prefix}.${hint}.${this.#counter++}`;
      if (!this.#taken.has(name)) {
        this.#taken.add(name);
        return name;
      }
    }
  }

  /** Reserves a name chosen by the caller. */
  claim(name: string): string {
    if (this.#taken.has(name)) throw new GraphError(`the graph already has a value named "${name}"`);
    this.#taken.add(name);
    return name;
  }

  /** A node with one output; returns the output's name. */
  op<Op extends EmittedOp>(
    op: Op,
    inputs: readonly string[],
    attributes?: OperatorAttributes[Op],
    output?: string,
  ): string {
    const [name] = this.ops(op, inputs, 1, attributes, output === undefined ? undefined : [output]);
    return name ?? '';
  }

  /** A node with several outputs; returns their names in order. */
  ops<Op extends EmittedOp>(
    op: Op,
    inputs: readonly string[],
    outputs: number,
    attributes?: OperatorAttributes[Op],
    names?: readonly string[],
  ): readonly string[] {
    const outputNames = Array.from({ length: outputs }, (_, i) => names?.[i] ?? this.fresh(op));
    this.#nodes.push(makeNode(op, inputs, outputNames, attributes));
    return outputNames;
  }

  /** Takes over a node as it is (its output names must be free or already claimed by the caller). */
  node(node: Node): void {
    for (const output of node.outputs) if (output !== '') this.#taken.add(output);
    this.#nodes.push(node);
  }

  /** A constant; equal small constants are shared. */
  constant(value: Tensor, hint = 'const'): string {
    const key = constantKey(value);
    const known = key === undefined ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.fresh(hint);
    this.#initializers.set(name, value);
    if (key !== undefined) this.#constants.set(key, name);
    return name;
  }

  /** A one-dimensional int64 constant. */
  ints(values: readonly number[]): string {
    return this.constant(int64s(values));
  }

  /** A scalar of the given floating-point or integer type. */
  scalar(elementType: TensorType['elementType'], value: number): string {
    return this.constant(scalar(elementType, value));
  }

  /** A constant under a name of the caller's choice (a weight, say). */
  initializer(name: string, value: Tensor): string {
    this.claim(name);
    this.#initializers.set(name, value);
    return name;
  }

  /** The graph with these inputs and outputs. */
  finish(name: string, inputs: readonly ValueInfo[], outputs: readonly ValueInfo[]): Graph {
    return {
      name,
      nodes: [...this.#nodes],
      inputs,
      outputs,
      initializers: new Map(this.#initializers),
      valueInfo: new Map(),
    };
  }
}

/** A node of the standard domain from plain attribute values. */
export function makeNode<Op extends EmittedOp>(
  op: Op,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes?: OperatorAttributes[Op],
  name = '',
): Node {
  return {
    op,
    domain: '',
    name,
    inputs: [...inputs],
    outputs: [...outputs],
    attributes: toAttributes(attributes ?? {}),
  };
}

/** Plain values as ONNX attributes: whole numbers are ints unless the specification makes them floats. */
export function toAttributes(plain: object): Attributes {
  const attributes: Record<string, Attribute> = {};
  for (const [name, value] of Object.entries(plain)) {
    if (value !== undefined) attributes[name] = toAttribute(name, value);
  }
  return attributes;
}

function toAttribute(name: string, value: unknown): Attribute {
  if (typeof value === 'string') return { kind: 'string', value };
  if (typeof value === 'number') {
    return FLOAT_ATTRIBUTES.has(name)
      ? { kind: 'float', value: Math.fround(value) }
      : { kind: 'int', value: BigInt(value) };
  }
  if (Array.isArray(value) && value.every((v) => typeof v === 'number')) {
    return { kind: 'ints', value: value.map((v) => BigInt(v)) };
  }
  if (isTensor(value)) return { kind: 'tensor', value };
  throw new GraphError(`attribute "${name}" has a value that the builder does not take`);
}

function isTensor(value: unknown): value is Tensor {
  return (
    typeof value === 'object' &&
    value !== null &&
    'elementType' in value &&
    'dims' in value &&
    'data' in value
  );
}

function constantKey(value: Tensor): string | undefined {
  const { data } = value;
  if (!(data instanceof Uint8Array) || data.length > 256) return undefined;
  return `${value.elementType}[${value.dims.join(',')}]${data.join(',')}`;
}

/** A named tensor value with its type. */
export function valueInfo(
  name: string,
  elementType: TensorType['elementType'],
  shape: TensorType['shape'],
): ValueInfo {
  return { name, type: { elementType, shape } };
}

/** A model around a graph, in the operator set that this package emits. */
export function makeModel(graph: Graph, metadata: ReadonlyMap<string, string> = new Map()): Model {
  return {
    irVersion: EMITTED_IR_VERSION,
    opsets: new Map([['', EMITTED_OPSET]]),
    producerName: 'assay',
    producerVersion: '',
    domain: '',
    modelVersion: 0n,
    docString: '',
    metadata,
    graph,
  };
}
