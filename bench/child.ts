/** Programs measured from the outside: seconds from start to exit, processor time, and the most memory held at once. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

export interface ChildResult {
  /** The exit code; undefined if it was ended from outside. */
  readonly code: number | undefined;
  readonly timedOut: boolean;
  readonly seconds: number;
  /** What the program itself says of its use; undefined if it did not come to its end. */
  readonly usage: Usage | undefined;
  readonly stdout: string;
  /** The last of it. */
  readonly stderr: string;
}

/** See `own-usage.ts`. */
export type Usage = z.infer<typeof usageSchema>;

const usageSchema = z.object({
  /** Resident memory in bytes at its peak. */
  peakBytes: z.number(),
  /** Seconds of all threads together. */
  processorSeconds: z.number(),
});

export interface ChildOptions {
  /** Seconds after which it is ended. */
  readonly limit?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Runs a program on this Node.
 *
 * @param argv options of Node, script and arguments
 */
export async function runChild(argv: readonly string[], options: ChildOptions = {}): Promise<ChildResult> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  const usage = join(folder, 'usage');
  const preload = new URL('./own-usage.ts', import.meta.url).href;
  try {
    const env = { ...process.env, ...options.environment, ASSAY_BENCH_USAGE: usage };
    const started = performance.now();
    const child = spawn(process.execPath, ['--import', preload, ...argv], { env, stdio: 'pipe' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-4000);
    });
    child.stdin.end();
    let timedOut = false;
    const timer = setTimeout(
      () => {
        timedOut = true;
        child.kill('SIGKILL');
      },
      (options.limit ?? 600) * 1000,
    );
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', resolve);
    });
    const closed = new Promise((resolve) => child.once('close', resolve));
    const code = await ended;
    const seconds = (performance.now() - started) / 1000;
    clearTimeout(timer);
    await closed;
    return {
      code: code ?? undefined,
      timedOut,
      seconds,
      usage: await usageOf(usage),
      stdout,
      stderr,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function usageOf(path: string): Promise<Usage | undefined> {
  try {
    return usageSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** A path in this repository. */
export function inRepository(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

/** The arguments for Node that run the command line from source. */
export const CLI_FROM_SOURCE: readonly string[] = [
  '--conditions=@assay/source',
  inRepository('apps/cli/src/main.ts'),
];
