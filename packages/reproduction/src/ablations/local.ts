/** Unlearning in an ablation: by this project's methods or by a variant of the published one, on some of the requester's rows. */
import { RandomStream } from '@assay/random';
import {
  isContinuous,
  isVisual,
  type MethodName,
  PUBLISHED,
  type PublishedSettings,
  type Rows,
  takeRows,
  trainAsPublished,
} from '@assay/unlearn';
import { exact } from '../methods/exact.ts';
import { type Changed, request } from '../methods/local-unlearning.ts';
import { type Prepared, requesterRows } from '../scenario.ts';
import type { AblationContext, Outcome, Series } from './ablation.ts';

/** What unlearning by one client needs to know. */
export type LocalContext = Omit<AblationContext, 'train' | 'shelf'>;

/** Part of the requester's rows at random; a smaller part lies in every larger one. */
export function ownRows(prepared: Prepared, share: number, seed: number): Rows {
  const own = requesterRows(prepared);
  const order = new RandomStream(seed, 'ablation/share').permutation(own.length);
  const count = Math.max(1, Math.round(share * own.length));
  return takeRows(
    prepared.dealt.rows,
    order.subarray(0, count).map((at) => own[at] ?? 0),
  );
}

/** Carries a request out as the requester would. */
export async function byOurs(
  context: LocalContext,
  method: MethodName,
  share = 1,
  changed: Changed = {},
): Promise<Outcome> {
  const rows = ownRows(context.prepared, share, context.seed);
  const { result, seconds } = await request(context, method, rows, changed);
  return {
    model: result.model,
    rows: rows.count,
    seconds,
    notes: result.floorMet === false ? ['The utility floor was not kept on the held-out rows.'] : [],
  };
}

/** The published variant, or one that differs from it; all rows given are used, as they are. */
export async function byPublished(
  context: LocalContext,
  settings: Partial<PublishedSettings>,
  share = 1,
): Promise<Outcome> {
  const { prepared, model, seed, session, signal, onProgress } = context;
  const rows = ownRows(prepared, share, seed);
  const started = performance.now();
  const { model: after } = await trainAsPublished(
    {
      classifier: { ...prepared.classifier, model },
      feature: prepared.feature,
      rows,
      seed,
      session,
      signal,
      onProgress,
    },
    settings,
  );
  return { model: after, rows: rows.count, seconds: (performance.now() - started) / 1000, notes: [] };
}

/** The objective of the authors' proof: both branches, the labels, the mean over the batch, and Adam, which needs no tuning. */
const PROOF: Partial<PublishedSettings> = {
  branches: 'both',
  taskLoss: 'labels',
  over: 'mean',
  optimizer: { kind: 'adamw', weightDecay: 0 },
  learningRate: 1e-3,
};

/** Steps until it has its effect, of 128 rows: few rows are passed over more often. Images are many and take long. */
const PROOF_STEPS = { tables: 700, images: 100 };

/** The proof's objective for so many rows of a scenario. */
export function proofFor({ feature }: Prepared, rows: number): Partial<PublishedSettings> {
  const steps = PROOF_STEPS[isVisual(feature) ? 'images' : 'tables'];
  return { ...PROOF, epochs: Math.ceil(steps / Math.ceil(rows / PUBLISHED.batchSize)) };
}

/** The proof's objective on a share of the requester's rows. */
export function byProof(
  context: LocalContext,
  settings: Partial<PublishedSettings> = {},
  share = 1,
): Promise<Outcome> {
  const rows = Math.round(share * requesterRows(context.prepared).length);
  return byPublished(context, { ...proofFor(context.prepared, Math.max(1, rows)), ...settings }, share);
}

/** Methods as curves: all but their settings. */
export const AS_PUBLISHED: Omit<Series, 'settings' | 'usual'> = {
  name: 'ferrari-paper',
  title: "authors' variant",
  reasonAgainst: ({ dealt, feature }) =>
    isContinuous(dealt.rows, feature)
      ? undefined
      : `"${feature.name}" enters as an index, and the authors' variant perturbs numbers.`,
  effort: 0.3,
};

export const BY_PROOF: Omit<Series, 'settings' | 'usual'> = {
  ...AS_PUBLISHED,
  name: 'proof',
  title: "the proof's objective",
  effort: 1.5,
};

export const OURS: Omit<Series, 'settings' | 'usual'> = {
  name: 'ferrari',
  title: 'Ferrari',
  reasonAgainst: () => undefined,
  effort: 1,
};

export const EXACT: Omit<Series, 'settings' | 'usual'> = {
  name: 'exact',
  title: 'Exact cut',
  reasonAgainst: exact.reasonAgainst,
  effort: 0.4,
};
