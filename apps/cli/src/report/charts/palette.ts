/** Colours and shapes of the charts: they differ in both, and read on light and on dark paper. */
import type { MethodName } from '@assay/unlearn';

/** How one series is drawn. */
export interface Look {
  readonly colour: string;
  readonly shape: 'square' | 'circle' | 'diamond' | 'triangle-up';
}

// Contrast of at least 3 : 1 on white and on #0d1117; the hues are those of Okabe and Ito, told apart by colour-blind readers.
export const BEFORE: Look = { colour: '#818b98', shape: 'square' };

const AFTER: Readonly<Record<MethodName, Look>> = {
  exact: { colour: '#1a7fc1', shape: 'circle' },
  ferrari: { colour: '#d55e00', shape: 'diamond' },
  'ferrari-paper': { colour: '#b5679a', shape: 'triangle-up' },
};

/** How the model after a method is drawn. */
export function after(method: MethodName): Look {
  return AFTER[method];
}

/** Lines behind the data. */
export const GRID = '#808080';
/** Text that is legible on white and on black, for charts that stand alone. */
export const NEUTRAL_TEXT = '#727b87';
export const FONT = 'system-ui, sans-serif';

/** The mark of a series for a legend, as an SVG element around (x, y). */
export function swatch({ colour, shape }: Look, x: number, y: number): string {
  switch (shape) {
    case 'square':
      return `<rect x="${x - 3.2}" y="${y - 3.2}" width="6.4" height="6.4" fill="${colour}"/>`;
    case 'circle':
      return `<circle cx="${x}" cy="${y}" r="3.8" fill="${colour}"/>`;
    case 'diamond':
      return `<path d="M${x},${y - 4.8}l4.2,4.8l-4.2,4.8l-4.2,-4.8Z" fill="${colour}"/>`;
    case 'triangle-up':
      return `<path d="M${x},${y - 4.2}l4.4,7.8h-8.8Z" fill="${colour}"/>`;
  }
}
