/** A manifest before it is written: what was read or answered, with remarks, in no particular order of keys. */
import type { FactValue } from '@assay/policy';
import type { Person, PolicyUse } from '../manifest.ts';

/** A fact that is declared. */
export interface DraftDeclaration {
  /** Keys joined by dots, as the vocabulary's `path`. */
  readonly path: string;
  readonly value: FactValue;
  /** Written behind it, such as where it was read. */
  readonly remark?: string;
}

interface DraftSubject {
  readonly name?: string;
  readonly version?: string;
  readonly file?: string;
  readonly sha256?: string;
  readonly url?: string;
  readonly description?: string;
  readonly derivedFrom?: readonly string[];
  readonly declarations?: readonly DraftDeclaration[];
  /** Sentences written above the entry. */
  readonly remarks?: readonly string[];
}

export interface DraftModel extends DraftSubject {
  readonly trainedOn?: readonly string[];
  /** By feature the protected attribute that it states. */
  readonly protectedFeatures?: Readonly<Record<string, string>>;
}

export interface DraftDataset extends DraftSubject {
  readonly aliases?: readonly string[];
  readonly files?: readonly string[];
}

/** A manifest to be written. */
export interface ManifestDraft {
  readonly release: {
    readonly name: string;
    readonly version: string;
    readonly description?: string;
    readonly declarations?: readonly DraftDeclaration[];
    readonly remarks?: readonly string[];
  };
  readonly people?: readonly Person[];
  readonly models: Readonly<Record<string, DraftModel>>;
  readonly datasets: Readonly<Record<string, DraftDataset>>;
  readonly policies?: readonly PolicyUse[];
}

/** A short name for a model or data set, from any name; unlike those taken. */
export function idFrom(name: string, taken: ReadonlySet<string> = new Set()): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\.(onnx|csv|tsv|parquet|jsonl|json|data|gz)\b/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
  const base = plain === '' ? 'unnamed' : plain;
  let id = base;
  for (let i = 2; taken.has(id); i++) id = `${base}-${i}`;
  return id;
}
