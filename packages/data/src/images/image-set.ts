/** Images as numbers: all of one size, with labels and further attributes. */
import { createHash } from 'node:crypto';
import { DataError } from '../errors.ts';

/** Points in every image, such as the corners of a mouth. */
export interface Landmarks {
  readonly names: readonly string[];
  /** [N, names, 2]: x (column) and y (row) in pixels of an image of `frame`'s size. */
  readonly points: Int16Array;
  /** Size of the images that the points were set in; they may since have been scaled. */
  readonly frame: { readonly height: number; readonly width: number };
}

/** Height, width and planes of an image. */
export interface ImageSize {
  /** 1: grey, 3: red, green, blue. */
  readonly channels: 1 | 3;
  /** In pixels. */
  readonly height: number;
  readonly width: number;
}

/** What an image set is made of. */
export interface ImageContent extends ImageSize {
  readonly name: string;
  readonly count: number;
  /** 0…255, [N, C, H, W]: image after image, plane after plane, row after row. */
  readonly pixels: Uint8Array;
  /** [N], numbers of `classes`; −1 where it is not known. */
  readonly labels: Int32Array;
  readonly classes: readonly string[];
  /** Further labels of each image, [N] each; −1 where one is not known. */
  readonly attributes?: Readonly<Record<string, Int32Array>>;
  /** Names of the values of an attribute, by attribute; an attribute without them counts or numbers something. */
  readonly attributeValues?: Readonly<Record<string, readonly string[]>>;
  readonly landmarks?: Landmarks;
  /** Sentences on what was found and decided in reading. */
  readonly notes?: readonly string[];
}

/** Images that are held in memory. Made by {@link imageSet} and the readers. */
export interface ImageSet extends ImageContent {
  readonly attributes: Readonly<Record<string, Int32Array>>;
  readonly attributeValues: Readonly<Record<string, readonly string[]>>;
  readonly notes: readonly string[];
  /** SHA-256 in hexadecimal over size, pixels and labels. */
  readonly digest: string;
}

/**
 * An image set from its parts, with its digest: SHA-256 over the line `assay-images 1 N C H W` (with a line feed), the pixels
 * and the labels (32 bits each, little-endian).
 *
 * @throws DataError `out-of-range` where the parts do not fit together
 */
export function imageSet(content: ImageContent): ImageSet {
  const { name, count, channels, height, width, pixels, labels, classes } = content;
  const attributes = content.attributes ?? {};
  const fits =
    pixels.length === count * channels * height * width &&
    labels.length === count &&
    Object.values(attributes).every((values) => values.length === count) &&
    (content.landmarks === undefined ||
      content.landmarks.points.length === 2 * count * content.landmarks.names.length) &&
    labels.every((label) => label >= -1 && label < classes.length);
  if (!fits) {
    throw new DataError(
      'out-of-range',
      `The parts of ${name} do not fit together: ${count} images of ${channels}×${height}×${width} need as many pixels, labels within the ${classes.length} classes, and attributes of that length.`,
    );
  }
  return {
    ...content,
    attributes,
    attributeValues: content.attributeValues ?? {},
    notes: content.notes ?? [],
    digest: digestOfImages(content),
  };
}

/** Bytes that one image takes. */
export function pixelsPerImage({ channels, height, width }: ImageSize): number {
  return channels * height * width;
}

/** The pixels of one image, [C, H, W]: a view, not a copy. */
export function imageAt(set: ImageContent, row: number): Uint8Array {
  const size = pixelsPerImage(set);
  return set.pixels.subarray(row * size, (row + 1) * size);
}

/**
 * Some images of a set, in the order of `rows` (which may repeat).
 *
 * @throws DataError `out-of-range`
 */
export function takeImages(set: ImageSet, rows: ArrayLike<number>): ImageSet {
  const size = pixelsPerImage(set);
  const count = rows.length;
  const pixels = new Uint8Array(count * size);
  for (let i = 0; i < count; i++) pixels.set(imageAt(set, rowAt(set, rows, i)), i * size);
  const taken = (values: Int32Array): Int32Array =>
    Int32Array.from({ length: count }, (_, i) => values[rows[i] ?? 0] ?? -1);
  const { landmarks } = set;
  const width = 2 * (landmarks?.names.length ?? 0);
  return imageSet({
    ...set,
    count,
    pixels,
    labels: taken(set.labels),
    attributes: Object.fromEntries(
      Object.entries(set.attributes).map(([name, values]) => [name, taken(values)]),
    ),
    ...(landmarks === undefined
      ? {}
      : {
          landmarks: {
            ...landmarks,
            points: Int16Array.from(
              { length: count * width },
              (_, i) => landmarks.points[(rows[Math.floor(i / width)] ?? 0) * width + (i % width)] ?? 0,
            ),
          },
        }),
  });
}

/**
 * The set with an attribute as its label; the label it had becomes an attribute named `previous`.
 *
 * @param attribute one that has named values
 * @throws DataError `unknown-column`
 * @example const smiling = labelledBy(celeba, 'Smiling', 'Male');
 */
export function labelledBy(set: ImageSet, attribute: string, previous = 'label'): ImageSet {
  const labels = set.attributes[attribute];
  const classes = set.attributeValues[attribute];
  if (labels === undefined || classes === undefined) {
    throw new DataError(
      'unknown-column',
      `${set.name} has no attribute "${attribute}" with named values. It has: ${Object.keys(set.attributeValues).join(', ') || 'none'}.`,
      { column: attribute },
    );
  }
  const without = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).filter(([name]) => name !== attribute));
  return imageSet({
    ...set,
    labels,
    classes,
    attributes: { ...without(set.attributes), [previous]: set.labels },
    attributeValues: { ...without(set.attributeValues), [previous]: set.classes },
  });
}

/** How bytes become numbers: (byte / 255 − mean) / deviation. */
export interface PixelScale {
  /** Per channel, in units of 0…1; one number stands for all channels. 0.5 by default. */
  readonly mean?: number | readonly number[];
  /** As `mean`, above 0. 0.5 by default, so that black is −1 and white 1. */
  readonly deviation?: number | readonly number[];
}

/**
 * Images as numbers for a network: float32 [rows, C, H, W].
 *
 * @throws DataError `out-of-range` if a row does not exist, or the scale is none
 * @example
 * const images = fromFloat32([128, 1, 28, 28], encodePixels(mnist, rows));
 */
export function encodePixels(
  set: ImageContent,
  rows: ArrayLike<number>,
  { mean = 0.5, deviation = 0.5 }: PixelScale = {},
): Float32Array {
  const { channels, height, width } = set;
  const plane = height * width;
  const tables = Array.from({ length: channels }, (_, channel) =>
    scaleTable(ofChannel(mean, channel), ofChannel(deviation, channel)),
  );
  const encoded = new Float32Array(rows.length * channels * plane);
  let to = 0;
  for (let i = 0; i < rows.length; i++) {
    let from = rowAt(set, rows, i) * channels * plane;
    for (const table of tables) {
      for (const end = from + plane; from < end; from++) encoded[to++] = table[set.pixels[from] ?? 0] ?? 0;
    }
  }
  return encoded;
}

/** The number of each of the 256 bytes. */
function scaleTable(mean: number, deviation: number): Float32Array {
  if (!Number.isFinite(mean) || !Number.isFinite(deviation) || deviation <= 0) {
    throw new DataError(
      'out-of-range',
      `Pixels are scaled by a finite mean and a deviation above 0 for each channel, not by ${mean} and ${deviation}.`,
    );
  }
  return Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - mean) / deviation);
}

function ofChannel(values: number | readonly number[], channel: number): number {
  return typeof values === 'number' ? values : (values[channel] ?? Number.NaN);
}

function rowAt(set: ImageContent, rows: ArrayLike<number>, i: number): number {
  const row = rows[i];
  if (row === undefined || !Number.isInteger(row) || row < 0 || row >= set.count) {
    throw new DataError('out-of-range', `${set.name} has the images 0 to ${set.count - 1}, not ${row}.`);
  }
  return row;
}

function digestOfImages({ count, channels, height, width, pixels, labels }: ImageContent): string {
  const hash = createHash('sha256');
  hash.update(`assay-images 1 ${count} ${channels} ${height} ${width}\n`);
  // Piece by piece: a hash takes at most 2 GiB at once.
  const piece = 2 ** 28;
  for (let start = 0; start < pixels.length; start += piece)
    hash.update(pixels.subarray(start, start + piece));
  const bytes = Buffer.alloc(labels.length * 4);
  for (const [i, label] of labels.entries()) bytes.writeInt32LE(label, 4 * i);
  return hash.update(bytes).digest('hex');
}

/** @throws DataError `missing-column` if there are no landmarks, `unknown-column` if none of these names */
export function requireLandmarks(
  { name, landmarks }: Pick<ImageContent, 'name' | 'landmarks'>,
  wanted: readonly string[],
): Landmarks {
  if (landmarks !== undefined && wanted.every((point) => landmarks.names.includes(point))) return landmarks;
  throw new DataError(
    landmarks === undefined ? 'missing-column' : 'unknown-column',
    `The images of ${name} have no landmarks ${wanted.join(', ')}. ${landmarks === undefined ? 'They have none at all.' : `They have: ${landmarks.names.join(', ')}.`}`,
    { file: name },
  );
}
