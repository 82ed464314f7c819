/** Everything that is measured of a model in a scenario, by the same rows and draws for every method. */
import { EngineError, Learner, type SessionOptions, type Tensors } from '@assay/engine';
import { countOperations, type Model, withInitializers } from '@assay/graph';
import { RandomStream } from '@assay/random';
import {
  type Accuracy,
  accuracyOf,
  attentionMass,
  type Classifier,
  commonClass,
  distanceBetween,
  type Estimate,
  gradCam,
  inferMembership,
  invertAttribute,
  invertImages,
  isVisual,
  measureFlip,
  measureImplant,
  measureSensitivity,
  type ProbeResult,
  predictions,
  probeProxies,
  type Rows,
  regionPixels,
  relearnTime,
  replaceFeature,
  Scorer,
  takeRows,
  UnlearnError,
} from '@assay/unlearn';
import type { Remedy } from './method.ts';
import type { Result } from './result.ts';
import { stacked } from './rows.ts';
import { type Prepared, requesterRows } from './scenario.ts';

/** Rows for measurements that take long, at most. */
const SOME = 1000;
/** Images that are reconstructed, and steps of the reconstruction. */
const RECONSTRUCTED = 12;
const RECONSTRUCTION_STEPS = 64;
/** Images whose attention is looked at. */
const LOOKED_AT = 100;
/** Steps of further training after which it is looked whether the feature is back. */
const RELEARN_LOOKS = [1, 2, 4, 8, 16, 32, 64, 128];
const RELEARN_RATE = 1e-3;
/** A training step goes forward once and backward at twice the cost. */
const TRAINING_FACTOR = 3;

/** What all models of a scenario are measured against. */
export interface Reference {
  /** Before anything was forgotten. */
  readonly baseline: Model;
  /** Sensitivity of the baseline. */
  readonly sensitivity: Estimate | undefined;
  /** Trained again without the feature, if it was. */
  readonly retrained: Model | undefined;
}

export interface MeasureOptions {
  readonly seed: number;
  readonly session: SessionOptions;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (done: number, detail: string) => void;
}

/** The numbers of a result. */
export type Measured = Omit<Result, 'scenario' | 'method' | 'seed' | 'preset' | 'network' | 'notes' | 'cost'>;

/** Measures a model. */
export async function measure(
  prepared: Prepared,
  model: Model,
  reference: Reference,
  options: MeasureOptions,
): Promise<Measured> {
  const { seed, session, signal, onProgress } = options;
  const classifier: Classifier = { ...prepared.classifier, model };
  const watched = { seed, session, ...(signal === undefined ? {} : { signal }) };
  const scorer = await Scorer.open(classifier, session);
  try {
    const outcome = await measureOutcome(prepared, scorer, reference, {
      ...options,
      onProgress: (done, detail) => onProgress(0.3 * done, detail),
    });
    onProgress(0.3, 'attacks');
    const some = measuredRows(prepared, seed);
    const own = takeRows(prepared.dealt.rows, requesterRows(prepared));
    const members = await membershipOf(prepared, scorer, watched);
    const inversion = await ifFinite(inversionOf(prepared, classifier, scorer, own, watched));
    onProgress(0.6, 'proxies and distance');
    const probe = await ifFinite(probeOf(prepared, classifier, some, watched));
    const distance =
      reference.retrained === undefined
        ? undefined
        : await ifFinite(distanceTo(prepared, model, reference.retrained, options));
    const attention = await ifFinite(attentionOf(prepared, classifier, prepared.forgetTest, options));
    onProgress(0.8, 'relearning');
    const relearn = await ifFinite(relearnOf(prepared, model, reference, some, options));
    return {
      ...outcome,
      membership: { auc: members.loss.auc, tprAt1PercentFpr: members.loss.tprAt1PercentFpr },
      ...inversion,
      ...(probe === undefined ? {} : { probe }),
      ...(distance === undefined ? {} : { distance }),
      ...(attention === undefined ? {} : { attention }),
      ...(relearn === undefined ? {} : { relearnSteps: relearn }),
    };
  } finally {
    await scorer.close();
  }
}

/** What tells whether a model has forgotten, and at which price: few numbers, taken in the same way everywhere. */
export async function measureOutcome(
  prepared: Prepared,
  scorer: Scorer,
  reference: Pick<Reference, 'baseline'>,
  {
    seed,
    session,
    signal,
    onProgress = () => {},
  }: Omit<MeasureOptions, 'onProgress'> & Partial<Pick<MeasureOptions, 'onProgress'>>,
) {
  const { classifier, feature, reason, test, retainTest, forgetTest } = prepared;
  onProgress(0, 'accuracy');
  const accuracyOn = async (rows: Rows): Promise<Accuracy> => {
    signal?.throwIfAborted();
    return accuracyOf(predictions(await scorer.scores(rows)), rows.labels ?? new Int32Array(rows.count));
  };
  const onTest = await accuracyOn(test);
  const accuracy = {
    test: onTest,
    retain: retainTest === test ? onTest : await accuracyOn(retainTest),
    forget: forgetTest === test ? onTest : await accuracyOn(forgetTest),
  };
  onProgress(0.2, 'sensitivity');
  const some = measuredRows(prepared, seed);
  const watched = { seed, ...(signal === undefined ? {} : { signal }) };
  const sensitivity = (await measureSensitivity(scorer, some, [feature], watched)).get(feature.name);
  if (sensitivity === undefined) throw new TypeError(`no sensitivity of "${feature.name}"`);
  onProgress(0.6, 'changed predictions');
  const flips = await measureFlip(scorer, some, feature, classifier.classes, seed);
  if (reason === 'backdoor') onProgress(0.8, 'backdoor');
  const implant =
    reason === 'backdoor' ? await implantOf(prepared, scorer, reference, { seed, session }) : undefined;
  return { accuracy, sensitivity, flips: flips.changed, ...(implant === undefined ? {} : { implant }) };
}

/** How far a model is from the one that was trained again without the feature, on unseen rows. */
export async function distanceTo(
  prepared: Prepared,
  model: Model,
  retrained: Model,
  { seed, session, signal }: Pick<MeasureOptions, 'seed' | 'session' | 'signal'>,
): Promise<NonNullable<Result['distance']>> {
  const { classifier } = prepared;
  const { agreement, divergence } = await distanceBetween(
    { ...classifier, model },
    { ...classifier, model: retrained },
    measuredRows(prepared, seed),
    { seed, session, ...(signal === undefined ? {} : { signal }) },
  );
  return { agreement, divergence };
}

/** The unseen rows of measurements that take long, the same ones for every model. */
function measuredRows({ test }: Prepared, seed: number): Rows {
  return sample(test, SOME, seed, 'measured');
}

/** What a remedy cost: time, arithmetic of the network, bytes between clients and server. */
export function costOf(prepared: Prepared, remedy: Remedy, seconds: number): NonNullable<Result['cost']> {
  const { rows } = prepared.dealt;
  const shapes = Object.fromEntries(
    Object.entries(rows.inputs).map(([name, value]) => [name, [1, ...value.dims.slice(1)]]),
  );
  const { flops } = countOperations(prepared.classifier.model, shapes);
  return {
    seconds: remedy.seconds ?? seconds,
    flops: flops * (TRAINING_FACTOR * remedy.trainedRows + remedy.forwardRows),
    bytes: remedy.bytes,
    trainedRows: remedy.trainedRows,
  };
}

/** What the trigger decides in a model that a scorer runs. */
async function implantOf(
  prepared: Prepared,
  scorer: Scorer,
  { baseline }: Pick<Reference, 'baseline'>,
  { seed, session }: Pick<MeasureOptions, 'seed' | 'session'>,
): Promise<NonNullable<Result['implant']>> {
  const { classifier, feature, forgetTest, test } = prepared;
  // What the trigger stands for is what the model before made of it, not what this model makes of it.
  const before = await Scorer.open({ ...classifier, model: baseline }, session);
  try {
    const target = await commonClass(before, sample(forgetTest, SOME, seed, 'target'), classifier.classes);
    const { success, towards, natural } = await measureImplant(
      scorer,
      test,
      feature,
      forgetTest,
      target,
      seed,
    );
    return { success, towards, natural };
  } finally {
    await before.close();
  }
}

/** Whether an error says that numbers were no longer finite; a runtime that fails otherwise names the node. */
export function isDivergence(error: unknown): error is Error {
  if (error instanceof UnlearnError) return error.kind === 'diverged';
  return error instanceof EngineError && error.kind === 'run' && error.node === undefined;
}

/** A measurement; undefined of a model whose numbers are not finite, as a method may leave it. */
async function ifFinite<Value>(measurement: Promise<Value>): Promise<Value | undefined> {
  return await measurement.catch((error: unknown) => {
    if (isDivergence(error)) return undefined;
    throw error;
  });
}

type Watched = { readonly seed: number; readonly session: SessionOptions; readonly signal?: AbortSignal };

/**
 * Whether the requester's rows can be told from unseen ones of the same kind: for a backdoor, triggered images of both, with
 * the target class as their label. The attacker knows the rows, their labels and the model's answers. Forgetting a feature
 * is not forgetting rows: no method is expected to bring this to chance.
 */
async function membershipOf(prepared: Prepared, scorer: Scorer, { seed, signal }: Watched) {
  const { dealt, forgetTest, carriers = requesterRows(prepared) } = prepared;
  const members = sample(takeRows(dealt.rows, carriers), SOME, seed, 'members');
  const others = sample(forgetTest, SOME, seed, 'non-members');
  return await inferMembership(
    scorer,
    members,
    others,
    prepared.classifier.classes,
    signal === undefined ? {} : { signal },
  );
}

/**
 * What can be recovered of the feature in the requester's rows. The attacker knows everything else of them, their labels
 * too, the model, and beside them unseen rows in full, of all clients' kinds (rows of `test`; they are not measured on).
 */
async function inversionOf(
  prepared: Prepared,
  classifier: Classifier,
  scorer: Scorer,
  own: Rows,
  { seed, session, signal }: Watched,
): Promise<Pick<Result, 'attributeInversion' | 'imageInversion'>> {
  const { feature, test } = prepared;
  const watched = signal === undefined ? {} : { signal };
  if (!isVisual(feature)) {
    const { withModel, constant, withoutModel, withBoth } = await invertAttribute(
      scorer,
      sample(own, SOME, seed, 'inverted'),
      sample(test, SOME, seed, 'auxiliary'),
      feature,
      classifier.classes,
      { seed, ...watched },
    );
    return { attributeInversion: { withModel, constant, withoutModel, withBoth } };
  }
  const rows = sample(own, RECONSTRUCTED, seed, 'inverted');
  const region = feature.kind === 'colour' ? undefined : offsetsIn(rows, prepared);
  const { error, nearer } = await invertImages(classifier, rows, sample(test, SOME, seed, 'auxiliary'), {
    ...(region === undefined ? {} : { region }),
    steps: RECONSTRUCTION_STEPS,
    session,
    ...watched,
  });
  return { imageInversion: { error, nearer } };
}

/** Flat offsets of a region in each row, all channels. */
function offsetsIn(rows: Rows, { feature }: Prepared): (row: number) => Uint32Array {
  const [input] = feature.slots;
  const [, channels = 1, height = 1, width = 1] = rows.inputs[input?.input ?? '']?.dims ?? [];
  return (row) => {
    const pixels = regionPixels(rows, feature, row);
    return Uint32Array.from({ length: channels * pixels.length }, (_, i) => {
      const channel = Math.floor(i / pixels.length);
      return channel * height * width + (pixels[i % pixels.length] ?? 0);
    });
  };
}

/**
 * How well the feature can still be told. Of images: whether the hidden layer tells those that show it as it is from others
 * in which it was replaced.
 */
async function probeOf(
  { feature, forgetTest }: Prepared,
  classifier: Classifier,
  some: Rows,
  watched: Watched,
): Promise<Result['probe']> {
  if (!isVisual(feature)) {
    const { fromOtherColumns, fromHiddenLayer } = await probeProxies(classifier, some, feature, watched);
    const any = fromOtherColumns ?? fromHiddenLayer;
    if (any === undefined) return undefined;
    return {
      ...(fromOtherColumns === undefined ? {} : { otherColumns: toldBy(fromOtherColumns) }),
      ...(fromHiddenLayer === undefined ? {} : { hiddenLayer: toldBy(fromHiddenLayer) }),
      majority: any.kind === 'category' ? any.accuracy.majority : 0,
      kind: any.kind === 'category' ? 'accuracy' : 'R2',
    };
  }
  const probed = sample(forgetTest, SOME, watched.seed, 'probed');
  const order = new RandomStream(watched.seed, 'probe').permutation(probed.count);
  const half = Math.floor(probed.count / 2);
  // Each image once: seen both ways, it would be told by the half that the probe was fitted on.
  const shown = takeRows(probed, order.subarray(0, half));
  const others = takeRows(probed, order.subarray(half));
  const { rows: hidden } = replaceFeature(others, feature, new RandomStream(watched.seed, 'hidden'), some);
  const all = stacked([shown, hidden]);
  const values = Int32Array.from({ length: all.count }, (_, row) => (row < half ? 1 : 0));
  const { fromHiddenLayer } = await probeProxies(classifier, all, feature, { ...watched, values });
  if (fromHiddenLayer?.kind !== 'category') return undefined;
  return {
    hiddenLayer: toldBy(fromHiddenLayer),
    majority: fromHiddenLayer.accuracy.majority,
    kind: 'accuracy',
  };
}

function toldBy(result: ProbeResult): Estimate {
  const { value, lower, upper } = result.kind === 'category' ? result.accuracy : result.r2;
  return { value, lower, upper };
}

async function attentionOf(
  { feature }: Prepared,
  classifier: Classifier,
  rows: Rows,
  { seed, session, signal }: MeasureOptions,
): Promise<Result['attention']> {
  if (feature.kind !== 'region') return undefined;
  const looked = sample(rows, LOOKED_AT, seed, 'attention');
  const maps = await gradCam(classifier, looked, { session, ...(signal === undefined ? {} : { signal }) });
  const { share, area } = attentionMass(maps, (row: number) => regionPixels(looked, feature, row));
  return Number.isFinite(share.value) ? { share, area } : undefined;
}

/** Steps of training on the requester's rows, as they are, until half the sensitivity is back. */
async function relearnOf(
  prepared: Prepared,
  model: Model,
  { sensitivity }: Reference,
  some: Rows,
  { seed, session, signal }: MeasureOptions,
): Promise<Estimate | undefined> {
  if (sensitivity === undefined) return undefined;
  const { classifier, feature, dealt, federation } = prepared;
  const own = requesterRows(prepared);
  const learner = await Learner.open(model, {
    output: classifier.output.name,
    optimizer: { kind: 'adamw', weightDecay: 0 },
    session,
  });
  const watcher = await Scorer.openLoadable({ ...classifier, model }, learner.weights, session);
  const few = sample(some, 256, seed, 'relearn');
  try {
    const { inputs, labels } = takeRows(dealt.rows, own);
    await learner.use({ inputs, labels: labels ?? new Int32Array(own.length) });
    const all = Uint32Array.from({ length: own.length }, (_, row) => row);
    const { steps } = await relearnTime<Tensors>({
      start: learner.initial,
      fit: async (weights, count, done) =>
        (
          await learner.fit(weights, all, {
            epochs: Math.ceil((count * federation.local.batchSize) / own.length),
            maxSteps: count,
            batchSize: federation.local.batchSize,
            learningRate: RELEARN_RATE,
            seed: seed + done,
            ...(signal === undefined ? {} : { signal }),
          })
        ).weights,
      measure: async (weights) => {
        await watcher.load(weights);
        const found = await measureSensitivity(watcher, few, [feature], { seed, draws: 4 });
        return found.get(feature.name) ?? { value: Number.NaN, lower: Number.NaN, upper: Number.NaN };
      },
      original: sensitivity.value,
      looks: RELEARN_LOOKS,
      ...(signal === undefined ? {} : { signal }),
    });
    return steps;
  } finally {
    await Promise.all([learner.close(), watcher.close()]);
  }
}

/** At most so many rows, at random. */
export function sample(rows: Rows, most: number, seed: number, purpose: string): Rows {
  if (rows.count <= most) return rows;
  return takeRows(
    rows,
    new RandomStream(seed, `sample/${purpose}`).permutation(rows.count).subarray(0, most),
  );
}

/** A model with other weights: parameters and running statistics. */
export function withWeightsOf(model: Model, weights: Tensors): Model {
  return withInitializers(model, new Map(Object.entries(weights)));
}
