import { appendFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allRows,
  type EncodedTable,
  encodeBatches,
  encodeTable,
  featureColumn,
  fitSchema,
  indexCount,
  openTable,
  parseSchema,
  splitRows,
} from '../src/index.ts';
import { failure, testFolder } from './folder.ts';

const folder = testFolder();
let files = 0;
function csv(header: string, rows: readonly string[]): string {
  return folder.write(`table${files++}.csv`, `${[header, ...rows].join('\n')}\n`);
}

/** Values of one slot, row by row. */
function slot(encoded: EncodedTable, input: string, position: number): number[] {
  const values = encoded.inputs[input] ?? new Float32Array();
  const width = encoded.widths[input] ?? 1;
  return Array.from({ length: encoded.rows }, (_, row) => Number(values[row * width + position]));
}

const TABLE = csv(
  'x,far,colour,constant,id,y',
  Array.from({ length: 60 }, (_, i) =>
    [
      i % 7,
      1e9 + (i % 3),
      ['red', 'green', '?'][i % 3],
      'same',
      `person-${i}`,
      i % 2 === 0 ? 'no' : 'yes',
    ].join(','),
  ),
);

describe('fitting and encoding', () => {
  it('standardises by the training rows: mean 0 and variance 1 there, whatever the offset', async () => {
    using table = await openTable(TABLE);
    const split = { seed: 3, testFraction: 0.25 };
    const { schema } = await fitSchema(table, { target: 'y', split });
    const encoded = await encodeTable(table, schema, { rows: splitRows(table.rows, split).train });
    for (const name of ['x', 'far']) {
      const values = slot(encoded, 'features', featureColumn(schema, name).start);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      expect(mean).toBeCloseTo(0, 6);
      expect(variance).toBeCloseTo(1, 5);
    }
    expect(schema.training).toMatchObject({ rows: 60, split, digest: table.digest, synthetic: false });
  });

  it('gives each row exactly one category, the missing one included', async () => {
    using table = await openTable(TABLE);
    const { schema, notes } = await fitSchema(table, { target: 'y' });
    const colour = featureColumn(schema, 'colour');
    expect(colour.encoder).toEqual({
      kind: 'onehot',
      values: ['green', 'red'],
      missing: 'own-slot',
      other: 'zeros',
    });
    const encoded = await encodeTable(table, schema);
    const slots = [0, 1, 2].map((i) => slot(encoded, 'features', colour.start + i));
    for (let row = 0; row < 60; row++)
      expect(slots.map((values) => values[row])).toEqual(
        [
          [0, 1, 0],
          [1, 0, 0],
          [0, 0, 1],
        ][row % 3],
      );
    expect(encoded.report.missing).toEqual({ colour: 20 });
    expect(notes.join('\n')).toMatch(/"constant" is left out: it is constant/);
    expect(notes.join('\n')).toMatch(/"id" is left out: its values all differ/);
    expect(schema.ignored.map((column) => column.name)).toEqual(['constant', 'id']);
  });

  it('never looks at rows that are not for training', async () => {
    const train = ['1,a,no', '2,b,yes', '3,a,no', '4,b,yes'];
    using alone = await openTable(csv('x,c,y', train));
    using more = await openTable(csv('x,c,y', [...train, '1000,zzz,yes', '-1000,?,no']));
    const expected = (await fitSchema(alone, { target: 'y' })).schema;
    const { schema } = await fitSchema(more, { target: 'y', trainRows: allRows(4) });
    expect(schema.columns).toEqual(expected.columns);
    const encoded = await encodeTable(more, schema);
    expect(encoded.report.unseen).toEqual({ c: 1 });
    expect(slot(encoded, 'features', 1)).toEqual([1, 0, 1, 0, 0, 0]);
  });

  it('decodes to the categories that were encoded', async () => {
    const word = fc.stringMatching(/^[A-Za-zäß'" ;-]{1,8}$/).map((text) => `v${text.trim()}`);
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 4, maxLength: 30 }), async (words) => {
        fc.pre(new Set(words).size >= 2 && new Set(words).size < words.length);
        const rows = words.map((text, i) => `"${text.replaceAll('"', '""')}",${i % 3},${i % 2}`);
        using table = await openTable(csv('word,x,y', rows));
        const { schema } = await fitSchema(table, { target: 'y' });
        const { encoder, start } = featureColumn(schema, 'word');
        const encoded = await encodeTable(table, schema);
        if (encoder.kind !== 'onehot') throw new Error('expected one-hot');
        const decoded = words.map((_, row) =>
          encoder.values.find((__, i) => slot(encoded, 'features', start + i)[row] === 1),
        );
        expect(decoded).toEqual(words);
      }),
      { numRuns: 15 },
    );
  });

  it('numbers many values for an embedding, rare and missing ones apart', async () => {
    const values = Array.from({ length: 1200 }, (_, i) =>
      i < 1000 ? `v${i % 100}` : i < 1100 ? `rare${i}` : '',
    );
    using table = await openTable(
      csv(
        'code,x,y',
        values.map((value, i) => `${value},${i % 5},${i % 2}`),
      ),
    );
    const { schema, notes } = await fitSchema(table, { target: 'y' });
    const column = featureColumn(schema, 'code');
    if (column.encoder.kind !== 'index') throw new Error('expected an index');
    expect(column.encoder.values).toHaveLength(100);
    expect(indexCount(column.encoder)).toBe(102);
    const encoded = await encodeTable(table, schema);
    expect(encoded.inputs[column.input]).toBeInstanceOf(BigInt64Array);
    const indices = slot(encoded, column.input, 0);
    const { encoder } = column;
    expect(indices.slice(0, 1000).map((index) => encoder.values[index - 1])).toEqual(values.slice(0, 1000));
    expect(new Set(indices.slice(1000, 1100))).toEqual(new Set([0]));
    expect(new Set(indices.slice(1100))).toEqual(new Set([101]));
    expect(notes.join('\n')).toMatch(/"code" has 200 different values and is numbered for an embedding/);
  });

  it('counts NaN and infinite numbers as missing and fills in the mean', async () => {
    using table = await openTable(csv('x,z,y', ['1,5,a', '3,6,b', 'inf,7,a', 'NaN,8,b', '-inf,9,a', ',9,b']));
    const { schema } = await fitSchema(table, { target: 'y', missingIndicator: true });
    const { encoder, start, length } = featureColumn(schema, 'x');
    expect(encoder).toMatchObject({ mean: 2, std: 1, missing: { fill: 2, indicator: true } });
    expect(length).toBe(2);
    const encoded = await encodeTable(table, schema);
    expect(slot(encoded, 'features', start)).toEqual([-1, 1, 0, 0, 0, 0]);
    expect(slot(encoded, 'features', start + 1)).toEqual([0, 0, 1, 1, 1, 1]);
    expect(encoded.report.missing).toEqual({ x: 4 });
  });

  it('gives in batches what it gives at once', async () => {
    using table = await openTable(TABLE);
    const { schema } = await fitSchema(table, { target: 'y' });
    const rows = Uint32Array.from([3, 4, 10, 11, 12, 40, 59]);
    const whole = await encodeTable(table, schema, { rows });
    for (const batchRows of [1, 2, 3, 100]) {
      const batches: EncodedTable[] = [];
      for await (const batch of encodeBatches(table, schema, { rows, batchRows })) batches.push(batch);
      expect(batches.flatMap((batch) => [...(batch.inputs.features ?? [])])).toEqual([
        ...(whole.inputs.features ?? []),
      ]);
      expect(batches.flatMap((batch) => [...(batch.labels ?? [])])).toEqual([...(whole.labels ?? [])]);
      expect(batches.flatMap((batch) => [...batch.rowIds])).toEqual([...rows]);
    }
  });

  it('keeps the order that rows are asked for in', async () => {
    using table = await openTable(TABLE);
    const { schema } = await fitSchema(table, { target: 'y' });
    const all = slot(await encodeTable(table, schema), 'features', 0);
    const rows = Uint32Array.from([50, 2, 33]);
    expect(slot(await encodeTable(table, schema, { rows }), 'features', 0)).toEqual(
      [...rows].map((row) => all[row]),
    );
  });

  it('keeps the order of the file when many threads read it', async () => {
    const count = 300_000;
    const lines = Array.from({ length: count }, (_, i) => `${i},${'padding-'.repeat(30)}${i % 2},${i % 2}`);
    using table = await openTable(csv('n,c,y', lines), { limits: { threads: 4 } });
    const schema = parseSchema(
      'version: 1\ninput: x\ncolumns: { n: number }\noutput: { name: z, kind: logits }\ntarget: { column: y, classes: [0, 1] }',
      's',
    );
    const { inputs } = await encodeTable(table, schema);
    expect(inputs.x?.every((value, row) => value === row)).toBe(true);
  });
});

describe('classes', () => {
  it('are sorted, numbers as numbers, and 1.0 is 1', async () => {
    using table = await openTable(csv('x,y', ['1,10.0', '2,2.0', '3,2.0', '4,', '5,10.0']));
    const { schema, classCounts, notes } = await fitSchema(table, { target: 'y' });
    expect(schema.target.classes).toEqual(['2', '10']);
    expect(classCounts).toEqual([2, 2]);
    expect(notes.join('\n')).toMatch(/1 rows have no "y"/);
    using other = await openTable(csv('x,y', ['1,10', '2,2', '3,7']));
    const encoded = await encodeTable(other, schema);
    expect([...(encoded.labels ?? [])]).toEqual([1, 0, -1]);
    expect(encoded.report.withoutLabel).toBe(1);
  });

  it('are not needed to encode', async () => {
    using table = await openTable(TABLE);
    const { schema } = await fitSchema(table, { target: 'y' });
    using unlabelled = await openTable(csv('x,far,colour', ['1,2,red']));
    expect((await encodeTable(unlabelled, schema)).labels).toBeUndefined();
  });
});

describe('tables that no classifier can be fitted to', () => {
  const numbers = Array.from(
    { length: 200 },
    (_, i) => `${i % 9},${(i * 0.37).toFixed(3)},id${i},${i % 2},k`,
  );
  it.each([
    ['a missing target', 'outcme', 'unknown-column'],
    ['a continuous target', 'amount', 'not-a-classifier-target'],
    ['an identifier as target', 'id', 'not-a-classifier-target'],
    ['a target of one class', 'one', 'one-class'],
  ] as const)('%s', async (_, target, code) => {
    using table = await openTable(csv('x,amount,id,outcome,one', numbers));
    const error = await failure(fitSchema(table, { target }), code);
    if (code === 'unknown-column') expect(error.place.suggestion).toBe('outcome');
  });

  it('the target among the columns to leave out, unknown columns to leave out', async () => {
    using table = await openTable(TABLE);
    await failure(fitSchema(table, { target: 'y', drop: ['y'] }), 'target-is-feature');
    expect(
      (await failure(fitSchema(table, { target: 'y', drop: ['color'] }), 'unknown-column')).place.suggestion,
    ).toBe('colour');
  });

  it('nothing to learn from', async () => {
    using table = await openTable(csv('x,y', ['1,a', '1,b']));
    await failure(fitSchema(table, { target: 'y' }), 'no-features');
    using row = await openTable(csv('x,y', ['1,a']));
    await failure(fitSchema(row, { target: 'y' }), 'one-class');
    await failure(fitSchema(table, { target: 'y', trainRows: new Uint32Array() }), 'no-rows');
  });

  it('a column that mixes numbers and text, unless it is said what it is', async () => {
    const path = csv(
      'x,z,y',
      Array.from({ length: 50 }, (_, i) => `${i === 16 ? 'SECRET' : i},${i % 4},${i % 2}`),
    );
    using table = await openTable(path);
    const error = await failure(fitSchema(table, { target: 'y' }), 'mixed-types');
    expect(error.place).toMatchObject({ column: 'x', row: 17 });
    expect(error.message).not.toContain('SECRET');
    const { schema } = await fitSchema(table, { target: 'y', types: { x: 'number' } });
    expect(featureColumn(schema, 'x').encoder).toMatchObject({ kind: 'standard', invalid: 'missing' });
    expect((await encodeTable(table, schema)).report.missing).toEqual({ x: 1 });
    expect((await fitSchema(table, { target: 'y', drop: ['x'] })).schema.columns).toHaveLength(1);
  });
});

describe('tables that do not fit a schema', () => {
  it('lack a column, or hold text where numbers are needed', async () => {
    using table = await openTable(TABLE);
    const { schema } = await fitSchema(table, { target: 'y' });
    using lacking = await openTable(csv('x,far,color,y', ['1,2,red,no']));
    const error = await failure(encodeTable(lacking, schema), 'missing-column');
    expect(error.place).toMatchObject({ column: 'colour', suggestion: 'color' });
    using wrong = await openTable(csv('x,far,colour,y', ['1,2,red,no', 'SECRET,2,red,no']));
    const typed = await failure(encodeTable(wrong, schema), 'wrong-type');
    expect(typed.place).toMatchObject({ column: 'x', row: 2 });
    expect(typed.message).not.toContain('SECRET');
  });

  it('do not have the rows, or need more memory than allowed', async () => {
    using table = await openTable(TABLE);
    const { schema } = await fitSchema(table, { target: 'y' });
    await failure(encodeTable(table, schema, { rows: Uint32Array.of(60) }), 'out-of-range');
    await failure(encodeTable(table, schema, { rows: Uint32Array.of(1, 1) }), 'out-of-range');
    await failure(encodeTable(table, schema, { maxBytes: 100 }), 'too-large');
  });

  it('changed since they were opened', async () => {
    const path = csv('x,y', ['1,a', '2,b', '3,a']);
    using table = await openTable(path);
    appendFileSync(path, '4,b\n');
    await failure(fitSchema(table, { target: 'y' }), 'file-changed');
  });
});
