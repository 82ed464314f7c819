/** Benchmark `commands`: whole commands from the start of the process to its exit, with the most memory that it held. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError, openTable, SYNTHETIC_CENSUS } from '@assay/data';
import { type ChildResult, CLI_FROM_SOURCE, inRepository, runChild } from './child.ts';
import { type Spread, spreadOf } from './measure.ts';
import { type Benchmark, digits, megabytes, spreadText } from './report.ts';

const FEATURE = 'marital-status';

interface CommandCase {
  readonly label: string;
  /** @param out a file that does not exist yet */
  readonly argv: (data: string, model: string, out: string) => readonly string[];
  /** Seconds that it is meant to stay under. */
  readonly aim: number | undefined;
}

const unlearnWith = (method: string, share: string, aim: number | undefined): CommandCase => ({
  label: `unlearn --method ${method}${share === '1' ? '' : ` --share ${share}`}`,
  argv: (data, model, out) => [
    ...['unlearn', model, '--data', data, '--feature', FEATURE],
    ...['--method', method, '--share', share, '-o', out],
  ],
  aim,
});

const CASES: readonly CommandCase[] = [
  { label: '--version', argv: () => ['--version'], aim: undefined },
  {
    label: 'train',
    argv: (data, _, out) => ['train', data, ...(data === 'adult' ? ['--drop', 'fnlwgt'] : []), '-o', out],
    aim: undefined,
  },
  { label: 'inspect', argv: (_, model) => ['inspect', model], aim: undefined },
  { label: 'sensitivity', argv: (data, model) => ['sensitivity', model, '--data', data], aim: undefined },
  unlearnWith('exact', '0.1', 5),
  unlearnWith('exact', '1', 5),
  unlearnWith('ferrari', '0.1', 15),
  unlearnWith('ferrari', '1', 15),
];

/** Bytes that each command is meant to stay under. */
const MEMORY_AIM = 600e6;

export const wholeCommands: Benchmark = {
  name: 'commands',
  summary: 'whole commands on Adult, process start to exit, with peak memory',
  async run({ quick, say }) {
    const data = await dataName();
    const repeats = quick ? 1 : 5;
    const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
    try {
      const model = join(folder, 'model.onnx');
      say(`training a model on ${data}`);
      const trained = await runChild([...CLI_FROM_SOURCE, ...trainArguments(data, model)]);
      if (trained.code !== 0) throw new Error(`training failed: ${trained.stderr}`);
      const rows: string[][] = [];
      const numbers: Record<string, unknown>[] = [];
      for (const { form, program } of programs()) {
        for (const one of CASES) {
          say(`${form}: ${one.label}`);
          const results: ChildResult[] = [];
          for (let repeat = 0; repeat < repeats; repeat++) {
            const out = join(folder, 'out.onnx');
            await rm(out, { force: true });
            results.push(await runChild([...program, '--quiet', '--json', ...one.argv(data, model, out)]));
          }
          const seconds = spreadOf(results.map((result) => result.seconds));
          const processor = spreadOf(results.map(({ usage }) => usage?.processorSeconds ?? Number.NaN));
          const peaks = spreadOf(results.map(({ usage }) => usage?.peakBytes ?? Number.NaN));
          const codes = [...new Set(results.map(({ code }) => code ?? 'ended'))];
          rows.push([
            one.label,
            form,
            spreadText(seconds),
            digits(processor.median),
            one.aim === undefined ? '-' : aimText(seconds, one.aim),
            megabytes(peaks.high),
            aimText(peaks, MEMORY_AIM, '< 600'),
            codes.join(', '),
          ]);
          numbers.push({
            command: one.label,
            form,
            seconds,
            processor,
            aim: one.aim,
            peakBytes: peaks,
            codes,
          });
        }
      }
      return [
        {
          title: `Whole commands on ${data}, from the start of the process to its exit`,
          notes: [
            `Seconds: median [quartiles] of ${repeats} runs; CPU: median of the seconds that all threads computed, which others on the machine do not add to; memory: the upper quartile of the peak resident memory, in MB (10⁶ bytes), with the aim beside each. "source" is run with types stripped; "dist" is the compiled program.`,
          ],
          columns: ['command', 'form', 'seconds', 'CPU', 'aim', 'MB', 'aim', 'exit'],
          rows,
          data: numbers,
        },
      ];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

function trainArguments(data: string, model: string): readonly string[] {
  return ['--quiet', 'train', data, ...(data === 'adult' ? ['--drop', 'fnlwgt'] : []), '-o', model];
}

/** Adult where it is at hand; nothing is downloaded for a benchmark. */
async function dataName(): Promise<string> {
  try {
    using _ = await openTable('adult', { download: false });
    return 'adult';
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return SYNTHETIC_CENSUS;
  }
}

function programs(): readonly { readonly form: string; readonly program: readonly string[] }[] {
  const compiled = inRepository('apps/cli/dist/main.js');
  return [
    { form: 'source', program: CLI_FROM_SOURCE },
    ...(existsSync(compiled) ? [{ form: 'dist', program: [compiled] }] : []),
  ];
}

function aimText(reached: Spread, aim: number, shown = `< ${aim}`): string {
  return `${shown} ${reached.median < aim ? 'met' : 'missed'}`;
}
