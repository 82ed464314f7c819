/** Numbers as a reader of a report wants them: digits that mean something, thin spaces, intervals. */
import type { Estimate } from '@assay/unlearn';

/** Narrow no-break space: before a unit, and around the dash of an interval. */
const THIN = '\u202f';
/** A thin space at which a line may end. */
const THIN_BREAK = '\u2009';
const MINUS = '\u2212';
const UNKNOWN = 'unknown';

/** A whole number in groups of three: `48,842`. */
export function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A count with its noun: `1 row`, `48,842 rows`. */
export function counted(value: number, noun: string): string {
  return `${whole(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** A fraction in per cent with fixed decimals: `85.9 %`. */
export function percent(fraction: number, decimals = 1): string {
  return Number.isFinite(fraction) ? `${fixed(fraction * 100, decimals)}${THIN}%` : UNKNOWN;
}

/** A fraction that may be small, in per cent with two digits that count: `7.3 %`, `0.012 %`, `0 %`. */
export function smallPercent(fraction: number): string {
  if (!Number.isFinite(fraction)) return UNKNOWN;
  const size = Math.abs(fraction) * 100;
  if (size > 0 && size < 0.0005) return `<${THIN}0.001${THIN}%`;
  return `${bare(fixed(fraction * 100, decimalsFor(size, 1, 2)))}${THIN}%`;
}

/** A difference of two fractions in percentage points with its sign: `−0.1 points`. */
export function points(difference: number): string {
  if (!Number.isFinite(difference)) return UNKNOWN;
  const size = Math.abs(difference * 100);
  const text = fixed(size, size < 0.095 ? 2 : 1);
  if (Number(text) === 0) return size === 0 ? 'no change' : `less than 0.01 points`;
  return `${difference < 0 ? MINUS : '+'}${text} ${text === '1.0' ? 'point' : 'points'}`;
}

/** An amount of accuracy, in points without a sign: `1 point`, `0.5 points`. */
export function pointsOf(fraction: number): string {
  const text = bare(fixed(fraction * 100, 2));
  return `${text} ${text === '1' ? 'point' : 'points'}`;
}

/** A sensitivity, divergence or probability with three digits that count: `0.443`, `0.00031`, `0`. */
export function figure(value: number): string {
  if (Number.isNaN(value)) return UNKNOWN;
  if (!Number.isFinite(value)) return value > 0 ? '∞' : `${MINUS}∞`;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-6 || size >= 1e6) return exponential(value);
  return fixed(value, decimalsFor(size, 2, size < 0.1 ? 2 : 3));
}

/** A change with its sign, in the digits of a formatter: `+0.031`, `−0.443`, `0`. */
export function change(value: number, format: (size: number) => string): string {
  const text = format(Math.abs(value));
  if (Number.isNaN(value)) return text;
  return Number(text) === 0 ? '0' : `${value < 0 ? MINUS : '+'}${text}`;
}

/** The 95 % interval of an estimate, in the digits of a formatter. */
export function interval({ lower, upper }: Estimate, format: (value: number) => string): string {
  if (Number.isNaN(lower) || Number.isNaN(upper)) return UNKNOWN;
  // A mean of numbers that cannot be negative is 0 only where all of them are.
  if (lower === 0 && upper === 0) return 'for every row';
  const from = format(lower);
  const to = format(upper);
  // The unit is said once, at the end.
  return `${from.replace(/\u202f%$/, '')}${THIN}–${THIN_BREAK}${to}`;
}

/** A formatter with the decimals of a value, for the bounds beside it. */
export function decimalsOf(value: number): (bound: number) => string {
  const text = figure(value);
  const decimals = /^\u2212?\d+\.(\d+)$/.exec(text)?.[1]?.length;
  if (decimals === undefined) return figure;
  return (bound) => (Number.isFinite(bound) && bound !== 0 ? fixed(bound, decimals) : figure(bound));
}

/** A point in time, to the minute: `2026-03-01 14:05 UTC`. */
export function minute(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Decimals that leave `digits` digits that count, and at least `least`. */
function decimalsFor(size: number, least: number, digits: number): number {
  if (size === 0) return least;
  return Math.min(8, Math.max(least, digits - 1 - Math.floor(Math.log10(size))));
}

function fixed(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** Without zeros that say nothing: `0.0` is `0`, `1.00` is `1`. */
function bare(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹';

function exponential(value: number): string {
  const [mantissa = '', exponent = '0'] = value.toExponential(1).split('e');
  const raised = exponent
    .replace('+', '')
    .replace(/[-\d]/g, (digit) => (digit === '-' ? '⁻' : (RAISED[Number(digit)] ?? '')));
  return `${mantissa.replace('-', MINUS)}${THIN}×${THIN}10${raised}`;
}
