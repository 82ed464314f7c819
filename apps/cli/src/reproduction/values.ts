/** Numbers of the tables as text, by their unit. */
import type { Finding, Measure, Summary } from '@assay/reproduction';
import { bytes, count, duration, figure } from '../terminal/text.ts';

/** The unit of a measure, or of a quantity that a claim is about. */
export type Unit = Measure['unit'] | Finding['unit'];

const MINUS = '\u2212';

/** A number in its unit: `85.98%`, `−1.2 points`, `0.443`, `3 min 05 s`, `38.2 kB`, `75.7×`. */
export function valueText(value: number, unit: Unit): string {
  if (Number.isNaN(value)) return 'unknown';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : `${MINUS}∞`;
  switch (unit) {
    case 'share':
      return `${fixed(value * 100, 2)}%`;
    case 'points':
      return `${fixed(value * 100, 2)} points`;
    case 'number':
    case 'bits':
      return value < 0 ? MINUS + small(-value) : small(value);
    case 'seconds':
      return value < 1 ? `${Number(Math.max(0, value).toPrecision(2))} s` : duration(value);
    case 'flops':
      return operations(value);
    case 'bytes':
      return bytes(Math.round(value));
    case 'rows':
    case 'steps':
      return count(value);
    case 'times':
      return `${figure(value)}×`;
  }
}

/** Zeros behind the point would take more room than the digits. */
function small(value: number): string {
  return value > 0 && value < 1e-4 ? value.toExponential(1) : figure(value);
}

/** A number as the paper prints it: with no digits beyond those. */
export function paperText(value: number, unit: Unit): string {
  return unit === 'number' ? String(value) : valueText(value, unit);
}

/** The interval of a number without its unit said twice: `85.2–86.6%`; empty where there is none. */
export function intervalText({ lower, upper, over }: Summary, unit: Unit): string {
  if (over === 'none') return '';
  const from = valueText(lower, unit);
  const to = valueText(upper, unit);
  // The same for every seed: the number itself says it.
  if (from === to && over === 'seeds') return '';
  const shared = /(%|×| [a-zA-Z]+)$/.exec(to)?.[0] ?? '';
  const left = shared !== '' && from.endsWith(shared) ? from.slice(0, -shared.length) : from;
  // A dash between numbers with signs reads as one of them.
  return from.startsWith(MINUS) || /[a-zA-Z]/.test(left) ? `${left} to ${to}` : `${left}–${to}`;
}

/** What an interval is over, for a legend. */
export function overText({ over, seeds }: Summary): string {
  switch (over) {
    case 'seeds':
      return `over ${seeds} seeds`;
    case 'rows':
      return 'over rows, one seed';
    case 'range':
      return `median and range of ${seeds} seeds`;
    case 'none':
      return 'one seed';
  }
}

function fixed(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

function operations(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
  const power = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${figure(value / 1000 ** power)} ${units[power]}FLOP`;
}
