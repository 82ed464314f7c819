/** Colours, where the terminal shows them and the person wants them. */
import type { Output } from '../io.ts';

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warning(text: string): string;
}

/**
 * Colours on a terminal; none elsewhere, with `NO_COLOR`, or on a terminal that calls itself dumb.
 *
 * @see https://no-color.org
 */
export function styleFor(output: Output, environment: Readonly<Record<string, string | undefined>>): Style {
  const off = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  const draw = (code: number) => (text: string) =>
    output.isTTY && !off && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text;
  return { bold: draw(1), dim: draw(2), good: draw(32), bad: draw(31), warning: draw(33) };
}
