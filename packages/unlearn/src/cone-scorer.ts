/** Scores of images of which one rectangle is perturbed many times, without computing the rest of them anew. */
import { EngineError, exposeWeights, openSession, type Session, type SessionOptions } from '@assay/engine';
import {
  type Cone,
  coneCost,
  coneOf,
  freeInputs,
  fromFloat32,
  GraphError,
  keepOutputs,
  type Model,
  type Tensor,
  toFloat32,
} from '@assay/graph';
import { type Bounds, pixelsOf } from './feature/bounds.ts';
import { floats, type Rows, takeRows } from './subject.ts';

/** Perturbed copies in one run, of as many images as that allows. */
const COPIES_PER_RUN = 256;
/** Copies of every image in one run, at most; what is kept of each copy until then is its rectangle. */
export const COPIES_PER_IMAGE = 32;
/** A cone that saves less than this part of the arithmetic is not worth a session of its own. */
const LEAST_SAVING = 0.1;

/** A model ready to run on perturbed copies of images. */
export class ConeScorer {
  readonly #session: Session;
  readonly #cone: Cone;
  /** Outputs: the scores of the copies, and those of the images themselves where they are computed too. */
  readonly #scores: string;
  readonly #ownScores: string | undefined;
  readonly #bounds: Bounds;

  private constructor(
    session: Session,
    cone: Cone,
    scores: string,
    ownScores: string | undefined,
    bounds: Bounds,
  ) {
    this.#session = session;
    this.#cone = cone;
    this.#scores = scores;
    this.#ownScores = ownScores;
    this.#bounds = bounds;
  }

  /**
   * Opens the cone of a rectangle; undefined where the model has none, or where it saves little.
   *
   * @param model with its scores as its only output
   * @param withOwn whether the images themselves are scored as well; else what they need beyond the cone is not computed
   * @param weights if given, these initializers become inputs that {@link load} replaces
   */
  static async open(
    model: Model,
    scores: string,
    bounds: Bounds,
    withOwn: boolean,
    weights: Readonly<Record<string, Tensor>> | undefined,
    options: SessionOptions,
  ): Promise<ConeScorer | undefined> {
    // Rows are float32; models that take other numbers get them converted on the plain way.
    const isOther = freeInputs(model.graph).some(({ type }) =>
      /^float(16|64)$/.test(type?.elementType ?? ''),
    );
    if (isOther) return undefined;
    try {
      const cone = coneOf(model, bounds.images.input, bounds.region);
      if (coneCost(cone, COPIES_PER_RUN / COPIES_PER_IMAGE, COPIES_PER_IMAGE).saved < LEAST_SAVING)
        return undefined;
      const perturbed = cone.perturbed[scores] ?? '';
      const pruned = keepOutputs(cone.model, withOwn ? [scores, perturbed] : [perturbed]);
      const exposed = weights === undefined ? pruned : exposeWeights(pruned, namesIn(pruned, weights)).model;
      const session = await openSession(exposed, options);
      const scorer = new ConeScorer(session, cone, perturbed, withOwn ? scores : undefined, bounds);
      if (weights !== undefined) await scorer.load(weights);
      return scorer;
    } catch (error) {
      if (error instanceof GraphError || error instanceof EngineError) return undefined;
      throw error;
    }
  }

  /** Takes other weights, by initializer name. */
  async load(weights: Readonly<Record<string, Tensor>>): Promise<void> {
    const taken = this.#session.inputs.flatMap(({ name }) => {
      const value = weights[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    await this.#session.hold(Object.fromEntries(taken));
  }

  /** What has to be kept of copies of the images: their rectangle. */
  pixels({ inputs, count }: Rows): Float32Array {
    const value = inputs[this.#bounds.images.input];
    return value === undefined ? new Float32Array() : pixelsOf(floats(value), count, this.#bounds);
  }

  /**
   * The scores of copies of images.
   *
   * @param copies the rectangle of every image, for each copy, as {@link pixels} gives them
   * @returns the scores of all images, row by row: of the images themselves where they are computed, and of each copy
   */
  async scores(
    base: Rows,
    copies: readonly Float32Array[],
  ): Promise<{ readonly own: Float32Array | undefined; readonly copies: readonly Float32Array[] }> {
    const { images, region } = this.#bounds;
    const size = images.channels * region.height * region.width;
    const results: Float32Array[][] = copies.map(() => []);
    const own: Float32Array[] = [];
    const imagesPerRun = Math.max(1, Math.floor(COPIES_PER_RUN / copies.length));
    for (let from = 0; from < base.count; from += imagesPerRun) {
      const count = Math.min(imagesPerRun, base.count - from);
      const rows = Uint32Array.from({ length: count }, (_, i) => from + i);
      const patches = new Float32Array(copies.length * count * size);
      copies.forEach((pixels, copy) => {
        patches.set(pixels.subarray(from * size, (from + count) * size), copy * count * size);
      });
      const dims = [copies.length * count, images.channels, region.height, region.width];
      const output = await this.#session.run({
        ...takeRows(base, rows).inputs,
        [this.#cone.patches]: fromFloat32(dims, patches),
      });
      const values = scoresIn(output, this.#scores);
      if (this.#ownScores !== undefined) own.push(scoresIn(output, this.#ownScores));
      const width = values.length / copies.length;
      results.forEach((parts, copy) => {
        parts.push(values.subarray(copy * width, (copy + 1) * width));
      });
    }
    return {
      own: this.#ownScores === undefined ? undefined : joined(own),
      copies: results.map(joined),
    };
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}

function scoresIn(output: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const scores = output[name];
  if (scores === undefined) throw new TypeError('the cone gives no scores');
  return toFloat32(scores);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Those of the weights that the graph still uses. */
function namesIn({ graph }: Model, weights: Readonly<Record<string, Tensor>>): readonly string[] {
  return Object.keys(weights).filter((name) => graph.initializers.has(name));
}
