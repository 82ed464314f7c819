/** The interval of the highest of several measured quantities. */
import type { Estimate } from '@assay/policy';

/** z(0.975)², the square of the normal quantile of a two-sided 95 % interval. */
const SQUARED_QUANTILE = 1.959964 ** 2;

/**
 * A 95 % interval for max θⱼ from 95 % intervals [lⱼ, uⱼ] of each θⱼ.
 *
 * Upper bound: if θ_m is the highest, max uⱼ ≥ u_m, which is below θ_m with probability 2.5 % at most; no correction is needed.
 * Lower bound: each lⱼ can be above its θⱼ, and the highest lⱼ is above max θⱼ only if one of them is, so each may be wrong with
 * probability 2.5 %/k only. For normal tails, Q(√(z² + 2 ln k)) ≤ Q(z)/k, because φ shrinks by exactly k and Mills' ratio
 * decreases: so it is enough to put lⱼ at √(1 + 2 ln k / z²) times its distance from the estimate.
 *
 * @param measured at least one; n of the result is the least of theirs
 */
export function highestOf(measured: readonly Estimate[]): Estimate {
  const k = Math.max(1, measured.length);
  const widening = Math.sqrt(1 + (2 * Math.log(k)) / SQUARED_QUANTILE);
  const value = Math.max(...measured.map((one) => one.value));
  const upper = Math.max(...measured.map((one) => one.upper));
  const widened = Math.max(...measured.map((one) => one.value - (one.value - one.lower) * widening));
  // Quantities that cannot be negative stay so.
  const least = measured.every((one) => one.lower >= 0) ? 0 : Number.NEGATIVE_INFINITY;
  const lower = Math.max(widened, least);
  return {
    value,
    lower: Math.min(lower, value),
    upper: Math.max(upper, value),
    n: Math.min(...measured.map((one) => one.n)),
  };
}
