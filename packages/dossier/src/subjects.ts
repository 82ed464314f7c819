/** What facts and records are about: the release, its models and data sets, the policies; with the digests that they have now. */
import { basename } from 'node:path';
import type { Subject, SubjectRef } from '@assay/policy';
import { canonicalJson, type JsonValue, sha256 } from './canonical.ts';
import type { Folder } from './confine.ts';
import { digestFile, digestModel, digestOfFiles, type FileDigest } from './digests.ts';
import { DossierError, type Place } from './errors.ts';
import type { Manifest } from './manifest.ts';

/** Something wrong with a file, that keeps nothing else from being judged. */
export interface Problem {
  readonly subject: string;
  /** A sentence. */
  readonly message: string;
  readonly place: Place;
}

/** A model or data set with the bytes that it is now. */
export interface LocatedSubject extends Subject {
  /** `release`, `model:ID`, `dataset:ID`. */
  readonly key: string;
  readonly files: readonly FileDigest[];
  /** Undefined where a file is missing and no digest is written down. */
  readonly digest: string | undefined;
  /** What the digest is of: files here; bytes elsewhere, by the digest written down; or, without either, what it is called. */
  readonly digestOf: 'files' | 'reference' | 'name';
  readonly place: Place;
}

/** A subject in records: `release`, `model:ID`, `dataset:ID`. */
export function keyOf(subject: SubjectRef): string {
  return subject.kind === 'release' ? 'release' : `${subject.kind}:${subject.id}`;
}

/** The subject that a key in a record names. */
export function refOf(key: string): SubjectRef {
  const [kind, id] = key.split(/:(.*)/s, 2);
  if (id !== undefined && (kind === 'model' || kind === 'dataset')) return { kind, id };
  return { kind: 'release', id: 'release' };
}

/** The release, then models and data sets in the order of the manifest. */
export async function locateSubjects(
  folder: Folder,
  manifest: Manifest,
): Promise<{ readonly subjects: readonly LocatedSubject[]; readonly problems: readonly Problem[] }> {
  const problems: Problem[] = [];
  const { name, version } = manifest.release;
  const subjects: LocatedSubject[] = [
    {
      kind: 'release',
      id: 'release',
      title: `${name} ${version}`,
      key: 'release',
      files: [],
      digest: digestOfName({ name, version }),
      digestOf: 'name',
      place: manifest.yaml.keyPlaceOf(['release']),
    },
  ];
  const add = async (
    kind: 'model' | 'dataset',
    id: string,
    entry: {
      name?: string | undefined;
      version?: string | number | undefined;
      url?: string | undefined;
      sha256?: string | undefined;
      file?: string | undefined;
      files?: readonly string[] | undefined;
    },
  ): Promise<void> => {
    const section = kind === 'model' ? 'models' : 'datasets';
    const key = `${kind}:${id}`;
    const place = manifest.yaml.keyPlaceOf([section, id]);
    const paths = entry.file === undefined ? (entry.files ?? []) : [entry.file];
    const files: FileDigest[] = [];
    let missing: DossierError | undefined;
    for (const [i, path] of paths.entries()) {
      const at = manifest.yaml.placeOf(
        entry.file === undefined ? [section, id, 'files', i] : [section, id, 'file'],
      );
      try {
        files.push(await (kind === 'model' ? digestModel(folder, path, at) : digestFile(folder, path, at)));
      } catch (error) {
        if (!(error instanceof DossierError) || error.code !== 'file-missing') throw error;
        missing ??= error;
      }
    }
    for (const { path, problem } of files) {
      if (problem === undefined) continue;
      problems.push({ subject: key, place, message: `${path} cannot be read as a model: ${problem}` });
    }
    const common = {
      kind,
      id,
      key,
      place,
      ...(entry.name === undefined ? {} : { title: entry.name }),
      ...(paths[0] === undefined ? {} : { file: paths[0] }),
    };
    if (paths.length > 0 && missing === undefined) {
      const digest = digestOfFiles(files);
      if (entry.sha256 !== undefined && entry.sha256 !== digest) {
        const at = manifest.yaml.placeOf([section, id, 'sha256']);
        problems.push({
          subject: key,
          place: at,
          message: `${paths.map((path) => basename(path)).join(', ')} is not the file that assay.yaml pins: its digest is ${digest}. Restore the file, or write the new digest.`,
        });
      }
      subjects.push({ ...common, files, digest, digestOf: 'files' });
      return;
    }
    if (missing !== undefined && entry.sha256 === undefined) {
      problems.push({
        subject: key,
        place: missing.place ?? place,
        message: `A file of ${key} is missing. Put it there, or write down its digest (sha256) if it lies elsewhere.`,
      });
      subjects.push({ ...common, files, digest: undefined, digestOf: 'files' });
      return;
    }
    if (entry.sha256 !== undefined) {
      subjects.push({ ...common, files, digest: entry.sha256, digestOf: 'reference' });
      return;
    }
    const digest = digestOfName({ id, name: entry.name, version: entry.version, url: entry.url });
    subjects.push({ ...common, files, digest, digestOf: 'name' });
  };
  for (const [id, entry] of manifest.models) await add('model', id, entry);
  for (const [id, entry] of manifest.datasets) await add('dataset', id, entry);
  return { subjects, problems };
}

/** Where there are no bytes, what is said is about what the thing is called. */
function digestOfName(identity: JsonValue): string {
  return sha256(canonicalJson(identity));
}
