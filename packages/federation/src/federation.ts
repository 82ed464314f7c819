/** A federation as its server sees it: rounds of training, requests to forget, and what is kept of both. */
import type { Tensors } from '@assay/engine';
import { RandomStream } from '@assay/random';
import type { Estimate } from '@assay/unlearn';
import * as z from 'zod';
import type { Cut, ForgetRequest, LocalSettings } from './client.ts';
import { FederationError } from './errors.ts';
import { checkOptions, DEFAULT_CURE, type FederationOptions } from './options.ts';
import type { ForgetOutcome, Relapse, RoundReport } from './reports.ts';
import { projectWeights } from './request/cut.ts';
import { decide, type ForgottenFeature } from './request/decision.ts';
import { runRound } from './rounds/round.ts';
import { rawWeights, screenWeights } from './rounds/screening.ts';
import { selectClients } from './rounds/selection.ts';
import {
  decodeState,
  decodeVersion,
  encodeState,
  encodeVersion,
  type FederationRecord,
  type KeptVersion,
  type Version,
} from './state.ts';
import { History } from './store/history.ts';
import { MemoryStore, type Store } from './store/store.ts';
import { digestOf } from './store/weights-file.ts';
import { ask, reasonOf } from './transport/ask.ts';
import type { Member } from './transport/transport.ts';
import { byTheClock } from './wait.ts';

const STATE_KEY = 'state';

/** A request comes from outside, through a transport that vouches for no more than who sent it. */
const requestSchema = z.object({
  client: z.string().max(1000),
  feature: z.string().min(1).max(1000),
  because: z.enum(['sensitive', 'backdoor', 'bias']),
});

/**
 * A federation.
 *
 * Everything but the clients' own work is a function of the seed and the round: with clients that are too, and that answer in
 * time, a federation that was killed and opened again gives bit for bit the weights that it would have given.
 *
 * Rounds and requests take turns. Several requests are dealt with one after the other, each requester starting from a model
 * that has forgotten what was asked for before: if all started from the same model, each result would have forgotten one feature and
 * still depend on the others, and their mean would depend on all of them.
 *
 * @example
 * const federation = await Federation.open({ transport, initial: learner.initial, seed: 1, local: { epochs: 5, batchSize: 128, learningRate: 0.01 } });
 * for await (const { round, loss } of federation.train(200)) console.log(round, loss);
 * await federation.forget({ client: 'client-1', feature: 'marital-status', because: 'sensitive' });
 */
export class Federation {
  readonly #options: FederationOptions;
  readonly #store: Store;
  readonly #history: History | undefined;
  #weights: Tensors;
  #record: FederationRecord;
  #turn: Promise<unknown> = Promise.resolve();
  #stopListening: () => void = () => {};

  private constructor(options: FederationOptions, store: Store, weights: Tensors, record: FederationRecord) {
    this.#options = options;
    this.#store = store;
    this.#history = options.history === undefined ? undefined : new History(options.history);
    this.#weights = weights;
    this.#record = record;
  }

  /**
   * Opens a federation, where it stood if its store has a state.
   *
   * @throws FederationError of kind `store` if what is stored is damaged or of another model or seed; of kind `argument` if an
   *   option is out of range
   */
  static async open(options: FederationOptions): Promise<Federation> {
    checkOptions(options);
    const store = options.store ?? new MemoryStore();
    const saved = await store.load(STATE_KEY);
    const federation =
      saved === undefined
        ? await Federation.#begin(options, store)
        : Federation.#resume(options, store, saved);
    federation.#stopListening = options.transport.onRequest((request) => federation.forget(request));
    return federation;
  }

  static async #begin(options: FederationOptions, store: Store): Promise<Federation> {
    const { initial, seed } = options;
    const record = { seed, round: 0, failedRounds: 0, forgotten: [], versions: [] };
    const federation = new Federation(options, store, initial, record);
    await federation.#keepVersion({ kind: 'initial' });
    await federation.#save();
    return federation;
  }

  static #resume(options: FederationOptions, store: Store, saved: Uint8Array): Federation {
    const { record, weights } = decodeState(saved);
    if (record.seed !== options.seed) {
      throw new FederationError(
        'store',
        `The stored federation was begun with seed ${record.seed}, not ${options.seed}. Use its seed, or another store.`,
      );
    }
    const screened = screenWeights(rawWeights(weights), options.initial);
    if ('code' in screened)
      throw new FederationError('store', `The stored federation is of another model: it ${screened.reason}.`);
    return new Federation(options, store, screened.weights, record);
  }

  /** The global weights at present. */
  get weights(): Tensors {
    return this.#weights;
  }

  /** Rounds done. */
  get round(): number {
    return this.#record.round;
  }

  /** Features that were forgotten and have to stay so. */
  get forgotten(): readonly ForgottenFeature[] {
    return this.#record.forgotten;
  }

  /** The log of versions, first to last. */
  get versions(): readonly Version[] {
    return this.#record.versions;
  }

  /** What was kept of the rounds; undefined where nothing is. */
  get history(): History | undefined {
    return this.#history;
  }

  /**
   * Trains until so many rounds are done in all, those before an interruption included. Nothing runs between two reports unless
   * the next one is asked for.
   *
   * @throws FederationError of kind `quorum` if too few clients answer in round after round; the signal's reason if it is
   *   aborted (the round under way is then lost)
   */
  async *train(rounds: number, signal?: AbortSignal): AsyncGenerator<RoundReport, void, undefined> {
    if (!Number.isInteger(rounds) || rounds < 0) {
      throw new FederationError('argument', `The number of rounds is a whole number from 0, not ${rounds}.`);
    }
    const most = this.#options.mostFailedRounds ?? 10;
    while (this.#record.round < rounds) {
      signal?.throwIfAborted();
      const report = await this.#next(() => this.#wholeRound(signal));
      yield report;
      if (this.#record.failedRounds >= most) {
        throw new FederationError(
          'quorum',
          `In ${this.#record.failedRounds} rounds, one after the other, there were fewer usable updates than the quorum of ${this.#options.rules?.quorum ?? 1}. See why clients were dropped or rejected.`,
        );
      }
    }
  }

  /**
   * Deals with a client's request: the client gets the weights, unlearns on its own rows, and sends what it has; the server
   * checks it and takes it over, or does not and says why. Waits for the round and the requests before it.
   *
   * @throws the signal's reason if it is aborted; everything else that goes wrong is a refusal
   */
  forget(request: ForgetRequest, signal?: AbortSignal): Promise<ForgetOutcome> {
    return this.#next(() => this.#decide(request, signal, false));
  }

  /**
   * The weights of a version, as they were.
   *
   * @throws FederationError of kind `store` if it is not kept
   */
  async version(number: number): Promise<Tensors> {
    return (await this.#loadVersion(number)).weights;
  }

  /** Goes back to a version: training goes on from it, and nothing is forgotten that was forgotten only later. */
  restore(number: number): Promise<Version> {
    return this.#next(async () => {
      const { weights, forgotten } = await this.#loadVersion(number);
      this.#weights = weights;
      this.#record = { ...this.#record, forgotten: [...forgotten] };
      const made = await this.#keepVersion({ kind: 'restored', number });
      await this.#save();
      return made;
    });
  }

  /** Listens to no more requests; what is under way is finished. */
  async close(): Promise<void> {
    this.#stopListening();
    await this.#turn;
  }

  /** A round that fails, or is stopped, leaves everything as it was before it. */
  async #wholeRound(signal: AbortSignal | undefined): Promise<RoundReport> {
    const [weights, record] = [this.#weights, this.#record];
    try {
      return await this.#round(signal);
    } catch (error) {
      [this.#weights, this.#record] = [weights, record];
      throw error;
    }
  }

  async #round(signal: AbortSignal | undefined): Promise<RoundReport> {
    const started = performance.now();
    const { transport, selection = {}, rules = {}, seed } = this.#options;
    const round = this.#record.round + 1;
    // A client without rows has nothing to train on, and a wrong number of them would spoil the average.
    const members = transport
      .members()
      .filter(({ samples }) => Number.isSafeInteger(samples) && samples >= 1);
    const ids = members.map(({ id }) => id);
    const drawn = new Set(selectClients(ids, selection, seed, round));
    const cuts = this.#cuts();
    const local = this.#localFor(round);
    const outcome = await runRound({
      round,
      transport,
      global: this.#weights,
      members: members.filter(({ id }) => drawn.has(id)),
      taskFor: (member: Member) => ({
        round,
        weights: this.#weights,
        local,
        seed: seedOf(seed, round, member.id),
        cuts,
      }),
      rules,
      history: this.#history,
      signal,
      wait: this.#options.wait ?? byTheClock,
      onAnswer: this.#options.onAnswer ?? (() => {}),
    });
    const averaged = outcome.weights !== undefined;
    if (outcome.weights !== undefined) this.#weights = this.#projected(outcome.weights, cuts);
    this.#record = {
      ...this.#record,
      round,
      failedRounds: averaged ? 0 : this.#record.failedRounds + 1,
    };
    const repeated = await this.#repeat(round, signal);
    await this.#save();
    return {
      round,
      participants: outcome.participants,
      rejected: outcome.rejected,
      dropped: outcome.dropped,
      averaged,
      loss: outcome.loss,
      bytes: outcome.bytes,
      seconds: (performance.now() - started) / 1000,
      weights: this.#weights,
      relapse: await this.#relapse(),
      repeated,
    };
  }

  #localFor(round: number): LocalSettings {
    const { local, cure = DEFAULT_CURE } = this.#options;
    const own = typeof local === 'function' ? local(round) : local;
    const anchor = cure.anchor ?? 0;
    const isNeeded = this.#record.forgotten.some(({ cut }) => cut === undefined);
    return isNeeded && anchor > (own.mu ?? 0) ? { ...own, mu: anchor } : own;
  }

  /** Asks the requesters to unlearn again where that is due. */
  async #repeat(round: number, signal: AbortSignal | undefined): Promise<readonly ForgetOutcome[]> {
    const { repeatEvery, repeatAbove } = this.#options.cure ?? DEFAULT_CURE;
    const outcomes: ForgetOutcome[] = [];
    for (const { feature, client, cut, sensitivity } of this.#record.forgotten) {
      if (cut !== undefined) continue;
      const isTime = repeatEvery !== undefined && round % repeatEvery === 0;
      const now =
        isTime || repeatAbove === undefined || sensitivity === undefined
          ? undefined
          : await this.#options.validation?.sensitivity(this.#weights, feature);
      const isBack =
        now !== undefined &&
        now.value > (repeatAbove ?? 0) * (sensitivity?.original ?? Number.POSITIVE_INFINITY);
      if (!isTime && !isBack) continue;
      const because = this.#reasonOf(client, feature);
      outcomes.push(await this.#decide({ client, feature, because }, signal, true, now));
    }
    return outcomes;
  }

  #reasonOf(client: string, feature: string): ForgetRequest['because'] {
    for (const { cause } of this.#record.versions.toReversed())
      if (cause.kind === 'request' && cause.client === client && cause.feature === feature)
        return cause.because;
    return 'sensitive';
  }

  async #relapse(): Promise<readonly Relapse[]> {
    const found: Relapse[] = [];
    for (const { feature, sensitivity } of this.#record.forgotten) {
      if (sensitivity === undefined) continue;
      const now = await this.#options.validation?.sensitivity(this.#weights, feature);
      if (now !== undefined) found.push({ feature, sensitivity: now, ...sensitivity });
    }
    return found;
  }

  async #decide(
    request: ForgetRequest,
    signal: AbortSignal | undefined,
    isRepeat: boolean,
    known?: Estimate,
  ): Promise<ForgetOutcome> {
    const started = performance.now();
    const {
      transport,
      validation,
      acceptance = {},
      model,
      requestSeconds,
      wait = byTheClock,
    } = this.#options;
    const { client, feature, because } = request;
    const before = await digestOf(this.#weights);
    let bytes = { sent: 0, received: 0 };
    const outcome = (reasons: readonly string[], found: Partial<ForgetOutcome> = {}): ForgetOutcome => ({
      request,
      accepted: false,
      round: this.#record.round,
      digests: { before, after: before },
      version: undefined,
      accuracy: undefined,
      sensitivity: undefined,
      report: undefined,
      ...found,
      reasons,
      bytes,
      seconds: (performance.now() - started) / 1000,
    });
    if (!requestSchema.safeParse(request).success) {
      return outcome(['The request is none: it names no feature, or no reason that there is.']);
    }
    if (validation === undefined) {
      return outcome(['The server has no rows of its own to validate on, so it accepts no request.']);
    }
    const owner = this.#record.forgotten.find((each) => each.feature === feature);
    const original = owner?.sensitivity?.original ?? 0;
    const present = known ?? (await validation.sensitivity(this.#weights, feature));
    let answer: unknown;
    try {
      const task = {
        request,
        weights: this.#weights,
        forgotten: this.#record.forgotten.map((each) => each.feature),
        cuts: this.#cuts(),
        ...(present === undefined || original === 0 ? {} : { left: present.value / original }),
      };
      const delivery = await ask(
        transport,
        client,
        { kind: 'forget', task },
        {
          seconds: requestSeconds,
          signal,
          wait,
        },
      );
      bytes = { sent: delivery.sent, received: delivery.received };
      answer = delivery.answer;
    } catch (error) {
      signal?.throwIfAborted();
      return outcome([`The client could not unlearn: ${reasonOf(error)}`]);
    }
    const { forgotten } = this.#record;
    const decision = await decide({
      answer,
      request,
      present,
      global: this.#weights,
      forgotten,
      validation,
      rules: acceptance,
      model,
    });
    const { weights, cut, reasons, accuracy, sensitivity, report } = decision;
    if (weights === undefined) return outcome(reasons, { accuracy, sensitivity, report });

    if (!isRepeat) await this.#keepUnlessKept({ kind: 'rounds' });
    this.#weights = weights;
    const now: ForgottenFeature = {
      feature,
      client,
      cut: cut ?? owner?.cut,
      sensitivity:
        sensitivity === undefined
          ? undefined
          : {
              original: owner?.sensitivity?.original ?? sensitivity.before.value,
              accepted: sensitivity.after.value,
            },
    };
    this.#record = {
      ...this.#record,
      forgotten:
        owner === undefined
          ? [...forgotten, now]
          : forgotten.map((each) => (each.feature === feature ? now : each)),
    };
    // A repetition is part of a round: it is saved with the round, and only its digest is told.
    const version = isRepeat
      ? undefined
      : await this.#keepVersion({ kind: 'request', client, feature, because });
    if (!isRepeat) await this.#save();
    return outcome([], {
      accepted: true,
      digests: { before, after: await digestOf(weights) },
      version: version?.number,
      accuracy,
      sensitivity,
      report,
    });
  }

  #cuts(): readonly Cut[] {
    return this.#record.forgotten.flatMap(({ cut }) => cut ?? []);
  }

  #projected(weights: Tensors, cuts: readonly Cut[]): Tensors {
    const { model } = this.#options;
    return model === undefined ? weights : projectWeights(model, weights, cuts);
  }

  async #keepUnlessKept(cause: Version['cause']): Promise<void> {
    if (this.#record.versions.at(-1)?.digest !== (await digestOf(this.#weights)))
      await this.#keepVersion(cause);
  }

  async #keepVersion(cause: Version['cause']): Promise<Version> {
    const { versions, forgotten, round } = this.#record;
    const made = { number: versions.length, round, digest: await digestOf(this.#weights), cause };
    await this.#store.save(
      versionKey(made.number),
      encodeVersion(made.number, { weights: this.#weights, forgotten }),
    );
    this.#record = { ...this.#record, versions: [...versions, made] };
    return made;
  }

  async #loadVersion(number: number): Promise<KeptVersion> {
    const known = this.#record.versions[number];
    const bytes = known === undefined ? undefined : await this.#store.load(versionKey(number));
    if (known === undefined || bytes === undefined)
      throw new FederationError(
        'store',
        `There is no version ${number}; the last is ${this.#record.versions.length - 1}.`,
      );
    const kept = decodeVersion(bytes);
    if ((await digestOf(kept.weights)) !== known.digest)
      throw new FederationError('store', `Version ${number} is not what was kept: its digest differs.`);
    return kept;
  }

  async #save(): Promise<void> {
    await this.#store.save(STATE_KEY, encodeState({ record: this.#record, weights: this.#weights }));
  }

  #next<Value>(work: () => Promise<Value>): Promise<Value> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** A client's seed in a round: 53 bits of its own stream. */
function seedOf(seed: number, round: number, client: string): number {
  const random = new RandomStream(seed, `federation/fit/${round}/${client}`);
  return random.word() * 2 ** 21 + (random.word() >>> 11);
}

function versionKey(number: number): string {
  return `version/${number.toString().padStart(6, '0')}`;
}
