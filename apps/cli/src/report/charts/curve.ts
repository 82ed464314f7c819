/** How a run went: one panel for each number that was watched on the held-out rows. */
import type { CurvePoint, MethodName } from '@assay/unlearn';
import { after, GRID } from './palette.ts';
import { type Across, type Down, drawSvg, type Layer } from './svg.ts';

/** What was watched. */
export type Watched = 'sensitivity' | 'divergence' | 'agreement';

export interface CurveChart {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly watched: Watched;
  readonly runs: readonly {
    readonly method: MethodName;
    readonly curve: readonly CurvePoint[];
    readonly targetSensitivity: number;
  }[];
  readonly width: number;
  readonly height: number;
  readonly ink: string;
}

/** More looks than pixels say nothing more. */
const MOST_POINTS = 400;
/** With more looks than these the line alone is drawn. */
const MOST_MARKS = 40;
/** Beyond this a model gives no sensible numbers. */
const LARGEST = 1e6;

const MARGINS = { top: 10, right: 16, bottom: 38, left: 52 };

/** The panel as SVG text. */
export async function drawCurve(chart: CurveChart): Promise<string> {
  const { id, title, description, watched, ink } = chart;
  const width = chart.width - MARGINS.left - MARGINS.right;
  const height = chart.height - MARGINS.top - MARGINS.bottom;
  const runs = chart.runs.map((run) => ({ ...run, curve: thinned(run.curve) }));
  const values = runs.flatMap((run) => run.curve.map((point) => point[watched])).filter(Number.isFinite);
  const axis =
    watched === 'sensitivity'
      ? shares(
          values,
          runs.map((run) => run.targetSensitivity),
        )
      : plain(watched, values);
  const last = Math.max(1, ...runs.flatMap((run) => run.curve.map((point) => point.step)));
  const x: Across = {
    field: 'step',
    type: 'quantitative',
    scale: { domain: [0, last], nice: false },
    axis: { title: 'step', values: [...stepTicks(last)], format: 'd', grid: false, titlePadding: 4 },
  };
  const y: Down = {
    field: 'value',
    type: 'quantitative',
    scale: { type: axis.logarithmic ? 'log' : 'linear', domain: [...axis.domain], nice: false },
    axis: { title: null, values: [...axis.ticks], labelExpr: axis.labels },
  };
  const zero: readonly Layer[] =
    axis.zero === undefined
      ? []
      : [
          {
            data: { values: [{ value: axis.zero }] },
            mark: { type: 'rule', color: GRID, opacity: 0.7 },
            encoding: { y },
          },
        ];
  const layers: Layer[] = [
    ...zero,
    ...axis.targets.flatMap((target) => targetLine(target, width, y, ink)),
    ...runs.flatMap((run) => line(run, watched, axis, { x, y }, ink)),
  ];
  return drawSvg({ id, title, description, width, height, margins: MARGINS, ink, layers });
}

function targetLine(target: number, width: number, y: Down, ink: string): readonly Layer[] {
  const data = { values: [{ value: target, label: 'target' }] };
  return [
    { data, mark: { type: 'rule', color: ink, strokeDash: [4, 3], opacity: 0.8 }, encoding: { y } },
    {
      data,
      mark: { type: 'text', align: 'right', baseline: 'bottom', dy: -3, fontSize: 11, color: ink },
      encoding: { y, x: { value: width }, text: { field: 'label', type: 'nominal' } },
    },
  ];
}

/** The line of a run with its looks, the returned one in a ring. */
function line(
  { method, curve }: CurveChart['runs'][number],
  watched: Watched,
  axis: Axis,
  encoding: { readonly x: Across; readonly y: Down },
  ink: string,
): readonly Layer[] {
  const { colour, shape } = after(method);
  const points = curve
    .filter((point) => Number.isFinite(point[watched]))
    .map((point) => ({ step: point.step, value: axis.place(point[watched]), chosen: point.chosen }));
  const few = points.length <= MOST_MARKS ? points : [];
  const chosen = { values: points.filter((point) => point.chosen) };
  return [
    {
      data: { values: points },
      mark: { type: 'line', color: colour, strokeWidth: 1.75, strokeJoin: 'round' },
      encoding,
    },
    {
      data: { values: few },
      mark: { type: 'point', shape, size: 16, filled: true, color: colour, opacity: 1 },
      encoding,
    },
    {
      data: chosen,
      mark: { type: 'point', shape, size: 50, filled: true, color: colour, opacity: 1 },
      encoding,
    },
    {
      data: chosen,
      mark: {
        type: 'point',
        shape: 'circle',
        size: 190,
        filled: false,
        stroke: ink,
        strokeWidth: 1.5,
        opacity: 1,
      },
      encoding,
    },
  ];
}

interface Axis {
  readonly logarithmic: boolean;
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  /** A Vega expression for the text of a tick. */
  readonly labels: string;
  readonly targets: readonly number[];
  /** Where a value stands on the axis. */
  readonly place: (value: number) => number;
  /** Where 0 stands, if that is not its own place. */
  readonly zero: number | undefined;
}

/** Shares of the original on a logarithmic axis; 0 has none there, so it gets a line of its own below the rest. */
function shares(values: readonly number[], targets: readonly number[]): Axis {
  const positive = [...values, ...targets].filter((value) => value > 0);
  const lowest = Math.floor(Math.log10(Math.min(1, ...positive)) + 1e-9);
  // Below a millionth, and that is rounding, all counts as the lowest decade.
  const bottom = Math.max(-6, lowest);
  const hasZero = values.some((value) => value <= 0);
  const zero = 10 ** (bottom - 1);
  const top = Math.max(1, ...values.map((value) => Math.min(LARGEST, value))) * 1.25;
  const decades = Array.from({ length: 1 - bottom }, (_, i) => 10 ** (bottom + i)).filter(
    (decade) => decade <= top,
  );
  const every = decades.length > 5 ? 2 : 1;
  const shown = decades.filter((_, i) => (decades.length - 1 - i) % every === 0);
  return {
    logarithmic: true,
    domain: [hasZero ? zero : 10 ** bottom, top],
    ticks: hasZero ? [zero, ...shown] : shown,
    labels: hasZero
      ? `datum.value < ${zero * 3} ? '0' : format(datum.value * 100, '~r') + '\u202f%'`
      : `format(datum.value * 100, '~r') + '\u202f%'`,
    targets: [...new Set(targets)].filter((target) => target > 0),
    place: (value) => (value <= 0 ? zero : Math.min(top, Math.max(10 ** bottom, value))),
    zero: hasZero ? zero : undefined,
  };
}

function plain(watched: 'divergence' | 'agreement', values: readonly number[]): Axis {
  const share = watched === 'agreement';
  const place = (value: number): number => Math.max(0, Math.min(share ? 1 : LARGEST, value));
  const placed = values.map(place);
  const low = share ? Math.min(1, ...placed) : 0;
  const high = share ? 1 : Math.max(0, ...placed);
  // A flat curve gets an axis all the same.
  const span = Math.max(high - low, share ? 0.01 : 1e-6);
  const from = share ? 1 - span * 1.12 : 0;
  const to = share ? 1 + span * 0.03 : span * 1.08;
  return {
    logarithmic: false,
    domain: [from, to],
    ticks: ticks(from, share ? 1 : to),
    labels: share ? `format(datum.value * 100, '.4~r') + '\u202f%'` : `format(datum.value, '~r')`,
    targets: [],
    place,
    zero: undefined,
  };
}

/** Multiples of 1, 2 or 5 between two numbers, three to six of them. */
function ticks(from: number, to: number): readonly number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) =>
    Number(((first + i) * step).toPrecision(8)),
  );
}

function stepTicks(last: number): readonly number[] {
  return ticks(0, last).filter(Number.isInteger);
}

function thinned(curve: readonly CurvePoint[]): readonly CurvePoint[] {
  const every = Math.ceil(curve.length / MOST_POINTS);
  return curve.filter((point, i) => i % every === 0 || i === curve.length - 1 || point.chosen);
}
