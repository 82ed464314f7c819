/** {@link Model} → bytes of an ONNX file, with large weights in a second file if wanted. */
import { create, isMessage, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from 'onnx-buf';
import { GraphError } from '../errors.ts';
import type { Attribute, Graph, Model, Node } from '../model.ts';
import type { Tensor } from '../tensor.ts';
import { startFrom, writeEntries } from './rest.ts';
import { safeLocation, writeExternal, writeTensor } from './tensor-proto.ts';
import { writeValueInfo } from './type-proto.ts';

/** Protobuf's own limit for one message. */
const MAX_BYTES = 2 ** 31 - 1;
/** External tensors start at multiples of this, so that a runtime can map the file into memory. */
const ALIGNMENT = 4096;

/** Writes an initializer; the two public functions differ in where its bytes go. */
type InitializerWriter = (tensor: Tensor, name: string) => TensorProto;

/**
 * Writes a model as one ONNX file, weights as raw data.
 *
 * @throws GraphError if it would be larger than 2 GiB, the most that one file can hold
 *
 * @example await writeFile('model.onnx', encodeModel(model));
 */
export function encodeModel(model: Model): Uint8Array<ArrayBuffer> {
  if (tensorBytes(model.graph) > MAX_BYTES) throw tooLarge();
  return write(model, writeTensor);
}

/** A model in two files. */
export interface EncodedWithExternalData {
  /** The model's file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The other file by its path relative to the model's; empty if no weight was large enough. */
  readonly external: ReadonlyMap<string, Uint8Array>;
}

/**
 * Writes a model whose large weights lie in a second file, as models beyond 2 GiB must.
 *
 * @param options.location path of the second file relative to the first (`model.onnx.data`)
 * @param options.over initializers of at least this many bytes go there (default 1024)
 * @throws GraphError if the location leads out of the folder, or the first file would exceed 2 GiB
 */
export function encodeModelWithExternalData(
  model: Model,
  options: { readonly location: string; readonly over?: number },
): EncodedWithExternalData {
  const { over = 1024 } = options;
  const location = safeLocation(options.location, 'The model to be written');
  const chunks: { readonly data: Uint8Array; readonly offset: number }[] = [];
  let end = 0;
  const bytes = write(model, (tensor, name) => {
    const { data } = tensor;
    if (!(data instanceof Uint8Array) || data.length < Math.max(over, 1)) return writeTensor(tensor, name);
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    chunks.push({ data, offset });
    end = offset + data.length;
    return writeExternal(tensor, name, location, offset, data.length);
  });
  const file = new Uint8Array(end);
  for (const { data, offset } of chunks) file.set(data, offset);
  return { bytes, external: new Map(chunks.length === 0 ? [] : [[location, file]]) };
}

/** Writes a tensor as a `TensorProto` of its own (a `.pb` file of ONNX's tests). */
export function encodeTensor(tensor: Tensor, name = ''): Uint8Array<ArrayBuffer> {
  return toBinary(TensorProtoSchema, writeTensor(tensor, name));
}

function tooLarge(): GraphError {
  return new GraphError(
    'The model is larger than the 2 GiB that one ONNX file can hold; write it with external data.',
  );
}

function tensorBytes(graph: Graph): number {
  let total = 0;
  for (const { data } of graph.initializers.values()) if (data instanceof Uint8Array) total += data.length;
  return total;
}

function write(model: Model, initializer: InitializerWriter): Uint8Array<ArrayBuffer> {
  const proto = startFrom(ModelProtoSchema, model.rest);
  proto.irVersion = BigInt(model.irVersion);
  proto.opsetImport = [...model.opsets].map(([domain, version]) =>
    create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
  );
  if (model.producerName !== '') proto.producerName = model.producerName;
  if (model.producerVersion !== '') proto.producerVersion = model.producerVersion;
  if (model.domain !== '') proto.domain = model.domain;
  if (model.modelVersion !== 0n) proto.modelVersion = model.modelVersion;
  if (model.docString !== '') proto.docString = model.docString;
  proto.metadataProps = writeEntries(model.metadata, proto.metadataProps);
  proto.graph = writeGraph(model.graph, initializer);
  const bytes = toBinary(ModelProtoSchema, proto);
  if (bytes.length > MAX_BYTES) throw tooLarge();
  return bytes;
}

function writeGraph(graph: Graph, initializer: InitializerWriter): GraphProto {
  const proto = startFrom(GraphProtoSchema, graph.rest);
  if (graph.name !== '') proto.name = graph.name;
  proto.node = graph.nodes.map((node) => writeNode(node, initializer));
  proto.initializer = [...graph.initializers].map(([name, tensor]) => initializer(tensor, name));
  proto.input = graph.inputs.map(writeValueInfo);
  proto.output = graph.outputs.map(writeValueInfo);
  proto.valueInfo = [...[...graph.valueInfo.values()].map(writeValueInfo), ...proto.valueInfo];
  if (graph.docString !== undefined) proto.docString = graph.docString;
  proto.metadataProps = writeEntries(graph.metadata, proto.metadataProps);
  return proto;
}

function writeNode(node: Node, initializer: InitializerWriter): NodeProto {
  const proto = startFrom(NodeProtoSchema, node.rest);
  const left = new Map(proto.attribute.map((attribute) => [attribute.name, attribute]));
  proto.opType = node.op;
  if (node.domain !== '') proto.domain = node.domain;
  if (node.name !== '') proto.name = node.name;
  proto.input = [...node.inputs];
  proto.output = [...node.outputs];
  proto.attribute = Object.entries(node.attributes).map(([name, attribute]) =>
    writeAttribute(name, attribute, left.get(name), initializer),
  );
  if (node.docString !== undefined) proto.docString = node.docString;
  proto.metadataProps = writeEntries(node.metadata, proto.metadataProps);
  return proto;
}

const ENCODER = new TextEncoder();

function writeAttribute(
  name: string,
  attribute: Attribute,
  left: AttributeProto | undefined,
  initializer: InitializerWriter,
): AttributeProto {
  if (attribute.kind === 'opaque') {
    if (isMessage(attribute.value, AttributeProtoSchema)) return attribute.value;
    throw new GraphError(`Attribute "${name}" is opaque, but holds nothing that a file can hold.`);
  }
  const proto = startFrom(AttributeProtoSchema, left);
  proto.name = name;
  switch (attribute.kind) {
    case 'float':
      proto.type = AttributeType.FLOAT;
      proto.f = attribute.value;
      break;
    case 'int':
      proto.type = AttributeType.INT;
      proto.i = attribute.value;
      break;
    case 'string':
      proto.type = AttributeType.STRING;
      proto.s = ENCODER.encode(attribute.value);
      break;
    case 'tensor':
      proto.type = AttributeType.TENSOR;
      proto.t = writeTensor(attribute.value, '');
      break;
    case 'graph':
      proto.type = AttributeType.GRAPH;
      proto.g = writeGraph(attribute.value, initializer);
      break;
    case 'floats':
      proto.type = AttributeType.FLOATS;
      proto.floats = [...attribute.value];
      break;
    case 'ints':
      proto.type = AttributeType.INTS;
      proto.ints = [...attribute.value];
      break;
    case 'strings':
      proto.type = AttributeType.STRINGS;
      proto.strings = attribute.value.map((text) => ENCODER.encode(text));
      break;
    case 'tensors':
      proto.type = AttributeType.TENSORS;
      proto.tensors = attribute.value.map((value) => writeTensor(value, ''));
      break;
    case 'graphs':
      proto.type = AttributeType.GRAPHS;
      proto.graphs = attribute.value.map((value) => writeGraph(value, initializer));
      break;
  }
  return proto;
}
