/** The worker's side: answers requests with sessions of ONNX Runtime. Knows nothing of the environment it runs in. */
import type { Tensor } from '@assay/graph';
import type * as Ort from 'onnxruntime-web';
import { EngineError } from '../errors.ts';
import { runFailure, toFailure } from './failures.ts';
import type { Answers, Reply, Request, Tensors } from './protocol.ts';
import { loadRuntime, openModel, type Runtime, SILENT } from './runtime.ts';
import { buffersOf, detached, fromOrt, toOrt } from './tensors.ts';

/** What the environment gives to the host. */
export interface HostEnvironment {
  /** Sends a reply; the buffers are transferred. */
  post(reply: Reply, transfer: readonly ArrayBuffer[]): void;
  /** Ends the worker. */
  end(): void;
  /**
   * Brackets every call into native code. A process must not tear down a thread inside one; `enter` says false once
   * the process is ending, and the call must then not be made.
   */
  readonly gate: { enter(): boolean; leave(): void };
}

/**
 * Milliseconds after which a long run on wasm lets messages in. A run of wasm only yields to microtasks, so that a
 * request to cancel would wait for the end; a native run yields by itself.
 */
const REST_AFTER = 50;

/** One open session with what it holds. */
interface Entry {
  readonly session: Ort.InferenceSession;
  readonly held: Map<string, Ort.Tensor>;
  readonly carry: Map<string, string>;
}

/** A message handler over sessions of its own. Requests are answered one after the other. */
export function createHost(environment: HostEnvironment): (request: Request) => void {
  const sessions = new Map<number, Entry>();
  const cancelled = new Set<number>();
  let runtime: Runtime | undefined;
  let queue: Promise<void> = Promise.resolve();

  return (request) => {
    if (request.kind === 'cancel') {
      // Not queued: it has to overtake the run that it stops.
      cancelled.add(request.target);
      environment.post({ id: request.id, ok: true, value: undefined }, []);
      return;
    }
    queue = queue.then(() => handle(request));
  };

  async function handle(request: Exclude<Request, { kind: 'cancel' }>): Promise<void> {
    try {
      const value = await answer(request);
      environment.post({ id: request.id, ok: true, value }, transferOf(value));
    } catch (error) {
      environment.post({ id: request.id, ok: false, failure: toFailure(error) }, []);
    }
    if (request.kind === 'stop') environment.end();
  }

  async function answer(request: Exclude<Request, { kind: 'cancel' }>): Promise<Answers[keyof Answers]> {
    switch (request.kind) {
      case 'start': {
        const loaded = await native(() => loadRuntime(request.runtime));
        runtime = loaded.runtime;
        return { runtime: runtime.name, fallbackReason: loaded.fallbackReason };
      }
      case 'open':
        return open(request);
      case 'run':
        return run(request);
      case 'hold': {
        const entry = entryOf(request.session);
        for (const [name, value] of Object.entries(request.state))
          entry.held.set(name, toOrt(moduleOf(), value));
        for (const [output, input] of Object.entries(request.carry)) entry.carry.set(output, input);
        return undefined;
      }
      case 'held': {
        const { held } = entryOf(request.session);
        const state: Record<string, Tensor> = {};
        for (const name of request.names) {
          const value = held.get(name);
          if (value === undefined)
            throw new EngineError('argument', `The session holds no tensor named "${name}".`);
          state[name] = detached(fromOrt(value));
        }
        return { state };
      }
      case 'close': {
        await release(request.session);
        return undefined;
      }
      case 'stop': {
        for (const session of [...sessions.keys()]) await release(session);
        return undefined;
      }
    }
  }

  async function open(request: Extract<Request, { kind: 'open' }>): Promise<Answers['open']> {
    const loaded = runtime;
    if (loaded === undefined) throw new EngineError('closed', 'The worker has not loaded a runtime.');
    const opened = await native(() =>
      openModel(loaded, request.model, request.providers, request.threads, request.optimize),
    );
    sessions.set(request.session, { session: opened.session, held: new Map(), carry: new Map() });
    const { provider, failed, inputs, outputs } = opened;
    return { provider, failed, inputs, outputs };
  }

  async function run(request: Extract<Request, { kind: 'run' }>): Promise<Answers['run']> {
    const entry = entryOf(request.session);
    const wanted = new Set([...request.outputs, ...entry.carry.keys()]);
    // The runtime does not run for nothing.
    const [first] = entry.session.outputNames;
    if (wanted.size === 0 && first !== undefined) wanted.add(first);
    const results: Tensors[] = [];
    let rested = performance.now();
    try {
      for (const feeds of request.feeds) {
        if (runtime?.name === 'web' && performance.now() - rested > REST_AFTER) {
          await new Promise((resolve) => setTimeout(resolve, 0));
          rested = performance.now();
        }
        if (cancelled.has(request.id)) break;
        results.push(await step(entry, feeds, [...wanted], request.outputs));
      }
    } finally {
      cancelled.delete(request.id);
    }
    return { results };
  }

  async function step(
    entry: Entry,
    feeds: Tensors,
    wanted: readonly string[],
    sent: readonly string[],
  ): Promise<Tensors> {
    const inputs: Record<string, Ort.Tensor> = {};
    for (const [name, value] of entry.held) inputs[name] = value;
    for (const [name, value] of Object.entries(feeds)) inputs[name] = toOrt(moduleOf(), value);
    let outputs: Ort.InferenceSession.OnnxValueMapType;
    try {
      outputs = await native(() => entry.session.run(inputs, wanted, { logSeverityLevel: SILENT }));
    } catch (error) {
      throw runFailure(error, feeds);
    }
    const result: Record<string, Tensor> = {};
    for (const name of sent) {
      // What is carried stays here, so the caller gets a copy.
      const value = fromOrt(tensorIn(outputs, name));
      result[name] = entry.carry.has(name) ? detached(value) : value;
    }
    for (const [output, input] of entry.carry) entry.held.set(input, tensorIn(outputs, output));
    return result;
  }

  async function release(session: number): Promise<void> {
    const entry = sessions.get(session);
    if (entry === undefined) return;
    sessions.delete(session);
    await native(() => entry.session.release());
  }

  async function native<T>(call: () => Promise<T>): Promise<T> {
    if (!environment.gate.enter()) throw new EngineError('closed', 'The process is ending.');
    try {
      return await call();
    } finally {
      environment.gate.leave();
    }
  }

  function entryOf(session: number): Entry {
    const entry = sessions.get(session);
    if (entry === undefined) throw new EngineError('closed', 'The session is closed.');
    return entry;
  }

  function moduleOf(): Runtime['module'] {
    if (runtime === undefined) throw new EngineError('closed', 'The worker has not loaded a runtime.');
    return runtime.module;
  }
}

function tensorIn(outputs: Ort.InferenceSession.OnnxValueMapType, name: string): Ort.Tensor {
  const value = outputs[name];
  if (value === undefined) throw new EngineError('argument', `The graph gave no output named "${name}".`);
  return value;
}

function transferOf(value: Answers[keyof Answers]): readonly ArrayBuffer[] {
  if (value === undefined) return [];
  if ('results' in value) return buffersOf(value.results.flatMap((tensors) => Object.values(tensors)));
  if ('state' in value) return buffersOf(Object.values(value.state));
  return [];
}
