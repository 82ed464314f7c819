/** Whether the server takes over what a client has unlearned: it believes only what it measures on its own rows. */
import type { Tensors } from '@assay/engine';
import { type Model, printable, quoted } from '@assay/graph';
import type { Estimate } from '@assay/unlearn';
import * as z from 'zod';
import type { Cut, ForgetReport, ForgetRequest } from '../client.ts';
import { FederationError } from '../errors.ts';
import { screenWeights, weightsMessage } from '../rounds/screening.ts';
import { projectWeights } from './cut.ts';
import { type AccuracyDrop, accuracyDrop, type Validation } from './validation.ts';

/** What the server asks of a model that has forgotten. */
export interface AcceptanceRules {
  /**
   * Largest loss of accuracy on the server's rows, from 0 to 1; default 0.02. The whole 95 % interval has to lie below it, so
   * that too few rows to tell are no reason to accept.
   */
  readonly maxAccuracyDrop?: number;
  /** Largest ‖θᵘ − θ‖ as a part of ‖θ‖; default 1. */
  readonly maxRelativeNorm?: number;
  /**
   * Largest sensitivity to the feature as a part of what it was before it was first asked to be forgotten; default 0.1.
   * Refused where the 95 % interval lies above it. Looked at where the server knows the feature, unless it is a backdoor: what
   * a trigger does cannot be seen in rows without it.
   */
  readonly maxSensitivity?: number;
}

/** A feature that has been forgotten. */
export interface ForgottenFeature {
  readonly feature: string;
  readonly client: string;
  /** Where it was cut out exactly. */
  readonly cut: Cut | undefined;
  /** The server's measurements: before the first request, and when it was last accepted. */
  readonly sensitivity: { readonly original: number; readonly accepted: number } | undefined;
}

const slots = z.strictObject({ input: z.string().max(1000), start: z.int().min(0), length: z.int().min(1) });

/** A cut in a message or a file. */
export const cutSchema = z.strictObject({ feature: z.string().max(1000), slots: z.array(slots).max(10_000) });

const forgottenMessage = z.object({
  weights: weightsMessage,
  cut: cutSchema.optional(),
  report: z.object({
    method: z.string(),
    sensitivity: z.object({ before: z.number(), after: z.number() }),
    seconds: z.number(),
    notes: z.array(z.string()).max(1000),
  }),
});

/** What the server found. */
export interface Decision {
  /** The weights to go on from; undefined if they are refused. */
  readonly weights: Tensors | undefined;
  readonly cut: Cut | undefined;
  /** Why they are refused, in sentences; empty if they are accepted. */
  readonly reasons: readonly string[];
  readonly accuracy: AccuracyDrop | undefined;
  /** Of the feature asked for; undefined where the server does not know it, and of a backdoor. */
  readonly sensitivity: { readonly before: Estimate; readonly after: Estimate } | undefined;
  /** What the client says; made safe to show. */
  readonly report: ForgetReport | undefined;
}

export interface DecisionInput {
  readonly answer: unknown;
  readonly request: Pick<ForgetRequest, 'feature' | 'because'>;
  /** The sensitivity of the global weights to the feature; undefined where the server does not know it. */
  readonly present: Estimate | undefined;
  readonly global: Tensors;
  readonly forgotten: readonly ForgottenFeature[];
  readonly validation: Validation;
  readonly rules: AcceptanceRules;
  /** Without it, cuts cannot be checked and are refused. */
  readonly model: Model | undefined;
}

/** Longest texts and most notes of a client that are kept. */
const LONGEST_NOTE = 500;
const MOST_NOTES = 50;

export async function decide(input: DecisionInput): Promise<Decision> {
  const { answer, request, present, global, forgotten, validation, rules, model } = input;
  const { feature, because } = request;
  const refuse = (reason: string, found: Partial<Decision> = {}): Decision => ({
    weights: undefined,
    cut: undefined,
    accuracy: undefined,
    sensitivity: undefined,
    report: undefined,
    ...found,
    reasons: [reason],
  });
  const parsed = forgottenMessage.safeParse(answer);
  if (!parsed.success) return refuse('The answer is no set of weights with a report.');
  const report: ForgetReport = {
    ...parsed.data.report,
    method: printable(parsed.data.report.method, 80),
    notes: parsed.data.report.notes.slice(0, MOST_NOTES).map((note) => printable(note, LONGEST_NOTE)),
  };
  const screened = screenWeights(parsed.data.weights, global);
  if ('code' in screened) return refuse(`The upload ${screened.reason}.`, { report });
  const { weights, norm } = screened;
  const largest = (rules.maxRelativeNorm ?? 1) * normOf(global);
  if (norm > largest) {
    const where = `${norm.toPrecision(3)} away from the global weights; at most ${largest.toPrecision(3)} is taken`;
    return refuse(`The upload is ${where}.`, { report });
  }

  // Those cut before are cut again, whatever the client did with them.
  const cuts = [...forgotten.flatMap(({ cut }) => cut ?? [])];
  const cut = parsed.data.cut === undefined ? undefined : { ...parsed.data.cut, feature };
  const candidate = projected(weights, cut === undefined ? cuts : [...cuts, cut], model);
  if (candidate instanceof FederationError) return refuse(candidate.message, { report });
  if (cut !== undefined) {
    const asSent = projected(weights, [cut], model);
    if (asSent instanceof FederationError || !isSame(asSent, weights))
      return refuse('The upload says that the feature is cut out of it, and it is not.', { report });
  }

  const accuracy = accuracyDrop(
    await validation.predictions(global),
    await validation.predictions(candidate),
    validation.labels,
  );
  const reasons: string[] = [];
  const largestDrop = rules.maxAccuracyDrop ?? 0.02;
  if (!(accuracy.upper <= largestDrop)) {
    reasons.push(
      accuracy.rows === 0
        ? 'The server has no rows with a label to validate on.'
        : `The accuracy on the server's ${accuracy.rows} rows falls by ${points(accuracy.value)} points, and with 95 % confidence only by less than ${points(accuracy.upper)}; at most ${points(largestDrop)} are allowed.`,
    );
  }
  const share = rules.maxSensitivity ?? 0.1;
  // The server's rows hold no trigger, and a model may mind noise in its place without obeying it.
  const after =
    because === 'backdoor' || present === undefined
      ? undefined
      : await validation.sensitivity(candidate, feature);
  const sensitivity = present === undefined || after === undefined ? undefined : { before: present, after };
  if (sensitivity !== undefined) {
    const known = forgotten.find((each) => each.feature === feature)?.sensitivity?.original;
    const target = share * (known ?? sensitivity.before.value);
    if (sensitivity.after.lower > target) {
      reasons.push(
        `The model still depends on ${quoted(feature)}: its sensitivity is ${figure(sensitivity.after.value)}, and was to be at most ${figure(target)}.`,
      );
    }
  }
  for (const earlier of forgotten) {
    if (earlier.feature === feature || earlier.sensitivity === undefined) continue;
    const found = await sensitivities(validation, global, candidate, earlier.feature);
    if (found === undefined) continue;
    const allowed = Math.max(share * earlier.sensitivity.original, found.before.upper);
    if (found.after.lower > allowed) {
      reasons.push(
        `It brings back ${quoted(earlier.feature)}, which was forgotten before: its sensitivity rises from ${figure(found.before.value)} to ${figure(found.after.value)}.`,
      );
    }
  }
  const accepted = reasons.length === 0;
  return {
    weights: accepted ? candidate : undefined,
    cut: accepted ? cut : undefined,
    reasons,
    accuracy,
    sensitivity,
    report,
  };
}

async function sensitivities(
  validation: Validation,
  before: Tensors,
  after: Tensors,
  feature: string,
): Promise<{ before: Estimate; after: Estimate } | undefined> {
  const [was, is] = [
    await validation.sensitivity(before, feature),
    await validation.sensitivity(after, feature),
  ];
  return was === undefined || is === undefined ? undefined : { before: was, after: is };
}

function projected(
  weights: Tensors,
  cuts: readonly Cut[],
  model: Model | undefined,
): Tensors | FederationError {
  if (cuts.length === 0) return weights;
  if (model === undefined)
    return new FederationError('argument', 'The server has no model to check a cut with.');
  try {
    return projectWeights(model, weights, cuts);
  } catch (error) {
    // A client may name inputs that are not there; that is its failure and not the server's.
    if (!(error instanceof Error)) throw error;
    return new FederationError('argument', `The cut cannot be made: ${printable(error.message, 300)}`);
  }
}

function isSame(a: Tensors, b: Tensors): boolean {
  return Object.entries(a).every(([name, { data }]) => {
    const other = b[name]?.data;
    return (
      data instanceof Uint8Array &&
      other instanceof Uint8Array &&
      data.length === other.length &&
      data.every((byte, i) => byte === other[i])
    );
  });
}

/** ‖θ‖₂: the distance from zeros. */
function normOf(weights: Tensors): number {
  const zeros = Object.entries(weights).map(([name, { elementType, dims, data }]) => [
    name,
    { elementType, dims, data: new Uint8Array(data.length) },
  ]);
  const screened = screenWeights(Object.fromEntries(zeros), weights);
  return 'code' in screened ? Number.NaN : screened.norm;
}

function points(value: number): string {
  return (100 * value).toFixed(1);
}

function figure(value: number): string {
  return value.toPrecision(2);
}
