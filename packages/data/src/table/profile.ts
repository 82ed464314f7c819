/** What the columns of a relation hold: numbers or categories, how many values are missing, how many differ. */
import type { DuckDBValue } from '@duckdb/node-api';
import type { Database } from './database.ts';
import { type Relation, type RelationColumn, textSql } from './relation.ts';

/** A number to be measured, or a category to be told apart. */
export type ColumnKind = 'number' | 'category';

/** A column of a table and what was found in it. */
export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Whether the caller said the kind; values that are no numbers are then missing numbers. */
  readonly declared: boolean;
  /** Rows without a value. */
  readonly missing: number;
  /** Different values; exact up to {@link MOST_LISTED_VALUES} for categories, else an estimate within some ten per cent. */
  readonly distinct: number;
  /** Infinite or undefined numbers; they count as missing where the column is a number. */
  readonly notFinite: number;
  /** Values that can be read as numbers. */
  readonly numbers: number;
  /** Least and largest finite number, where there is one. */
  readonly range: { readonly least: number; readonly largest: number } | undefined;
  /** Whether every number is whole. */
  readonly whole: boolean;
  /** Length of the longest value in characters. */
  readonly longest: number;
}

/** Categories with more values than this are not listed one by one. */
export const MOST_LISTED_VALUES = 20_000;
/** Columns in one query: each one that is counted exactly takes megabytes for its hash table. */
const COLUMNS_AT_ONCE = 32;

/** Row count and columns of a relation, in two passes. `types` overrides what would be inferred. */
export async function profile(
  database: Database,
  relation: Relation,
  types: Readonly<Record<string, ColumnKind>>,
  signal?: AbortSignal,
): Promise<{
  readonly rows: number;
  readonly columns: readonly Column[];
  readonly notes: readonly string[];
}> {
  let rows = 0;
  const notes: string[] = [];
  const columns: Column[] = [];
  for (let start = 0; start < relation.columns.length; start += COLUMNS_AT_ONCE) {
    const group = relation.columns.slice(start, start + COLUMNS_AT_ONCE);
    const first = await aggregate(
      database,
      relation,
      group.map((_, i) => start + i),
      contents,
      signal,
    );
    rows = first.rows;
    const guessed = group.map((column, i) => guess(column, first.values[i] ?? [], rows, types));
    const second = await aggregate(
      database,
      relation,
      group.map((_, i) => start + i),
      (text, number, i) => details(guessed[i]?.kind ?? 'category', guessed[i]?.distinct ?? 0, text, number),
      signal,
    );
    guessed.forEach((column, i) => {
      columns.push(detailed(column, group[i]?.storage ?? 'text', second.values[i] ?? [], notes));
    });
  }
  return { rows, columns, notes };
}

/** Aggregates over columns, given what they are as text and as number; the same number of them for every column. */
type Aggregates = (text: string, number: string, position: number) => readonly string[];

async function aggregate(
  database: Database,
  relation: Relation,
  indices: readonly number[],
  of: Aggregates,
  signal?: AbortSignal,
): Promise<{ readonly rows: number; readonly values: readonly (readonly DuckDBValue[])[] }> {
  const inner: string[] = [];
  const select: string[] = [];
  indices.forEach((index, i) => {
    const column = relation.columns[index];
    if (column === undefined) return;
    const number = column.storage === 'text' ? `TRY_CAST(c${index} AS DOUBLE)` : `CAST(c${index} AS DOUBLE)`;
    inner.push(`${textSql(column, index)} AS t${i}`, `${number} AS n${i}`);
    select.push(...of(`t${i}`, `n${i}`, i));
  });
  const [row = []] = await database.rows(
    `SELECT count(*), ${select.join(', ')} FROM (SELECT ${inner.join(', ')} FROM (${relation.sql}))`,
    signal,
  );
  const each = select.length / indices.length;
  return {
    rows: toNumber(row[0]),
    values: indices.map((_, i) => row.slice(1 + i * each, 1 + (i + 1) * each)),
  };
}

const contents: Aggregates = (text, number) => [
  `count(${text})`,
  `count(${number})`,
  `approx_count_distinct(${text})`,
  `max(length(${text}))`,
];

function guess(
  { name }: RelationColumn,
  values: readonly DuckDBValue[],
  rows: number,
  types: Readonly<Record<string, ColumnKind>>,
): Column {
  const [present = 0, numbers = 0, distinct = 0, longest = 0] = values.map(toNumber);
  const declared = Object.hasOwn(types, name) ? types[name] : undefined;
  return {
    name,
    kind: declared ?? (present > 0 && numbers === present ? 'number' : 'category'),
    declared: declared !== undefined,
    missing: rows - present,
    distinct: Math.min(distinct, present),
    notFinite: 0,
    numbers,
    range: undefined,
    whole: false,
    longest,
  };
}

function details(kind: ColumnKind, distinct: number, text: string, number: string): readonly string[] {
  // CASE, not FILTER: a query with many filters takes long to plan.
  const finite = `CASE WHEN isfinite(${number}) THEN ${number} END`;
  // The number of different categories is counted; that of different numbers stays an estimate.
  const exact = kind === 'category' && distinct > 0 && distinct <= MOST_LISTED_VALUES;
  return [
    exact ? `count(DISTINCT ${text})` : 'NULL',
    `count(CASE WHEN NOT isfinite(${number}) THEN 1 END)`,
    `min(${finite})`,
    `max(${finite})`,
    `bool_and(CASE WHEN isfinite(${number}) THEN ${number} = floor(${number}) END)`,
    // 007 and 02139 are codes: as numbers they would lose their zeros.
    kind === 'number'
      ? `count(CASE WHEN ${text} LIKE '0%' AND substr(${text}, 2, 1) BETWEEN '0' AND '9' THEN 1 END)`
      : 'NULL',
  ];
}

function detailed(
  column: Column,
  storage: RelationColumn['storage'],
  values: readonly DuckDBValue[],
  notes: string[],
): Column {
  const [distinct, notFinite, least, largest, whole, codes] = values;
  const looksLikeCodes = storage === 'text' && !column.declared && toNumber(codes) > 0;
  if (looksLikeCodes)
    notes.push(`"${column.name}" has numbers with leading zeros and was read as categories (codes).`);
  return {
    ...column,
    kind: looksLikeCodes ? 'category' : column.kind,
    distinct: typeof distinct === 'bigint' ? Number(distinct) : column.distinct,
    notFinite: toNumber(notFinite),
    range: typeof least === 'number' && typeof largest === 'number' ? { least, largest } : undefined,
    whole: whole === true,
  };
}

/** A count of the database (bigint) as a number; NULL is 0. */
export function toNumber(value: DuckDBValue | undefined): number {
  return typeof value === 'bigint' || typeof value === 'number' ? Number(value) : 0;
}
