/** Entry of a worker thread of Node. */
import { parentPort, workerData } from 'node:worker_threads';
import { workerGate } from './gate.ts';
import { createHost } from './host.ts';
import type { Request } from './protocol.ts';

const port = parentPort;
if (port === null) throw new Error('this module runs in a worker thread');

const host = createHost({
  post: (reply, transfer) => port.postMessage(reply, transfer),
  end: () => port.close(),
  gate: workerGate(workerData.gate),
});
port.on('message', (request: Request) => host(request));
