/** What a session needs of a worker, whatever the environment makes workers of. */
import type { Reply, Request } from './protocol.ts';

/** A started worker that runs the host of `host.ts`. */
export interface WorkerPort {
  /** Sends a request; the buffers are transferred. */
  post(request: Request, transfer: readonly ArrayBuffer[]): void;
  /** Called once, before the first request. `onEnd` is called at most once, when the worker has ended for any reason. */
  listen(onReply: (reply: Reply) => void, onEnd: (reason: string) => void): void;
  /** Whether the worker keeps the process alive; no-op in a browser. */
  keepAlive(alive: boolean): void;
}
