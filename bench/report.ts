/** What a benchmark gives, and how it is shown on a terminal. */
import type { Spread } from './measure.ts';

/** One table of results. */
export interface ResultTable {
  readonly title: string;
  /** What is measured and compared, in sentences. */
  readonly notes: readonly string[];
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The numbers behind the rows, for `--json`. */
  readonly data: readonly Readonly<Record<string, unknown>>[];
}

/** A benchmark by name. */
export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  run(options: BenchmarkOptions): Promise<readonly ResultTable[]>;
}

export interface BenchmarkOptions {
  /** Fewer repeats and small sizes only: to try the benchmarks out. */
  readonly quick: boolean;
  /** Says what is going on. */
  readonly say: (text: string) => void;
}

const WIDTH = 100;

/** The table as text of at most 100 columns: the first column to the left, numbers to the right. */
export function tableText({ title, notes, columns, rows }: ResultTable): string {
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...rows.map((row) => (row[i] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [title, ...notes.flatMap(wrapped), '', line(columns), rule, ...rows.map(line), ''].join('\n');
}

/** The table in Markdown. */
export function tableMarkdown({ title, columns, rows }: ResultTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = line(columns.map((_, i) => (i === 0 ? '---' : '---:')));
  return [`**${title}**`, '', line(columns), rule, ...rows.map(line), ''].join('\n');
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Three significant digits, without an exponent. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** "1.23 [1.20, 1.31]", scaled. */
export function spreadText(spread: Spread | undefined, scale = 1): string {
  if (spread === undefined) return '-';
  return `${digits(spread.median * scale)} [${digits(spread.low * scale)}, ${digits(spread.high * scale)}]`;
}

/** "1,234,567" */
export function countText(value: number): string {
  return value.toLocaleString('en-US');
}

/** Bytes as MB (10⁶). */
export function megabytes(bytes: number): string {
  return digits(bytes / 1e6);
}
