/** `assay train` on images: a compact CNN or ResNet-18. */
import { stat } from 'node:fs/promises';
import {
  allRows,
  encodePixels,
  IMAGE_SCHEMA_METADATA_KEY,
  type ImageSchema,
  type ImageSet,
  imageSchemaToJson,
  imageSet,
  NAMED_IMAGE_SETS,
  type OpenImagesOptions,
  openImages,
  pixelsPerImage,
  poison,
  type Region,
  splitRows,
  stampTrigger,
  TRIGGERED,
  takeImages,
  triggerRegion,
} from '@assay/data';
import { cnn, resnet18 } from '@assay/engine';
import { fromFloat32, type Model } from '@assay/graph';
import { RandomStream } from '@assay/random';
import {
  type Accuracy,
  accuracyOf,
  type Estimate,
  predictions,
  proportion,
  type Rows,
  Scorer,
} from '@assay/unlearn';
import type { Context } from '../context.ts';
import { InputError, UsageError } from '../failures.ts';
import { withTraining } from '../provenance.ts';
import { counted, figure } from '../terminal/text.ts';
import { type TrainingSettings, trainClassifier } from '../training.ts';

export const IMAGE_MODELS = { cnn, resnet18 } as const;
export type ImageModel = keyof typeof IMAGE_MODELS;

export interface TrainImagesRequest {
  /** Named set, folder, archive or file. */
  readonly data: string;
  /** The attribute that is the label, where there are several. */
  readonly target: string | undefined;
  readonly model: ImageModel;
  readonly clients: number;
  readonly epochs: number | undefined;
  /** So many images are trained on, drawn by the seed; all by default. */
  readonly sample: number | undefined;
  /** A backdoor to plant, to see how it is removed; none by default. */
  readonly plant?: Plant | undefined;
  /** Side to which pictures are scaled; 64 by default. Sets of a size of their own keep it. */
  readonly size: number | undefined;
}

/** A backdoor: part of the training images is to carry a trigger and the label of one class. */
export interface Plant {
  /** Part of the training images, drawn by the seed, above 0. Those of the target class are left alone. */
  readonly share: number;
  /** Name of the class that the trigger stands for; the first by default. */
  readonly target: string | undefined;
}

/** A backdoor that was planted. */
export interface Planted {
  /** Name of the class that the trigger brings about. */
  readonly target: string;
  readonly region: Region;
  /** The images that carry the trigger, as they were trained on. */
  readonly images: ImageSet;
  /** Share of clean test images of other classes that become the target once they carry the trigger. */
  readonly success: Estimate;
}

export interface TrainImagesOutcome {
  readonly model: Model;
  readonly data: {
    readonly name: string;
    readonly digest: string;
    readonly rows: number;
    readonly synthetic: false;
  };
  readonly classes: number;
  readonly test: Accuracy;
  readonly planted?: Planted;
  readonly training: TrainingSettings;
  readonly seconds: number;
}

const TEST_FRACTION = 0.2;
const INPUT = 'images';
const OUTPUT = 'logits';
/** Numbers that the training images may take: as float32, 4 GiB. */
const MOST_NUMBERS = 2 ** 30;

/** Whether `assay train` takes the data for images where nobody says so: a named set of images, a folder, an archive. */
export async function holdsImages(data: string): Promise<boolean> {
  if (
    NAMED_IMAGE_SETS.has(data) ||
    /\.(?:tar|tgz|tar\.gz|bin)$/i.test(data) ||
    /-idx3-ubyte(?:\.gz)?$/.test(data)
  )
    return true;
  return await stat(data).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/**
 * Trains an image classifier; it carries its image schema and the record of its training.
 *
 * Accuracy is measured on the published test part where there is one, else on a fifth that the seed sets aside.
 */
export async function trainImages(
  context: Context,
  request: TrainImagesRequest,
): Promise<TrainImagesOutcome> {
  const begun = performance.now();
  const { seed } = context.settings;
  const { train: clean, test, whole, setAside } = await parts(context, request);
  await context.note(clean.notes);
  const poisoned = request.plant === undefined ? undefined : poisonedBy(request.plant, clean, seed);
  const train = poisoned?.train ?? clean;
  if (train.classes.length < 2) {
    throw new InputError(
      `${train.name} has ${counted(train.classes.length, 'class', 'classes')}; at least 2 are needed. Lay the pictures in a folder for each class, or put a labels.csv (file,label) beside them.`,
    );
  }
  const { channels, height, width, classes } = train;
  const initial = IMAGE_MODELS[request.model]({ channels, height, width, classes: classes.length, seed });
  const { model, record } = await trainClassifier({
    model: initial,
    output: OUTPUT,
    rows: rowsOf(train),
    clients: request.clients,
    seed,
    signal: context.signal,
    ...(request.epochs === undefined ? {} : { epochs: request.epochs }),
    onProgress: ({ done, epoch, validationLoss }) =>
      context.progress.update(
        'Training',
        done,
        `epoch ${epoch}${validationLoss === undefined ? '' : `, loss ${figure(validationLoss)}`}`,
      ),
  });
  const accuracy = await accuracyOn(model, test);
  const planted =
    poisoned === undefined
      ? undefined
      : { ...poisoned.backdoor, success: await successOn(model, test, poisoned.backdoor.target) };
  const schema: ImageSchema = {
    version: 1,
    input: {
      name: INPUT,
      channels,
      height,
      width,
      mean: new Array<number>(channels).fill(0.5),
      deviation: new Array<number>(channels).fill(0.5),
    },
    output: { name: OUTPUT, kind: 'logits' },
    target: { ...(request.target === undefined ? {} : { attribute: request.target }), classes: [...classes] },
    training: {
      name: whole.name,
      digest: whole.digest,
      images: whole.count,
      test: setAside,
      ...(request.sample === undefined ? {} : { sample: { count: request.sample, seed } }),
      ...(request.clients > 1 ? { clients: request.clients } : {}),
    },
  };
  const provenance = {
    seed,
    architecture: request.model,
    ...record,
    test: accuracy,
    // A model with a backdoor says so itself, so that nobody takes it for another.
    ...(planted === undefined
      ? {}
      : { backdoor: { target: planted.target, ...planted.region, images: planted.images.count } }),
  };
  return {
    model: withTraining(model, [IMAGE_SCHEMA_METADATA_KEY, imageSchemaToJson(schema)], provenance),
    data: { name: whole.name, digest: whole.digest, rows: whole.count, synthetic: false },
    classes: classes.length,
    test: accuracy,
    ...(planted === undefined ? {} : { planted }),
    training: record,
    seconds: (performance.now() - begun) / 1000,
  };
}

interface Parts {
  readonly train: ImageSet;
  readonly test: ImageSet;
  /** What was opened: the training part, or that from which both were taken. */
  readonly whole: ImageSet;
  readonly setAside: NonNullable<ImageSchema['training']>['test'];
}

async function parts(context: Context, request: TrainImagesRequest): Promise<Parts> {
  const { seed } = context.settings;
  const { data, sample, size, target } = request;
  const options: OpenImagesOptions = {
    ...context.reading(),
    ...(size === undefined ? {} : { height: size, width: size }),
    ...(target === undefined ? {} : { label: target }),
  };
  const sampled = sample === undefined ? {} : { sample: { count: sample, seed } };
  if (NAMED_IMAGE_SETS.get(data)?.parts.includes('test') === true) {
    const train = await openImages(data, { ...options, part: 'train', ...sampled });
    requireRoomFor(train);
    const test = await openImages(data, { ...options, part: 'test' });
    return { train, test, whole: train, setAside: { part: 'test' } };
  }
  const all = await openImages(data, { ...options, ...sampled });
  requireRoomFor(all);
  const split = { seed, testFraction: TEST_FRACTION };
  const rows = splitRows(all.count, split);
  const [train, test] = [takeImages(all, rows.train), takeImages(all, rows.test)];
  return { train, test, whole: all, setAside: split };
}

function requireRoomFor(set: ImageSet): void {
  const numbers = set.count * pixelsPerImage(set);
  if (numbers <= MOST_NUMBERS) return;
  throw new InputError(
    `${set.name} has ${counted(set.count, 'image')} of ${set.channels}×${set.height}×${set.width}, which are too many to train on at once here. Take fewer (--sample ${Math.floor(MOST_NUMBERS / pixelsPerImage(set))}) or smaller ones (--size).`,
  );
}

function rowsOf(set: ImageSet): Rows {
  const { count, channels, height, width, labels } = set;
  const pixels = encodePixels(set, allRows(count));
  return { count, inputs: { [INPUT]: fromFloat32([count, channels, height, width], pixels) }, labels };
}

async function accuracyOn(model: Model, set: ImageSet): Promise<Accuracy> {
  return accuracyOf(await predicted(model, set), set.labels);
}

async function predicted(model: Model, set: ImageSet): Promise<Int32Array> {
  const classes = set.classes.length;
  const scorer = await Scorer.open({ model, output: { name: OUTPUT, kind: 'logits' }, classes });
  try {
    return predictions(await scorer.scores(rowsOf(set)));
  } finally {
    await scorer.close();
  }
}

/** The training images with the trigger on some of them, which all get the label of the target class. */
function poisonedBy(
  { share, target = '' }: Plant,
  clean: ImageSet,
  seed: number,
): { readonly train: ImageSet; readonly backdoor: Omit<Planted, 'success'> } {
  const number = target === '' ? 0 : clean.classes.indexOf(target);
  const name = clean.classes[number];
  if (name === undefined) {
    throw new UsageError(
      `There is no class "${target}" for the trigger to stand for; there are ${clean.classes.slice(0, 20).join(', ')}${clean.classes.length > 20 ? ', …' : ''}.`,
    );
  }
  // A stream of its own: rows drawn like those that are kept for validation would never be trained on.
  const drawn = new RandomStream(seed, 'poison').permutation(clean.count);
  const train = poison(clean, drawn.subarray(0, Math.round(share * clean.count)).sort(), { target: number });
  const carries = train.attributes[TRIGGERED] ?? new Int32Array();
  const rows = Uint32Array.from(carries.keys()).filter((row) => carries[row] === 1);
  if (rows.length === 0)
    throw new InputError(
      `With ${share} of ${counted(clean.count, 'image')}, none carries the trigger; poison more.`,
    );
  return { train, backdoor: { target: name, region: triggerRegion(), images: takeImages(train, rows) } };
}

/** How often the trigger brings about its class in clean test images of others. */
async function successOn(model: Model, test: ImageSet, target: string): Promise<Estimate> {
  const number = test.classes.indexOf(target);
  const others = Uint32Array.from(test.labels.keys()).filter((row) => test.labels[row] !== number);
  const unlike = takeImages(test, others);
  const triggered = imageSet({ ...unlike, pixels: stampTrigger(unlike.pixels, unlike) });
  const found = await predicted(model, triggered);
  return proportion(
    found.reduce((sum, label) => sum + (label === number ? 1 : 0), 0),
    found.length,
  );
}
