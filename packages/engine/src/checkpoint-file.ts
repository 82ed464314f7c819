/** Checkpoints on disk. Node only; a browser never loads the modules that this one loads on demand. */
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';
import { EngineError } from './errors.ts';

/** Checkpoints larger than this are not read, in bytes. */
const MAX_SIZE = 2 ** 31;

/**
 * Writes a checkpoint so that the file is at every moment either the old one or the new one, whole: into a temporary
 * file beside it, flushed to the disk, then renamed.
 */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const { open, rename, rm } = await import('node:fs/promises');
  const { dirname } = await import('node:path');
  const { randomUUID } = await import('node:crypto');
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(encodeCheckpoint(checkpoint));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  // The rename itself lasts once the folder is flushed; not every system can open a folder.
  const folder = await open(dirname(path), 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

/**
 * Reads a checkpoint.
 *
 * @throws EngineError of kind `checkpoint` if the file is none
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const { readFile, stat } = await import('node:fs/promises');
  const { size } = await stat(path);
  if (size > MAX_SIZE) throw new EngineError('checkpoint', 'The file is too large for a checkpoint.');
  return decodeCheckpoint(await readFile(path));
}
