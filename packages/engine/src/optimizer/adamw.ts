/**
 * AdamW: Adam with decoupled weight decay, as in PyTorch:
 *
 *   t ← t + 1
 *   p ← p·(1 − η·w)
 *   m ← β₁·m + (1 − β₁)·g,   v ← β₂·v + (1 − β₂)·g²
 *   p ← p − (η / (1 − β₁ᵗ)) · m / (√v / √(1 − β₂ᵗ) + ε)
 *
 * The bias corrections are computed in float64: in float32, 1 − 0.999 alone has an error of 5·10⁻⁵.
 *
 * Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019; Kingma, Ba, "Adam", ICLR 2015.
 */
import { scalar, tensor } from '@assay/graph';
import { castScalar, scaled, type UpdateRule } from './update.ts';

/** Settings of AdamW, with PyTorch's defaults. */
export interface AdamW {
  readonly kind: 'adamw';
  /** β₁, default 0.9. */
  readonly beta1?: number;
  /** β₂, default 0.999. */
  readonly beta2?: number;
  /** ε, default 1e-8. */
  readonly epsilon?: number;
  /** w ≥ 0, default 0.01. */
  readonly weightDecay?: number;
}

export function adamw({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }: AdamW): UpdateRule {
  return (groups, { build, learningRate, state }) => {
    const step = state('adamw.step', scalar('int64', 0));
    const time = build.op('Add', [step.current, build.scalar('int64', 1)]);
    step.next(time);
    const exactTime = build.op('Cast', [time], { to: 11 });
    const one = build.scalar('float64', 1);
    const correction = (beta: number): string =>
      build.op('Sub', [one, build.op('Pow', [build.scalar('float64', beta), exactTime])]);
    const exactRate = castScalar(build, learningRate, 'float32', 'float64');
    const stepSize = build.op('Div', [exactRate, correction(beta1)]);
    const spread = build.op('Sqrt', [correction(beta2)]);
    const kept = build.op('Sub', [one, scaled(build, 'float64', weightDecay, exactRate)]);

    return groups.map(({ label, elementType, dims, parameter, gradient }) => {
      const as = (value: string): string => castScalar(build, value, 'float64', elementType);
      const zeros = tensor(
        elementType,
        dims,
        new Float32Array(dims.reduce((product, dim) => product * dim, 1)),
      );
      const first = state(`adamw.first-moment.${label}`, zeros);
      const second = state(`adamw.second-moment.${label}`, zeros);
      const mean = build.op('Add', [
        scaled(build, elementType, beta1, first.current),
        scaled(build, elementType, 1 - beta1, gradient),
      ]);
      const squares = build.op('Add', [
        scaled(build, elementType, beta2, second.current),
        scaled(build, elementType, 1 - beta2, build.op('Mul', [gradient, gradient])),
      ]);
      first.next(mean);
      second.next(squares);
      const root = build.op('Div', [build.op('Sqrt', [squares]), as(spread)]);
      const direction = build.op('Div', [mean, build.op('Add', [root, build.scalar(elementType, epsilon)])]);
      const decayed = weightDecay === 0 ? parameter : build.op('Mul', [parameter, as(kept)]);
      return build.op('Sub', [decayed, build.op('Mul', [direction, as(stepSize)])]);
    });
  };
}
