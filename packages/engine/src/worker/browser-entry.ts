/** Entry of a Web Worker. */
import { createHost } from './host.ts';
import type { Reply, Request } from './protocol.ts';

/** The part of `DedicatedWorkerGlobalScope` that is used; the DOM's types describe the window instead. */
interface WorkerScope {
  postMessage(message: Reply, transfer: ArrayBuffer[]): void;
  close(): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<Request>) => void): void;
}
declare const self: WorkerScope;

const host = createHost({
  post: (reply, transfer) => self.postMessage(reply, [...transfer]),
  end: () => self.close(),
  // A browser ends workers by itself, and wasm can be stopped anywhere.
  gate: { enter: () => true, leave: () => {} },
});
self.addEventListener('message', (event) => host(event.data));
