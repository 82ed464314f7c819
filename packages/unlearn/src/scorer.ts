/** Runs a classifier over rows: scores (logits where the model has them), probabilities, predictions. */
import { EngineError, exposeWeights, openSession, type Session, type SessionOptions } from '@assay/engine';
import {
  GraphBuilder,
  inferShapes,
  type Model,
  namesIn,
  scoresBehind,
  type Tensor,
  tensor,
  toFloat32,
  toNumbers,
  upgradeModel,
} from '@assay/graph';
import { RandomStream } from '@assay/random';
import { fixedBatch, withDynamicBatch } from './batch-axis.ts';
import { COPIES_PER_IMAGE, ConeScorer } from './cone-scorer.ts';
import { UnlearnError } from './errors.ts';
import { boundsOf } from './feature/bounds.ts';
import { perturb } from './feature/feature.ts';
import { type Classifier, type Feature, type Rows, takeRows } from './subject.ts';

/** What the numbers of a score matrix are. */
export type ScoreKind = 'logits' | 'probabilities' | 'margin' | 'probability' | 'label';

/** The value of a model whose change is measured, and what it is. */
export interface ScoreValue {
  /** Name of the value in the graph. */
  readonly name: string;
  readonly kind: ScoreKind;
}

/**
 * The scores of a classifier: its logits, found behind a final softmax or sigmoid where the output is a probability,
 * so that sensitivities of different models can be compared; otherwise the output itself.
 */
export function scoreValue(classifier: Classifier): ScoreValue {
  const { model, output } = classifier;
  const zipped = model.graph.nodes.find(
    (node) => node.domain === 'ai.onnx.ml' && node.op === 'ZipMap' && node.outputs.includes(output.name),
  )?.inputs[0];
  // scikit-learn's converter wraps the matrix of probabilities into maps from class to probability.
  if (zipped !== undefined && output.kind !== 'label') return behindOf(model, { ...output, name: zipped });
  const isThere = model.graph.outputs.some(({ name }) => name === output.name);
  if (!isThere) {
    const names = model.graph.outputs.map(({ name }) => `"${name}"`).join(', ');
    throw new UnlearnError(
      'not-a-classifier',
      `The model has no output named "${output.name}"; its outputs are ${names}.`,
    );
  }
  return behindOf(model, output);
}

/** What an output is called in a schema that really gives the scores of another kind. */
const MISTAKEN = {
  softmax: { is: 'probabilities', not: 'logits' },
  sigmoid: { is: 'probability', not: 'margin' },
};

function behindOf(model: Model, output: Classifier['output']): ScoreValue {
  const { kind } = scoresBehind(model.graph, output.name);
  const mistaken = kind === 'softmax' || kind === 'sigmoid' ? MISTAKEN[kind] : undefined;
  if (mistaken !== undefined && output.kind === mistaken.not) {
    throw new UnlearnError(
      'not-a-classifier',
      `Output "${output.name}" comes out of a ${kind}, so it is not the ${mistaken.not} that the schema says. Say "kind: ${mistaken.is}" there.`,
    );
  }
  if (output.kind === 'probabilities' || output.kind === 'probability') {
    const behind = scoresBehind(model.graph, output.name);
    if (output.kind === 'probabilities' && behind.kind === 'softmax')
      return { name: behind.name, kind: 'logits' };
    if (output.kind === 'probability' && behind.kind === 'sigmoid')
      return { name: behind.name, kind: 'margin' };
  }
  return output;
}

/** The model with its scores, `columns` numbers a row, as its only output. */
export function withScores(classifier: Classifier): {
  model: Model;
  scores: string;
  kind: ScoreKind;
  columns: number;
} {
  const { name, kind } = scoreValue(classifier);
  const model = upgradeModel(classifier.model);
  const build = new GraphBuilder(namesIn(model.graph));
  const scores = build.fresh('scores');
  const type = inferShapes(model).typeOf(name);
  const graph = {
    ...model.graph,
    nodes: [
      ...model.graph.nodes,
      { op: 'Identity', domain: '', name: '', inputs: [name], outputs: [scores], attributes: {} },
    ],
    outputs: [{ name: scores, type }],
  };
  const columns = kind === 'logits' || kind === 'probabilities' ? classifier.classes : 1;
  return { model: { ...model, graph }, scores, kind, columns };
}

/** Scores of rows: `values` holds `columns` numbers for each. */
export interface Scores {
  readonly rows: number;
  /** C for logits and probabilities, 1 otherwise. */
  readonly columns: number;
  readonly values: Float32Array;
  readonly kind: ScoreKind;
}

/** Rows that go through the model in one run. */
const BATCH = 4096;

/** Rows on which a model made for a fixed number of rows is compared with itself made for any, at least. */
const COMPARED = 8;
/** Cones whose sessions are kept, as each holds the weights once more; a region has two where its images are scored as well. */
const MOST_CONES = 4;
/** How far both may differ, absolutely and relatively: rounding. */
const ROUNDING = 1e-4;

/** How far probabilities may lie outside [0, 1], and their sum from 1. */
const TOLERANCE = 0.01;

/** What further sessions of the same model are opened with. */
interface Source {
  readonly model: Model;
  readonly options: SessionOptions;
}

/** A classifier ready to run. */
export class Scorer {
  #session: Session;
  readonly #scores: string;
  readonly #classes: number;
  readonly kind: ScoreKind;
  /** The batch that the model insists on, if it does. */
  #fixedBatch: number | undefined;
  /** Whether the scores need not be looked at any more. */
  #isChecked = false;
  /** The model for any number of rows, until it is known whether it gives the same. */
  #candidate: Session | undefined;
  readonly #source: Source;
  /** The weights that can be replaced, as they are now. */
  #weights: Readonly<Record<string, Tensor>> | undefined;
  /** By input and rectangle; undefined where it is not worth one. */
  readonly #cones = new Map<string, ConeScorer | undefined>();

  private constructor(
    session: Session,
    candidate: Session | undefined,
    source: Source,
    scores: string,
    kind: ScoreKind,
    classes: number,
  ) {
    this.#session = session;
    this.#candidate = candidate;
    this.#source = source;
    this.#scores = scores;
    this.kind = kind;
    this.#classes = classes;
    const first = session.inputs[0]?.shape[0];
    this.#fixedBatch = typeof first === 'number' ? first : undefined;
  }

  static async open(classifier: Classifier, options: SessionOptions = {}): Promise<Scorer> {
    const { model, scores, kind } = withScores(classifier);
    const session = await openSession(model, options);
    const candidate =
      fixedBatch(model) === undefined
        ? undefined
        : await unlessRefused(() => openSession(withDynamicBatch(model), options));
    return new Scorer(session, candidate, { model, options }, scores, kind, classifier.classes);
  }

  /** A scorer whose weights can be replaced by {@link load}: for looks at a model that is being trained. */
  static async openLoadable(
    classifier: Classifier,
    parameters: readonly string[],
    options: SessionOptions = {},
  ): Promise<Scorer> {
    const { model, scores, kind } = withScores(classifier);
    // What can be trained has been found to take any number of rows.
    const exposed = exposeWeights(withDynamicBatch(model), parameters);
    const session = await openSession(exposed.model, options);
    await session.hold(exposed.weights);
    const scorer = new Scorer(session, undefined, { model, options }, scores, kind, classifier.classes);
    scorer.#weights = exposed.weights;
    // A student on its way may be anywhere.
    scorer.#isChecked = true;
    return scorer;
  }

  /** Takes other weights, by initializer name; only for a scorer made by {@link openLoadable}. */
  async load(weights: Readonly<Record<string, Tensor>>): Promise<void> {
    await this.#session.hold(weights);
    this.#weights = { ...this.#weights, ...weights };
    for (const cone of this.#cones.values()) await cone?.load(weights);
  }

  get provider(): string {
    return this.#session.provider;
  }

  /** Rows per run that the model insists on; undefined where it takes any number. Known after the first scores. */
  get fixedBatch(): number | undefined {
    return this.#fixedBatch;
  }

  /** @throws UnlearnError `not-a-classifier` if the output is not a row of scores per row of input */
  async scores(rows: Rows): Promise<Scores> {
    if (this.#candidate !== undefined) await this.#tryCandidate(this.#candidate, rows);
    const scores = await this.#scoresBy(this.#session, this.#fixedBatch, rows);
    if (!this.#isChecked) this.#check(scores);
    return scores;
  }

  /**
   * The scores of changed copies of the same rows, copy by copy. Where the feature is one rectangle of all images, only
   * what it reaches is computed, with the same result to rounding.
   *
   * @param changes copies that differ from `base` in the feature alone; each is asked for when its turn comes, and at most
   *   {@link COPIES_PER_IMAGE} rectangles are kept at a time
   */
  scoresOfChanges(base: Rows, feature: Feature, changes: Iterable<Rows>): AsyncGenerator<Scores> {
    return this.#changed(base, feature, changes, false);
  }

  /** The scores of the rows themselves, and then those of changed copies as by {@link scoresOfChanges}; faster than one after the other. */
  scoresWithChanges(base: Rows, feature: Feature, changes: Iterable<Rows>): AsyncGenerator<Scores> {
    return this.#changed(base, feature, changes, true);
  }

  async *#changed(
    base: Rows,
    feature: Feature,
    changes: Iterable<Rows>,
    areOwnWanted: boolean,
  ): AsyncGenerator<Scores> {
    // The first scores of a model are looked at, and are those of the model as it is.
    const withOwn = areOwnWanted && this.#isChecked;
    if (areOwnWanted && !withOwn) yield await this.scores(base);
    const cone = await this.#coneOf(base, feature, withOwn);
    if (cone === undefined) {
      if (withOwn) yield await this.scores(base);
      for (const rows of changes) yield await this.scores(rows);
      return;
    }
    const scoresOf = (values: Float32Array): Scores => {
      const { kind } = this;
      return { rows: base.count, columns: this.#columns, values, kind };
    };
    let waiting: Float32Array[] = [];
    let isFirst = true;
    const run = async (): Promise<readonly Scores[]> => {
      if (waiting.length === 0) return isFirst && withOwn ? [await this.scores(base)] : [];
      const { own, copies } = await cone.scores(base, waiting);
      const results = isFirst && own !== undefined ? [own, ...copies] : copies;
      [waiting, isFirst] = [[], false];
      return results.map(scoresOf);
    };
    for (const rows of changes) {
      waiting.push(cone.pixels(rows));
      if (waiting.length === COPIES_PER_IMAGE) yield* await run();
    }
    yield* await run();
  }

  /** The cone of a feature, opened when it is first asked for. */
  async #coneOf(rows: Rows, feature: Feature, withOwn: boolean): Promise<ConeScorer | undefined> {
    const bounds = boundsOf(rows, feature);
    // Whether the model takes any number of rows is known after the first scores.
    if (bounds === undefined || this.#fixedBatch !== undefined || this.#candidate !== undefined)
      return undefined;
    const { top, left, height, width } = bounds.region;
    const key = [bounds.images.input, top, left, height, width, withOwn].join(' ');
    if (!this.#cones.has(key)) {
      const { model, options } = this.#source;
      const cone = await ConeScorer.open(
        withDynamicBatch(model),
        this.#scores,
        bounds,
        withOwn,
        this.#weights,
        options,
      );
      const [oldest] = this.#cones.keys();
      if (oldest !== undefined && this.#cones.size >= MOST_CONES) {
        await this.#cones.get(oldest)?.close();
        this.#cones.delete(oldest);
      }
      const isOfUse = cone !== undefined && (await this.#canReplace(cone, rows, feature));
      if (!isOfUse) await cone?.close();
      this.#cones.set(key, isOfUse ? cone : undefined);
    }
    return this.#cones.get(key);
  }

  /**
   * Whether a cone gives what the plain way does. A model whose rows depend on each other has none, and only trying shows it. A model
   * that does not react at all is run plainly as well, where nothing is exactly nothing and not a cone's rounding.
   */
  async #canReplace(cone: ConeScorer, rows: Rows, feature: Feature): Promise<boolean> {
    const some = takeRows(
      rows,
      Uint32Array.from({ length: Math.min(rows.count, COMPARED) }, (_, i) => i),
    );
    const copies = [1, 2].map((seed) => perturb(some, feature, new RandomStream(seed, 'cone')).rows);
    const found = await unlessRefused(() =>
      cone.scores(
        some,
        copies.map((copy) => cone.pixels(copy)),
      ),
    );
    if (found === undefined) return false;
    const own = (await this.scores(some)).values;
    if (found.own !== undefined && !agree(found.own, own)) return false;
    let reacts = false;
    for (const [i, copy] of copies.entries()) {
      const { values } = await this.scores(copy);
      const scores = found.copies[i];
      if (scores === undefined || !agree(scores, values)) return false;
      reacts ||= values.some((value, at) => value !== own[at]);
    }
    return reacts;
  }

  /** Scores of one row. */
  get #columns(): number {
    return this.kind === 'logits' || this.kind === 'probabilities' ? this.#classes : 1;
  }

  /** The first scores of a model show whether it gives what its schema says. */
  #check({ values, columns, kind, rows }: Scores): void {
    this.#isChecked = true;
    if (kind !== 'probabilities' && kind !== 'probability') return;
    let wrong = 0;
    for (let row = 0; row < rows; row++) {
      const own = values.subarray(row * columns, (row + 1) * columns);
      const sum = own.reduce((total, value) => total + value, 0);
      const isOutside = own.some((value) => value < -TOLERANCE || value > 1 + TOLERANCE);
      if (isOutside || (kind === 'probabilities' && Math.abs(sum - 1) > TOLERANCE)) wrong += 1;
    }
    if (wrong === 0) return;
    const what =
      kind === 'probability'
        ? 'no numbers between 0 and 1, so they cannot be probabilities. If they are margins'
        : 'no numbers between 0 and 1 that sum to 1, so they cannot be probabilities. If they are logits';
    throw new UnlearnError(
      'not-a-classifier',
      `The model's output is, in ${wrong} of ${rows} rows, ${what}, say "kind: ${kind === 'probability' ? 'margin' : 'logits'}" in the schema.`,
    );
  }

  /** Goes over to the model for any number of rows if it gives the same. */
  async #tryCandidate(candidate: Session, rows: Rows): Promise<void> {
    this.#candidate = undefined;
    const count = Math.min(rows.count, Math.max(COMPARED, 2 * (this.#fixedBatch ?? 1)));
    const some = takeRows(
      rows,
      Uint32Array.from({ length: count }, (_, i) => i),
    );
    const strict = await this.#scoresBy(this.#session, this.#fixedBatch, some);
    const loose = await unlessRefused(() => this.#scoresBy(candidate, undefined, some));
    if (loose !== undefined && agree(loose.values, strict.values)) {
      await this.#session.close();
      this.#session = candidate;
      this.#fixedBatch = undefined;
    } else {
      await candidate.close();
    }
  }

  async #scoresBy(session: Session, fixed: number | undefined, rows: Rows): Promise<Scores> {
    const columns = this.#columns;
    const values = new Float32Array(rows.count * columns);
    const size = fixed ?? BATCH;
    for (let from = 0; from < rows.count; from += size) {
      const count = Math.min(size, rows.count - from);
      // A model with a fixed batch gets the last rows filled up with the first of them.
      const wanted = fixed ?? count;
      const all = from === 0 && wanted === rows.count;
      const part = all
        ? rows
        : takeRows(
            rows,
            Uint32Array.from({ length: wanted }, (_, i) => from + (i < count ? i : 0)),
          );
      const output = (await session.run(asTaken(part.inputs, session)))[this.#scores];
      if (output === undefined || output.data.length === 0) throw this.#wrongOutput([]);
      if (output.elementType === 'string') {
        throw new UnlearnError(
          'not-a-classifier',
          'The output gives the names of classes, as text. Name the output with the probabilities or logits in the schema.',
        );
      }
      const numbers = output.elementType === 'float32' ? toFloat32(output) : toNumbers(output);
      if (numbers.length !== wanted * columns) throw this.#wrongOutput(output.dims);
      values.set(numbers.subarray(0, count * columns), from * columns);
    }
    return { rows: rows.count, columns, values, kind: this.kind };
  }

  #wrongOutput(dims: readonly number[]): UnlearnError {
    const wanted =
      this.kind === 'logits' || this.kind === 'probabilities'
        ? `[rows, ${this.#classes}]`
        : '[rows] or [rows, 1]';
    return new UnlearnError(
      'not-a-classifier',
      `The model's output has shape [${dims.join(', ')}], where a classifier with ${this.#classes} classes gives ${wanted}.`,
    );
  }

  async close(): Promise<void> {
    const cones = [...this.#cones.values()].map((cone) => cone?.close());
    await Promise.all([this.#session.close(), this.#candidate?.close(), ...cones]);
  }
}

/** Whether two sides give the same to rounding. */
function agree(own: Float32Array, other: Float32Array): boolean {
  return (
    own.length === other.length &&
    own.every((value, i) => {
      const expected = other[i] ?? 0;
      return Object.is(value, expected) || Math.abs(value - expected) <= ROUNDING * (1 + Math.abs(expected));
    })
  );
}

/** What an engine call gives; undefined where the runtime refuses the graph. */
async function unlessRefused<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof EngineError || error instanceof UnlearnError) return undefined;
    throw error;
  }
}

/** Float32 rows in the type that the model takes, where it takes other floating-point numbers. */
function asTaken(inputs: Rows['inputs'], session: Session): Rows['inputs'] {
  const wanted = new Map(session.inputs.map(({ name, elementType }) => [name, elementType]));
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => {
      const type = wanted.get(name);
      const isOther = value.elementType === 'float32' && (type === 'float64' || type === 'float16');
      return [name, isOther ? tensor(type, value.dims, toNumbers(value)) : value];
    }),
  );
}

/** The class that the scores of a row choose. */
export function predictions(scores: Scores): Int32Array {
  const { rows, columns, values, kind } = scores;
  const threshold = kind === 'probability' ? 0.5 : 0;
  return Int32Array.from({ length: rows }, (_, row) => {
    if (kind === 'label') return values[row] ?? -1;
    if (columns === 1) return (values[row] ?? 0) > threshold ? 1 : 0;
    let best = 0;
    for (let k = 1; k < columns; k++) {
      if ((values[row * columns + k] ?? 0) > (values[row * columns + best] ?? 0)) best = k;
    }
    return best;
  });
}

/** Probabilities [rows, classes] from scores; a label is probability 1. */
export function probabilities(scores: Scores, classes: number): Float64Array {
  const { rows, columns, values, kind } = scores;
  const out = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    if (kind === 'label') {
      const label = values[row] ?? 0;
      if (label >= 0 && label < classes) out[row * classes + label] = 1;
    } else if (columns === 1) {
      const value = values[row] ?? 0;
      const p = kind === 'probability' ? value : 1 / (1 + Math.exp(-value));
      out[row * classes] = 1 - p;
      out[row * classes + 1] = p;
    } else if (kind === 'probabilities') {
      for (let k = 0; k < columns; k++) out[row * classes + k] = values[row * columns + k] ?? 0;
    } else {
      let largest = Number.NEGATIVE_INFINITY;
      for (let k = 0; k < columns; k++) largest = Math.max(largest, values[row * columns + k] ?? 0);
      let sum = 0;
      for (let k = 0; k < columns; k++) {
        const e = Math.exp((values[row * columns + k] ?? 0) - largest);
        out[row * classes + k] = e;
        sum += e;
      }
      for (let k = 0; k < columns; k++) out[row * classes + k] = (out[row * classes + k] ?? 0) / sum;
    }
  }
  return out;
}

/** Σ_k Var f_k(x) over rows: the scale of the logits, at least 10⁻⁶. */
export function scoreVariance({ rows, columns, values }: Scores): number {
  let variance = 0;
  for (let k = 0; k < columns; k++) {
    let [sum, squares] = [0, 0];
    for (let row = 0; row < rows; row++) {
      const value = values[row * columns + k] ?? 0;
      sum += value / rows;
      squares += (value * value) / rows;
    }
    variance += Math.max(0, squares - sum * sum);
  }
  return Math.max(1e-6, variance);
}
