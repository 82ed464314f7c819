/** Learning rates as functions of the step. */

/** The learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number;

/** The same rate at every step. */
export function constantRate(rate: number): Schedule {
  return () => rate;
}

/**
 * Half a cosine from `peak` at step 0 down to `floor` at `steps` and after.
 *
 * Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
 */
export function cosineRate(peak: number, steps: number, floor = 0): Schedule {
  return (step) => floor + ((peak - floor) * (1 + Math.cos(Math.PI * Math.min(1, step / steps)))) / 2;
}

/** Another schedule, whose first `steps` rates rise linearly to its own. */
export function withWarmUp(schedule: Schedule, steps: number): Schedule {
  return (step) => schedule(step) * Math.min(1, (step + 1) / steps);
}
