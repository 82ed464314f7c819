import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  encodeTable,
  fitSchema,
  openTable,
  SYNTHETIC_CENSUS_TRUTH,
  syntheticCensus,
  syntheticCensusCsv,
} from '../src/index.ts';
import { failure, testFolder } from './folder.ts';

const folder = testFolder();
const ROWS = 40_000;
const text = [...syntheticCensusCsv({ rows: ROWS, seed: 5 })].join('');
const [header = '', ...lines] = text.trimEnd().split('\n');
const names = header.split(',');
const people = lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [names[i], cell])));

const share = (of: readonly unknown[], among: readonly unknown[]): number => of.length / among.length;

describe('the synthetic census', () => {
  it('is the same table in memory and as a file, with the same digest', async () => {
    using made = await syntheticCensus({ rows: 2000, seed: 5 });
    const path = folder.write('census.csv', [...syntheticCensusCsv({ rows: 2000, seed: 5 })].join(''));
    using read = await openTable(path);
    expect(made.digest).toBe(read.digest);
    expect(made.columns).toEqual(read.columns);
    const { schema } = await fitSchema(made, { target: 'income' });
    expect((await encodeTable(read, schema)).inputs).toEqual((await encodeTable(made, schema)).inputs);
    expect(schema.training?.synthetic).toBe(true);
    expect(made.notes.join('\n')).toMatch(/made up/);
  });

  it('is a function of the seed', () => {
    const digest = (seed: number): string =>
      createHash('sha256')
        .update([...syntheticCensusCsv({ rows: 500, seed })].join(''))
        .digest('hex');
    expect(digest(1)).toBe(digest(1));
    expect(digest(1)).not.toBe(digest(2));
  });

  it('follows its equations', () => {
    const within = (value: number, expected: number, n: number): void => {
      expect(Math.abs(value - expected)).toBeLessThan(5 * Math.sqrt((expected * (1 - expected)) / n));
    };
    within(
      share(
        people.filter((p) => p.sex === 'Male'),
        people,
      ),
      0.52,
      ROWS,
    );
    within(
      share(
        people.filter((p) => p.occupation === ''),
        people,
      ),
      0.05,
      ROWS,
    );
    within(
      share(
        people.filter((p) => p.region === 'East'),
        people,
      ),
      0.25,
      ROWS,
    );
    const married = people.filter((p) => p['marital-status'] === 'Married');
    within(
      share(
        married.filter((p) => p.relationship === 'Other-relative'),
        married,
      ),
      0.03,
      married.length,
    );
    expect(married.every((p) => p.relationship !== (p.sex === 'Male' ? 'Wife' : 'Husband'))).toBe(true);
    const forty = people.filter((p) => p.age === '40' && p.sex === 'Male');
    const weights = [2.6 - 0.085 * 22, 0.9, -1.6 + 0.03 * 22, -5.2 + 0.085 * 22].map(Math.exp);
    const expected = (weights[1] ?? 0) / weights.reduce((sum, weight) => sum + weight, 0);
    within(
      share(
        forty.filter((p) => p['marital-status'] === 'Married'),
        forty,
      ),
      expected,
      forty.length,
    );
  });

  it('makes income depend on what is said, and on nothing else', () => {
    // Given the direct causes the probability is known: residuals must average to zero in every group of every other column.
    const shown = people.filter((p) => p.occupation !== '');
    const residuals = shown.map((p) => {
      const e = Number(p['education-years']) - 12;
      const job =
        new Map([
          ['Manager', 0.9],
          ['Professional', 0.7],
          ['Service', -0.6],
        ]).get(p.occupation) ?? 0;
      const logit =
        -3.2 +
        0.03 * (Number(p.age) - 40) -
        0.0012 * (Number(p.age) - 50) ** 2 +
        0.28 * e +
        0.035 * (Number(p['hours-per-week']) - 40) +
        (p['marital-status'] === 'Married' ? 1.9 : 0) +
        job;
      const probability = 1 / (1 + Math.exp(-logit));
      return {
        p,
        residual: (p.income === '>50K' ? 1 : 0) - probability,
        variance: probability * (1 - probability),
      };
    });
    const z = (group: typeof residuals): number =>
      group.reduce((sum, r) => sum + r.residual, 0) /
      Math.sqrt(group.reduce((sum, r) => sum + r.variance, 0));
    expect(Math.abs(z(residuals))).toBeLessThan(4.5);
    for (const column of [...SYNTHETIC_CENSUS_TRUTH.proxies, ...SYNTHETIC_CENSUS_TRUTH.independent]) {
      for (const value of new Set(shown.map((p) => p[column]))) {
        expect(Math.abs(z(residuals.filter((r) => r.p[column] === value)))).toBeLessThan(4.5);
      }
    }
    expect(
      [
        ...SYNTHETIC_CENSUS_TRUTH.direct,
        ...SYNTHETIC_CENSUS_TRUTH.proxies,
        ...SYNTHETIC_CENSUS_TRUTH.independent,
        'income',
      ].sort(),
    ).toEqual([...names].sort());
  });

  it('refuses sizes that make no sense', async () => {
    await failure(syntheticCensus({ rows: 0 }), 'out-of-range');
    await failure(syntheticCensus({ rows: 10, seed: -1 }), 'out-of-range');
  });
});
