/** Whether a forgotten feature comes back while the federation goes on training, and what helps against it. */
import {
  type Cure,
  digestOf,
  Federation,
  type ForgetOutcome,
  openValidation,
  unlearner,
} from '@assay/federation';
import { RandomStream } from '@assay/random';
import { isVisual, type MethodName, type Rows, takeRows, UnlearnError } from '@assay/unlearn';
import * as z from 'zod';
import { openMembers } from '../federate.ts';
import { bytesOf, jsonOf } from '../kept.ts';
import { MEASURED } from '../methods/local-unlearning.ts';
import { withWeights } from '../methods/weights.ts';
import { type Prepared, requesterRows } from '../scenario.ts';
import type { Ablation, AblationContext, Outcome, Series } from './ablation.ts';
import { EXACT, OURS } from './local.ts';

/** Rounds after the request at which it is looked at. */
const ROUNDS = [0, 1, 2, 5, 10, 20] as const;
const LAST = Math.max(...ROUNDS);

/** How the request is carried out, and what keeps the feature forgotten. */
interface Course extends Pick<Series, 'name' | 'title' | 'reasonAgainst'> {
  readonly method: MethodName;
  readonly cure: Cure;
}

/** Weight μ of FedProx's term. */
const ANCHOR = 1;
/** Part of the sensitivity from which on the server asks again. */
const REPEAT_ABOVE = 0.05;

const COURSES: readonly Course[] = [
  { ...OURS, title: 'Ferrari, then nothing', method: 'ferrari', cure: {} },
  {
    ...OURS,
    name: 'ferrari-anchored',
    title: `Ferrari, then FedProx with μ = ${ANCHOR}`,
    method: 'ferrari',
    cure: { anchor: ANCHOR },
  },
  {
    ...OURS,
    name: 'ferrari-repeated',
    title: `Ferrari, repeated above ${100 * REPEAT_ABOVE}%`,
    method: 'ferrari',
    cure: { repeatAbove: REPEAT_ABOVE },
    reasonAgainst: ({ reason }) =>
      reason === 'backdoor'
        ? 'The server has no rows with the trigger, by which it could see it come back.'
        : undefined,
  },
  {
    ...EXACT,
    title: 'Exact cut, again after every round',
    method: 'exact',
    cure: {},
    reasonAgainst: (prepared) =>
      EXACT.reasonAgainst(prepared) ??
      (isVisual(prepared.feature)
        ? 'A region of images is cut out by a node of its own, and a federation exchanges weights only.'
        : undefined),
  },
];

/**
 * The server's own rows, by which it accepts what a client has unlearned and sees what comes back: half of the test rows. It is
 * judged on the other half.
 */
function serversRows(prepared: Prepared, seed: number): { readonly server: Rows; readonly judged: Prepared } {
  const known = splits.get(prepared);
  if (known !== undefined) return known;
  const { test, retainTest, forgetTest } = prepared;
  const order = new RandomStream(seed, "relapse/the server's rows").permutation(test.count);
  const half = Math.floor(test.count / 2);
  const others = takeRows(test, order.subarray(half));
  const judged = {
    ...prepared,
    test: others,
    retainTest: retainTest === test ? others : retainTest,
    forgetTest: forgetTest === test ? others : forgetTest,
  };
  const split = { server: takeRows(test, order.subarray(0, half)), judged };
  splits.set(prepared, split);
  return split;
}

/** A scenario belongs to one seed. */
const splits = new WeakMap<Prepared, ReturnType<typeof serversRows>>();

/** The model so many rounds after the request, from where an earlier look has left the federation. */
async function after(rounds: number, course: Course, context: AblationContext): Promise<Outcome> {
  const { prepared, model, seed, session, signal, onProgress } = context;
  const { feature, features, requester, reason, federation: settings } = prepared;
  const classifier = { ...prepared.classifier, model };
  const started = performance.now();
  const own = takeRows(prepared.dealt.rows, requesterRows(prepared));
  const { server, judged } = serversRows(prepared, seed);
  const unlearn = unlearner({
    classifier,
    features,
    rows: own,
    test: takeRows(
      server,
      Uint32Array.from({ length: Math.min(MEASURED, server.count) }, (_, row) => row),
    ),
    method: course.method,
    seed,
    session,
    settings: { onProgress: ({ done, detail }) => onProgress(0.5 * done, detail) },
  });
  const members = await openMembers(prepared, session, {
    model,
    dealt: prepared.dealt,
    proximal: true,
    // What was planted is in the requester's rows alone: they have no further part.
    requesterWeight: reason === 'sensitive' ? settings.requesterWeight : 0,
    forget: (id) => (id === requester ? unlearn : undefined),
  });
  const { learner } = members;
  const exchanged = { classifier, weights: learner.weights, seed, session };
  const validation = await openValidation({ ...exchanged, rows: server, features: [feature] });
  const shelf = context.shelf(`relapse/${course.name}/${await digestOf(learner.initial)}`);
  const open = () =>
    Federation.open({
      ...members.options,
      initial: learner.initial,
      seed,
      local: settings.local,
      store: shelf,
      model,
      validation,
      cure: course.cure,
    });
  let federation = await open();
  try {
    if (federation.round > rounds) {
      // What it was before a later look is not kept.
      await federation.close();
      await shelf.empty();
      federation = await open();
    }
    if (federation.forgotten.length === 0) {
      const request = { client: requester, feature: feature.name, because: reason };
      const refused = await shelf.load(REFUSED);
      const reasons =
        refused === undefined
          ? (await federation.forget(request, signal)).reasons
          : [new TextDecoder().decode(refused)];
      if (reasons.length > 0) {
        const why = reasons.join(' ');
        if (rounds === LAST) await shelf.empty();
        else await shelf.save(REFUSED, new TextEncoder().encode(why));
        throw new UnlearnError('not-applicable', `The server refused it: ${why}`);
      }
    }
    let repeats = repeatsIn(await shelf.load(REPEATS));
    for await (const { round, repeated } of federation.train(rounds, signal)) {
      repeats = repeated.reduce(counted, repeats);
      await shelf.save(REPEATS, bytesOf(repeats));
      onProgress(0.5 + (0.5 * round) / rounds, `round ${round} of ${rounds} after the request`);
    }
    if (rounds === LAST) await shelf.empty();
    return {
      model: withWeights(model, federation.weights),
      before: { model, prepared: judged },
      rows: own.count,
      seconds: (performance.now() - started) / 1000,
      notes: notesOn(repeats),
    };
  } finally {
    await federation.close();
    await validation.close();
    await learner.close();
  }
}

const REPEATS = 'repeats';
/** Why the request was refused: it would be again. */
const REFUSED = 'refused';

/** Repetitions so far, and why the last one was refused that was. */
const Repeats = z.object({ accepted: z.number(), refused: z.number(), why: z.string().optional() });
type Repeats = z.infer<typeof Repeats>;

function repeatsIn(bytes: Uint8Array | undefined): Repeats {
  const { data } = Repeats.safeParse(bytes === undefined ? undefined : jsonOf(bytes));
  return data ?? { accepted: 0, refused: 0 };
}

function counted(repeats: Repeats, { accepted, reasons }: ForgetOutcome): Repeats {
  return accepted
    ? { ...repeats, accepted: repeats.accepted + 1 }
    : { ...repeats, refused: repeats.refused + 1, why: reasons.join(' ') };
}

function notesOn({ accepted, refused, why = '' }: Repeats): readonly string[] {
  const times = (count: number) => (count === 1 ? 'once' : `${count} times`);
  return [
    ...(accepted > 0 ? [`repeated ${times(accepted)} by then.`] : []),
    ...(refused > 0
      ? [`a repetition was refused ${times(refused)} by then, the last time because: ${why}`]
      : []),
  ];
}

export const relapse: Ablation = {
  name: 'relapse',
  table: 'relapse',
  title: 'Relapse',
  axis: 'rounds after the request',
  about: `The request goes through the server, which checks it on half of the test rows, and the federation goes on training at its first rate; all is judged on the other half. The others still have a sensitive feature in their rows; whoever asks for what was planted in its own rows to be removed takes no further part with them.`,
  scale: 'steps',
  series: COURSES.map((course) => ({
    name: course.name,
    title: course.title,
    reasonAgainst: course.reasonAgainst,
    usual: undefined,
    effort: 1,
    settings: ROUNDS.map((rounds) => ({
      label: rounds === 0 ? 'at once' : String(rounds),
      at: rounds,
      run: (context) => after(rounds, course, context),
    })),
  })),
};
