/**
 * ONNX models as plain immutable values.
 *
 * Every transformation of this package takes a `Model` and returns another; nothing is changed in place.
 * The shapes follow `onnx.proto`; parts that no transformation here looks into (functions, training info,
 * device configurations, unknown fields) ride along untouched in `rest`, so that decode → encode loses nothing.
 */
import type { Tensor } from './tensor.ts';

/** Element types of ONNX tensors, by the names that the runtime and NumPy use. */
export type ElementType =
  | 'float32'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'string'
  | 'bool'
  | 'float16'
  | 'float64'
  | 'uint32'
  | 'uint64'
  | 'complex64'
  | 'complex128'
  | 'bfloat16'
  | 'float8e4m3fn'
  | 'float8e4m3fnuz'
  | 'float8e5m2'
  | 'float8e5m2fnuz'
  | 'uint4'
  | 'int4'
  | 'float4e2m1'
  | 'float8e8m0'
  | 'uint2'
  | 'int2';

/**
 * One dimension: a fixed size, or a name or expression for a size known only at run time (`"batch"`,
 * `"2*height+1"`). `""` is a dimension of which nothing is known; two of them are not known to be equal.
 */
export type Dim = number | string;

/** Dimensions of a tensor; `undefined` where not even the rank is known. */
export type Shape = readonly Dim[];

/** What is known of a tensor before it exists. */
export interface TensorType {
  readonly elementType: ElementType;
  readonly shape: Shape | undefined;
}

/**
 * A named value of a graph. `type` is undefined where the file does not say, or where the value is no dense
 * tensor (a sequence, map, optional or sparse tensor): `rest` then keeps the original description.
 */
export interface ValueInfo {
  readonly name: string;
  readonly type: TensorType | undefined;
  readonly docString?: string;
  readonly metadata?: ReadonlyMap<string, string>;
  /** The original protobuf message, where it says more than the fields above. */
  readonly rest?: unknown;
}

/** An attribute of a node. Integers are bigint because files use the whole of int64. */
export type Attribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly bigint[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensors'; readonly value: readonly Tensor[] }
  | { readonly kind: 'graphs'; readonly value: readonly Graph[] }
  /** Sparse tensors, type protos, references to a function's attribute, strings that are not UTF-8. */
  | { readonly kind: 'opaque'; readonly value: unknown };

export type Attributes = Readonly<Record<string, Attribute>>;

/** One operation. An optional input that is left out, and an output that nobody wants, is `""`. */
export interface Node {
  readonly op: string;
  /** `""` is the standard domain `ai.onnx`. */
  readonly domain: string;
  /** The node's own name; may be empty, and need not be unique. */
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
  readonly docString?: string;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly rest?: unknown;
}

/** A graph in topological order (as ONNX demands). */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  /** Inputs as the file lists them; up to IR version 3 this includes the initializers. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Constant values by name, in file order. */
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** What the file says of intermediate values. */
  readonly valueInfo: ReadonlyMap<string, ValueInfo>;
  readonly docString?: string;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly rest?: unknown;
}

/** An ONNX model: a graph with the operator sets it is written in. */
export interface Model {
  readonly irVersion: number;
  /** Version per operator domain; `""` is the standard one. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: bigint;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly graph: Graph;
  readonly rest?: unknown;
}

/** Inputs that a caller has to feed: those that no initializer gives a value to. */
export function freeInputs(graph: Graph): readonly ValueInfo[] {
  return graph.inputs.filter((input) => !graph.initializers.has(input.name));
}

/** A node by what a person can find it with: its name and op, or its op and first output. */
export function describeNode(node: Node): string {
  const op = node.domain === '' ? node.op : `${node.domain}.${node.op}`;
  return node.name === ''
    ? `${op} (giving "${node.outputs.find((o) => o !== '') ?? ''}")`
    : `${op} "${node.name}"`;
}

/** An integer attribute as a number, clamped to ±(2⁵³ − 1) (files write "to the end" as the largest int64). */
export function intAttribute(node: Node, name: string, otherwise: number): number;
export function intAttribute(node: Node, name: string): number | undefined;
export function intAttribute(node: Node, name: string, otherwise?: number): number | undefined {
  const attribute = node.attributes[name];
  return attribute?.kind === 'int' ? toSafeNumber(attribute.value) : otherwise;
}

/** A list of integers as numbers, clamped as {@link intAttribute}. */
export function intsAttribute(node: Node, name: string): readonly number[] | undefined {
  const attribute = node.attributes[name];
  return attribute?.kind === 'ints' ? attribute.value.map(toSafeNumber) : undefined;
}

export function floatAttribute(node: Node, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === 'float' ? attribute.value : otherwise;
}

export function stringAttribute(node: Node, name: string, otherwise: string): string {
  const attribute = node.attributes[name];
  return attribute?.kind === 'string' ? attribute.value : otherwise;
}

function toSafeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  if (value < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
  return Number(value);
}
