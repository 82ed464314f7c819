/** Beginning a dossier: from answers, or from what is there already. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Folder } from '../confine.ts';
import { DossierError, errorAt } from '../errors.ts';
import { MANIFEST_FILE } from '../manifest.ts';
import { frontMatter, readCard } from './card.ts';
import { isCroissant, readCroissant } from './croissant.ts';
import { isCycloneDx, readCycloneDx } from './cyclonedx.ts';
import { idFrom, type ManifestDraft } from './draft.ts';
import { combined, type Findings } from './found.ts';
import { readOnnx } from './onnx.ts';
import { readTable } from './table.ts';
import { manifestText, type WriteOptions } from './write.ts';

/** A draft of a manifest, and what a person should know about it. */
export interface Initial {
  readonly draft: ManifestDraft;
  /** Sentences. */
  readonly notes: readonly string[];
  /** Files that were read, relative to the folder. */
  readonly read: readonly string[];
}

/** Cards and descriptions are texts; larger ones are something else. */
const MOST_TEXT_BYTES = 16 * 2 ** 20;
const MOST_FILES = 2000;
const DEEPEST = 6;
const TABLE = /\.(csv|tsv|parquet|jsonl|ndjson)(\.gz)?$/i;
const NOT_READ: ReadonlySet<string> = new Set([
  'node_modules',
  'evidence',
  'attestations',
  'waivers',
  'decisions',
  'documents',
  'release',
]);

/**
 * Writes assay.yaml into a folder, with comments and the questions that are left open.
 *
 * @returns the text that was written
 * @throws DossierError `already-there` if the folder has one
 */
export async function initDossier(
  path: string,
  draft: ManifestDraft,
  options: WriteOptions = {},
): Promise<string> {
  const folder = await Folder.at(path);
  const text = manifestText(draft, options);
  await folder.create(MANIFEST_FILE, text);
  return text;
}

/**
 * Reads what there is: an ONNX file, a table, a card of the Hugging Face hub, a Croissant file, a CycloneDX bill of materials, or a
 * folder with any of these. Nothing is written; links are not followed.
 *
 * @param path file or folder; the dossier is meant to be begun in that folder
 * @throws DossierError `file-missing`; `unknown-format` for a file that is none of these
 */
export async function initFrom(path: string): Promise<Initial> {
  const absolute = resolve(path);
  const found = await stat(absolute).catch((cause: unknown) => {
    throw new DossierError('file-missing', `There is no file or folder ${path}.`, { file: path }, { cause });
  });
  if (!found.isDirectory()) {
    const folder = await Folder.at(dirname(absolute));
    const file = basename(absolute);
    // A file that was named is tried as a table, whatever its name says; one among others is not.
    const findings =
      (await readFound(folder, file, nameOfFolder(folder))) ?? (await tableOrNothing(folder, file));
    if (findings === undefined) throw unknownFormat(path);
    return initial(nameFor([findings], file), [findings], [file], []);
  }
  const folder = await Folder.at(absolute);
  const { files, notes } = await filesOf(folder);
  const all: Findings[] = [];
  const read: string[] = [];
  for (const file of files) {
    try {
      const findings = await readFound(folder, file, nameOfFolder(folder));
      if (findings === undefined) continue;
      all.push(findings);
      read.push(file);
    } catch (error) {
      if (!(error instanceof DossierError)) throw error;
      notes.push(`Not read: ${error.message}`);
    }
  }
  if (all.every(({ found: things }) => things.length === 0)) {
    notes.push('No model and no data set was found; describe them in assay.yaml.');
  }
  return initial(nameOfFolder(folder), all, read, notes);
}

function initial(
  name: string,
  all: readonly Findings[],
  read: readonly string[],
  notes: readonly string[],
): Initial {
  const { models, datasets } = combined(all.flatMap(({ found }) => found));
  const declarations = all.flatMap((findings) => findings.declarations ?? []);
  return {
    draft: { release: { name, version: '0.1.0', declarations }, models, datasets },
    notes: [...notes, ...all.flatMap((findings) => findings.notes)],
    read,
  };
}

/** What a file says; undefined where it is of no kind that is read here. */
async function readFound(folder: Folder, path: string, name: string): Promise<Findings | undefined> {
  if (/\.onnx$/i.test(path)) return await readOnnx(folder, path);
  if (TABLE.test(path)) return await readTable(folder, path);
  if (/\.md$/i.test(path)) {
    const text = await folder.readText(path, MOST_TEXT_BYTES);
    return frontMatter(text) === undefined ? undefined : readCard(text, path, name);
  }
  if (!/\.(json|jsonld)$/i.test(path)) return undefined;
  const text = await folder.readText(path, MOST_TEXT_BYTES);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw errorAt('unknown-format', { file: path }, 'not valid JSON.', { cause });
  }
  if (isCycloneDx(json)) return readCycloneDx(json, path);
  return isCroissant(json)
    ? readCroissant(json, path, basename(path).replace(/\.(json|jsonld)$/i, ''))
    : undefined;
}

async function tableOrNothing(folder: Folder, path: string): Promise<Findings | undefined> {
  if (/\.(json|jsonld|md)$/i.test(path)) return undefined;
  try {
    return await readTable(folder, path);
  } catch (error) {
    if (error instanceof DossierError && error.code === 'unknown-format') return undefined;
    throw error;
  }
}

function unknownFormat(path: string): DossierError {
  return new DossierError(
    'unknown-format',
    `${path} is nothing that can be begun from: give an ONNX file, a table (.csv, .tsv, .parquet, .jsonl), a README.md with YAML in front, a Croissant or CycloneDX file (.json), or a folder with any of these.`,
    { file: path },
  );
}

/** Files below a folder, sorted; without hidden ones, links, and what a dossier keeps itself. */
async function filesOf(
  folder: Folder,
): Promise<{ readonly files: readonly string[]; readonly notes: string[] }> {
  const files: string[] = [];
  const notes: string[] = [];
  const visit = async (path: string, depth: number): Promise<void> => {
    const entries: Dirent[] = await readdir(join(folder.path, path), { withFileTypes: true }).catch(
      (): Dirent[] => {
        notes.push(`The folder ${path} cannot be listed.`);
        return [];
      },
    );
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.') || files.length >= MOST_FILES) continue;
      const below = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isFile()) files.push(below);
      else if (entry.isDirectory() && depth < DEEPEST && !NOT_READ.has(entry.name))
        await visit(below, depth + 1);
    }
  };
  await visit('', 0);
  if (files.length >= MOST_FILES) notes.push(`Only the first ${MOST_FILES} files were looked at.`);
  return { files, notes };
}

function nameOfFolder(folder: Folder): string {
  return idFrom(basename(folder.path));
}

/** A release is called as the only thing in it, else as its file. */
function nameFor(all: readonly Findings[], file: string): string {
  const things = all.flatMap(({ found }) => found);
  return idFrom(things.length === 1 ? (things[0]?.name ?? file) : file);
}
