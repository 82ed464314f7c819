/**
 * The feature schema: how the columns of a table become the inputs of a model, and its output a class.
 *
 * It travels as JSON inside the ONNX file (metadata key {@link SCHEMA_METADATA_KEY}), so that a model carries what it
 * needs to be used; for a model from elsewhere a person writes it as YAML (see `parse.ts`).
 */
import * as z from 'zod';
import { DataError } from '../errors.ts';
import { unknownName } from '../names.ts';

/** The metadata key of an ONNX model under which its schema stands, as JSON. */
export const SCHEMA_METADATA_KEY = 'assay.schema';

/** A column has at most this many slots; more values share the slot or index for "other". */
const MAX_SLOTS = 1_000_000;
const name = z.string().min(1).max(1000);
const finite = z.number();
const count = z.int().min(0);
const values = z.array(z.string()).min(1).max(MAX_SLOTS);

/** What a number that is missing becomes. */
const missingNumber = z.strictObject({
  /** The number put in its place, in the column's own units. */
  fill: finite,
  /** Whether a second slot says 1 for "was missing" and 0 otherwise. */
  indicator: z.boolean().default(false),
});

/** What a value that is no number becomes: an error, or a missing number. */
const invalidNumber = z.enum(['error', 'missing']).default('error');

/** (x − mean) / std in one slot; the second slot, if any, is the missing indicator. */
const standardEncoder = z.strictObject({
  kind: z.literal('standard'),
  mean: finite,
  std: z.number().positive(),
  missing: missingNumber.optional(),
  invalid: invalidNumber,
});

/** x as it is in one slot; the second slot, if any, is the missing indicator. */
const identityEncoder = z.strictObject({
  kind: z.literal('identity'),
  missing: missingNumber.optional(),
  invalid: invalidNumber,
});

/** One slot per value, in the order of `values`, then one for "missing", then one for "other", where those have their own. */
const onehotEncoder = z.strictObject({
  kind: z.literal('onehot'),
  values,
  missing: z.enum(['own-slot', 'zeros']).default('zeros'),
  other: z.enum(['own-slot', 'zeros']).default('zeros'),
});

/**
 * One whole number per row, for an embedding: 0 is "other", 1 … k are `values`, k + 1 is "missing" where that has an
 * index of its own (else missing is 0 too).
 */
const indexEncoder = z.strictObject({
  kind: z.literal('index'),
  values,
  missing: z.enum(['own-index', 'other']).default('other'),
  /** The index of "other" and of the first value; models from elsewhere may count from 0 and have no "other". */
  first: z.int().min(0).max(1).default(1),
});

const encoder = z.discriminatedUnion('kind', [standardEncoder, identityEncoder, onehotEncoder, indexEncoder]);

const column = z.strictObject({
  name,
  kind: z.enum(['number', 'category']),
  encoder,
  /** Name of the graph input that holds the column, and where: `length` slots of its last axis from `start`. */
  input: name,
  start: count,
  length: z.int().min(1),
});

const input = z.strictObject({
  name,
  elementType: z.enum(['float32', 'int64']),
  /** Size of the last axis; the tensor is [rows, width]. */
  width: z.int().min(1),
});

const output = z.strictObject({
  name,
  /**
   * `logits` [rows, classes], `probabilities` [rows, classes]; for two classes also `margin`: one log-odds of the second
   * class per row, or `probability` of it; `label`: the class number, of which no gradient can be taken.
   */
  kind: z.enum(['logits', 'probabilities', 'margin', 'probability', 'label']),
});

const training = z.strictObject({
  /** What the table was called: a file name (never its folder) or a named data set. */
  name,
  /** SHA-256 of the file, in hexadecimal; see `Table.digest`. */
  digest: z.string().regex(/^[0-9a-f]{64}$/, 'has to be a SHA-256 in hexadecimal'),
  rows: count,
  /** Whether the data were made, not collected. */
  synthetic: z.boolean().default(false),
  /** How the test rows were set aside: `splitRows(rows, split).test`. */
  split: z.strictObject({ seed: count, testFraction: z.number().min(0).max(1) }).optional(),
  clients: z.int().min(1).optional(),
});

const structure = z.strictObject({
  version: z.literal(1),
  inputs: z.array(input).min(1),
  columns: z.array(column).min(1),
  /** Columns of the training table that are no feature, and why. */
  ignored: z.array(z.strictObject({ name, reason: z.string() })).default([]),
  output,
  target: z.strictObject({ column: name, classes: z.array(z.string()).min(2) }),
  training: training.optional(),
});

/** The schema with all that has to fit together checked: names once each, slots inside their input and used once. */
export const FeatureSchema = structure.superRefine((schema, context) => {
  const complain = (path: (string | number)[], message: string): void =>
    context.addIssue({ code: 'custom', path, message });
  repeated(schema.inputs.map((i) => i.name)).forEach(([index, twice]) => {
    complain(['inputs', index, 'name'], `the input "${twice}" is listed twice`);
  });
  repeated(schema.columns.map((c) => c.name)).forEach(([index, twice]) => {
    complain(['columns', index, 'name'], `the column "${twice}" is listed twice`);
  });
  repeated(schema.target.classes).forEach(([index]) => {
    complain(['target', 'classes', index], 'a class is listed twice');
  });
  const taken = new Map(schema.inputs.map((i) => [i.name, new Set<number>()]));
  schema.columns.forEach((c, index) => {
    const home = schema.inputs.find((i) => i.name === c.input);
    const used = taken.get(c.input);
    if (c.name === schema.target.column)
      complain(['columns', index, 'name'], 'the target cannot be a feature as well');
    if (home === undefined || used === undefined) {
      complain(['columns', index, 'input'], `there is no input "${c.input}"`);
      return;
    }
    const length = slotCount(c.encoder);
    if (c.length !== length)
      complain(['columns', index, 'length'], `the encoder fills ${length} slots, not ${c.length}`);
    if (c.start + c.length > home.width) {
      complain(
        ['columns', index, 'start'],
        `slots ${c.start} to ${c.start + c.length - 1} are outside the input's width ${home.width}`,
      );
      return;
    }
    for (let slot = c.start; slot < c.start + c.length; slot++) {
      if (used.has(slot)) {
        complain(
          ['columns', index, 'start'],
          `slot ${slot} of "${c.input}" belongs to another column already`,
        );
        return;
      }
      used.add(slot);
    }
    if ((c.encoder.kind === 'index') !== (home.elementType === 'int64')) {
      complain(['columns', index, 'input'], 'index encoders need an int64 input, all others a float32 one');
    }
    if ((c.kind === 'number') !== (c.encoder.kind === 'standard' || c.encoder.kind === 'identity')) {
      complain(['columns', index, 'kind'], `the encoder "${c.encoder.kind}" is not for a ${c.kind}`);
    }
    if (c.encoder.kind === 'onehot' || c.encoder.kind === 'index') {
      if (repeated(c.encoder.values).length > 0)
        complain(['columns', index, 'encoder', 'values'], 'a value is listed twice');
    }
  });
  schema.inputs.forEach((i, index) => {
    const used = taken.get(i.name)?.size ?? 0;
    if (used < i.width)
      complain(['inputs', index, 'width'], `${i.width - used} of the ${i.width} slots belong to no column`);
  });
  if (
    (schema.output.kind === 'margin' || schema.output.kind === 'probability') &&
    schema.target.classes.length !== 2
  ) {
    complain(
      ['output', 'kind'],
      `"${schema.output.kind}" is for two classes, and there are ${schema.target.classes.length}`,
    );
  }
});

export type FeatureSchema = z.infer<typeof FeatureSchema>;
export type FeatureColumn = FeatureSchema['columns'][number];
export type ColumnEncoder = FeatureColumn['encoder'];
export type GraphInput = FeatureSchema['inputs'][number];
export type OutputKind = FeatureSchema['output']['kind'];
export type TrainingRecord = NonNullable<FeatureSchema['training']>;

/** Slots of the last axis that an encoder fills. */
export function slotCount(of: ColumnEncoder): number {
  switch (of.kind) {
    case 'standard':
    case 'identity':
      return of.missing?.indicator === true ? 2 : 1;
    case 'onehot':
      return of.values.length + (of.missing === 'own-slot' ? 1 : 0) + (of.other === 'own-slot' ? 1 : 0);
    case 'index':
      return 1;
  }
}

/** How many different numbers an index encoder gives: the rows that its embedding needs. */
export function indexCount(of: Extract<ColumnEncoder, { kind: 'index' }>): number {
  return of.first + of.values.length + (of.missing === 'own-index' ? 1 : 0);
}

/**
 * The column of this name.
 *
 * @throws DataError `unknown-column`, with the nearest name; `target-is-feature` for the target
 */
export function featureColumn(schema: FeatureSchema, wanted: string): FeatureColumn {
  const found = schema.columns.find((c) => c.name === wanted);
  if (found !== undefined) return found;
  if (wanted === schema.target.column) {
    throw new DataError(
      'target-is-feature',
      `"${wanted}" is the target that the model predicts, not one of its features.`,
      {
        column: wanted,
      },
    );
  }
  const left = schema.ignored.find((c) => c.name === wanted);
  if (left !== undefined) {
    throw new DataError('unknown-column', `The model does not use the column "${wanted}": ${left.reason}.`, {
      column: wanted,
    });
  }
  throw unknownName(
    'unknown-column',
    'The model',
    wanted,
    schema.columns.map((c) => c.name),
  );
}

/**
 * What each slot of a column stands for, in order: the column's own name, `NAME=VALUE`, `NAME is missing`, `NAME is another
 * value`.
 */
export function slotNames(of: FeatureColumn): readonly string[] {
  const { encoder: e } = of;
  switch (e.kind) {
    case 'standard':
    case 'identity':
      return e.missing?.indicator === true ? [of.name, `${of.name} is missing`] : [of.name];
    case 'onehot':
      return [
        ...e.values.map((value) => `${of.name}=${value}`),
        ...(e.missing === 'own-slot' ? [`${of.name} is missing`] : []),
        ...(e.other === 'own-slot' ? [`${of.name} is another value`] : []),
      ];
    case 'index':
      return [of.name];
  }
}

function repeated(list: readonly string[]): readonly (readonly [number, string])[] {
  const seen = new Set<string>();
  return list.flatMap((entry, index): (readonly [number, string])[] => {
    if (seen.has(entry)) return [[index, entry]];
    seen.add(entry);
    return [];
  });
}
