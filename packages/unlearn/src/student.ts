/** The model being changed: its training session, fed batch by batch with the teacher's answers. */
import { openTrainable, type Session, type SessionOptions, withOptimizer } from '@assay/engine';
import { fromFloat32, type Model, type Tensor, tensor, withInitializers } from '@assay/graph';
import { RandomStream } from '@assay/random';
import type { Anchor } from './anchor.ts';
import { UnlearnError } from './errors.ts';
import { type Bounds, pixelsOf } from './feature/bounds.ts';
import type { Objective } from './objective.ts';
import { type Batch, type Sampler, stackRows, type Variants } from './sampler.ts';
import { probabilities, type Scorer } from './scorer.ts';
import { bytesOf, floats, type Rows, takeRows } from './subject.ts';

/** Steps that go to the worker in one message, at most. */
const CHUNK = 20;
/** Bytes of inputs in one message, at most. */
const CHUNK_BYTES = 64 * 2 ** 20;
/** Values that a marginal teacher averages over. */
const MARGINAL_DRAWS = 4;

/** What one step gave. */
export interface StepResult {
  readonly agreement: number;
  /** In the units of the scores; 0 without variants. */
  readonly sensitivity: number;
}

/** What the teacher says about a batch. */
export interface Teaching {
  readonly teacher: Scorer;
  /** Who answers. */
  readonly answers: Anchor['answers'];
  /** Whether known labels count as much as the teacher. */
  readonly useLabels: boolean;
  readonly classes: number;
}

/** Inputs of several steps, ready to send. */
export interface Chunk {
  readonly from: number;
  readonly feeds: readonly Record<string, Tensor>[];
}

/** A source of batches: the same step of the same seed always gives the same batch, whatever came before. */
export class Curriculum {
  readonly #sampler: Sampler;
  readonly #objective: Objective;
  readonly #teaching: Teaching;
  readonly #seed: number;
  readonly #batch: number;
  /** Steps per chunk. */
  readonly chunkSteps: number;

  /** @param size rows per step; fewer of rows so large that a step would not fit into a message */
  constructor(
    sampler: Sampler,
    objective: Objective,
    teaching: Teaching,
    rows: Rows,
    size: number,
    seed: number,
  ) {
    this.#sampler = sampler;
    this.#objective = objective;
    this.#teaching = teaching;
    this.#seed = seed;
    const rowSize = Object.values(rows.inputs).reduce(
      (sum, value) => sum + bytesOf(value).byteLength / rows.count,
      0,
    );
    const copies = objective.distances === undefined ? 1 : 3;
    this.#batch = Math.max(8, Math.min(size, Math.floor(CHUNK_BYTES / (rowSize * copies))));
    this.chunkSteps = Math.max(
      1,
      Math.min(CHUNK, Math.floor(CHUNK_BYTES / (rowSize * copies * this.#batch))),
    );
  }

  /** The steps `from` … of a run, without λ and the learning rate. */
  async chunk(from: number, count: number): Promise<Chunk> {
    const drawn = Array.from({ length: count }, (_, i) => {
      const random = new RandomStream(this.#seed, `unlearn/step/${from + i}`);
      const batch = this.#sampler.batch(this.#batch, random);
      const variants =
        this.#objective.distances === undefined ? undefined : this.#sampler.variants(batch.rows, random);
      const marginal =
        this.#teaching.answers === 'marginal'
          ? Array.from({ length: MARGINAL_DRAWS }, () => this.#sampler.fromMarginal(batch.rows, random))
          : [batch.rows];
      return { batch, variants, marginal };
    });
    const targets = await this.#targets(drawn);
    const feeds = drawn.map(({ batch, variants }, i) => {
      const target = targets[i] ?? new Float32Array();
      const usable = this.#answered(target);
      if (usable === undefined) return this.#feed(batch.rows, variants, target);
      const others = variants && { ...variants, rows: variants.rows.map((rows) => takeRows(rows, usable)) };
      return this.#feed(
        takeRows(batch.rows, usable),
        others && { ...others, distances: takeEach(others.distances, usable, 1) },
        takeEach(target, usable, this.#teaching.classes),
      );
    });
    return { from, feeds };
  }

  /**
   * For each row of a batch one that the teacher has an answer to: itself, or else the next one. A row made from others
   * may lie where the model has none, such as below 0 under a logarithm. Undefined if every row has one.
   */
  #answered(target: Float32Array): Uint32Array | undefined {
    const { classes } = this.#teaching;
    const isAnswered = Array.from({ length: this.#batch }, (_, row) =>
      target.subarray(row * classes, (row + 1) * classes).every((value) => Number.isFinite(value)),
    );
    if (isAnswered.every(Boolean)) return undefined;
    const rows = isAnswered.flatMap((answered, row) => (answered ? [row] : []));
    const [first] = rows;
    if (first === undefined) {
      throw new UnlearnError(
        'diverged',
        "The old model's answers on the requester's rows are no finite numbers, so nothing can be learned from them.",
      );
    }
    return Uint32Array.from(isAnswered, (_, row) => rows.find((other) => other >= row) ?? first);
  }

  /** Target probabilities of each batch: one run of the teacher for all of them. */
  async #targets(
    drawn: readonly { readonly batch: Batch; readonly marginal: readonly Rows[] }[],
  ): Promise<readonly Float32Array[]> {
    const { teacher, classes, answers, useLabels } = this.#teaching;
    if (answers === 'labels') return drawn.map(({ batch }) => oneHot(batch.labels, this.#batch, classes));
    const scores = await teacher.scores(stackRows(drawn.flatMap(({ marginal }) => marginal)));
    const all = this.#objective.matches === 'scores' ? scores.values : probabilities(scores, classes);
    const size = this.#batch * classes;
    let at = 0;
    return drawn.map(({ batch, marginal }) => {
      const target = new Float32Array(size);
      for (let draw = 0; draw < marginal.length; draw++) {
        for (let i = 0; i < size; i++) target[i] = (target[i] ?? 0) + (all[at + i] ?? 0) / marginal.length;
        at += size;
      }
      if (useLabels && this.#objective.matches === 'probabilities') {
        batch.labels?.forEach((label, row) => {
          if (label < 0) return;
          for (let k = 0; k < classes; k++) {
            const i = row * classes + k;
            target[i] = ((target[i] ?? 0) + (k === label ? 1 : 0)) / 2;
          }
        });
      }
      return target;
    });
  }

  #feed(rows: Rows, variants: Variants | undefined, target: Float32Array): Record<string, Tensor> {
    const { classes } = this.#teaching;
    const others = variants?.rows ?? [];
    const { region } = this.#objective;
    const feed: Record<string, Tensor> = {
      ...(region === undefined ? stackRows([rows, ...others]).inputs : rows.inputs),
      ...(region === undefined ? {} : { [region.patches]: patchesOf(others, region.bounds) }),
      [this.#objective.target]: fromFloat32([this.#batch, classes], target),
    };
    if (variants !== undefined && this.#objective.distances !== undefined) {
      feed[this.#objective.distances] = fromFloat32([variants.distances.length], variants.distances);
    }
    return feed;
  }
}

/** A rectangle of the images of several batches, one below the other. */
function patchesOf(batches: readonly Rows[], bounds: Bounds): Tensor {
  const { images, region } = bounds;
  const { inputs } = stackRows(batches);
  const rows = batches.reduce((sum, { count }) => sum + count, 0);
  const value = inputs[images.input];
  const pixels = value === undefined ? new Float32Array() : pixelsOf(floats(value), rows, bounds);
  return fromFloat32([rows, images.channels, region.height, region.width], pixels);
}

/** Probability 1 for the class of each row. */
function oneHot(labels: Int32Array | undefined, rows: number, classes: number): Float32Array {
  const target = new Float32Array(rows * classes);
  labels?.forEach((label, row) => {
    if (label >= 0) target[row * classes + label] = 1;
  });
  return target;
}

/** The given rows of `values`, which hold `width` numbers a row, once or several times all rows one below the other. */
function takeEach(values: Float32Array, rows: Uint32Array, width: number): Float32Array {
  const size = rows.length * width;
  return values.map((_, i) => {
    const [part, within] = [Math.floor(i / size), i % size];
    return values[part * size + (rows[Math.floor(within / width)] ?? 0) * width + (within % width)] ?? 0;
  });
}

/** A training session of a student. */
export class Student {
  readonly #session: Session;
  readonly #objective: Objective;
  readonly #learningRate: string;
  readonly #initial: Readonly<Record<string, Tensor>>;
  readonly parameters: readonly string[];

  private constructor(
    session: Session,
    objective: Objective,
    learningRate: string,
    initial: Readonly<Record<string, Tensor>>,
    parameters: readonly string[],
  ) {
    this.#session = session;
    this.#objective = objective;
    this.#learningRate = learningRate;
    this.#initial = initial;
    this.parameters = parameters;
  }

  static async open(
    objective: Objective,
    parameters: readonly string[],
    options: SessionOptions = {},
  ): Promise<Student> {
    if (parameters.length === 0)
      throw new UnlearnError('not-applicable', 'The model has no weights that could be trained.');
    const step = withOptimizer(objective.model, {
      loss: objective.loss,
      parameters,
      optimizer: { kind: 'adamw', weightDecay: 0 },
    });
    const session = await openTrainable(step, options);
    return new Student(session, objective, step.learningRate, step.initialState, parameters);
  }

  get provider(): string {
    return this.#session.provider;
  }

  /** Runs the steps of a chunk. */
  async run(
    chunk: Chunk,
    rate: (step: number) => number,
    lambda: number,
    signal?: AbortSignal,
  ): Promise<readonly StepResult[]> {
    const { agreement, sensitivity } = this.#objective;
    const outputs = sensitivity === undefined ? [agreement] : [agreement, sensitivity];
    const feeds = chunk.feeds.map((feed, i) => ({
      ...feed,
      [this.#learningRate]: tensor('float32', [], [rate(chunk.from + i)]),
      ...(this.#objective.lambda === undefined
        ? {}
        : { [this.#objective.lambda]: tensor('float32', [], [lambda]) }),
    }));
    const results = await this.#session.runMany(
      feeds,
      signal === undefined ? { outputs } : { outputs, signal },
    );
    return results.map((result) => {
      const value = {
        agreement: scalarOf(result[agreement]),
        sensitivity: sensitivity === undefined ? 0 : scalarOf(result[sensitivity]),
      };
      if (!Number.isFinite(value.agreement) || !Number.isFinite(value.sensitivity)) {
        throw new UnlearnError(
          'diverged',
          'The numbers stopped being finite while unlearning; the rows may hold extreme values, or the model may take a logarithm or a root of what becomes negative when the feature is changed.',
        );
      }
      return value;
    });
  }

  /** The current weights, by initializer name. */
  weights(): Promise<Record<string, Tensor>> {
    return this.#session.held(this.parameters);
  }

  /** Everything that is carried from step to step. */
  state(): Promise<Record<string, Tensor>> {
    return this.#session.held(Object.keys(this.#initial));
  }

  async restore(state: Readonly<Record<string, Tensor>>): Promise<void> {
    await this.#session.hold(state);
  }

  /** Puts everything back to where it began. */
  async restart(): Promise<void> {
    await this.#session.hold(this.#initial);
  }

  /** Keeps the weights and starts the optimiser afresh. */
  async resetOptimizer(): Promise<void> {
    const fresh = Object.entries(this.#initial).filter(([name]) => !this.parameters.includes(name));
    await this.#session.hold(Object.fromEntries(fresh));
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}

function scalarOf(value: Tensor | undefined): number {
  if (value === undefined) return Number.NaN;
  const bytes = bytesOf(value);
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
}

/** A model with the student's weights in place of its own. */
export function withWeights(model: Model, weights: Readonly<Record<string, Tensor>>): Model {
  return withInitializers(model, new Map(Object.entries(weights)));
}
