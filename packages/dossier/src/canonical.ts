/** Canonical JSON: equal values have equal bytes, and so equal digests. */
import { createHash } from 'node:crypto';

/** What JSON can hold. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/**
 * The one spelling of a value in JSON: no blanks, keys in the order of their UTF-16 code units, numbers as ECMAScript prints
 * them. Keys whose value is undefined are left out.
 *
 * @throws RangeError for numbers that are not finite and text that is not Unicode: JSON has neither
 * @see https://www.rfc-editor.org/rfc/rfc8785
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new RangeError('JSON has no number that is infinite or undefined');
  }
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw new RangeError('the text has half of a surrogate pair, which is no Unicode');
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  const members = entries.flatMap(([key, member]) =>
    member === undefined ? [] : [`${canonicalJson(key)}:${canonicalJson(member)}`],
  );
  return `{${members.join(',')}}`;
}

/**
 * A value as the JSON that it would be written as; keys whose value is undefined are left out.
 *
 * @throws TypeError for what JSON does not have: functions, class instances that are no plain data, whole numbers beyond double
 */
export function toJson(value: unknown): JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number')
    return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object') throw new TypeError(`JSON has no ${typeof value}`);
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(entries.map(([key, member]) => [key, toJson(member)]));
}

/** `Array.isArray` does not tell read-only lists from objects. */
function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** SHA-256 in hexadecimal; of text, over its UTF-8. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
