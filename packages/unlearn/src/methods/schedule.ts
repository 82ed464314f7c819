/** Settings that both ways of forgetting share. They were chosen on Adult, Diabetes and MNIST and are not tuned per run. */

/** Rows per step of the optimiser, before their copies with the feature changed. */
export const ROWS_PER_STEP = { tables: 128, images: 64 };

/** Peak learning rate of Adam, unless the network does not bear it; it falls along half a cosine to 0 over a round. */
export const PEAK_RATE = 1e-3;

/** The learning rate of a step within a round of `steps`. */
export function rateAt(step: number, steps: number, peak: number): number {
  return (peak / 2) * (1 + Math.cos((Math.PI * step) / steps));
}

/** Steps between two looks at the held-out rows. */
export const LOOK_EVERY = 100;
