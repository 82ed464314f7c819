/** Checkpoints of unlearning on the disk, so that the same command goes on where it was stopped. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CheckpointStore } from '@assay/unlearn';
import { draft } from './files.ts';
import type { Io } from './io.ts';

/** The folder beside a result in which its checkpoints lie. */
const FOLDER = '.assay';

/** Checkpoints for one result; those that are done with are removed by `finish`. */
export class FileCheckpoints implements CheckpointStore {
  readonly #io: Io;
  readonly #folder: string;
  readonly #saved = new Set<string>();
  readonly #done = new Set<string>();
  #wasResumed = false;

  /** @param result path of the file that the run is to write */
  constructor(io: Io, result: string) {
    this.#io = io;
    this.#folder = join(dirname(result), FOLDER);
  }

  /** Whether a run went on from a checkpoint. */
  get wasResumed(): boolean {
    return this.#wasResumed;
  }

  /** Whether there is something to go on from. */
  get hasSaved(): boolean {
    return this.#saved.size > 0;
  }

  async load(key: string): Promise<Uint8Array | undefined> {
    try {
      const state = await readFile(this.#path(key));
      this.#saved.add(key);
      this.#wasResumed = true;
      return state;
    } catch {
      // Not there, or not readable: the run begins anew, which costs time and nothing else.
      return undefined;
    }
  }

  async save(key: string, state: Uint8Array): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const path = this.#path(key);
    const file = await draft(this.#io, { shown: path, path, force: true });
    try {
      await file.write(state);
    } catch (error) {
      await file.discard();
      throw error;
    }
    await file.commit();
    this.#saved.add(key);
  }

  /** Takes note only: until the result is written, the state may be needed again. */
  async clear(key: string): Promise<void> {
    this.#done.add(key);
  }

  /** Removes what is done with; to be called when the result is written. */
  async finish(): Promise<void> {
    for (const key of new Set([...this.#saved, ...this.#done])) await rm(this.#path(key), { force: true });
    // Other runs may keep theirs there.
    await rmdir(this.#folder).catch(() => {});
  }

  #path(key: string): string {
    return join(this.#folder, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.checkpoint`);
  }
}
