/** Bytes of an ONNX file → {@link Model}. Everything that is read is taken to be hostile. */
import { create, type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type OperatorSetIdProto,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
} from 'onnx-buf';
import { DecodeError } from '../errors.ts';
import {
  type Attribute,
  type Attributes,
  describeNode,
  type Graph,
  type Model,
  type Node,
  type ValueInfo,
} from '../model.ts';
import type { Tensor } from '../tensor.ts';
import { readEntries, unknownOf, unlessEmpty } from './rest.ts';
import { type ExternalReader, readTensor, readUtf8 } from './tensor-proto.ts';
import { readValueInfo } from './type-proto.ts';

export interface DecodeOptions {
  /** Reads weights that the file keeps elsewhere; without it such a file is an error. */
  external?: ExternalReader;
}

/** Protobuf's own limit for one message. */
const MAX_BYTES = 2 ** 31 - 1;
/** Nested messages; a subgraph takes three levels (node, attribute, graph), so 32 subgraphs may nest. */
const MAX_DEPTH = 100;

/**
 * Reads an ONNX file. Weights share the memory of `bytes`, so the caller must not change it afterwards.
 *
 * What the model types do not hold is kept in their `rest`: {@link encodeModel} writes it back.
 *
 * @throws DecodeError if the bytes are cut off, damaged, or something else than ONNX
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 *
 * @example const model = decodeModel(await readFile('model.onnx'));
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  if (bytes.length === 0) throw new DecodeError('The file is empty; an ONNX model was expected.');
  if (bytes.length > MAX_BYTES) {
    throw new DecodeError(
      'The file is larger than 2 GiB, more than one ONNX file can hold; larger weights belong in external data.',
    );
  }
  const other = otherFormat(bytes);
  if (other !== undefined)
    throw new DecodeError(`The file is ${other}, not an ONNX model; export the model to ONNX first.`);
  const proto = parse(ModelProtoSchema, bytes, 'an ONNX model');
  return readModel(proto, options.external);
}

/**
 * Reads a serialised `TensorProto` (a `.pb` file of ONNX's tests).
 *
 * @throws DecodeError if the bytes are no readable tensor
 */
export function decodeTensor(
  bytes: Uint8Array,
  options: DecodeOptions = {},
): Tensor & { readonly name: string } {
  const proto = parse(TensorProtoSchema, bytes, 'an ONNX tensor');
  return { ...readTensor(proto, options.external, describeTensorProto(proto)), name: proto.name };
}

function parse<D extends DescMessage>(schema: D, bytes: Uint8Array, what: string): MessageShape<D> {
  try {
    // A plain view, so that weights read from a Node Buffer are no Buffers themselves.
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return fromBinary(schema, view, { recursionLimit: MAX_DEPTH });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : '';
    if (message.includes('recursion depth')) {
      throw new DecodeError('The file nests subgraphs more than 32 deep, which is refused.', { cause });
    }
    throw new DecodeError(
      `The file cannot be read as ${what}: it was cut off, is damaged, or has another format.`,
      { cause },
    );
  }
}

/** Names common formats that people mistake for ONNX. */
function otherFormat(bytes: Uint8Array): string | undefined {
  const starts = (...prefix: number[]) => prefix.every((byte, i) => bytes[i] === byte);
  if (starts(0x50, 0x4b, 0x03, 0x04)) return 'a ZIP archive (as PyTorch and Keras save models)';
  if (starts(0x89, 0x48, 0x44, 0x46)) return 'an HDF5 file (as Keras saves models)';
  if (starts(0x1f, 0x8b)) return 'compressed with gzip';
  if (starts(0x80, 0x02) || starts(0x80, 0x03) || starts(0x80, 0x04) || starts(0x80, 0x05))
    return 'a Python pickle';
  return undefined;
}

function readModel(proto: ModelProto, external: ExternalReader | undefined): Model {
  if (proto.graph === undefined || proto.irVersion <= 0n || proto.irVersion > 0xffffn) {
    throw new DecodeError(
      'The file is not an ONNX model: it has no graph or no format version, or was cut off.',
    );
  }
  const { map: metadata, left } = readEntries(proto.metadataProps);
  const rest = unknownOf(ModelProtoSchema, proto);
  rest.metadataProps = left;
  rest.trainingInfo = proto.trainingInfo;
  rest.functions = proto.functions;
  rest.configuration = proto.configuration;
  const unread = unlessEmpty(rest);
  return {
    irVersion: Number(proto.irVersion),
    opsets: readOpsets(proto.opsetImport),
    producerName: proto.producerName,
    producerVersion: proto.producerVersion,
    domain: proto.domain,
    modelVersion: proto.modelVersion,
    docString: proto.docString,
    metadata,
    graph: readGraph(proto.graph, external),
    ...(unread === undefined ? {} : { rest: unread }),
  };
}

function readOpsets(imports: readonly OperatorSetIdProto[]): ReadonlyMap<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain, version } of imports) {
    const key = readDomain(domain);
    if (version < 0n || version > 0x7fffffffn) {
      throw new DecodeError(
        `Operator set "${domain}" has version ${version}, which does not exist; the file is damaged.`,
      );
    }
    const known = opsets.get(key);
    if (known !== undefined && known !== Number(version)) {
      throw new DecodeError(
        `The file imports operator set "${domain}" twice, with versions ${known} and ${version}.`,
      );
    }
    opsets.set(key, Number(version));
  }
  return opsets;
}

/** `ai.onnx` is the long spelling of the standard domain. */
function readDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function readGraph(proto: GraphProto, external: ExternalReader | undefined): Graph {
  const initializers = new Map<string, Tensor>();
  for (const tensor of proto.initializer) {
    if (tensor.name === '')
      throw new DecodeError('The graph has an initializer without a name; the file is damaged.');
    if (initializers.has(tensor.name)) {
      throw new DecodeError(
        `The graph has two initializers named "${tensor.name}"; names of values must be unique.`,
      );
    }
    initializers.set(tensor.name, readTensor(tensor, external, describeTensorProto(tensor)));
  }
  const valueInfo = new Map<string, ValueInfo>();
  const repeated: ValueInfoProto[] = [];
  for (const value of proto.valueInfo) {
    if (valueInfo.has(value.name)) repeated.push(value);
    else valueInfo.set(value.name, readValueInfo(value));
  }
  const { map: metadata, left } = readEntries(proto.metadataProps);
  const rest = unknownOf(GraphProtoSchema, proto);
  rest.metadataProps = left;
  rest.valueInfo = repeated;
  rest.sparseInitializer = proto.sparseInitializer;
  rest.quantizationAnnotation = proto.quantizationAnnotation;
  const unread = unlessEmpty(rest);
  return {
    name: proto.name,
    nodes: proto.node.map((node) => readNode(node, external)),
    inputs: proto.input.map(readValueInfo),
    outputs: proto.output.map(readValueInfo),
    initializers,
    valueInfo,
    ...(proto.docString === '' ? {} : { docString: proto.docString }),
    ...(metadata.size === 0 ? {} : { metadata }),
    ...(unread === undefined ? {} : { rest: unread }),
  };
}

function describeTensorProto(proto: TensorProto): string {
  return proto.name === '' ? 'A tensor without a name' : `Tensor "${proto.name}"`;
}

function readNode(proto: NodeProto, external: ExternalReader | undefined): Node {
  const bare: Node = {
    op: proto.opType,
    domain: readDomain(proto.domain),
    name: proto.name,
    inputs: proto.input,
    outputs: proto.output,
    attributes: {},
  };
  const { attributes, left: attributesLeft } = readAttributes(proto.attribute, bare, external);
  const { map: metadata, left } = readEntries(proto.metadataProps);
  const rest = unknownOf(NodeProtoSchema, proto);
  rest.metadataProps = left;
  rest.attribute = attributesLeft;
  rest.deviceConfigurations = proto.deviceConfigurations;
  if (proto.overload !== '') rest.overload = proto.overload;
  const unread = unlessEmpty(rest);
  return {
    ...bare,
    attributes,
    ...(proto.docString === '' ? {} : { docString: proto.docString }),
    ...(metadata.size === 0 ? {} : { metadata }),
    ...(unread === undefined ? {} : { rest: unread }),
  };
}

function readAttributes(
  protos: readonly AttributeProto[],
  node: Node,
  external: ExternalReader | undefined,
): { attributes: Attributes; left: AttributeProto[] } {
  const attributes = new Map<string, Attribute>();
  const left: AttributeProto[] = [];
  for (const proto of protos) {
    if (attributes.has(proto.name)) {
      throw new DecodeError(
        `Node ${describeNode(node)} has attribute "${proto.name}" twice; the file is damaged.`,
      );
    }
    const attribute = readAttribute(proto, node, external);
    attributes.set(proto.name, attribute);
    if (attribute.kind === 'opaque') continue;
    const rest = unknownOf(AttributeProtoSchema, proto);
    if (proto.docString !== '') rest.docString = proto.docString;
    if (unlessEmpty(rest) !== undefined) {
      rest.name = proto.name;
      left.push(rest);
    }
  }
  // Object.fromEntries makes own properties even of names such as "__proto__".
  return { attributes: Object.fromEntries(attributes), left };
}

function readAttribute(proto: AttributeProto, node: Node, external: ExternalReader | undefined): Attribute {
  const opaque: Attribute = { kind: 'opaque', value: proto };
  if (proto.refAttrName !== '') return opaque;
  const readMine = (tensor: TensorProto): Tensor => {
    const read = readTensor(tensor, external, `Attribute "${proto.name}" of node ${describeNode(node)}`);
    if (tensor.name === '') return read;
    // A tensor here may have a name, which means nothing; it is kept all the same.
    const rest = create(TensorProtoSchema);
    return { ...read, rest: Object.assign(rest, read.rest, { name: tensor.name }) };
  };
  switch (proto.type === AttributeType.UNDEFINED ? inferType(proto) : proto.type) {
    case AttributeType.FLOAT:
      return { kind: 'float', value: proto.f };
    case AttributeType.INT:
      return { kind: 'int', value: proto.i };
    case AttributeType.STRING: {
      const text = readUtf8(proto.s);
      return text === undefined ? opaque : { kind: 'string', value: text };
    }
    case AttributeType.TENSOR:
      return proto.t === undefined ? opaque : { kind: 'tensor', value: readMine(proto.t) };
    case AttributeType.GRAPH:
      return proto.g === undefined ? opaque : { kind: 'graph', value: readGraph(proto.g, external) };
    case AttributeType.FLOATS:
      return { kind: 'floats', value: proto.floats };
    case AttributeType.INTS:
      return { kind: 'ints', value: proto.ints };
    case AttributeType.STRINGS: {
      const texts: string[] = [];
      for (const bytes of proto.strings) {
        const text = readUtf8(bytes);
        if (text === undefined) return opaque;
        texts.push(text);
      }
      return { kind: 'strings', value: texts };
    }
    case AttributeType.TENSORS:
      return { kind: 'tensors', value: proto.tensors.map(readMine) };
    case AttributeType.GRAPHS:
      return { kind: 'graphs', value: proto.graphs.map((graph) => readGraph(graph, external)) };
    default:
      return opaque;
  }
}

/** Files of the first IR version do not state an attribute's type; the one field that is set tells it. */
function inferType(proto: AttributeProto): AttributeType {
  const set: AttributeType[] = [];
  if (Object.hasOwn(proto, 'f')) set.push(AttributeType.FLOAT);
  if (Object.hasOwn(proto, 'i')) set.push(AttributeType.INT);
  if (Object.hasOwn(proto, 's')) set.push(AttributeType.STRING);
  if (proto.t !== undefined) set.push(AttributeType.TENSOR);
  if (proto.g !== undefined) set.push(AttributeType.GRAPH);
  if (proto.floats.length > 0) set.push(AttributeType.FLOATS);
  if (proto.ints.length > 0) set.push(AttributeType.INTS);
  if (proto.strings.length > 0) set.push(AttributeType.STRINGS);
  if (proto.tensors.length > 0) set.push(AttributeType.TENSORS);
  if (proto.graphs.length > 0) set.push(AttributeType.GRAPHS);
  const [only, ...others] = set;
  return only !== undefined && others.length === 0 ? only : AttributeType.UNDEFINED;
}
