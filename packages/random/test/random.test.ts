import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { philox4x32, RandomStream } from '../src/index.ts';

describe('Philox4x32-10', () => {
  // Known-answer vectors of the authors' Random123 library (kat_vectors).
  test.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)('agrees with the published vectors', (counter, key, expected) => {
    expect(philox4x32(counter, key)).toEqual(expected);
  });
});

describe('a random stream', () => {
  test('goes on exactly where it was left', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(50), (seed, taken) => {
        const stream = new RandomStream(seed, 'x');
        for (let i = 0; i < taken; i++) stream.normal();
        const resumed = new RandomStream(seed, 'x', stream.position);
        expect(resumed.uniform()).toBe(stream.uniform());
      }),
    );
  });

  test('has the moments of its distributions', () => {
    const stream = new RandomStream(1, 'moments');
    const count = 200_000;
    let sum = 0;
    let squares = 0;
    let uniform = 0;
    for (let i = 0; i < count; i++) {
      const z = stream.normal();
      sum += z;
      squares += z * z;
      uniform += stream.uniform();
    }
    // Five standard errors each.
    expect(Math.abs(sum / count)).toBeLessThan(5 / Math.sqrt(count));
    expect(Math.abs(squares / count - 1)).toBeLessThan((5 * Math.SQRT2) / Math.sqrt(count));
    expect(Math.abs(uniform / count - 0.5)).toBeLessThan(5 / Math.sqrt(12 * count));
  });

  test('permutes without loss, and integers stay in range', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 300 }), (seed, count) => {
        const stream = new RandomStream(seed, 'order');
        expect([...stream.permutation(count)].sort((a, b) => a - b)).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
        expect(stream.integer(count)).toBeLessThan(count);
      }),
    );
  });

  test('differs by label and by seed', () => {
    const first = new RandomStream(1, 'a').word();
    expect(new RandomStream(1, 'b').word()).not.toBe(first);
    expect(new RandomStream(2, 'a').word()).not.toBe(first);
  });

  test('refuses a seed that is no whole number', () => {
    expect(() => new RandomStream(1.5, 'a')).toThrow(/whole number/);
  });
});
