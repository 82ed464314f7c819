/**
 * Files as relations of SQL with columns c0, c1, …: text with missing values as NULL, or numbers.
 *
 * Names from files never become part of a statement except where the format itself is asked for them (Parquet, JSON),
 * and there only quoted.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { createGunzip } from 'node:zlib';
import { DataError } from '../errors.ts';
import { type Database, globEscaped, sqlName, sqlText } from './database.ts';
import { type Dialect, sniffDialect } from './dialect.ts';
import type { TextEncoding } from './scan.ts';

export type TableFormat = 'csv' | 'tsv' | 'parquet' | 'jsonl';

/** How the values of a column are stored: text to be understood, or numbers already. */
export type Storage = 'text' | 'integer' | 'real';

/** A column of a relation: `c` and its position is its name in SQL. */
export interface RelationColumn {
  readonly name: string;
  readonly storage: Storage;
}

/** Something to select from. */
export interface Relation {
  /** A query with columns c0, c1, …. */
  readonly sql: string;
  readonly columns: readonly RelationColumn[];
  /** Sentences on what was found and decided. */
  readonly notes: readonly string[];
}

/** Cells that say that there is no value, unless the caller names others. Compared after blanks are cut off. */
export const MISSING_MARKS: readonly string[] = [
  '',
  '?',
  'NA',
  'N/A',
  'n/a',
  '#N/A',
  'NaN',
  'nan',
  'NULL',
  'null',
  '<NA>',
];

/** A table may have this many columns: planning a query takes longer with the square of them. */
export const MOST_COLUMNS = 2000;
/** A line (with the cells of one row) may have this many bytes. */
const MOST_LINE_BYTES = 2 * 1024 * 1024;

/** The format by the name of the file, else by its first bytes; `gzip` for text that is compressed. */
export async function detectFormat(
  path: string,
): Promise<{ readonly format: TableFormat; readonly gzip: boolean }> {
  const gzip = extname(path).toLowerCase() === '.gz';
  const extension = extname(gzip ? path.slice(0, -3) : path).toLowerCase();
  const byName = FORMATS[extension];
  if (byName !== undefined) return { format: byName, gzip };
  const start = await firstBytes(path, gzip);
  if (start.subarray(0, 4).toString('latin1') === 'PAR1') return { format: 'parquet', gzip: false };
  const text = start
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimStart();
  if (text.startsWith('{')) return { format: 'jsonl', gzip };
  const dialect = sniffDialect(text, true, {});
  if (dialect !== undefined && dialect.first.length > 1) return { format: 'csv', gzip };
  throw new DataError(
    'unknown-format',
    `${basename(path)} is not recognised as a table. Name it .csv, .tsv, .jsonl or .parquet, or say the format.`,
    { file: basename(path) },
  );
}

const FORMATS: Readonly<Record<string, TableFormat | undefined>> = {
  '.csv': 'csv',
  '.data': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
  '.parquet': 'parquet',
  '.pq': 'parquet',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
};

async function firstBytes(path: string, gzip: boolean): Promise<Buffer> {
  const size = 64 * 1024;
  if (gzip) {
    const source = createReadStream(path);
    try {
      for await (const chunk of source.pipe(createGunzip()))
        if (Buffer.isBuffer(chunk)) return chunk.subarray(0, size);
    } catch (cause) {
      throw new DataError(
        'file-unreadable',
        `${basename(path)} is not a gzip file.`,
        { file: basename(path) },
        { cause },
      );
    } finally {
      source.destroy();
    }
    return Buffer.alloc(0);
  }
  const file = await open(path).catch((cause: unknown) => {
    throw new DataError('file-unreadable', `${path} cannot be read.`, { file: basename(path) }, { cause });
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** What is known of a delimited text file before it is read. */
export interface DelimitedLayout {
  readonly delimiter: string;
  readonly header: boolean;
  readonly names: readonly string[];
  readonly encoding: TextEncoding;
  readonly gzip: boolean;
  /** Lines at the start to leave out, before the header. */
  readonly skip?: number;
}

/** The layout from the head of the file, and what had to be decided for it. */
export function layoutOf(
  file: string,
  head: Uint8Array,
  whole: boolean,
  encoding: TextEncoding,
  gzip: boolean,
  given: { readonly delimiter?: string; readonly header?: boolean; readonly names?: readonly string[] },
): { readonly layout: DelimitedLayout; readonly notes: readonly string[] } {
  const text = new TextDecoder(encoding === 'latin-1' ? 'latin1' : encoding).decode(head);
  const dialect = sniffDialect(
    text,
    !whole,
    given.names === undefined ? given : { ...given, header: given.header ?? false },
  );
  if (dialect === undefined) {
    if (whole) throw new DataError('no-rows', `${file} is empty.`, { file });
    throw new DataError('line-too-long', `${file}: the first line is longer than 1 MiB; this is no table.`, {
      file,
      line: 1,
    });
  }
  const notes: string[] = [];
  if (encoding !== 'utf-8')
    notes.push(`${file} is not UTF-8; it was read as ${encoding === 'latin-1' ? 'Latin-1' : 'UTF-16'}.`);
  const names = given.names ?? namesOf(dialect, notes, file);
  if (names.length !== dialect.first.length) {
    throw new DataError(
      'ragged-row',
      `${file}, line 1: ${dialect.first.length} cells where there are ${names.length} columns.`,
      {
        file,
        line: 1,
      },
    );
  }
  if (!dialect.header && given.header === undefined && given.names === undefined) {
    notes.push(
      `${file} has numbers in its first line, so that line was read as data and the columns are named column1, column2, ….`,
    );
  }
  return { layout: { delimiter: dialect.delimiter, header: dialect.header, names, encoding, gzip }, notes };
}

function namesOf(dialect: Dialect, notes: string[], file: string): readonly string[] {
  return dialect.first.map((cell, index) => {
    const name = `column${index + 1}`;
    if (!dialect.header) return name;
    if (cell.trim() !== '') return cell.trim();
    notes.push(`Column ${index + 1} of ${file} has no name and is called ${name}.`);
    return name;
  });
}

/** Names once each and not too many of them. */
export function requireColumns(file: string, names: readonly string[]): void {
  if (names.length > MOST_COLUMNS) {
    throw new DataError(
      'too-many-columns',
      `${file} has ${names.length} columns; at most ${MOST_COLUMNS} can be read. Leave out what is not needed.`,
      { file },
    );
  }
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) twice.add(name);
    seen.add(name);
  }
  if (twice.size > 0) {
    const shown = [...twice].slice(0, 5).map((name) => `"${name}"`);
    throw new DataError(
      'duplicate-columns',
      `${file} has more than one column named ${shown.join(', ')}${twice.size > 5 ? ', …' : ''}. Give each its own name.`,
      { file, ...(shown.length === 1 ? { column: [...twice][0] ?? '' } : {}) },
    );
  }
}

/** Delimited text; every column is text. */
export function delimitedRelation(
  path: string,
  layout: DelimitedLayout,
  missing: readonly string[],
): Relation {
  const columns = layout.names.map((_, index) => `'c${index}': 'VARCHAR'`);
  const options = [
    'auto_detect = false',
    `delim = ${sqlText(layout.delimiter)}`,
    `quote = '"'`,
    `escape = '"'`,
    `header = ${layout.header}`,
    `columns = {${columns.join(', ')}}`,
    `max_line_size = ${MOST_LINE_BYTES}`,
    `compression = '${layout.gzip ? 'gzip' : 'none'}'`,
    `encoding = '${layout.encoding === 'utf-16le' ? 'utf-16' : layout.encoding}'`,
    `skip = ${layout.skip ?? 0}`,
  ];
  return {
    sql: withoutMarks(
      layout.names.map((_, index) => `c${index}`),
      `read_csv(${sqlText(globEscaped(path))}, ${options.join(', ')})`,
      missing,
    ),
    columns: layout.names.map((name) => ({ name, storage: 'text' })),
    notes: [],
  };
}

/**
 * Columns c0, c1, … from columns or expressions that give text: blanks at both ends go (as in `a, b`), then what stands for
 * "missing" becomes NULL. Two layers, so that the blanks are cut off once; no IN, which the planner makes a join per column of.
 */
function withoutMarks(
  expressions: readonly string[],
  from: string,
  missing: readonly string[],
  numbers: readonly boolean[] = [],
): string {
  const marks = missing.map(sqlText).join(', ');
  const cut = expressions.map(
    (expression, i) => `${numbers[i] === true ? expression : `trim(${expression})`} AS t${i}`,
  );
  const select = expressions.map((_, i) =>
    marks === '' || numbers[i] === true
      ? `t${i} AS c${i}`
      : `CASE WHEN list_contains([${marks}], t${i}) THEN NULL ELSE t${i} END AS c${i}`,
  );
  return `SELECT ${select.join(', ')} FROM (SELECT ${cut.join(', ')} FROM ${from})`;
}

/** One JSON object per line; keys are columns, and every value is text (objects and lists as JSON). */
export async function jsonLinesRelation(
  database: Database,
  path: string,
  gzip: boolean,
  missing: readonly string[],
  signal?: AbortSignal,
): Promise<Relation> {
  const file = sqlText(globEscaped(path));
  const common = `format = 'newline_delimited', compression = '${gzip ? 'gzip' : 'uncompressed'}', maximum_object_size = ${MOST_LINE_BYTES}`;
  const described = await database
    .rows(
      `SELECT column_name FROM (DESCRIBE SELECT * FROM read_json(${file}, ${common}, sample_size = -1, maximum_depth = 1, map_inference_threshold = -1, records = 'true'))`,
      signal,
    )
    .catch((error: unknown) => {
      // Lines that are no objects have no columns, which the database says as an error of the statement.
      if (!(error instanceof DataError) || error.code !== 'internal') throw error;
      throw new DataError(
        'malformed',
        `${basename(path)}: not one JSON object per line.`,
        { file: basename(path) },
        { cause: error },
      );
    });
  const names = described.map(([name]) => String(name));
  requireColumns(basename(path), names);
  const columns = names.map((name) => `${sqlText(name)}: 'VARCHAR'`);
  return {
    sql: withoutMarks(
      names.map(sqlName),
      `read_json(${file}, ${common}, columns = {${columns.join(', ')}})`,
      missing,
    ),
    columns: names.map((name) => ({ name, storage: 'text' })),
    notes: [],
  };
}

const INTEGERS = /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/;
const REALS = /^(FLOAT|DOUBLE|DECIMAL.*)$/;
const TEXTS = /^(VARCHAR|BOOLEAN|DATE|TIME|TIMESTAMP.*|ENUM.*|UUID)$/;

/** A Parquet file; numbers stay numbers, dates and booleans become text, nested columns are left out and named. */
export async function parquetRelation(
  database: Database,
  path: string,
  missing: readonly string[],
  signal?: AbortSignal,
): Promise<Relation> {
  const file = sqlText(globEscaped(path));
  const described = await database.rows(
    `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(${file}))`,
    signal,
  );
  requireColumns(
    basename(path),
    described.map(([name]) => String(name)),
  );
  const notes: string[] = [];
  const columns: RelationColumn[] = [];
  const select: string[] = [];
  for (const [nameValue, typeValue] of described) {
    const name = String(nameValue);
    const type = String(typeValue);
    const column = sqlName(name);
    const storage = INTEGERS.test(type)
      ? 'integer'
      : REALS.test(type)
        ? 'real'
        : TEXTS.test(type)
          ? 'text'
          : undefined;
    if (storage === undefined) {
      notes.push(
        `Column "${name}" holds ${type.endsWith('[]') ? 'lists' : type.toLowerCase().split('(', 1)[0]} and was left out.`,
      );
      continue;
    }
    select.push(
      storage === 'text'
        ? `CAST(${column} AS VARCHAR)`
        : storage === 'real'
          ? `CAST(${column} AS DOUBLE)`
          : column,
    );
    columns.push({ name, storage });
  }
  if (columns.length === 0) {
    throw new DataError('no-features', `${basename(path)} has no column of numbers or text.`, {
      file: basename(path),
    });
  }
  const numbers = columns.map((column) => column.storage !== 'text');
  return { sql: withoutMarks(select, `read_parquet(${file})`, missing, numbers), columns, notes };
}

/** Rows of several relations with the same columns, one after the other. */
export function concatenated(relations: readonly Relation[]): Relation {
  return {
    sql: relations.map((relation) => `(${relation.sql})`).join(' UNION ALL '),
    columns: relations[0]?.columns ?? [],
    notes: relations.flatMap((relation) => relation.notes),
  };
}

/** The column as a number: NULL where it is none, NaN where it is missing. */
export function numberSql(column: RelationColumn, index: number): string {
  const cast = column.storage === 'text' ? `TRY_CAST(c${index} AS DOUBLE)` : `CAST(c${index} AS DOUBLE)`;
  return `CASE WHEN c${index} IS NULL THEN 'nan'::DOUBLE ELSE ${cast} END`;
}

/** The column as text: whole numbers that are stored as reals without ".0", as they stand in a text file. */
export function textSql(column: RelationColumn, index: number): string {
  if (column.storage === 'text') return `c${index}`;
  if (column.storage === 'integer') return `CAST(c${index} AS VARCHAR)`;
  return wholeNumberSql(`CAST(c${index} AS VARCHAR)`);
}

/** The column as a class name: "1.0" and "1" are the same class, however the file writes its numbers. */
export function classSql(column: RelationColumn, index: number): string {
  return wholeNumberSql(textSql(column, index));
}

function wholeNumberSql(expression: string): string {
  return `regexp_replace(${expression}, '^([+-]?[0-9]+)\\.0+$', '\\1')`;
}
