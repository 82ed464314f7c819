/** YAML with the place of everything in it, and without what makes small texts large or strange: aliases, tags, deep nesting. */
import { isAlias, isCollection, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type * as z from 'zod';
import type { JsonValue } from './canonical.ts';
import { type DossierErrorCode, errorAt, type Place } from './errors.ts';

/** Nested lists and mappings. */
const DEEPEST = 32;

/** A YAML text that was read. */
export interface YamlText {
  readonly value: JsonValue;
  /** Where the value at a path stands, or its nearest ancestor that is there. */
  placeOf(path: readonly PropertyKey[]): Place;
  /** Where the key at the end of a path stands. */
  keyPlaceOf(path: readonly PropertyKey[]): Place;
}

/** Where things stand: a key and its value, and what is in it. */
interface Located {
  readonly key: number;
  readonly value: number;
  readonly members: ReadonlyMap<string, Located>;
}

export interface YamlOptions {
  /** What the text is called, for messages. */
  readonly origin: string;
  readonly mostCharacters: number;
  readonly code?: DossierErrorCode;
  /** Lines of another file before this text (front matter). */
  readonly linesBefore?: number;
}

/**
 * Reads YAML 1.2 as JSON: text, numbers, true and false, null, lists, mappings with text for keys.
 *
 * @throws DossierError with line and column of what is wrong
 */
export function parseYaml(text: string, options: YamlOptions): YamlText {
  const { origin, mostCharacters, code = 'manifest-invalid', linesBefore = 0 } = options;
  if (text.length > mostCharacters) {
    throw errorAt(
      'too-large',
      { file: origin },
      `the text has ${text.length} characters; at most ${mostCharacters} are read.`,
    );
  }
  if (marksIn(text) > MOST_MARKS) {
    throw errorAt(
      'too-large',
      { file: origin },
      `the text has more than ${MOST_MARKS} lines, commas, brackets and quotes together, the most that are read.`,
    );
  }
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file: origin, line: Math.max(1, line) + linesBefore, column: Math.max(1, col) };
  };
  const deep = bracketsBeyond(text, MOST_OPEN_BRACKETS);
  const tooDeep = (place: Place) =>
    errorAt(code, place, `nested more than ${DEEPEST} deep, which is refused.`);
  if (deep !== undefined) throw tooDeep(deep(origin, linesBefore));
  let document: ReturnType<typeof parseDocument>;
  try {
    // The parser's own check for repeated keys takes time with the square of their number; ours is below.
    document = parseDocument(text, {
      lineCounter: lines,
      uniqueKeys: false,
      merge: false,
      customTags: [],
      logLevel: 'error',
      prettyErrors: false,
    });
  } catch (error) {
    // The parser recurses; what exhausts the stack is nested far beyond the limit.
    if (error instanceof RangeError) throw tooDeep({ file: origin });
    throw error;
  }
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    throw errorAt(code, placeAt(syntax.pos[0]), `not valid YAML: ${sentence(syntax.message)}`);
  }

  const read = (node: unknown, depth: number, at: number): { value: JsonValue; located: Located } => {
    const start = isCollection(node) || isScalar(node) || isAlias(node) ? (node.range?.[0] ?? at) : at;
    if (depth > DEEPEST) throw tooDeep(placeAt(start));
    if (isAlias(node) || ((isScalar(node) || isCollection(node)) && node.anchor !== undefined)) {
      throw errorAt(
        code,
        placeAt(start),
        'aliases and anchors (*, &) are refused here; write the value out.',
      );
    }
    if ((isScalar(node) || isCollection(node)) && node.tag !== undefined && !STANDARD_TAGS.has(node.tag)) {
      throw errorAt(code, placeAt(start), 'tags (!) are refused here; leave it out.');
    }
    if (isMap(node)) {
      const members = new Map<string, Located>();
      const entries: [string, JsonValue][] = [];
      for (const pair of node.items) {
        const keyAt = isScalar(pair.key) ? (pair.key.range?.[0] ?? start) : start;
        const key = isScalar(pair.key) ? keyText(pair.key.value) : undefined;
        if (key === undefined) throw errorAt(code, placeAt(keyAt), 'a key has to be text.');
        if (key === '__proto__') throw errorAt(code, placeAt(keyAt), 'the key __proto__ is refused.');
        if (members.has(key))
          throw errorAt(code, placeAt(keyAt), `the key "${key}" is there twice; keep one.`);
        const member = read(pair.value, depth + 1, keyAt);
        members.set(key, { ...member.located, key: keyAt });
        entries.push([key, member.value]);
      }
      return { value: Object.fromEntries(entries), located: { key: start, value: start, members } };
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => read(item, depth + 1, start));
      const members = new Map(items.map(({ located }, i) => [String(i), located]));
      return { value: items.map(({ value }) => value), located: { key: start, value: start, members } };
    }
    return {
      value: scalarValue(node, () => placeAt(start), code),
      located: { key: start, value: start, members: NONE },
    };
  };
  const root = read(document.contents, 0, 0);

  const find = (path: readonly PropertyKey[]): Located => {
    let at = root.located;
    for (const key of path) {
      const next = at.members.get(String(key));
      if (next === undefined) break;
      at = next;
    }
    return at;
  };
  return {
    value: root.value,
    placeOf: (path) => placeAt(find(path).value),
    keyPlaceOf: (path) => placeAt(find(path).key),
  };
}

/** Parsing takes some 20 µs for each line, item or quote: four seconds for these. */
const MOST_MARKS = 200_000;

function marksIn(text: string): number {
  let count = 0;
  for (const _ of text.matchAll(/[\n,&*!'"[{|>]/g)) count++;
  return count;
}

/** The parser takes long over brackets that nobody closes; text in quotes may have some. */
const MOST_OPEN_BRACKETS = 500;

/** Where more brackets are open at once than `most`, if they are. */
function bracketsBeyond(
  text: string,
  most: number,
): ((file: string, linesBefore: number) => Place) | undefined {
  let open = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '[' || character === '{') open++;
    else if ((character === ']' || character === '}') && open > 0) open--;
    if (open <= most) continue;
    const before = text.slice(0, i).split('\n');
    return (file, linesBefore) => ({
      file,
      line: before.length + linesBefore,
      column: (before.at(-1)?.length ?? 0) + 1,
    });
  }
  return undefined;
}

const NONE: ReadonlyMap<string, Located> = new Map();
const STANDARD_TAGS: ReadonlySet<string> = new Set(
  ['map', 'seq', 'str', 'null', 'bool', 'int', 'float'].map((name) => `tag:yaml.org,2002:${name}`),
);

function keyText(key: unknown): string | undefined {
  if (typeof key === 'string') return key;
  return typeof key === 'number' || typeof key === 'boolean' ? String(key) : undefined;
}

function scalarValue(node: unknown, place: () => Place, code: DossierErrorCode): JsonValue {
  const value: unknown = isScalar(node) ? node.value : null;
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') {
    if (value.isWellFormed()) return value;
    throw errorAt(code, place(), 'the text has half of a surrogate pair, which is no Unicode.');
  }
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw errorAt(code, place(), 'infinite and undefined numbers are refused.');
}

function sentence(message: string): string {
  const [first = ''] = message.split('\n', 1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/**
 * Checks a value that was read against a type.
 *
 * @throws DossierError with the place of the first thing that is wrong
 */
export function checkYaml<T extends z.ZodType>(
  type: T,
  yaml: YamlText,
  code: DossierErrorCode = 'manifest-invalid',
): z.output<T> {
  const result = type.safeParse(yaml.value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path ?? [];
  if (issue?.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    throw errorAt(code, yaml.keyPlaceOf([...path, key]), `${named(path)}there is no key "${key}" here.`);
  }
  throw errorAt(code, yaml.placeOf(path), `${named(path)}${sentence(issueText(issue, yaml.value))}`);
}

function issueText(issue: z.core.$ZodIssue | undefined, value: JsonValue): string {
  if (issue === undefined) return 'not valid';
  let at: unknown = value;
  for (const key of issue.path) {
    const parent: ReadonlyMap<string, unknown> =
      typeof at === 'object' && at !== null ? new Map(Object.entries(at)) : NO_MEMBERS;
    if (!parent.has(String(key))) return 'is missing';
    at = parent.get(String(key));
  }
  return at === null && issue.code === 'invalid_type'
    ? `is empty; expected ${issue.expected}`
    : issue.message;
}

const NO_MEMBERS: ReadonlyMap<string, unknown> = new Map();

function named(path: readonly PropertyKey[]): string {
  return path.length === 0 ? '' : `${path.map(String).join('.')}: `;
}
