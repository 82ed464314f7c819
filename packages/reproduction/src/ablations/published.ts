/** Settings of the published variant, where the authors say that it is fragile, and of the objective that their proof has. */
import type { PublishedSettings } from '@assay/unlearn';
import type { Ablation, Series, Setting } from './ablation.ts';
import { AS_PUBLISHED, BY_PROOF, byProof, byPublished } from './local.ts';

interface Value {
  readonly label: string;
  readonly at?: number;
  readonly settings: Partial<PublishedSettings>;
}

function asPublished(values: readonly Value[], usual: string): Series {
  const settings = values.map(
    ({ label, at, settings }): Setting => ({
      label,
      ...(at === undefined ? {} : { at }),
      run: (context) => byPublished(context, settings),
    }),
  );
  return { ...AS_PUBLISHED, usual, settings };
}

function asProved(values: readonly Value[], usual: string): Series {
  const settings = values.map(
    ({ label, at, settings }): Setting => ({
      label,
      ...(at === undefined ? {} : { at }),
      run: (context) => byProof(context, settings),
    }),
  );
  return { ...BY_PROOF, usual, settings };
}

const COUNTS = [1, 2, 5, 10, 20, 40].map(
  (perturbations): Value => ({
    label: String(perturbations),
    at: perturbations,
    settings: { perturbations },
  }),
);

export const perturbations: Ablation = {
  name: 'perturbations',
  table: 'ablations',
  title: 'Number of perturbations N',
  axis: 'perturbations of each row, N',
  about: 'How many perturbed copies of each row a step compares it with. The paper has 20.',
  scale: 'logarithmic',
  series: [asPublished(COUNTS, '20'), asProved(COUNTS, '20')],
};

const SIGMAS: readonly Value[] = [
  ...[0.05, 0.1, 0.25, 0.5, 1, 2].map(
    (sigma): Value => ({ label: String(sigma), at: sigma, settings: { sigmas: [sigma, sigma] } }),
  ),
  { label: '0.05 to 1', settings: {} },
];

export const sigma: Ablation = {
  name: 'sigma',
  table: 'ablations',
  title: 'Scale of the perturbations σ',
  axis: 'σ',
  about: 'The standard deviation of a perturbation: one for all, or uniform from 0.05 to 1 as in the paper.',
  scale: 'logarithmic',
  series: [asPublished(SIGMAS, '0.05 to 1'), asProved(SIGMAS, '0.05 to 1')],
};

const BATCHES = [8, 16, 32, 64, 128, 256, 512].map(
  (batchSize): Value => ({ label: String(batchSize), at: batchSize, settings: { batchSize } }),
);

export const batch: Ablation = {
  name: 'batch',
  table: 'ablations',
  title: 'Batch size',
  axis: 'rows in a step',
  about:
    'Rows in a step, all else equal. The authors’ variant sums over them, so that a larger batch is a longer step; the proof’s objective is averaged.',
  scale: 'logarithmic',
  series: [asPublished(BATCHES, '128'), asProved(BATCHES, '128')],
};

const RATES = [1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2].map(
  (learningRate): Value => ({
    label: learningRate.toExponential(0).replace('e-', 'e−'),
    at: learningRate,
    settings: { learningRate },
  }),
);
const ADAM_RATES = RATES.filter(({ at = 0 }) => at >= 1e-5);

export const rate: Ablation = {
  name: 'rate',
  table: 'ablations',
  title: 'Learning rate',
  axis: 'learning rate',
  about: 'The authors say that their variant is very sensitive to it, and that 1e−4 was used in training.',
  scale: 'logarithmic',
  series: [asPublished(RATES, '1e−4'), asProved(ADAM_RATES, '1e−3')],
};

const ANCHORS: readonly (readonly [string, PublishedSettings['taskLoss']])[] = [
  ['no task loss', 'none'],
  ['labels', 'labels'],
  ['old model', 'teacher'],
];
const OBJECTIVES = (['one', 'both'] as const).flatMap((branches) =>
  ANCHORS.map(
    ([words, taskLoss]): Value => ({
      label: `${branches === 'one' ? 'one branch' : 'both branches'}, ${words}`,
      settings: { branches, taskLoss },
    }),
  ),
);

export const objective: Ablation = {
  name: 'objective',
  table: 'ablations',
  title: 'Branches of the gradient, and the task loss',
  axis: 'objective',
  about:
    'Whether the gradient goes through f(x) alone or through f(x + δ) too, and what holds the utility meanwhile: nothing, the labels of the requester’s rows, or the old model’s answers on them.',
  scale: 'names',
  series: [
    asPublished(OBJECTIVES, 'one branch, no task loss'),
    asProved(OBJECTIVES, 'both branches, labels'),
  ],
};
