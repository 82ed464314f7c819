/**
 * Backdoors: the requester's images carry a trigger and the label of the target class.
 *
 * As in the authors' code: a square of side 5 at row 2, column 2, target class 0; the unlearn client's images of the other
 * classes all carry it.
 */
import { imageSet, openImages, poison, stampTrigger, takeImages, triggerRegion } from '@assay/data';
import { rectangle } from '@assay/unlearn';
import { IMAGES, imageRows } from '../rows.ts';
import type { Prepared } from '../scenario.ts';
import { CLIENTS, dealEvenly, REQUESTER } from './clients.ts';
import { imageClassifier } from './network.ts';
import type { Prepare } from './prepare.ts';
import { imageSettings } from './settings.ts';

const TITLES = {
  mnist: 'MNIST, backdoor',
  'fashion-mnist': 'Fashion-MNIST, backdoor',
  'cifar-10': 'CIFAR-10, backdoor',
  'cifar-20': 'CIFAR-20, backdoor',
  'cifar-100': 'CIFAR-100, backdoor',
} as const;

/** The class that the trigger stands for. */
const TARGET = 0;
/** Images for training and to judge by, at most. */
const QUICK = { train: 20_000, test: 10_000 };
/** ResNet-18 takes a hundred times as long per image. */
const QUICK_RESNET = { train: 10_000, test: 2_000 };

export function prepareBackdoor(name: keyof typeof TITLES): Prepare {
  return async ({ preset, network, seed, dataDir, signal }): Promise<Prepared> => {
    const most = preset === 'full' ? undefined : network === 'cnn' ? QUICK : QUICK_RESNET;
    const options = {
      ...(dataDir === undefined ? {} : { dataDir }),
      ...(signal === undefined ? {} : { signal }),
    };
    const sample = (count: number | undefined) => (count === undefined ? {} : { sample: { count, seed } });
    const train = await openImages(name, { part: 'train', ...sample(most?.train), ...options });
    const test = await openImages(name, { part: 'test', ...sample(most?.test), ...options });
    const parts = dealEvenly(train.count, seed);
    const own = parts.get(REQUESTER) ?? new Uint32Array();
    const poisoned = poison(train, own, { target: TARGET });
    const others = Uint32Array.from(test.labels.keys()).filter((row) => test.labels[row] !== TARGET);
    const unlike = takeImages(test, others);
    const triggered = imageSet({
      ...unlike,
      pixels: stampTrigger(unlike.pixels, unlike),
      labels: new Int32Array(unlike.count).fill(TARGET),
    });
    const { top, left, height, width } = triggerRegion();
    const feature = rectangle('trigger', { input: IMAGES, ...train }, [top, left, height, width]);
    const clean = imageRows(test);
    return {
      name,
      title: TITLES[name],
      reason: 'backdoor',
      classifier: imageClassifier(network, train, train.classes.length, seed),
      feature,
      features: [feature],
      classNames: train.classes,
      dealt: { rows: imageRows(poisoned), parts },
      requester: REQUESTER,
      carriers: own.filter((row) => train.labels[row] !== TARGET),
      ideal: { rows: imageRows(train), parts },
      test: clean,
      retainTest: clean,
      forgetTest: imageRows(triggered),
      federation: imageSettings(preset, network, 'trigger', train.count / CLIENTS),
      notes: [
        ...(name === 'cifar-10' && train.count <= 10_000
          ? ['One of the five training batches: 10,000 images.']
          : []),
        ...(most === undefined || train.count < most.train
          ? []
          : [`${train.count.toLocaleString('en')} training images, drawn at random.`]),
      ],
    };
  };
}
