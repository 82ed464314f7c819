/** Repeated measurements: contestants take turns, so that the noise of a shared machine falls on all of them. */

/** The middle of some repeats, with the quartles around it. */
export interface Spread {
  readonly median: number;
  /** The 25 % and 75 % quantiles. */
  readonly low: number;
  readonly high: number;
  readonly repeats: number;
}

/** Times the same work once and gives seconds. */
export type Contestant = () => Promise<number>;

/** Median and interquartile range. */
export function spreadOf(values: readonly number[]): Spread {
  return {
    median: quantile(values, 0.5),
    low: quantile(values, 0.25),
    high: quantile(values, 0.75),
    repeats: values.length,
  };
}

/** Linear between the order statistics; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? low;
  return low + (high - low) * (at - Math.floor(at));
}

/** A pause between contestants, in milliseconds: threads that spin for more work go to sleep. */
const PAUSE = 30;

/**
 * Runs all contestants once to warm up, then in turns; the order is reversed every other round.
 *
 * @returns seconds of each round, by contestant
 */
export async function inTurns<Name extends string>(
  contestants: Readonly<Record<Name, Contestant>>,
  rounds: number,
): Promise<Readonly<Record<Name, readonly number[]>>>;
export async function inTurns(
  contestants: Readonly<Record<string, Contestant>>,
  rounds: number,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const entries = Object.entries(contestants);
  const seconds = Object.fromEntries(entries.map(([name]): [string, number[]] => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, contestant] of round % 2 === 0 ? entries : entries.toReversed()) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      const taken = await contestant();
      if (round >= 0) seconds[name]?.push(taken);
    }
  }
  return seconds;
}

/** a/b round by round, so that what slows a whole round down cancels out. */
export function ratioOf(a: readonly number[], b: readonly number[]): Spread {
  return spreadOf(a.map((value, round) => value / (b[round] ?? Number.NaN)));
}

/** Seconds that a call takes. */
export async function timed(call: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await call();
  return (performance.now() - started) / 1000;
}

/** How many units of work of `single` seconds fill about `target` seconds, at least `least`. */
export function unitsFor(single: number, target: number, least = 1): number {
  return Math.max(least, Math.round(target / Math.max(single, 1e-9)));
}
