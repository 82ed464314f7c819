/** Tables in: schema, encoders, digests, splits, named data sets. */
export {
  type BatchOptions,
  type EncodedTable,
  type EncodeOptions,
  type EncodeReport,
  encodeBatches,
  encodeTable,
} from './encode.ts';
export * from './errors.ts';
export * from './fit.ts';
export { NAMED_DATA_SETS, type NamedDataSet, namedDataSet, type PublishedFile } from './named/catalog.ts';
export { cacheDirectory, type LocatedFile, type LocateOptions, locate } from './named/locate.ts';
export {
  SYNTHETIC_CENSUS,
  SYNTHETIC_CENSUS_TRUTH,
  type SyntheticCensusOptions,
  syntheticCensus,
  syntheticCensusCsv,
} from './named/synthetic-census.ts';
export { editDistance, nearestName } from './names.ts';
export { type OpenOptions, openTable } from './open.ts';
export type { Progress, Watch } from './progress.ts';
export * from './schema/parse.ts';
export * from './schema/schema.ts';
export * from './split.ts';
export type { DatabaseLimits } from './table/database.ts';
export { type Column, type ColumnKind, MOST_LISTED_VALUES } from './table/profile.ts';
export { MISSING_MARKS, MOST_COLUMNS, type TableFormat } from './table/relation.ts';
export type { ScannedFile } from './table/scan.ts';
export { openFile, type ReadOptions, Table } from './table/table.ts';
