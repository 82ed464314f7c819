/** What `assay train`, `assay sensitivity` and `assay unlearn` print with --json, as far as evidence is made of it. */
import * as z from 'zod';

const Digest = z.string().regex(/^[0-9a-f]{64}$/, 'has to be a SHA-256 in hexadecimal');
const Versions = z.object({ assay: z.string().min(1) });
/** JSON has neither NaN nor infinity: where one was measured, there is null. */
const Measured = z.number().nullable();
const Interval = z.object({ value: Measured, lower: Measured, upper: Measured });
const Sensitivity = Interval.extend({ rows: z.int().min(0) });
const DataTable = z.object({ name: z.string(), digest: Digest, rows: z.int().min(0) });
const ModelFile = z.object({ sha256: Digest });
const MostFeatures = 10_000;

function bounded<T extends z.ZodType>(type: T) {
  return z
    .record(z.string(), type)
    .refine(
      (features) => Object.keys(features).length <= MostFeatures,
      `has more than ${MostFeatures} features`,
    );
}

const SensitivityDocument = z.object({
  command: z.literal('sensitivity'),
  model: ModelFile,
  data: DataTable,
  rows: z.object({ source: z.string(), count: z.int().min(0) }),
  accuracy: Interval.extend({ rows: z.int().min(0) }).optional(),
  features: bounded(z.object({ sensitivity: Sensitivity })),
  seed: z.int(),
  versions: Versions,
});

const Measurement = z.object({
  accuracy: Measured,
  accuracy_interval: z.tuple([Measured, Measured]),
  rows: z.int().min(0),
  sensitivity: Sensitivity,
});

const UnlearnDocument = z.object({
  command: z.literal('unlearn'),
  feature: z.string(),
  method: z.string(),
  target_met: z.boolean(),
  floor_met: z.boolean().nullable(),
  before: Measurement,
  after: Measurement,
  side_effects: bounded(z.object({ before_interval: Interval, after_interval: Interval })),
  certificate: z.object({ reach: z.json() }).nullable(),
  test: DataTable.extend({ source: z.string() }),
  data: DataTable,
  model: ModelFile,
  output: ModelFile,
  seed: z.int(),
  versions: Versions,
});

const TrainDocument = z.object({
  command: z.literal('train'),
  test: z.object({ rows: z.int().min(0), accuracy: z.number(), lower: z.number(), upper: z.number() }),
  data: DataTable,
  output: ModelFile,
  seed: z.int(),
  versions: Versions,
});

/** A document of one of the commands. */
export const MeasurementDocument = z.discriminatedUnion('command', [
  SensitivityDocument,
  UnlearnDocument,
  TrainDocument,
]);
export type MeasurementDocument = z.infer<typeof MeasurementDocument>;
export type SensitivityDocument = z.infer<typeof SensitivityDocument>;
export type UnlearnDocument = z.infer<typeof UnlearnDocument>;
export type TrainDocument = z.infer<typeof TrainDocument>;
export type Interval = z.infer<typeof Interval>;
