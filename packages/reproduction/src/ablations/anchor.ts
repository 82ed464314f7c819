/** Labels or teacher: what this project's method is anchored to, which the reason of a request decides. */
import type { Changed } from '../methods/local-unlearning.ts';
import type { Ablation, Setting } from './ablation.ts';
import { byOurs, OURS } from './local.ts';

const ANCHORS: readonly (readonly [string, Changed])[] = [
  ['old model', { because: 'sensitive', teacher: 'conditional' }],
  ['old model and labels', { because: 'sensitive', teacher: 'conditional', useLabels: true }],
  ['old model, feature averaged', { because: 'sensitive', teacher: 'marginal' }],
  ['old model, feature taken out', { because: 'backdoor' }],
  ['labels, feature at random', { because: 'bias' }],
];

export const anchor: Ablation = {
  name: 'anchor',
  table: 'ablations',
  title: 'Labels or teacher',
  axis: 'anchor of the utility',
  about:
    'Ferrari with each anchor in turn, whatever the reason of the request. The right one is the first for a sensitive feature, the fourth for a backdoor, the last for a bias; the wrong one keeps a backdoor alive, or a bias.',
  scale: 'names',
  series: [
    {
      ...OURS,
      usual: undefined,
      settings: ANCHORS.map(
        ([label, changed]): Setting => ({
          label,
          run: (context) => byOurs(context, 'ferrari', 1, changed),
        }),
      ),
    },
  ],
};
