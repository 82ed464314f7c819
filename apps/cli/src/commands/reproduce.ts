/** `assay reproduce ferrari`: the paper's experiments run again, its tables beside ours. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import {
  type MethodTitle,
  type RunEvent,
  type RunOptions,
  SCENARIO_NAMES,
  STUDY_TABLE_NAMES,
  type StudyOptions,
  scenariosOf,
  TABLE_NAMES,
} from '@assay/reproduction';
import { Argument, type Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { type ExitCode, Interrupted, UsageError } from '../failures.ts';
import { planFolder } from '../files.ts';
import { wholeNumber } from '../options.ts';
import { FileResults } from '../reproduction/store.ts';
import { isStudyTable, studyOptions } from '../reproduction/study-options.ts';
import { type ReproduceOptions, Tabulation, type Wanted } from '../reproduction/tabulation.ts';
import type { Action } from '../run.ts';

/** What the command runs; tests put their own in its place. */
export interface Runner {
  readonly methods: readonly MethodTitle[];
  readonly reproduce: (options: RunOptions) => AsyncGenerator<RunEvent>;
  /** Ablations, shares of the data, the theorem: they are run where they are asked for by name; none if not given. */
  readonly studies?: (options: StudyOptions) => AsyncGenerator<RunEvent>;
}

/** Subsets of images and their networks take half a gigabyte a job; whole sets may take all that there is. */
const MOST_JOBS = 4;

function jobsFor({ preset, threads = 1 }: ReproduceOptions): number {
  if (preset === 'full') return 1;
  return Math.max(1, Math.min(MOST_JOBS, Math.floor(availableParallelism() / threads)));
}

export function addReproduce(program: Command, action: Action): void {
  program
    .command('reproduce')
    .summary("run a paper's experiments again, its tables beside ours")
    .description(
      "Runs the experiments of the Ferrari paper (NeurIPS 2024) again and lays each of its tables beside ours: the paper's number, ours with a 95% interval, and a verdict. Says beforehand what it will take; may be stopped with Ctrl-C at any time, and goes on where it was when the same command is given again.",
    )
    .addArgument(new Argument('<paper>', 'which paper').choices(['ferrari']))
    .addOption(
      new Option(
        '--table <names...>',
        `only these tables; ${STUDY_TABLE_NAMES.join(', ')} are run only where they are named`,
      ).choices([...TABLE_NAMES, ...STUDY_TABLE_NAMES]),
    )
    .addOption(new Option('--data <scenarios...>', 'only these scenarios').choices(SCENARIO_NAMES))
    .option('--method <names...>', 'only these methods')
    .addOption(
      new Option('--preset <preset>', "quick: subsets, in minutes; full: the paper's set-up, in days")
        .choices(['quick', 'full'])
        .default('quick'),
    )
    .option(
      '--seeds <number>',
      'how often each experiment is run, with seeds from --seed on',
      wholeNumber(1, 100),
      1,
    )
    .addOption(
      new Option(
        '--network <network>',
        'network for images (default: cnn with quick, resnet18 with full)',
      ).choices(['cnn', 'resnet18']),
    )
    .option('--threads <number>', 'threads of the runtime in each job (default: 1)', wholeNumber(1, 1024))
    .option(
      '--jobs <number>',
      `scenarios and seeds that are run side by side; they slow each other's times (default: as the cores allow, at most ${MOST_JOBS}; full: 1)`,
      wholeNumber(1, 1024),
    )
    .addOption(
      new Option('-o, --out <folder>', 'folder for results and tables; a run goes on from it').default(
        'assay-ferrari',
      ),
    )
    .option('--dry-run', 'say what would be run and what it would take, and run nothing')
    .option('--no-run', 'make the tables of the results that are there, and run nothing')
    .addHelpText(
      'after',
      `
Examples:
  $ assay reproduce ferrari                       every table, in short
  $ assay reproduce ferrari --dry-run
  $ assay reproduce ferrari --table backdoor --data mnist --seeds 5
  $ assay reproduce ferrari --data adult diabetes --preset full --seeds 5
  $ assay reproduce ferrari --table shares theorem --data adult --seeds 3
  $ assay reproduce ferrari --no-run              tables of what is there so far
`,
    )
    .action(async (_paper: string, options: ReproduceOptions) => {
      await action(async (context) => {
        const { METHODS, reproduce, studies } = await import('@assay/reproduction');
        return await reproduceFerrari(context, options, { methods: METHODS, reproduce, studies });
      });
    });
}

/** Runs what is not there yet, writes the tables, and shows them. */
export async function reproduceFerrari(
  context: Context,
  options: ReproduceOptions,
  runner: Runner,
): Promise<ExitCode> {
  const { signal, settings } = context;
  const wanted = wantedOf(options, runner.methods, settings.seed);
  const folder = options.dryRun === true ? resolve(options.out) : await planFolder(options.out);
  const store = new FileResults(context.io, folder);
  const run: RunOptions = {
    ...wanted,
    folder: store,
    signal,
    ...(settings.dataDir === undefined ? {} : { dataDir: settings.dataDir }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    jobs: options.jobs ?? jobsFor(options),
  };
  const report = new Tabulation(context, options, wanted, runner.methods, folder, store);
  if (!options.run) return await report.finish();

  const plans: Extract<RunEvent, { kind: 'plan' }>[] = [];
  let stopped: unknown;
  try {
    for (const events of runsOf(options, run, runner)) {
      for await (const event of events) {
        if (event.kind === 'plan' && options.dryRun === true) {
          plans.push(event);
          // A look at the plan costs nothing: leaving the loop ends the run before it began.
          break;
        }
        await report.take(event);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    stopped = error;
  }
  if (options.dryRun === true) return await report.dryRun(together(plans));
  if (!signal.aborted) return await report.finish();
  // What is whole is shown all the same.
  await report.write();
  throw new Interrupted(
    `Stopped. ${report.standing()} ${report.place()} The same command goes on from there.`,
    { cause: stopped },
  );
}

/** The experiments, unless studies alone were asked for; and the studies that were. */
function runsOf(
  { table, method }: ReproduceOptions,
  run: RunOptions,
  runner: Runner,
): readonly AsyncGenerator<RunEvent>[] {
  const asked = studyOptions(table ?? [], run, method);
  return [
    ...(table?.every(isStudyTable) ? [] : [runner.reproduce(run)]),
    ...(asked === undefined || runner.studies === undefined ? [] : [runner.studies(asked)]),
  ];
}

/** The plans of several runs as one. */
function together(
  plans: readonly Extract<RunEvent, { kind: 'plan' }>[],
): Extract<RunEvent, { kind: 'plan' }> {
  const seconds = plans.map(({ estimatedSeconds }) => estimatedSeconds);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return {
    kind: 'plan',
    cells: sum(plans.map(({ cells }) => cells)),
    done: sum(plans.map(({ done }) => done)),
    estimatedSeconds: seconds.includes(undefined) ? undefined : sum(seconds.map((value) => value ?? 0)),
  };
}

function wantedOf(options: ReproduceOptions, methods: readonly MethodTitle[], seed: number): Wanted {
  const { preset, seeds } = options;
  const names = methods.map(({ name }) => name);
  const unknown = options.method?.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`There is no method ${unknown}. The methods are: ${names.join(', ')}.`);
  }
  const inTables = new Set(
    (options.table ?? ['claims']).flatMap((name) => scenariosOf(isStudyTable(name) ? 'claims' : name)),
  );
  const scenarios = SCENARIO_NAMES.filter(
    (name) => inTables.has(name) && (options.data === undefined || options.data.includes(name)),
  );
  if (scenarios.length === 0) {
    throw new UsageError(
      `No scenario is left: --data ${options.data?.join(' ')} has no part in --table ${options.table?.join(' ')}.`,
    );
  }
  return {
    scenarios,
    methods: names.filter((name) => options.method === undefined || options.method.includes(name)),
    seeds: Array.from({ length: seeds }, (_, i) => seed + i),
    preset,
    network: options.network ?? (preset === 'full' ? 'resnet18' : 'cnn'),
  };
}
