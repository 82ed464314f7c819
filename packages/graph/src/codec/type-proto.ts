/** `ValueInfoProto` and `TypeProto` ↔ {@link ValueInfo}. */
import { create, isMessage } from '@bufbuild/protobuf';
import {
  type TensorShapeProto_Dimension,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  type TypeProto,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { DecodeError } from '../errors.ts';
import type { Dim, Shape, TensorType, ValueInfo } from '../model.ts';
import { elementTypeNumber, elementTypeOf } from './elements.ts';
import { readEntries, startFrom, unknownOf, unlessEmpty, writeEntries } from './rest.ts';

/** Reads a value's name and type. Types that are no dense tensor stay in `rest`. */
export function readValueInfo(proto: ValueInfoProto): ValueInfo {
  const type = proto.type === undefined ? undefined : readTensorType(proto.type, proto.name);
  const { map: metadata, left } = readEntries(proto.metadataProps);
  const rest = unknownOf(ValueInfoProtoSchema, proto);
  rest.metadataProps = left;
  if (proto.type !== undefined && (type === undefined || saysMore(proto.type))) rest.type = proto.type;
  const unread = unlessEmpty(rest);
  return {
    name: proto.name,
    type,
    ...(proto.docString === '' ? {} : { docString: proto.docString }),
    ...(metadata.size === 0 ? {} : { metadata }),
    ...(unread === undefined ? {} : { rest: unread }),
  };
}

/** Whether the file says that a value is a sequence, map, optional or sparse tensor. */
export function isNonTensor(value: ValueInfo): boolean {
  if (value.type !== undefined || !isMessage(value.rest, ValueInfoProtoSchema)) return false;
  const kind = value.rest.type?.value.case;
  return kind !== undefined && kind !== 'tensorType';
}

/** The inverse of {@link readValueInfo}. */
export function writeValueInfo(value: ValueInfo): ValueInfoProto {
  const proto = startFrom(ValueInfoProtoSchema, value.rest);
  proto.name = value.name;
  if (value.type !== undefined) proto.type = writeTensorType(value.type, proto.type, value.name);
  if (value.docString !== undefined) proto.docString = value.docString;
  proto.metadataProps = writeEntries(value.metadata, proto.metadataProps);
  return proto;
}

function readTensorType(proto: TypeProto, name: string): TensorType | undefined {
  if (proto.value.case !== 'tensorType') return undefined;
  const { elemType, shape } = proto.value.value;
  const elementType = elementTypeOf(elemType);
  if (elementType === undefined) return undefined;
  return { elementType, shape: shape?.dim.map((dim) => readDim(dim, name)) };
}

function readDim(dim: TensorShapeProto_Dimension, name: string): Dim {
  if (dim.value.case === 'dimParam') return dim.value.value;
  if (dim.value.case !== 'dimValue') return '';
  const size = dim.value.value;
  // Some exporters write −1 for a size that they do not know, and the runtime reads it so.
  if (size === -1n) return '';
  if (size < 0n || size > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new DecodeError(
      `Value "${name}" is said to have a dimension of size ${size}; the file is damaged.`,
    );
  }
  return Number(size);
}

/** Whether a tensor's type has parts that {@link TensorType} does not hold. */
function saysMore(proto: TypeProto): boolean {
  if (proto.denotation !== '' || hasUnknown(proto)) return true;
  if (proto.value.case !== 'tensorType') return true;
  const { value } = proto.value;
  if (hasUnknown(value) || (value.shape !== undefined && hasUnknown(value.shape))) return true;
  return (value.shape?.dim ?? []).some(
    (dim) =>
      dim.denotation !== '' ||
      hasUnknown(dim) ||
      (dim.value.case === 'dimValue' && dim.value.value < 0n) ||
      (dim.value.case === 'dimParam' && dim.value.value === ''),
  );
}

function hasUnknown(message: { readonly $unknown?: readonly unknown[] | undefined }): boolean {
  return (message.$unknown?.length ?? 0) > 0;
}

/** A type; where it still says the same as the original, the original is kept with all that it said. */
function writeTensorType(type: TensorType, original: TypeProto | undefined, name: string): TypeProto {
  if (original !== undefined) {
    const before = readTensorType(original, name);
    if (
      before !== undefined &&
      before.elementType === type.elementType &&
      sameShape(before.shape, type.shape)
    ) {
      return original;
    }
  }
  const tensorType = create(TypeProto_TensorSchema, { elemType: elementTypeNumber(type.elementType) });
  if (type.shape !== undefined) {
    tensorType.shape = create(TensorShapeProtoSchema, { dim: type.shape.map(writeDim) });
  }
  return create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType } });
}

function writeDim(dim: Dim): TensorShapeProto_Dimension {
  if (dim === '') return create(TensorShapeProto_DimensionSchema);
  return create(TensorShapeProto_DimensionSchema, {
    value:
      typeof dim === 'number' ? { case: 'dimValue', value: BigInt(dim) } : { case: 'dimParam', value: dim },
  });
}

function sameShape(a: Shape | undefined, b: Shape | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}
