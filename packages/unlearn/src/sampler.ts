/**
 * Batches for the student: the requester's rows, and rows made from them.
 *
 * No labels are needed, so the old model can be asked about any input. Half of each batch are real rows. The others
 * keep a student of a few dozen rows from learning those by heart: a quarter of the batch lies between two rows
 * (x + a(x′ − x), a ~ U[0, 1]), a quarter takes each feature with probability 0.2 from another row, and both are
 * shaken by uniform noise with a tenth of each column's standard deviation.
 *
 * Of images, a quarter is mixed likewise and a quarter shifted by up to a seventh of their size; nothing is swapped or shaken.
 */
import { concatenateRows } from '@assay/engine';
import type { Tensor } from '@assay/graph';
import { RandomStream } from '@assay/random';
import {
  copyFeature,
  featureDistances,
  featureKeys,
  isContinuous,
  isVisual,
  perturb,
} from './feature/feature.ts';
import { imagesOf } from './feature/images.ts';
import { bytesOf, type Feature, floats, type Rows, rowBytes, takeRows, widthOf } from './subject.ts';

const SYNTHETIC_SHARE = 0.5;
const MIXED_SHARE = 0.25;
const SWAP_PROBABILITY = 0.2;
/** Half the width of the noise, in standard deviations of the column: uniform noise of ±√3 σ has deviation σ. */
const JITTER = 0.1 * Math.sqrt(3);
/** A synthetic row may lie close to the value that replaces its own. */
const SHORTEST_REPLACEMENT = 0.05;

/** A batch before it is stacked with its variants. */
export interface Batch {
  readonly rows: Rows;
  /** Labels of the real rows, −1 for the synthetic ones; undefined without labels. */
  readonly labels: Int32Array | undefined;
}

/** Copies of a batch in which only the feature differs. */
export interface Variants {
  readonly rows: readonly Rows[];
  /** ‖x − x_v‖ on the feature's columns times the scale of the way, variant by variant. */
  readonly distances: Float32Array;
}

/** How a row is made. */
const REAL = 0;
const MIXED = 1;
/** Features swapped with another row's; of an image: shifted. */
const SWAPPED = 2;

/** Farthest shift of an image, as a part of its height and width. */
const FARTHEST_SHIFT = 1 / 7;

/** What rows are made of, and what may be done with them. */
export interface Source {
  readonly rows: Rows;
  /** All features, whose values may be swapped between rows. */
  readonly features: readonly Feature[];
  /** The one that variants differ in. */
  readonly feature: Feature;
  /** Rows whose value of the feature may take the place of another one; the rows themselves by default. */
  readonly pool?: Rows;
  /** Whether labels hold for the rows that are made: each batch then shows the feature at random, and mixes nothing. */
  readonly keepsLabels?: boolean;
  /** How far the model moves by each way of {@link Sampler.variants}, for those in which it is to count the same; 1 by default. */
  readonly scales?: readonly number[];
}

/** Draws batches from rows. */
export class Sampler {
  readonly #source: Required<Source>;
  readonly #deviations: ReadonlyMap<string, Float64Array>;
  readonly #noise: Float32Array;
  /** One row of the pool for each value of the feature to forget. */
  readonly #representatives: Uint32Array;

  /** @param seed of the noise; everything else is drawn from the stream that a batch is asked of */
  constructor(source: Source, seed: number) {
    const { rows, feature, pool = rows, keepsLabels = false, scales = [] } = source;
    this.#source = { ...source, pool, keepsLabels, scales };
    this.#deviations = isVisual(feature) ? new Map() : deviationsOf(rows);
    this.#noise = noiseTable(new RandomStream(seed, 'unlearn/noise'));
    const seen = new Set<string>();
    this.#representatives =
      feature.kind !== 'category'
        ? new Uint32Array()
        : Uint32Array.from(
            featureKeys(pool, feature).flatMap((key, row) => {
              if (seen.has(key)) return [];
              seen.add(key);
              return [row];
            }),
          );
  }

  /** Rows drawn with replacement, half of them synthetic. */
  batch(size: number, random: RandomStream): Batch {
    const { rows, feature, keepsLabels } = this.#source;
    const { count, labels } = rows;
    const draw = () => Uint32Array.from({ length: size }, () => random.integer(count));
    const [own, other] = [draw(), draw()];
    const ways = Uint8Array.from({ length: size }, () => {
      const u = random.uniform();
      if (u >= SYNTHETIC_SHARE) return REAL;
      return u < MIXED_SHARE && !keepsLabels ? MIXED : SWAPPED;
    });
    const weights = Float64Array.from({ length: size }, () => random.uniform());
    const drawn = takeRows(rows, own);
    // Shown at random before anything is moved: what a shift carries out of a region must not tell the class either.
    const taken = keepsLabels ? this.fromMarginal(drawn, random) : drawn;
    const inputs: Record<string, Tensor> = { ...taken.inputs };
    for (const [name, value] of Object.entries(rows.inputs)) {
      const copy = inputs[name];
      if (copy !== undefined && value.elementType === 'float32')
        mix(floats(copy), floats(value), other, ways, weights);
    }
    if (isVisual(feature)) shift(taken, feature, ways, random);
    else if (!keepsLabels) this.#swap(inputs, other, ways, random);
    for (const [name, deviations] of this.#deviations) {
      const value = inputs[name];
      if (value !== undefined) shake(floats(value), deviations, ways, this.#noise, random);
    }
    return {
      rows: { ...taken, inputs, labels: undefined },
      labels:
        labels === undefined
          ? undefined
          : Int32Array.from(own, (row, i) => (keepsLabels || ways[i] === REAL ? (labels[row] ?? -1) : -1)),
    };
  }

  #swap(
    inputs: Readonly<Record<string, Tensor>>,
    other: Uint32Array,
    ways: Uint8Array,
    random: RandomStream,
  ): void {
    for (let i = 0; i < ways.length; i++) {
      if (ways[i] !== SWAPPED) continue;
      for (const { slots } of this.#source.features) {
        if (random.uniform() >= SWAP_PROBABILITY) continue;
        for (const { input, start, length } of slots) {
          const to = inputs[input];
          const from = this.#source.rows.inputs[input];
          if (to === undefined || from === undefined) continue;
          const size = rowBytes(to);
          const width = widthOf(to);
          const element = size / width;
          const at = (other[i] ?? 0) * size + start * element;
          bytesOf(to).set(bytesOf(from).subarray(at, at + length * element), i * size + start * element);
        }
      }
    }
  }

  /**
   * The batch with the feature perturbed by δ (where it enters as numbers), and with its value replaced: a category by
   * one of the values that occur, all equally likely, a number by that of another row.
   */
  variants(batch: Rows, random: RandomStream): Variants {
    const { feature, pool } = this.#source;
    const replaced = copyFeature(batch, feature, this.replacements(batch.count, random), pool, random);
    const byReplacement = featureDistances(batch, replaced, feature).map((distance) =>
      Math.max(distance, SHORTEST_REPLACEMENT),
    );
    if (!isContinuous(batch, feature)) return { rows: [replaced], distances: byReplacement };
    const perturbed = perturb(batch, feature, random);
    const [small = 1, large = 1] = this.#source.scales;
    const distances = new Float32Array(2 * batch.count);
    distances.set(perturbed.norms.map((norm) => small * norm));
    distances.set(
      byReplacement.map((distance) => large * distance),
      batch.count,
    );
    return { rows: [perturbed.rows, replaced], distances };
  }

  /** Rows of the pool whose value of the feature may stand in for another's. */
  replacements(size: number, random: RandomStream): Uint32Array {
    const { feature, pool } = this.#source;
    const values = feature.kind === 'category' ? this.#representatives : undefined;
    return Uint32Array.from({ length: size }, () =>
      values === undefined ? random.integer(pool.count) : (values[random.integer(values.length)] ?? 0),
    );
  }

  /** The batch with the feature's value drawn from its marginal (the values of all rows, as often as they occur). */
  fromMarginal(batch: Rows, random: RandomStream): Rows {
    const { feature, pool } = this.#source;
    const sources = Uint32Array.from({ length: batch.count }, () => random.integer(pool.count));
    return copyFeature(batch, feature, sources, pool, random);
  }
}

/** Moves the images that are to be changed, together with the places of their regions; the edge is repeated. */
function shift(rows: Rows, feature: Feature, ways: Uint8Array, random: RandomStream): void {
  const { input, channels, height, width } = imagesOf(rows, feature);
  const value = rows.inputs[input];
  if (value === undefined) return;
  const values = floats(value);
  const plane = height * width;
  const draw = (size: number) => {
    const farthest = Math.floor(FARTHEST_SHIFT * size);
    return random.integer(2 * farthest + 1) - farthest;
  };
  const before = new Float32Array(plane);
  for (let row = 0; row < rows.count; row++) {
    if (ways[row] !== SWAPPED) continue;
    const [down, right] = [draw(height), draw(width)];
    for (let channel = 0; channel < channels; channel++) {
      const start = (row * channels + channel) * plane;
      before.set(values.subarray(start, start + plane));
      for (let y = 0; y < height; y++) {
        const from = Math.min(height - 1, Math.max(0, y - down)) * width;
        for (let x = 0; x < width; x++)
          values[start + y * width + x] = before[from + Math.min(width - 1, Math.max(0, x - right))] ?? 0;
      }
    }
    for (const places of Object.values(rows.places ?? {})) {
      places[4 * row] = (places[4 * row] ?? 0) + down;
      places[4 * row + 1] = (places[4 * row + 1] ?? 0) + right;
    }
  }
}

/** Tables of the same inputs, one below the other. */
export function stackRows(parts: readonly Rows[]): Rows {
  const [first, ...others] = parts;
  if (first === undefined) throw new TypeError('nothing to stack');
  if (others.length === 0) return first;
  const inputs = Object.fromEntries(
    Object.keys(first.inputs).map((name) => [
      name,
      concatenateRows(parts.flatMap((part) => part.inputs[name] ?? [])),
    ]),
  );
  return { count: parts.reduce((sum, part) => sum + part.count, 0), inputs, labels: undefined };
}

/** x ← x + a(x′ − x) in the rows to be mixed. */
function mix(
  values: Float32Array,
  all: Float32Array,
  other: Uint32Array,
  ways: Uint8Array,
  weights: Float64Array,
): void {
  const width = values.length / ways.length;
  for (let i = 0; i < ways.length; i++) {
    if (ways[i] !== MIXED) continue;
    const a = weights[i] ?? 0;
    const from = (other[i] ?? 0) * width;
    for (let k = 0; k < width; k++) {
      const x = values[i * width + k] ?? 0;
      values[i * width + k] = x + a * ((all[from + k] ?? 0) - x);
    }
  }
}

/** Numbers in a noise table; a power of two, and far more than a batch has columns. */
const NOISE_SIZE = 2 ** 16;

/** Uniform noise on [−1, 1), drawn once: drawing it anew for every element of every batch would cost more than the step. */
function noiseTable(random: RandomStream): Float32Array {
  return Float32Array.from({ length: NOISE_SIZE }, () => random.word() / 2 ** 31 - 1);
}

/** Adds noise to the synthetic rows: each reads the table from a random place on. */
function shake(
  values: Float32Array,
  deviations: Float64Array,
  ways: Uint8Array,
  noise: Float32Array,
  random: RandomStream,
): void {
  const width = deviations.length;
  for (let i = 0; i < ways.length; i++) {
    if (ways[i] === REAL) continue;
    const start = random.word();
    for (let k = 0; k < width; k++) {
      const at = i * width + k;
      const shift = JITTER * (deviations[k] ?? 0) * (noise[(start + k) & (NOISE_SIZE - 1)] ?? 0);
      values[at] = (values[at] ?? 0) + shift;
    }
  }
}

/** Standard deviation of every column of the float32 inputs. */
function deviationsOf(rows: Rows): ReadonlyMap<string, Float64Array> {
  const found = new Map<string, Float64Array>();
  for (const [name, value] of Object.entries(rows.inputs)) {
    if (value.elementType !== 'float32') continue;
    const numbers = floats(value);
    const width = numbers.length / rows.count;
    const mean = new Float64Array(width);
    const squares = new Float64Array(width);
    for (let row = 0; row < rows.count; row++) {
      for (let k = 0; k < width; k++) {
        const x = numbers[row * width + k] ?? 0;
        const distance = x - (mean[k] ?? 0);
        mean[k] = (mean[k] ?? 0) + distance / (row + 1);
        squares[k] = (squares[k] ?? 0) + distance * (x - (mean[k] ?? 0));
      }
    }
    found.set(
      name,
      squares.map((sum) => Math.sqrt(sum / rows.count)),
    );
  }
  return found;
}
