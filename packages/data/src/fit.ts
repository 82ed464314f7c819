/** Feature schemas from data: which columns become features, and how, by what the training rows hold. */
import type { DuckDBDataChunk } from '@duckdb/node-api';
import { className, codeSql, notANumber, numberVector } from './encode.ts';
import { DataError } from './errors.ts';
import { unknownName } from './names.ts';
import type { Watch } from './progress.ts';
import {
  type ColumnEncoder,
  type FeatureColumn,
  FeatureSchema,
  type GraphInput,
  slotCount,
} from './schema/schema.ts';
import { allRows, splitRows } from './split.ts';
import type { Column, ColumnKind } from './table/profile.ts';
import { classSql, numberSql, textSql } from './table/relation.ts';
import { byCodePoint, type Table } from './table/table.ts';

/** What to learn, and from what. */
export interface FitOptions extends Watch {
  /** The column to predict. */
  readonly target: string;
  /** Columns to leave out. */
  readonly drop?: readonly string[];
  /** What columns are, where the table's own inference is not what is meant. */
  readonly types?: Readonly<Record<string, ColumnKind>>;
  /** How the test rows were set aside; goes into the schema. */
  readonly split?: { readonly seed: number; readonly testFraction: number };
  /** Rows to fit on; by default the training rows of `split`, or all rows where there is no split. */
  readonly trainRows?: Uint32Array;
  /** Number of clients of a federated training; goes into the schema. */
  readonly clients?: number;
  /** Categories with more values than this are numbered for an embedding instead of one-hot; 64 by default. */
  readonly mostOneHot?: number;
  /** An embedding keeps this many values, the most frequent ones; 1000 by default. */
  readonly mostIndexed?: number;
  /** Whether numbers with missing values get a second slot that says so; false by default. */
  readonly missingIndicator?: boolean;
  /** Name of the graph input of numbers and one-hot columns; `features` by default. */
  readonly input?: string;
  /** Name of the graph output; `logits` by default. */
  readonly output?: string;
}

/** A schema and what was decided for it. */
export interface FittedSchema {
  readonly schema: FeatureSchema;
  /** Sentences on everything that was decided: what was left out, what was filled in. */
  readonly notes: readonly string[];
  /** Training rows per class, in the order of the classes. */
  readonly classCounts: readonly number[];
}

/** An embedding learns nothing of a value that it sees less often; such values are "other". */
const LEAST_OCCURRENCES = 5;
/** More classes than this are taken for a mistake. */
const MOST_CLASSES = 1000;
/** A numeric target with fractions, or with more values than this, is a quantity and no class. */
const MOST_NUMERIC_CLASSES = 100;
const MOST_FRACTIONAL_CLASSES = 20;
/** A column whose values all differ is an identifier, if there are at least so many. */
const LEAST_IDENTIFIERS = 20;
/** Longer values are texts to read, not categories. */
const LONGEST_CATEGORY = 1000;

/**
 * Fits a schema to the training rows of a table.
 *
 * Numbers are standardised by the mean and the standard deviation (divided by N, as scikit-learn's StandardScaler does) of the values
 * that are there, and missing ones become the mean. Categories become one-hot in the order of their code points, with a slot for
 * "missing" if the training rows have such; with more than `mostOneHot` values they are numbered for an embedding. Constant columns,
 * identifiers and long texts are left out and named.
 *
 * @throws DataError `unknown-column`, `target-is-feature`, `one-class`, `not-a-classifier-target`, `mixed-types`, `wrong-type`, `no-rows`,
 *   `no-features`
 */
export async function fitSchema(table: Table, options: FitOptions): Promise<FittedSchema> {
  const dropped = new Set(options.drop ?? []);
  table.column(options.target);
  for (const name of [...dropped, ...Object.keys(options.types ?? {})]) table.column(name);
  if (dropped.has(options.target)) {
    throw new DataError(
      'target-is-feature',
      `"${options.target}" is the target; it cannot be left out as well.`,
      {
        column: options.target,
      },
    );
  }
  const trainRows =
    options.trainRows ??
    (options.split === undefined ? allRows(table.rows) : splitRows(table.rows, options.split).train);
  if (trainRows.length === 0)
    throw new DataError('no-rows', `There are no training rows in ${table.name}.`, { file: table.name });

  const notes: string[] = [];
  const ignored: { name: string; reason: string }[] = [];
  const leaveOut = (name: string, reason: string): void => {
    ignored.push({ name, reason });
    if (!dropped.has(name)) notes.push(`"${name}" is left out: ${reason}.`);
  };
  const candidates: Candidate[] = [];
  for (const [index, column] of table.columns.entries()) {
    if (column.name === options.target) continue;
    const given =
      options.types !== undefined && Object.hasOwn(options.types, column.name)
        ? options.types[column.name]
        : undefined;
    const kind = given ?? column.kind;
    const declared = given !== undefined || column.declared;
    if (dropped.has(column.name)) leaveOut(column.name, 'left out on request');
    else if (column.missing === table.rows) leaveOut(column.name, 'it has no values');
    else if (kind === 'category' && column.longest > LONGEST_CATEGORY)
      leaveOut(column.name, 'its values are long texts');
    else {
      if (!declared) await requireUnmixed(table, column, index, options.signal);
      if (kind === 'number' && column.numbers === 0) {
        throw new DataError(
          'wrong-type',
          `"${column.name}" of ${table.name} was declared a number and has none.`,
          {
            file: table.name,
            column: column.name,
          },
        );
      }
      candidates.push({ index, column, kind, declared });
    }
  }

  const classes = await listClasses(table, options.target, options.signal);
  const counted = await countTrainingRows(table, candidates, options.target, classes, trainRows, options);
  const target = chooseClasses(table, options.target, classes, counted.classes, notes);

  const chosen: { column: Column; encoder: ColumnEncoder }[] = [];
  for (const [i, candidate] of candidates.entries()) {
    const { column } = candidate;
    const number = counted.numbers[i];
    const category = counted.categories[i];
    const encoder =
      number !== undefined
        ? numberEncoder(candidate, number, options.missingIndicator === true)
        : category !== undefined
          ? categoryEncoder(column, category, options.mostOneHot ?? 64, options.mostIndexed ?? 1000)
          : 'it has no values';
    if (typeof encoder === 'string') {
      leaveOut(column.name, encoder);
      continue;
    }
    chosen.push({ column, encoder });
    notes.push(...notesOn(candidate, encoder, number, category));
  }
  if (chosen.length === 0) {
    throw new DataError(
      'no-features',
      `${table.name} has nothing to learn "${options.target}" from: every other column is left out.`,
      {
        file: table.name,
      },
    );
  }
  const { inputs, columns } = place(chosen, options.input ?? 'features');
  const schema = FeatureSchema.parse({
    version: 1,
    inputs,
    columns,
    ignored,
    output: { name: options.output ?? 'logits', kind: 'logits' },
    target: { column: options.target, classes: target.map((entry) => entry.value) },
    training: {
      name: table.name,
      digest: table.digest,
      rows: table.rows,
      synthetic: table.synthetic,
      ...(options.split === undefined ? {} : { split: options.split }),
      ...(options.clients === undefined ? {} : { clients: options.clients }),
    },
  });
  return { schema, notes, classCounts: target.map((entry) => entry.count) };
}

interface Candidate {
  readonly index: number;
  readonly column: Column;
  readonly kind: ColumnKind;
  readonly declared: boolean;
}

/** Numbers of the training rows: Welford's running mean and sum of squared deviations. */
interface NumberSummary {
  count: number;
  mean: number;
  squares: number;
  missing: number;
}

/** Categories of the training rows: how often each of the table's values occurs. */
interface CategorySummary {
  readonly values: readonly string[];
  readonly counts: Uint32Array;
  missing: number;
  unlisted: number;
}

interface ClassCount {
  readonly value: string;
  readonly count: number;
}

/** A column that is half numbers is a mistake more often than a category: nobody should find out from the model's accuracy. */
async function requireUnmixed(
  table: Table,
  column: Column,
  index: number,
  signal?: AbortSignal,
): Promise<void> {
  const present = table.rows - column.missing;
  const others = present - column.numbers;
  if (column.kind !== 'category' || column.numbers < present / 2 || others === 0 || column.distinct <= 20)
    return;
  let row = 0;
  let found = 0;
  const { database, relation } = table.source;
  for await (const chunk of database.chunks(
    `SELECT CASE WHEN c${index} IS NOT NULL AND TRY_CAST(c${index} AS DOUBLE) IS NULL THEN 1 ELSE 0 END FROM (${relation.sql})`,
    signal,
  )) {
    const vector = numberVector(chunk, 0);
    for (let i = 0; i < chunk.rowCount && found === 0; i++) if (vector.getItem(i) === 1) found = row + i + 1;
    if (found > 0) break;
    row += chunk.rowCount;
  }
  throw new DataError(
    'mixed-types',
    `"${column.name}" of ${table.name} has ${column.numbers} numbers and ${others} values that are none, the first in row ${found}. Correct them, or declare the column: as a number (the others then count as missing) or as a category.`,
    { file: table.name, column: column.name, row: found },
  );
}

async function listClasses(table: Table, target: string, signal?: AbortSignal): Promise<readonly string[]> {
  const index = table.indexOf(target);
  const column = table.column(target);
  const refuse = (what: string): DataError =>
    new DataError(
      'not-a-classifier-target',
      `"${target}" of ${table.name} cannot be the target of a classifier: ${what}. Choose a column of classes.`,
      { file: table.name, column: target },
    );
  const present = table.rows - column.missing;
  if (present === 0) throw refuse('it has no values');
  const numeric = column.numbers === present;
  if (numeric && !column.whole && column.distinct > MOST_FRACTIONAL_CLASSES * 2)
    throw refuse('it is a continuous number');
  if (column.distinct > MOST_CLASSES * 2) throw refuse('it has more than a thousand different values');
  const [values = []] = await table.values([index], 'class', signal);
  if (numeric && !column.whole && values.length > MOST_FRACTIONAL_CLASSES)
    throw refuse('it is a continuous number');
  if (numeric && values.length > MOST_NUMERIC_CLASSES)
    throw refuse(`it is a number with ${values.length} different values`);
  if (values.length > MOST_CLASSES) throw refuse(`it has ${values.length} different values`);
  if (values.length === present && present >= LEAST_IDENTIFIERS) throw refuse('its values all differ');
  return numeric ? [...values].sort((a, b) => Number(a) - Number(b)) : values;
}

function chooseClasses(
  table: Table,
  target: string,
  classes: readonly string[],
  counts: Uint32Array,
  notes: string[],
): readonly ClassCount[] {
  const all = classes.map((value, i) => ({ value: className(value), count: counts[i] ?? 0 }));
  const chosen = all.filter((entry) => entry.count > 0);
  if (chosen.length < 2) {
    throw new DataError(
      'one-class',
      `The training rows of ${table.name} have ${chosen.length === 1 ? 'only one class' : 'no class'} in "${target}"; a classifier needs at least two.`,
      { file: table.name, column: target },
    );
  }
  if (chosen.length < all.length) {
    notes.push(
      `${all.length - chosen.length} classes of "${target}" are in no training row and cannot be learned.`,
    );
  }
  const { missing } = table.column(target);
  if (missing > 0)
    notes.push(`${missing} rows have no "${target}" and are used neither to train nor to measure.`);
  return chosen;
}

/** One pass over the table: what the training rows hold in each candidate and in the target. */
async function countTrainingRows(
  table: Table,
  candidates: readonly Candidate[],
  target: string,
  classes: readonly string[],
  trainRows: Uint32Array,
  watch: Watch,
): Promise<{
  readonly numbers: readonly (NumberSummary | undefined)[];
  readonly categories: readonly (CategorySummary | undefined)[];
  readonly classes: Uint32Array;
}> {
  const { database, relation } = table.source;
  const categorical = candidates.filter((candidate) => candidate.kind === 'category');
  const lists = await table.values(
    categorical.map((candidate) => candidate.index),
    'text',
    watch.signal,
  );
  const valuesOf = new Map(categorical.map((candidate, i) => [candidate.index, lists[i] ?? []]));
  const numbers = candidates.map(({ kind }): NumberSummary | undefined =>
    kind === 'number' ? { count: 0, mean: 0, squares: 0, missing: 0 } : undefined,
  );
  const categories = candidates.map(({ index }): CategorySummary | undefined => {
    const values = valuesOf.get(index);
    return values === undefined || values.length === 0
      ? undefined
      : { values, counts: new Uint32Array(values.length), missing: 0, unlisted: 0 };
  });
  const select = candidates.map((candidate) => {
    const column = relation.columns[candidate.index];
    if (column === undefined)
      throw unknownName('unknown-column', table.name, candidate.column.name, table.columnNames());
    const values = valuesOf.get(candidate.index);
    if (candidate.kind === 'number') return numberSql(column, candidate.index);
    return values === undefined || values.length === 0
      ? '0'
      : codeSql(textSql(column, candidate.index), values);
  });
  const targetIndex = table.indexOf(target);
  const stored = relation.columns[targetIndex];
  if (stored !== undefined) select.push(codeSql(classSql(stored, targetIndex), classes));
  const classCounts = new Uint32Array(classes.length);
  const wanted = new Uint8Array(table.rows);
  for (const row of trainRows) {
    if (row >= table.rows) {
      throw new DataError(
        'out-of-range',
        `Row ${row + 1} was to be trained on, but ${table.name} has ${table.rows} rows.`,
      );
    }
    wanted[row] = 1;
  }
  let first = 0;
  for await (const chunk of database.chunks(
    `SELECT ${select.join(', ')} FROM (${relation.sql})`,
    watch.signal,
  )) {
    const rows = wanted.subarray(first, first + chunk.rowCount);
    for (const [i, candidate] of candidates.entries()) {
      const number = numbers[i];
      const category = categories[i];
      if (number !== undefined) addNumbers(number, chunk, i, rows, table, candidate, first);
      else if (category !== undefined) addCategories(category, chunk, i, rows);
    }
    const labels = numberVector(chunk, candidates.length);
    for (let i = 0; i < rows.length; i++) {
      const label = rows[i] === 1 ? (labels.getItem(i) ?? -1) : -1;
      if (label >= 0) classCounts[label] = (classCounts[label] ?? 0) + 1;
    }
    first += chunk.rowCount;
    watch.onProgress?.({ step: `measuring ${table.name}`, done: first, total: table.rows, unit: 'rows' });
  }
  await table.requireUnchanged();
  return { numbers, categories, classes: classCounts };
}

/**
 * Welford's update, which stays exact where the mean is large against the spread:
 *
 *     δ = x − m,   m ← m + δ / n,   S ← S + δ (x − m),   variance = S / n
 */
function addNumbers(
  summary: NumberSummary,
  chunk: DuckDBDataChunk,
  at: number,
  rows: Uint8Array,
  table: Table,
  candidate: Candidate,
  first: number,
): void {
  const vector = numberVector(chunk, at);
  for (let i = 0; i < rows.length; i++) {
    if (rows[i] !== 1) continue;
    const value = vector.getItem(i);
    if (value === null && !candidate.declared) throw notANumber(table, candidate.column.name, first + i);
    if (value === null || !Number.isFinite(value)) {
      summary.missing++;
      continue;
    }
    summary.count++;
    const delta = value - summary.mean;
    summary.mean += delta / summary.count;
    summary.squares += delta * (value - summary.mean);
  }
}

function addCategories(summary: CategorySummary, chunk: DuckDBDataChunk, at: number, rows: Uint8Array): void {
  const vector = numberVector(chunk, at);
  const { counts } = summary;
  for (let i = 0; i < rows.length; i++) {
    if (rows[i] !== 1) continue;
    const code = vector.getItem(i) ?? -1;
    if (code >= 0) counts[code] = (counts[code] ?? 0) + 1;
    else if (code === -1) summary.missing++;
    else summary.unlisted++;
  }
}

/** The encoder, or why the column is left out. */
function numberEncoder(
  candidate: Candidate,
  summary: NumberSummary,
  indicator: boolean,
): ColumnEncoder | string {
  const std = Math.sqrt(summary.squares / summary.count);
  if (summary.count === 0) return 'it has no values in the training rows';
  // A spread below the rounding error of the mean is no spread.
  if (!(std > Math.abs(summary.mean) * 1e-12)) return 'it is constant in the training rows';
  if (!Number.isFinite(std)) return 'its numbers are too large to be standardised';
  return {
    kind: 'standard',
    mean: summary.mean,
    std,
    ...(summary.missing > 0 ? { missing: { fill: summary.mean, indicator } } : {}),
    invalid: candidate.declared ? 'missing' : 'error',
  };
}

/** The encoder, or why the column is left out. */
function categoryEncoder(
  column: Column,
  summary: CategorySummary,
  mostOneHot: number,
  mostIndexed: number,
): ColumnEncoder | string {
  const seen = summary.values.flatMap((value, i) =>
    (summary.counts[i] ?? 0) > 0 ? [{ value, count: summary.counts[i] ?? 0 }] : [],
  );
  const present = seen.reduce((sum, entry) => sum + entry.count, 0) + summary.unlisted;
  if (present === 0) return 'it has no values in the training rows';
  if (seen.length === 1 && summary.missing === 0 && summary.unlisted === 0)
    return 'it is constant in the training rows';
  if (seen.length === present && present >= LEAST_IDENTIFIERS)
    return 'its values all differ, as those of an identifier do';
  if (seen.length <= mostOneHot && summary.unlisted === 0) {
    return {
      kind: 'onehot',
      values: seen.map((entry) => entry.value),
      missing: summary.missing > 0 ? 'own-slot' : 'zeros',
      other: 'zeros',
    };
  }
  const frequent = seen
    .filter((entry) => entry.count >= LEAST_OCCURRENCES)
    .sort((a, b) => b.count - a.count || byCodePoint(a.value, b.value))
    .slice(0, mostIndexed);
  if (frequent.length < 2)
    return `almost all of its ${column.distinct} values occur too rarely to learn from`;
  return {
    kind: 'index',
    values: frequent.map((entry) => entry.value).sort(byCodePoint),
    missing: summary.missing > 0 ? 'own-index' : 'other',
    first: 1,
  };
}

function notesOn(
  { column, kind, declared }: Candidate,
  encoder: ColumnEncoder,
  number: NumberSummary | undefined,
  category: CategorySummary | undefined,
): readonly string[] {
  const notes: string[] = [];
  const missing = number?.missing ?? category?.missing ?? 0;
  if (missing > 0 && kind === 'number') {
    notes.push(`"${column.name}": ${missing} missing values of the training rows become the mean.`);
  } else if (missing > 0)
    notes.push(
      `"${column.name}": ${missing} missing values of the training rows are a category of their own.`,
    );
  if (kind === 'number' && declared && column.numbers > 0 && column.kind === 'category') {
    notes.push(`"${column.name}" is read as a number as declared; what is none counts as missing.`);
  }
  if (encoder.kind === 'index') {
    notes.push(
      `"${column.name}" has ${column.distinct} different values and is numbered for an embedding: ${encoder.values.length} values have their own number, the rest share one.`,
    );
  }
  const { range } = column;
  // As many whole numbers as there are rows, all different and without gaps (the number of different ones is an estimate).
  if (
    kind === 'number' &&
    column.whole &&
    column.missing === 0 &&
    range !== undefined &&
    column.numbers >= LEAST_IDENTIFIERS
  ) {
    const span = range.largest - range.least + 1;
    if (span === column.numbers && column.distinct > 0.7 * span) {
      notes.push(`"${column.name}" looks like a row number; leave it out if it is one.`);
    }
  }
  return notes;
}

/** Numbers and one-hot columns side by side in one input, each numbered column in an input of its own. */
function place(
  chosen: readonly { readonly column: Column; readonly encoder: ColumnEncoder }[],
  shared: string,
): { readonly inputs: readonly GraphInput[]; readonly columns: readonly FeatureColumn[] } {
  const own: GraphInput[] = [];
  let width = 0;
  const columns = chosen.map(({ column, encoder }): FeatureColumn => {
    const length = slotCount(encoder);
    const base = { name: column.name, encoder, length } as const;
    if (encoder.kind === 'index') {
      const name = `${shared}.${column.name}`;
      own.push({ name, elementType: 'int64', width: 1 });
      return { ...base, kind: 'category', input: name, start: 0 };
    }
    const start = width;
    width += length;
    return { ...base, kind: encoder.kind === 'onehot' ? 'category' : 'number', input: shared, start };
  });
  const inputs: GraphInput[] = width === 0 ? own : [{ name: shared, elementType: 'float32', width }, ...own];
  return { inputs, columns };
}
