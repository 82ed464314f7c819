/** Records that a model carries of how it came to be, beside its feature schema. */
import type { Model } from '@assay/graph';
import { versions } from './versions.ts';

/** How it was trained: JSON. */
export const TRAINING_METADATA_KEY = 'assay.training';

/** What it was made to forget, in order: a JSON list. */
export const UNLEARNING_METADATA_KEY = 'assay.unlearning';

/** The model with Assay as its producer, its feature schema under the schema's key, and how it was trained. */
export function withTraining(
  model: Model,
  schema: readonly [key: string, json: string],
  record: object,
): Model {
  const { assay } = versions();
  const training = JSON.stringify({ tool: `assay ${assay}`, ...record });
  const metadata = new Map([...model.metadata, schema, [TRAINING_METADATA_KEY, training]]);
  return { ...model, producerName: 'assay', producerVersion: assay, metadata };
}

/** A record as names and plain values, for a person to read; nested ones with dots. Undefined where it is no JSON object. */
export function readRecord(json: string): readonly (readonly [string, string])[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return undefined;
  }
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    ? flattened(parsed, '', 0)
    : undefined;
}

/** Records come from files: deeper and longer ones than anybody writes are cut. */
const DEEPEST = 3;
const LONGEST = 200;

function flattened(record: object, prefix: string, depth: number): readonly (readonly [string, string])[] {
  return Object.entries(record)
    .slice(0, 50)
    .flatMap(([name, value]: [string, unknown]): readonly (readonly [string, string])[] => {
      if (typeof value === 'object' && value !== null && !Array.isArray(value) && depth < DEEPEST) {
        return flattened(value, `${prefix}${name}.`, depth + 1);
      }
      const text = Array.isArray(value) ? value.join(', ') : String(value);
      return [[prefix + name, text.slice(0, LONGEST)]];
    });
}

/** The list of things forgotten, with one more at its end. A list that cannot be read is kept as its first entry. */
export function withForgotten(json: string | undefined, entry: object): string {
  let entries: unknown[] = [];
  if (json !== undefined) {
    try {
      const parsed: unknown = JSON.parse(json);
      entries = Array.isArray(parsed) ? parsed : [parsed];
    } catch {
      entries = [json];
    }
  }
  return JSON.stringify([...entries, entry]);
}
