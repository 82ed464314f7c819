/** Unlearning by the requester alone, with its own rows: what the methods of `@assay/unlearn` have in common here. */
import { RandomStream } from '@assay/random';
import {
  type Feature,
  isContinuous,
  isVisual,
  type MethodName,
  PUBLISHED,
  ROWS_PER_STEP,
  type Rows,
  takeRows,
  type UnlearnRequest,
  type UnlearnResult,
  unlearn,
} from '@assay/unlearn';
import type { MethodContext, Remedy } from '../method.ts';
import { requesterRows } from '../scenario.ts';
import { bytesOfWeights } from './weights.ts';

/** Test rows for the measurements that unlearning itself makes: as few as can show a backdoor of less than 1 % gone. */
export const MEASURED = 500;
/** What of a request an experiment may change. */
export type Changed = Partial<Pick<UnlearnRequest, 'because' | 'teacher' | 'useLabels'>>;

/** Carries a request out as the requester would: with the scenario's reason, and none but the requester's rows. */
export async function unlearnLocally(context: MethodContext, method: MethodName): Promise<Remedy> {
  const { prepared, weights } = context;
  const rows = takeRows(prepared.dealt.rows, requesterRows(prepared));
  const { result, seconds } = await request(context, method, rows);
  return {
    model: result.model,
    bytes: 2 * bytesOfWeights(weights),
    ...rowsOf(result, prepared.feature, isContinuous(rows, prepared.feature) ? 2 : 1),
    seconds,
    notes: result.notes,
  };
}

/**
 * A request with some rows of the requester, and the seconds that unlearning itself took.
 *
 * @throws UnlearnError if the request cannot be carried out, or the method diverges
 */
export async function request(
  context: Pick<MethodContext, 'prepared' | 'model' | 'seed' | 'session' | 'signal' | 'onProgress'>,
  method: MethodName,
  rows: Rows,
  changed: Changed = {},
): Promise<{ readonly result: UnlearnResult; readonly seconds: number }> {
  const { prepared, model, seed, session, signal, onProgress } = context;
  const { classifier, feature, features, reason, test } = prepared;
  const measured = new RandomStream(seed, 'unlearn/measured').permutation(test.count).subarray(0, MEASURED);
  let [began, ended] = [0, 0];
  const result = await unlearn({
    classifier: { ...classifier, model },
    feature,
    features,
    requester: rows,
    test: takeRows(test, measured),
    method,
    because: reason,
    ...changed,
    seed,
    session,
    ...(signal === undefined ? {} : { signal }),
    onProgress: ({ phase, done, detail }) => {
      if (phase !== 'measuring-before') began ||= performance.now();
      if (phase === 'measuring-after') ended ||= performance.now();
      if (phase === 'unlearning') onProgress(done, detail);
    },
  });
  return { result, seconds: (ended - began) / 1000 };
}

/** Rows through the network: the student's with their variants, and what the teacher answered. */
function rowsOf(
  { method, steps, rows, teacher }: UnlearnResult,
  feature: Feature,
  variants: number,
): { trainedRows: number; forwardRows: number } {
  const answered = { conditional: 1, marginal: 4, labels: 0 }[teacher];
  const shown = steps * ROWS_PER_STEP[isVisual(feature) ? 'images' : 'tables'];
  switch (method) {
    case 'exact':
      return { trainedRows: shown, forwardRows: answered * shown };
    case 'ferrari':
      return { trainedRows: (1 + variants) * shown, forwardRows: answered * shown };
    case 'ferrari-paper':
      return { trainedRows: (1 + PUBLISHED.perturbations) * rows.used, forwardRows: 0 };
  }
}
