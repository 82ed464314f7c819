import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  cacheDirectory,
  encodeTable,
  fitSchema,
  locate,
  NAMED_DATA_SETS,
  openTable,
  type PublishedFile,
  splitRows,
} from '../src/index.ts';
import { failure, testFolder } from './folder.ts';

const dataDir = process.env.ASSAY_DATA ?? '';
const folder = testFolder();

describe.skipIf(dataDir === '')('the published data (ASSAY_DATA)', () => {
  it('adult has the rows, classes and missing values that are published', async () => {
    using table = await openTable('adult', { dataDir });
    expect(table.rows).toBe(32_561 + 16_281);
    expect(table.target).toBe('income');
    const { schema, classCounts } = await fitSchema(table, { target: 'income' });
    expect(schema.target.classes).toEqual(['<=50K', '>50K']);
    expect(classCounts).toEqual([48_842 - 7_841 - 3_846, 7_841 + 3_846]);
    const { labels, report } = await encodeTable(table, schema);
    expect(report.withoutLabel).toBe(0);
    expect(labels?.subarray(0, 32_561).filter((label) => label === 1).length).toBe(7_841);
    expect(labels?.subarray(32_561).filter((label) => label === 1).length).toBe(3_846);
    // Counted independently: lines with a "?" and the "?" in them.
    const lines = ['adult.data', 'adult.test'].flatMap((name) =>
      readFileSync(join(dataDir, 'tabular', name), 'latin1').split('\n'),
    );
    const marks = lines.flatMap((line) => line.split(', ')).filter((cell) => cell === '?').length;
    expect(Object.values(report.missing).reduce((sum, count) => sum + count, 0)).toBe(marks);
    expect(table.columns.filter((column) => column.kind === 'number').map((column) => column.name)).toEqual([
      'age',
      'fnlwgt',
      'education-num',
      'capital-gain',
      'capital-loss',
      'hours-per-week',
    ]);
    expect(table.column('marital-status').distinct).toBe(7);
  });

  it('adult is encoded as the file says, row by row', async () => {
    using table = await openTable('adult', { dataDir });
    const { schema } = await fitSchema(table, { target: 'income', split: { seed: 1, testFraction: 0.2 } });
    const { train } = splitRows(table.rows, { seed: 1, testFraction: 0.2 });
    const lines = readFileSync(join(dataDir, 'tabular/adult.data'), 'latin1').split('\n');
    const test = readFileSync(join(dataDir, 'tabular/adult.test'), 'latin1').split('\n').slice(1);
    const all = [...lines, ...test].filter((line) => line !== '').map((line) => line.split(', '));
    const ages = [...train].map((row) => Number(all[row]?.[0]));
    const mean = ages.reduce((sum, age) => sum + age, 0) / ages.length;
    const std = Math.sqrt(ages.reduce((sum, age) => sum + (age - mean) ** 2, 0) / ages.length);
    const age = schema.columns[0];
    const marital = schema.columns.find((column) => column.name === 'marital-status');
    if (age?.encoder.kind !== 'standard' || marital?.encoder.kind !== 'onehot')
      throw new Error('unexpected encoders');
    expect(age.encoder.mean).toBeCloseTo(mean, 9);
    expect(age.encoder.std).toBeCloseTo(std, 9);
    const { inputs, widths } = await encodeTable(table, schema);
    const width = widths.features ?? 0;
    for (let row = 0; row < all.length; row += 97) {
      expect(Number(inputs.features?.[row * width])).toBeCloseTo((Number(all[row]?.[0]) - mean) / std, 5);
      const slots = marital.encoder.values.map((_, i) =>
        Number(inputs.features?.[row * width + marital.start + i]),
      );
      expect(marital.encoder.values[slots.indexOf(1)]).toBe(all[row]?.[5]);
    }
  });

  it('diabetes has its rows, classes and impossible zeros', async () => {
    using table = await openTable('diabetes', { dataDir });
    expect([table.rows, table.columns.length]).toEqual([768, 9]);
    const { classCounts, schema } = await fitSchema(table, { target: 'outcome' });
    expect(classCounts).toEqual([500, 268]);
    expect(schema.target.classes).toEqual(['0', '1']);
    const missing = Object.fromEntries(table.columns.map((column) => [column.name, column.missing]));
    expect(missing).toMatchObject({
      glucose: 5,
      'blood-pressure': 35,
      'skin-thickness': 227,
      insulin: 374,
      bmi: 11,
      pregnancies: 0,
    });
    expect(table.notes.join('\n')).toMatch(/Zeros in glucose.*missing/);
    expect(table.digest).toBe(NAMED_DATA_SETS.diabetes.files[0]?.sha256);
  });

  it('is recognised under another name', async () => {
    using table = await openTable(join(dataDir, 'tabular/pima-indians-diabetes.csv'));
    expect(table.notes.join('\n')).toMatch(/"diabetes"/);
  });
});

describe('finding a published file', () => {
  const content = Buffer.from('1,2\n'.repeat(50_000));
  const file: PublishedFile = {
    path: 'tabular/small.csv',
    url: 'https://example.invalid/small.csv',
    bytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  };
  let servers: Server[] = [];
  let folders = 0;
  const fresh = (): string => join(folder.path, `cache${folders++}`);
  afterEach(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    servers = [];
  });

  async function serving(listener: RequestListener): Promise<() => string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return () => `http://127.0.0.1:${port}/small.csv`;
  }

  /** Nothing is left of a download that failed. */
  function expectEmpty(cacheDir: string): void {
    expect(existsSync(join(cacheDir, 'tabular')) ? readdirSync(join(cacheDir, 'tabular')) : []).toEqual([]);
  }

  it('fetches it once, with progress, and then has it', async () => {
    let requests = 0;
    const origin = await serving((_, response) => {
      requests++;
      response.end(content);
    });
    const cacheDir = fresh();
    const steps: number[] = [];
    const options = {
      dataDir: '',
      cacheDir,
      origin,
      onProgress: ({ done }: { done: number }) => void steps.push(done),
    };
    expect((await locate(file, options)).from).toBe('origin');
    expect(steps).toContain(content.length);
    const again = await locate(file, options);
    expect([again.from, again.sha256, requests]).toEqual(['cache', file.sha256, 1]);
    expect(readdirSync(join(cacheDir, 'tabular'))).toEqual(['small.csv']);
  });

  it('takes the data directory first, with or without its folders', async () => {
    for (const name of ['tabular/small.csv', 'small.csv']) {
      const own = fresh();
      mkdirSync(dirname(join(own, name)), { recursive: true });
      writeFileSync(join(own, name), content);
      expect((await locate(file, { dataDir: own, cacheDir: fresh(), download: false })).from).toBe(
        'data-directory',
      );
    }
  });

  it('refuses a file that is not the published one, wherever it is from', async () => {
    const changed = Buffer.from(content);
    changed[10] = 57;
    const found = createHash('sha256').update(changed).digest('hex');
    const origin = await serving((_, response) => void response.end(changed));
    const cacheDir = fresh();
    const error = await failure(locate(file, { dataDir: '', cacheDir, origin }), 'checksum');
    expect(error.message).toContain(file.sha256);
    expect(error.message).toContain(found);
    expectEmpty(cacheDir);
    const own = fresh();
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'small.csv'), changed);
    expect((await failure(locate(file, { dataDir: own, download: false }), 'checksum')).message).toContain(
      own,
    );
  });

  it('stops a server that sends more than there is', async () => {
    const origin = await serving((_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(content));
        response.once('drain', more);
      };
      more();
    });
    const cacheDir = fresh();
    expect((await failure(locate(file, { dataDir: '', cacheDir, origin }), 'download')).message).toMatch(
      /sends more/,
    );
    expectEmpty(cacheDir);
  });

  it.each([
    ['an error of the server', (_, response) => void response.writeHead(404).end(), /answered 404/],
    [
      'half a file',
      (_, response) =>
        void response
          .writeHead(200, { 'content-length': String(content.length) })
          .write(content.subarray(0, 100), () => response.destroy()),
      /cannot be reached/,
    ],
    ['silence', () => {}, /did not answer for 0.2 seconds/],
  ] satisfies [string, RequestListener, RegExp][])('says so: %s', async (_, listener, words) => {
    const cacheDir = fresh();
    const origin = await serving(listener);
    const error = await failure(locate(file, { dataDir: '', cacheDir, origin, timeout: 200 }), 'download');
    expect(error.message).toMatch(words);
    expect(error.message).toContain('--data-dir');
    expectEmpty(cacheDir);
  });

  it('can be called off, and may be forbidden to fetch', async () => {
    const cacheDir = fresh();
    const origin = await serving(() => {});
    const controller = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 50);
    await expect(locate(file, { dataDir: '', cacheDir, origin, signal: controller.signal })).rejects.toBe(
      reason,
    );
    expectEmpty(cacheDir);
    await failure(locate(file, { dataDir: '', cacheDir, download: false }), 'download');
  });

  it('knows its cache folder', () => {
    expect(cacheDirectory(undefined, { ASSAY_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(cacheDirectory(undefined, { XDG_CACHE_HOME: '/b' })).toBe(join('/b', 'assay'));
    expect(cacheDirectory(undefined, {})).toMatch(/\.cache.assay$/);
  });
});
