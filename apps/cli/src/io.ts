/** What the command meets the world through: streams, environment, interruption, new files. Tests put their own in its place. */
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';

/** A stream of text. */
export interface Output {
  /** Resolves when more can be written. */
  write(text: string): Promise<void>;
  readonly isTTY: boolean;
  /** Width in characters; undefined where there is none. */
  readonly columns: number | undefined;
}

/** A file that did not exist before and is being written. */
export interface NewFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Flushes to the disk and closes. */
  finish(): Promise<void>;
  /** Closes without flushing. */
  abandon(): Promise<void>;
}

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted when the person stops the command. */
  readonly signal: AbortSignal;
  /** Seconds between two checkpoints of long work. */
  readonly checkpointSeconds: number;
  /** Creates a file; fails if there is one of that name. */
  createFile(path: string): Promise<NewFile>;
  /** Asks the person at the terminal; undefined where nobody is there. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
}

/** The streams, environment and files of this process. */
export function processIo(signal: AbortSignal): Io {
  return {
    stdout: streamOutput(process.stdout),
    stderr: streamOutput(process.stderr),
    environment: process.env,
    signal,
    checkpointSeconds: 2,
    createFile,
    ask: process.stdin.isTTY && process.stderr.isTTY ? (question) => answered(question, signal) : undefined,
  };
}

/** One line from the person at the terminal; the question goes to standard error, where results do not. */
async function answered(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question, { signal });
  } finally {
    lines.close();
  }
}

function streamOutput(stream: NodeJS.WriteStream): Output {
  return {
    isTTY: stream.isTTY === true,
    get columns() {
      // Some terminals say 0 where they do not know.
      return stream.isTTY && stream.columns > 0 ? stream.columns : undefined;
    },
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error) => (error ? reject(error) : resolve()));
      }),
  };
}

/** Creates a file on the disk. */
export async function createFile(path: string): Promise<NewFile> {
  const file = await open(path, 'wx');
  return {
    write: (bytes) => file.writeFile(bytes),
    async finish() {
      await file.sync();
      await file.close();
    },
    abandon: () => file.close(),
  };
}
