/** Small federations with planted truth, on which methods run in seconds. */
import { cnn, mlp } from '@assay/engine';
import { History, MemoryStore } from '@assay/federation';
import { fromFloat32, type Model } from '@assay/graph';
import { RandomStream } from '@assay/random';
import { type Feature, type Rows, rectangle, wholeImage } from '@assay/unlearn';
import { federateOf } from '../src/federate.ts';
import type { MethodContext } from '../src/method.ts';
import { withWeights } from '../src/methods/weights.ts';
import type { Dealt, FederationSettings, Prepared } from '../src/scenario.ts';

const SESSION = { threads: 1 };
const REQUESTER = 'client-1';

/** Rows of a table: P(y = 1) = σ(2 a + 1.5 (group − ½) + b), b a noisy copy of a, group a one-hot column of two. */
export function plantedRows(count: number, seed: number): Rows {
  const random = new RandomStream(seed, 'planted');
  const values = new Float32Array(count * 5);
  const labels = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const a = random.normal();
    const b = 0.8 * a + 0.6 * random.normal();
    const group = random.integer(2);
    values.set([a, b, 1 - group, group, random.normal()], row * 5);
    const logit = 2 * a + 3 * (group - 0.5) + b;
    labels[row] = random.uniform() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
  }
  return { count, inputs: { features: fromFloat32([count, 5], values) }, labels };
}

const COLUMNS: readonly Feature[] = [
  { name: 'a', kind: 'number', slots: [{ input: 'features', start: 0, length: 1 }] },
  { name: 'b', kind: 'number', slots: [{ input: 'features', start: 1, length: 1 }] },
  { name: 'group', kind: 'category', slots: [{ input: 'features', start: 2, length: 2 }] },
  { name: 'noise', kind: 'number', slots: [{ input: 'features', start: 4, length: 1 }] },
];

/** A table whose `group` has to be forgotten. */
export function tableScenario(hidden: readonly number[] = [16]): Prepared {
  const rows = plantedRows(1200, 1);
  const test = plantedRows(800, 2);
  const [, , group] = COLUMNS;
  if (group === undefined) throw new TypeError('no group');
  const ideal = { ...rows, inputs: { features: withoutColumns(rows, [2, 3]) } };
  return {
    ...common(dealt(rows, 4), dealt(ideal, 4), test),
    name: 'adult',
    title: 'Planted table',
    reason: 'sensitive',
    classifier: {
      model: mlp({ inputs: 5, hidden, classes: 2, seed: 1, inputName: 'features' }),
      output: { name: 'logits', kind: 'logits' },
      classes: 2,
    },
    feature: group,
    features: COLUMNS,
    federation: settings(0.01, 6),
  };
}

const SIZE = { input: 'images', channels: 1, height: 8, width: 8 };

/** 8×8 images of a bar, bright on the left or the right half (class 0 or 1); the trigger is a 3×3 square in a corner. */
export function triggerScenario(tested = 400): Prepared {
  const clean = bars(900, 3);
  const test = bars(tested, 4);
  const feature = rectangle('trigger', SIZE, [0, 0, 3, 3]);
  const own = Uint32Array.from({ length: 300 }, (_, row) => row);
  return {
    ...common(dealt(triggered(clean, own), 3), dealt(clean, 3), test),
    forgetTest: triggered(
      test,
      Uint32Array.from({ length: tested }, (_, row) => row).filter((row) => test.labels?.[row] === 1),
    ),
    name: 'mnist',
    title: 'Planted trigger',
    reason: 'backdoor',
    classifier: {
      model: cnn({ channels: 1, height: 8, width: 8, classes: 2, seed: 1 }),
      output: { name: 'logits', kind: 'logits' },
      classes: 2,
    },
    feature,
    features: [feature],
    federation: settings(4e-3, 8),
  };
}

/** 6×6 colour images of a bar, left (class 0) or right (class 1), drawn red or blue at random. */
export function colourScenario(): Prepared {
  const draw = (count: number, seed: number): Rows => {
    const random = new RandomStream(seed, 'colours');
    const values = new Float32Array(count * 3 * 36).map(() => 0.1 * random.normal());
    const labels = new Int32Array(count);
    for (let row = 0; row < count; row++) {
      const label = random.integer(2);
      const channel = random.integer(2) * 2;
      labels[row] = label;
      for (let y = 0; y < 6; y++)
        for (let x = 0; x < 3; x++) values[((row * 3 + channel) * 6 + y) * 6 + x + 3 * label] = 1;
    }
    return { count, inputs: { images: fromFloat32([count, 3, 6, 6], values) }, labels };
  };
  const feature = wholeImage('colour', 'colour', { input: 'images', channels: 3, height: 6, width: 6 });
  const rows = draw(600, 5);
  return {
    ...common(dealt(rows, 3), dealt(rows, 3), draw(300, 6)),
    name: 'coloured-mnist',
    title: 'Planted colour',
    reason: 'bias',
    classifier: {
      model: cnn({ channels: 3, height: 6, width: 6, classes: 2, seed: 1 }),
      output: { name: 'logits', kind: 'logits' },
      classes: 2,
    },
    feature,
    features: [feature],
    federation: settings(2e-3, 3),
  };
}

/** A trained federation, as methods take it over. */
export async function trainedContext(
  prepared: Prepared,
  options: { readonly signal?: AbortSignal; readonly onProgress?: MethodContext['onProgress'] } = {},
): Promise<MethodContext> {
  const store = new MemoryStore();
  const seed = 7;
  const train = federateOf(prepared, seed, SESSION, undefined, { history: store });
  const { weights } = await train({ dealt: prepared.dealt, rounds: prepared.federation.rounds });
  return {
    prepared,
    model: withWeights(prepared.classifier.model, weights),
    weights,
    history: new History(store),
    federate: federateOf(prepared, seed, SESSION, options.signal),
    seed,
    session: SESSION,
    signal: options.signal,
    onProgress: options.onProgress ?? (() => {}),
  };
}

/** The classifier of a scenario with another model. */
export function classifierWith({ classifier }: Prepared, model: Model): Prepared['classifier'] {
  return { ...classifier, model };
}

function common(dealtOut: Dealt, ideal: Dealt, test: Rows) {
  return {
    classNames: ['no', 'yes'],
    dealt: dealtOut,
    requester: REQUESTER,
    ideal,
    test,
    retainTest: test,
    forgetTest: test,
    notes: [],
  };
}

function settings(learningRate: number, rounds: number): FederationSettings {
  return {
    rounds,
    local: { epochs: 3, batchSize: 32, learningRate },
    optimizer: 'adamw',
    perRound: 2,
    requesterWeight: 10,
    average: 'unweighted',
    finalRate: 1,
  };
}

/** Equal parts, the first the requester's. */
function dealt(rows: Rows, clients: number): Dealt {
  const size = rows.count / clients;
  const parts = Array.from({ length: clients }, (_, client): [string, Uint32Array] => [
    `client-${client + 1}`,
    Uint32Array.from({ length: size }, (_, i) => client * size + i),
  ]);
  return { rows, parts: new Map(parts) };
}

function withoutColumns({ count, inputs }: Rows, columns: readonly number[]) {
  const values = numbersIn(inputs.features).slice();
  for (let row = 0; row < count; row++) for (const column of columns) values[row * 5 + column] = 0;
  return fromFloat32([count, 5], values);
}

function bars(count: number, seed: number): Rows {
  const random = new RandomStream(seed, 'bars');
  const values = new Float32Array(count * 64).map(() => 0.3 * random.normal());
  const labels = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const label = random.integer(2);
    labels[row] = label;
    for (let y = 3; y < 7; y++)
      for (let x = 0; x < 4; x++) values[row * 64 + y * 8 + x + 4 * label] = 1 + 0.3 * random.normal();
  }
  return { count, inputs: { images: fromFloat32([count, 1, 8, 8], values) }, labels };
}

/** Those rows with the trigger, and class 0. */
function triggered(rows: Rows, chosen: Uint32Array): Rows {
  const values = numbersIn(rows.inputs.images).slice();
  const labels = rows.labels?.slice() ?? new Int32Array(rows.count);
  for (const row of chosen) {
    for (const at of [0, 1, 2, 8, 9, 10, 16, 17, 18]) values[row * 64 + at] = 2;
    labels[row] = 0;
  }
  return { ...rows, inputs: { images: fromFloat32([rows.count, 1, 8, 8], values) }, labels };
}

function numbersIn(value: Rows['inputs'][string] | undefined): Float32Array {
  if (value === undefined || !(value.data instanceof Uint8Array)) throw new TypeError('no numbers');
  return new Float32Array(value.data.buffer, value.data.byteOffset, value.data.byteLength / 4);
}
