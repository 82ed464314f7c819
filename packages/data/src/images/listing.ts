/** What there is to be read before any of it is decoded: which images, with which labels, and how to come by their bytes. */
import { DataError } from '../errors.ts';
import type { Watch } from '../progress.ts';
import { allRows, stream } from '../split.ts';
import { byCodePoint } from '../table/table.ts';
import { type DecodeOptions, decoded, type EncodedImage } from './decode.ts';
import { type ImageSet, imageSet, type Landmarks, pixelsPerImage, requireLandmarks } from './image-set.ts';
import { MOST_CLASSES, requireRoom, requireSize } from './limits.ts';

/** Images that can be read, and all that is known of them. Arrays are as in an image set. */
export interface ImageListing {
  readonly name: string;
  readonly count: number;
  readonly labels: Int32Array;
  readonly classes: readonly string[];
  readonly attributes: Readonly<Record<string, Int32Array>>;
  readonly attributeValues: Readonly<Record<string, readonly string[]>>;
  readonly landmarks?: Landmarks;
  readonly notes: readonly string[];
  /** The files of some images, in their order. `rows` ascend. */
  readonly read: (rows: Uint32Array, watch: Watch) => AsyncIterable<EncodedImage>;
}

/** Which images of a listing are decoded, and to what. */
export interface ListingOptions extends Watch {
  /** In pixels; 64 by default. */
  readonly height?: number;
  /** In pixels; as `height` by default. */
  readonly width?: number;
  /** 3 by default. */
  readonly channels?: 1 | 3;
  readonly fit?: DecodeOptions['fit'];
  /** So many images, drawn at random by the seed; all by default. Smaller samples of one seed are parts of larger ones. */
  readonly sample?: Sample;
  /** Landmarks that the images must have. */
  readonly landmarks?: readonly string[];
  /** Bytes that the pixels may take; 3 GiB by default. */
  readonly maxBytes?: number;
}

/** A number of images, drawn by a seed. */
export interface Sample {
  readonly count: number;
  readonly seed: number;
}

const DEFAULT_SIDE = 64;

/**
 * Decodes the images of a listing into a set.
 *
 * @throws DataError `no-rows`, `too-large`, `out-of-range`, `missing-column`, `unknown-column`, and as the images themselves
 */
export async function decodeListing(listing: ImageListing, options: ListingOptions): Promise<ImageSet> {
  const { name } = listing;
  const height = options.height ?? DEFAULT_SIDE;
  const size = { channels: options.channels ?? 3, height, width: options.width ?? height } as const;
  requireSize(size);
  if (listing.count === 0) {
    throw new DataError('no-rows', `${name} has no images (files named .jpg, .jpeg, .png or .webp).`, {
      file: name,
    });
  }
  // A name that is wrong is told before hours of decoding.
  if (options.landmarks !== undefined) requireLandmarks(listing, options.landmarks);
  const rows = sampled(listing.count, options.sample);
  requireRoom(name, rows.length, size, options.maxBytes);
  const pixels = new Uint8Array(rows.length * pixelsPerImage(size));
  let at = 0;
  const settings = { ...size, ...(options.fit === undefined ? {} : { fit: options.fit }) };
  for await (const image of decoded(listing.read(rows, options), settings, name, rows.length, options)) {
    pixels.set(image, at);
    at += image.length;
  }
  if (at !== pixels.length) {
    throw new DataError(
      'file-changed',
      `${name} changed while it was being read; run again when nothing writes to it.`,
      { file: name },
    );
  }
  const { landmarks } = listing;
  const sizing = `Each image was scaled to ${size.height}×${size.width} pixels ${options.fit === 'cover' ? 'and cut to that shape' : '(each side on its own)'}, ${size.channels === 1 ? 'grey' : 'in colour'}.`;
  const taken =
    rows.length === listing.count
      ? []
      : [`${rows.length} of ${listing.count} images, drawn by seed ${options.sample?.seed}.`];
  return imageSet({
    ...listing,
    ...size,
    count: rows.length,
    pixels,
    labels: pick(listing.labels, rows),
    attributes: Object.fromEntries(
      Object.entries(listing.attributes).map(([attribute, values]) => [attribute, pick(values, rows)]),
    ),
    ...(landmarks === undefined ? {} : { landmarks: pickLandmarks(landmarks, rows) }),
    notes: [...listing.notes, ...taken, sizing],
  });
}

/** The rows that a sample draws from `count`, ascending. */
export function sampled(count: number, sample: Sample | undefined): Uint32Array {
  if (sample === undefined) return allRows(count);
  if (!Number.isInteger(sample.count) || sample.count < 1) {
    throw new DataError(
      'out-of-range',
      `A sample has a whole number of images of at least 1, not ${sample.count}.`,
    );
  }
  return stream(sample.seed, 'share').permutation(count).slice(0, sample.count).sort();
}

/** Part of a listing: some of its images, in ascending order. */
export function partOf(listing: ImageListing, rows: Uint32Array): ImageListing {
  const { landmarks } = listing;
  return {
    ...listing,
    count: rows.length,
    labels: pick(listing.labels, rows),
    attributes: Object.fromEntries(
      Object.entries(listing.attributes).map(([name, values]) => [name, pick(values, rows)]),
    ),
    ...(landmarks === undefined ? {} : { landmarks: pickLandmarks(landmarks, rows) }),
    read: (some, watch) =>
      listing.read(
        some.map((row) => rows[row] ?? 0),
        watch,
      ),
  };
}

/**
 * Text as numbers of its distinct values, which are sorted by code point; −1 for no value.
 *
 * @throws DataError `too-large` if there are more than 10,000 values
 */
export function numbered(
  values: readonly (string | null)[],
  what: string,
): { readonly numbers: Int32Array; readonly values: readonly string[] } {
  const distinct = new Set<string>();
  for (const value of values) {
    if (value !== null) distinct.add(value);
    if (distinct.size > MOST_CLASSES)
      throw new DataError('too-large', `${what} has more than ${MOST_CLASSES} different values.`);
  }
  const sorted = [...distinct].sort(byCodePoint);
  const numbers = new Map(sorted.map((value, i) => [value, i]));
  return {
    numbers: Int32Array.from(values, (value) => (value === null ? -1 : (numbers.get(value) ?? -1))),
    values: sorted,
  };
}

function pick(values: Int32Array, rows: Uint32Array): Int32Array {
  return Int32Array.from(rows, (row) => values[row] ?? -1);
}

function pickLandmarks(landmarks: Landmarks, rows: Uint32Array): Landmarks {
  const width = 2 * landmarks.names.length;
  const points = new Int16Array(rows.length * width);
  for (const [i, row] of rows.entries())
    points.set(landmarks.points.subarray(row * width, (row + 1) * width), i * width);
  return { ...landmarks, points };
}
