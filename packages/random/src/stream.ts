/** One stream of random numbers: uniform, normal, integers, permutations. */
import { encrypt } from './philox.ts';

/**
 * A stream named by a seed and a label. Two labels give independent streams of the same seed.
 *
 * @example
 * const noise = new RandomStream(7, 'noise');
 * noise.uniform(); // the same number on every machine
 */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #label: number;
  #position: number;
  readonly #block = new Uint32Array(4);
  #blockIndex = -1;

  /**
   * @param seed an integer from 0 to 2⁵³ − 1
   * @param label names the stream
   * @param position how many 32-bit words have been taken already (to resume)
   */
  constructor(seed: number, label: string, position = 0) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`a seed is a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, not ${seed}`);
    }
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32)];
    this.#label = hashLabel(label);
    this.#position = position;
  }

  /** 32-bit words taken so far; give it to the constructor to go on from here. */
  get position(): number {
    return this.#position;
  }

  /** A uniform unsigned 32-bit integer. */
  word(): number {
    const index = Math.floor(this.#position / 4);
    if (index !== this.#blockIndex) {
      this.#block[0] = index;
      this.#block[1] = Math.floor(index / 2 ** 32);
      this.#block[2] = this.#label;
      this.#block[3] = 0;
      encrypt(this.#block, this.#key[0], this.#key[1]);
      this.#blockIndex = index;
    }
    const word = this.#block[this.#position % 4] ?? 0;
    this.#position += 1;
    return word;
  }

  /** Uniform in [0, 1), with 53 random bits. */
  uniform(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** A uniform whole number from 0 to `bound` − 1, without bias (rejection). `bound` is at most 2³². */
  integer(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) {
      throw new RangeError(`a bound is a whole number from 1 to 2^32, not ${bound}`);
    }
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const word = this.word();
      if (word < limit) return word % bound;
    }
  }

  /** Standard normal (Box–Muller; one of the pair, so that the position alone is the state). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A random order of 0 … count − 1 (Fisher–Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const kept = order[i] ?? 0;
      order[i] = order[j] ?? 0;
      order[j] = kept;
    }
    return order;
  }
}

/** FNV-1a over UTF-16 code units: a fixed 32-bit name for a label. */
function hashLabel(label: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < label.length; i++) {
    hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193) >>> 0;
  }
  return hash;
}
