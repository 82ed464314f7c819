/** The way of a request: measure, choose a method, forget, measure again. */
import {
  encodeModel,
  freeInputs,
  type Model,
  outerReferences,
  printable,
  trainableInitializers,
} from '@assay/graph';
import { RandomStream } from '@assay/random';
import { type Anchor, anchorOf } from './anchor.ts';
import { UnlearnError } from './errors.ts';
import { checkFeature, checkPlaces } from './feature/check.ts';
import { isConstant, isVisual } from './feature/feature.ts';
import { accuracyOf } from './measure/accuracy.ts';
import { measureFlip } from './measure/flip.ts';
import { findImplant, type Implant, measureImplant } from './measure/implant.ts';
import { measureSensitivity, type Sensitivity } from './measure/sensitivity.ts';
import { standInsFor } from './measure/stand-ins.ts';
import { certify, provedIndependent, reasonAgainstCut } from './methods/cut.ts';
import { exact } from './methods/exact.ts';
import { ferrari } from './methods/ferrari.ts';
import { ferrariPaper } from './methods/ferrari-paper.ts';
import type { Method } from './methods/method.ts';
import { objectiveOf } from './objective.ts';
import {
  type Measurement,
  type MethodName,
  MOST_IMPLANTED,
  TARGET_SENSITIVITY,
  type UnlearnRequest,
  type UnlearnResult,
} from './request.ts';
import { RunStore } from './run-store.ts';
import { predictions, Scorer, scoreValue } from './scorer.ts';
import { asFloat32, bytesOf, type Classifier, type Feature, type Rows, takeRows } from './subject.ts';

const METHODS: Readonly<Record<MethodName, Method>> = { exact, ferrari, 'ferrari-paper': ferrariPaper };

/** Part of the requester's rows that is only looked at. */
const HELD_OUT_SHARE = 0.2;
/** Fewer rows than this cannot be divided into rows to learn from and rows to look at. */
const FEWEST_ROWS = 10;

/**
 * Makes a classifier forget a feature.
 *
 * The result says what was measured on the test rows before and after; nothing of them is used to unlearn. If the
 * target or the floor could not be had, the best trade-off found is returned and `targetMet` or `floorMet` says so.
 *
 * @throws UnlearnError if the request cannot be carried out; NotDifferentiableError of @assay/graph if the model has an
 *   op without a gradient rule; the signal's reason if it is aborted (a later call with the same request and
 *   checkpoint store goes on from there)
 */
export async function unlearn(given: UnlearnRequest): Promise<UnlearnResult> {
  const started = performance.now();
  const request = { ...given, requester: asFloat32(given.requester), test: asFloat32(given.test) };
  const { classifier, feature, features, requester, seed, signal, session = {} } = request;
  const { onProgress = () => {} } = request;
  checkRows(request);
  checkTrainable(classifier);
  const { method, because } = chooseMethod(request);
  const settings = {
    useLabels: request.useLabels ?? false,
    targetSensitivity: request.targetSensitivity ?? TARGET_SENSITIVITY,
    maxAccuracyDrop: request.maxAccuracyDrop ?? 0.01,
  };
  if (settings.useLabels && requester.labels === undefined) {
    throw new UnlearnError('too-few-rows', 'The labels are to be used, but the rows have none.');
  }

  const planted = isPlantedRegion(request) ? await implantOf(request) : undefined;
  const before = await measureAll(classifier, request, planted, (done, detail) =>
    onProgress({ phase: 'measuring-before', done, detail }),
  );
  checkBefore(request, method, before);
  const reason = request.because ?? 'sensitive';
  const { used, heldOut } = divide(requester, seed);
  const anchor = anchorOf(reason, feature, request.teacher ?? 'conditional', used, heldOut, seed);
  const forgotten = provedIndependent(
    classifier,
    features.filter(({ name }) => name !== feature.name),
  );
  const key =
    request.checkpoints === undefined
      ? ''
      : await fingerprint(request, method, { ...settings, reason, answers: anchor.answers });
  const store = request.checkpoints === undefined ? undefined : new RunStore(request.checkpoints, key);
  const output = await METHODS[method]({
    classifier,
    feature,
    features,
    forgotten,
    ...anchor,
    // The authors' variant knows no anchor: it takes the rows as they are.
    ...(method === 'ferrari-paper' ? { rows: used } : {}),
    seed,
    ...settings,
    session,
    signal,
    store,
    checkpointSeconds: request.checkpointSeconds ?? 10,
    onProgress: (done, detail) => onProgress({ phase: 'unlearning', done, detail }),
  });
  const after = await measureAll({ ...classifier, model: output.model }, request, planted, (done, detail) =>
    onProgress({ phase: 'measuring-after', done, detail }),
  );
  await store?.clear();

  const target = settings.targetSensitivity * before.own.sensitivity.value;
  const { implant } = after.own;
  const targetMet =
    method === 'exact'
      ? output.certificate !== undefined
      : implant === undefined
        ? after.own.sensitivity.upper <= target
        : implant.success.upper <= MOST_IMPLANTED;
  const sideEffects = new Map(
    features.flatMap(({ name }) => {
      const [old, now] = [before.sensitivities.get(name), after.sensitivities.get(name)];
      return name === feature.name || old === undefined || now === undefined
        ? []
        : [[name, { before: old, after: now }] as const];
    }),
  );
  return {
    model: output.model,
    feature: feature.name,
    method,
    because,
    reason,
    teacher: anchor.answers,
    usedLabels: settings.useLabels || anchor.answers === 'labels',
    targetMet,
    floorMet: output.floorMet,
    before: before.own,
    after: after.own,
    sideEffects,
    certificate: output.certificate,
    curve: output.curve,
    steps: output.steps,
    rows: { used: used.count, heldOut: heldOut.count },
    notes: [
      ...notesOnOutputs(classifier, feature, output.model, output.certificate !== undefined),
      ...notesOn(output.floorMet, heldOut.count, settings.maxAccuracyDrop, targetMet, anchor.answers),
      ...notesOnStandIns(request),
      ...notesOnForgotten({ ...classifier, model: output.model }, forgotten),
      ...output.notes,
    ],
    seconds: (performance.now() - started) / 1000,
    provider: output.provider,
  };
}

function notesOnForgotten(classifier: Classifier, forgotten: readonly Feature[]): readonly string[] {
  if (forgotten.length === 0) return [];
  const kept = provedIndependent(classifier, forgotten);
  const names = (features: readonly Feature[]) => features.map(({ name }) => `"${name}"`).join(', ');
  const lost = forgotten.filter((feature) => !kept.includes(feature));
  return [
    ...(kept.length === 0
      ? []
      : [`Features that the model was proved not to depend on before stay so: ${names(kept)}.`]),
    ...(lost.length === 0
      ? []
      : [`The model was proved not to depend on ${names(lost)} before; now it may again.`]),
  ];
}

function notesOn(
  floorMet: boolean | undefined,
  heldOut: number,
  drop: number,
  targetMet: boolean,
  answers: Anchor['answers'],
): readonly string[] {
  const reckoner = answers === 'labels' ? 'the labels' : "the old model's own reckoning";
  const points = `${(100 * drop).toFixed(1)} points`;
  const notes: string[] = [];
  if (!targetMet) notes.push('The target was not met; the model is the best trade-off that was found.');
  if (floorMet === false) {
    notes.push(
      `The change of predictions costs more than ${points} by ${reckoner} on the ${heldOut} held-out rows.`,
    );
  }
  if (floorMet === undefined) {
    notes.push(
      `The requester's ${heldOut} held-out rows are too few to tell whether the accuracy stayed within ${points}.`,
    );
  }
  return notes;
}

/** A feature that says the same as the one forgotten keeps it alive. */
function notesOnStandIns({ feature, features, requester }: UnlearnRequest): readonly string[] {
  const names = standInsFor(feature, features, requester);
  if (names.length === 0) return [];
  const shown = names.slice(0, 5).map((name) => `"${printable(name)}"`);
  const listed =
    shown.join(', ') + (names.length > shown.length ? ` and ${names.length - shown.length} more` : '');
  const [says, it] = names.length === 1 ? ['says', 'it'] : ['say', 'them'];
  return [
    `${listed} ${says} the same as "${feature.name}" in the requester's rows, and the model can still read there what it read in "${feature.name}"; make it forget ${it} as well.`,
  ];
}

/**
 * Other outputs share weights with the one that is looked at: that they were not looked at has to be said. Those made
 * of its scores alone, such as the class with the largest one, follow it.
 */
function notesOnOutputs(
  classifier: Classifier,
  feature: Feature,
  after: Model,
  isProved: boolean,
): readonly string[] {
  const { graph } = classifier.model;
  const scores = new Set([classifier.output.name, scoreValue(classifier).name]);
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const inputs = new Set(freeInputs(graph).map(({ name }) => name));
  const bypasses = (output: string): boolean => {
    const pending = [output];
    const seen = new Set<string>();
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (seen.has(name) || scores.has(name)) continue;
      seen.add(name);
      if (inputs.has(name)) return true;
      const node = producers.get(name);
      if (node !== undefined) pending.push(...node.inputs, ...outerReferences(node));
    }
    return false;
  };
  const others = graph.outputs.map(({ name }) => name).filter(bypasses);
  if (others.length === 0) return [];
  const listed = others.map((name) => `"${printable(name)}"`).join(', ');
  const also = others.length === 1 ? `another output, ${listed}` : `other outputs, ${listed}`;
  const still = others.filter((name) => certify(after, name, feature, 'folded') === undefined);
  const dependence =
    isProved && still.length === 0
      ? `it depends on "${feature.name}" no more either`
      : `it may still depend on "${feature.name}"`;
  return [
    `The model has ${also}, that shares weights with "${classifier.output.name}" and was neither measured nor kept as it was; ${dependence}.`,
  ];
}

/** Refuses a model that no method can train, before anything is measured. */
function checkTrainable(classifier: Classifier): void {
  objectiveOf(classifier, 0);
  if (trainableInitializers(classifier.model).length > 0) return;
  const node =
    classifier.model.graph.nodes.find(({ domain }) => domain !== '') ?? classifier.model.graph.nodes[0];
  const where =
    node === undefined
      ? ''
      : ` It is made of ${node.name === '' ? 'a node' : `node "${printable(node.name)}"`} (${printable(node.op)}${node.domain === '' ? '' : ` of ${printable(node.domain)}`}), which has no gradient.`;
  throw new UnlearnError(
    'not-applicable',
    `The model has no weights that could be trained, so it cannot unlearn.${where} Its sensitivity can be measured.`,
  );
}

/** Refuses what the first measurement shows to be impossible. */
function checkBefore({ feature }: UnlearnRequest, method: MethodName, before: AllMeasurements): void {
  if (before.fixedBatch !== undefined) {
    throw new UnlearnError(
      'not-applicable',
      `The model works on ${before.fixedBatch} rows at a time and on no other number, so it cannot be trained here. Export it with a dynamic first axis.`,
    );
  }
  if (method !== 'exact' && !Number.isFinite(before.own.sensitivity.value)) {
    throw new UnlearnError(
      'not-applicable',
      `The model's scores are no finite numbers where "${feature.name}" is changed a little (as where a logarithm is taken of what becomes negative), so its sensitivity can be neither measured nor minimised. The method exact does without, where the feature is a fixed set of inputs.`,
    );
  }
}

function checkRows(request: UnlearnRequest): void {
  const { classifier, feature, requester, test, because, useLabels } = request;
  if (requester.count < FEWEST_ROWS) {
    throw new UnlearnError(
      'too-few-rows',
      `The requester has ${requester.count} ${requester.count === 1 ? 'row' : 'rows'}; at least ${FEWEST_ROWS} are needed to unlearn.`,
    );
  }
  if (test.count < 2 || test.labels === undefined || !test.labels.some((label) => label >= 0)) {
    throw new UnlearnError('too-few-rows', 'There are no labelled test rows to measure the accuracy on.');
  }
  const beyond =
    requester.labels?.reduce((sum, label) => sum + (label >= classifier.classes ? 1 : 0), 0) ?? 0;
  if ((because === 'bias' || useLabels) && beyond > 0) {
    throw new UnlearnError(
      'not-applicable',
      `${beyond} of the requester's ${requester.count} labels are no class numbers from 0 to ${classifier.classes - 1}.`,
    );
  }
  if (because === 'backdoor' && useLabels) {
    throw new UnlearnError(
      'not-applicable',
      `The labels of rows with a backdoor are wrong, and learning from them would spread it: forget "${feature.name}" without them.`,
    );
  }
  for (const each of [...request.features, feature]) {
    checkFeature(each, requester, "the requester's rows");
    checkFeature(each, test, 'the test rows');
    checkPlaces(each, requester, test);
  }
  // A trigger is the same in all of the requester's images, and no other image shows it: what takes its place is made.
  if (isPlantedRegion(request)) return;
  for (const [rows, what] of [
    [requester, "the requester's"],
    [test, 'the test'],
  ] as const) {
    if (isConstant(rows, feature)) {
      throw new UnlearnError(
        'constant-feature',
        `Feature "${feature.name}" has the same value in all ${rows.count} of ${what} rows, so its effect can be neither seen nor unlearned there.`,
      );
    }
  }
}

function chooseMethod({ method, classifier, feature, requester }: UnlearnRequest): {
  method: MethodName;
  because: string;
} {
  if (method !== 'auto') return { method, because: 'It was asked for.' };
  const reason = reasonAgainstCut(classifier.model, feature, requester);
  const slots = feature.slots.reduce((sum, { length }) => sum + length, 0);
  if (reason === undefined) {
    const what = isVisual(feature) ? 'pixel value' : 'input column';
    const columns = slots === 1 ? `one ${what}` : `${slots} ${what}s`;
    return {
      method: 'exact',
      because: `"${feature.name}" is a fixed set of inputs (${columns}), so it can be cut out of the graph, with proof.`,
    };
  }
  return { method: 'ferrari', because: `"${feature.name}" cannot be cut out of the graph: ${reason}.` };
}

/** The requester's rows, divided by seed into those to learn from and those to look at. */
function divide(requester: Rows, seed: number): { used: Rows; heldOut: Rows } {
  const order = new RandomStream(seed, 'held-out-rows').permutation(requester.count);
  const held = Math.max(2, Math.round(requester.count * HELD_OUT_SHARE));
  return {
    heldOut: takeRows(requester, order.subarray(0, held)),
    used: takeRows(requester, order.subarray(held)),
  };
}

interface AllMeasurements {
  /** Rows per run that the model insists on. */
  readonly fixedBatch: number | undefined;
  readonly own: Measurement;
  readonly sensitivities: ReadonlyMap<string, Sensitivity>;
}

/** Whether the feature is the trigger of a backdoor: a region of images, which can be put into others. */
function isPlantedRegion({ because, feature }: UnlearnRequest): boolean {
  return because === 'backdoor' && feature.kind === 'region';
}

async function implantOf({ classifier, feature, requester, session }: UnlearnRequest): Promise<Implant> {
  const scorer = await Scorer.open(classifier, session);
  try {
    return await findImplant(scorer, requester, feature, classifier.classes);
  } finally {
    await scorer.close();
  }
}

async function measureAll(
  classifier: Classifier,
  request: UnlearnRequest,
  planted: Implant | undefined,
  report: (done: number, detail: string) => void,
): Promise<AllMeasurements> {
  const { feature, features, test, seed, signal, session } = request;
  const scorer = await Scorer.open(classifier, session);
  try {
    report(0, 'accuracy');
    const accuracy = accuracyOf(predictions(await scorer.scores(test)), test.labels ?? new Int32Array());
    const all = features.some(({ name }) => name === feature.name) ? features : [...features, feature];
    const sensitivities = await measureSensitivity(scorer, test, all, {
      seed,
      ...(signal === undefined ? {} : { signal }),
      onFeature: (name, done, of) => report(done / (of + 1), `sensitivity to ${name}`),
    });
    const flip = await measureFlip(scorer, test, feature, classifier.classes, seed, planted?.carriers);
    const implant =
      planted === undefined
        ? undefined
        : await measureImplant(scorer, test, feature, planted.carriers, planted.target, seed);
    report(1, 'flip effect');
    const sensitivity = sensitivities.get(feature.name);
    if (sensitivity === undefined) throw new TypeError(`no sensitivity of "${feature.name}"`);
    return { own: { accuracy, sensitivity, flip, implant }, sensitivities, fixedBatch: scorer.fixedBatch };
  } finally {
    await scorer.close();
  }
}

/** A name for exactly this request: model, rows, feature and settings. */
async function fingerprint(request: UnlearnRequest, method: MethodName, settings: object): Promise<string> {
  const { classifier, feature, features, requester, seed } = request;
  const places = Object.entries(requester.places ?? {}).map(([name, boxes]) => [name, boxes.join()]);
  const text = new TextEncoder().encode(
    JSON.stringify({ method, settings, feature, features, seed, output: classifier.output, places }),
  );
  const labels = new TextEncoder().encode((requester.labels ?? []).join());
  const parts = [
    text,
    encodeModel(classifier.model),
    labels,
    ...Object.values(requester.inputs).map(bytesOf),
  ];
  const digests = await Promise.all(
    parts.map(async (part) => new Uint8Array(await crypto.subtle.digest('SHA-256', part.slice()))),
  );
  const joined = new Uint8Array(32 * digests.length);
  digests.forEach((digest, i) => {
    joined.set(digest, 32 * i);
  });
  const whole = new Uint8Array(await crypto.subtle.digest('SHA-256', joined));
  return [...whole.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
