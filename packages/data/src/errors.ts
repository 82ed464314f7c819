/** Errors of this package: one class, told apart by `code`; every message is a sentence that a user can act on. */

/** What went wrong. The message says where and what to do; values of the data are never quoted. */
export type DataErrorCode =
  /** There is no such file, or it is a folder. */
  | 'file-not-found'
  /** The file is there but cannot be read. */
  | 'file-unreadable'
  /** The file changed while it was being read. */
  | 'file-changed'
  /** Neither the name nor the content tells the format. */
  | 'unknown-format'
  /** The text is in an encoding that cannot be read, or is no text. */
  | 'unsupported-encoding'
  /** The file is not what its format demands (broken quotes, JSON, Parquet). */
  | 'malformed'
  /** A row has more or fewer cells than there are columns. */
  | 'ragged-row'
  /** One line is longer than the limit. */
  | 'line-too-long'
  /** The table has no rows (or none that can be used). */
  | 'no-rows'
  | 'duplicate-columns'
  | 'too-many-columns'
  /** More rows or values than fit. */
  | 'too-large'
  /** A column named by the caller does not exist. */
  | 'unknown-column'
  /** A column that the schema needs is not in the table. */
  | 'missing-column'
  /** A column mixes numbers with other text and nobody said how to read it. */
  | 'mixed-types'
  /** A column does not hold what the schema (or the caller) says. */
  | 'wrong-type'
  /** The target is also named as a feature, or as a column to leave out. */
  | 'target-is-feature'
  /** The target has a single class in the training rows. */
  | 'one-class'
  /** The target is a continuous number or an identifier. */
  | 'not-a-classifier-target'
  /** Nothing is left to learn from. */
  | 'no-features'
  /** The feature schema is not valid. */
  | 'schema-invalid'
  /** The model carries no feature schema and none was given. */
  | 'schema-missing'
  /** A file is not byte for byte the published one. */
  | 'checksum'
  | 'download'
  /** A number of the caller's (a fraction, a count, a seed) is out of range. */
  | 'out-of-range'
  /** The database failed in a way that has no better name. */
  | 'internal';

/** Where it went wrong, as far as it is known. Rows and lines count from 1, columns of text too. */
export interface DataErrorPlace {
  readonly file?: string;
  readonly column?: string;
  readonly row?: number;
  readonly line?: number;
  /** Position in the line of a text file. */
  readonly character?: number;
  /** The existing name that is nearest to the one asked for. */
  readonly suggestion?: string;
}

/** A table, schema or data set is not what it has to be. */
export class DataError extends Error {
  override name = 'DataError';
  readonly code: DataErrorCode;
  readonly place: DataErrorPlace;

  constructor(code: DataErrorCode, message: string, place: DataErrorPlace = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.place = place;
  }
}
