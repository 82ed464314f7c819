/** Runs a classifier over rows: scores (logits where the model has them), probabilities, predictions. */
import { exposeWeights, openSession, type Session, type SessionOptions } from '@assay/engine';
import {
  GraphBuilder,
  inferShapes,
  type Model,
  namesIn,
  scoresBehind,
  type Tensor,
  toFloat32,
  toNumbers,
  upgradeModel,
} from '@assay/graph';
import { UnlearnError } from './errors.ts';
import { type Classifier, type Rows, takeRows } from './subject.ts';

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
  const isThere = model.graph.outputs.some(({ name }) => name === output.name);
  if (!isThere) {
    const names = model.graph.outputs.map(({ name }) => `"${name}"`).join(', ');
    throw new UnlearnError(
      'not-a-classifier',
      `The model has no output named "${output.name}"; its outputs are ${names}.`,
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

/** A classifier ready to run. */
export class Scorer {
  readonly #session: Session;
  readonly #scores: string;
  readonly #classes: number;
  readonly kind: ScoreKind;
  /** The batch that the model insists on, if it does. */
  readonly #fixedBatch: number | undefined;

  private constructor(session: Session, scores: string, kind: ScoreKind, classes: number) {
    this.#session = session;
    this.#scores = scores;
    this.kind = kind;
    this.#classes = classes;
    const first = session.inputs[0]?.shape[0];
    this.#fixedBatch = typeof first === 'number' ? first : undefined;
  }

  static async open(classifier: Classifier, options: SessionOptions = {}): Promise<Scorer> {
    const { model, scores, kind } = withScores(classifier);
    const session = await openSession(model, options);
    return new Scorer(session, scores, kind, classifier.classes);
  }

  /** A scorer whose weights can be replaced by {@link load}: for looks at a model that is being trained. */
  static async openLoadable(
    classifier: Classifier,
    parameters: readonly string[],
    options: SessionOptions = {},
  ): Promise<Scorer> {
    const { model, scores, kind } = withScores(classifier);
    const exposed = exposeWeights(model, parameters);
    const session = await openSession(exposed.model, options);
    await session.hold(exposed.weights);
    return new Scorer(session, scores, kind, classifier.classes);
  }

  /** Takes other weights, by initializer name; only for a scorer made by {@link openLoadable}. */
  async load(weights: Readonly<Record<string, Tensor>>): Promise<void> {
    await this.#session.hold(weights);
  }

  get provider(): string {
    return this.#session.provider;
  }

  /** @throws UnlearnError `not-a-classifier` if the output is not a row of scores per row of input */
  async scores(rows: Rows): Promise<Scores> {
    const columns = this.kind === 'logits' || this.kind === 'probabilities' ? this.#classes : 1;
    const values = new Float32Array(rows.count * columns);
    const size = this.#fixedBatch ?? BATCH;
    for (let from = 0; from < rows.count; from += size) {
      const count = Math.min(size, rows.count - from);
      // A model with a fixed batch gets the last rows filled up with the first of them.
      const wanted = this.#fixedBatch ?? count;
      const all = from === 0 && wanted === rows.count;
      const part = all
        ? rows
        : takeRows(
            rows,
            Uint32Array.from({ length: wanted }, (_, i) => from + (i < count ? i : 0)),
          );
      const output = (await this.#session.run(part.inputs))[this.#scores];
      if (output === undefined || output.data.length === 0) throw this.#wrongOutput([]);
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
    await this.#session.close();
  }
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
