/** Benchmark `unlearning`: the work of forgetting a feature of a table, against PyTorch loops that do the same arithmetic. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DataError,
  encodeTable,
  fitSchema,
  openTable,
  SYNTHETIC_CENSUS,
  shareOf,
  splitRows,
  type Table,
} from '@assay/data';
import { concatenateRows } from '@assay/engine';
import { fromFloat32, type Model, type Tensor, trainableInitializers } from '@assay/graph';
import { type Classifier, type Feature, type Rows, Scorer } from '@assay/unlearn';
import { z } from 'zod';
import { rowsOf } from '../apps/cli/src/subject.ts';
import { networkFor, trainClassifier } from '../apps/cli/src/training.ts';
import { ferrariPaper } from '../packages/unlearn/src/methods/ferrari-paper.ts';
import { objectiveOf } from '../packages/unlearn/src/objective.ts';
import { Sampler } from '../packages/unlearn/src/sampler.ts';
import { Curriculum, Student } from '../packages/unlearn/src/student.ts';
import { type Contestant, inTurns, ratioOf, spreadOf, timed, unitsFor } from './measure.ts';
import { findPython, Peer, type Python } from './peer.ts';
import { type Benchmark, type ResultTable, spreadText } from './report.ts';
import { writeTensors } from './tensor-file.ts';

const SEED = 1;
const HIDDEN = [64, 64];
const SHARE = 0.1;
const FEATURE = 'marital-status';
/** λ / s₀: its value does not change the work. */
const PENALTY = 2;
/** Seconds of work of a contestant in one round. */
const ROUND = 0.4;
/** Batches that both sides get alike. */
const GIVEN = 20;
/** The authors' number of perturbations, and batches of one round of our form of their loop. */
const PERTURBATIONS = 20;
const PAPER_BATCHES = 60;
const BATCH = 128;

export const unlearning: Benchmark = {
  name: 'unlearning',
  summary: "forgetting marital status in Adult against PyTorch, and the authors' loop",
  async run({ quick, say }) {
    say('training the model that has to forget');
    const task = await prepare();
    const python = findPython();
    const rows: string[][] = [];
    const data: Record<string, unknown>[] = [];
    say('in turns with PyTorch');
    const { rows: measured, apart } = await measure(task, python, quick ? 3 : 11);
    for (const { label, own: ours, torch: theirs } of measured) {
      const ratio = theirs === undefined ? undefined : ratioOf(theirs, ours);
      const torch = theirs === undefined ? undefined : spreadOf(theirs);
      rows.push([
        label,
        spreadText(spreadOf(ours), 1e3),
        torch === undefined ? 'torch not found' : spreadText(torch, 1e3),
        spreadText(ratio),
      ]);
      data.push({ case: label, assay: spreadOf(ours), torch, speedup: ratio });
    }
    return [table(task, rows, data, apart)];
  },
};

/** A trained model and a requester's rows. */
interface Task {
  readonly name: string;
  readonly classifier: Classifier;
  readonly feature: Feature;
  readonly features: readonly Feature[];
  /** The requester's. */
  readonly rows: Rows;
  /** All training rows: for the loop that passes over its rows once. */
  readonly all: Rows;
  /** Columns of the one input. */
  readonly slots: readonly (readonly [number, number])[];
}

async function prepare(): Promise<Task> {
  using table = await openData();
  const target = 'income';
  const split = { seed: SEED, testFraction: 0.2 };
  const drop = table.columns.some(({ name }) => name === 'fnlwgt') ? ['fnlwgt'] : [];
  const { schema } = await fitSchema(table, { target, drop, split });
  const initial = networkFor(schema, HIDDEN, SEED);
  const { train } = splitRows(table.rows, split);
  const encode = async (wanted: Uint32Array) =>
    rowsOf(await encodeTable(table, schema, { rows: wanted }), initial);
  const all = await encode(train);
  const { model } = await trainClassifier({
    model: initial,
    output: schema.output.name,
    rows: all,
    clients: 1,
    seed: SEED,
    epochs: 2,
  });
  const features = schema.columns.map((column) => ({
    name: column.name,
    kind: column.kind,
    slots: [{ input: column.input, start: column.start, length: column.length }],
  }));
  const feature = features.find(({ name }) => name === FEATURE);
  if (feature === undefined) throw new Error(`There is no column ${FEATURE}.`);
  return {
    name: table.name,
    classifier: { model, output: schema.output, classes: schema.target.classes.length },
    feature,
    features,
    rows: await encode(shareOf(train, SHARE, SEED)),
    all,
    slots: schema.columns.map(({ start, length }) => [start, start + length]),
  };
}

/** Adult where it is at hand; nothing is downloaded for a benchmark. */
async function openData(): Promise<Table> {
  try {
    return await openTable('adult', { download: false });
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return await openTable(SYNTHETIC_CENSUS);
  }
}

/** Seconds per step, round by round. */
interface Measured {
  readonly label: string;
  readonly own: readonly number[];
  readonly torch: readonly number[] | undefined;
}

async function measure(
  task: Task,
  python: Python | undefined,
  rounds: number,
): Promise<{ rows: readonly Measured[]; apart: number | undefined }> {
  const own = await OwnUnlearning.open(task);
  const given = await own.givenBatches();
  const peer = python === undefined ? undefined : await openPeer(task, python, given);
  try {
    const apart = peer === undefined ? undefined : await compare(own, given, peer);
    const works: readonly Work[] = [
      {
        label: 'whole step: batch, teacher, gradient',
        own: (count) => own.steps(count),
        torch: (count) => ({ do: 'same', count, penalty: PENALTY }),
      },
      {
        label: 'gradient step on given batches',
        unit: GIVEN,
        own: (passes) => own.given(given, passes),
        torch: (passes) => ({ do: 'given', penalty: PENALTY, passes }),
      },
      {
        label: `authors' loop, ${PERTURBATIONS} perturbations`,
        own: (count) => paperLoop(task, count),
        torch: (count) => ({ do: 'authors', count, perturbations: PERTURBATIONS, ahead: false }),
      },
      {
        label: "authors' loop, copies made ahead",
        own: (count) => paperLoop(task, count),
        torch: (count) => ({ do: 'authors', count, perturbations: PERTURBATIONS, ahead: true }),
      },
    ];
    const rows: Measured[] = [];
    for (const { label, unit = 1, own: ours, torch: request } of works) {
      const assay = await perStep(ours, unit);
      if (peer === undefined) {
        rows.push({ label, own: (await inTurns({ assay }, rounds)).assay, torch: undefined });
      } else {
        const torch = await perStep((count) => peer.seconds(request(count)), unit);
        const times = await inTurns({ assay, torch }, rounds);
        rows.push({ label, own: times.assay, torch: times.torch });
      }
    }
    return { rows, apart };
  } finally {
    await own.close();
    await peer?.stop();
  }
}

/** Work that both sides do, some number of times. */
interface Work {
  readonly label: string;
  /** Steps in one unit of it; 1 where left out. */
  readonly unit?: number;
  readonly own: (count: number) => Promise<number>;
  /** The request to the peer. */
  readonly torch: (count: number) => Readonly<Record<string, unknown>>;
}

/** Seconds per step of rounds that are long enough to be timed. */
async function perStep(run: (count: number) => Promise<number>, unit: number): Promise<Contestant> {
  await run(1);
  const count = unitsFor((await run(2)) / 2, ROUND);
  return async () => (await run(count)) / (count * unit);
}

type Feeds = Awaited<ReturnType<Curriculum['chunk']>>;

/** The loop of the method `ferrari` without its looks at held-out rows and its adjustments of λ. */
class OwnUnlearning {
  readonly #teacher: Scorer;
  readonly #student: Student;
  readonly #curriculum: Curriculum;
  readonly #objective: ReturnType<typeof objectiveOf>;
  readonly #first: Readonly<Record<string, Tensor>>;
  #step = 0;

  private constructor(
    teacher: Scorer,
    student: Student,
    curriculum: Curriculum,
    objective: ReturnType<typeof objectiveOf>,
    first: Readonly<Record<string, Tensor>>,
  ) {
    this.#teacher = teacher;
    this.#student = student;
    this.#curriculum = curriculum;
    this.#objective = objective;
    this.#first = first;
  }

  static async open({ classifier, feature, features, rows }: Task): Promise<OwnUnlearning> {
    const teacher = await Scorer.open(classifier);
    const objective = objectiveOf(classifier, 2);
    const student = await Student.open(objective, trainableInitializers(classifier.model));
    const teaching = {
      teacher,
      answers: 'conditional',
      useLabels: false,
      classes: classifier.classes,
    } as const;
    const sampler = new Sampler({ rows, features, feature }, SEED);
    const curriculum = new Curriculum(sampler, objective, teaching, rows, 128, SEED);
    return new OwnUnlearning(teacher, student, curriculum, objective, await student.state());
  }

  /** Seconds for some steps, each chunk of batches made while the one before it runs. */
  steps(count: number): Promise<number> {
    return timed(async () => {
      const end = this.#step + count;
      const chunk = (from: number) =>
        this.#curriculum.chunk(from, Math.min(this.#curriculum.chunkSteps, end - from));
      let next: Promise<Feeds> | undefined = chunk(this.#step);
      while (next !== undefined) {
        const ready: Feeds = await next;
        const running = this.#student.run(ready, () => 1e-3, PENALTY);
        this.#step += ready.feeds.length;
        next = this.#step < end ? chunk(this.#step) : undefined;
        await running;
      }
    });
  }

  givenBatches(): Promise<Feeds> {
    return this.#curriculum.chunk(0, GIVEN);
  }

  /** The inputs of given batches as one tensor each, batch by batch. */
  stacked({ feeds }: Feeds): Record<string, Tensor> {
    const { target, distances } = this.#objective;
    const names = Object.keys(feeds[0] ?? {});
    const all = (name: string) => concatenateRows(feeds.flatMap((feed) => feed[name] ?? []));
    return Object.fromEntries(
      names.map((name) => {
        const { elementType, dims, data } = all(name);
        const short = name === target ? 'target' : name === distances ? 'distances' : 'x';
        const shape = [feeds.length, (dims[0] ?? 0) / feeds.length, ...dims.slice(1)];
        return [`prepared.${short}`, { elementType, dims: shape, data }];
      }),
    );
  }

  async given(batches: Feeds, passes: number): Promise<number> {
    await this.#student.restore(this.#first);
    return await timed(async () => {
      for (let pass = 0; pass < passes; pass++) await this.#student.run(batches, () => 1e-3, PENALTY);
    });
  }

  async results(batches: Feeds): Promise<readonly (readonly [number, number])[]> {
    await this.#student.restore(this.#first);
    const results = await this.#student.run(batches, () => 1e-3, PENALTY);
    return results.map(({ agreement, sensitivity }) => [agreement, sensitivity]);
  }

  async close(): Promise<void> {
    await this.#student.close();
    await this.#teacher.close();
  }
}

/** Seconds of some batches of our form of the authors' loop, as timed from the first to the last of a fixed number. */
async function paperLoop({ classifier, feature, features, all }: Task, wanted: number): Promise<number> {
  const rows = firstRows(all, Math.min(all.count, PAPER_BATCHES * BATCH));
  let first: number | undefined;
  let last = 0;
  let batches = 0;
  await ferrariPaper({
    classifier,
    feature,
    features,
    forgotten: [],
    rows,
    heldOut: firstRows(all, 200),
    pool: rows,
    answers: 'conditional',
    judgedBy: 'changes',
    useLabels: false,
    targetSensitivity: 0.02,
    maxAccuracyDrop: 1,
    seed: SEED,
    session: {},
    signal: undefined,
    store: undefined,
    checkpointSeconds: 1e9,
    onProgress: () => {
      last = performance.now();
      batches += 1;
      first ??= last;
    },
  });
  return ((last - (first ?? last)) / 1000 / Math.max(1, batches - 1)) * wanted;
}

function firstRows(rows: Rows, count: number): Rows {
  const inputs = Object.fromEntries(
    Object.entries(rows.inputs).map(([name, { elementType, dims, data }]) => {
      if (!(data instanceof Uint8Array)) throw new Error(`"${name}" holds text`);
      const size = data.byteLength / rows.count;
      return [name, { elementType, dims: [count, ...dims.slice(1)], data: data.slice(0, count * size) }];
    }),
  );
  return { count, inputs, labels: rows.labels?.slice(0, count) };
}

async function openPeer(task: Task, python: Python, given: Feeds): Promise<Peer> {
  const { classifier, rows, features, feature, slots } = task;
  const peer = Peer.start(python, 'unlearning.py', 1);
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  try {
    const tensors = join(folder, 'task');
    const own = await OwnUnlearning.open(task);
    const prepared = own.stacked(given);
    await own.close();
    await writeTensors(tensors, { ...weightsOf(classifier.model), ...prepared, rows: onlyInput(rows) });
    const request = { do: 'open', tensors, hidden: HIDDEN, slots, feature: features.indexOf(feature) };
    await peer.ask(request, z.object({}));
    return peer;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function weightsOf(model: Model): Record<string, Tensor> {
  return Object.fromEntries(
    trainableInitializers(model).flatMap((name) => {
      const value = model.graph.initializers.get(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function onlyInput(rows: Rows): Tensor {
  return Object.values(rows.inputs)[0] ?? fromFloat32([0], new Float32Array());
}

/** The largest relative difference between the two sides' agreement and sensitivity over the given steps. */
async function compare(own: OwnUnlearning, given: Feeds, peer: Peer): Promise<number> {
  const ours = await own.results(given);
  const answer = z.object({ results: z.array(z.tuple([z.number(), z.number()])) });
  const { results } = await peer.ask({ do: 'given', penalty: PENALTY, passes: 1 }, answer);
  const differences = ours.flatMap((pair, step) =>
    pair.map((value, i) => Math.abs(value - (results[step]?.[i] ?? Number.NaN)) / Math.abs(value)),
  );
  return Math.max(...differences);
}

function table(
  { name, rows: { count } }: Task,
  rows: string[][],
  data: Record<string, unknown>[],
  apart: number | undefined,
): ResultTable {
  const checked =
    apart === undefined
      ? 'PyTorch was not found, so nothing is compared.'
      : `On given batches both sides' agreement and sensitivity differ by at most ${apart.toExponential(0)} of their size over ${GIVEN} steps.`;
  return {
    title: `Unlearning on ${name}: ${FEATURE}, MLP ${HIDDEN.join('-')}, ${count} rows of the requester, batch ${BATCH}`,
    notes: [
      "Milliseconds per step and how many times faster than PyTorch: median [quartiles]. The first line is the loop of the method ferrari: rows drawn and mixed, perturbed and replaced, asked of the old model, one step of AdamW. PyTorch's is vectorised over the batch. In the last line the copies are made before and row by row, as the published code does; making them counts.",
      `PyTorch runs on one thread, on which it was fastest at this size; the engine uses one for arithmetic and one to make batches. ${checked}`,
    ],
    columns: ['work', 'assay ms', 'PyTorch ms', 'times faster'],
    rows,
    data,
  };
}
