/** Workers as Web Workers of a browser. */
import type { WorkerPort } from './port.ts';
import type { Reply, Request } from './protocol.ts';

/** What is used of a Web Worker. */
export interface BrowserWorker {
  postMessage(message: Request, transfer: ArrayBuffer[]): void;
  addEventListener(type: 'message', listener: (event: { readonly data: Reply }) => void): void;
  addEventListener(type: 'error', listener: (event: { readonly message: string }) => void): void;
  terminate(): void;
}

/** Starts a module worker. */
export function startBrowserWorker(): WorkerPort {
  // Written out, because bundlers find a worker's file by this very form.
  const worker = new Worker(new URL('./browser-entry.js', import.meta.url), {
    type: 'module',
    name: 'assay-engine',
  });
  return browserPort(worker);
}

/** The port of a Web Worker that the caller has started on `browser-entry`. */
export function browserPort(worker: BrowserWorker): WorkerPort {
  return {
    post: (request, transfer) => worker.postMessage(request, [...transfer]),
    listen(onReply, onEnd) {
      worker.addEventListener('message', (event) => onReply(event.data));
      worker.addEventListener('error', (event) => {
        worker.terminate();
        onEnd(event.message);
      });
    },
    keepAlive: () => {},
  };
}
