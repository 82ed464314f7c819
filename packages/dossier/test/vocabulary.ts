/** The vocabulary and the registry that come with Assay, and folders to try things in. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadDeprecatedDataSets, loadVocabulary } from '@assay/policy';
import { afterAll } from 'vitest';

const policies = join(import.meta.dirname, '../../../policies');
const factFiles = readdirSync(join(policies, 'facts'))
  .filter((name) => name.endsWith('.yaml'))
  .sort();

export const vocabularyTexts = factFiles.map((name) => ({
  origin: `policies/facts/${name}`,
  text: readFileSync(join(policies, 'facts', name), 'utf8'),
}));
export const vocabulary = loadVocabulary(vocabularyTexts);
export const registry = loadDeprecatedDataSets(
  readFileSync(join(policies, 'deprecated-data-sets.yaml'), 'utf8'),
  'deprecated-data-sets.yaml',
);

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** A new folder with these files, removed when the tests of the file are over. */
export function folderWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'assay-dossier-'));
  made.push(folder);
  for (const [path, content] of Object.entries(files)) put(folder, path, content);
  return folder;
}

export function put(folder: string, path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

/** The error that is thrown, as a value. */
export async function errorOf(work: () => unknown): Promise<Error> {
  try {
    await work();
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

export const TODAY = '2026-11-22';
export const TOOL = { name: 'assay', version: '0.1.0' };

/** A release of one model that was trained on one of two data sets. */
export const MANIFEST = `version: 1
release:
  name: census-income
  version: 1.0.0
people:
  - name: Ada Lovelace
    role: maintainer
  - name: Grace Hopper
    role: ethics reviewer
models:
  income:
    file: models/income.bin
    trainedOn: [adult]
datasets:
  adult:
    file: data/adult.csv
    people:
      present: true
  other:
    files: [data/a.csv, data/b.csv]
policies:
  - id: own
    file: policies/own.yaml
`;

export const FILES = {
  'assay.yaml': MANIFEST,
  'models/income.bin': 'weights',
  'data/adult.csv': 'age,income\n39,0\n',
  'data/a.csv': 'x\n1\n',
  'data/b.csv': 'x\n2\n',
  'policies/own.yaml': 'id: own\n',
};
