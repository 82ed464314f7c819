/** A number over the settings of an ablation: a line for each method, with intervals. */
import type { Estimated } from '@assay/reproduction';
import { GRID, type Look } from './palette.ts';
import { type Across, type Down, drawSvg, type Layer } from './svg.ts';

export interface SettingsChart {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  /** What is varied. */
  readonly axis: string;
  /** Settings in their order, the same distance apart. */
  readonly settings: readonly string[];
  readonly lines: readonly {
    readonly look: Look;
    /** One for each setting; undefined where nothing was measured. */
    readonly values: readonly (Estimated | undefined)[];
  }[];
  readonly unit: 'share' | 'number';
  /** What a number is to be held against, such as that before. */
  readonly marks: readonly { readonly label: string; readonly value: number }[];
  readonly width: number;
  readonly height: number;
  readonly ink: string;
}

const MARGINS = { top: 10, right: 18, bottom: 40, left: 56 };
/** Lines beside each other at one setting stand so far apart, as a part of the distance between settings. */
const APART = 0.06;
/** Part of the height from which on a mark is named below its line. */
const NEAR_TOP = 0.9;
/** What lies further above all marks than this is drawn at the top. */
const HIGHEST = 1.5;

/** The chart as SVG text. */
export async function drawSettings(chart: SettingsChart): Promise<string> {
  const { id, title, description, settings, unit, ink } = chart;
  const width = chart.width - MARGINS.left - MARGINS.right;
  const height = chart.height - MARGINS.top - MARGINS.bottom;
  const [low, high] = domainOf(chart);
  const inside = (value: number): number => Math.max(low, Math.min(high, value));
  // Labels must not run into each other where the page is narrow.
  const every = Math.ceil((settings.length * longest(settings) * 6.5) / width);
  const names = settings.map((label, i) => (i % every === 0 ? label : ''));
  const x: Across = {
    field: 'x',
    type: 'quantitative',
    scale: { domain: [-0.4, settings.length - 0.6], nice: false },
    axis: {
      title: chart.axis,
      titlePadding: 4,
      grid: false,
      values: settings.map((_, i) => i),
      labelExpr: `${JSON.stringify(names)}[datum.value]`,
    },
  };
  const y = (field: string): Down => ({
    field,
    type: 'quantitative',
    scale: { domain: [low, high], nice: false, zero: false },
    axis: {
      title: null,
      tickCount: 5,
      ...(unit === 'share'
        ? { labelExpr: "format(datum.value * 100, '.4~r') + '\u202f%'" }
        : { format: '~r' }),
    },
  });
  const layers: Layer[] = [
    ...chart.marks.flatMap(({ label, value }): readonly Layer[] => {
      const data = { values: [{ value: inside(value), label }] };
      // Above a line at the top there is no room.
      const place =
        inside(value) > low + NEAR_TOP * (high - low)
          ? ({ baseline: 'top', dy: 4 } as const)
          : ({ baseline: 'bottom', dy: -3 } as const);
      return [
        { data, mark: { type: 'rule', color: GRID, strokeDash: [4, 3] }, encoding: { y: y('value') } },
        {
          data,
          mark: { type: 'text', align: 'right', ...place, fontSize: 11, color: ink },
          encoding: { y: y('value'), x: { value: width }, text: { field: 'label', type: 'nominal' } },
        },
      ];
    }),
    ...chart.lines.flatMap(({ look, values }, i): readonly Layer[] => {
      const shift = (i - (chart.lines.length - 1) / 2) * APART;
      const data = {
        values: values.flatMap((found, at) =>
          found === undefined || !Number.isFinite(found.value)
            ? []
            : [
                {
                  x: at + shift,
                  value: inside(found.value),
                  lower: inside(found.lower),
                  upper: inside(found.upper),
                },
              ],
        ),
      };
      const { colour, shape } = look;
      return [
        {
          data,
          mark: { type: 'line', color: colour, strokeWidth: 1.5, opacity: 0.8 },
          encoding: { x, y: y('value') },
        },
        {
          data,
          mark: { type: 'rule', color: colour, strokeWidth: 1.2 },
          encoding: { x, y: y('lower'), y2: { field: 'upper' } },
        },
        {
          data,
          mark: { type: 'point', shape, size: 42, filled: true, color: colour, opacity: 1 },
          encoding: { x, y: y('value') },
        },
      ];
    }),
  ];
  return drawSvg({ id, title, description, width, height, margins: MARGINS, ink, layers });
}

function longest(labels: readonly string[]): number {
  return Math.max(1, ...labels.map((label) => label.length)) + 1;
}

/** Shares are seen close up; other numbers begin at 0. */
function domainOf({ lines, marks, unit }: SettingsChart): readonly [number, number] {
  const values = [
    ...lines.flatMap(({ values: found }) => found.flatMap((one) => one?.value ?? [])),
    ...marks.map(({ value }) => value),
  ].filter(Number.isFinite);
  const highest = Math.max(0, ...values);
  if (unit === 'number') {
    const most = Math.max(0, ...marks.map(({ value }) => value));
    return [0, (most > 0 ? Math.min(highest, most * HIGHEST) : highest) * 1.06 || 1];
  }
  const bounds = lines.flatMap(({ values: found }) =>
    found.flatMap((one) => (one === undefined ? [] : [one.lower, one.upper])),
  );
  const lowest = Math.min(1, ...values, ...bounds.filter(Number.isFinite));
  const top = Math.max(highest, ...bounds.filter(Number.isFinite));
  const room = Math.max(0.002, 0.05 * (top - lowest));
  return [Math.max(0, lowest - room), Math.min(1, top + room)];
}
