/** Sessions: a graph on ONNX Runtime in a worker, with tensors that stay there between runs. */
import { elementCount, encodeModel, type Model, type Tensor } from '@assay/graph';
import { EngineError } from './errors.ts';
import type { FailedProvider, Port, RuntimeName, Tensors } from './worker/protocol.ts';
import { buffersOf, detached, isRunnable, runnableByteLength } from './worker/tensors.ts';
import { type EngineWorker, sharedWorker } from './worker/worker.ts';

export type { FailedProvider, Port, RuntimeName, Tensors } from './worker/protocol.ts';

/** How {@link openSession} opens a session. */
export interface SessionOptions {
  /** `auto` (default) takes onnxruntime-node and, where that is missing, onnxruntime-web (wasm). */
  readonly runtime?: RuntimeName | 'auto';
  /** Execution providers in order of preference; the first that starts runs. Default: the CPU of the runtime. */
  readonly providers?: readonly string[];
  /** Threads inside one op; 1 (default) is best for small models. Without effect on wasm. */
  readonly threads?: number;
  /** Whether the runtime may fuse nodes and fold constants (default true). */
  readonly optimize?: boolean;
  /** A worker of its own; sessions share one otherwise, and wait for each other. */
  readonly worker?: EngineWorker;
  /** Gives up the opening. */
  readonly signal?: AbortSignal;
}

/** How {@link Session.runMany} runs. */
export interface RunManyOptions {
  /** Outputs to give back; default all that are not carried. */
  readonly outputs?: readonly string[];
  /** Stops before the next step; the results of the steps done are given. */
  readonly signal?: AbortSignal;
}

/** A graph that is ready to run. Calls on one session are answered in order. Made by {@link openSession}. */
export class Session {
  /** The execution provider that runs, such as `cpu` or `wasm`. */
  readonly provider: string;
  /** Providers that were tried before it, with the reason why they did not start. */
  readonly failedProviders: readonly FailedProvider[];
  /** The build of ONNX Runtime that runs. */
  readonly runtime: RuntimeName;
  /** Why `auto` did not take onnxruntime-node; undefined where it did or was not asked to. */
  readonly fallbackReason: string | undefined;
  /** Inputs that have to be fed or held. */
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly #worker: EngineWorker;
  readonly #id: number;
  readonly #inputs: ReadonlyMap<string, Port>;
  readonly #outputs: ReadonlyMap<string, Port>;
  readonly #held = new Set<string>();
  readonly #carried = new Set<string>();
  #closed = false;

  /** Use {@link openSession}. */
  constructor(
    worker: EngineWorker,
    id: number,
    opened: {
      readonly provider: string;
      readonly failed: readonly FailedProvider[];
      readonly inputs: readonly Port[];
      readonly outputs: readonly Port[];
    },
  ) {
    this.#worker = worker;
    this.#id = id;
    this.runtime = worker.runtime;
    this.fallbackReason = worker.fallbackReason;
    this.provider = opened.provider;
    this.failedProviders = opened.failed;
    this.inputs = opened.inputs;
    this.outputs = opened.outputs;
    this.#inputs = new Map(opened.inputs.map((port) => [port.name, port]));
    this.#outputs = new Map(opened.outputs.map((port) => [port.name, port]));
  }

  /**
   * Runs the graph once.
   *
   * @param feeds tensors by input name; an input that is held may be left out, and is replaced for this run if given
   * @param outputs names of the outputs to give back; default all that are not carried
   * @returns tensors by output name
   * @throws EngineError of kind `argument` before anything runs, `run` with the failing op and the shapes fed
   *
   * @example
   * const { logits } = await session.run({ x: tensor('float32', [1, 3], [1, 2, 3]) });
   */
  async run(feeds: Tensors = {}, outputs?: readonly string[]): Promise<Record<string, Tensor>> {
    const [result] = await this.runMany([feeds], outputs === undefined ? {} : { outputs });
    return { ...result };
  }

  /**
   * Runs the graph once per element of `feedsList` with a single message to the worker.
   *
   * @returns the outputs of each run, in order
   * @throws EngineError as {@link run}; runs before the failing one have then taken effect on what is held
   */
  async runMany(feedsList: readonly Tensors[], options: RunManyOptions = {}): Promise<readonly Tensors[]> {
    this.#assertOpen();
    const outputs =
      options.outputs ?? this.outputs.map(({ name }) => name).filter((name) => !this.#carried.has(name));
    for (const name of outputs) this.#output(name);
    for (const feeds of feedsList) this.#checkFeeds(feeds);
    const { signal } = options;
    signal?.throwIfAborted();
    const posted = feedsList.map((feeds) => mapTensors(feeds, compact));
    const transfer = posted.flatMap(({ transfer }) => transfer);
    let sent = 0;
    const cancel = (): void => {
      this.#worker.ask((id) => ({ kind: 'cancel', id, target: sent })).catch(() => {});
    };
    const answer = this.#worker.ask(
      (id) => ({ kind: 'run', id, session: this.#id, feeds: posted.map(({ tensors }) => tensors), outputs }),
      transfer,
      (id) => {
        sent = id;
      },
    );
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return (await answer).results;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /**
   * Keeps tensors in the worker as inputs of every following run.
   *
   * A carried output becomes the held input of the next run and is not sent back (unless asked for by name): so weights
   * and optimiser state never leave the worker between training steps. Holding again adds to or replaces what is held.
   *
   * @param state tensors by input name
   * @param carry input name by output name
   */
  async hold(state: Tensors, carry: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#assertOpen();
    for (const [name, value] of Object.entries(state)) this.#checkFeed(name, value);
    for (const [output, input] of Object.entries(carry)) {
      const from = this.#output(output);
      const to = this.#input(input);
      if (from.elementType !== to.elementType) {
        throw new EngineError(
          'argument',
          `Output "${output}" is ${from.elementType} and cannot become input "${input}", which is ${to.elementType}.`,
        );
      }
    }
    const { tensors, transfer } = mapTensors(state, compact);
    await this.#worker.ask(
      (id) => ({ kind: 'hold', id, session: this.#id, state: tensors, carry }),
      transfer,
    );
    for (const name of Object.keys(state)) this.#held.add(name);
    for (const [output, input] of Object.entries(carry)) {
      this.#carried.add(output);
      this.#held.add(input);
    }
  }

  /** Copies of what is held; of everything if no names are given. */
  async held(names: readonly string[] = [...this.#held]): Promise<Record<string, Tensor>> {
    this.#assertOpen();
    const { state } = await this.#worker.ask((id) => ({ kind: 'held', id, session: this.#id, names }));
    return { ...state };
  }

  /** Frees the session. Calls already under way are finished; later ones fail. Closing twice does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#worker.alive) await this.#worker.ask((id) => ({ kind: 'close', id, session: this.#id }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #assertOpen(): void {
    if (this.#closed) throw new EngineError('closed', 'The session is closed.');
  }

  #input(name: string): Port {
    const port = this.#inputs.get(name);
    if (port === undefined)
      throw new EngineError('argument', `The graph has no input "${name}"; it has ${quoted(this.inputs)}.`);
    return port;
  }

  #output(name: string): Port {
    const port = this.#outputs.get(name);
    if (port === undefined)
      throw new EngineError('argument', `The graph has no output "${name}"; it has ${quoted(this.outputs)}.`);
    return port;
  }

  #checkFeeds(feeds: Tensors): void {
    for (const [name, value] of Object.entries(feeds)) this.#checkFeed(name, value);
    for (const { name } of this.inputs) {
      if (!Object.hasOwn(feeds, name) && !this.#held.has(name)) {
        throw new EngineError('argument', `Input "${name}" is neither fed nor held.`);
      }
    }
    this.#checkNamedDimensions(feeds);
  }

  /** Dimensions of one name are equal; the runtime does not look, and computes nonsense from a batch too short. */
  #checkNamedDimensions(feeds: Tensors): void {
    const sizes = new Map<string, { readonly input: string; readonly size: number }>();
    for (const [input, { dims }] of Object.entries(feeds)) {
      for (const [axis, dim] of this.#input(input).shape.entries()) {
        const size = dims[axis];
        if (typeof dim !== 'string' || dim === '' || size === undefined) continue;
        const known = sizes.get(dim);
        if (known === undefined) sizes.set(dim, { input, size });
        else if (known.size !== size) {
          throw new EngineError(
            'argument',
            `The dimension "${dim}" is ${known.size} in input "${known.input}" and ${size} in input "${input}".`,
          );
        }
      }
    }
  }

  /** The runtime trusts dimensions and sizes; they are checked here. */
  #checkFeed(name: string, value: Tensor): void {
    const { elementType, shape } = this.#input(name);
    const { dims, data } = value;
    if (value.elementType !== elementType || !isRunnable(elementType)) {
      throw new EngineError('argument', `Input "${name}" takes ${elementType}, not ${value.elementType}.`);
    }
    const fits =
      dims.length === shape.length &&
      dims.every((dim, axis) => typeof shape[axis] !== 'number' || shape[axis] === dim);
    if (!fits && !isUnknownRank(shape, dims)) {
      throw new EngineError(
        'argument',
        `Input "${name}" takes shape ${bracketed(shape)}, not ${bracketed(dims)}.`,
      );
    }
    if (!dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
      throw new EngineError('argument', `Input "${name}" has a dimension that is no whole number.`);
    }
    const count = elementCount(dims);
    const length = data instanceof Uint8Array ? data.byteLength : data.length;
    if (length !== (runnableByteLength(elementType, count) ?? count)) {
      throw new EngineError(
        'argument',
        `Input "${name}" of shape ${bracketed(dims)} has data of another size.`,
      );
    }
  }
}

/**
 * Opens a session of a model in a worker.
 *
 * @param model a model, or the bytes of an ONNX file
 * @throws EngineError of kind `provider` if no provider starts (with each reason), `model` if the model is refused
 *
 * @example
 * await using session = await openSession(model, { providers: ['cuda', 'cpu'] });
 * console.log(session.provider);
 */
export async function openSession(model: Model | Uint8Array, options: SessionOptions = {}): Promise<Session> {
  const { signal, providers = [], threads = 1, optimize = true } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new EngineError(
      'argument',
      `The number of threads is a whole number from 1 to 1024, not ${threads}.`,
    );
  }
  signal?.throwIfAborted();
  const worker = options.worker ?? (await sharedWorker(options.runtime ?? 'auto'));
  signal?.throwIfAborted();
  const bytes =
    model instanceof Uint8Array ? compactBytes(model) : { bytes: encodeModel(model), owned: true };
  const id = worker.newSession();
  const opened = await worker.ask(
    (request) => ({
      kind: 'open',
      id: request,
      session: id,
      model: bytes.bytes,
      providers,
      threads,
      optimize,
    }),
    bytes.owned && bytes.bytes.buffer instanceof ArrayBuffer ? [bytes.bytes.buffer] : [],
  );
  const session = new Session(worker, id, opened);
  if (signal?.aborted) {
    await session.close();
    signal.throwIfAborted();
  }
  return session;
}

/**
 * Posting a view clones the whole buffer behind it. A view of a part is therefore cut out first, and the cut-out
 * transferred; a view of everything is left to the cloning.
 */
function compact(value: Tensor): { tensor: Tensor; owned: boolean } {
  const { elementType, dims, data } = value;
  if (data instanceof Uint8Array && data.byteLength === data.buffer.byteLength) {
    return { tensor: { elementType, dims, data }, owned: false };
  }
  return { tensor: detached(value), owned: true };
}

function compactBytes(bytes: Uint8Array): { bytes: Uint8Array; owned: boolean } {
  if (bytes.byteLength === bytes.buffer.byteLength) return { bytes, owned: false };
  return { bytes: bytes.slice(), owned: true };
}

function mapTensors(
  tensors: Tensors,
  map: (value: Tensor) => { tensor: Tensor; owned: boolean },
): { tensors: Tensors; transfer: ArrayBuffer[] } {
  const mapped: Record<string, Tensor> = {};
  const owned: Tensor[] = [];
  for (const [name, value] of Object.entries(tensors)) {
    const result = map(value);
    mapped[name] = result.tensor;
    if (result.owned) owned.push(result.tensor);
  }
  return { tensors: mapped, transfer: buffersOf(owned) };
}

/** The runtime reports an input of unknown rank like a scalar. */
function isUnknownRank(shape: readonly unknown[], dims: readonly number[]): boolean {
  return shape.length === 0 && dims.length > 0;
}

function quoted(ports: readonly Port[]): string {
  return ports.length === 0 ? 'none' : ports.map(({ name }) => `"${name}"`).join(', ');
}

function bracketed(shape: readonly (number | string)[]): string {
  return `[${shape.map((dim) => (dim === '' ? '?' : dim)).join(', ')}]`;
}
