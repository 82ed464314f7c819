/**
 * Stochastic gradient descent with momentum, as in PyTorch:
 *
 *   g ← ∇L + w·p        (w: weight decay, added to the gradient)
 *   b ← μ·b + g         (b starts at 0, so that b = g after the first step)
 *   p ← p − η·b         or, after Nesterov,  p ← p − η·(g + μ·b)
 *
 * Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013.
 */
import { tensor } from '@assay/graph';
import { castScalar, scaled, type UpdateRule } from './update.ts';

/** Settings of stochastic gradient descent; each defaults to 0 or false. */
export interface Sgd {
  readonly kind: 'sgd';
  /** μ, from 0 up to but not including 1. */
  readonly momentum?: number;
  /** w ≥ 0. */
  readonly weightDecay?: number;
  readonly nesterov?: boolean;
}

export function sgd({ momentum = 0, weightDecay = 0, nesterov = false }: Sgd): UpdateRule {
  return (groups, { build, learningRate, state }) =>
    groups.map(({ label, elementType, dims, parameter, gradient }) => {
      const rate = castScalar(build, learningRate, 'float32', elementType);
      const decayed =
        weightDecay === 0
          ? gradient
          : build.op('Add', [gradient, scaled(build, elementType, weightDecay, parameter)]);
      let direction = decayed;
      if (momentum > 0) {
        const buffer = state(
          `sgd.momentum.${label}`,
          tensor(elementType, dims, new Float32Array(count(dims))),
        );
        const next = build.op('Add', [scaled(build, elementType, momentum, buffer.current), decayed]);
        buffer.next(next);
        direction = nesterov ? build.op('Add', [decayed, scaled(build, elementType, momentum, next)]) : next;
      }
      return build.op('Sub', [parameter, build.op('Mul', [direction, rate])]);
    });
}

function count(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}
