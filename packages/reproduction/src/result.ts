/** What one method did in one scenario with one seed: a JSON document of its own, from which all tables are made. */
import * as z from 'zod';

const Number_ = z.union([
  z.number(),
  z.literal('Infinity').transform(() => Number.POSITIVE_INFINITY),
  // A method may leave a model whose scores are no numbers; that is a result too.
  z.literal('NaN').transform(() => Number.NaN),
]);

/** A number with its 95 % interval. */
export const Estimated = z.object({ value: Number_, lower: Number_, upper: Number_ });

/** Share of right predictions, with the share of the most frequent class beside it. */
export const AccuracyFound = Estimated.extend({ majority: z.number(), rows: z.number() });

/** One cell of the experiments. */
export const Result = z.object({
  scenario: z.string(),
  method: z.string(),
  seed: z.number(),
  preset: z.enum(['quick', 'full']),
  network: z.string(),
  /** Digest of the set-up; a result of another one is no answer to the same question. */
  setup: z.string().optional(),
  /** Why the method was not run, if it was not; then nothing else is there. */
  notRun: z.string().optional(),
  accuracy: z
    .object({
      /** On clean unseen rows. */
      test: AccuracyFound,
      /** On unseen rows of the other clients' kind. */
      retain: AccuracyFound,
      /** On unseen rows of the requester's kind, by the requester's labels: for a backdoor, success of the attack. */
      forget: AccuracyFound,
    })
    .optional(),
  sensitivity: Estimated.optional(),
  /** Backdoors: rows that the trigger turns to its class; of rows of other classes; and without any trigger. */
  implant: z.object({ success: Estimated, towards: Estimated, natural: Estimated }).optional(),
  /** Predictions that change when the feature's value is replaced. */
  flips: Estimated.optional(),
  /** Tables: attribute recovered with the model, by the constant guess, from the other columns alone. */
  attributeInversion: z
    .object({ withModel: Estimated, constant: Estimated, withoutModel: Estimated, withBoth: Estimated })
    .optional(),
  /** Images: error of the reconstruction relative to the mean image, and how often it is nearer. */
  imageInversion: z.object({ error: Estimated, nearer: Estimated }).optional(),
  membership: z.object({ auc: Estimated, tprAt1PercentFpr: Estimated }).optional(),
  probe: z
    .object({
      otherColumns: Estimated.optional(),
      hiddenLayer: Estimated.optional(),
      /** Share of the most frequent value; 0 where the feature is a number and R² is given. */
      majority: z.number(),
      kind: z.enum(['accuracy', 'R2']),
    })
    .optional(),
  /** Against the model that was trained again without the feature. */
  distance: z.object({ agreement: Estimated, divergence: Estimated }).optional(),
  /** Steps of further training by the requester until half the sensitivity is back. */
  relearnSteps: Estimated.optional(),
  /** Images: share of Grad-CAM's mass inside the region, and the region's share of the area. */
  attention: z.object({ share: Estimated, area: z.number() }).optional(),
  cost: z
    .object({ seconds: z.number(), flops: z.number(), bytes: z.number(), trainedRows: z.number() })
    .optional(),
  notes: z.array(z.string()),
});

export type Result = z.infer<typeof Result>;
export type Estimated = z.infer<typeof Estimated>;
