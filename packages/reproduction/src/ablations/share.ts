/** Part of the requester's data: the paper needs 70 % of it for the full effect. */
import type { Ablation, AblationContext, Outcome, Setting } from './ablation.ts';
import { AS_PUBLISHED, BY_PROOF, byOurs, byProof, byPublished, EXACT, OURS } from './local.ts';

/** From 1 % to all. */
export const SHARES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 1] as const;

function settings(run: (context: AblationContext, share: number) => Promise<Outcome>): readonly Setting[] {
  return SHARES.map((share) => ({
    label: `${Math.round(100 * share)}%`,
    at: share,
    run: (context) => run(context, share),
  }));
}

export const share: Ablation = {
  name: 'share',
  table: 'shares',
  title: 'Share of the requester’s data',
  axis: 'share of the requester’s data',
  about:
    'The same request with part of the requester’s rows, a smaller part lying in every larger one. The paper needs 70 % for the full effect.',
  scale: 'logarithmic',
  series: [
    { ...OURS, usual: '100%', settings: settings((context, part) => byOurs(context, 'ferrari', part)) },
    { ...EXACT, usual: '100%', settings: settings((context, part) => byOurs(context, 'exact', part)) },
    {
      ...AS_PUBLISHED,
      usual: '100%',
      settings: settings((context, part) => byPublished(context, {}, part)),
    },
    {
      ...BY_PROOF,
      usual: '100%',
      settings: settings((context, part) => byProof(context, {}, part)),
    },
  ],
};
