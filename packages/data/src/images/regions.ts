/**
 * Parts of an image as places: flat offsets into an image [C, H, W], ascending. The place of channel c, row y, column x is
 * c·H·W + y·W + x.
 */
import { DataError } from '../errors.ts';
import { type ImageContent, type ImageSize, imageAt, requireLandmarks } from './image-set.ts';

/** A rectangle in pixels: rows `top` to `top + height − 1`, columns `left` to `left + width − 1`, counted from 0. */
export interface Region {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/**
 * The places of a rectangle in all channels: C · height · width of them.
 *
 * @throws DataError `out-of-range` unless it is of whole numbers, has an area and lies within the image
 * @example regionPlaces({ channels: 1, height: 28, width: 28 }, { top: 2, left: 2, height: 5, width: 5 }) // 25 places, the first 58
 */
export function regionPlaces(size: ImageSize, region: Region): Uint32Array {
  requireRegion(size, region);
  const { top, left, height, width } = region;
  const places = new Uint32Array(size.channels * height * width);
  let at = 0;
  for (let channel = 0; channel < size.channels; channel++) {
    for (let y = top; y < top + height; y++) {
      for (let x = left; x < left + width; x++) places[at++] = (channel * size.height + y) * size.width + x;
    }
  }
  return places;
}

/**
 * The places where a mask [H, W] is not 0, in all channels.
 *
 * @throws DataError `out-of-range` if the mask has another size
 */
export function maskPlaces(size: ImageSize, mask: ArrayLike<number>): Uint32Array {
  const plane = size.height * size.width;
  if (mask.length !== plane) {
    throw new DataError(
      'out-of-range',
      `A mask has one number for each of the ${size.height}×${size.width} pixels, not ${mask.length}.`,
    );
  }
  const inside: number[] = [];
  for (let i = 0; i < plane; i++) if (mask[i] !== 0) inside.push(i);
  return inEveryChannel(size, inside);
}

/**
 * The places of an image's coloured pixels, in all channels: those whose channels differ by more than `tolerance` (0…255).
 *
 * @example colouredPlaces(colouredDigits, row) // the strokes of a digit that was drawn in blue on black
 */
export function colouredPlaces(set: ImageContent, row: number, tolerance = 0): Uint32Array {
  const plane = set.height * set.width;
  const pixels = imageAt(set, row);
  const inside: number[] = [];
  if (set.channels === 3) {
    for (let i = 0; i < plane; i++) {
      const [red = 0, green = 0, blue = 0] = [pixels[i], pixels[plane + i], pixels[2 * plane + i]];
      if (Math.max(red, green, blue) - Math.min(red, green, blue) > tolerance) inside.push(i);
    }
  }
  return inEveryChannel(set, inside);
}

/** How far a box goes beyond the outermost of its points, in pixels of the frame in which they are given. */
export interface Margin {
  readonly x: number;
  readonly y: number;
}

/**
 * The box around some landmarks of an image, scaled to the image's size.
 *
 * In the frame of the landmarks it reaches from the least x − margin to the largest x + margin, and likewise in y. Its edges are
 * multiplied by the ratio of the sizes, the upper left ones rounded down and the lower right ones up, and cut off at the image. A box
 * wholly beyond the image becomes the nearest pixel.
 *
 * @throws DataError `missing-column` if the set has no landmarks, `unknown-column` if none of these names
 */
export function boxAround(set: ImageContent, row: number, names: readonly string[], margin: Margin): Region {
  const landmarks = requireLandmarks(set, names);
  const { frame } = landmarks;
  const points = names.map((name) => {
    const at = 2 * (row * landmarks.names.length + landmarks.names.indexOf(name));
    return [landmarks.points[at] ?? 0, landmarks.points[at + 1] ?? 0] as const;
  });
  const [left, right] = span(
    points.map(([x]) => x),
    margin.x,
    frame.width,
    set.width,
  );
  const [top, bottom] = span(
    points.map(([, y]) => y),
    margin.y,
    frame.height,
    set.height,
  );
  return { top, left, height: bottom - top, width: right - left };
}

/** Names of the corners of the mouth in CelebA. */
export const MOUTH_CORNERS: readonly string[] = ['leftmouth', 'rightmouth'];

/** Margin of the mouth box in pixels of CelebA's 178×218, as the authors of Ferrari choose it. */
export const MOUTH_MARGIN: Margin = { x: 10, y: 20 };

/**
 * The box of the mouth in a picture of CelebA: around its two corners, 10 pixels further to the left and right and 20 further up and
 * down at 178×218, scaled to the size of the set.
 *
 * Gu, Ong, Chan, Fan, "Ferrari: Federated feature unlearning via optimizing feature sensitivity", NeurIPS 2024.
 *
 * @throws DataError `missing-column` if the set has no landmarks of mouths
 */
export function mouthBox(set: ImageContent, row: number): Region {
  return boxAround(set, row, MOUTH_CORNERS, MOUTH_MARGIN);
}

/**
 * The mouth boxes of some images: top, left, height and width of each, [rows, 4].
 *
 * @throws DataError `missing-column` if the set has no landmarks of mouths
 */
export function mouthBoxes(set: ImageContent, rows: ArrayLike<number>): Int16Array {
  const boxes = new Int16Array(4 * rows.length);
  for (let i = 0; i < rows.length; i++) {
    const { top, left, height, width } = mouthBox(set, rows[i] ?? 0);
    boxes.set([top, left, height, width], 4 * i);
  }
  return boxes;
}

/** @throws DataError `out-of-range` */
export function requireRegion(size: ImageSize, { top, left, height, width }: Region): void {
  const whole = [top, left, height, width].every(Number.isInteger);
  const inside = top >= 0 && left >= 0 && top + height <= size.height && left + width <= size.width;
  if (!whole || !inside || height < 1 || width < 1) {
    throw new DataError(
      'out-of-range',
      `The region of ${height}×${width} pixels at row ${top}, column ${left} does not lie within an image of ${size.height}×${size.width}.`,
    );
  }
}

/** First and last + 1 pixel, within the image. */
function span(
  values: readonly number[],
  margin: number,
  frame: number,
  side: number,
): readonly [number, number] {
  const scale = side / frame;
  const first = Math.floor((Math.min(...values) - margin) * scale);
  const end = Math.ceil((Math.max(...values) + margin) * scale);
  const start = Math.min(Math.max(first, 0), side - 1);
  return [start, Math.max(start + 1, Math.min(end, side))];
}

function inEveryChannel(size: ImageSize, inside: readonly number[]): Uint32Array {
  const plane = size.height * size.width;
  return Uint32Array.from(
    { length: size.channels * inside.length },
    (_, i) => Math.floor(i / inside.length) * plane + (inside[i % inside.length] ?? 0),
  );
}
