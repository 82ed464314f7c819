/** Workers as their owner sees them: start one, ask it, close it; and those that sessions share by default. */
import { EngineError } from '../errors.ts';
import { isNode } from './environment.ts';
import { fromFailure } from './failures.ts';
import type { WorkerPort } from './port.ts';
import type { Answers, Reply, Request, RuntimeName } from './protocol.ts';

/** How {@link startWorker} starts a worker. */
export interface WorkerOptions {
  /** `auto` (default) takes onnxruntime-node and, where that is missing, onnxruntime-web. */
  readonly runtime?: RuntimeName | 'auto';
  /** A worker that the caller has started itself (a bundler's own way to make one, say). */
  readonly port?: WorkerPort;
}

interface Pending {
  resolve(value: Answers[keyof Answers]): void;
  reject(error: EngineError): void;
}

/**
 * A worker that runs sessions. It keeps the process alive only while a call is under way, so that a program ends by
 * itself with workers open.
 */
export class EngineWorker {
  readonly #port: WorkerPort;
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #sessions = 0;
  #ended: string | undefined;
  #runtime: RuntimeName = 'web';
  #fallbackReason: string | undefined;

  /** Use {@link startWorker}. */
  constructor(port: WorkerPort) {
    this.#port = port;
    port.listen(
      (reply) => this.#receive(reply),
      (reason) => this.#end(`The worker that runs the session has ended (${reason}).`),
    );
  }

  /** The build of ONNX Runtime that the worker has loaded. */
  get runtime(): RuntimeName {
    return this.#runtime;
  }

  /** Why `auto` did not take onnxruntime-node; undefined where it did. */
  get fallbackReason(): string | undefined {
    return this.#fallbackReason;
  }

  /** False once the worker has been closed or has died. */
  get alive(): boolean {
    return this.#ended === undefined;
  }

  /** Loads the runtime; done by {@link startWorker}. */
  async start(requested: RuntimeName | 'auto'): Promise<void> {
    const { runtime, fallbackReason } = await this.ask((id) => ({ kind: 'start', id, runtime: requested }));
    this.#runtime = runtime;
    this.#fallbackReason = fallbackReason;
  }

  /** A number that names a new session on this worker. */
  newSession(): number {
    this.#sessions += 1;
    return this.#sessions;
  }

  /**
   * Sends a request and waits for its answer.
   *
   * @param make the request, given the id it has to carry
   * @param transfer buffers that go over to the worker
   * @param onSent told the id, so that the request can be cancelled
   */
  ask<R extends Request>(
    make: (id: number) => R,
    transfer?: readonly ArrayBuffer[],
    onSent?: (id: number) => void,
  ): Promise<Answers[R['kind']]>;
  ask(
    make: (id: number) => Request,
    transfer: readonly ArrayBuffer[] = [],
    onSent: (id: number) => void = () => {},
  ): Promise<Answers[keyof Answers]> {
    if (this.#ended !== undefined) return Promise.reject(new EngineError('closed', this.#ended));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#port.post(make(id), transfer);
      this.#pending.set(id, { resolve, reject });
      if (this.#pending.size === 1) this.#port.keepAlive(true);
      onSent(id);
    });
  }

  /** Frees all sessions and ends the worker; calls that were under way are finished first. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    await this.ask((id) => ({ kind: 'stop', id }));
    this.#end('The worker is closed.');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #receive(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#port.keepAlive(false);
    if (reply.ok) pending.resolve(reply.value);
    else pending.reject(fromFailure(reply.failure));
  }

  #end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new EngineError('closed', reason));
  }
}

/**
 * Starts a worker for sessions that should not wait for others. Sessions share one worker unless told otherwise.
 *
 * @throws EngineError of kind `provider` if the runtime cannot be loaded
 */
export async function startWorker(options: WorkerOptions = {}): Promise<EngineWorker> {
  const worker = new EngineWorker(options.port ?? (await startPort()));
  try {
    await worker.start(options.runtime ?? 'auto');
  } catch (error) {
    await worker.close().catch(() => {});
    throw error;
  }
  return worker;
}

async function startPort(): Promise<WorkerPort> {
  if (isNode()) {
    return (await import('./node-port.ts')).startNodeWorker();
  }
  return (await import('./browser-port.ts')).startBrowserWorker();
}

const shared = new Map<RuntimeName | 'auto', Promise<EngineWorker>>();

/** The worker that sessions of this runtime share; started when first asked for, and again if it has ended. */
export async function sharedWorker(runtime: RuntimeName | 'auto'): Promise<EngineWorker> {
  const known = shared.get(runtime);
  if (known !== undefined) {
    const worker = await known;
    if (worker.alive) return worker;
  }
  // Another caller may have replaced the ended worker while this one waited.
  const current = shared.get(runtime);
  if (current !== undefined && current !== known) return current;
  const started = startWorker({ runtime });
  shared.set(runtime, started);
  started.then(
    (worker) => {
      if (!shared.has(worker.runtime)) shared.set(worker.runtime, started);
    },
    () => shared.delete(runtime),
  );
  return started;
}
