import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import { type DataErrorCode, encodeTable, fitSchema, openTable } from '../src/index.ts';
import { Database } from '../src/table/database.ts';
import { failure, testFolder } from './folder.ts';

const folder = testFolder();
const ROWS: readonly (readonly [number, number | null, string | null, string])[] = [
  [31, 1.5, 'red', 'no'],
  [45, null, 'blue', 'yes'],
  [28, -2.25, null, 'no'],
  [60, 0.125, 'dark, "red"', 'yes'],
  [45, 1e-3, 'café', 'no'],
];
const NAMES = ['age', 'score', 'colour', 'outcome'];

function delimited(separator: string): string {
  const quote = (cell: string | number | null): string =>
    typeof cell === 'string' ? `"${cell.replaceAll('"', '""')}"` : String(cell ?? '');
  return [NAMES.join(separator), ...ROWS.map((row) => row.map(quote).join(separator))].join('\n');
}

describe('one table in every format', () => {
  const csv = folder.write('table.csv', delimited(','));
  const files = {
    tsv: folder.write('table.tsv', delimited('\t')),
    semicolons: folder.write('semicolons.csv', delimited(';')),
    'CR LF': folder.write('crlf.csv', delimited(',').replaceAll('\n', '\r\n')),
    'byte order mark': folder.write('bom.csv', `\ufeff${delimited(',')}`),
    'UTF-16': folder.write('utf16.csv', Buffer.from(`\ufeff${delimited(',')}`, 'utf16le')),
    'Latin-1': folder.write('latin1.csv', Buffer.from(delimited(','), 'latin1')),
    gzip: folder.write('table.csv.gz', gzipSync(delimited(','))),
    'no extension': folder.write('table', delimited(',')),
    'JSON Lines': folder.write(
      'table.jsonl',
      ROWS.map((row) => JSON.stringify(Object.fromEntries(row.map((cell, i) => [NAMES[i], cell])))).join(
        '\n',
      ),
    ),
  };

  async function encoded(path: string) {
    using table = await openTable(path);
    const { schema } = await fitSchema(table, { target: 'outcome' });
    const { inputs, labels } = await encodeTable(table, schema);
    const { training: _, ...rest } = schema;
    return {
      schema: rest,
      features: inputs.features,
      labels,
      kinds: table.columns.map((column) => column.kind),
    };
  }

  it.each(Object.entries(files))('%s', async (_, path) => {
    expect(await encoded(path)).toEqual(await encoded(csv));
  });

  it('Parquet', async () => {
    const path = `${folder.path}/table.parquet`;
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const cell = (value: string | number | null): string =>
      value === null ? 'NULL' : typeof value === 'string' ? `'${value}'` : String(value);
    await connection.run(
      `COPY (SELECT * FROM (VALUES ${ROWS.map((row) => `(${row.map(cell).join(', ')})`).join(', ')}) t(${NAMES.join(', ')})) TO '${path}'`,
    );
    connection.closeSync();
    expect(await encoded(path)).toEqual(await encoded(csv));
  });

  it('has the digest of the file', async () => {
    using table = await openTable(csv);
    expect(table.digest).toBe(createHash('sha256').update(readFileSync(csv)).digest('hex'));
    expect(table.rows).toBe(5);
    expect(table.column('score').missing).toBe(1);
    expect(table.column('colour')).toMatchObject({ kind: 'category', missing: 1, distinct: 4 });
    expect(table.column('age')).toMatchObject({
      kind: 'number',
      whole: true,
      range: { least: 28, largest: 60 },
    });
  });
});

describe('what is decided is said', () => {
  it.each([
    ['numbers in the first line', 'a.csv', '1,2\n3,4\n', /no|first line/, ['column1', 'column2']],
    ['a column without a name', 'b.csv', ',x\n0,5\n1,6\n', /has no name/, ['column1', 'x']],
    ['codes with leading zeros', 'c.csv', 'zip,n\n00123,1\n02139,2\n', /leading zeros/, ['zip', 'n']],
    ['missing values', 'd.csv', 'a,b\n?,1\nNA,\n', /Missing values of 2 rows: a 2, b 1/, ['a', 'b']],
    ['infinite numbers', 'e.csv', 'a,b\ninf,1\n-Infinity,2\n3,\n', /2 infinite/, ['a', 'b']],
  ])('%s', async (_, name, content, note, names) => {
    using table = await openTable(folder.write(name, content));
    expect(table.notes.join('\n')).toMatch(note);
    expect(table.columnNames()).toEqual(names);
  });

  it('and can be overridden', async () => {
    const path = folder.write('override.csv', '1;x\n2;-\n');
    using table = await openTable(path, {
      header: false,
      names: ['n', 't'],
      types: { n: 'category' },
      missing: ['-'],
      delimiter: ';',
    });
    expect(table.columns.map(({ name, kind, missing }) => [name, kind, missing])).toEqual([
      ['n', 'category', 0],
      ['t', 'category', 1],
    ]);
    const error = await failure(openTable(path, { types: { colunm1: 'number' } }), 'unknown-column');
    expect(error.place.suggestion).toBe('column1');
  });
});

describe('files that cannot be read as tables', () => {
  // SECRET stands for personal data, which no message may quote.
  const cases: readonly (readonly [string, string, string | Uint8Array, DataErrorCode, object])[] = [
    ['empty', 'empty.csv', '', 'no-rows', {}],
    ['only a header', 'header.csv', 'a,b\n', 'no-rows', {}],
    ['empty JSON Lines', 'empty.jsonl', '\n', 'no-rows', {}],
    ['duplicate headers', 'twice.csv', 'a,b,a\n1,2,3\n', 'duplicate-columns', { column: 'a' }],
    ['a short row', 'short.csv', 'a,b\nSECRET,x\nSECRET\n3,4\n', 'ragged-row', { line: 3 }],
    ['a long row', 'long.csv', 'a,b\nSECRET,x\nSECRET,2,3\n', 'ragged-row', { line: 3 }],
    ['an open quote', 'quote.csv', 'a,b\n1,"SECRET\n2,x\n', 'malformed', { line: 2 }],
    ['mixed line endings', 'ends.csv', 'a,b\r\n1,SECRET\n3,x\r\n', 'malformed', {}],
    ['a cell of 3 MB', 'cell.csv', `a,b\n1,${'SECRET'.repeat(500_000)}\n`, 'line-too-long', { line: 2 }],
    ['a first line of 3 MB', 'line.csv', `${'SECRET'.repeat(500_000)}\n`, 'line-too-long', { line: 1 }],
    [
      '100,000 columns',
      'wide.csv',
      `${Array.from({ length: 100_000 }, (_, i) => `c${i}`).join(',')}\n`,
      'too-many-columns',
      {},
    ],
    [
      'big-endian UTF-16',
      'be.csv',
      Buffer.from('\ufeffa,b\n1,SECRET\n', 'utf16le').swap16(),
      'unsupported-encoding',
      {},
    ],
    ['Windows-1252', 'win.csv', Buffer.from('a,b\n1,\x93SECRET\x94\n', 'latin1'), 'unsupported-encoding', {}],
    ['NUL bytes', 'nul.csv', 'a,b\n1,\0SECRET\n', 'unsupported-encoding', {}],
    ['broken JSON', 'broken.jsonl', '{"a":1}\n{"a":SECRET}\n', 'malformed', {}],
    ['JSON that is no object', 'list.jsonl', '["SECRET"]\n', 'malformed', {}],
    ['a truncated Parquet file', 'cut.parquet', Buffer.from('PAR1SECRET'), 'malformed', {}],
    [
      'a truncated gzip file',
      'cut.csv.gz',
      gzipSync('a,b\n1,x\n'.repeat(1000)).subarray(0, 30),
      'file-unreadable',
      {},
    ],
    ['no table at all', 'letter.txt', 'Dear SECRET\n', 'unknown-format', {}],
  ];
  it.each(cases)('%s', async (_, name, content, code, place) => {
    const error = await failure(openTable(folder.write(name, content)), code);
    expect(error.place).toMatchObject({ file: name, ...place });
    expect(error.message).not.toContain('SECRET');
    expect(error.message).toContain(name);
    expect(error.message).toMatch(/[.?]$/);
  });

  it('are missing, folders or no files', async () => {
    await failure(openTable(`${folder.path}/nothing.csv`), 'file-not-found');
    await failure(openTable(folder.path), 'file-not-found');
    await failure(openTable('/dev/null'), 'file-unreadable');
    expect((await failure(openTable('adlut'), 'file-not-found')).message).toContain('adult');
  });
});

describe('hostile names', () => {
  it('of files and columns are names and nothing else', async () => {
    const header = `a'); DROP TABLE held; --,"b""c",__proto__`;
    const path = folder.write(`q'uo"te [x]*?;.csv`, `${header}\n1,x,0\n2,'y,1\n3,z,1\n`);
    using table = await openTable(path);
    expect(table.columnNames()).toEqual(["a'); DROP TABLE held; --", 'b"c', '__proto__']);
    const { schema } = await fitSchema(table, { target: '__proto__' });
    const { labels } = await encodeTable(table, schema);
    expect([...(labels ?? [])]).toEqual([0, 1, 1]);
  });

  it('with * or ? read that file and no other', async () => {
    folder.write('other1.csv', 'a,b\n1,2\n');
    folder.write('other2.csv', 'a,b\n1,2\n');
    using table = await openTable(folder.write('other?.csv', 'a,b\n1,2\n3,4\n'));
    expect(table.rows).toBe(2);
  });
});

describe('the database', () => {
  it.each([
    ['other files', `SELECT * FROM read_csv('/etc/hostname', auto_detect = true)`],
    ['folders', `SELECT * FROM glob('/etc/*')`],
    ['writing', `COPY (SELECT 1) TO '${folder.path}/written.csv'`],
    ['other databases', `ATTACH '${folder.path}/other.db'`],
    ['extensions', 'INSTALL httpfs'],
    ['loading', 'LOAD httpfs'],
    ['settings', 'SET enable_external_access = true'],
    ['allowing paths', `SET allowed_paths = ['/etc/hostname']`],
    ['the network', `SELECT * FROM read_csv('http://127.0.0.1:9/x.csv', auto_detect = true)`],
  ])('refuses %s', async (_, sql) => {
    const database = await Database.open([], 'test');
    await expect(database.rows(sql)).rejects.toThrow();
    database.close();
  });
});

describe('cancelling', () => {
  it('ends with the reason of the signal', async () => {
    const path = folder.write('cancel.csv', delimited(','));
    const reason = new Error('enough');
    await expect(openTable(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    using table = await openTable(path);
    await expect(fitSchema(table, { target: 'outcome', signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    const { schema } = await fitSchema(table, { target: 'outcome' });
    await expect(encodeTable(table, schema, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
