/** Tables of text for a terminal. */
import { padded, printableLine, shortened, widthOf } from './text.ts';

export interface TableColumn {
  readonly title: string;
  /** Numbers stand right; default left. */
  readonly align?: 'left' | 'right';
  /** Whether cells are cut where the table is too wide. */
  readonly flexible?: boolean;
}

const GAP = '  ';
/** A flexible column keeps at least so many columns of the terminal. */
const LEAST_FLEXIBLE = 8;

/**
 * A table with a line of titles.
 *
 * @param width columns of the terminal; flexible columns give way, the widest first
 * @param title how titles are drawn (a colour)
 */
export function table(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  width: number,
  title: (text: string) => string = (text) => text,
): string {
  const cells = rows.map((row) => row.map((cell) => printableLine(cell)));
  const widths = columns.map((column, i) =>
    Math.max(widthOf(column.title), ...cells.map((row) => widthOf(row[i] ?? ''))),
  );
  shrink(columns, widths, width - GAP.length * (columns.length - 1));
  const line = (row: readonly string[], draw: (text: string) => string = (text) => text): string =>
    columns
      .map((column, i) => {
        const size = widths[i] ?? 0;
        return draw(padded(shortened(row[i] ?? '', size), size, column.align === 'right' ? 'left' : 'right'));
      })
      .join(GAP)
      .trimEnd();
  return [
    line(
      columns.map((column) => column.title),
      title,
    ),
    ...cells.map((row) => line(row)),
  ].join('\n');
}

function shrink(columns: readonly TableColumn[], widths: number[], room: number): void {
  for (;;) {
    const excess = widths.reduce((sum, size) => sum + size, 0) - room;
    if (excess <= 0) return;
    let widest = -1;
    columns.forEach((column, i) => {
      const size = widths[i] ?? 0;
      if (column.flexible && size > LEAST_FLEXIBLE && size > (widths[widest] ?? 0)) widest = i;
    });
    if (widest < 0) return;
    const others = columns.flatMap((column, i) => (column.flexible && i !== widest ? [widths[i] ?? 0] : []));
    const next = Math.max(LEAST_FLEXIBLE, ...others.filter((size) => size < (widths[widest] ?? 0)));
    const size = widths[widest] ?? 0;
    widths[widest] = Math.max(next === size ? size - 1 : next, size - excess, LEAST_FLEXIBLE);
  }
}

/** Names and values, one pair a line, the values in one column and wrapped under themselves. */
export function pairs(
  entries: readonly (readonly [string, string])[],
  width: number,
  draw: (text: string) => string = (t) => t,
): string {
  const size = Math.max(0, ...entries.map(([name]) => widthOf(name))) + GAP.length;
  return entries
    .map(([name, value]) => {
      const lines = wrapCell(printableLine(value), Math.max(20, width - size));
      return lines
        .map((line, i) => (i === 0 ? draw(padded(name, size, 'right')) : ' '.repeat(size)) + line)
        .join('\n');
    })
    .join('\n');
}

function wrapCell(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
