/** The main job on census data: the demo on made-up people, and facts on the real census where it is at hand. */
import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { assay, temporaryFolder } from './support/world.ts';

const DATA = process.env.ASSAY_DATA;
const CACHE = process.env.ASSAY_CACHE;

afterEach(() => {
  for (const [name, value] of [
    ['ASSAY_DATA', DATA],
    ['ASSAY_CACHE', CACHE],
  ] as const) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

describe('the demo', () => {
  it('runs without the real census and without a network, and says that the people are made up', async () => {
    await using folder = await temporaryFolder();
    delete process.env.ASSAY_DATA;
    process.env.ASSAY_CACHE = folder.file('empty-cache');
    const ran = await assay(['demo', '--no-download', '-o', folder.file('demo')]);
    expect(ran.err).not.toMatch(/^Error/m);
    const text = ran.out.replace(/\s+/g, ' ');
    expect(text).toMatch(/made up by known equations/);
    expect(text).toMatch(/--data-dir/);
    expect(await readFile(folder.file('demo/sensitivity.svg'), 'utf8')).toMatch(/^<svg/);
    expect(text).toMatch(/Before After exact After ferrari/);
    expect(text).toMatch(/Report: \S+report\.html/);
    expect(ran.code).toBe(0);
    for (const line of ran.out.split('\n')) {
      if (!line.includes(folder.path)) expect([...line].length).toBeLessThanOrEqual(80);
    }
    const page = await readFile(folder.file('demo/report.html'), 'utf8');
    expect(page).toMatch(/synthetic/);
    const inspected = await assay(['inspect', folder.file('demo/forgotten-exact.onnx'), '--json']);
    expect(inspected.document.at('schema.training.synthetic')).toBe(true);
    expect(inspected.document.at('schema.training.name')).toBe('synthetic-census');
  });
});

describe.skipIf(DATA === undefined)('the Adult census (needs ASSAY_DATA)', () => {
  it('is learned as well as is known, and marital status is forgotten by proof', async () => {
    await using folder = await temporaryFolder();
    const model = folder.file('adult.onnx');
    const trained = await assay([
      'train',
      'adult',
      '--drop',
      'fnlwgt',
      '--epochs',
      '5',
      '-o',
      model,
      '--json',
    ]);
    expect(trained.code).toBe(0);
    expect(trained.document.number('test.rows')).toBe(9768);
    expect(trained.document.number('test.accuracy')).toBeGreaterThan(0.85);
    expect(trained.document.number('test.majority')).toBeCloseTo(0.76, 2);
    const { code, document } = await assay([
      'unlearn',
      model,
      '--data',
      'adult',
      '--feature',
      'marital-status',
      '--share',
      '0.1',
      '-o',
      folder.file('forgotten.onnx'),
      '--json',
    ]);
    expect(code).toBe(0);
    expect(document.at('method')).toBe('exact');
    expect(document.number('rows.requester')).toBe(3907);
    expect(document.at('test.source')).toBe('held-out');
    expect(document.number('before.flip.changed')).toBeGreaterThan(0.05);
    expect(document.number('after.flip.changed')).toBe(0);
    expect(document.number('after.accuracy')).toBeGreaterThan(document.number('before.accuracy') - 0.006);
  });

  it('is not needed for Diabetes, which is read from the folder that is given', async () => {
    await using folder = await temporaryFolder();
    delete process.env.ASSAY_DATA;
    process.env.ASSAY_CACHE = folder.file('empty-cache');
    const ran = await assay([
      'train',
      'diabetes',
      '--data-dir',
      DATA ?? '',
      '--epochs',
      '2',
      '-o',
      folder.file('d.onnx'),
      '--json',
    ]);
    expect(ran.code).toBe(0);
    expect(ran.document.at('target')).toBe('outcome');
    expect(ran.document.number('test.rows')).toBe(154);
  });
});
