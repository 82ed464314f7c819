/** Names that were probably meant: Damerau-Levenshtein distance over a list of candidates. */
import { DataError, type DataErrorCode } from './errors.ts';

/**
 * Number of insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`
 * (the "optimal string alignment" form: no part is edited twice).
 */
export function editDistance(a: string, b: string): number {
  const s = [...a];
  const t = [...b];
  let beforeLast = new Array<number>(t.length + 1).fill(0);
  let last = Array.from({ length: t.length + 1 }, (_, j) => j);
  for (let i = 1; i <= s.length; i++) {
    const row = [i];
    for (let j = 1; j <= t.length; j++) {
      const substitution = at(last, j - 1) + (s[i - 1] === t[j - 1] ? 0 : 1);
      let best = Math.min(at(last, j) + 1, at(row, j - 1) + 1, substitution);
      if (i > 1 && j > 1 && s[i - 1] === t[j - 2] && s[i - 2] === t[j - 1])
        best = Math.min(best, at(beforeLast, j - 2) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, t.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? 0;
}

/** Longer names are not compared letter by letter: the time grows with the product of the lengths. */
const COMPARED_LENGTH = 100;

/**
 * The candidate nearest to `name`, if one is near enough to have been meant: at most a third of the letters
 * differ once upper and lower case, blanks, `-`, `_` and `.` are made equal.
 *
 * @example nearestName('martial status', ['marital-status', 'age']) // 'marital-status'
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(name);
  if (wanted.length > COMPARED_LENGTH) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const other = plain(candidate);
    if (other.length > COMPARED_LENGTH || Math.abs(other.length - wanted.length) >= bestDistance) continue;
    const distance = editDistance(wanted, other);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[\s\-_.]+/g, '-');
}

/** The error for a name that is not among those there are, with the nearest one. */
export function unknownName(
  code: DataErrorCode,
  what: string,
  name: string,
  candidates: readonly string[],
  file?: string,
): DataError {
  const suggestion = nearestName(name, candidates);
  const shown =
    candidates.slice(0, 12).join(', ') + (candidates.length > 12 ? `, … (${candidates.length} in all)` : '');
  const hint = suggestion === undefined ? `It has: ${shown}.` : `Did you mean "${suggestion}"?`;
  return new DataError(code, `${what} has no column "${name}". ${hint}`, {
    column: name,
    ...(file === undefined ? {} : { file }),
    ...(suggestion === undefined ? {} : { suggestion }),
  });
}
