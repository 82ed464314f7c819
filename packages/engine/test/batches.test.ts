import { int64s, type Tensor, tensor, toNumbers } from '@assay/graph';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  batches,
  concatenateRows,
  constantRate,
  cosineRate,
  rowNumberBatches,
  sliceRows,
  takeRows,
  withWarmUp,
} from '../src/index.ts';

function numbers(value: Tensor | undefined): number[] {
  return value === undefined ? [] : [...toNumbers(value)];
}

/** A column that holds each row's own number, and one with two values per row. */
function columns(rows: number): { id: Tensor; pair: Tensor } {
  const ids = Array.from({ length: rows }, (_, row) => row);
  return {
    id: int64s(ids),
    pair: tensor(
      'float32',
      [rows, 2],
      ids.flatMap((row) => [row, -row]),
    ),
  };
}

describe('batches', () => {
  const sizes = fc.record({
    rows: fc.integer({ min: 1, max: 50 }),
    batchSize: fc.integer({ min: 1, max: 60 }),
  });

  it('hold every row once per epoch, with its columns kept together', () => {
    fc.assert(
      fc.property(sizes, fc.option(fc.nat(), { nil: undefined }), ({ rows, batchSize }, seed) => {
        const source = batches(columns(rows), { batchSize, ...(seed === undefined ? {} : { seed }) });
        for (const epoch of [0, 3]) {
          const seen: number[] = [];
          for (let i = 0; i < source.stepsPerEpoch; i++) {
            const { id, pair } = source.at(epoch * source.stepsPerEpoch + i);
            expect(numbers(pair)).toEqual(numbers(id).flatMap((row) => [row, -row]));
            seen.push(...numbers(id));
          }
          const sorted = [...seen].sort((a, b) => a - b);
          expect(sorted).toEqual(Array.from({ length: rows }, (_, row) => row));
          if (seed === undefined) expect(seen).toEqual(sorted);
        }
      }),
    );
  });

  it('are the same for the same seed and step, in whatever order they are asked for', () => {
    const [forwards, backwards] = [1, 2].map(() => batches(columns(23), { batchSize: 5, seed: 9 }));
    const steps = Array.from({ length: 15 }, (_, i) => i);
    const there = steps.map((step) => numbers(forwards?.at(step).id));
    const back = steps.toReversed().map((step) => numbers(backwards?.at(step).id));
    expect(back.toReversed()).toEqual(there);
    expect(there.slice(0, 5)).not.toEqual(there.slice(5, 10));
    expect(numbers(batches(columns(23), { batchSize: 5, seed: 10 }).at(0).id)).not.toEqual(there[0]);
  });

  it('leave out an incomplete last batch on request', () => {
    const source = batches(columns(10), { batchSize: 4, dropLast: true });
    expect(source.stepsPerEpoch).toBe(2);
    expect(numbers(source.at(2).id)).toEqual([0, 1, 2, 3]);
  });

  it('can be row numbers, in the order in which rows would come', () => {
    const options = { batchSize: 4, seed: 3 };
    const rows = rowNumberBatches(11, options);
    for (let step = 0; step < 7; step++) {
      expect(numbers(rows.at(step).rows)).toEqual(numbers(batches(columns(11), options).at(step).id));
    }
  });

  it.each<[string, () => unknown, RegExp]>([
    ['no column', () => batches({}, { batchSize: 1 }), /no column/],
    ['a scalar', () => batches({ a: tensor('float32', [], [1]) }, { batchSize: 1 }), /"a" is a scalar/],
    [
      'columns of different lengths',
      () => batches({ a: int64s([1]), b: int64s([1, 2]) }, { batchSize: 1 }),
      /"a" has 1 rows and "b" has 2/,
    ],
    ['no rows', () => batches({ a: int64s([]) }, { batchSize: 1 }), /0 rows do not fill a batch/],
    ['a batch of half a row', () => batches({ a: int64s([1]) }, { batchSize: 0.5 }), /whole number of rows/],
  ])('refuse %s', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

describe('rows', () => {
  it('are put together again from their parts, strings too', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 20 }), fc.nat(20), (strings, at) => {
        const cut = Math.min(at, strings.length);
        const values: Tensor[] = [
          { elementType: 'string', dims: [strings.length], data: strings },
          tensor(
            'int16',
            [strings.length, 3],
            strings.flatMap((_, i) => [i, 2 * i, 3 * i]),
          ),
        ];
        for (const value of values) {
          const parts = [sliceRows(value, 0, cut), sliceRows(value, cut, strings.length)];
          expect(concatenateRows(parts)).toEqual(value);
          const every = strings.map((_, row) => row);
          expect(takeRows(value, every)).toEqual(value);
        }
      }),
    );
  });

  it('of different shapes are not put together', () => {
    expect(() =>
      concatenateRows([tensor('float32', [1, 2], [1, 2]), tensor('float32', [1, 1], [1])]),
    ).toThrow(/row shapes/);
  });
});

describe('learning rates', () => {
  it('follow half a cosine from the peak to the floor and stay there', () => {
    const rate = cosineRate(1, 100, 0.1);
    expect([rate(0), rate(50), rate(100), rate(500)].map((value) => Math.round(value * 1e9) / 1e9)).toEqual([
      1, 0.55, 0.1, 0.1,
    ]);
  });

  it('rise linearly to the schedule that they warm up to', () => {
    const rate = withWarmUp(constantRate(0.8), 4);
    expect([0, 1, 2, 3, 4, 5].map(rate)).toEqual([0.2, 0.4, 0.6000000000000001, 0.8, 0.8, 0.8]);
  });
});
