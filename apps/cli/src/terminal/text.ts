/** Text for a terminal: width, wrapping, numbers, and nothing that would steer it. */

/** Begins a colour. */
const ESCAPE = String.fromCharCode(27);

/** Text with control characters replaced, so that a name from a file cannot steer the terminal; line breaks stay. */
export function printable(text: string): string {
  // Also the characters that reverse the direction of writing, with which text can be made to look like another.
  return text.replace(/[[\p{Cc}\p{Bidi_Control}]--[\n]]/gv, '\ufffd');
}

/** Printable text in which colours stay. */
export function printableInColour(text: string): string {
  // Cut at the colours: what lies between them is text like any other.
  return text
    .split(/(\p{Cc}\[\d{1,2}m)/u)
    .map((part, i) => (i % 2 === 1 && part.startsWith(ESCAPE) ? part : printable(part)))
    .join('');
}

/** One line of printable text. */
export function printableLine(text: string): string {
  return printable(text).replaceAll('\n', '\ufffd');
}

/** Characters that take two columns (East Asian wide and fullwidth forms, emoji). */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const MARKS = /\p{Mn}|\p{Me}|\u200d|\ufe0f/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a colour
const COLOUR = /\u001b\[[0-9;]*m/g;

/** Columns that a text takes on a terminal; colours take none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text.replace(COLOUR, '')) {
    if (!MARKS.test(character)) width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

/** The text cut to a width, with … at the end where something is missing. It must not hold colours. */
export function shortened(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let out = '';
  let used = 0;
  for (const character of text) {
    const next = widthOf(character);
    if (used + next > width - 1) break;
    out += character;
    used += next;
  }
  return `${out}…`;
}

/** Padded with blanks to a width. */
export function padded(text: string, width: number, side: 'left' | 'right'): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)));
  return side === 'left' ? blanks + text : text + blanks;
}

/** Lines of at most `width` columns, broken at blanks; what follows a break begins as the line does, and with `indent`. Lines that fit stay as they are. */
export function wrapped(text: string, width: number, indent = ''): string {
  return text
    .split('\n')
    .map((line) => (widthOf(line) <= width ? line : broken(line, width, indent)))
    .join('\n');
}

function broken(text: string, width: number, indent: string): string {
  const begin = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = begin;
  for (const word of text.trimStart().split(' ')) {
    const candidate = line.trim() === '' ? line + word : `${line} ${word}`;
    if (line.trim() !== '' && widthOf(candidate) > width) {
      lines.push(line);
      line = begin + indent + word;
    } else line = candidate;
  }
  return [...lines, line].join('\n');
}

/** A fraction as per cent: `85.9%`. */
export function percent(fraction: number, digits = 1): string {
  return Number.isFinite(fraction) ? `${(fraction * 100).toFixed(digits)}%` : 'unknown';
}

/** A whole number with thin groups of three digits: `48,842`. */
export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A count with its noun: `1 row`, `48,842 rows`. */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}

/** Three significant digits, without exponents where it can be: `0.443`, `12.0`, `0.00031`. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'unknown' : value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-5 || size >= 1e6) return value.toExponential(1);
  if (size >= 100) return value.toFixed(0);
  return value.toPrecision(3).replace(/e.*/, '');
}

/** Bytes in the unit that reads best: `38.2 kB`. */
export function bytes(size: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${value} ${value === 1 ? 'byte' : 'bytes'}` : `${value.toFixed(1)} ${units[unit]}`;
}

/** A duration: `0.8 s`, `42 s`, `3 min 05 s`, `2 h 10 min`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

/** A horizontal bar for `value` on a scale that ends at `largest`, `width` columns at most, in eighths of a column. */
export function bar(value: number, largest: number, width: number): string {
  if (!(value > 0) || !(largest > 0)) return '';
  const eighths = Math.max(1, Math.round(Math.min(1, value / largest) * width * 8));
  return '█'.repeat(Math.floor(eighths / 8)) + (['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? '');
}
