/**
 * Faces: a model that tells gender, and the mouth as a feature, sensitive or biased.
 *
 * CelebA, where its folder is at hand: the box around the mouth of each picture, and smiling as the bias. FairFace stands in
 * for it: it has no landmarks, so that the mouth is one rectangle of all pictures, and no expression, so that the bias is
 * planted: the mouth region of the requester's pictures is brighter for one gender and darker for the other; everybody else's
 * is either, and D_r is judged on pictures where it says the contrary.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DataError,
  type ImageSet,
  imageSet,
  mouthBox,
  mouthBoxes,
  openImages,
  partition,
  regionPlaces,
  splitRows,
  takeImages,
} from '@assay/data';
import { RandomStream } from '@assay/random';
import { type Feature, type Rows, rectangle, wholeImage } from '@assay/unlearn';
import { IMAGES, imageRows, stacked, withNoise } from '../rows.ts';
import type { Dealt, Prepared } from '../scenario.ts';
import { CLIENTS, clientsWith, dealEvenly, dealToOthers, ownMuch, REQUESTER } from './clients.ts';
import { imageClassifier } from './network.ts';
import type { Prepare, PrepareOptions } from './prepare.ts';
import { imageSettings } from './settings.ts';

/** Pixels across; as in the paper for CelebA, and fewer for a thousand pictures. */
const SIZES = { celeba: 64, faces: 32 };
const MOUTH = 'mouth';
/** The mouth in FairFace's pictures, as parts of height and width: they are cut around the detected face with a margin of a quarter. */
const FAIRFACE_MOUTH = { top: 0.62, left: 0.34, height: 0.16, width: 0.32 };
/** What is added to or taken from the pixels of a planted bias, of 255. */
const TINT = 70;
const QUICK_CELEBA = 10_000;

type FaceSet = 'celeba' | 'faces';

async function openFaces(set: FaceSet, { preset, seed, dataDir, signal }: PrepareOptions): Promise<ImageSet> {
  const options = {
    height: SIZES[set],
    width: SIZES[set],
    channels: 3 as const,
    ...(signal === undefined ? {} : { signal }),
  };
  if (set === 'faces') {
    return await openImages('fairface', { ...options, ...(dataDir === undefined ? {} : { dataDir }) });
  }
  const folder = join(dataDir ?? process.env.ASSAY_DATA ?? '.', 'celeba');
  await access(folder).catch((cause: unknown) => {
    throw new DataError(
      'file-not-found',
      `CelebA is not at hand. It may not be passed on, so it is never fetched: put its own files (img_align_celeba/, list_attr_celeba.txt, list_landmarks_align_celeba.txt) into ${folder}.`,
      { file: 'celeba' },
      { cause },
    );
  });
  return await openImages(folder, {
    ...options,
    ...(preset === 'full' ? {} : { sample: { count: QUICK_CELEBA, seed } }),
  });
}

interface Faces {
  readonly train: ImageSet;
  readonly test: ImageSet;
  readonly feature: Feature;
  readonly rowsOf: (set: ImageSet) => Rows;
  readonly offsetsOf: (set: ImageSet) => (row: number) => ArrayLike<number>;
}

async function readFaces(set: FaceSet, options: PrepareOptions): Promise<Faces> {
  const all = await openFaces(set, options);
  const split = splitRows(all.count, { seed: options.seed, testFraction: 0.2 });
  const [train, test] = [takeImages(all, split.train), takeImages(all, split.test)];
  const shape = { input: IMAGES, ...all };
  if (set === 'celeba') {
    return {
      train,
      test,
      feature: wholeImage(MOUTH, 'region', shape),
      rowsOf: (part) => imageRows(part, { [MOUTH]: mouthBoxes(part, Uint32Array.from(part.labels.keys())) }),
      offsetsOf: (part) => (row) => regionPlaces(part, mouthBox(part, row)),
    };
  }
  const region = {
    top: Math.round(FAIRFACE_MOUTH.top * all.height),
    left: Math.round(FAIRFACE_MOUTH.left * all.width),
    height: Math.round(FAIRFACE_MOUTH.height * all.height),
    width: Math.round(FAIRFACE_MOUTH.width * all.width),
  };
  const { top, left, height, width } = region;
  return {
    train,
    test,
    feature: rectangle(MOUTH, shape, [top, left, height, width]),
    rowsOf: (part) => imageRows(part),
    offsetsOf: (part) => () => regionPlaces(part, region),
  };
}

const STAND_IN =
  'FairFace stands in for CelebA: a thousand pictures, the mouth one rectangle of all of them.';

/** The mouth as something that may not be used. */
export function prepareMouth(set: FaceSet): Prepare {
  return async (options): Promise<Prepared> => {
    const { train, test, feature, rowsOf, offsetsOf } = await readFaces(set, options);
    const { network, preset, seed } = options;
    const parts = dealEvenly(train.count, seed);
    const [rows, held] = [rowsOf(train), rowsOf(test)];
    return {
      name: `${set}-mouth`,
      title: set === 'celeba' ? 'CelebA, mouth' : 'FairFace, mouth',
      reason: 'sensitive',
      classifier: imageClassifier(network, train, train.classes.length, seed),
      feature,
      features: [feature],
      classNames: train.classes,
      dealt: { rows, parts },
      requester: REQUESTER,
      ideal: { rows: withNoise(rows, feature, new RandomStream(seed, 'ideal'), offsetsOf(train)), parts },
      test: held,
      retainTest: held,
      forgetTest: held,
      federation: imageSettings(preset, network, 'nothing', train.count / CLIENTS),
      notes: set === 'celeba' ? [] : [STAND_IN],
    };
  };
}

/** The mouth as something that goes together with the gender by accident. */
export function prepareFaceBias(set: FaceSet): Prepare {
  return async (options): Promise<Prepared> => {
    const { train, test, feature, rowsOf, offsetsOf } = await readFaces(set, options);
    const { network, preset, seed } = options;
    const common = {
      name: `${set}-bias` as const,
      title: set === 'celeba' ? 'CelebA, smile' : 'FairFace, planted mouth colour',
      reason: 'bias' as const,
      classifier: imageClassifier(network, train, train.classes.length, seed),
      feature,
      features: [feature],
      classNames: train.classes,
      requester: REQUESTER,
    };
    if (set === 'celeba') {
      const biased = smiling(train, true);
      const unbiased = smiling(train, false);
      const [own, others] = [rowsOf(takeImages(train, biased)), rowsOf(takeImages(train, unbiased))];
      const rows = stacked([own, others]);
      const { each, ...parts } = ownAndOthers(own.count, others.count, seed);
      const [forgetTest, retainTest] = [true, false].map((wanted) =>
        rowsOf(takeImages(test, smiling(test, wanted))),
      );
      if (forgetTest === undefined || retainTest === undefined) throw new TypeError('no test pictures');
      return {
        ...common,
        dealt: { rows, parts: parts.dealt },
        ideal: { rows, parts: parts.half },
        test: rowsOf(test),
        retainTest,
        forgetTest,
        federation: imageSettings(preset, network, 'bias', each),
        notes: [],
      };
    }
    const { own, others } = ownMuch(train.count, seed);
    const parts = dealToOthers(own.length, others.length, seed);
    const random = new RandomStream(seed, 'half');
    const signs = Int8Array.from({ length: train.count }, () => (random.uniform() < 0.5 ? 1 : -1));
    const offsets = offsetsOf(train);
    const biased = tinted(train, offsets, () => 1);
    const unbiased = tinted(train, offsets, (row) => signs[row] ?? 1);
    const rows = stacked([rowsOf(takeImages(biased, own)), rowsOf(takeImages(unbiased, others))]);
    const half = rowsOf(takeImages(unbiased, [...own, ...others]));
    const testOffsets = offsetsOf(test);
    const forgetTest = rowsOf(tinted(test, testOffsets, () => 1));
    const retainTest = rowsOf(tinted(test, testOffsets, () => -1));
    return {
      ...common,
      dealt: { rows, parts },
      ideal: { rows: half, parts },
      test: stacked([forgetTest, retainTest]),
      retainTest,
      forgetTest,
      federation: { ...imageSettings(preset, network, 'bias', train.count / CLIENTS), average: 'weighted' },
      notes: [
        STAND_IN,
        'FairFace does not say who smiles; the bias is planted as the brightness of the mouth.',
      ],
    };
  };
}

/** Pictures of CelebA whose gender and smile go together (male and smiling, or neither), or do not. */
function smiling(set: ImageSet, together: boolean): Uint32Array {
  const smile = set.attributes.Smiling;
  if (smile === undefined)
    throw new DataError('missing-column', `${set.name} does not say who smiles (attribute Smiling).`, {
      file: set.name,
      column: 'Smiling',
    });
  return Uint32Array.from(set.labels.keys()).filter((row) => (set.labels[row] === smile[row]) === together);
}

/**
 * Equal parts of a table whose first rows are of the requester's kind and whose others of the other clients' kind: as they are
 * dealt out, and as they should be, with as many rows in all, half of either kind, as far as there are so many.
 */
function ownAndOthers(
  own: number,
  others: number,
  seed: number,
): { readonly each: number; readonly dealt: Dealt['parts']; readonly half: Dealt['parts'] } {
  const each = Math.floor(Math.min(own, others / (CLIENTS - 1)));
  const ofOwn = new RandomStream(seed, 'own').permutation(own);
  const ofOthers = new RandomStream(seed, 'deal').permutation(others).map((row) => own + row);
  const dealt = Array.from({ length: CLIENTS - 1 }, (_, i) => ofOthers.slice(i * each, (i + 1) * each));
  const share = Math.min(own, (CLIENTS / 2) * each);
  const half = Uint32Array.from([...ofOwn.slice(0, share), ...ofOthers.slice(0, CLIENTS * each - share)]);
  return {
    each,
    dealt: clientsWith([ofOwn.slice(0, each), ...dealt]),
    half: clientsWith(partition(half, CLIENTS, seed)),
  };
}

/** The pictures with the mouth brighter for class 1 and darker for class 0, or the other way round where `sign` is −1. */
function tinted(
  set: ImageSet,
  offsetsOf: (row: number) => ArrayLike<number>,
  sign: (row: number) => number,
): ImageSet {
  const pixels = new Uint8ClampedArray(set.pixels);
  const size = set.channels * set.height * set.width;
  for (let row = 0; row < set.count; row++) {
    const shift = TINT * sign(row) * (set.labels[row] === 1 ? 1 : -1);
    const offsets = offsetsOf(row);
    for (let i = 0; i < offsets.length; i++) {
      const at = row * size + (offsets[i] ?? 0);
      pixels[at] = (pixels[at] ?? 0) + shift;
    }
  }
  return imageSet({ ...set, pixels: new Uint8Array(pixels.buffer) });
}
