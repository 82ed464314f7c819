/**
 * DuckDB, shut in: it may read the files it is given and nothing else, load no extension, and change no setting.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBValue,
} from '@duckdb/node-api';
import { DataError } from '../errors.ts';

/** Resources that a table may take. */
export interface DatabaseLimits {
  /** Memory of the database in MiB, beyond which it uses the disk; 512 by default. The process takes more than that. */
  readonly memoryMiB?: number;
  /** Threads that read; by default as many as the machine has, at most 4. */
  readonly threads?: number;
}

/** An in-memory database that reads `files` only. */
export class Database {
  readonly #instance: DuckDBInstance;
  readonly #control: DuckDBConnection;
  readonly #subject: string;
  #closed = false;

  private constructor(instance: DuckDBInstance, control: DuckDBConnection, subject: string) {
    this.#subject = subject;
    this.#instance = instance;
    this.#control = control;
  }

  /**
   * @param files absolute paths; each may be read, nothing may be written but temporary files
   * @param subject what the table is called, for messages
   */
  static async open(
    files: readonly string[],
    subject: string,
    limits: DatabaseLimits = {},
  ): Promise<Database> {
    const instance = await DuckDBInstance.create(':memory:', {
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      allow_community_extensions: 'false',
      allow_unsigned_extensions: 'false',
      allow_persistent_secrets: 'false',
      threads: String(limits.threads ?? Math.min(4, availableParallelism())),
      memory_limit: `${limits.memoryMiB ?? 512}MiB`,
      // Every column of a table takes whole blocks: small ones let a table of a few rows have many columns.
      default_block_size: '16384',
      // Made only when something has to be put aside, and removed by the database itself.
      temp_directory: join(tmpdir(), `assay-${randomUUID()}`),
    });
    const control = await instance.connect();
    // Both spellings: names with * ? [ are escaped where they are read, and that text is what the database compares.
    const allowed = files.flatMap((file) => [file, globEscaped(file)]).map(sqlText);
    await control.run(`SET allowed_paths = [${allowed.join(', ')}]`);
    // Its time grows with the square of the columns, and the statements here repeat little.
    await control.run("SET disabled_optimizers = 'common_subexpressions'");
    await control.run('SET enable_external_access = false');
    await control.run('SET lock_configuration = true');
    return new Database(instance, control, subject);
  }

  /** Runs a statement that gives few rows. */
  async rows(sql: string, signal?: AbortSignal): Promise<readonly (readonly DuckDBValue[])[]> {
    return await this.#guarded(signal, async (connection) => (await connection.runAndReadAll(sql)).getRows());
  }

  /** Runs a query chunk by chunk, in the order of the file; memory does not grow with the rows. */
  async *chunks(sql: string, signal?: AbortSignal): AsyncGenerator<DuckDBDataChunk, void, undefined> {
    const connection = await this.#instance.connect();
    const interrupt = (): void => connection.interrupt();
    signal?.throwIfAborted();
    signal?.addEventListener('abort', interrupt);
    try {
      const result = await connection.stream(sql);
      for (;;) {
        const chunk = await result.fetchChunk();
        signal?.throwIfAborted();
        if (chunk === null || chunk.rowCount === 0) return;
        yield chunk;
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw translated(error, this.#subject);
    } finally {
      signal?.removeEventListener('abort', interrupt);
      connection.closeSync();
    }
  }

  /** Appends rows of text to a table of this database; null is a missing value. */
  async append(table: string, rows: Iterable<readonly (string | null)[]>): Promise<void> {
    const appender = await this.#control.createAppender(table);
    let count = 0;
    for (const row of rows) {
      for (const value of row) {
        if (value === null) appender.appendNull();
        else appender.appendVarchar(value);
      }
      appender.endRow();
      count++;
      if (count % 10_000 === 0) appender.flushSync();
    }
    appender.closeSync();
  }

  /** Frees memory and temporary files; the database cannot be used afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#control.closeSync();
    this.#instance.closeSync();
  }

  async #guarded<T>(
    signal: AbortSignal | undefined,
    work: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const connection = await this.#instance.connect();
    const interrupt = (): void => connection.interrupt();
    signal?.addEventListener('abort', interrupt);
    try {
      return await work(connection);
    } catch (error) {
      signal?.throwIfAborted();
      throw translated(error, this.#subject);
    } finally {
      signal?.removeEventListener('abort', interrupt);
      connection.closeSync();
    }
  }
}

/** A text literal of SQL. */
export function sqlText(value: string): string {
  // A NUL ends the statement for the parser; no path or category that got here has one.
  if (value.includes('\0'))
    throw new DataError('malformed', 'A name or value with a NUL character cannot be used.');
  return `'${value.replaceAll("'", "''")}'`;
}

/** An identifier of SQL. */
export function sqlName(value: string): string {
  if (value.includes('\0'))
    throw new DataError('malformed', 'A column name with a NUL character cannot be used.');
  return `"${value.replaceAll('"', '""')}"`;
}

/** A path as a pattern that matches only that path. */
export function globEscaped(path: string): string {
  return path.replace(/[*?[]/g, '[$&]');
}

/**
 * The database's error as ours. Its own text is not passed on: it quotes the line of the file, which may hold personal
 * data. What it says of place and kind is kept.
 */
function translated(error: unknown, subject: string): unknown {
  if (error instanceof DataError || !(error instanceof Error)) return error;
  const message = error.message;
  const line = Number(/CSV Error on Line: (\d+)/.exec(message)?.[1] ?? Number.NaN);
  const where = `${subject}${Number.isNaN(line) ? '' : `, line ${line}`}`;
  const place = { file: subject, ...(Number.isNaN(line) ? {} : { line }) };
  // The line itself comes first in these messages and may imitate any of the sentences below: look behind it.
  const cells = /\nExpected Number of Columns: (\d+) Found: (\d+)\nPossible/.exec(message);
  if (cells !== null) {
    return new DataError(
      'ragged-row',
      `${where}: ${cells[2]} cells where there are ${cells[1]} columns. Check the separator and the quotes around cells that contain it.`,
      place,
    );
  }
  if (/Maximum line size of \d+ bytes exceeded/.test(message)) {
    return new DataError(
      'line-too-long',
      `${where}: longer than 2 MiB. Is a quote left open, or is this no table?`,
      place,
    );
  }
  if (/unterminated quote/i.test(message)) {
    return new DataError('malformed', `${where}: a quote is opened and never closed.`, place);
  }
  if (/CSV Parser state machine reached an invalid state/.test(message)) {
    return new DataError(
      'malformed',
      `${where}: quotes or line endings are not as in CSV (RFC 4180), or line endings are mixed.`,
      place,
    );
  }
  if (/^Invalid Input Error: CSV Error/.test(message)) {
    return new DataError(
      'malformed',
      `${where}: cannot be read as a table of text. Check quotes and separators.`,
      place,
    );
  }
  if (/^Invalid Input Error: Malformed JSON/.test(message)) {
    return new DataError('malformed', `${where}: a line is not valid JSON.`, place);
  }
  if (/JSON/.test(message) && /^Invalid Input Error/.test(message)) {
    return new DataError('malformed', `${where}: not one JSON object per line.`, place);
  }
  if (/parquet|snappy|zstd|thrift/i.test(message)) {
    return new DataError(
      'malformed',
      `${where}: not a readable Parquet file; it may be truncated or damaged.`,
      place,
    );
  }
  if (/^Out of Memory/.test(message)) {
    return new DataError(
      'too-large',
      'The table needs more memory than the limit allows; raise `memoryMiB`, or use fewer columns.',
    );
  }
  if (/^IO Error/.test(message)) return new DataError('file-unreadable', `${where} cannot be read.`, place);
  return new DataError('internal', `${subject} could not be read (${message.split(':', 1)[0]}).`, place);
}
