/** Estimates with confidence intervals. */

/** A number with a 95 % confidence interval. */
export interface Estimate {
  readonly value: number;
  readonly lower: number;
  readonly upper: number;
}

/** The two-sided 95 % point of the standard normal distribution. */
const Z = 1.959963984540054;

/**
 * A proportion with Wilson's score interval, which is sound for few rows and for proportions near 0 and 1.
 *
 * Source: Wilson, JASA 22 (1927) 209.
 */
export function proportion(successes: number, count: number): Estimate {
  if (count === 0) return { value: Number.NaN, lower: 0, upper: 1 };
  const p = successes / count;
  const z2 = (Z * Z) / count;
  const centre = (p + z2 / 2) / (1 + z2);
  const half = (Z * Math.sqrt((p * (1 - p) + (Z * Z) / (4 * count)) / count)) / (1 + z2);
  return {
    value: p,
    lower: Math.max(0, Math.min(p, centre - half)),
    upper: Math.min(1, Math.max(p, centre + half)),
  };
}

/** Mean and variance of a stream of numbers (Welford), with Student's interval for the mean. */
export class RunningMean {
  #count = 0;
  #mean = 0;
  #squares = 0;

  add(value: number): void {
    this.#count += 1;
    const distance = value - this.#mean;
    this.#mean += distance / this.#count;
    this.#squares += distance * (value - this.#mean);
  }

  get count(): number {
    return this.#count;
  }

  /** The mean of numbers that cannot be negative, so the interval is not either. */
  estimate(): Estimate {
    if (this.#count < 2) return { value: this.#mean, lower: 0, upper: Number.POSITIVE_INFINITY };
    const half = student95(this.#count - 1) * Math.sqrt(this.#squares / (this.#count - 1) / this.#count);
    return { value: this.#mean, lower: Math.max(0, this.#mean - half), upper: this.#mean + half };
  }
}

/**
 * The two-sided 95 % point of Student's t, by the Cornish–Fisher expansion in 1/ν: within 0.3 % from ν = 3 on, and
 * from a table below.
 *
 * Source: Abramowitz & Stegun 26.7.5.
 */
export function student95(degrees: number): number {
  const table = [Number.POSITIVE_INFINITY, 12.7062, 4.3027];
  const tabled = table[degrees];
  if (tabled !== undefined) return tabled;
  const z = Z;
  const [z3, z5, z7, z9] = [z ** 3, z ** 5, z ** 7, z ** 9];
  return (
    z +
    (z3 + z) / (4 * degrees) +
    (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees ** 2) +
    (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * degrees ** 3) +
    (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92160 * degrees ** 4)
  );
}
