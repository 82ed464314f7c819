/** All ablations, in the order in which they are shown. */
import type { Ablation } from './ablation.ts';
import { anchor } from './anchor.ts';
import { clients } from './clients.ts';
import { batch, objective, perturbations, rate, sigma } from './published.ts';
import { relapse } from './relapse.ts';
import { share } from './share.ts';

export const ABLATIONS: readonly Ablation[] = [
  share,
  perturbations,
  sigma,
  batch,
  rate,
  objective,
  anchor,
  clients,
  relapse,
];
