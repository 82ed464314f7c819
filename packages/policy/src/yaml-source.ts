/** YAML texts with their positions: no aliases, bounded, and every complaint points at line and column. */

import { isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { type Place, PolicyError } from './errors.ts';
import { limits } from './limits.ts';

/** A path into a YAML document: keys of maps and indices of lists. */
export type YamlPath = readonly (string | number)[];

/** A parsed YAML text of which every part can be pointed at. */
export interface YamlSource<T> {
  readonly origin: string;
  readonly value: T;
  /** Where the part at `path` begins; the nearest part that exists when it does not. */
  place(path: YamlPath): Place;
  /** The error that says `reason` about the part at `path`. */
  error(path: YamlPath, reason: string): PolicyError;
  /** The error that says `reason` about the character `offset` of the string at `path`. */
  errorInside(path: YamlPath, offset: number, reason: string): PolicyError;
}

/**
 * Reads a YAML text and checks its shape.
 * @throws PolicyError when the text is too long, is not YAML, uses aliases, or does not have the shape.
 */
export function readYaml<T>(text: string, origin: string, schema: z.ZodType<T>): YamlSource<T> {
  const start: Place = { origin, line: 1, column: 1 };
  if (text.length > limits.text) {
    throw new PolicyError(
      `The file has ${text.length} characters; at most ${limits.text} are read. Split it into several files.`,
      start,
    );
  }
  refuseDeepNesting(text, origin);
  const lines = new LineCounter();
  // Pretty errors and the library's own search for duplicate keys take time that grows with the square of the text.
  const document = parseDocument(text, {
    lineCounter: lines,
    version: '1.2',
    merge: false,
    logLevel: 'error',
    prettyErrors: false,
    uniqueKeys: false,
  });
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { origin, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const [problem] = document.errors;
  if (problem) {
    const deep = problem.message.includes('call stack');
    throw new PolicyError(
      deep ? tooDeep : `This is not YAML: ${problem.message.split('\n')[0]}.`.replace('..', '.'),
      at(problem.pos[0]),
    );
  }
  const shallow = (node: unknown, depth: number): void => {
    // Between two collections the path has a pair as well where the outer one is a map.
    if (depth > 2 * limits.yamlDepth) throw new PolicyError(tooDeep, at(startOf(node)));
  };
  visit(document, {
    Alias: (_key, node) => {
      throw new PolicyError(
        'YAML aliases (*name) are not read, because they can make a small file expand without bound. Write the value out.',
        at(node.range?.[0] ?? 0),
      );
    },
    Seq: (_key, node, path) => shallow(node, path.length),
    Map: (_key, node, path) => {
      shallow(node, path.length);
      const keys = new Set<unknown>();
      for (const { key } of node.items) {
        const value: unknown = isScalar(key) ? key.value : key;
        if (keys.has(value))
          throw new PolicyError('This is not YAML: this key stands here twice.', at(startOf(key)));
        keys.add(value);
      }
    },
  });

  const nodeAt = (path: YamlPath): unknown => {
    for (let length = path.length; length >= 0; length--) {
      const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
      if (node !== undefined && node !== null) return node;
    }
    return undefined;
  };
  const place = (path: YamlPath): Place => {
    const node = nodeAt(path);
    return at(startOf(node));
  };
  const placeInside = (path: YamlPath, offset: number): Place => {
    const node = nodeAt(path);
    if (!isScalar(node) || typeof node.value !== 'string') return at(startOf(node));
    return at(offsetInFile(text, node, offset));
  };
  const error = (path: YamlPath, reason: string) => new PolicyError(reason, place(path));
  const errorInside = (path: YamlPath, offset: number, reason: string) =>
    new PolicyError(reason, placeInside(path, offset));

  const read: unknown = document.toJS({ maxAliasCount: 0 });
  const checked = schema.safeParse(read);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const path = (issue?.path ?? []).filter((key) => typeof key !== 'symbol');
    if (issue?.code === 'unrecognized_keys') {
      const [key = ''] = issue.keys;
      const owner = nodeAt(path);
      const pair = isMap(owner)
        ? owner.items.find((item) => isScalar(item.key) && item.key.value === key)
        : undefined;
      throw new PolicyError(`The key "${key}" is not known here.`, at(startOf(pair?.key ?? owner)));
    }
    if (issue?.code === 'invalid_type' && path.length > 0 && !isNode(document.getIn(path, true)))
      throw new PolicyError(`The key "${path.join('.')}" is missing.`, place(path));
    if (issue?.code === 'invalid_key')
      throw new PolicyError(
        `"${path.at(-1) ?? ''}": ${issue.issues[0]?.message ?? issue.message}`,
        place(path),
      );
    const where = path.length > 0 ? `"${path.join('.')}": ` : '';
    throw new PolicyError(`${where}${issue?.message ?? 'The shape is wrong.'}`, place(path));
  }
  return { origin, value: checked.data, place, error, errorInside };
}

const tooDeep = `Lists and maps are nested deeper than ${limits.yamlDepth} levels.`;

/** The parser of YAML recurses, so a run of opening brackets is refused before it is parsed. */
function refuseDeepNesting(text: string, origin: string): void {
  let line = 1;
  let lineStart = 0;
  let open = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 10) {
      line++;
      lineStart = i + 1;
    } else if (code === 91 || code === 123) {
      open++;
      if (open > 500) {
        throw new PolicyError(
          'More than 500 brackets are open at once here; lists and maps may not be nested so deep.',
          { origin, line, column: i - lineStart + 1 },
        );
      }
    } else if (code === 93 || code === 125) {
      if (open > 0) open--;
    } else if (
      (code === 45 || code === 63) &&
      lineStart + 400 < i &&
      /^[ \-?]*$/.test(text.slice(lineStart, i))
    ) {
      throw new PolicyError('Lists and maps may not be nested so deep.', {
        origin,
        line,
        column: i - lineStart + 1,
      });
    }
  }
}

function startOf(node: unknown): number {
  if (typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)) {
    const start: unknown = node.range[0];
    if (typeof start === 'number') return start;
  }
  return 0;
}

/** The offset in the file of one character of a scalar's value: the k-th character that is not blank stays the k-th. */
function offsetInFile(
  text: string,
  node: { value: unknown; type?: string | undefined; range?: readonly number[] | null | undefined },
  offset: number,
): number {
  const value = typeof node.value === 'string' ? node.value : '';
  const start = node.range?.[0] ?? 0;
  const end = node.range?.[1] ?? start;
  let inked = 0;
  for (let i = 0; i < offset && i < value.length; i++) if (!isBlank(value.charCodeAt(i))) inked++;
  let position = start;
  const double = node.type === 'QUOTE_DOUBLE';
  const single = node.type === 'QUOTE_SINGLE';
  if (double || single) position++;
  else if (node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED') {
    const newline = text.indexOf('\n', start);
    position = newline === -1 ? start : newline + 1;
  }
  for (; position < end; position++) {
    if (isBlank(text.charCodeAt(position))) continue;
    if (inked === 0) return position;
    inked--;
    const escaped =
      (double && text[position] === '\\') || (single && text[position] === "'" && text[position + 1] === "'");
    if (escaped) position++;
  }
  return Math.max(start, end - 1);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9 || code === 10 || code === 13;
}
