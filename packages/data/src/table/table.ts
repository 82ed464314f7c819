/** Tables: a file or named data set that can be read any number of times, in order, without ever being held whole. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { DataError } from '../errors.ts';
import { unknownName } from '../names.ts';
import type { Watch } from '../progress.ts';
import { Database, type DatabaseLimits } from './database.ts';
import { type Column, type ColumnKind, MOST_LISTED_VALUES, profile } from './profile.ts';
import {
  classSql,
  delimitedRelation,
  detectFormat,
  jsonLinesRelation,
  layoutOf,
  MISSING_MARKS,
  parquetRelation,
  type Relation,
  requireColumns,
  type TableFormat,
  textSql,
} from './relation.ts';
import { digestFile, requireUnchanged, type ScannedFile, scanText, statFile } from './scan.ts';

/** How a file is to be read; everything has a default that is shown in the table's notes where it was a guess. */
export interface ReadOptions extends Watch {
  readonly format?: TableFormat;
  /** One character; by default the one of `, ; tab |` that cuts the lines evenly. */
  readonly delimiter?: string;
  /** Whether the first line names the columns; by default it does unless it contains a number. */
  readonly header?: boolean;
  /** Names of the columns, for files without a header. */
  readonly names?: readonly string[];
  /** What columns are, where the inference is not what is meant. */
  readonly types?: Readonly<Record<string, ColumnKind>>;
  /** Cells that stand for "no value"; {@link MISSING_MARKS} by default. */
  readonly missing?: readonly string[];
  readonly limits?: DatabaseLimits;
}

/** What a table reads from. For the modules of this package. */
export interface TableSource {
  readonly database: Database;
  readonly relation: Relation;
}

/** What is said of a table beyond its content. */
export interface TableDescription {
  /** The file's name (without its folder), or the name of the data set. */
  readonly name: string;
  /** SHA-256 in hexadecimal: of the file; for several files of the lines `SHA256  NAME` in their order. */
  readonly digest: string;
  readonly files: readonly ScannedFile[];
  readonly notes: readonly string[];
  /** Whether the data were made, not collected. */
  readonly synthetic: boolean;
  /** The column that the data set is made to predict, where it is known. */
  readonly target: string | undefined;
}

/** A table that can be read. Close it when done: `using table = await openTable(…)`, or `table.close()`. */
export class Table {
  readonly name: string;
  readonly digest: string;
  readonly files: readonly ScannedFile[];
  readonly synthetic: boolean;
  readonly target: string | undefined;
  readonly rows: number;
  /** Columns in the order of the file. */
  readonly columns: readonly Column[];
  /** Sentences on what was found and decided in reading. */
  readonly notes: readonly string[];
  /** @internal */
  readonly source: TableSource;
  readonly #description: TableDescription;
  readonly #lists = new Map<string, readonly string[]>();

  constructor(description: TableDescription, source: TableSource, rows: number, columns: readonly Column[]) {
    this.#description = description;
    this.name = description.name;
    this.digest = description.digest;
    this.files = description.files;
    this.notes = description.notes;
    this.synthetic = description.synthetic;
    this.target = description.target;
    this.source = source;
    this.rows = rows;
    this.columns = columns;
  }

  /**
   * The column of this name.
   *
   * @throws DataError `unknown-column`, with the nearest name
   */
  column(name: string): Column {
    const found = this.columns.find((column) => column.name === name);
    if (found !== undefined) return found;
    throw unknownName('unknown-column', this.name, name, this.columnNames(), this.name);
  }

  /** Position of the column of this name; −1 if there is none. */
  indexOf(name: string): number {
    return this.columns.findIndex((column) => column.name === name);
  }

  columnNames(): readonly string[] {
    return this.columns.map((column) => column.name);
  }

  /**
   * The values of columns as text, sorted by code point; of more than {@link MOST_LISTED_VALUES} the most frequent ones. Missing
   * ones are not among them.
   *
   * @param as how numbers are written: as in the file, or as class names
   */
  async values(
    indices: readonly number[],
    as: 'text' | 'class' = 'text',
    signal?: AbortSignal,
  ): Promise<readonly (readonly string[])[]> {
    const { database, relation } = this.source;
    const expression = as === 'class' ? classSql : textSql;
    const keys = indices.map((index) => `${as}:${index}`);
    const few: number[] = [];
    for (const [i, index] of indices.entries()) {
      if (this.#lists.has(keys[i] ?? '')) continue;
      const column = this.columns[index];
      if (column !== undefined && column.distinct <= MOST_LISTED_VALUES) few.push(i);
    }
    const sqlOf = (i: number): string => {
      const index = indices[i] ?? 0;
      const column = relation.columns[index];
      return column === undefined ? `c${index}` : expression(column, index);
    };
    if (few.length > 0) {
      const select = few.map((i) => `to_json(list(DISTINCT ${sqlOf(i)}))`);
      const [row = []] = await database.rows(`SELECT ${select.join(', ')} FROM (${relation.sql})`, signal);
      for (const [position, i] of few.entries()) this.#lists.set(keys[i] ?? '', textList(row[position]));
    }
    for (const [i, key] of keys.entries()) {
      if (this.#lists.has(key)) continue;
      const rows = await database.rows(
        `SELECT v FROM (SELECT ${sqlOf(i)} AS v FROM (${relation.sql})) WHERE v IS NOT NULL GROUP BY v ORDER BY count(*) DESC, v LIMIT ${MOST_LISTED_VALUES}`,
        signal,
      );
      this.#lists.set(key, rows.map(([value]) => String(value)).sort(byCodePoint));
    }
    return keys.map((key) => this.#lists.get(key) ?? []);
  }

  /** The same table with more notes; it shares the connection, so that only one of the two is closed. */
  withNotes(notes: readonly string[]): Table {
    return new Table(
      { ...this.#description, notes: [...this.notes, ...notes] },
      this.source,
      this.rows,
      this.columns,
    );
  }

  /** Throws unless the files are still those that were opened. */
  async requireUnchanged(): Promise<void> {
    for (const file of this.files) await requireUnchanged(file);
  }

  close(): void {
    this.source.database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Order of text that does not depend on the machine's language. */
export function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function textList(json: unknown): readonly string[] {
  if (typeof json !== 'string') return [];
  const parsed: unknown = JSON.parse(json);
  if (!Array.isArray(parsed)) return [];
  return parsed.filter((value) => typeof value === 'string').sort(byCodePoint);
}

/**
 * Opens a file: CSV, TSV (both may be gzipped), Parquet or JSON Lines.
 *
 * Reads it twice: once for digest and encoding, once to find out what its columns hold. A column of numbers is a number, any
 * other is a category; `types` overrides.
 *
 * @throws DataError by code: `file-not-found`, `unknown-format`, `unsupported-encoding`, `malformed`, `ragged-row`, `no-rows`,
 *   `duplicate-columns`, `too-many-columns`, `unknown-column` (in `types`), …
 */
export async function openFile(path: string, options: ReadOptions = {}): Promise<Table> {
  const absolute = resolve(path);
  const missing = options.missing ?? MISSING_MARKS;
  if (options.delimiter !== undefined && !/^[^\r\n"\0]$/.test(options.delimiter)) {
    throw new DataError('out-of-range', 'The delimiter has to be one character, and no quote or line break.');
  }
  // Reports a missing file or a folder before anything else does.
  const { format, gzip } = await formatOf(absolute, options.format);
  if (format === 'csv' || format === 'tsv') {
    const { file, head, encoding, whole } = await scanText(absolute, gzip, options);
    const { layout, notes } = layoutOf(file.name, head, whole, encoding, gzip, {
      ...(format === 'tsv' ? { delimiter: '\t' } : {}),
      ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter }),
      ...(options.header === undefined ? {} : { header: options.header }),
      ...(options.names === undefined ? {} : { names: options.names }),
    });
    requireColumns(file.name, layout.names);
    const relation = delimitedRelation(absolute, layout, missing);
    return await tableOf(describe(file, notes), () => Promise.resolve(relation), options);
  }
  if (format === 'jsonl') {
    const { file, head, encoding } = await scanText(absolute, gzip, options);
    if (Buffer.from(head).toString('latin1').trim() === '') {
      throw new DataError('no-rows', `${file.name} is empty.`, { file: file.name });
    }
    if (encoding !== 'utf-8') {
      throw new DataError('unsupported-encoding', `${file.name} is not UTF-8, which JSON has to be.`, {
        file: file.name,
      });
    }
    return await tableOf(
      describe(file, []),
      (database) => jsonLinesRelation(database, absolute, gzip, missing, options.signal),
      options,
    );
  }
  const file = await digestFile(absolute, options);
  return await tableOf(
    describe(file, []),
    (database) => parquetRelation(database, absolute, missing, options.signal),
    options,
  );
}

async function formatOf(
  path: string,
  given: TableFormat | undefined,
): Promise<{ format: TableFormat; gzip: boolean }> {
  await statFile(path);
  return given === undefined
    ? await detectFormat(path)
    : { format: given, gzip: path.toLowerCase().endsWith('.gz') };
}

function describe(file: ScannedFile, notes: readonly string[]): TableDescription {
  return { name: file.name, digest: file.sha256, files: [file], notes, synthetic: false, target: undefined };
}

/** The digest of several files: SHA-256 over the lines that `sha256sum` prints for them. */
export function digestOf(files: readonly ScannedFile[]): string {
  const [only] = files;
  if (only !== undefined && files.length === 1) return only.sha256;
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file.sha256}  ${file.name}\n`);
  return hash.digest('hex');
}

/** A table over a relation: opens the database, finds out what the columns hold. */
export async function tableOf(
  description: TableDescription,
  relate: (database: Database) => Promise<Relation>,
  options: Pick<ReadOptions, 'limits' | 'types' | 'signal'>,
): Promise<Table> {
  const database = await Database.open(
    description.files.map((file) => file.path),
    description.name,
    options.limits,
  );
  try {
    const relation = await held(database, await relate(database), description.files, options.signal);
    return await profiled(database, relation, description, options);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The table over a relation of an open database, once its columns are known. */
export async function profiled(
  database: Database,
  relation: Relation,
  description: TableDescription,
  options: Pick<ReadOptions, 'types' | 'signal'>,
): Promise<Table> {
  const names = relation.columns.map((column) => column.name);
  for (const name of Object.keys(options.types ?? {})) {
    if (!names.includes(name))
      throw unknownName('unknown-column', description.name, name, names, description.name);
  }
  const { rows, columns, notes } = await profile(database, relation, options.types ?? {}, options.signal);
  if (rows === 0) {
    throw new DataError('no-rows', `${description.name} has column names but no rows.`, {
      file: description.name,
    });
  }
  const all = [...description.notes, ...relation.notes, ...notes, ...missingNotes(columns, rows)];
  return new Table({ ...description, notes: all }, { database, relation }, rows, columns);
}

/** Files up to this size are kept in the database, where reading them again takes a tenth of the time. */
const HELD_BYTES = 64 * 2 ** 20;

async function held(
  database: Database,
  relation: Relation,
  files: readonly ScannedFile[],
  signal?: AbortSignal,
): Promise<Relation> {
  const compressed = files.some((file) => file.name.endsWith('.gz') || file.name.endsWith('.parquet'));
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (compressed || bytes > HELD_BYTES) return relation;
  await database.rows(`CREATE TABLE held AS ${relation.sql}`, signal);
  return { ...relation, sql: 'SELECT * FROM held' };
}

function missingNotes(columns: readonly Column[], rows: number): readonly string[] {
  const notes: string[] = [];
  const incomplete = columns.filter((column) => column.missing > 0);
  if (incomplete.length > 0) {
    const shown = incomplete.slice(0, 6).map((column) => `${column.name} ${column.missing}`);
    notes.push(
      `Missing values of ${rows} rows: ${shown.join(', ')}${incomplete.length > 6 ? `, and ${incomplete.length - 6} more columns` : ''}.`,
    );
  }
  for (const column of columns) {
    if (column.kind === 'number' && column.notFinite > 0) {
      notes.push(
        `"${column.name}" has ${column.notFinite} infinite or undefined numbers; they count as missing.`,
      );
    }
  }
  return notes;
}
