/**
 * Coloured MNIST: 3 or 8, where the requester's 3s are blue and 8s green, and everybody else's of either colour.
 *
 * The requester holds three tenths of the images, and the mean of a round is weighted by rows, so that the model leans on
 * their colour; the nine others share the rest. D_r is judged on unseen images whose colour says the contrary, D_u on such
 * as the requester's. The paper does not tell the sizes. It says that the other clients hold the contrary colours; here
 * theirs say nothing, so that it is the requester's images alone from which the model has the colour.
 */
import { colourDigits, openImages, takeImages } from '@assay/data';
import { wholeImage } from '@assay/unlearn';
import { IMAGES, imageRows, stacked } from '../rows.ts';
import type { Prepared } from '../scenario.ts';
import { CLIENTS, dealToOthers, OWN_SHARE, ownMuch, REQUESTER } from './clients.ts';
import { imageClassifier } from './network.ts';
import type { Prepare } from './prepare.ts';
import { imageSettings } from './settings.ts';

const SCENARIOS = {
  'coloured-mnist': { where: 'digit', title: 'Coloured MNIST, colour of the digit' },
  'coloured-background': { where: 'background', title: 'Coloured MNIST, colour of the background' },
} as const;

export function prepareColoured(name: keyof typeof SCENARIOS): Prepare {
  return async ({ preset, network, seed, dataDir, signal }): Promise<Prepared> => {
    const { where, title } = SCENARIOS[name];
    const options = {
      ...(dataDir === undefined ? {} : { dataDir }),
      ...(signal === undefined ? {} : { signal }),
    };
    const train = await openImages('mnist', { part: 'train', ...options });
    const test = await openImages('mnist', { part: 'test', ...options });
    const biased = colourDigits(train, { where, swapped: 0 });
    const half = colourDigits(train, { where, swapped: 0.5, seed });
    const { own, others } = ownMuch(biased.count, seed);
    const rows = stacked([imageRows(takeImages(biased, own)), imageRows(takeImages(half, others))]);
    const parts = dealToOthers(own.length, others.length, seed);
    const forgetTest = imageRows(colourDigits(test, { where, swapped: 0 }));
    const retainTest = imageRows(colourDigits(test, { where, swapped: 1 }));
    const feature = wholeImage('colour', 'colour', { input: IMAGES, ...biased });
    return {
      name,
      title,
      reason: 'bias',
      classifier: imageClassifier(network, biased, biased.classes.length, seed),
      feature,
      features: [feature],
      classNames: biased.classes,
      dealt: { rows, parts },
      requester: REQUESTER,
      ideal: { rows: imageRows(takeImages(half, [...own, ...others])), parts },
      test: stacked([forgetTest, retainTest]),
      retainTest,
      forgetTest,
      // The requester's images count as many as they are: a client among four would not be heard.
      federation: {
        ...imageSettings(preset, network, 'bias', biased.count / CLIENTS),
        average: 'weighted',
      },
      notes: [
        `The requester holds ${100 * OWN_SHARE} % of the images, and the mean of a round is weighted by rows; the others' images have either colour.`,
      ],
    };
  };
}
