/** `assay reproduce ferrari`: what it keeps, what it says, what it writes. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  PAPER_METHODS,
  type Picture,
  type Result,
  type RunEvent,
  type RunOptions,
  SCENARIO_NAMES,
  type ScenarioName,
  tablesOf,
} from '@assay/reproduction';
import { describe, expect, it } from 'vitest';
import { reproduceFerrari } from '../src/commands/reproduce.ts';
import { createFile, type Io } from '../src/io.ts';
import { renderReproduction } from '../src/report/reproduction/page.ts';
import { tablesCsv } from '../src/reproduction/csv.ts';
import { FileResults } from '../src/reproduction/store.ts';
import type { ReproduceOptions } from '../src/reproduction/tabulation.ts';
import { tablesText } from '../src/reproduction/text.ts';
import { intervalText, valueText } from '../src/reproduction/values.ts';
import { styleFor } from '../src/terminal/style.ts';
import { widthOf, wrapped } from '../src/terminal/text.ts';
import { HOSTILE } from './support/reports.ts';
import { assay, contextOf, systemError, temporaryFolder } from './support/world.ts';

/** The smallest PNG: one transparent pixel. */
const PNG = new Uint8Array(
  Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
    'base64',
  ),
);

function result(
  scenario: ScenarioName,
  method: string,
  seed: number,
  value: number,
  more: Partial<Result> = {},
): Result {
  const estimate = { value, lower: value - 0.01, upper: value + 0.01 };
  const accuracy = { ...estimate, majority: 0.6, rows: 4000 };
  return {
    scenario,
    method,
    seed,
    preset: 'quick',
    network: 'cnn',
    accuracy: { test: accuracy, retain: accuracy, forget: accuracy },
    sensitivity: { value: value / 2, lower: value / 3, upper: value },
    flips: estimate,
    membership: { auc: estimate, tprAt1PercentFpr: estimate },
    relearnSteps: { value: Number.POSITIVE_INFINITY, lower: 8, upper: Number.POSITIVE_INFINITY },
    cost: { seconds: 12.5, flops: 3.4e12, bytes: 38_000_000, trainedRows: 81_000 },
    notes: ['The numbers are made up.'],
    ...more,
  };
}

const METHODS = [...PAPER_METHODS, { name: 'exact', title: 'Exact cut' }];

/** Every scenario and method, with one that cannot be run. */
const ALL: readonly Result[] = SCENARIO_NAMES.flatMap((scenario) =>
  METHODS.map(({ name }, i) =>
    name === 'exact'
      ? { ...result(scenario, name, 1, 0), notRun: 'There are no columns to cut.', accuracy: undefined }
      : result(scenario, name, 1, 0.5 + i / 20),
  ),
).map(({ accuracy, ...rest }) => (accuracy === undefined ? rest : { ...rest, accuracy }));

const OPTIONS = { preset: 'quick', seeds: 1, run: true } as const;

/** Runs made-up experiments: one result for each cell that the folder lacks. */
class MadeUp {
  readonly methods = METHODS;
  /** Cells that were computed. */
  readonly computed: string[] = [];
  /** What the command asked for. */
  asked: RunOptions | undefined;
  /** Called after each result. */
  readonly #then: (count: number) => void;

  constructor(then: (count: number) => void = () => {}) {
    this.#then = then;
  }

  readonly reproduce = async function* (this: MadeUp, options: RunOptions): AsyncGenerator<RunEvent> {
    this.asked = options;
    const { folder, scenarios, methods, seeds, signal } = options;
    const kept = await folder.results();
    const cells = scenarios.flatMap((scenario) =>
      methods.flatMap((method) => seeds.map((seed) => ({ scenario, method, seed }))),
    );
    const open = cells.filter(
      (cell) =>
        !kept.some(
          ({ scenario, method, seed }) =>
            scenario === cell.scenario && method === cell.method && seed === cell.seed,
        ),
    );
    yield {
      kind: 'plan',
      cells: cells.length,
      done: cells.length - open.length,
      estimatedSeconds: 100 * open.length,
    };
    if (scenarios.includes('celeba-mouth'))
      yield { kind: 'skipped', scenario: 'celeba-mouth', why: 'CelebA is not on this machine.' };
    for (const { scenario, method, seed } of open) {
      if (scenario === 'celeba-mouth') continue;
      signal?.throwIfAborted();
      yield { kind: 'progress', scenario, method, seed, done: 0.5, detail: 'round 1', remainingSeconds: 9 };
      const made = result(scenario, method, seed, 0.8);
      await folder.save(made);
      this.computed.push(`${scenario}/${method}/${seed}`);
      yield { kind: 'result', result: made };
      this.#then(this.computed.length);
    }
  }.bind(this);
}

function options(out: string, more: Partial<ReproduceOptions> = {}): ReproduceOptions {
  return { ...OPTIONS, out, ...more };
}

describe('the folder of results', () => {
  const io = (create: Io['createFile'] = createFile): Io => contextOf({ createFile: create }).io;

  it('gives back what was saved, an experiment once, and nothing half written', async () => {
    await using folder = await temporaryFolder();
    const store = new FileResults(io(), folder.path);
    expect(await store.results()).toEqual([]);
    const infinite = result('mnist', 'ferrari', 1, 0.9);
    await store.save(infinite);
    await store.save(result('mnist', 'baseline', 1, 0.8));
    await store.save({ ...infinite, notes: ['again'] });
    expect(await store.results()).toEqual([
      result('mnist', 'baseline', 1, 0.8),
      { ...infinite, notes: ['again'] },
    ]);
    expect(await readdir(folder.file('results'))).toEqual([
      'quick_cnn_mnist_baseline_1.json',
      'quick_cnn_mnist_ferrari_1.json',
    ]);
  });

  it('keeps models by keys of any form, within the folder', async () => {
    await using folder = await temporaryFolder();
    const store = new FileResults(io(), folder.path);
    const keys = ['mnist/round 3', '../../escape', 'a'.repeat(5000), ''];
    for (const [i, key] of keys.entries()) await store.keep(key, Uint8Array.of(i));
    for (const [i, key] of keys.entries()) expect(await store.load(key)).toEqual(Buffer.of(i));
    expect(await folder.names()).toEqual(['models']);
    await store.drop('../../escape');
    expect(await store.load('../../escape')).toBeUndefined();
    await store.drop('../../escape');
  });

  it('does not let names of methods out of the folder, nor mix them up', async () => {
    await using folder = await temporaryFolder();
    const store = new FileResults(io(), folder.path);
    const methods = ['../../../x', 'a/b', 'a_b', 'a b', 'A b', 'é'];
    for (const method of methods) await store.save(result('mnist', method, 1, 0.5));
    expect(await folder.names()).toEqual(['results']);
    const found = (await store.results()).map(({ method }) => method);
    expect(found.sort()).toEqual([...methods].sort());
  });

  it('a disk that is full leaves the earlier result', async () => {
    await using folder = await temporaryFolder();
    await new FileResults(io(), folder.path).save(result('mnist', 'ferrari', 1, 0.9));
    const full = new FileResults(
      io(async (path) => ({
        ...(await createFile(path)),
        write: async () => {
          throw systemError('ENOSPC');
        },
      })),
      folder.path,
    );
    await expect(full.save(result('mnist', 'ferrari', 1, 0.1))).rejects.toThrow(/disk is full/);
    const [kept, ...others] = await full.results();
    expect(kept?.accuracy?.test.value).toBe(0.9);
    expect(others).toEqual([]);
    expect(await readdir(folder.file('results'))).toHaveLength(1);
  });

  it('a file that is no result is named, and what to do with it', async () => {
    await using folder = await temporaryFolder();
    const store = new FileResults(io(), folder.path);
    await store.save(result('mnist', 'ferrari', 1, 0.9));
    await folder.write('results/quick_cnn_mnist_retrain_1.json', '{"scenario": "mnist"}');
    await expect(store.results()).rejects.toThrow(/retrain_1\.json cannot be used.*Delete the file/s);
  });

  it('keeps pictures with their captions, and takes nothing else for one', async () => {
    await using folder = await temporaryFolder();
    const store = new FileResults(io(), folder.path);
    const picture: Picture = { name: 'mnist-1', title: 'Attention', caption: 'Before and after', png: PNG };
    await store.savePicture(picture);
    const [found] = await store.pictures();
    expect(found).toEqual({ ...picture, png: Buffer.from(PNG) });
    await expect(store.savePicture({ ...picture, name: '../x' })).rejects.toThrow(TypeError);
    await expect(store.savePicture({ ...picture, png: Uint8Array.of(1, 2) })).rejects.toThrow(TypeError);
    await folder.write('pictures/mnist-1.png', '<svg onload="alert(1)">');
    await expect(store.pictures()).rejects.toThrow(/is not a picture/);
  });
});

describe('the command with a made-up runner', () => {
  it('says beforehand what it will take, and writes what it found', async () => {
    await using folder = await temporaryFolder();
    const { context, out, err } = contextOf();
    const runner = new MadeUp();
    const code = await reproduceFerrari(context, options(folder.path, { data: ['adult', 'mnist'] }), runner);
    expect(code).toBe(0);
    expect(err()).toContain('14 results to compute, about 23 min 20 s on this machine.');
    expect(err()).toContain('Ctrl-C stops it');
    expect(out()).toMatch(/\d+ of \d+ claims reproduced/);
    expect(out()).toContain('Test accuracy');
    expect(await folder.names()).toEqual(['report.html', 'results', 'tables.csv', 'tables.json']);
    const document: unknown = JSON.parse(await readFile(folder.file('tables.json'), 'utf8'));
    expect(document).toMatchObject({ command: 'reproduce', results: 14, outstanding: 0 });
  });

  it('goes on where it was: what is there is not computed again', async () => {
    await using folder = await temporaryFolder();
    const first = new MadeUp();
    await reproduceFerrari(contextOf().context, options(folder.path, { data: ['adult'] }), first);
    expect(first.computed).toHaveLength(7);
    const second = new MadeUp();
    const { context, err } = contextOf();
    await reproduceFerrari(context, options(folder.path, { data: ['adult', 'diabetes'] }), second);
    expect(second.computed.every((cell) => cell.startsWith('diabetes/'))).toBe(true);
    expect(err()).toContain('7 of 14 results are there; 7 to go');
  });

  it('a dry run computes and writes nothing', async () => {
    await using folder = await temporaryFolder();
    const runner = new MadeUp();
    const { context, out } = contextOf();
    const wanted = { data: ['adult'], seeds: 3, dryRun: true } as const;
    expect(await reproduceFerrari(context, options(folder.file('not-there'), wanted), runner)).toBe(0);
    expect(out()).toContain('21 results to compute');
    expect(out()).toContain('Nothing was run.');
    expect(runner.computed).toEqual([]);
    expect(await folder.names()).toEqual([]);
  });

  it('stopped, it leaves whole results and their tables, and says how to go on', async () => {
    await using folder = await temporaryFolder();
    const stop = new AbortController();
    const runner = new MadeUp((count) => {
      if (count === 3) stop.abort();
    });
    const { context } = contextOf({ signal: stop.signal });
    await expect(
      reproduceFerrari(context, options(folder.path, { data: ['adult'] }), runner),
    ).rejects.toThrow(/^Stopped\. 3 of 7 results are there\..*The same command goes on/);
    expect(await readdir(folder.file('results'))).toHaveLength(3);
    const page = await readFile(folder.file('report.html'), 'utf8');
    expect(page).toContain('4 results are still to come');
    const again = new MadeUp();
    await reproduceFerrari(contextOf().context, options(folder.path, { data: ['adult'] }), again);
    expect(again.computed).toHaveLength(4);
  });

  it('a scenario whose data are missing is left out by name, the others are run', async () => {
    await using folder = await temporaryFolder();
    const { context, out, err } = contextOf();
    const wanted = { data: ['celeba-mouth', 'adult'], method: ['baseline', 'ferrari'] } as const;
    await reproduceFerrari(context, options(folder.path, wanted), new MadeUp());
    expect(err()).toContain('celeba-mouth is left out: CelebA is not on this machine.');
    expect(out()).toContain('CelebA, mouth: CelebA is not on this machine.');
  });

  it('asks the runner for the scenarios of the tables, the seeds and the network of the preset', async () => {
    await using folder = await temporaryFolder();
    const runner = new MadeUp();
    const wanted = { table: ['backdoor'], preset: 'full', seeds: 2, dryRun: true } as const;
    await reproduceFerrari(contextOf().context, options(folder.path, wanted), runner);
    expect(runner.asked).toMatchObject({
      scenarios: ['mnist', 'fashion-mnist', 'cifar-10', 'cifar-20', 'cifar-100'],
      seeds: [1, 2],
      preset: 'full',
      network: 'resnet18',
    });
  });

  it('only the tables of what is there, without running', async () => {
    await using folder = await temporaryFolder();
    await new FileResults(contextOf().io, folder.path).save(result('adult', 'baseline', 1, 0.82));
    const runner = new MadeUp();
    const { context, out } = contextOf({ json: true });
    await reproduceFerrari(context, options(folder.path, { run: false, table: ['accuracy'] }), runner);
    expect(runner.asked).toBeUndefined();
    expect(JSON.parse(out())).toMatchObject({ results: 1, tables: [{ name: 'accuracy' }] });
  });

  it('results of another preset or network in the folder are not mixed in', async () => {
    await using folder = await temporaryFolder();
    const store = new FileResults(contextOf().io, folder.path);
    await store.save(result('mnist', 'baseline', 1, 0.5, { network: 'resnet18' }));
    await store.save(result('mnist', 'baseline', 1, 0.6, { preset: 'full' }));
    await store.save(result('mnist', 'baseline', 1, 0.7));
    const { context, out } = contextOf({ json: true });
    await reproduceFerrari(context, options(folder.path, { run: false, data: ['mnist'] }), new MadeUp());
    expect(JSON.parse(out())).toMatchObject({ results: 1 });
  });

  it('refuses in words what cannot be', async () => {
    await using folder = await temporaryFolder();
    const of = (more: Partial<ReproduceOptions>) =>
      reproduceFerrari(contextOf().context, options(folder.path, more), new MadeUp());
    await expect(of({ method: ['magic'] })).rejects.toThrow(
      /There is no method magic\. The methods are: baseline/,
    );
    await expect(of({ table: ['bias'], data: ['adult'] })).rejects.toThrow(/No scenario is left/);
    const { code, err } = await assay(['reproduce', 'other']);
    expect(code).toBe(2);
    expect(err).toContain('ferrari');
  });
});

describe('the forms of the tables', () => {
  const tables = tablesOf(ALL, { scenarios: SCENARIO_NAMES, methods: METHODS });
  const plain = styleFor({ isTTY: false, columns: 80, write: async () => {} }, {});

  it('the terminal gets no line beyond 80 columns', () => {
    const text = wrapped(tablesText(tables, 80, plain), 80);
    const long = text.split('\n').filter((line) => widthOf(line) > 80);
    expect(long).toEqual([]);
  });

  it('CSV has one row for each number, as wide as its heading', () => {
    const [heading = '', ...rows] = tablesCsv(tables).trimEnd().split('\r\n');
    const columns = heading.split(',');
    expect(columns.slice(0, 6)).toEqual(['table', 'scenario', 'preset', 'network', 'method', 'measure']);
    const cells = rows.map((row) => row.match(/("([^"]|"")*"|[^,]*)(,|$)/g)?.slice(0, columns.length) ?? []);
    expect(cells.every((row) => row.length === columns.length)).toBe(true);
    const keys = rows.map((row) => row.split(',').slice(0, 6).join(','));
    expect(new Set(keys).size).toBe(keys.length);
    expect(
      rows.some((row) =>
        row.startsWith(
          'accuracy,adult,quick,mlp,ferrari,test,share,0.8102,0.75,0.74,0.76,rows,1,0.6,majority class,',
        ),
      ),
    ).toBe(true);
  });

  it('CSV holds no formula, whatever a method is called', () => {
    const hostile = tablesOf([result('adult', '=HYPERLINK("http://evil.test")', 1, 0.8)]);
    const csv = tablesCsv(hostile);
    expect(csv).toContain(`"'=HYPERLINK(""http://evil.test"")"`);
    expect(csv).not.toMatch(/(^|,)"?[=@]/m);
  });

  const page = (input = tables, pictures: readonly Picture[] = []): Promise<string> =>
    renderReproduction({
      tables: input,
      pictures,
      commandLine: 'assay reproduce ferrari',
      generatedAt: new Date(0),
      versions: { assay: '0.1.0', node: '24.0.0', onnxruntime: '1.0.0' },
      outstanding: 0,
    });

  it('the page holds all it needs, and its elements are closed and named once', async () => {
    const text = await page(tables, [
      { name: 'x', title: 'Where it looks', caption: 'Before, after', png: PNG },
    ]);
    expect(text).not.toMatch(/<script|<link|javascript:|\son[a-z]+=/i);
    expect(text).not.toMatch(/(src|href)="(?!#|data:image\/png;base64,)/);
    expect(text).toContain(`src="data:image/png;base64,${Buffer.from(PNG).toString('base64')}"`);
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of text.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
    for (const element of [
      'section',
      'table',
      'tr',
      'td',
      'th',
      'ul',
      'li',
      'div',
      'details',
      'figure',
      'svg',
    ]) {
      const opened = text.match(new RegExp(`<${element}[\\s>]`, 'g'))?.length ?? 0;
      expect([element, text.match(new RegExp(`</${element}>`, 'g'))?.length ?? 0]).toEqual([element, opened]);
    }
  });

  it('the page shows the paper’s numbers beside ours with verdict and majority class', async () => {
    const text = await page(tablesOf([result('adult', 'ferrari', 1, 0.8)], { methods: METHODS }));
    const row = /<tr><th scope="row"><bdi class="name">Ferrari<\/bdi><\/th>.*?<\/tr>/s.exec(text)?.[0] ?? '';
    expect(row).toContain('81.02%');
    expect(row).toContain('80.00%');
    expect(row).toContain('79.00–81.00%');
    expect(row).toContain('reproduced');
    expect(text).toContain('majority class 60.00%');
    expect(text).toContain('aria-labelledby');
  });

  it('names and notes from files are text on the page', async () => {
    const hostile = result('adult', HOSTILE, 1, 0.8, { notes: [HOSTILE] });
    const text = await page(tablesOf([hostile, { ...hostile, method: 'x', notRun: HOSTILE }]), [
      { name: 'x', title: HOSTILE, caption: HOSTILE, png: PNG },
    ]);
    expect(text).not.toContain('<script>alert');
    expect(text).toContain('&lt;script&gt;');
  });

  it('the same input gives the same page', async () => {
    expect(await page()).toBe(await page());
  });
});

describe('numbers in their units', () => {
  it.each([
    [0.8598, 'share', '85.98%'],
    [-0.0123, 'points', '−1.23 points'],
    [0.443, 'number', '0.443'],
    [185, 'seconds', '3 min 05 s'],
    [0.0123, 'seconds', '0.012 s'],
    [3.4e12, 'flops', '3.40 TFLOP'],
    [38_200, 'bytes', '38.2 kB'],
    [75.7, 'times', '75.7×'],
    [Number.POSITIVE_INFINITY, 'steps', '∞'],
    [Number.NaN, 'share', 'unknown'],
  ] as const)('%d %s is %s', (value, unit, text) => {
    expect(valueText(value, unit)).toBe(text);
  });

  it('an interval says its unit once', () => {
    const of = (lower: number, upper: number) =>
      ({ value: lower, lower, upper, seeds: 1, over: 'rows' }) as const;
    expect(intervalText(of(0.85, 0.86), 'share')).toBe('85.00–86.00%');
    expect(intervalText(of(-0.01, 0.02), 'points')).toBe('−1.00 to 2.00 points');
    expect(intervalText(of(8.1, 9.4), 'seconds')).toBe('8.1–9.4 s');
    expect(intervalText({ ...of(1, 1), over: 'none' }, 'seconds')).toBe('');
  });
});

describe.skipIf(process.env.ASSAY_DATA === undefined)('with the data sets of ASSAY_DATA', () => {
  it('runs the smallest real experiment, and goes on from its folder', async () => {
    await using folder = await temporaryFolder();
    const argv = ['reproduce', 'ferrari', '--data', 'diabetes', '--method', 'baseline', 'ferrari'];
    const place = ['-o', join(folder.path, 'out'), '--data-dir', process.env.ASSAY_DATA ?? ''];
    const first = await assay([...argv, ...place, '--json']);
    expect(first.code, first.err).toBe(0);
    expect(first.document.number('results')).toBe(3);
    const second = await assay([...argv, ...place, '--json']);
    expect(second.err).toContain('All 3 results are there already.');
    expect(second.document.at('claims')).toEqual(first.document.at('claims'));
  }, 120_000);
});
