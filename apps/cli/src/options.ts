/** Reads the values of options; a value that cannot be is wrong use, with a sentence that says what can. */
import { InvalidArgumentError } from 'commander';

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      most === Number.MAX_SAFE_INTEGER
        ? `It is a whole number of at least ${least}.`
        : `It is a whole number from ${least} to ${most}.`,
    );
  };
}

/** A number from 0 (exclusive, if so said) to 1. */
export function fraction(options: { readonly aboveZero: boolean }): (text: string) => number {
  return (text) => {
    const value = /^\d*\.?\d+(e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (value <= 1 && (options.aboveZero ? value > 0 : value >= 0)) return value;
    throw new InvalidArgumentError(
      `It is a number ${options.aboveZero ? 'above 0 and at most 1' : 'from 0 to 1'}.`,
    );
  };
}

/** Whole numbers with commas between them: `64,64`; `none` for no number. */
export function widths(text: string): readonly number[] {
  if (text === 'none') return [];
  const values = text.split(',').map((part) => (/^\s*\d{1,6}\s*$/.test(part) ? Number(part) : 0));
  if (values.every((value) => value >= 1 && value <= 65_536) && values.length <= 64) return values;
  throw new InvalidArgumentError('It is a list of layer widths such as 64,64 (or none for a linear model).');
}

/** Names with commas between them. */
export function names(text: string): readonly string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** For an option that may be given several times. */
export function collected(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** A day of the calendar, as 2026-11-22. */
export function day(text: string): string {
  const found = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined;
  if (found !== undefined && !Number.isNaN(found.getTime()) && found.toISOString().startsWith(text))
    return text;
  throw new InvalidArgumentError('It is a day, as 2026-11-22.');
}
