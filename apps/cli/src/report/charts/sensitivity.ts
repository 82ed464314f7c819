/** The sensitivity of each feature, before and after, with intervals: one row for each feature. */
import type { MethodName } from '@assay/unlearn';
import { shortened } from '../../terminal/text.ts';
import type { FeatureRow } from '../features.ts';
import { clean, escaped } from '../html.ts';
import { after, BEFORE, FONT, GRID, type Look, swatch } from './palette.ts';
import { type Across, type Chart, type Down, drawSvg, type Layer, type Layers, type Margins } from './svg.ts';

export interface SensitivityChart {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  /** The rows to draw, top to bottom. */
  readonly rows: readonly FeatureRow[];
  /** The method of each run. */
  readonly methods: readonly MethodName[];
  readonly scale: Scale;
  /** Width of the whole picture in pixels. */
  readonly width: number;
  readonly ink: string;
  /** Whether the picture has its own title and legend, as one that stands alone must. */
  readonly standsAlone?: boolean;
}

/** The horizontal axis: linear up to `knee`, logarithmic beyond; all linear where `knee` is undefined. */
export interface Scale {
  readonly largest: number;
  readonly knee: number | undefined;
  readonly ticks: readonly number[];
}

/** The largest sensitivity is so many times the median before a logarithm reads better. */
const SPREAD = 5;
/** Beyond these a sensitivity is rounding, or a model that gives no sensible numbers. */
const SMALLEST = 1e-9;
const LARGEST = 1e9;
const MOST_TICKS = 8;

/** An axis for these rows; 0 is always on it, as 0. */
export function scaleFor(rows: readonly FeatureRow[]): Scale {
  const estimates = rows
    .flatMap((row) => [row.before, ...row.after])
    .filter((estimate) => estimate !== undefined);
  const values = estimates.map(({ value }) => value).filter((value) => value <= LARGEST);
  const largestValue = Math.max(0, ...values);
  if (largestValue < SMALLEST) return { largest: 1, knee: undefined, ticks: [0, 0.5, 1] };
  // Very wide intervals must not squeeze the values.
  const uppers = estimates.map(({ upper }) => upper).filter((upper) => upper <= 1.6 * largestValue);
  const largest = Math.max(largestValue, ...uppers) * 1.03;
  const before = rows
    .map((row) => row.before.value)
    .filter((value) => value >= SMALLEST)
    .sort((a, b) => a - b);
  const median = before[Math.floor(before.length / 2)] ?? largestValue;
  if (largestValue <= SPREAD * median) return { largest, knee: undefined, ticks: linearTicks(largest) };
  const knee = 10 ** Math.floor(Math.log10(median / 2));
  const span = largest / knee;
  const steps = span < 50 ? [1, 2, 5] : span < 5000 ? [1, 5] : [1];
  const ticks = [0];
  for (let decade = knee; decade <= largest; decade *= 10) {
    for (const step of steps)
      if (step * decade <= largest) ticks.push(Number((step * decade).toPrecision(1)));
  }
  const every = Math.ceil(ticks.length / MOST_TICKS);
  return { largest, knee: Number(knee.toPrecision(1)), ticks: ticks.filter((_, i) => i % every === 0) };
}

/** About five steps of 1, 2 or 5. */
function linearTicks(largest: number): readonly number[] {
  const rough = largest / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
  return Array.from({ length: Math.floor(largest / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

/** Distance between the marks of one row, and from row to row beyond them, in pixels. */
const LANE = 8;
const GAP = 10;
const FONT_SIZE = 12;
/** Width of a character of a proportional font as a part of its size, on the safe side. */
const CHARACTER = 0.56;

/** The chart as SVG text. */
export async function drawSensitivity(chart: SensitivityChart): Promise<string> {
  const { id, title, description, rows, methods, scale, ink } = chart;
  const looks: readonly Look[] = [BEFORE, ...methods.map(after)];
  const rowHeight = looks.length * LANE + GAP;
  const margins = marginsFor(chart);
  const width = chart.width - margins.left - margins.right;
  const height = rows.length * rowHeight;
  const drawn: Chart = {
    id,
    title,
    description,
    width,
    height,
    margins,
    ink,
    layers: layersFor(chart, looks, { rowHeight, height, width, margins }),
    ...(chart.standsAlone === true ? { overlay: heading(title, methods, rows, scale, ink) } : {}),
  };
  return drawSvg(drawn);
}

function marginsFor({ rows, width, standsAlone }: SensitivityChart): Margins {
  const longest = Math.max(...rows.map((row) => clean(row.name).length), 4);
  const most = width < 500 ? 112 : 210;
  return {
    top: standsAlone === true ? 74 : 8,
    right: 14,
    bottom: 42,
    left: Math.min(most, Math.ceil(longest * FONT_SIZE * CHARACTER) + 18),
  };
}

interface Frame {
  readonly rowHeight: number;
  readonly height: number;
  readonly width: number;
  readonly margins: Margins;
}

function layersFor({ rows, scale, ink }: SensitivityChart, looks: readonly Look[], frame: Frame): Layers {
  const { rowHeight, height, width, margins } = frame;
  const labels = rows.map((row, i) => ({
    label: shortened(clean(row.name), Math.floor((margins.left - 14) / (FONT_SIZE * CHARACTER))),
    y: (i + 0.5) * rowHeight,
    top: i * rowHeight + 1,
    bottom: (i + 1) * rowHeight - 1,
    forgotten: row.forgotten,
  }));
  const shaded = labels.filter((label) => label.forgotten);
  const plain = labels.filter((label) => !label.forgotten);
  const down = downFor(height);
  const across = acrossFor(scale, width);
  const names = (values: typeof labels, fontWeight: 'bold' | 'normal'): Layer => ({
    data: { values },
    mark: { type: 'text', align: 'right', baseline: 'middle', fontWeight, color: ink },
    encoding: { y: down('y'), x: { value: -10 }, text: { field: 'label', type: 'nominal' } },
  });
  const band: Layer = {
    data: { values: shaded },
    mark: { type: 'rect', color: GRID, opacity: 0.14, cornerRadius: 4 },
    encoding: {
      x: { value: -margins.left + 2 },
      x2: { value: width + margins.right - 2 },
      y: down('top'),
      y2: { field: 'bottom' },
    },
  };
  const inside = (value: number): number => Math.min(scale.largest, value);
  const series = looks.flatMap((look, lane) => {
    const values = rows.flatMap((row, i) => {
      const estimate = lane === 0 ? row.before : row.after[lane - 1];
      if (estimate === undefined || !Number.isFinite(estimate.value)) return [];
      const { value, lower, upper } = estimate;
      const y = (i + 0.5) * rowHeight + (lane - (looks.length - 1) / 2) * LANE;
      return [{ value: inside(value), lower: inside(lower), upper: inside(upper), y }];
    });
    return marks(values, look, across, down);
  });
  return [band, ...series, names(plain, 'normal'), names(shaded, 'bold')];
}

/** The place down the page, given in pixels from the top. */
function downFor(height: number): (field: string) => Down {
  return (field) => ({
    field,
    type: 'quantitative',
    scale: { domain: [0, height], range: [0, height] },
    axis: null,
  });
}

function acrossFor({ largest, knee, ticks }: Scale, width: number): (field: string) => Across {
  return (field) => ({
    field,
    type: 'quantitative',
    scale: {
      domain: [0, largest],
      nice: false,
      ...(knee === undefined ? { type: 'linear' } : { type: 'symlog', constant: knee }),
    },
    axis: {
      title: width < 320 ? 'sensitivity' : 'sensitivity (change of the scores per unit of change)',
      values: [...ticks],
      format: '~r',
      titlePadding: 8,
      orient: 'bottom',
    },
  });
}

/** Whiskers with a mark on each. */
function marks(
  values: readonly { value: number; lower: number; upper: number; y: number }[],
  { colour, shape }: Look,
  across: (field: string) => Across,
  down: (field: string) => Down,
): readonly Layer[] {
  const data = { values: [...values] };
  return [
    {
      data,
      mark: { type: 'rule', color: colour, strokeWidth: 1.5, strokeCap: 'round' },
      encoding: { y: down('y'), x: across('lower'), x2: { field: 'upper' } },
    },
    {
      data,
      mark: {
        type: 'point',
        shape,
        size: shape === 'diamond' ? 50 : 42,
        filled: true,
        color: colour,
        opacity: 1,
      },
      encoding: { y: down('y'), x: across('value') },
    },
  ];
}

/** Title and legend, for a picture that stands alone. */
function heading(
  title: string,
  methods: readonly MethodName[],
  rows: readonly FeatureRow[],
  scale: Scale,
  ink: string,
): string {
  const entries: readonly (readonly [Look, string])[] = [
    [BEFORE, 'before'],
    ...methods.map((method) => [after(method), `after ${method}`] as const),
  ];
  const text = (x: number, y: number, size: number, weight: string, words: string) =>
    `<text x="${x}" y="${y}" font-family="${FONT}" font-size="${size}" font-weight="${weight}" fill="${ink}">${escaped(words)}</text>`;
  let x = 14;
  const legend = entries.map(([look, words]) => {
    const entry = swatch(look, x, 50) + text(x + 10, 54, FONT_SIZE, 'normal', words);
    x += 34 + words.length * FONT_SIZE * CHARACTER;
    return entry;
  });
  const notes = [
    'lines: 95 % intervals',
    ...(rows.some((row) => row.forgotten) ? ['shaded: forgotten'] : []),
    ...(scale.knee === undefined ? [] : [`logarithmic above ${scale.knee}`]),
  ];
  return `${text(10, 24, 15, '600', title)}${legend.join('')}${text(x, 54, FONT_SIZE, 'normal', notes.join(' · '))}`;
}
