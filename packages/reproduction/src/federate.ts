/** Federated training of a scenario, with its history where it is wanted. */
import { Learner, type SessionOptions } from '@assay/engine';
import {
  Federation,
  type FederationOptions,
  InProcessTransport,
  type LocalClientsOptions,
  localClients,
  MemoryStore,
  type Store,
} from '@assay/federation';
import type { Model } from '@assay/graph';
import * as z from 'zod';
import { bytesOf, jsonOf, trainingDigest } from './kept.ts';
import type { Federate } from './method.ts';
import type { Dealt, Prepared } from './scenario.ts';

/** Where trainings keep their states, each under its digest; in memory if not given. */
export interface FederateStores {
  readonly state?: Store;
  readonly history?: Store;
}

/** What rounds have cost so far, those before an interruption included. */
const Cost = z.object({
  /** Rounds whose cost was noted: one that was finished just before an interruption may not be among them. */
  rounds: z.number(),
  bytes: z.number(),
  trainedRows: z.number(),
  seconds: z.number(),
});
type Cost = z.infer<typeof Cost>;

/** Trains as the scenario says; a training whose state is kept goes on where it stopped. */
export function federateOf(
  prepared: Prepared,
  seed: number,
  session: SessionOptions,
  signal: AbortSignal | undefined,
  stores: FederateStores = {},
): Federate {
  return async ({ onProgress, ...training }) => {
    const { dealt, start, rounds, clients } = training;
    const { federation: settings } = prepared;
    const started = performance.now();
    const store =
      stores.state === undefined
        ? new MemoryStore()
        : within(stores.state, trainingDigest(prepared, training));
    const { learner, options } = await openMembers(prepared, session, {
      dealt,
      ...(clients === undefined ? {} : { clients }),
    });
    try {
      const federation = await Federation.open({
        ...options,
        initial: start ?? learner.initial,
        seed,
        local: (round) => ({
          ...settings.local,
          learningRate: settings.local.learningRate * decay(round, rounds, settings.finalRate),
        }),
        store,
        ...(stores.history === undefined ? {} : { history: stores.history }),
      });
      try {
        const before = await costBefore(store);
        let cost = before;
        for await (const report of federation.train(rounds, signal)) {
          cost = {
            rounds: cost.rounds + 1,
            bytes: cost.bytes + report.bytes.sent + report.bytes.received,
            trainedRows: report.participants.reduce(
              (sum, { samples }) => sum + samples * settings.local.epochs,
              cost.trainedRows,
            ),
            seconds: before.seconds + (performance.now() - started) / 1000,
          };
          await store.save(COST_KEY, bytesOf(cost));
          onProgress?.(
            report.round / rounds,
            `round ${report.round} of ${rounds}, loss ${report.loss.toFixed(3)}`,
          );
        }
        signal?.throwIfAborted();
        // A round that was not noted counts as the mean of the others.
        const ratio = cost.rounds === 0 ? 1 : rounds / cost.rounds;
        return {
          weights: federation.weights,
          bytes: Math.round(ratio * cost.bytes),
          trainedRows: Math.round(ratio * cost.trainedRows),
          seconds: ratio * cost.seconds,
        };
      } finally {
        await federation.close();
      }
    } finally {
      await learner.close();
    }
  };
}

/** Who trains, and how the clients are set up. */
export interface MembersOptions extends Pick<LocalClientsOptions, 'forget'> {
  readonly dealt: Dealt;
  /** All by default. */
  readonly clients?: readonly string[];
  /** Whose weights are trained; the scenario's first by default. */
  readonly model?: Model;
  /** Whether FedProx may be asked for. */
  readonly proximal?: boolean;
  /** The scenario's by default. */
  readonly requesterWeight?: number;
}

/** The scenario's clients in this process, the learner that they share, and how they are drawn and averaged. */
export async function openMembers(
  { classifier, federation: settings, requester }: Prepared,
  session: SessionOptions,
  { dealt, clients, model = classifier.model, proximal = false, forget, ...own }: MembersOptions,
): Promise<{
  /** To be closed when the federation is. */
  readonly learner: Learner;
  readonly options: Pick<FederationOptions, 'transport' | 'selection' | 'rules'>;
}> {
  const learner = await Learner.open(model, {
    output: classifier.output.name,
    optimizer:
      settings.optimizer === 'sgd' ? { kind: 'sgd', momentum: 0.5 } : { kind: 'adamw', weightDecay: 0 },
    proximal,
    session,
  });
  const parts = partsOf(dealt, clients);
  const { inputs, labels = new Int32Array(dealt.rows.count) } = dealt.rows;
  const weight = own.requesterWeight ?? settings.requesterWeight;
  const others = parts.has(requester) && weight === 0 ? parts.size - 1 : parts.size;
  return {
    learner,
    options: {
      transport: new InProcessTransport(
        localClients({
          learner,
          examples: { inputs, labels },
          parts,
          ...(forget === undefined ? {} : { forget }),
        }),
      ),
      selection: {
        perRound: Math.max(1, Math.min(settings.perRound, others)),
        ...(parts.has(requester) ? { weights: { [requester]: weight } } : {}),
      },
      rules: { average: settings.average, norms: { kind: 'none' } },
    },
  };
}

const COST_KEY = 'cost';

async function costBefore(store: Store): Promise<Cost> {
  const bytes = await store.load(COST_KEY);
  const { data } = Cost.safeParse(bytes === undefined ? undefined : jsonOf(bytes));
  return data ?? { rounds: 0, bytes: 0, trainedRows: 0, seconds: 0 };
}

/** A part of a store. */
function within(store: Store, place: string): Store {
  return {
    load: (key) => store.load(`${place}/${key}`),
    save: (key, bytes) => store.save(`${place}/${key}`, bytes),
    clear: (key) => store.clear(`${place}/${key}`),
  };
}

/** From 1 at the first round to `last` after the last, along half a cosine. */
function decay(round: number, rounds: number, last: number): number {
  return last + ((1 - last) * (1 + Math.cos((Math.PI * (round - 1)) / rounds))) / 2;
}

function partsOf({ parts }: Dealt, clients: readonly string[] | undefined): ReadonlyMap<string, Uint32Array> {
  return clients === undefined ? parts : new Map([...parts].filter(([id]) => clients.includes(id)));
}
