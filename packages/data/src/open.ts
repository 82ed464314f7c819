/** The front door: a table from a file or by name. */
import { basename } from 'node:path';
import { DataError } from './errors.ts';
import { NAMED_DATA_SETS, namedDataSet } from './named/catalog.ts';
import { type LocatedFile, type LocateOptions, locate } from './named/locate.ts';
import { SYNTHETIC_CENSUS, syntheticCensus } from './named/synthetic-census.ts';
import { digestOf, openFile, type ReadOptions, type Table, tableOf } from './table/table.ts';

/** How a table is found and read. */
export interface OpenOptions extends ReadOptions, LocateOptions {}

/**
 * Opens a table: a data set by its name (`adult`, `diabetes`, or `synthetic-census` with its default rows and seed), else the file at that path (CSV, TSV, Parquet, JSON Lines). A file
 * that happens to be called like a data set is meant by `./adult`.
 *
 * @example
 * using table = await openTable('adult', { dataDir: 'data' });
 * const { schema } = await fitSchema(table, { target: 'income', split: { seed: 1, testFraction: 0.2 } });
 * const encoded = await encodeTable(table, schema);
 *
 * @throws DataError
 */
export async function openTable(pathOrName: string, options: OpenOptions = {}): Promise<Table> {
  if (pathOrName === SYNTHETIC_CENSUS) return await syntheticCensus(options);
  const set = namedDataSet(pathOrName);
  if (set === undefined) return await openPlainFile(pathOrName, options);
  const files: LocatedFile[] = [];
  for (const file of set.files) files.push(await locate(file, options));
  const relation = set.relation(files.map((file) => file.path));
  return await tableOf(
    {
      name: set.name,
      digest: digestOf(files),
      files,
      notes: set.notes,
      synthetic: false,
      target: set.target,
    },
    () => Promise.resolve(relation),
    options,
  );
}

async function openPlainFile(path: string, options: OpenOptions): Promise<Table> {
  let table: Table;
  try {
    table = await openFile(path, options);
  } catch (error) {
    // "Adult" or "adlut": neither a file nor a name, but perhaps a name was meant.
    if (error instanceof DataError && error.code === 'file-not-found' && !/[./\\]/.test(path)) {
      const names = [...Object.keys(NAMED_DATA_SETS), SYNTHETIC_CENSUS].join(', ');
      throw new DataError(
        'file-not-found',
        `There is no file ${path} and no data set of that name (there are: ${names}).`,
        error.place,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
  const known = Object.values(NAMED_DATA_SETS).find((set) =>
    set.files.some((file) => file.sha256 === table.digest),
  );
  if (known === undefined || options.names !== undefined) return table;
  const note = `${basename(path)} belongs to the data set "${known.name}"; open it by that name to have its columns named.`;
  return table.withNotes([note]);
}
