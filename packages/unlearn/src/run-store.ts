/** The state of an interrupted run, as one ONNX file that holds only tensors and a record. */
import { DecodeError, decodeModel, encodeModel, makeModel, type Tensor } from '@assay/graph';
import * as z from 'zod';
import type { CheckpointStore } from './request.ts';

const METADATA_KEY = 'assay.unlearn';
const VERSION = 2;

const point = z.strictObject({
  step: z.int(),
  sensitivity: z.number(),
  divergence: z.number(),
  agreement: z.number(),
  lambda: z.number(),
  chosen: z.boolean(),
});

/** Everything but tensors; the batches themselves follow from seed and step. */
const record = z.strictObject({
  version: z.literal(VERSION),
  /** Steps done over all rounds. */
  step: z.int().min(0),
  round: z.int().min(0),
  lambda: z.number(),
  lambdaLimit: z.number(),
  goal: z.number(),
  average: z.number().optional(),
  best: z
    .strictObject({ score: z.number(), met: z.boolean(), floorMet: z.boolean().optional(), step: z.int() })
    .optional(),
  curve: z.array(point).max(100_000),
});

export type RunRecord = Omit<z.infer<typeof record>, 'version'>;

/** A run as it stands between two chunks of steps. */
export interface RunState {
  readonly record: RunRecord;
  readonly student: Readonly<Record<string, Tensor>>;
  readonly best: Readonly<Record<string, Tensor>> | undefined;
}

/** Loads and saves the state of one run under one key. */
export class RunStore {
  readonly #store: CheckpointStore;
  readonly #key: string;

  constructor(store: CheckpointStore, key: string) {
    this.#store = store;
    this.#key = key;
  }

  /** The saved state; undefined if there is none, or it cannot be read (the run then starts from the beginning). */
  async load(): Promise<RunState | undefined> {
    const bytes = await this.#store.load(this.#key);
    if (bytes === undefined) return undefined;
    try {
      const { metadata, graph } = decodeModel(bytes);
      const { version: _, ...parsed } = record.parse(JSON.parse(metadata.get(METADATA_KEY) ?? 'null'));
      const part = (prefix: string) =>
        Object.fromEntries(
          [...graph.initializers].flatMap(([name, value]) =>
            name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [],
          ),
        );
      return {
        record: parsed,
        student: part('student/'),
        best: parsed.best === undefined ? undefined : part('best/'),
      };
    } catch (error) {
      if (error instanceof DecodeError || error instanceof z.ZodError || error instanceof SyntaxError)
        return undefined;
      throw error;
    }
  }

  async save(state: RunState): Promise<void> {
    const initializers = new Map<string, Tensor>();
    for (const [name, value] of Object.entries(state.student)) initializers.set(`student/${name}`, value);
    for (const [name, value] of Object.entries(state.best ?? {})) initializers.set(`best/${name}`, value);
    const metadata = new Map([[METADATA_KEY, JSON.stringify({ version: VERSION, ...state.record })]]);
    const graph = { name: 'run', nodes: [], inputs: [], outputs: [], initializers, valueInfo: new Map() };
    await this.#store.save(this.#key, encodeModel(makeModel(graph, metadata)));
  }

  async clear(): Promise<void> {
    await this.#store.clear(this.#key);
  }
}
