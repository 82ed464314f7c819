import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { tensor, toNumbers } from '@assay/graph';
import { describe, expect, it } from 'vitest';
import { type BrowserWorker, browserPort, openSession, startWorker } from '../src/index.ts';
import { linear } from './support/models.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

async function report(...options: string[]): Promise<unknown> {
  const args = ['--conditions=@assay/source', ...options, fixture('reporting-runtime.ts')];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout);
}

describe('where the native runtime', () => {
  it('is installed, it runs', async () => {
    expect(await report()).toEqual({ runtime: 'node', provider: 'cpu', result: [42], insisting: 'started' });
  });

  it('is missing, wasm runs in its place, and the reason is told', async () => {
    expect(await report('--import', fixture('without-native-runtime.js'))).toEqual({
      runtime: 'web',
      provider: 'wasm',
      result: [42],
      fallbackReason: 'onnxruntime-node is not used: it is not installed',
      insisting:
        'onnxruntime-node cannot be used: it is not installed. Install it, or choose the runtime "web" (slower).',
    });
  });
});

/** A thread of Node with the face of a Web Worker. */
function webWorker(): BrowserWorker {
  const thread = new Worker(fixture('browser-worker.ts'));
  return {
    postMessage: (message, transfer) => thread.postMessage(message, transfer),
    addEventListener: (
      type: 'message' | 'error',
      listener: (event: { data: never; message: string }) => void,
    ) => {
      if (type === 'message') thread.on('message', (data) => Reflect.apply(listener, undefined, [{ data }]));
      else thread.on('error', (error) => Reflect.apply(listener, undefined, [{ message: String(error) }]));
    },
    terminate: () => void thread.terminate(),
  };
}

describe('the adapter for browsers', () => {
  it('speaks the same protocol', async () => {
    await using worker = await startWorker({ runtime: 'web', port: browserPort(webWorker()) });
    const model = linear(tensor('float32', [1, 2], [3, 4]), tensor('float32', [1], [5]));
    await using session = await openSession(model, { worker });
    const { y } = await session.run({ x: tensor('float32', [1, 2], [1, 10]) });
    expect(y === undefined ? [] : [...toNumbers(y)]).toEqual([48]);
  });

  it('loads nothing of Node', async () => {
    const seen = new Set<string>();
    const foreign: string[] = [];
    const visit = async (url: URL): Promise<void> => {
      if (seen.has(url.href)) return;
      seen.add(url.href);
      const text = await readFile(url, 'utf8');
      // Imports of types are gone at run time, and imports on demand are made in Node only.
      for (const [, names = '', from = ''] of text.matchAll(
        /^(?:import|export)\s+([^;]*?)from\s+'([^']+)'/gm,
      )) {
        if (names.startsWith('type ')) continue;
        if (from.startsWith('.')) await visit(new URL(from, url));
        else if (!from.startsWith('@assay/')) foreign.push(from);
      }
    };
    await visit(new URL('../src/index.ts', import.meta.url));
    await visit(new URL('../src/worker/browser-entry.ts', import.meta.url));
    expect(seen.size).toBeGreaterThan(15);
    expect(foreign).toEqual([]);
  });
});
