/**
 * A synthetic census: made-up people whose income is decided by known equations, for use where no real data are at hand and
 * for measuring whether a method finds what is there to be found.
 *
 * With u₁, u₂, … uniform on [0, 1), z standard normal, [A] one where A holds and zero elsewhere, and σ(x) = 1 / (1 + e⁻ˣ), every
 * person is drawn on their own:
 *
 *     sex              Male with probability 0.52, else Female
 *     age              18 + ⌊62 (0.6 u₁ + 0.4 u₂)⌋ years
 *     education-years  12.8 + 2.4 z, rounded, from 8 to 20
 *     education        a name for education-years, and nothing else
 *     marital-status   softmax of: Never-married 2.6 − 0.085 (age − 18),  Married 0.9,
 *                      Divorced −1.6 + 0.03 (age − 18),  Widowed −5.2 + 0.085 (age − 18) + 0.5 [Female]
 *     relationship     Married: Husband or Wife (by sex), but Other-relative with probability 0.03;
 *                      else Own-child with probability 0.75 below 25 years and 0.1 from then on, else Not-in-family or
 *                      Unmarried with equal probability
 *     occupation       softmax of: Manual 0.4 − 0.35 e + 0.7 [Male],  Service 0.3 − 0.25 e + 0.5 [Female],
 *                      Clerical 0.2 + 0.7 [Female],  Sales 0.1,  Professional −0.6 + 0.45 e,  Manager −0.5 + 0.25 e + 0.4 [Male]
 *                      with e = education-years − 12; then missing with probability 0.05
 *     hours-per-week   40 + 2.5 [Male] + 4 [Manager] − 2 [Service] + 8 z, rounded, from 1 to 99
 *     region           North, East, South or West with equal probability
 *     income           >50K with probability σ(−3.2 + 0.03 (age − 40) − 0.0012 (age − 50)² + 0.28 e + 0.035 (hours − 40)
 *                      + 1.9 [Married] + 0.9 [Manager] + 0.7 [Professional] − 0.6 [Service]), else <=50K
 *
 * The occupation in these equations is the true one, also where the table does not show it. So `relationship`, `education`, `sex` and
 * `region` have no effect of their own on income: the first three are tied to it through other columns, the last not at all.
 */
import { createHash } from 'node:crypto';
import type { RandomStream } from '@assay/random';
import { DataError } from '../errors.ts';
import { stream } from '../split.ts';
import { Database, type DatabaseLimits } from '../table/database.ts';
import type { ColumnKind } from '../table/profile.ts';
import { profiled, type Table } from '../table/table.ts';

/** The name of the synthetic census wherever a data set is named. */
export const SYNTHETIC_CENSUS = 'synthetic-census';

const COLUMNS = [
  'age',
  'sex',
  'education-years',
  'education',
  'marital-status',
  'relationship',
  'occupation',
  'hours-per-week',
  'region',
  'income',
] as const;

/** What the equations say of the columns: which ones income depends on itself, and which only seem to matter or do not. */
export const SYNTHETIC_CENSUS_TRUTH = {
  target: 'income',
  direct: ['age', 'education-years', 'marital-status', 'occupation', 'hours-per-week'],
  /** Tied to income through other columns only. */
  proxies: ['sex', 'education', 'relationship'],
  independent: ['region'],
} as const;

export interface SyntheticCensusOptions {
  /** Number of people; 48,842 by default, as many as Adult has. */
  readonly rows?: number;
  readonly seed?: number;
  readonly types?: Readonly<Record<string, ColumnKind>>;
  readonly limits?: DatabaseLimits;
  readonly signal?: AbortSignal;
}

const OCCUPATIONS = ['Manual', 'Service', 'Clerical', 'Sales', 'Professional', 'Manager'] as const;
const MARITAL = ['Never-married', 'Married', 'Divorced', 'Widowed'] as const;
const REGIONS = ['North', 'East', 'South', 'West'] as const;

/**
 * The synthetic census as a table, held in memory (large ones are put aside on the disk). Its digest is that of
 * {@link syntheticCensusCsv} with the same rows and seed.
 *
 * @throws DataError `out-of-range`
 */
export async function syntheticCensus(options: SyntheticCensusOptions = {}): Promise<Table> {
  const { rows, seed } = sizeOf(options);
  const hash = createHash('sha256').update(header());
  function* people(): Generator<readonly (string | null)[]> {
    for (const person of draw(rows, seed)) {
      options.signal?.throwIfAborted();
      hash.update(line(person));
      yield person.map((cell) => (cell === '' ? null : cell));
    }
  }
  const database = await Database.open([], SYNTHETIC_CENSUS, options.limits);
  try {
    await database.rows(`CREATE TABLE held (${COLUMNS.map((_, i) => `c${i} VARCHAR`).join(', ')})`);
    await database.append('held', people());
    const relation = {
      sql: 'SELECT * FROM held',
      columns: COLUMNS.map((name) => ({ name, storage: 'text' as const })),
      notes: [],
    };
    const notes = [
      `These people are made up: ${rows} rows drawn by known equations from seed ${seed}. Nothing measured on them holds for real people.`,
    ];
    const description = {
      name: SYNTHETIC_CENSUS,
      digest: hash.digest('hex'),
      files: [],
      notes,
      synthetic: true,
      target: SYNTHETIC_CENSUS_TRUTH.target,
    };
    return await profiled(database, relation, description, options);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The synthetic census as the text of a CSV file, piece by piece: a header, then one line per person. */
export function* syntheticCensusCsv(
  options: SyntheticCensusOptions = {},
): Generator<string, void, undefined> {
  const { rows, seed } = sizeOf(options);
  let piece = header();
  for (const person of draw(rows, seed)) {
    piece += line(person);
    if (piece.length < 64 * 1024) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

function sizeOf({ rows = 48_842, seed = 1 }: SyntheticCensusOptions): {
  readonly rows: number;
  readonly seed: number;
} {
  if (!Number.isInteger(rows) || rows < 1 || rows > 2 ** 31) {
    throw new DataError(
      'out-of-range',
      `The synthetic census needs a whole number of rows from 1 to 2^31, not ${rows}.`,
    );
  }
  return { rows, seed };
}

function header(): string {
  return `${COLUMNS.join(',')}\n`;
}

/** No cell contains a separator or a quote. */
function line(person: readonly string[]): string {
  return `${person.join(',')}\n`;
}

/** One person after the other, cells in the order of the columns; a missing cell is empty. */
function* draw(rows: number, seed: number): Generator<readonly string[]> {
  const random = stream(seed, 'census');
  for (let row = 0; row < rows; row++) yield person(random);
}

function person(random: RandomStream): readonly string[] {
  const male = random.uniform() < 0.52;
  const age = 18 + Math.floor(62 * (0.6 * random.uniform() + 0.4 * random.uniform()));
  const years = clamp(Math.round(12.8 + 2.4 * random.normal()), 8, 20);
  const e = years - 12;
  const t = age - 18;
  const marital =
    MARITAL[choose([2.6 - 0.085 * t, 0.9, -1.6 + 0.03 * t, -5.2 + 0.085 * t + (male ? 0 : 0.5)], random)] ??
    'Married';
  const relationship = relationshipOf(marital, male, age, random);
  const scores = [
    0.4 - 0.35 * e + (male ? 0.7 : 0),
    0.3 - 0.25 * e + (male ? 0 : 0.5),
    0.2 + (male ? 0 : 0.7),
    0.1,
    -0.6 + 0.45 * e,
    -0.5 + 0.25 * e + (male ? 0.4 : 0),
  ];
  const occupation = OCCUPATIONS[choose(scores, random)] ?? 'Sales';
  const shown = random.uniform() < 0.05 ? '' : occupation;
  const hours = clamp(
    Math.round(
      40 +
        (male ? 2.5 : 0) +
        (occupation === 'Manager' ? 4 : 0) -
        (occupation === 'Service' ? 2 : 0) +
        8 * random.normal(),
    ),
    1,
    99,
  );
  const region = REGIONS[random.integer(4)] ?? 'North';
  const effect = { Manual: 0, Service: -0.6, Clerical: 0, Sales: 0, Professional: 0.7, Manager: 0.9 }[
    occupation
  ];
  const logit =
    -3.2 +
    0.03 * (age - 40) -
    0.0012 * (age - 50) ** 2 +
    0.28 * e +
    0.035 * (hours - 40) +
    (marital === 'Married' ? 1.9 : 0) +
    effect;
  const income = random.uniform() < 1 / (1 + Math.exp(-logit)) ? '>50K' : '<=50K';
  return [
    String(age),
    male ? 'Male' : 'Female',
    String(years),
    educationOf(years),
    marital,
    relationship,
    shown,
    String(hours),
    region,
    income,
  ];
}

function educationOf(years: number): string {
  if (years < 10) return 'Basic';
  if (years < 13) return 'School';
  if (years < 16) return 'College';
  return years < 18 ? 'Bachelor' : 'Advanced';
}

function relationshipOf(marital: string, male: boolean, age: number, random: RandomStream): string {
  const u = random.uniform();
  const v = random.uniform();
  if (marital === 'Married') return u < 0.03 ? 'Other-relative' : male ? 'Husband' : 'Wife';
  if (u < (age < 25 ? 0.75 : 0.1)) return 'Own-child';
  return v < 0.5 ? 'Not-in-family' : 'Unmarried';
}

/** A position drawn with probabilities softmax(scores). */
function choose(scores: readonly number[], random: RandomStream): number {
  const weights = scores.map(Math.exp);
  let rest = random.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    rest -= weight;
    if (rest < 0) return i;
  }
  return weights.length - 1;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
