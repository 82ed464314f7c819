/** Data sets that are known by name: where their files come from, what is in them, under which licence. */
import type { Relation } from '../table/relation.ts';
import { adult } from './adult.ts';
import { diabetes } from './diabetes.ts';

/** A file of a data set, as published. */
export interface PublishedFile {
  /** Path in the data directory and in the cache. */
  readonly path: string;
  readonly url: string;
  readonly bytes: number;
  /** SHA-256 in hexadecimal. */
  readonly sha256: string;
}

/** A data set that can be had by its name. */
export interface NamedDataSet {
  readonly name: string;
  readonly title: string;
  /** What the rows are, and what to know before they are used. */
  readonly description: string;
  readonly licence: string;
  readonly citation: string;
  /** The column to predict. */
  readonly target: string;
  readonly files: readonly PublishedFile[];
  /** Sentences on how the files are read. */
  readonly notes: readonly string[];
  /** The rows of the files (their absolute paths, in the order of `files`). */
  readonly relation: (paths: readonly string[]) => Relation;
}

/** Data sets by name. */
export const NAMED_DATA_SETS: Readonly<Record<'adult' | 'diabetes', NamedDataSet>> = { adult, diabetes };

/** The data set of this name, if there is one. */
export function namedDataSet(name: string): NamedDataSet | undefined {
  return Object.values(NAMED_DATA_SETS).find((set) => set.name === name);
}
