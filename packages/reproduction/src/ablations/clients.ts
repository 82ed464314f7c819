/** The number of clients: the same rows among fewer or more of them. */
import { partition } from '@assay/data';
import type { Prepared } from '../scenario.ts';
import { requesterRows } from '../scenario.ts';
import type { Ablation, AblationContext, Outcome, Setting } from './ablation.ts';
import { AS_PUBLISHED, byOurs, byPublished, OURS } from './local.ts';

const COUNTS = [2, 5, 10, 20, 50] as const;
/** Of ten clients four take part in a round. */
const PARTICIPATION = 0.4;

/**
 * The scenario with so many clients. Where every client's rows are of one kind they are dealt out anew; where the requester's are
 * of their own kind it keeps them, and the others share the rest.
 */
export function withClients(prepared: Prepared, count: number, seed: number): Prepared {
  const { dealt, requester, reason, federation } = prepared;
  const own = requesterRows(prepared);
  const all = Uint32Array.from({ length: dealt.rows.count }, (_, row) => row);
  const isOwn = new Set(own);
  const names = Array.from({ length: count - 1 }, (_, i) => `client-${i + 2}`);
  const deal = (rows: Uint32Array, clients: readonly string[]) =>
    partition(rows, clients.length, seed).map((part, i): [string, Uint32Array] => [clients[i] ?? '', part]);
  const parts = new Map(
    reason === 'sensitive'
      ? deal(all, [requester, ...names])
      : [
          [requester, own],
          ...deal(
            all.filter((row) => !isOwn.has(row)),
            names,
          ),
        ],
  );
  const perRound = Math.max(1, Math.round(PARTICIPATION * count));
  return {
    ...prepared,
    dealt: { ...dealt, parts },
    federation: { ...federation, perRound },
  };
}

function settings(run: (context: AblationContext) => Promise<Outcome>): readonly Setting[] {
  return COUNTS.map((count) => ({
    label: String(count),
    at: count,
    run: async (context) => {
      const prepared = withClients(context.prepared, count, context.seed);
      const model = await context.train(prepared, `clients-${count}`);
      return { ...(await run({ ...context, prepared, model })), before: { model, prepared } };
    },
  }));
}

export const clients: Ablation = {
  name: 'clients',
  table: 'ablations',
  title: 'Number of clients',
  axis: 'clients',
  about:
    'The same rows among fewer or more clients, of whom 40 % take part in a round; the federation is trained anew for each number. Of a sensitive feature the requester holds as many rows as every other client, so that more clients leave it fewer.',
  scale: 'logarithmic',
  series: [
    { ...OURS, usual: '10', settings: settings((context) => byOurs(context, 'ferrari')), effort: 2 },
    {
      ...AS_PUBLISHED,
      usual: '10',
      settings: settings((context) => byPublished(context, {})),
      effort: 1,
    },
  ],
};
