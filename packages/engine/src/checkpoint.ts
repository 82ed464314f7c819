/** Checkpoints: where a training run stands, as a value and as an ONNX file that holds only initializers. */
import { DecodeError, decodeModel, encodeModel, makeModel, type Tensor } from '@assay/graph';
import { EngineError } from './errors.ts';
import type { Tensors } from './session.ts';

/** The best state of a run, by its validation score. */
export interface BestState {
  readonly step: number;
  readonly score: number;
  readonly state: Tensors;
}

/** Everything that a run needs to go on as if it had not stopped. */
export interface Checkpoint {
  /** Steps done. */
  readonly step: number;
  /** What the session held: parameters and the optimiser's state. */
  readonly state: Tensors;
  readonly best?: BestState;
  /** Validations since the best. */
  readonly withoutImprovement: number;
}

const METADATA_KEY = 'assay.checkpoint';
const VERSION = 1;
const CURRENT = 'state/';
const BEST = 'best/';

/** A checkpoint as the bytes of an ONNX file. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const { step, state, best, withoutImprovement } = checkpoint;
  const initializers = new Map<string, Tensor>();
  for (const [name, value] of Object.entries(state)) initializers.set(CURRENT + name, value);
  for (const [name, value] of Object.entries(best?.state ?? {})) initializers.set(BEST + name, value);
  const record = {
    version: VERSION,
    step,
    withoutImprovement,
    ...(best === undefined ? {} : { best: { step: best.step, score: best.score } }),
  };
  return encodeModel(
    makeModel(
      { name: 'checkpoint', nodes: [], inputs: [], outputs: [], initializers, valueInfo: new Map() },
      new Map([[METADATA_KEY, JSON.stringify(record)]]),
    ),
  );
}

/**
 * Reads what {@link encodeCheckpoint} wrote.
 *
 * @throws EngineError of kind `checkpoint` if the bytes are not that
 */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { metadata, graph } = readModel(bytes);
  const record = parseRecord(metadata.get(METADATA_KEY));
  const part = (prefix: string): Record<string, Tensor> =>
    Object.fromEntries(
      [...graph.initializers]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), value]),
    );
  const { step, withoutImprovement, best } = record;
  return {
    step,
    state: part(CURRENT),
    withoutImprovement,
    ...(best === undefined ? {} : { best: { ...best, state: part(BEST) } }),
  };
}

function readModel(bytes: Uint8Array): ReturnType<typeof decodeModel> {
  try {
    return decodeModel(bytes);
  } catch (error) {
    if (error instanceof DecodeError)
      throw new EngineError('checkpoint', `The file is no checkpoint: ${error.message}`);
    throw error;
  }
}

interface CheckpointRecord {
  readonly step: number;
  readonly withoutImprovement: number;
  readonly best?: { readonly step: number; readonly score: number };
}

function parseRecord(text: string | undefined): CheckpointRecord {
  const record = text === undefined ? undefined : parseJson(text);
  if (typeof record !== 'object' || record === null || !('version' in record)) {
    throw new EngineError('checkpoint', 'The file is a model, but no checkpoint of a training run.');
  }
  if (record.version !== VERSION) {
    throw new EngineError('checkpoint', 'The checkpoint was written by another version of this program.');
  }
  const step = wholeNumber(record, 'step');
  const withoutImprovement = wholeNumber(record, 'withoutImprovement');
  if (!('best' in record)) return { step, withoutImprovement };
  const { best } = record;
  if (typeof best !== 'object' || best === null || !('score' in best) || typeof best.score !== 'number') {
    throw damaged();
  }
  return { step, withoutImprovement, best: { step: wholeNumber(best, 'step'), score: best.score } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged();
  }
}

function wholeNumber(record: object, key: string): number {
  const value: unknown = Object.getOwnPropertyDescriptor(record, key)?.value;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw damaged();
  return value;
}

function damaged(): EngineError {
  return new EngineError('checkpoint', 'The record of the training run in the checkpoint is damaged.');
}
