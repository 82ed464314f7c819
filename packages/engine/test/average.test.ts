import { tensor, toNumbers } from '@assay/graph';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { weightedAverage } from '../src/average.ts';

const vector = (...values: number[]) => tensor('float32', [values.length], values);

describe('the weighted average of tensors', () => {
  it('weighs members by their rows', () => {
    const mean = weightedAverage([
      { tensors: { w: vector(1, 10) }, weight: 1 },
      { tensors: { w: vector(5, -2) }, weight: 3 },
    ]);
    expect([...toNumbers(mean.w ?? vector())]).toEqual([4, 1]);
  });

  it('is the member itself where all members are equal, whatever the weights', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 12 }),
        (values, weights) => {
          // Adding 0 leaves every number as it is but −0, whose sign a sum does not keep.
          const tensors = { w: vector(...values.map((value) => value + 0)) };
          const mean = weightedAverage(weights.map((weight) => ({ tensors, weight })));
          expect([...toNumbers(mean.w ?? vector())]).toEqual([...toNumbers(tensors.w)]);
        },
      ),
    );
  });

  it('is that of all rows at once: averaging in groups and then the groups gives the same', () => {
    const members = [3, 1, 4, 1, 5].map((weight, i) => ({
      tensors: { w: tensor('float64', [2], [i, i * i]) },
      weight,
    }));
    const whole = weightedAverage(members);
    const left = weightedAverage(members.slice(0, 2));
    const right = weightedAverage(members.slice(2));
    const grouped = weightedAverage([
      { tensors: left, weight: 4 },
      { tensors: right, weight: 10 },
    ]);
    const [a, b] = [whole, grouped].map((mean) => toNumbers(mean.w ?? vector()));
    a?.forEach((value, i) => {
      expect(value).toBeCloseTo(b?.[i] ?? Number.NaN, 12);
    });
  });

  it('leaves out members without rows', () => {
    const mean = weightedAverage([
      { tensors: { w: vector(1) }, weight: 2 },
      { tensors: { w: vector(99) }, weight: 0 },
    ]);
    expect([...toNumbers(mean.w ?? vector())]).toEqual([1]);
  });

  it('refuses members that do not belong together', () => {
    const one = { tensors: { w: vector(1, 2) }, weight: 1 };
    expect(() => weightedAverage([])).toThrow('nothing to average');
    expect(() => weightedAverage([one, { tensors: { w: vector(1) }, weight: 1 }])).toThrow(
      '"w" is float32[2]',
    );
    expect(() => weightedAverage([one, { tensors: { v: vector(1, 2) }, weight: 1 }])).toThrow(
      'no tensor "w"',
    );
    expect(() => weightedAverage([one, { tensors: {}, weight: 1 }])).toThrow('different numbers');
    expect(() => weightedAverage([{ tensors: { i: tensor('int64', [1], [1]) }, weight: 1 }])).toThrow(
      'int64',
    );
    expect(() => weightedAverage([{ ...one, weight: 0 }])).toThrow('not all 0');
    expect(() =>
      weightedAverage([
        { ...one, weight: -1 },
        { ...one, weight: 2 },
      ]),
    ).toThrow('at least 0');
  });
});
