/** Tables into tensors: the columns of a table written into the inputs that a model takes, by its feature schema. */
import { type DuckDBDataChunk, DuckDBDoubleVector, DuckDBIntegerVector } from '@duckdb/node-api';
import { DataError } from './errors.ts';
import { nearestName } from './names.ts';
import type { Watch } from './progress.ts';
import type { FeatureColumn, FeatureSchema } from './schema/schema.ts';
import { sqlText } from './table/database.ts';
import { classSql, numberSql, textSql } from './table/relation.ts';
import type { Table } from './table/table.ts';

/** What was met in encoding; counts by column, columns without such values left out. */
export interface EncodeReport {
  /** Values that are missing (or infinite), for features. */
  readonly missing: Readonly<Record<string, number>>;
  /** Values that the schema does not know. */
  readonly unseen: Readonly<Record<string, number>>;
  /** Rows whose target is missing or none of the classes; their label is −1. */
  readonly withoutLabel: number;
}

/** Rows of a table as a model takes them. */
export interface EncodedTable {
  /** Number of rows N. */
  readonly rows: number;
  /** Per graph input its values, row by row: [N, width]. float32 inputs as Float32Array, int64 as BigInt64Array. */
  readonly inputs: Readonly<Record<string, Float32Array | BigInt64Array>>;
  /** Per graph input the size of its last axis. */
  readonly widths: Readonly<Record<string, number>>;
  /** Class numbers [N], −1 where it is not known; undefined if the table does not have the target's column. */
  readonly labels: Int32Array | undefined;
  /** The row of the table, counted from 0, that each row is. */
  readonly rowIds: Uint32Array;
  readonly report: EncodeReport;
}

export interface EncodeOptions extends Watch {
  /** Rows to take, counted from 0; all by default. */
  readonly rows?: Uint32Array;
  /** Most bytes that the result may take; 8 GiB by default. */
  readonly maxBytes?: number;
}

export interface BatchOptions extends Watch {
  /** Rows to take, counted from 0; all by default. They come in the order of the file. */
  readonly rows?: Uint32Array;
  /** Rows per batch; the last one may have fewer. 4096 by default. */
  readonly batchRows?: number;
}

const MISSING = -1;
const UNSEEN = -2;

/**
 * Encodes a table, or the given rows of it in the given order, into arrays: memory is rows × width × 4 bytes (8 for int64).
 *
 * Missing numbers become what the schema fills in, values that the schema does not know become "other"; both are counted in the
 * report.
 *
 * @throws DataError `missing-column`, `wrong-type`, `too-large`, `out-of-range`, `file-changed`, and those of reading
 */
export async function encodeTable(
  table: Table,
  schema: FeatureSchema,
  options: EncodeOptions = {},
): Promise<EncodedTable> {
  const rowIds = options.rows ?? Uint32Array.from({ length: table.rows }, (_, row) => row);
  const place = placesOf(table, rowIds);
  const target = allocate(schema, rowIds.length, hasTarget(table, schema), options.maxBytes ?? 8 * 2 ** 30);
  const encoder = new TableEncoder(table, schema);
  let first = 0;
  for await (const chunk of encoder.chunks(options)) {
    const at = Int32Array.from(
      { length: chunk.rowCount },
      (_, i) => place?.[first + i] ?? (place === undefined ? first + i : -1),
    );
    encoder.write(chunk, first, at, target);
    first += chunk.rowCount;
  }
  await table.requireUnchanged();
  return { ...target, rows: rowIds.length, rowIds, report: encoder.report() };
}

/**
 * Encodes a table batch by batch in the order of the file; memory does not grow with the rows. The report of each batch counts what
 * was met so far.
 *
 * @throws DataError as {@link encodeTable}
 */
export async function* encodeBatches(
  table: Table,
  schema: FeatureSchema,
  options: BatchOptions = {},
): AsyncGenerator<EncodedTable, void, undefined> {
  const batchRows = options.batchRows ?? 4096;
  if (!Number.isInteger(batchRows) || batchRows < 1) {
    throw new DataError(
      'out-of-range',
      `A batch has to have a whole number of rows of at least 1, not ${batchRows}.`,
    );
  }
  const wanted = options.rows === undefined ? undefined : placesOf(table, options.rows);
  const labelled = hasTarget(table, schema);
  const encoder = new TableEncoder(table, schema);
  let batch = allocate(schema, batchRows, labelled, Number.POSITIVE_INFINITY);
  let rowIds = new Uint32Array(batchRows);
  let filled = 0;
  let first = 0;
  for await (const chunk of encoder.chunks(options)) {
    const at = new Int32Array(chunk.rowCount).fill(-1);
    let from = 0;
    for (let i = 0; i < chunk.rowCount; i++) {
      if (wanted !== undefined && (wanted[first + i] ?? -1) < 0) continue;
      at[i] = filled;
      rowIds[filled++] = first + i;
      if (filled < batchRows) continue;
      encoder.write(chunk, first, at, batch);
      yield { ...batch, rows: batchRows, rowIds, report: encoder.report() };
      batch = allocate(schema, batchRows, labelled, Number.POSITIVE_INFINITY);
      rowIds = new Uint32Array(batchRows);
      filled = 0;
      at.fill(-1, from, i + 1);
      from = i + 1;
    }
    encoder.write(chunk, first, at, batch);
    first += chunk.rowCount;
  }
  await table.requireUnchanged();
  if (filled > 0)
    yield {
      ...shortened(batch, filled),
      rows: filled,
      rowIds: rowIds.slice(0, filled),
      report: encoder.report(),
    };
}

type Arrays = Pick<EncodedTable, 'inputs' | 'widths' | 'labels'>;

function hasTarget(table: Table, schema: FeatureSchema): boolean {
  return table.indexOf(schema.target.column) >= 0;
}

/** For each row of the table its place in the result, −1 for those that are not wanted; undefined if all are, in order. */
function placesOf(table: Table, rows: Uint32Array): Int32Array | undefined {
  if (rows.length === table.rows && rows.every((row, i) => row === i)) return undefined;
  const places = new Int32Array(table.rows).fill(-1);
  rows.forEach((row, i) => {
    if (row >= table.rows) {
      throw new DataError(
        'out-of-range',
        `Row ${row + 1} was asked for, but ${table.name} has ${table.rows} rows.`,
      );
    }
    if (places[row] !== -1) throw new DataError('out-of-range', `Row ${row + 1} was asked for twice.`);
    places[row] = i;
  });
  return places;
}

function allocate(schema: FeatureSchema, rows: number, labelled: boolean, maxBytes: number): Arrays {
  const bytes = schema.inputs.reduce(
    (sum, input) => sum + rows * input.width * (input.elementType === 'int64' ? 8 : 4),
    0,
  );
  if (bytes > maxBytes) {
    throw new DataError(
      'too-large',
      `${rows} rows of ${schema.inputs.reduce((sum, input) => sum + input.width, 0)} inputs take ${Math.ceil(bytes / 2 ** 20)} MiB, more than the limit of ${Math.floor(maxBytes / 2 ** 20)} MiB. Use fewer rows.`,
    );
  }
  const inputs: Record<string, Float32Array | BigInt64Array> = Object.create(null);
  const widths: Record<string, number> = Object.create(null);
  for (const { name, elementType, width } of schema.inputs) {
    inputs[name] = elementType === 'int64' ? new BigInt64Array(rows * width) : new Float32Array(rows * width);
    widths[name] = width;
  }
  return { inputs, widths, labels: labelled ? new Int32Array(rows).fill(-1) : undefined };
}

function shortened(arrays: Arrays, rows: number): Arrays {
  const inputs: Record<string, Float32Array | BigInt64Array> = Object.create(null);
  for (const [name, values] of Object.entries(arrays.inputs))
    inputs[name] = values.slice(0, rows * (arrays.widths[name] ?? 0));
  return { inputs, widths: arrays.widths, labels: arrays.labels?.slice(0, rows) };
}

/** A vector of the database whose values are numbers. */
type NumberVector = DuckDBDoubleVector | DuckDBIntegerVector;

interface ColumnPlan {
  readonly column: FeatureColumn;
  readonly sql: string;
  readonly width: number;
}

/** Writes chunks of a table into arrays and counts what it meets. */
class TableEncoder {
  readonly #table: Table;
  readonly #plans: readonly ColumnPlan[];
  readonly #labels: string | undefined;
  readonly #missing = new Map<string, number>();
  readonly #unseen = new Map<string, number>();
  #withoutLabel = 0;

  constructor(table: Table, schema: FeatureSchema) {
    this.#table = table;
    this.#plans = schema.columns.map((column) => ({
      column,
      sql: columnSql(table, column),
      width: schema.inputs.find((input) => input.name === column.input)?.width ?? 0,
    }));
    this.#labels = labelSql(table, schema);
  }

  async *chunks({ signal, onProgress }: Watch): AsyncGenerator<DuckDBDataChunk, void, undefined> {
    const { database, relation } = this.#table.source;
    const select = [
      ...this.#plans.map((plan) => plan.sql),
      ...(this.#labels === undefined ? [] : [this.#labels]),
    ];
    let done = 0;
    for await (const chunk of database.chunks(`SELECT ${select.join(', ')} FROM (${relation.sql})`, signal)) {
      yield chunk;
      done += chunk.rowCount;
      onProgress?.({ step: `encoding ${this.#table.name}`, done, total: this.#table.rows, unit: 'rows' });
    }
  }

  /** Row i of the chunk, which is row `first + i` of the table, goes to row `at[i]` of the arrays; nowhere if that is −1. */
  write(chunk: DuckDBDataChunk, first: number, at: Int32Array, into: Arrays): void {
    this.#plans.forEach((plan, index) => {
      const vector = numberVector(chunk, index);
      const values = into.inputs[plan.column.input];
      if (values instanceof Float32Array) {
        if (plan.column.kind === 'number') this.#writeNumbers(plan, vector, first, at, values);
        else this.#writeOneHot(plan, vector, at, values);
      } else if (values !== undefined) this.#writeIndices(plan, vector, first, at, values);
    });
    const { labels } = into;
    if (labels === undefined) return;
    const vector = numberVector(chunk, this.#plans.length);
    for (let i = 0; i < at.length; i++) {
      const row = at[i] ?? -1;
      if (row < 0) continue;
      const label = vector.getItem(i) ?? MISSING;
      labels[row] = label < 0 ? -1 : label;
      if (label < 0) this.#withoutLabel++;
    }
  }

  report(): EncodeReport {
    return {
      missing: Object.fromEntries(this.#missing),
      unseen: Object.fromEntries(this.#unseen),
      withoutLabel: this.#withoutLabel,
    };
  }

  #writeNumbers(
    plan: ColumnPlan,
    vector: NumberVector,
    first: number,
    at: Int32Array,
    values: Float32Array,
  ): void {
    const { name, encoder, start } = plan.column;
    if (encoder.kind !== 'standard' && encoder.kind !== 'identity') return;
    const mean = encoder.kind === 'standard' ? encoder.mean : 0;
    const std = encoder.kind === 'standard' ? encoder.std : 1;
    const fill = encoder.missing?.fill ?? mean;
    const indicator = encoder.missing?.indicator === true;
    const declared =
      encoder.invalid === 'missing' || this.#table.columns[this.#table.indexOf(name)]?.declared === true;
    let missing = 0;
    for (let i = 0; i < at.length; i++) {
      const row = at[i] ?? -1;
      if (row < 0) continue;
      const value = vector.getItem(i);
      if (value === null && !declared) throw notANumber(this.#table, name, first + i);
      const present = value !== null && Number.isFinite(value);
      const slot = row * plan.width + start;
      values[slot] = ((present ? value : fill) - mean) / std;
      if (indicator) values[slot + 1] = present ? 0 : 1;
      if (!present) missing++;
    }
    add(this.#missing, name, missing);
  }

  #writeOneHot(plan: ColumnPlan, vector: NumberVector, at: Int32Array, values: Float32Array): void {
    const { name, encoder, start } = plan.column;
    if (encoder.kind !== 'onehot') return;
    const missingSlot = encoder.missing === 'own-slot' ? encoder.values.length : -1;
    const otherSlot = encoder.other === 'own-slot' ? encoder.values.length + (missingSlot >= 0 ? 1 : 0) : -1;
    let missing = 0;
    let unseen = 0;
    for (let i = 0; i < at.length; i++) {
      const row = at[i] ?? -1;
      if (row < 0) continue;
      const code = vector.getItem(i) ?? MISSING;
      if (code === MISSING) missing++;
      if (code === UNSEEN) unseen++;
      const slot = code >= 0 ? code : code === MISSING ? missingSlot : otherSlot;
      if (slot >= 0) values[row * plan.width + start + slot] = 1;
    }
    add(this.#missing, name, missing);
    add(this.#unseen, name, unseen);
  }

  #writeIndices(
    plan: ColumnPlan,
    vector: NumberVector,
    first: number,
    at: Int32Array,
    values: BigInt64Array,
  ): void {
    const { name, encoder, start } = plan.column;
    if (encoder.kind !== 'index') return;
    const missingIndex = encoder.missing === 'own-index' ? encoder.first + encoder.values.length : 0;
    let missing = 0;
    let unseen = 0;
    for (let i = 0; i < at.length; i++) {
      const row = at[i] ?? -1;
      if (row < 0) continue;
      const code = vector.getItem(i) ?? MISSING;
      if (code === MISSING) missing++;
      if (code === UNSEEN) unseen++;
      if (code < 0 && encoder.first === 0 && !(code === MISSING && encoder.missing === 'own-index')) {
        throw new DataError(
          'wrong-type',
          `"${name}" of ${this.#table.name}, row ${first + i + 1}, is none of the values that the model's schema lists, and the schema has no index for other values.`,
          { file: this.#table.name, column: name, row: first + i + 1 },
        );
      }
      const index = code >= 0 ? encoder.first + code : code === MISSING ? missingIndex : 0;
      values[row * plan.width + start] = BigInt(index);
    }
    add(this.#missing, name, missing);
    add(this.#unseen, name, unseen);
  }
}

function add(counts: Map<string, number>, name: string, more: number): void {
  if (more > 0) counts.set(name, (counts.get(name) ?? 0) + more);
}

/** A column of a chunk that was selected as DOUBLE or INTEGER. */
export function numberVector(chunk: DuckDBDataChunk, index: number): NumberVector {
  const vector = chunk.getColumnVector(index);
  if (vector instanceof DuckDBDoubleVector || vector instanceof DuckDBIntegerVector) return vector;
  throw new DataError('internal', 'The table gave a column in a form that was not asked for.');
}

/** A number as DOUBLE (NaN where missing, NULL where it is none); a category as INTEGER: its position, −1 missing, −2 unknown. */
function columnSql(table: Table, column: FeatureColumn): string {
  const index = table.indexOf(column.name);
  const stored = table.source.relation.columns[index];
  if (stored === undefined) throw missingColumn(table, column.name);
  if (column.encoder.kind === 'standard' || column.encoder.kind === 'identity')
    return numberSql(stored, index);
  return codeSql(textSql(stored, index), column.encoder.values);
}

function labelSql(table: Table, schema: FeatureSchema): string | undefined {
  const index = table.indexOf(schema.target.column);
  const stored = table.source.relation.columns[index];
  if (stored === undefined) return undefined;
  return codeSql(classSql(stored, index), schema.target.classes.map(className));
}

/** A class name without the ".0" that some writers put behind whole numbers. */
export function className(text: string): string {
  return text.replace(/^([+-]?[0-9]+)\.0+$/, '$1');
}

/** The position of a text among `values`: −1 where it is NULL, −2 where it is not among them. */
export function codeSql(text: string, values: readonly string[]): string {
  const list = values.map(sqlText).join(', ');
  return `CASE WHEN ${text} IS NULL THEN ${MISSING} ELSE coalesce(CAST(enum_code(TRY_CAST(${text} AS ENUM (${list}))) AS INTEGER), ${UNSEEN}) END`;
}

/** The error for a cell that has to be a number and is not; `row` counts from 0. */
export function notANumber(table: Table, name: string, row: number): DataError {
  return new DataError(
    'wrong-type',
    `"${name}" of ${table.name} has to be a number, and row ${row + 1} has something else. Correct it, leave the cell empty, or declare the column a number to read such cells as missing.`,
    { file: table.name, column: name, row: row + 1 },
  );
}

function missingColumn(table: Table, name: string): DataError {
  const suggestion = nearestName(name, table.columnNames());
  const hint = suggestion === undefined ? '' : ` It has a column "${suggestion}"; was that meant?`;
  return new DataError(
    'missing-column',
    `${table.name} has no column "${name}", which the model needs.${hint}`,
    {
      file: table.name,
      column: name,
      ...(suggestion === undefined ? {} : { suggestion }),
    },
  );
}
