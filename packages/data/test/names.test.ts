import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearestName } from '../src/index.ts';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['ca', 'ac', 1],
    ['ca', 'abc', 3],
    ['martial', 'marital', 1],
  ])('of "%s" and "%s" is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  it('is symmetric, zero only for equals, and at most the longer length', () => {
    const words = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(words, words, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max([...a].length, [...b].length));
      }),
    );
  });
});

describe('nearestName', () => {
  const columns = ['age', 'marital-status', 'hours-per-week', 'sex'];
  it('finds what was probably meant', () => {
    expect(nearestName('martial-status', columns)).toBe('marital-status');
    expect(nearestName('Marital Status', columns)).toBe('marital-status');
    expect(nearestName('hours_per_week', columns)).toBe('hours-per-week');
    expect(nearestName('agee', columns)).toBe('age');
  });
  it('finds nothing where nothing is near', () => {
    expect(nearestName('pregnancies', columns)).toBeUndefined();
    expect(nearestName('x'.repeat(100_000), columns)).toBeUndefined();
  });
});
