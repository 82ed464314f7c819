/** Evidence from what the commands print with --json. */
import { evidenceFrom, openDossier, sha256 } from '@assay/dossier';
import { RandomStream } from '@assay/random';
import { describe, expect, test } from 'vitest';
import { highestOf } from '../src/import/highest.ts';
import { errorOf, FILES, folderWith, put, TODAY, vocabulary } from './vocabulary.ts';

const MANIFEST = FILES['assay.yaml'].replace(
  'trainedOn: [adult]',
  'trainedOn: [adult]\n    protectedFeatures: { sex: sex, race: race, native-country: nationalOrigin, birth-place: nationalOrigin }',
);
const MODEL = sha256('weights');
const NEW_MODEL = sha256('new weights');
const DATA = sha256(FILES['data/adult.csv']);
const SENSITIVITY = 'model.sensitivity.protected';
const ATTRIBUTES = 'model.sensitivity.attributes';

const interval = (value: number, by = 0.1) => ({ value, lower: value - by, upper: value + by });
const sensitivityOf = (value: number | null) => ({
  kind: 'categorical',
  sensitivity:
    value === null ? { value: null, lower: null, upper: null, rows: 50 } : { ...interval(value), rows: 50 },
  flip: null,
});

/** As `assay sensitivity --json` prints it. */
const sensitivity = {
  command: 'sensitivity',
  model: { path: 'models/income.bin', sha256: MODEL },
  data: { name: 'adult.csv', digest: DATA, rows: 60, synthetic: false },
  rows: { source: 'held-out', count: 50 },
  accuracy: { ...interval(0.8), rows: 50, majority: 0.7 },
  features: {
    sex: sensitivityOf(0.3),
    race: sensitivityOf(0.9),
    age: sensitivityOf(5),
    'native-country': sensitivityOf(0.2),
    'birth-place': sensitivityOf(null),
  },
  seed: 7,
  provider: 'cpu',
  notes: [],
  versions: { assay: '0.1.0', node: '24.0.0', onnxruntime: '1.0.0' },
};

const measurement = (accuracy: number, value: number) => ({
  accuracy,
  majority: 0.7,
  accuracy_interval: [accuracy - 0.1, accuracy + 0.1],
  rows: 50,
  sensitivity: { ...interval(value, value / 2), rows: 50 },
  flip: null,
});
const effect = (before: number, after: number) => ({
  before,
  after,
  before_interval: interval(before),
  after_interval: interval(after),
});

/** As `assay unlearn --json` prints it. */
const unlearn = {
  command: 'unlearn',
  feature: 'race',
  method: 'exact',
  because: 'b',
  teacher: 'conditional',
  labels_used: false,
  seconds: 1,
  target_met: true,
  floor_met: null,
  before: measurement(0.8, 0.9),
  after: measurement(0.79, 0),
  side_effects: {
    sex: effect(0.3, 0.4),
    'native-country': effect(0.2, 0.2),
    'birth-place': effect(0.1, 0.1),
    age: effect(5, 5),
  },
  certificate: {
    columns: [],
    output: 'o',
    form: 'f',
    reach: 3,
    finite_inputs_only: false,
    checked_on: 'file',
  },
  test: { source: 'held-out', name: 'adult.csv', digest: DATA, rows: 60, synthetic: false },
  data: { name: 'adult.csv', digest: DATA, rows: 60, synthetic: false },
  model: { path: 'models/income.bin', sha256: MODEL },
  output: { path: 'models/new.bin', name: 'models/new.bin', sha256: NEW_MODEL, bytes: 11 },
  seed: 7,
  versions: { assay: '0.1.0', node: '24.0.0' },
};

const opened = (folder: string) => openDossier(folder, { today: TODAY, tools: { assay: '0.1.0' } });

describe('assay sensitivity', () => {
  test('the highest of the protected features counts, on the digests that were measured', async () => {
    const dossier = await opened(folderWith({ ...FILES, 'assay.yaml': MANIFEST }));
    const { evidence, notes } = evidenceFrom(dossier, sensitivity, vocabulary);
    const [protectedOnes, attributes] = [SENSITIVITY, ATTRIBUTES].map((fact) =>
      evidence.find((one) => one.fact === fact),
    );
    expect(protectedOnes).toMatchObject({
      subject: 'model:income',
      value: { value: 0.9, upper: 1, n: 50 },
      about: [
        { subject: 'model:income', sha256: MODEL },
        { subject: 'dataset:adult', sha256: DATA },
      ],
      tool: { name: 'assay', version: '0.1.0' },
      seed: 7,
    });
    // One of the two features that state national origin was not measured, so that attribute was not either.
    expect(attributes?.value).toEqual(['race', 'sex']);
    expect(notes.join(' ')).toContain('The sensitivity of "income" to "birth-place" was not measured.');
    for (const one of evidence) await dossier.recordEvidence(one);
    expect(dossier.facts(vocabulary).fact({ kind: 'model', id: 'income' }, SENSITIVITY)).toMatchObject({
      state: 'known',
      standing: 'measured',
      value: { value: 0.9 },
    });
  });

  test('without a word on protected features, none is recorded, and it is said', async () => {
    const dossier = await opened(folderWith(FILES));
    const { evidence, notes } = evidenceFrom(dossier, sensitivity, vocabulary);
    expect(evidence.filter(({ fact }) => fact.startsWith('model.sensitivity'))).toEqual([]);
    expect(notes.join(' ')).toContain('models.income.protectedFeatures');
  });

  test('data that are not in the dossier are told', async () => {
    const dossier = await opened(folderWith({ ...FILES, 'assay.yaml': MANIFEST }));
    const { evidence, notes } = evidenceFrom(
      dossier,
      { ...sensitivity, data: { ...sensitivity.data, digest: 'd'.repeat(64) } },
      vocabulary,
    );
    expect(evidence[0]?.about).toEqual([{ subject: 'model:income', sha256: MODEL }]);
    expect(notes.join(' ')).toContain('is no data set of this dossier');
  });

  test('an attribute that the vocabulary has not is an error with its line', async () => {
    const dossier = await opened(
      folderWith({ ...FILES, 'assay.yaml': MANIFEST.replace('sex: sex', 'sex: shoe') }),
    );
    expect(await errorOf(() => evidenceFrom(dossier, sensitivity, vocabulary))).toMatchObject({
      code: 'manifest-invalid',
      place: { line: 14 },
    });
  });
});

describe('assay unlearn', () => {
  test('the old model keeps its own evidence; the new one replaces it once the manifest points to it', async () => {
    const folder = folderWith({ ...FILES, 'assay.yaml': MANIFEST });
    const fact = async () => {
      const state = (await opened(folder))
        .facts(vocabulary)
        .fact({ kind: 'model', id: 'income' }, SENSITIVITY);
      return state.state === 'known' && typeof state.value === 'object' && 'upper' in state.value
        ? state.value.upper
        : state.state;
    };
    const record = async () => {
      const dossier = await opened(folder);
      const { evidence } = evidenceFrom(dossier, unlearn, vocabulary);
      for (const one of evidence) await dossier.recordEvidence(one);
    };
    await record();
    expect(await fact()).toBeCloseTo(0.9 + 0.45);
    put(folder, 'models/new.bin', 'new weights');
    put(folder, 'assay.yaml', MANIFEST.replace('models/income.bin', 'models/new.bin'));
    expect(await fact()).toBe('unknown');
    await record();
    // What is left of the others: the highest is sex, at 0.4 with 0.1 to either side.
    expect(await fact()).toBeCloseTo(0.5);
    const all = (await opened(folder)).facts(vocabulary).fact({ kind: 'model', id: 'income' }, ATTRIBUTES);
    expect(all).toMatchObject({ value: ['nationalOrigin', 'race', 'sex'] });
    put(folder, 'assay.yaml', MANIFEST);
    expect(await fact()).toBeCloseTo(1.35);
  });

  test('a document about no model of the dossier is refused', async () => {
    const dossier = await opened(folderWith({ ...FILES, 'models/income.bin': 'quite another' }));
    for (const document of [sensitivity, unlearn]) {
      const error = await errorOf(() => evidenceFrom(dossier, document, vocabulary));
      expect(error).toMatchObject({ code: 'import-invalid' });
      expect(error.message).toContain(MODEL.slice(0, 12));
    }
  });
});

test('assay train: nothing is recorded that the vocabulary has no fact for, and it is said', async () => {
  const dossier = await opened(folderWith(FILES));
  const document = {
    command: 'train',
    test: { rows: 50, accuracy: 0.8, lower: 0.7, upper: 0.9, majority: 0.6 },
    data: sensitivity.data,
    output: { path: 'x', sha256: MODEL, bytes: 7 },
    seed: 1,
    versions: sensitivity.versions,
  };
  const { evidence, notes } = evidenceFrom(dossier, document, vocabulary);
  const known = vocabulary.facts.has('model.accuracy.test');
  expect(evidence.map(({ fact, value }) => [fact, value])).toEqual(
    known ? [['model.accuracy.test', { value: 0.8, lower: 0.7, upper: 0.9, n: 50 }]] : [],
  );
  expect(notes.some((note) => note.includes('model.accuracy.test'))).toBe(!known);
});

test.each([
  ['nothing', null],
  ['another command', { command: 'inspect' }],
  ['a digest that is none', { ...sensitivity, model: { sha256: 'x' } }],
  [
    'text for a number',
    { ...sensitivity, features: { sex: { sensitivity: { value: '1', lower: 0, upper: 2, rows: 1 } } } },
  ],
])('%s is no measurement', async (_, document) => {
  const dossier = await opened(folderWith(FILES));
  expect(await errorOf(() => evidenceFrom(dossier, document, vocabulary))).toMatchObject({
    code: 'import-invalid',
  });
});

describe('the highest of several', () => {
  test('of one it is that one; of several the bounds are those of the largest, the lower one wider', () => {
    const one = { value: 1, lower: 0.5, upper: 1.5, n: 10 };
    expect(highestOf([one])).toEqual(one);
    const two = highestOf([one, { value: 0.2, lower: 0.1, upper: 2, n: 5 }]);
    expect(two).toMatchObject({ value: 1, upper: 2, n: 5 });
    // z for 1.25 % is 2.2414: the factor must be at least that over 1.96.
    expect((1 - two.lower) / 0.5).toBeGreaterThan(2.2414 / 1.96);
    expect((1 - two.lower) / 0.5).toBeLessThan(1.2);
  });

  test('it covers the highest of equal quantities in 95 of 100 simulated measurements, where the plain maximum does not', () => {
    const random = new RandomStream(5, 'highest');
    const normal = () =>
      Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
    const trials = 4000;
    const k = 10;
    let covered = 0;
    let plain = 0;
    for (let trial = 0; trial < trials; trial++) {
      const measured = Array.from({ length: k }, () => {
        const value = 5 + normal();
        return { value, lower: value - 1.96, upper: value + 1.96, n: 1 };
      });
      const { lower, upper } = highestOf(measured);
      if (lower <= 5 && 5 <= upper) covered++;
      if (Math.max(...measured.map((one) => one.lower)) <= 5) plain++;
    }
    expect(covered / trials).toBeGreaterThan(0.95);
    expect(plain / trials).toBeLessThan(0.8);
  });
});
