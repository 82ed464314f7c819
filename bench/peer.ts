/** A PyTorch peer: a Python process that is told line by line what to do, and answers each line with one. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** A Python that has PyTorch. */
export interface Python {
  readonly command: string;
  readonly torch: string;
  /** Version of Python. */
  readonly python: string;
}

const CANDIDATES = ['python3', '/usr/bin/python3'];

let found: Python | undefined | null = null;

/** The first `python3` that has PyTorch; undefined where there is none. */
export function findPython(): Python | undefined {
  if (found !== null) return found;
  for (const command of CANDIDATES) {
    const code = 'import platform, torch; print(torch.__version__, platform.python_version())';
    const { status, stdout } = spawnSync(command, ['-c', code], { encoding: 'utf8' });
    const [torch, python] = status === 0 ? stdout.trim().split(' ') : [];
    if (torch !== undefined && python !== undefined) {
      found = { command, torch, python };
      return found;
    }
  }
  found = undefined;
  return undefined;
}

const answerSchema = z.record(z.string(), z.unknown());

/** A running peer. */
export class Peer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #errors = '';

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#reader = createInterface({ input: child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-2000);
    });
  }

  /**
   * Starts a script of `bench/peers` on a number of threads.
   *
   * @param script file name
   */
  static start(python: Python, script: string, threads: number): Peer {
    const count = String(threads);
    const path = fileURLToPath(new URL(`./peers/${script}`, import.meta.url));
    const env = {
      ...process.env,
      OMP_NUM_THREADS: count,
      OPENBLAS_NUM_THREADS: count,
      MKL_NUM_THREADS: count,
      // No cache of compiled scripts beside them.
      PYTHONDONTWRITEBYTECODE: '1',
    };
    return new Peer(spawn(python.command, ['-u', path, count], { env, stdio: 'pipe' }));
  }

  /** Sends a request and waits for its answer. */
  async ask<T>(request: Readonly<Record<string, unknown>>, answer: z.ZodType<T>): Promise<T> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`The PyTorch peer ended: ${this.#errors}`);
    return answer.parse(answerSchema.parse(JSON.parse(value)));
  }

  /** Seconds that the peer says a request took. */
  async seconds(request: Readonly<Record<string, unknown>>): Promise<number> {
    return (await this.ask(request, z.object({ seconds: z.number() }))).seconds;
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.end();
    await ended;
    this.#reader.close();
  }
}
