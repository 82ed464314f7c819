/**
 * What a protobuf message says beyond the fields that the model types have.
 *
 * Decoding empties a copy of the message of everything that it has understood; if something is left, the copy
 * becomes the `rest` of the value. Encoding starts from a copy of `rest`. So fields that this version does not
 * know survive decode → encode.
 */
import { create, type DescMessage, isMessage, type Message, type MessageShape } from '@bufbuild/protobuf';
import { type StringStringEntryProto, StringStringEntryProtoSchema } from 'onnx-buf';

/** The message if any field is set in it, unknown ones included. */
export function unlessEmpty<M extends Message>(message: M): M | undefined {
  if ((message.$unknown?.length ?? 0) > 0) return message;
  for (const [name, value] of Object.entries(message)) {
    if (name === '$typeName' || name === '$unknown' || value === undefined) continue;
    if (Array.isArray(value) && value.length === 0) continue;
    if (value instanceof Uint8Array && value.length === 0) continue;
    if (typeof value === 'object' && 'case' in value && value.case === undefined) continue;
    if (value === '') continue;
    return message;
  }
  return undefined;
}

/** An empty message that keeps only the unknown fields of another. */
export function unknownOf<D extends DescMessage>(schema: D, message: Message): MessageShape<D> {
  const empty = create(schema);
  if (message.$unknown !== undefined && message.$unknown.length > 0) empty.$unknown = message.$unknown;
  return empty;
}

/** A shallow copy of `rest` to fill in, or a new message where `rest` is none of this type. */
export function startFrom<D extends DescMessage>(schema: D, rest: unknown): MessageShape<D> {
  if (!isMessage(rest, schema)) return create(schema);
  // Assigning own fields keeps presence: `create` with an initialiser would drop unknown fields.
  return Object.assign(create(schema), rest);
}

/** Key-value pairs as a map (the first of equal keys wins), and the entries that a map cannot hold. */
export function readEntries(entries: readonly StringStringEntryProto[]): {
  map: ReadonlyMap<string, string>;
  left: StringStringEntryProto[];
} {
  const map = new Map<string, string>();
  const left: StringStringEntryProto[] = [];
  for (const entry of entries) {
    if (map.has(entry.key) || (entry.$unknown?.length ?? 0) > 0) left.push(entry);
    else map.set(entry.key, entry.value);
  }
  return { map, left };
}

/** The inverse of {@link readEntries}. */
export function writeEntries(
  map: ReadonlyMap<string, string> | undefined,
  left: readonly StringStringEntryProto[],
): StringStringEntryProto[] {
  const entries = [...(map ?? [])].map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  return [...entries, ...left];
}
