/** The bound that decides whether the accuracy was kept: it must cover, and must not be idle. */
import { RandomStream } from '@assay/random';
import { describe, expect, test } from 'vitest';
import { upperBound } from '../src/held-out.ts';

/** Rare losses of different sizes: mean = rate · size / 2. */
function losses(count: number, rate: number, size: number, seed: number): Float64Array {
  const random = new RandomStream(seed, 'losses');
  return Float64Array.from({ length: count }, () => (random.uniform() < rate ? size * random.uniform() : 0));
}

describe('an upper bound of a mean', () => {
  test.each([
    [20, 0.3, 1],
    [200, 0.02, 1],
    [1000, 0.01, 0.4],
  ])('of %i numbers covers at least 95 times in 100', (count, rate, size) => {
    let covered = 0;
    for (let run = 0; run < 300; run++) {
      if (upperBound(losses(count, rate, size, run), 0.05) >= (rate * size) / 2) covered += 1;
    }
    // 95 % less two standard errors of the simulation.
    expect(covered / 300).toBeGreaterThan(0.925);
  });

  test('of nothing but zeros is near the rule of three, and never 0', () => {
    for (const count of [50, 500, 5000]) {
      const bound = upperBound(new Float64Array(count), 0.05);
      expect(bound).toBeGreaterThan(-Math.log(0.05) / count);
      expect(bound).toBeLessThan((1.6 * -Math.log(0.05)) / count + 0.01);
    }
  });

  test('of few rows cannot tell, and of ones is 1', () => {
    expect(upperBound(new Float64Array(3), 0.05)).toBeGreaterThan(0.5);
    expect(upperBound(new Float64Array(100).fill(1), 0.05)).toBe(1);
  });
});
