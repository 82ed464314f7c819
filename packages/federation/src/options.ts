/** What a federation can be told. */
import type { Tensors } from '@assay/engine';
import { type Model, quoted } from '@assay/graph';
import type { LocalSettings } from './client.ts';
import { FederationError } from './errors.ts';
import type { AcceptanceRules } from './request/decision.ts';
import type { Validation } from './request/validation.ts';
import type { RoundRules } from './rounds/round.ts';
import { rawWeights, screenWeights } from './rounds/screening.ts';
import type { Selection } from './rounds/selection.ts';
import type { Store } from './store/store.ts';
import type { Transport } from './transport/transport.ts';
import type { Wait } from './wait.ts';

/**
 * What keeps a feature forgotten that was not cut out exactly; one that was is kept out by itself, for ever.
 *
 * Measured on Adult (`docs/federation.md`): left alone, half of the sensitivity is back after 20 rounds. Repeating the request when
 * it is above a twentieth keeps it below, at the cost of two unlearnings in five rounds; the anchor slows the relapse down and does
 * not end it.
 */
export interface Cure {
  /** The requester unlearns again after every so many rounds. */
  readonly repeatEvery?: number;
  /**
   * The requester unlearns again after a round in which the sensitivity has risen above this part of what it was before the
   * feature was first forgotten. Needs a validation that knows the feature; for one that it does not know, and for a backdoor,
   * `repeatEvery` helps.
   */
  readonly repeatAbove?: number;
  /** Clients train with FedProx's proximal term of at least this weight μ from then on. */
  readonly anchor?: number;
}

export interface FederationOptions {
  readonly transport: Transport;
  /** The weights to begin with, of all names that are averaged (`Learner.initial`). */
  readonly initial: Tensors;
  /** A whole number from 0 to 2⁵³ − 1: selections and the clients' seeds follow from it. */
  readonly seed: number;
  /** How clients train, in all rounds or by round (counted from 1). */
  readonly local: LocalSettings | ((round: number) => LocalSettings);
  readonly selection?: Selection;
  readonly rules?: RoundRules;
  /** Keeps the state after every round, and the versions; default in memory. */
  readonly store?: Store;
  /** Keeps every update of every round as well: see `History`. */
  readonly history?: Store;
  /** Needed to decide on requests. */
  readonly validation?: Validation;
  readonly acceptance?: AcceptanceRules;
  /** The model that the weights are of: needed to keep what is cut out exactly out for ever. */
  readonly model?: Model;
  /** Default `{ repeatAbove: 0.05 }`; `{}` for none. */
  readonly cure?: Cure;
  /** Seconds that a client has to unlearn; by default as long as it takes. */
  readonly requestSeconds?: number;
  /** Rounds without a quorum, one after the other, before training gives up; default 10. */
  readonly mostFailedRounds?: number;
  /** Called when a client of a round has answered or is given up. */
  readonly onAnswer?: (done: number, of: number) => void;
  /** How to wait for a deadline; by the clock, unless a test knows better. */
  readonly wait?: Wait;
}

/** See {@link Cure}. */
export const DEFAULT_CURE: Cure = { repeatAbove: 0.05 };

/** @throws FederationError of kind `argument` if an option is out of range */
export function checkOptions({
  initial,
  seed,
  rules = {},
  cure = {},
  acceptance = {},
  ...rest
}: FederationOptions): void {
  const check = (
    what: string,
    value: number | undefined,
    fits: (value: number) => boolean,
    range: string,
  ): void => {
    if (value !== undefined && !fits(value))
      throw new FederationError('argument', `${what} is ${range}, not ${value}.`);
  };
  const isAbove0 = (value: number): boolean => value > 0 && value < Number.POSITIVE_INFINITY;
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;
  check('The seed', seed, (value) => Number.isSafeInteger(value) && value >= 0, 'a whole number from 0');
  check('The deadline', rules.deadlineSeconds, isAbove0, 'a number of seconds above 0');
  check('The time for a request', rest.requestSeconds, isAbove0, 'a number of seconds above 0');
  check('The quorum', rules.quorum, isCount, 'a whole number from 1');
  check('The number of clients asked at a time', rules.concurrency, isCount, 'a whole number from 1');
  check('The number of failed rounds', rest.mostFailedRounds, isCount, 'a whole number from 1');
  check('The number of rounds between repetitions', cure.repeatEvery, isCount, 'a whole number from 1');
  check('The sensitivity to repeat from', cure.repeatAbove, isAbove0, 'above 0');
  check('The weight of the anchor', cure.anchor, isAbove0, 'above 0');
  check(
    'The largest loss of accuracy',
    acceptance.maxAccuracyDrop,
    (value) => value >= 0 && value <= 1,
    'from 0 to 1',
  );
  check('The largest relative norm', acceptance.maxRelativeNorm, isAbove0, 'above 0');
  check('The largest sensitivity', acceptance.maxSensitivity, isAbove0, 'above 0');
  const { norms } = rules;
  if (norms?.kind === 'median')
    check('The factor of the median norm', norms.factor, (value) => value >= 1, 'at least 1');
  if (norms?.kind === 'bound') check('The bound of the norm', norms.limit, isAbove0, 'above 0');
  if (Object.keys(initial).length === 0)
    throw new FederationError('argument', 'There are no weights to train.');
  for (const [name, { elementType }] of Object.entries(initial)) {
    if (!AVERAGED.has(elementType))
      throw new FederationError(
        'argument',
        `${quoted(name)} holds ${elementType} elements, which have no mean.`,
      );
  }
  const screened = screenWeights(rawWeights(initial), initial);
  if ('code' in screened)
    throw new FederationError(
      'argument',
      `The weights to begin with cannot be used: the model ${screened.reason}.`,
    );
}

const AVERAGED: ReadonlySet<string> = new Set(['float32', 'float64', 'float16']);
