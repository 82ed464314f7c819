/** Made-up tables of any size as files: every value is a hash of its place, so that they are the same everywhere. */
import { DuckDBInstance } from '@duckdb/node-api';

export type TableFormat = 'csv' | 'parquet';

export interface MadeUpTable {
  readonly rows: number;
  /** Feature columns: every other one a category of 5 values, the rest whole numbers from 0 to 99. */
  readonly features: number;
}

/** Values that columns of a row are hashed with apart. */
const PRIME = 1_000_003;

/**
 * Writes a table with the columns `f0`, `f1`, … and `target`, which is `yes` more often where the first number and the
 * first category are high.
 *
 * @param path a file name without quotes
 */
export async function writeTable(path: string, format: TableFormat, table: MadeUpTable): Promise<void> {
  const uniform = (column: number): string =>
    `(hash(row * ${PRIME} + ${column}) % 1000000)::DOUBLE / 1000000`;
  const columns = Array.from({ length: table.features }, (_, i) =>
    i % 2 === 0
      ? `floor(100 * ${uniform(i)})::INTEGER AS f${i}`
      : `chr(97 + floor(5 * ${uniform(i)})::INTEGER) AS f${i}`,
  );
  const score = `${uniform(0)} + 0.5 * ${uniform(1)} + 0.5 * ${uniform(table.features)}`;
  const target = `CASE WHEN ${score} > 1.1 THEN 'yes' ELSE 'no' END AS target`;
  const options = format === 'csv' ? 'FORMAT csv, HEADER' : 'FORMAT parquet';
  const instance = await DuckDBInstance.create(':memory:');
  try {
    const connection = await instance.connect();
    await connection.run(
      `COPY (SELECT ${[...columns, target].join(', ')} FROM range(${table.rows}) AS numbers(row)) TO '${path.replaceAll("'", "''")}' (${options})`,
    );
    connection.closeSync();
  } finally {
    instance.closeSync();
  }
}
