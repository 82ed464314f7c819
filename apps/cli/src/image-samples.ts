/** Which images are measured on, and which the requester holds. */
import {
  allRows,
  type ImageSet,
  NAMED_IMAGE_SETS,
  type OpenImagesOptions,
  openImages,
  pixelsPerImage,
  shareOf,
  splitRows,
} from '@assay/data';
import type { Reason, Rows } from '@assay/unlearn';
import type { Context } from './context.ts';
import { InputError, UsageError } from './failures.ts';
import type { ImageFeature } from './image-features.ts';
import { type ImageSubject, imageRowsOf } from './image-subject.ts';
import type { RequestSamples, TableIdentity, TestSample, TestSource } from './samples.ts';
import { counted } from './terminal/text.ts';

/** Images that all tiles of a grid are measured on at most: there are many of them. */
export const MOST_MEASURED_BY_TILES = 2_000;
/** Images that are measured on at most; more would narrow the intervals to less than anyone can use. */
const MOST_MEASURED = 10_000;
/** Part of the images that is set aside where nothing else says which. */
const TEST_FRACTION = 0.2;
/** Numbers that the requester's images may take: as float32, 4 GiB. */
const MOST_NUMBERS = 2 ** 30;

/** Images of the model's size, with the model's class numbers. */
export interface ModelImages {
  readonly set: ImageSet;
  /** −1 where an image has no class that the model knows. */
  readonly labels: Int32Array;
  readonly notes: readonly string[];
}

/**
 * Opens images for a model: scaled to its size, unless they have a size of their own.
 *
 * @param part of a named set
 * @throws InputError if they have another size than the model takes
 */
export async function openForModel(
  context: Context,
  subject: ImageSubject,
  data: string,
  options: Pick<OpenImagesOptions, 'part' | 'sample' | 'landmarks'> = {},
): Promise<ModelImages> {
  const { channels, height, width } = subject.schema.input;
  const { attribute, classes } = subject.schema.target;
  const hasOwnSize = NAMED_IMAGE_SETS.get(data)?.scaled === false;
  const set = await openImages(data, {
    ...context.reading(),
    ...options,
    ...(hasOwnSize ? {} : { height, width, channels }),
    ...(attribute === undefined ? {} : { label: attribute }),
  });
  if (set.channels !== channels || set.height !== height || set.width !== width) {
    throw new InputError(
      `${subject.file.shown} takes images of ${channels}×${height}×${width} (channels, height, width), and ${set.name} has images of ${set.channels}×${set.height}×${set.width}.`,
    );
  }
  const numbers = set.classes.map((name) => classes.indexOf(name));
  const labels = set.labels.map((label) => numbers[label] ?? -1);
  const without = labels.reduce((sum, label) => sum + (label < 0 ? 1 : 0), 0);
  return {
    set,
    labels,
    notes: [
      ...set.notes,
      ...(without === 0
        ? []
        : [
            `${counted(without, 'image')} of ${set.count} in ${set.name} have no class that the model knows; they do not count for accuracy.`,
          ]),
    ],
  };
}

function identityOf(set: ImageSet): TableIdentity {
  return { name: set.name, digest: set.digest, rows: set.count, synthetic: false };
}

/** Images as rows, with the places of features that differ from image to image. */
function rowsOf(
  { set, labels }: ModelImages,
  rows: Uint32Array,
  { schema }: ImageSubject,
  features: readonly ImageFeature[],
): Rows {
  const places = features.flatMap(({ feature, boxesOf }) =>
    boxesOf === undefined ? [] : [[feature.name, boxesOf(set, rows)] as const],
  );
  const encoded = imageRowsOf(set, rows, schema, labels);
  return places.length === 0 ? encoded : { ...encoded, places: Object.fromEntries(places) };
}

/** What the data are to the model: its training images with the split of then, or images that it has not seen. */
interface Known extends ModelImages {
  /** Rows that were set aside when the model was trained; undefined where these are not its training images, or not split. */
  readonly heldOut: { readonly train: Uint32Array; readonly test: Uint32Array } | undefined;
}

/** Opens the data, and finds out whether they are the images that the model was trained on, pixel for pixel. */
async function openKnown(
  context: Context,
  subject: ImageSubject,
  data: string,
  needed: Pick<OpenImagesOptions, 'landmarks'>,
): Promise<Known> {
  const { training } = subject.schema;
  if (training === undefined || 'part' in training.test)
    return { ...(await openForModel(context, subject, data, needed)), heldOut: undefined };
  const { sample } = training;
  let opened = await openForModel(context, subject, data, {
    ...needed,
    ...(sample === undefined ? {} : { sample }),
  });
  const isTraining = opened.set.digest === training.digest;
  if (!isTraining && sample !== undefined) opened = await openForModel(context, subject, data, needed);
  const split = isTraining ? splitRows(opened.set.count, training.test) : undefined;
  return { ...opened, heldOut: split !== undefined && split.test.length > 0 ? split : undefined };
}

/** What images must have for features to be found in them. */
function neededFor(features: readonly ImageFeature[]): Pick<OpenImagesOptions, 'landmarks'> {
  const landmarks = features.flatMap((feature) => feature.landmarks ?? []);
  return landmarks.length === 0 ? {} : { landmarks };
}

/** Whether the data are a named set with a published test part. */
function hasTestPart(data: string): boolean {
  return NAMED_IMAGE_SETS.get(data)?.parts.includes('test') === true;
}

/** Images to measure sensitivity on: a published test part, the model's own test images, or all. */
export async function imagesToMeasure(
  context: Context,
  subject: ImageSubject,
  data: string,
  features: readonly ImageFeature[],
  most = MOST_MEASURED,
): Promise<TestSample & { readonly notes: readonly string[] }> {
  const isPublished = hasTestPart(data);
  const needed = neededFor(features);
  const images: Known = isPublished
    ? { ...(await openForModel(context, subject, data, { ...needed, part: 'test' })), heldOut: undefined }
    : await openKnown(context, subject, data, needed);
  const { set, heldOut } = images;
  const whole = heldOut?.test ?? allRows(set.count);
  const { seed } = context.settings;
  const rows = atMost(whole, seed, most);
  const which =
    rows.length < whole.length ? `${counted(rows.length, 'image')} drawn by seed ${seed} from` : 'all';
  const what = isPublished
    ? `the ${counted(whole.length, 'test image')} of ${set.name}`
    : heldOut !== undefined
      ? `the ${counted(whole.length, 'image')} of ${set.name} that were set aside when the model was trained`
      : `${counted(whole.length, 'image')} of ${set.name}`;
  return {
    rows: rowsOf(images, rows, subject, features),
    source: isPublished ? 'published' : heldOut === undefined ? 'all' : 'held-out',
    table: identityOf(set),
    notes: [`Measured on ${which} ${what}.`, ...images.notes],
  };
}

function atMost(rows: Uint32Array, seed: number, most = MOST_MEASURED): Uint32Array {
  return shareOf(rows, Math.min(1, most / Math.max(1, rows.length)), seed);
}

/**
 * The requester's images, and those to measure on; they have no image in common.
 *
 * For a backdoor all of the data are the requester's, with the trigger in them as it is, and the images to measure on are others,
 * without it.
 *
 * @param options.share part of the images that the requester holds, drawn by the seed
 * @param options.test other images to measure on
 * @throws UsageError if there are no clean images to measure a backdoor on
 * @throws InputError if there are too few or too many images, or none has a label to measure on
 */
export async function imageSamplesForRequest(
  context: Context,
  subject: ImageSubject,
  data: string,
  feature: ImageFeature,
  options: { readonly share: number; readonly test: string | undefined; readonly because: Reason },
): Promise<RequestSamples> {
  const { seed } = context.settings;
  const isPlanted = options.because === 'backdoor';
  if (isPlanted && options.test === undefined) {
    throw new UsageError(
      "A backdoor is measured on images without its trigger, which the requester's are not. Give them with --test (for a named set, its test part is taken).",
    );
  }
  const isPublished = hasTestPart(data);
  const needed = neededFor([feature]);
  const images: Known = isPublished
    ? { ...(await openForModel(context, subject, data, { ...needed, part: 'train' })), heldOut: undefined }
    : await openKnown(context, subject, data, needed);
  const { set } = images;
  const split =
    images.heldOut ??
    (isPublished || options.test !== undefined
      ? undefined
      : splitRows(set.count, { seed, testFraction: TEST_FRACTION }));
  const pool = isPlanted ? allRows(set.count) : (split?.train ?? allRows(set.count));
  const owned = shareOf(pool, options.share, seed);
  requireRoomFor(set, owned.length);
  const other = options.test ?? (isPublished ? data : undefined);
  const source: TestSource =
    other !== undefined
      ? hasTestPart(other)
        ? 'published'
        : 'table'
      : images.heldOut === undefined
        ? 'split'
        : 'held-out';
  const measured: ModelImages =
    other === undefined
      ? images
      : await openForModel(context, subject, other, {
          ...needed,
          ...(hasTestPart(other) ? { part: 'test' as const } : {}),
        });
  const testRows = atMost(
    other === undefined ? (split?.test ?? new Uint32Array()) : allRows(measured.set.count),
    seed,
  );
  if (owned.length === 0 || testRows.length === 0) {
    throw new InputError(
      `${set.name} has ${counted(set.count, 'image')}; that is too few to unlearn with some and measure on others. Give more, or --test with images to measure on.`,
    );
  }
  const test: TestSample = {
    rows: rowsOf(measured, testRows, subject, [feature]),
    source,
    table: identityOf(measured.set),
  };
  requireLabels(test, subject);
  return {
    test,
    requester: {
      rows: rowsOf(images, owned, subject, [feature]),
      table: identityOf(set),
      share: options.share,
    },
    notes: [
      `Unlearning with ${counted(owned.length, 'image')} of ${set.name}${options.share < 1 ? ` (${Math.round(options.share * 1000) / 10}% of those that may be used, drawn by seed ${seed})` : ''}.`,
      measuringOn(test, measured.set, seed),
      ...(other !== undefined && measured.set.digest === set.digest
        ? [
            `${measured.set.name} are the same images as the data: it is measured on images that are also used to unlearn.`,
          ]
        : []),
      ...new Set([...images.notes, ...measured.notes]),
    ],
  };
}

function measuringOn({ rows, source }: TestSample, set: ImageSet, seed: number): string {
  const images = counted(rows.count, source === 'published' ? 'test image' : 'image');
  switch (source) {
    case 'held-out':
      return `Measuring on ${images} of ${set.name} that were set aside when the model was trained; none of them is used to unlearn.`;
    case 'split':
      return `Measuring on ${images} of ${set.name}, of the 20% set aside by seed ${seed}; none of them is used to unlearn.`;
    default:
      return `Measuring on ${images} of ${set.name}.`;
  }
}

function requireRoomFor(set: ImageSet, rows: number): void {
  const each = pixelsPerImage(set);
  if (rows * each <= MOST_NUMBERS) return;
  throw new InputError(
    `${counted(rows, 'image')} of ${set.channels}×${set.height}×${set.width} are too many to unlearn with at once here; take a part of them (--share ${Math.floor((1000 * MOST_NUMBERS) / (rows * each)) / 1000}).`,
  );
}

function requireLabels({ rows, table }: TestSample, { schema }: ImageSubject): void {
  if (rows.labels?.some((label) => label >= 0) === true) return;
  throw new InputError(
    `None of the images of ${table.name} to measure on has a class that the model knows (${schema.target.classes.slice(0, 8).join(', ')}${schema.target.classes.length > 8 ? ', …' : ''}). Pictures lie in a folder for each class, or a labels.csv beside them says it.`,
  );
}
