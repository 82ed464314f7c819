/** How a text file is laid out: its separator and whether its first record names the columns, told from its first bytes. */

/** Layout of delimited text (quotes are `"`, doubled inside, as in RFC 4180). */
export interface Dialect {
  readonly delimiter: string;
  /** Whether the first record holds the names. */
  readonly header: boolean;
  /** The first record. */
  readonly first: readonly string[];
}

const DELIMITERS = [',', ';', '\t', '|'] as const;
/** Records that the guess looks at. */
const LOOKED_AT = 100;

/**
 * Tells the dialect from the start of a text.
 *
 * The separator is the one that cuts the records into the same number of cells, and more than one. The first record
 * holds names unless one of its cells is a number.
 *
 * @param cut whether the text goes on after `head`, so that its last record may be incomplete
 */
export function sniffDialect(
  head: string,
  cut: boolean,
  given: { readonly delimiter?: string; readonly header?: boolean },
): Dialect | undefined {
  const candidates = given.delimiter === undefined ? DELIMITERS : [given.delimiter];
  let best: { delimiter: string; records: readonly (readonly string[])[]; score: number } | undefined;
  for (const delimiter of candidates) {
    const records = readRecords(head, delimiter, LOOKED_AT, cut);
    const cells = records[0]?.length ?? 0;
    const same = records.filter((record) => record.length === cells).length / Math.max(1, records.length);
    const score = cells > 1 ? same : 0;
    if (best === undefined || score > best.score) best = { delimiter, records, score };
  }
  const first = best?.records[0];
  if (best === undefined || first === undefined) return undefined;
  const header = given.header ?? !first.some((cell) => isNumber(cell));
  return { delimiter: best.delimiter, header, first };
}

function isNumber(cell: string): boolean {
  return cell.trim() !== '' && Number.isFinite(Number(cell.trim()));
}

/** The first records of delimited text, empty lines left out. */
export function readRecords(
  text: string,
  delimiter: string,
  most: number,
  cut: boolean,
): readonly (readonly string[])[] {
  const records: string[][] = [];
  let record: string[] = [];
  let cell = '';
  let quoted = false;
  let wasQuoted = false;
  const endCell = (): void => {
    record.push(wasQuoted ? cell : cell.trim());
    cell = '';
    wasQuoted = false;
  };
  const endRecord = (): void => {
    const empty = record.length === 0 && cell === '' && !wasQuoted;
    endCell();
    if (!empty) records.push(record);
    record = [];
  };
  for (let i = 0; i < text.length && records.length < most; i++) {
    const character = text[i] ?? '';
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[i + 1] === '"') {
        cell += '"';
        i++;
      } else quoted = false;
    } else if (character === '"' && cell.trim() === '') {
      quoted = true;
      wasQuoted = true;
      cell = '';
    } else if (character === delimiter) endCell();
    else if (character === '\n' || character === '\r') {
      if (character === '\r' && text[i + 1] === '\n') i++;
      endRecord();
    } else cell += character;
  }
  if (records.length < most && !cut && (cell !== '' || record.length > 0)) endRecord();
  return records;
}
