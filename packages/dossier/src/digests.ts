/** Digests of models and data sets: the same that `assay train`, `sensitivity` and `unlearn` print for them. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { DecodeError, decodeModel, type ExternalReader, type Model } from '@assay/graph';
import type { Folder } from './confine.ts';
import { DossierError, type Place } from './errors.ts';

/** The most that a buffer and a protobuf message can hold. */
const MOST_MODEL_BYTES = 2 ** 31 - 1;
const CHUNK = 2 ** 20;

/** A file by content. */
export interface FileDigest {
  /** Path in the dossier. */
  readonly path: string;
  /** SHA-256 in hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** Why it cannot be read as what it claims to be; undefined where it can, or nobody looked. */
  readonly problem?: string;
}

/** SHA-256 of a file of any size. */
export async function digestFile(folder: Folder, path: string, place?: Place): Promise<FileDigest> {
  const { handle, bytes } = await folder.open(path, place);
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let position = 0; ; ) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK, position);
      if (bytesRead === 0) return { path, sha256: hash.digest('hex'), bytes };
      hash.update(buffer.subarray(0, bytesRead));
      position += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

/** The digest of several files: SHA-256 over the lines that `sha256sum` prints for them; of one file its own. */
export function digestOfFiles(files: readonly FileDigest[]): string {
  const [only] = files;
  if (only !== undefined && files.length === 1) return only.sha256;
  const hash = createHash('sha256');
  for (const { sha256, path } of files) hash.update(`${sha256}  ${basename(path)}\n`);
  return hash.digest('hex');
}

/**
 * The digest of a model: of its file; where weights of an ONNX model lie in other files, of the digests of it and of what is
 * read of them. Those have to lie in the folder of the model.
 */
export async function digestModel(folder: Folder, path: string, place?: Place): Promise<FileDigest> {
  if (!path.toLowerCase().endsWith('.onnx')) return await digestFile(folder, path, place);
  const { bytes, handle } = await folder.open(path, place);
  await handle.close();
  // Larger ones are no ONNX; whether they are what they claim to be is not asked here.
  if (bytes > MOST_MODEL_BYTES) return await digestFile(folder, path, place);
  const { digest, problem } = await readModel(folder, path, place);
  return { path, sha256: digest, bytes, ...(problem === undefined ? {} : { problem }) };
}

/** A model with its digest; undefined in place of a model that cannot be decoded. */
export async function readModel(
  folder: Folder,
  path: string,
  place?: Place,
): Promise<{
  readonly model: Model | undefined;
  readonly problem: string | undefined;
  readonly digest: string;
  readonly externalFiles: readonly string[];
}> {
  const content = await folder.read(path, MOST_MODEL_BYTES, place);
  const external = externalReader(dirname(await folder.locate(path, place)));
  const own = createHash('sha256').update(content).digest('hex');
  let model: Model | undefined;
  let problem: string | undefined;
  try {
    model = decodeModel(content, { external: external.read });
  } catch (error) {
    if (error instanceof DossierError) throw error;
    if (!(error instanceof DecodeError)) throw error;
    problem = error.message;
  }
  const files = [...external.digests.keys()].sort();
  if (files.length === 0) return { model, problem, digest: own, externalFiles: files };
  const whole = createHash('sha256').update(`${own}  ${basename(path)}\n`);
  for (const file of files) whole.update(`${external.digests.get(file)?.digest('hex') ?? ''}  ${file}\n`);
  return { model, problem, digest: whole.digest('hex'), externalFiles: files };
}

/** Reads external data below a folder; links that lead out of it are refused. */
function externalReader(folder: string): {
  readonly read: ExternalReader;
  readonly digests: ReadonlyMap<string, ReturnType<typeof createHash>>;
} {
  const digests = new Map<string, ReturnType<typeof createHash>>();
  const read: ExternalReader = (location, offset, length) => {
    const refused = (why: string): DecodeError =>
      new DecodeError(`The model's weights lie in "${location}" beside it, ${why}.`);
    let file: number;
    try {
      const path = realpathSync(join(folder, location));
      if (!path.startsWith(folder + sep))
        throw refused("which leads out of the model's folder; that is refused");
      file = openSync(path, 'r');
    } catch (error) {
      throw error instanceof DecodeError ? error : refused('and that file is missing or cannot be read');
    }
    try {
      const found = fstatSync(file);
      const wanted = length ?? Math.max(0, found.size - offset);
      if (!found.isFile() || offset + wanted > found.size) {
        throw refused(`and that file is too short (${found.size} bytes); it was cut off`);
      }
      const bytes = new Uint8Array(wanted);
      for (let done = 0; done < wanted; ) {
        const count = readSync(file, bytes, done, wanted - done, offset + done);
        if (count === 0) throw refused('and that file became shorter while it was read');
        done += count;
      }
      const hash = digests.get(location) ?? createHash('sha256');
      digests.set(location, hash.update(`${offset}+${wanted}:`).update(bytes));
      return bytes;
    } finally {
      closeSync(file);
    }
  };
  return { read, digests };
}
