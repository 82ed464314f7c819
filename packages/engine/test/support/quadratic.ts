/**
 * A loss whose gradients are written out by hand, so that optimisers are tested without the differentiator:
 *
 *   L = Σ c·(w − t)² + Σ (u² − a)²,   ∂L/∂w = 2c·(w − t),   ∂L/∂u = 4u·(u² − a)
 */
import { type ElementType, GraphBuilder, type Model, makeModel, tensor, valueInfo } from '@assay/graph';

export const START = { w: [0.5, -1.25, 2], u: [1, -2, 0.25, 0.75] };
const T = [1, 0, -1];
const C = [1, 0.1, 3];
const A = [0.5, 0.5, -0.5, 1.5];

/** The model with outputs `loss`, `distance` (of w from t, squared), `grad.w` and `grad.u`. */
export function quadratic(type: Extract<ElementType, 'float32' | 'float64' | 'float16'>): Model {
  const build = new GraphBuilder();
  build.initializer('w', tensor(type, [3], START.w));
  build.initializer('u', tensor(type, [2, 2], START.u));
  const c = build.constant(tensor(type, [3], C));
  const away = build.op('Sub', ['w', build.constant(tensor(type, [3], T))]);
  const weighted = build.op('Mul', [c, away]);
  const lossW = build.op('ReduceSum', [build.op('Mul', [weighted, away])], { keepdims: 0 });
  const excess = build.op('Sub', [build.op('Mul', ['u', 'u']), build.constant(tensor(type, [2, 2], A))]);
  const lossU = build.op('ReduceSumSquare', [excess], { keepdims: 0 });
  build.op('Add', [lossW, lossU], {}, 'loss');
  build.op('ReduceSumSquare', [away], { keepdims: 0 }, 'distance');
  build.op('Mul', [weighted, build.scalar(type, 2)], {}, 'grad.w');
  build.op('Mul', [build.op('Mul', ['u', excess]), build.scalar(type, 4)], {}, 'grad.u');
  return makeModel(
    build.finish(
      'quadratic',
      [],
      [
        valueInfo('loss', type, []),
        valueInfo('distance', type, []),
        valueInfo('grad.w', type, [3]),
        valueInfo('grad.u', type, [2, 2]),
      ],
    ),
  );
}

/** ∂L/∂(w, u) at a point, flat. */
export function gradientAt(point: readonly number[]): number[] {
  return point.map((value, i) =>
    i < 3 ? 2 * (C[i] ?? 0) * (value - (T[i] ?? 0)) : 4 * value * (value * value - (A[i - 3] ?? 0)),
  );
}
