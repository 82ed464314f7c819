/** Workers as threads of Node. The only module of the session code that imports from Node; loaded on demand. */
import { Worker } from 'node:worker_threads';
import { closeGate, createGateMemory } from './gate.ts';
import type { WorkerPort } from './port.ts';
import type { Reply } from './protocol.ts';

/** How long an ending process waits for a native call to return, in milliseconds. */
const EXIT_WAIT = 30_000;

const gates = new Set<SharedArrayBuffer>();

function closeAllGates(): void {
  for (const gate of gates) closeGate(gate, EXIT_WAIT);
}

/** Starts a thread. */
export function startNodeWorker(): WorkerPort {
  // From source the neighbour is TypeScript, in the published package JavaScript.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const gate = createGateMemory();
  const worker = new Worker(new URL(`./node-entry.${extension}`, import.meta.url), {
    name: 'assay-engine',
    workerData: { gate },
  });
  worker.unref();
  if (gates.size === 0) process.on('exit', closeAllGates);
  gates.add(gate);

  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    listen(onReply, onEnd) {
      let failure: string | undefined;
      worker.on('message', (reply: Reply) => onReply(reply));
      worker.on('error', (error) => {
        failure = error instanceof Error ? `${error.name}: ${error.message}` : 'unknown failure';
      });
      worker.on('exit', (code) => {
        gates.delete(gate);
        if (gates.size === 0) process.off('exit', closeAllGates);
        onEnd(failure ?? `exit code ${code}`);
      });
    },
    keepAlive: (alive) => (alive ? worker.ref() : worker.unref()),
  };
}
