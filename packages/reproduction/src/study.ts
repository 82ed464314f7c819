/**
 * What the ablations and the check of the theorem give: JSON documents of their own, from which their tables are made.
 *
 * An ablation is one point of a curve: one setting changed, all others as they are. A theorem document holds every estimate and
 * every comparison of one scenario and seed.
 */
import * as z from 'zod';
import { AccuracyFound, Estimated } from './result.ts';
import { ResultError } from './result-document.ts';

const Setup = {
  scenario: z.string(),
  seed: z.number(),
  preset: z.enum(['quick', 'full']),
  network: z.string(),
  /** Digest of the set-up, as of a result. */
  setup: z.string().optional(),
};

/** What is measured of a model at a point of a curve. */
export const PointMeasured = z.object({
  accuracy: z.object({ test: AccuracyFound, retain: AccuracyFound, forget: AccuracyFound }),
  sensitivity: Estimated,
  /** Predictions that change when the feature's value is replaced. */
  flips: Estimated,
  /** Backdoors: share of rows that the trigger turns to its class. */
  implant: Estimated.optional(),
});

/** One point of a curve. */
export const AblationPoint = z.object({
  study: z.literal('ablation'),
  ...Setup,
  /** Which curve: what is varied, and of which method. */
  ablation: z.string(),
  series: z.string(),
  /** The setting in words, distinct in its series, and as a number where it is one. */
  setting: z.string(),
  at: z.number().optional(),
  /** Why there is nothing measured, if so: the method cannot be used, or it diverged. */
  notRun: z.string().optional(),
  /** Rows of the requester that the method was given. */
  rows: z.number().optional(),
  before: PointMeasured.optional(),
  after: PointMeasured.optional(),
  /** Whether the feature counts as forgotten on the test rows. */
  targetMet: z.boolean().optional(),
  seconds: z.number().optional(),
  notes: z.array(z.string()),
});

/** Losses over rows: cross-entropy in nats, and the proof's own ‖f(x) − y‖₂ with f the probabilities. */
export const Losses = z.object({ crossEntropy: Estimated, distance: Estimated });

/** What the definition of ℓ₁ and ℓ₂ is taken to mean. */
export const READINGS = ['printed', 'shift', 'noise'] as const;

/** Whether something is so, as far as the estimates reach. */
export const TRUTHS = ['holds', 'does-not-hold', 'cannot-be-told'] as const;

/** One comparison left ≤ right. */
export const Check = z.object({
  /** What is checked. */
  name: z.enum(['assumption-3', 'assumption-4', 'claim', 'inequality-13']),
  reading: z.enum(READINGS).optional(),
  /** C. */
  norm: z.number().optional(),
  /** Which model: before, or unlearned. */
  model: z.string().optional(),
  /** Of the claim: whether the model that was unlearned had no loss, as the theorem supposes. */
  premise: z.enum(TRUTHS).optional(),
  loss: z.enum(['crossEntropy', 'distance']),
  left: Estimated,
  right: Estimated,
  /** left − right, paired by row. */
  difference: Estimated,
  verdict: z.enum(TRUTHS),
  why: z.string(),
});

/** The theorem in one scenario, with one seed. */
export const TheoremResult = z.object({
  study: z.literal('theorem'),
  ...Setup,
  notRun: z.string().optional(),
  /** Rows that the expectations are taken over, and whose they are. */
  rows: z.number().optional(),
  /** Upper estimates of min_θ E ℓ(f_θ(x + δ), y) by the norm of δ. */
  curve: z.array(
    z.object({
      reading: z.enum(READINGS),
      norm: z.number(),
      loss: Losses,
      /** Cross-entropy between the best and the worst start: what the search for the minimum leaves open, at least. */
      spread: z.number(),
    }),
  ),
  /** Unlearned models, and the model before, without any perturbation. */
  models: z.array(z.object({ name: z.string(), lambda: z.number().optional(), loss: Losses })),
  checks: z.array(Check),
  notes: z.array(z.string()),
});

export const Study = z.discriminatedUnion('study', [AblationPoint, TheoremResult]);

export type PointMeasured = z.infer<typeof PointMeasured>;
export type AblationPoint = z.infer<typeof AblationPoint>;
export type TheoremResult = z.infer<typeof TheoremResult>;
export type Losses = z.infer<typeof Losses>;
export type Check = z.infer<typeof Check>;
export type Reading = (typeof READINGS)[number];
export type Truth = (typeof TRUTHS)[number];
export type Study = z.infer<typeof Study>;

/** What tells one study from another: a later one with the same key takes its place. */
export function studyKey(
  study:
    | Pick<
        AblationPoint,
        'study' | 'scenario' | 'seed' | 'preset' | 'network' | 'ablation' | 'series' | 'setting'
      >
    | Pick<TheoremResult, 'study' | 'scenario' | 'seed' | 'preset' | 'network'>,
): string {
  const { preset, network, scenario, seed } = study;
  const place = [preset, network, scenario, String(seed)];
  return study.study === 'theorem'
    ? [...place, 'theorem'].join('/')
    : [...place, study.ablation, study.series, readable(study.setting)].join('/');
}

/** Words as a part of a file name: `0.05 to 1` is `0-05-to-1`. */
function readable(words: string): string {
  return words
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}

/** @throws ResultError if a number cannot be read back */
export function studyToJson(study: Study): string {
  const text = `${JSON.stringify(
    study,
    (_key, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value),
    2,
  )}\n`;
  studyFromJson(text);
  return text;
}

/** @throws ResultError if the text is no JSON, or no study */
export function studyFromJson(text: string): Study {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new ResultError('It is not JSON.', { cause });
  }
  const parsed = Study.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.join('.') ?? '';
  throw new ResultError(
    `It is no study of this version: ${place === '' ? 'the document' : place} is not as it has to be.`,
    { cause: parsed.error },
  );
}
