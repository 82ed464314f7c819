/** From a Vega-Lite specification to SVG text that a screen reader can announce. */
import type { TopLevelSpec } from 'vega-lite';
import { escaped } from '../html.ts';
import { FONT, GRID } from './palette.ts';

/** Space around the plot, in pixels. */
export interface Margins {
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

export interface Chart {
  /** Distinct on its page; letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  /** What the chart shows, for those who cannot see it. */
  readonly description: string;
  /** The plot without its margins, in pixels. */
  readonly width: number;
  readonly height: number;
  readonly margins: Margins;
  /** Colour of text. */
  readonly ink: string;
  readonly layers: Layers;
  /** Elements drawn over the plot, in pixels of the whole picture. */
  readonly overlay?: string;
}

export type Layers = Extract<TopLevelSpec, { layer: unknown }>['layer'];
export type Layer = Layers[number];
type Encoding = NonNullable<Extract<Layer, { mark: unknown }>['encoding']>;
/** A field on the horizontal or the vertical axis. */
export type Across = NonNullable<Encoding['x']>;
export type Down = NonNullable<Encoding['y']>;

/**
 * Draws a chart. The layout is given, not measured, since the width of text is unknown without a browser.
 *
 * Vega and Vega-Lite are loaded when the first chart is drawn.
 */
export async function drawSvg(chart: Chart): Promise<string> {
  const { id, title, description, width, height, margins, ink, layers, overlay = '' } = chart;
  const [vegaLite, vega] = await Promise.all([import('vega-lite'), import('vega')]);
  const spec: TopLevelSpec = {
    width,
    height,
    padding: { ...margins },
    autosize: 'none',
    background: 'transparent',
    layer: layers,
    config: {
      aria: false,
      font: FONT,
      view: { stroke: null },
      text: { color: ink, fontSize: 12 },
      axis: {
        domain: false,
        ticks: false,
        labelColor: ink,
        titleColor: ink,
        labelFontSize: 11,
        titleFontSize: 11,
        titleFontWeight: 'normal',
        labelPadding: 6,
        labelFlush: false,
        // Widths are estimated too large here, and labels would be left out for no reason.
        labelOverlap: false,
        gridColor: GRID,
        gridOpacity: 0.25,
      },
    },
  };
  const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), { renderer: 'none' });
  try {
    const drawn = await view.toSVG();
    const inner = drawn.slice(drawn.indexOf('>') + 1, drawn.lastIndexOf('</svg>'));
    const across = width + margins.left + margins.right;
    const down = height + margins.top + margins.bottom;
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="${id}-title ${id}-description" ` +
      `width="${across}" height="${down}" viewBox="0 0 ${across} ${down}">` +
      `<title id="${id}-title">${escaped(title)}</title>` +
      `<desc id="${id}-description">${escaped(description)}</desc>${inner}${overlay}</svg>`
    );
  } finally {
    view.finalize();
  }
}
