/** What has come of a run so far, and the tables of it. */
import {
  type MethodTitle,
  type Network,
  type Preset,
  type Result,
  type RunEvent,
  type ScenarioName,
  STUDY_TABLE_NAMES,
  type StudyTableName,
  type StudyTables,
  studyTablesOf,
  TABLE_NAMES,
  type TableName,
  type Tables,
  tablesOf,
} from '@assay/reproduction';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../failures.ts';
import { count, counted, duration } from '../terminal/text.ts';
import { versions } from '../versions.ts';
import { tablesDocument } from './document.ts';
import type { FileResults } from './store.ts';
import { studiesDocument } from './study-document.ts';
import { isStudyTable } from './study-options.ts';
import { studiesText } from './study-text.ts';
import { tablesText } from './text.ts';

/** The options of the command. */
export interface ReproduceOptions {
  readonly table?: readonly (TableName | StudyTableName)[];
  readonly data?: readonly ScenarioName[];
  readonly method?: readonly string[];
  readonly preset: Preset;
  readonly seeds: number;
  readonly network?: Network;
  readonly threads?: number;
  readonly jobs?: number;
  readonly out: string;
  readonly dryRun?: boolean;
  /** False where only the tables are wanted, of the results that are there. */
  readonly run: boolean;
}

/** What the options come down to. */
export interface Wanted {
  readonly scenarios: readonly ScenarioName[];
  readonly methods: readonly string[];
  readonly seeds: readonly number[];
  readonly preset: Preset;
  readonly network: Network;
}

/** Tables are written anew at most so often while a run goes on, in milliseconds. */
const WRITE = 30_000;
/** A run that takes longer than this, in seconds, gets a word on how it can be stopped. */
const LONG = 120;

/** Takes the events of a run, tells how far it is, and writes its tables. */
export class Tabulation {
  readonly #context: Context;
  readonly #options: ReproduceOptions;
  readonly #wanted: Wanted;
  readonly #methods: readonly MethodTitle[];
  readonly #folder: string;
  readonly #store: FileResults;
  readonly #skipped = new Map<string, string>();
  #cells = 0;
  #done = 0;
  #written = 0;

  constructor(
    context: Context,
    options: ReproduceOptions,
    wanted: Wanted,
    methods: readonly MethodTitle[],
    folder: string,
    store: FileResults,
  ) {
    this.#context = context;
    this.#options = options;
    this.#wanted = wanted;
    this.#methods = methods;
    this.#folder = folder;
    this.#store = store;
  }

  async take(event: RunEvent): Promise<void> {
    const { progress } = this.#context;
    switch (event.kind) {
      case 'plan':
        // Experiments and studies have a plan each.
        this.#cells += event.cells;
        this.#done += event.done;
        await this.#context.say(this.#planText(event));
        return;
      case 'progress': {
        const { scenario, method, seed, done, detail, remainingSeconds } = event;
        const what = `${scenario}, ${method}, seed ${seed}${detail === '' ? '' : `: ${detail}`}`;
        progress.update('Reproducing', done, what, remainingSeconds);
        return;
      }
      case 'result':
      case 'study':
        this.#done += 1;
        if (performance.now() - this.#written > WRITE) await this.write();
        return;
      case 'failed':
        await this.#context.say(
          `- ${event.scenario}, ${event.method}, seed ${event.seed} failed: ${event.why} Nothing of it was kept; the same command tries it again.`,
        );
        return;
      case 'skipped':
        this.#skipped.set(event.scenario, event.why);
        await this.#context.say(`- ${event.scenario} is left out: ${event.why}`);
        return;
      case 'picture':
        // The folder holds it.
        return;
    }
  }

  async dryRun(plan: Extract<RunEvent, { kind: 'plan' }>): Promise<ExitCode> {
    const { scenarios, methods, seeds, preset, network } = this.#wanted;
    const { table, method } = this.#options;
    // A study has methods of its own, of which --method takes some.
    const isByMethods = method !== undefined || table?.every(isStudyTable) !== true;
    await this.#context.show(
      [
        `Scenarios: ${scenarios.join(', ')}`,
        ...(isByMethods ? [`Methods: ${methods.join(', ')}`] : []),
        `Seeds: ${seeds.join(', ')}. Preset: ${preset}. Network for images: ${network}.`,
        this.#planText(plan),
        'Nothing was run.',
      ].join('\n'),
    );
    await this.#context.give({
      command: 'reproduce',
      dry_run: true,
      ...this.#wanted,
      cells: plan.cells,
      done: plan.done,
      estimated_seconds: plan.estimatedSeconds ?? null,
      folder: this.#options.out,
      versions: versions(),
    });
    return EXIT.done;
  }

  /** Writes the tables of what is there. */
  async write(): Promise<{ readonly tables: Tables; readonly studies: StudyTables }> {
    const tables = await this.#tables();
    const studies = await this.#studies();
    // Vega is loaded only where a page is drawn.
    const { writeTables } = await import('./files.ts');
    await writeTables(this.#context.io, this.#folder, {
      tables,
      studies,
      pictures: await this.#store.pictures(),
      commandLine: this.#commandLine(),
      generatedAt: new Date(),
      versions: versions(),
      outstanding: Math.max(0, this.#cells - this.#done),
    });
    this.#written = performance.now();
    return { tables, studies };
  }

  async finish(): Promise<ExitCode> {
    const { style, width } = this.#context;
    this.#context.progress.update('Writing the tables');
    const { tables, studies } = await this.write();
    const { table } = this.#options;
    const texts = [
      ...(table?.every(isStudyTable) ? [] : [tablesText(this.#shown(tables), width, style)]),
      ...(table?.some(isStudyTable) ? [studiesText(studies, width, style)] : []),
    ];
    await this.#context.show([texts.join('\n\n'), '', this.place(), ...this.#advice(tables)].join('\n'));
    await this.#context.give({
      command: 'reproduce',
      ...this.#wanted,
      ...tablesDocument(tables),
      ...studiesDocument(studies),
      folder: this.#options.out,
      versions: versions(),
    });
    return EXIT.done;
  }

  /** Of all tables a terminal gets those of the paper, unless others were asked for; the report has every one. */
  #shown(tables: Tables): Tables {
    if (this.#options.table !== undefined) return tables;
    return { ...tables, tables: tables.tables.filter(({ inPaper }) => inPaper) };
  }

  /** How far the run came. */
  standing(): string {
    return `${count(this.#done)} of ${counted(this.#cells, 'result')} are there.`;
  }

  /** Where the tables are. */
  place(): string {
    return `Report, tables and results: ${this.#options.out}/report.html, tables.csv, tables.json, results${this.#options.table?.some(isStudyTable) ? ', studies.csv, studies' : ''}.`;
  }

  async #tables(): Promise<Tables> {
    const { table } = this.#options;
    const { scenarios } = this.#wanted;
    const found = await this.#store.results();
    return tablesOf(
      found.filter((result) => this.#isWanted(result)),
      {
        scenarios,
        methods: this.#methods,
        skipped: this.#skipped,
        names: table === undefined ? TABLE_NAMES : TABLE_NAMES.filter((name) => table.includes(name)),
      },
    );
  }

  /** Studies that are there are shown in the report whether they were asked for or not, unless other tables were. */
  async #studies(): Promise<StudyTables> {
    const { table } = this.#options;
    const { scenarios, preset, network } = this.#wanted;
    const found = await this.#store.studies();
    return studyTablesOf(
      found.filter((study) => study.preset === preset && study.network === network),
      {
        names:
          table === undefined ? STUDY_TABLE_NAMES : STUDY_TABLE_NAMES.filter((name) => table.includes(name)),
        scenarios,
      },
    );
  }

  /** Of a folder with several set-ups, only what was asked for is shown, and all seeds of it. */
  #isWanted({ method, preset, network, scenario }: Result): boolean {
    const { methods, scenarios } = this.#wanted;
    return (
      preset === this.#wanted.preset &&
      scenarios.some((name) => name === scenario) &&
      (REFERENCES.includes(method) || methods.includes(method)) &&
      (network === this.#wanted.network || !IMAGE_NETWORKS.includes(network))
    );
  }

  #planText({ cells, done, estimatedSeconds }: Extract<RunEvent, { kind: 'plan' }>): string {
    const left = cells - done;
    if (left <= 0) return `All ${counted(cells, 'result')} are there already.`;
    const there = done > 0 ? `${count(done)} of ${counted(cells, 'result')} are there; ` : '';
    const rest = `${there}${done > 0 ? `${count(left)} to go` : `${counted(left, 'result')} to compute`}`;
    const time =
      estimatedSeconds === undefined
        ? 'how long it takes shows when the first is done'
        : `about ${duration(estimatedSeconds)} on this machine`;
    const stop =
      (estimatedSeconds ?? Number.POSITIVE_INFINITY) > LONG
        ? ' Ctrl-C stops it at any time; the same command goes on.'
        : '';
    const text = `${rest}, ${time}.${stop}`;
    return text.charAt(0).toUpperCase() + text.slice(1);
  }

  #advice({ claims, tables }: Tables): readonly string[] {
    const verdicts = [
      ...claims.map(({ verdict }) => verdict),
      ...tables.flatMap(({ blocks }) =>
        blocks.flatMap(({ rows }) =>
          rows.flatMap(({ cells }) => cells.flatMap((cell) => cell.judgement?.verdict ?? [])),
        ),
      ),
    ];
    return verdicts.includes('undecided') && this.#wanted.seeds.length < 5
      ? ['More seeds (--seeds 5) would decide some of what is undecided.']
      : [];
  }

  #commandLine(): string {
    const { table, data, method, preset, seeds, network, out } = this.#options;
    const list = (flag: string, names: readonly string[] | undefined): readonly string[] =>
      names === undefined ? [] : [flag, ...names];
    const { seed } = this.#context.settings;
    return [
      'assay reproduce ferrari',
      ...list('--table', table),
      ...list('--data', data),
      ...list('--method', method),
      `--preset ${preset} --seeds ${seeds} --seed ${seed}`,
      ...(network === undefined ? [] : [`--network ${network}`]),
      `-o ${out}`,
    ].join(' ');
  }
}

/** Methods that the others are measured against. */
const REFERENCES: readonly string[] = ['baseline', 'retrain'];
/** Tables have a network of their own. */
const IMAGE_NETWORKS: readonly string[] = ['cnn', 'resnet18'];
