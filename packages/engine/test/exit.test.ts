import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { tensor } from '@assay/graph';
import { describe, expect, it } from 'vitest';
import { openSession, startWorker, type WorkerPort } from '../src/index.ts';
import { linear, RUNTIMES } from './support/models.ts';

const PROGRAM = fileURLToPath(new URL('./fixtures/exiting.ts', import.meta.url));

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

function runProgram(ending: string, runtime: string): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=@assay/source', PROGRAM, ending, runtime], {
      timeout: 60_000,
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, output, errors }));
  });
}

describe.each(RUNTIMES)('a program with sessions on the %s runtime', (runtime) => {
  // A crash of native code at the end depends on timing: each ending is tried several times.
  const times = runtime === 'node' ? 5 : 1;

  it.each([
    ['has closed its sessions', 'closed', 0],
    ['has left its sessions open', 'open', 0],
    ['calls process.exit during a run', 'exit-while-running', 7],
    ['fails during a run', 'throw-while-running', 1],
  ])('ends by itself and without a crash when it %s', async (_, ending, code) => {
    for (let i = 0; i < times; i++) {
      const { errors, ...result } = await runProgram(ending, runtime);
      expect(result).toEqual({ code, signal: null, output: 'ran\n' });
      if (code !== 1) expect(errors).toBe('');
    }
  });
});

describe('a worker that dies', () => {
  it('fails the calls under way and later ones', async () => {
    const thread = new Worker(new URL('./fixtures/dying-worker.js', import.meta.url));
    const port: WorkerPort = {
      post: (request, transfer) => thread.postMessage(request, [...transfer]),
      listen: (onReply, onEnd) => {
        thread.on('message', onReply);
        thread.on('exit', (code) => onEnd(`exit code ${code}`));
      },
      keepAlive: () => {},
    };
    const worker = await startWorker({ port });
    const session = await openSession(linear(tensor('float32', [1, 1], [1]), tensor('float32', [1], [0])), {
      worker,
    });
    const feeds = { x: tensor('float32', [1], [1]) };
    const results = await Promise.allSettled([session.run(feeds), session.run(feeds)]);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'EngineError', kind: 'closed' } });
    }
    expect(worker.alive).toBe(false);
    await expect(session.run(feeds)).rejects.toThrow(/has ended \(exit code 3\)/);
    await session.close();
  });
});
