/** `assay reproduce ferrari --table ablations shares theorem`: what is run, what is kept, what is written. */
import { readFile } from 'node:fs/promises';
import {
  type AblationPoint,
  type Check,
  PAPER_METHODS,
  type RunEvent,
  type Study,
  type StudyOptions,
  studyTablesOf,
  type TheoremResult,
  tablesOf,
} from '@assay/reproduction';
import { describe, expect, it } from 'vitest';
import { type Runner, reproduceFerrari } from '../src/commands/reproduce.ts';
import { renderReproduction } from '../src/report/reproduction/page.ts';
import { FileResults } from '../src/reproduction/store.ts';
import { studiesCsv } from '../src/reproduction/study-csv.ts';
import { studiesText } from '../src/reproduction/study-text.ts';
import type { ReproduceOptions } from '../src/reproduction/tabulation.ts';
import { styleFor } from '../src/terminal/style.ts';
import { widthOf } from '../src/terminal/text.ts';
import { HOSTILE } from './support/reports.ts';
import { contextOf, temporaryFolder } from './support/world.ts';

const SETUP = { scenario: 'adult', preset: 'quick', network: 'cnn' } as const;

function estimate(value: number, half = 0.01) {
  return { value, lower: value - half, upper: value + half };
}

function measured(accuracy: number, sensitivity: number) {
  const found = { ...estimate(accuracy), majority: 0.76, rows: 4000 };
  return {
    accuracy: { test: found, retain: found, forget: found },
    sensitivity: estimate(sensitivity),
    flips: estimate(0.1),
  };
}

function point(setting: string, accuracy: number, more: Partial<AblationPoint> = {}): AblationPoint {
  return {
    study: 'ablation',
    ...SETUP,
    seed: 1,
    ablation: 'share',
    series: 'ferrari',
    setting,
    rows: 88,
    before: measured(0.86, 0.4),
    after: measured(accuracy, 0.004),
    targetMet: true,
    seconds: 2,
    notes: [],
    ...more,
  };
}

function check(name: Check['name'], difference: number, more: Partial<Check> = {}): Check {
  return {
    name,
    loss: 'distance',
    left: estimate(0.4 + difference),
    right: estimate(0.4),
    difference: estimate(difference),
    verdict: difference > 0 ? 'does-not-hold' : 'cannot-be-told',
    why: 'It was made up.',
    ...more,
  };
}

const THEOREM: TheoremResult = {
  study: 'theorem',
  ...SETUP,
  seed: 1,
  rows: 69,
  curve: [
    {
      reading: 'noise',
      norm: 2,
      loss: { crossEntropy: estimate(0.3), distance: estimate(0.35) },
      spread: 0.01,
    },
  ],
  models: [{ name: 'proof', lambda: 0.5, loss: { crossEntropy: estimate(0.45), distance: estimate(0.5) } }],
  checks: [
    check('claim', 0.1, { reading: 'noise', norm: 2, model: 'proof', premise: 'does-not-hold' }),
    check('assumption-3', 0, { reading: 'noise', norm: 2, verdict: 'holds' }),
  ],
  notes: ['Expectations are over 69 rows of the requester.'],
};

const STUDIES: readonly Study[] = [
  point('2%', 0.848),
  point('100%', 0.851),
  point('20', 0.85, { ablation: 'perturbations', series: 'ferrari-paper', at: 20 }),
  point('40', 0.85, {
    ablation: 'perturbations',
    series: 'ferrari-paper',
    at: 40,
    after: undefined,
    notRun: 'It diverged.',
  }),
  point('at once', 0.85, { ablation: 'relapse', at: 0 }),
  ...['at once', '20'].map((setting) =>
    point(setting, 0, {
      ablation: 'relapse',
      series: 'exact',
      after: undefined,
      notRun: 'It has no columns.',
    }),
  ),
  point('20', 0.86, { ablation: 'relapse', at: 20, targetMet: false, notes: ['repeated twice by then.'] }),
  THEOREM,
];

/** Gives the studies that the folder lacks. */
class MadeUp implements Runner {
  readonly methods = PAPER_METHODS;
  asked: StudyOptions | undefined;
  experiments = 0;

  readonly reproduce = async function* (this: MadeUp): AsyncGenerator<RunEvent> {
    this.experiments += 1;
    yield { kind: 'plan', cells: 0, done: 0, estimatedSeconds: 0 };
  }.bind(this);

  readonly studies = async function* (this: MadeUp, options: StudyOptions): AsyncGenerator<RunEvent> {
    this.asked = options;
    const done = (await options.folder.studies()).length;
    yield { kind: 'plan', cells: STUDIES.length, done, estimatedSeconds: 50 };
    for (const study of STUDIES) {
      await options.folder.saveStudy(study);
      yield { kind: 'study', study };
    }
  }.bind(this);
}

function options(out: string, more: Partial<ReproduceOptions> = {}): ReproduceOptions {
  return { preset: 'quick', seeds: 1, run: true, out, data: ['adult'], ...more };
}

describe('studies in a folder', () => {
  it('come back as they were saved, one for each key', async () => {
    await using folder = await temporaryFolder();
    const store = new FileResults(contextOf().io, folder.path);
    expect(await store.studies()).toEqual([]);
    for (const study of [...STUDIES, ...STUDIES]) await store.saveStudy(study);
    const found = await store.studies();
    expect(found).toHaveLength(STUDIES.length);
    for (const study of STUDIES) expect(found).toContainEqual(JSON.parse(JSON.stringify(study)));
    // Results and studies do not get in each other's way.
    expect(await store.results()).toEqual([]);
  });

  it('a file that is none is named, and what to do with it', async () => {
    await using folder = await temporaryFolder();
    const store = new FileResults(contextOf().io, folder.path);
    await store.saveStudy(THEOREM);
    await folder.write('studies/x.json', '{"study": "theorem"}');
    await expect(store.studies()).rejects.toThrow(/x\.json cannot be used.*Delete the file/s);
  });
});

describe('the command', () => {
  it('runs what is named, and nothing else', async () => {
    await using folder = await temporaryFolder();
    const runner = new MadeUp();
    await reproduceFerrari(contextOf().context, options(folder.path, { table: ['theorem'] }), runner);
    expect(runner.experiments).toBe(0);
    expect(runner.asked).toMatchObject({ ablations: [], theorem: true, seeds: [1], scenarios: ['adult'] });
    const both = new MadeUp();
    await reproduceFerrari(
      contextOf().context,
      options(folder.path, { table: ['shares', 'accuracy'] }),
      both,
    );
    expect(both.experiments).toBe(1);
    expect(both.asked).toMatchObject({ ablations: ['share'], theorem: false });
    const relapse = new MadeUp();
    await reproduceFerrari(contextOf().context, options(folder.path, { table: ['relapse'] }), relapse);
    expect([relapse.experiments, relapse.asked?.ablations]).toEqual([0, ['relapse']]);
    const neither = new MadeUp();
    await reproduceFerrari(contextOf().context, options(folder.path), neither);
    expect([neither.experiments, neither.asked]).toEqual([1, undefined]);
  });

  it('shows and writes what was found', async () => {
    await using folder = await temporaryFolder();
    const { context, out } = contextOf();
    const wanted = options(folder.path, { table: ['ablations', 'shares', 'relapse', 'theorem'] });
    await reproduceFerrari(context, wanted, new MadeUp());
    expect(out().replaceAll(/\s+/g, ' ')).toContain(
      'with 2% of the requester’s data (88 rows) the accuracy is 0.30 points below that with all of it',
    );
    expect(out()).toContain('It diverged.');
    // Of a course that cannot be run at all only the reason is told, once.
    expect(out()).not.toMatch(/^Exact cut, again after every round, by/m);
    expect(out()).toContain('Exact cut, again after every round: It has no columns.');
    expect(out().replaceAll(/\s+/g, ' ')).toContain('Ferrari, then nothing, 20: repeated twice by then.');
    expect(out()).toMatch(/^Claim: ℓ_u ≤ ℓ₁, proof’s objective, by/m);
    expect(out()).toMatch(/^0\.100 \[0\.0900–0\.110\]\s+does not hold$/m);
    const document: unknown = JSON.parse(await readFile(folder.file('tables.json'), 'utf8'));
    expect(document).toMatchObject({
      goals: [{ scenario: 'adult', share: '2%', isReached: true }],
      theorem: [{ rows: 69 }],
      ablations: [{ ablation: 'perturbations' }],
      relapse: [
        {
          ablation: 'relapse',
          curves: [{ points: [{ setting: 'at once' }, { setting: '20' }] }, { series: 'exact' }],
        },
      ],
    });
    const csv = await readFile(folder.file('studies.csv'), 'utf8');
    expect(csv.split('\r\n').at(1)).toMatch(/^shares,adult,quick,mlp,share,before,,test,share,0\.86,/);
    const page = await readFile(folder.file('report.html'), 'utf8');
    expect(csv).toMatch(/^relapse,adult,quick,mlp,relapse,ferrari,20,sensitivity,/m);
    expect(page).not.toContain('0 results');
    expect(page.match(/Exact cut, again after every round/g)).toHaveLength(1);
    for (const id of ['shares', 'ablations', 'relapse', 'theorem']) {
      expect(page).toContain(`<section id="${id}">`);
      expect(page).toContain(`href="#${id}"`);
    }
  });

  it('says beforehand what all of it will take', async () => {
    await using folder = await temporaryFolder();
    const { context, out } = contextOf();
    const wanted = options(folder.path, { table: ['shares', 'accuracy'], dryRun: true });
    await reproduceFerrari(context, wanted, new MadeUp());
    expect(out()).toMatch(/9 results to compute, about 50 s/);
    expect(out()).toMatch(/^Methods: /m);
    const alone = contextOf();
    await reproduceFerrari(
      alone.context,
      options(folder.path, { table: ['shares'], dryRun: true }),
      new MadeUp(),
    );
    expect(alone.out()).not.toMatch(/^Methods: /m);
    expect(await folder.names()).toEqual([]);
  });
});

describe('the tables of studies', () => {
  const tables = studyTablesOf(STUDIES);

  it.each([60, 80, 120])('fit on a terminal of %i columns', (width) => {
    const table = studiesText(tables, width, styleFor(contextOf().io.stdout, {}))
      .split('\n')
      // Sentences are wrapped where they are shown.
      .filter((line) => / {2}/.test(line) && !line.startsWith('- '));
    expect(table.length).toBeGreaterThan(8);
    for (const line of table) expect(widthOf(line)).toBeLessThanOrEqual(width);
  });

  it('have a row of as many cells as titles for each number in CSV', () => {
    const lines = studiesCsv(tables).trim().split('\r\n');
    expect(lines.length).toBeGreaterThan(12);
    for (const line of lines.filter((text) => !text.includes('"')))
      expect(line.split(',')).toHaveLength(lines[0]?.split(',').length ?? 0);
  });

  it('are text on the page, whatever the files say', async () => {
    const hostile = [
      point('2%', 0.8, { scenario: HOSTILE, notRun: HOSTILE }),
      { ...THEOREM, scenario: HOSTILE, notes: [HOSTILE], models: [{ ...THEOREM.models[0], name: HOSTILE }] },
    ].filter((study) => study.study === 'ablation');
    const text = await renderReproduction({
      tables: tablesOf([]),
      studies: studyTablesOf([...hostile, { ...THEOREM, notes: [HOSTILE] }]),
      pictures: [],
      commandLine: 'assay reproduce ferrari',
      generatedAt: new Date(0),
      versions: { assay: '0', node: '0', onnxruntime: '0' },
      outstanding: 0,
    });
    expect(text).not.toContain('<script>alert');
    expect(text).toContain('&lt;script&gt;');
  });
});
