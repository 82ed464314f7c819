/** Files out: nothing is overwritten unasked, and no file is ever half written. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError, isSystemError, systemReason, UsageError } from './failures.ts';
import type { Io, NewFile } from './io.ts';

/** A file that is going to be written. */
export interface PlannedFile {
  /** As the person wrote it. */
  readonly shown: string;
  /** Absolute. */
  readonly path: string;
  readonly force: boolean;
}

export interface PlanOptions {
  /** Whether a file that is there may be replaced. */
  readonly force?: boolean;
  /** Files that are read, and must not be replaced even so. */
  readonly inputs?: readonly string[];
  /** What to give to replace it: how the command spells it. */
  readonly forceFlag?: string;
}

/**
 * Finds out before the work begins whether a file can be written.
 *
 * @throws UsageError if it is there already, is a folder, or is one of the inputs
 * @throws InputError if its folder is missing or cannot be written to
 */
export async function planFile(io: Io, shown: string, options: PlanOptions = {}): Promise<PlannedFile> {
  const { force = false, inputs = [], forceFlag = '--force' } = options;
  const path = resolve(shown);
  const found = await stat(path).catch((error: unknown) => {
    if (isSystemError(error) && error.code === 'ENOENT') return undefined;
    throw cannotWrite(shown, error);
  });
  if (found?.isDirectory()) throw new UsageError(`${shown} is a folder; give the name of a file to write.`);
  if (found !== undefined) {
    for (const input of inputs) {
      if ((await realpath(path)) === (await realpath(input).catch(() => undefined))) {
        throw new UsageError(
          `${shown} is a file that is read here, and inputs are never changed; give another name to write to.`,
        );
      }
    }
    if (!force) {
      const how =
        forceFlag === ''
          ? 'Give another name, or delete it first.'
          : `Give another name, or ${forceFlag} to replace it.`;
      throw new UsageError(`${shown} is there already. ${how}`);
    }
  }
  await tryToWrite(io, shown, path);
  return { shown, path, force };
}

/** Makes a folder (and those above it) for files to come. */
export async function planFolder(shown: string): Promise<string> {
  const path = resolve(shown);
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw cannotWrite(shown, error);
  }
  return path;
}

/** A long run should not find out at its end that the folder is read-only. */
async function tryToWrite(io: Io, shown: string, path: string): Promise<void> {
  const probe = temporaryBeside(path);
  let file: NewFile | undefined;
  try {
    file = await io.createFile(probe);
  } catch (error) {
    throw cannotWrite(shown, error);
  } finally {
    await file?.abandon();
    await rm(probe, { force: true });
  }
}

/** A file on its way: what is written becomes visible under its name all at once, by `commit`, or never. */
export interface Draft {
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Gives the file its name.
   *
   * @param check is called with the path of the finished file before it gets its name; throwing keeps it from that
   */
  commit(
    check?: (path: string) => Promise<void>,
  ): Promise<{ readonly bytes: number; readonly digest: string }>;
  /** Throws it away; does nothing after `commit`. */
  discard(): Promise<void>;
}

/** Begins a file, in a temporary one beside it. */
export async function draft(io: Io, planned: PlannedFile): Promise<Draft> {
  const temporary = temporaryBeside(planned.path);
  const hash = createHash('sha256');
  let size = 0;
  let open = true;
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw cannotWrite(planned.shown, error);
    }
  };
  const file = await guarded(() => io.createFile(temporary));
  const discard = async (): Promise<void> => {
    if (open) {
      open = false;
      await file.abandon().catch(() => {});
    }
    await rm(temporary, { force: true });
  };
  return {
    async write(bytes) {
      await guarded(() => file.write(bytes));
      hash.update(bytes);
      size += bytes.byteLength;
    },
    async commit(check) {
      try {
        await guarded(() => file.finish());
        open = false;
        await check?.(temporary);
        const appeared =
          !planned.force &&
          (await stat(planned.path).then(
            () => true,
            () => false,
          ));
        if (appeared) throw new UsageError(`${planned.shown} appeared in the meantime; it is left as it is.`);
        await guarded(() => rename(temporary, planned.path));
      } catch (error) {
        await discard();
        throw error;
      }
      return { bytes: size, digest: hash.digest('hex') };
    },
    discard,
  };
}

/** Writes a whole file. */
export async function writeWhole(
  io: Io,
  planned: PlannedFile,
  bytes: Uint8Array,
  check?: (path: string) => Promise<void>,
): Promise<{ readonly bytes: number; readonly digest: string }> {
  const file = await draft(io, planned);
  try {
    await file.write(bytes);
  } catch (error) {
    await file.discard();
    throw error;
  }
  return await file.commit(check);
}

/** Reads a text file that a person wrote. */
export async function readText(shown: string, mostBytes: number): Promise<string> {
  try {
    const { size } = await stat(resolve(shown));
    if (size > mostBytes)
      throw new InputError(`${shown} is too large to be what is expected here (${size} bytes).`);
    return await readFile(resolve(shown), 'utf8');
  } catch (error) {
    throw cannotRead(shown, error);
  }
}

/** The error for a file that cannot be read. */
export function cannotRead(shown: string, error: unknown): unknown {
  return isSystemError(error)
    ? new InputError(`${shown} cannot be read: ${systemReason(error)}.`, { cause: error })
    : error;
}

function cannotWrite(shown: string, error: unknown): unknown {
  return isSystemError(error)
    ? new InputError(`${shown} cannot be written: ${systemReason(error)}. No part of it was left.`, {
        cause: error,
      })
    : error;
}

/** In the same folder, so that the renaming is atomic; hidden, so that nobody takes it for the result. */
function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 100)}.${randomUUID()}.part`);
}
