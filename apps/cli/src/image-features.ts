/** Features of images as a person names them on the command line: a rectangle, a mask, landmarks, the colour. */
import { basename } from 'node:path';
import {
  boxAround,
  type ImageSchema,
  type ImageSet,
  type Margin,
  MOUTH_MARGIN,
  readMask,
  requireRegion,
} from '@assay/data';
import { type Box, type Feature, masked, rectangle, wholeImage } from '@assay/unlearn';
import { type Command, InvalidArgumentError } from 'commander';
import { UsageError } from './failures.ts';
import { names } from './options.ts';

/** Where a feature is in images, as options of a command; see {@link addImageFeatureOptions}. */
export interface ImageFeatureOptions {
  readonly region?: readonly Box[];
  readonly mask?: string;
  readonly landmarks?: readonly string[];
  readonly margin?: Margin;
  readonly colour?: boolean;
}

/** A feature of images; `boxesOf` where its place is another one in each image. */
export interface ImageFeature {
  readonly feature: Feature;
  /** Top, left, height and width in each of some images of a set: [rows, 4]. */
  readonly boxesOf?: (set: ImageSet, rows: ArrayLike<number>) => Int16Array;
  /** Landmarks that it takes to know the place. */
  readonly landmarks?: readonly string[];
}

/** The place of a feature as it was asked for, for records and documents; undefined for a column of a table. */
export function placeAsked({
  region,
  mask,
  landmarks,
  margin = MOUTH_MARGIN,
  colour,
}: ImageFeatureOptions): Readonly<Record<string, unknown>> | undefined {
  if (region !== undefined) return { region: region.flat() };
  if (mask !== undefined) return { mask: basename(mask) };
  if (landmarks !== undefined) return { landmarks, margin: [margin.y, margin.x] };
  return colour === true ? { colour: true } : undefined;
}

/** @param several whether more than one region may be given */
export function addImageFeatureOptions(command: Command, several: boolean): Command {
  return command
    .option(
      '--region <top,left,height,width>',
      `a rectangle of the images as the feature, in pixels from 0${several ? ' (may be given several times)' : ''}`,
      (text: string, before: readonly Box[] | undefined) => {
        if (!several && before !== undefined)
          throw new InvalidArgumentError('It is given once; for other shapes there is --mask.');
        return [...(before ?? []), box(text)];
      },
    )
    .option('--mask <file>', 'a PNG of the size of the images; where it is not black, there the feature is')
    .option(
      '--landmarks <names>',
      'points around which the feature is in each image, where the data have them (CelebA: leftmouth,rightmouth)',
      names,
    )
    .option(
      '--margin <rows,columns>',
      'pixels by which it goes beyond the landmarks, up and down, left and right (default: 20,10)',
      margin,
    )
    .option('--colour', 'the colour of the images as the feature');
}

function box(text: string): Box {
  const [top, left, height, width, ...more] = pixels(text);
  if (
    top === undefined ||
    left === undefined ||
    height === undefined ||
    width === undefined ||
    more.length > 0
  )
    throw new InvalidArgumentError(
      'It is four whole numbers of pixels: top, left, height and width, such as 2,2,5,5.',
    );
  if (height === 0 || width === 0) throw new InvalidArgumentError('Its height and width are at least 1.');
  return [top, left, height, width];
}

function margin(text: string): Margin {
  const [y, x, ...more] = pixels(text);
  if (x === undefined || y === undefined || more.length > 0)
    throw new InvalidArgumentError(
      'It is two whole numbers of pixels, up and down, left and right, such as 20,10.',
    );
  return { x, y };
}

function pixels(text: string): readonly (number | undefined)[] {
  return text.split(',').map((part) => (/^\s*\d{1,5}\s*$/.test(part) ? Number(part) : undefined));
}

/** What feature options there are, for a message. */
const WAYS = '--region TOP,LEFT,HEIGHT,WIDTH, --mask FILE.png, --landmarks NAMES, or --colour';

/** @throws UsageError if any is given: a table has no places in it */
export function requireNoImageOptions(model: string, options: ImageFeatureOptions): void {
  const given = Object.entries({
    '--region': options.region,
    '--mask': options.mask,
    '--landmarks': options.landmarks,
    '--margin': options.margin,
    '--colour': options.colour,
  }).flatMap(([option, value]) => (value === undefined ? [] : [option]));
  if (given.length === 0) return;
  throw new UsageError(
    `${given.join(' and ')} ${given.length === 1 ? 'is' : 'are'} for models that take images, and ${model} takes the rows of a table. Name a column with --feature.`,
  );
}

/**
 * The features that are asked for: regions, mask, landmarks and colour, in this order, named by `titles` in turn.
 *
 * @throws UsageError where there are more names than features, a name twice, or a grey image's colour is asked for
 * @throws DataError if a region does not lie within the images, or a mask does not fit
 */
export async function imageFeatures(
  options: ImageFeatureOptions,
  titles: readonly string[],
  { input }: ImageSchema,
): Promise<readonly ImageFeature[]> {
  const shape = { input: input.name, channels: input.channels, height: input.height, width: input.width };
  const made: ((name: string) => ImageFeature)[] = [];
  for (const region of options.region ?? []) {
    const [top, left, height, width] = region;
    requireRegion(input, { top, left, height, width });
    made.push((name) => ({ feature: rectangle(name, shape, region) }));
  }
  if (options.mask !== undefined) {
    const mask = await readMask(options.mask, input);
    made.push((name) => ({ feature: masked(name, shape, mask) }));
  }
  const { landmarks, margin = MOUTH_MARGIN } = options;
  if (landmarks !== undefined) {
    if (landmarks.length === 0) throw new UsageError('--landmarks takes names with commas between them.');
    made.push((name) => ({
      feature: wholeImage(name, 'region', shape),
      boxesOf: (set, rows) => boxesAround(set, rows, landmarks, margin),
      landmarks,
    }));
  } else if (options.margin !== undefined) {
    throw new UsageError('--margin goes with --landmarks; a region says itself how large it is.');
  }
  const regions = made.length;
  if (options.colour === true) {
    if (input.channels !== 3)
      throw new UsageError('The model takes grey images, which have no colour that it could depend on.');
    made.push((name) => ({ feature: wholeImage(name, 'colour', shape) }));
  }
  if (titles.length > made.length) {
    throw new UsageError(
      `Say where in the images ${titles
        .slice(made.length)
        .map((title) => `"${title}"`)
        .join(' and ')} is: ${WAYS}.`,
    );
  }
  const named = made.map((make, i) =>
    make(titles[i] ?? (i >= regions ? 'colour' : regions === 1 ? 'region' : `region ${i + 1}`)),
  );
  const twice = named.find(
    ({ feature }, i) => named.findIndex((other) => other.feature.name === feature.name) < i,
  );
  if (twice !== undefined)
    throw new UsageError(
      `Two features are called "${twice.feature.name}"; give them names of their own by --feature.`,
    );
  return named;
}

/** The one feature that is to be forgotten. @throws UsageError if there is none, or several */
export async function theImageFeature(
  options: ImageFeatureOptions,
  title: string | undefined,
  schema: ImageSchema,
): Promise<ImageFeature> {
  const [only, ...others] = await imageFeatures(options, title === undefined ? [] : [title], schema);
  if (only === undefined) throw new UsageError(`Say what in the images is to be forgotten: ${WAYS}.`);
  if (others.length > 0) throw new UsageError(`One feature at a time can be forgotten; give one of ${WAYS}.`);
  return only;
}

/** Tiles of the grid on a side, where nothing says what to measure. */
const TILES = 4;

/**
 * The tiles of a grid over the images and, where they have one, their colour: what to look at where nobody says. A tile is named as
 * `--region` takes it.
 */
export function everywhere({ input }: ImageSchema): readonly ImageFeature[] {
  const shape = { input: input.name, channels: input.channels, height: input.height, width: input.width };
  const [rows, columns] = [spans(input.height), spans(input.width)];
  const tiles = rows.flatMap(([top, height]) =>
    columns.map(([left, width]) => ({
      feature: rectangle(`region ${[top, left, height, width].join(',')}`, shape, [top, left, height, width]),
    })),
  );
  return input.channels === 3 ? [...tiles, { feature: wholeImage('colour', 'colour', shape) }] : tiles;
}

/** A side in parts of nearly the same length: where each begins, and its length. */
function spans(side: number): readonly (readonly [number, number])[] {
  const count = Math.min(TILES, side);
  return Array.from({ length: count }, (_, i) => {
    const from = Math.round((i * side) / count);
    return [from, Math.round(((i + 1) * side) / count) - from];
  });
}

function boxesAround(
  set: ImageSet,
  rows: ArrayLike<number>,
  landmarks: readonly string[],
  margin: Margin,
): Int16Array {
  const boxes = new Int16Array(4 * rows.length);
  for (let i = 0; i < rows.length; i++) {
    const { top, left, height, width } = boxAround(set, rows[i] ?? 0, landmarks, margin);
    boxes.set([top, left, height, width], 4 * i);
  }
  return boxes;
}
