/** A world for the command that a test can look into: collected output, a folder of its own, files that fail on request. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Context } from '../../src/context.ts';
import { createFile, type Io } from '../../src/io.ts';
import { run } from '../../src/run.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Standard output as JSON. */
  readonly document: Document;
}

/** A JSON document that is looked into by path. */
export interface Document {
  /** The value at a path such as `before.accuracy`; undefined where there is none. */
  at(path: string): unknown;
  number(path: string): number;
}

export interface Surroundings
  extends Partial<Pick<Io, 'createFile' | 'signal' | 'environment' | 'checkpointSeconds' | 'ask'>> {
  readonly isTTY?: boolean;
  readonly onStderr?: (text: string) => void;
}

/** What a command reads and writes, collected. */
export interface Collected {
  readonly io: Io;
  readonly out: () => string;
  readonly err: () => string;
}

export function collecting(surroundings: Surroundings = {}): Collected {
  let out = '';
  let err = '';
  const { isTTY = false, onStderr, ...rest } = surroundings;
  const stream = (take: (text: string) => void) => ({
    isTTY,
    columns: isTTY ? 80 : undefined,
    write: async (text: string) => take(text),
  });
  const io: Io = {
    stdout: stream((text) => {
      out += text;
    }),
    stderr: stream((text) => {
      err += text;
      onStderr?.(text);
    }),
    environment: {},
    signal: new AbortController().signal,
    checkpointSeconds: 5,
    createFile,
    ...rest,
  };
  return { io, out: () => out, err: () => err };
}

/** Runs a command line. */
export async function assay(argv: readonly string[], surroundings: Surroundings = {}): Promise<Ran> {
  const { io, out, err } = collecting(surroundings);
  const code = await run(argv, io);
  return {
    code,
    out: out(),
    err: err(),
    get document() {
      return documentIn(out());
    },
  };
}

/** The context of a command that is called by itself, without its command line. */
export function contextOf({
  json = false,
  ...surroundings
}: Surroundings & { readonly json?: boolean } = {}): Collected & { readonly context: Context } {
  const collected = collecting(surroundings);
  const settings = { json, quiet: false, debug: false, seed: 1, dataDir: undefined };
  return { ...collected, context: new Context(collected.io, settings) };
}

function documentIn(json: string): Document {
  const root: unknown = JSON.parse(json);
  const at = (path: string): unknown => {
    let value: unknown = root;
    for (const key of path.split('.')) {
      value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
    }
    return value;
  };
  return {
    at,
    number(path) {
      const value = at(path);
      if (typeof value !== 'number') throw new TypeError(`no number at ${path}: ${typeof value}`);
      return value;
    },
  };
}

/** A folder that is removed at the end of the block: `await using folder = await temporaryFolder()`. */
export async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'assay-cli-'));
  return {
    path,
    file: (name: string): string => join(path, name),
    async write(name: string, content: string | Uint8Array): Promise<string> {
      await writeFile(join(path, name), content);
      return join(path, name);
    },
    /** Names of everything in it, hidden files too, sorted. */
    names: async (): Promise<readonly string[]> => (await readdir(path)).sort(),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** An error as the operating system gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
