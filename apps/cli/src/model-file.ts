/** Models from files, with the weights that lie beside them. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { DecodeError, decodeModel, type ExternalReader, type Model } from '@assay/graph';
import { InputError } from './failures.ts';
import { cannotRead } from './files.ts';

export interface ModelFile {
  /** As the person wrote it. */
  readonly shown: string;
  /** Without its folder. */
  readonly name: string;
  readonly path: string;
  readonly model: Model;
  /** Bytes of the file itself. */
  readonly bytes: number;
  /** SHA-256 in hexadecimal: of the file; where weights lie in other files, of the digests of it and of what is read of them. */
  readonly digest: string;
  /** Files of external data, relative to the model's folder. */
  readonly externalFiles: readonly string[];
}

/** The most that a buffer of Node and a protobuf message can hold. */
const MOST_BYTES = 2 ** 31 - 1;

/**
 * Reads a model. Weights in other files are read from the model's own folder and from nowhere else.
 *
 * @throws InputError if the file cannot be read
 * @throws DecodeError if it is no ONNX model; the message names the file
 */
export async function readModelFile(shown: string): Promise<ModelFile> {
  const path = resolve(shown);
  const bytes = await readBytes(shown, path);
  const external = externalReader(dirname(path));
  const model = decodeNamed(bytes, shown, external.read);
  const files = [...external.digests.keys()].sort();
  let digest = createHash('sha256').update(bytes).digest('hex');
  if (files.length > 0) {
    const whole = createHash('sha256').update(`${digest}  ${basename(path)}\n`);
    for (const file of files) whole.update(`${external.digests.get(file)?.digest('hex') ?? ''}  ${file}\n`);
    digest = whole.digest('hex');
  }
  return { shown, name: basename(path), path, model, bytes: bytes.byteLength, digest, externalFiles: files };
}

async function readBytes(shown: string, path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new InputError(`${shown} is a folder; a model is an ONNX file.`);
    if (found.size > MOST_BYTES) {
      throw new InputError(
        `${shown} is larger than 2 GiB, more than one ONNX file can hold; larger weights belong in external data.`,
      );
    }
    return await readFile(path);
  } catch (error) {
    throw cannotRead(shown, error);
  }
}

/** Decodes a model; errors name the file. */
export function decodeNamed(bytes: Uint8Array, shown: string, external?: ExternalReader): Model {
  try {
    return decodeModel(bytes, external === undefined ? {} : { external });
  } catch (error) {
    if (error instanceof DecodeError) throw new DecodeError(`${shown}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Reads external data below a folder; links that lead out of it are refused. */
function externalReader(folder: string): {
  readonly read: ExternalReader;
  readonly digests: ReadonlyMap<string, ReturnType<typeof createHash>>;
} {
  const digests = new Map<string, ReturnType<typeof createHash>>();
  const read: ExternalReader = (location, offset, length) => {
    const unreadable = (why: string): DecodeError =>
      new DecodeError(`its weights lie in "${location}" beside it, ${why}.`);
    let path: string;
    let file: number;
    try {
      path = realpathSync(join(folder, location));
      if (!path.startsWith(realpathSync(folder) + sep))
        throw unreadable("which leads out of the model's folder; that is refused");
      file = openSync(path, 'r');
    } catch (error) {
      throw error instanceof DecodeError ? error : unreadable('and that file is missing or cannot be read');
    }
    try {
      const { size } = fstatSync(file);
      const wanted = length ?? Math.max(0, size - offset);
      if (offset + wanted > size)
        throw unreadable(`and that file is too short (${size} bytes); it was cut off`);
      const bytes = new Uint8Array(wanted);
      let done = 0;
      while (done < wanted) {
        const read = readSync(file, bytes, done, wanted - done, offset + done);
        if (read === 0) throw unreadable('and that file became shorter while it was read');
        done += read;
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
