/** Benchmarks `rows` and `features`: time and memory as tables grow longer and wider. */
import { mkdtemp, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { inRepository, runChild } from './child.ts';
import { type MadeUpTable, type TableFormat, writeTable } from './made-up-table.ts';
import { type Benchmark, countText, digits, megabytes, type ResultTable } from './report.ts';

/** Seconds after which a size is given up, and every larger one with it. */
const LIMIT = 120;
/** Part of the free disk that a file may take. */
const DISK_SHARE = 0.25;
const FEATURES = 10;
const ROWS = 5000;

type Work = 'stream' | 'train';

const PHASES: Readonly<Record<Work, readonly string[]>> = {
  stream: ['read', 'schema', 'encode'],
  train: ['read', 'schema', 'encode', 'epoch', 'sensitivity'],
};

export const rowScaling: Benchmark = {
  name: 'rows',
  summary: 'time and memory against rows, CSV and Parquet, 1k to 10M',
  async run({ quick, say }) {
    const sizes = quick ? [1_000, 10_000] : [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    const cases = sizes.map((rows) => ({ rows, features: FEATURES }));
    const shown = ({ rows }: MadeUpTable) => countText(rows);
    return [
      await scale('stream', ['csv', 'parquet'], cases, shown, say, {
        title: `Reading and encoding batch by batch: rows (${FEATURES} features)`,
        first: 'rows',
      }),
      await scale('train', ['csv', 'parquet'], cases, shown, say, {
        title: `Reading, encoding in memory, one pass of training, sensitivity: rows (${FEATURES} features)`,
        first: 'rows',
      }),
    ];
  },
};

export const featureScaling: Benchmark = {
  name: 'features',
  summary: 'time and memory against features, 10 to 10,000',
  async run({ quick, say }) {
    const sizes = quick ? [10, 100] : [10, 100, 300, 1_000, 10_000];
    const cases = sizes.map((features) => ({ rows: ROWS, features }));
    return [
      await scale('train', ['csv', 'parquet'], cases, ({ features }) => countText(features), say, {
        title: `Reading, encoding in memory, one pass of training, sensitivity: features (${countText(ROWS)} rows)`,
        first: 'features',
      }),
    ];
  },
};

async function scale(
  work: Work,
  formats: readonly TableFormat[],
  cases: readonly MadeUpTable[],
  shown: (table: MadeUpTable) => string,
  say: (text: string) => void,
  { title, first }: { readonly title: string; readonly first: string },
): Promise<ResultTable> {
  const rows: string[][] = [];
  const data: Record<string, unknown>[] = [];
  for (const format of formats) {
    let given: string | undefined;
    for (const table of cases) {
      const label = [shown(table), format];
      if (given === undefined) {
        say(`${work}, ${format}, ${label[0]} ${first}`);
        const measured = await measure(work, format, table);
        rows.push([...label, ...measured.cells]);
        data.push({ work, format, ...table, ...measured.numbers });
        given = measured.stopped;
      } else {
        rows.push([...label, ...PHASES[work].map(() => '-'), '-', '-', 'not tried']);
        data.push({ work, format, ...table, skipped: given });
      }
    }
  }
  return {
    title,
    notes: [
      `Seconds per phase and in all (start of the process to its exit), and peak resident memory in MB (10⁶ bytes); one run each. A size that takes longer than ${LIMIT} s is given up, and larger ones are not tried.`,
    ],
    columns: [first, 'format', ...PHASES[work], 'in all', 'MB', ''],
    rows,
    data,
  };
}

const phaseSchema = z.object({ phase: z.string(), seconds: z.number() });

async function measure(
  work: Work,
  format: TableFormat,
  table: MadeUpTable,
): Promise<{ cells: readonly string[]; numbers: Record<string, unknown>; stopped: string | undefined }> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  const none = [...PHASES[work].map(() => '-'), '-', '-'];
  try {
    const { bavail, bsize } = await statfs(folder);
    // About 4 characters per value; Parquet takes less.
    if (table.rows * table.features * 4 > bavail * bsize * DISK_SHARE) {
      return { cells: [...none, 'no room on disk'], numbers: {}, stopped: 'no room on disk' };
    }
    const path = join(folder, `table.${format}`);
    await writeTable(path, format, table);
    const { size } = await stat(path);
    const child = await runChild(
      ['--conditions=@assay/source', inRepository('bench/scaling-child.ts'), path, work],
      { limit: LIMIT },
    );
    const phases = new Map(
      child.stdout
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => phaseSchema.parse(JSON.parse(line)))
        .map(({ phase, seconds }) => [phase, seconds]),
    );
    const stopped = child.timedOut
      ? `over ${LIMIT} s`
      : child.code === 0
        ? undefined
        : shortened(child.stderr);
    return {
      cells: [
        ...PHASES[work].map((phase) => digits(phases.get(phase) ?? Number.NaN)),
        child.timedOut ? '-' : digits(child.seconds),
        child.usage === undefined ? '-' : megabytes(child.usage.peakBytes),
        stopped ?? '',
      ],
      numbers: {
        fileBytes: size,
        phases: Object.fromEntries(phases),
        seconds: child.seconds,
        usage: child.usage,
        stopped,
      },
      stopped,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The message of the error that a program ended with, cut to fit into a table. */
function shortened(stderr: string): string {
  const line = stderr.split('\n').findLast((text) => /^\w*Error/.test(text)) ?? 'failed';
  const message = line.replace(/^\w+( \[\w+\])?: /, '');
  return message.length > 34 ? `${message.slice(0, 33)}…` : message;
}
