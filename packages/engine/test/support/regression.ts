/**
 * Linear regression with its gradient written out by hand: L = Σ (x·w − y)² / n, ∂L/∂w = 2 xᵀ(x·w − y) / n.
 */
import {
  fromFloat32,
  GraphBuilder,
  type Model,
  makeModel,
  type Tensor,
  tensor,
  valueInfo,
} from '@assay/graph';
import { RandomStream } from '@assay/random';
import { type Optimizer, type TrainingStep, withUpdates } from '../../src/index.ts';

export const WIDTH = 3;
/** The weights that the data was made with. */
export const PLANTED = [1.5, -2, 0.5];

/** Inputs x [batch, 3] and y [batch, 1]; outputs prediction [batch, 1], loss and grad.w. */
export function regression(): Model {
  const build = new GraphBuilder();
  build.initializer('w', tensor('float32', [WIDTH, 1], new Float32Array(WIDTH)));
  build.op('MatMul', ['x', 'w'], {}, 'prediction');
  const error = build.op('Sub', ['prediction', 'y']);
  build.op('ReduceMean', [build.op('Mul', [error, error])], { keepdims: 0 }, 'loss');
  const count = build.op('CastLike', [
    build.op('ReduceProd', [build.op('Shape', ['y'])], { keepdims: 0 }),
    error,
  ]);
  const product = build.op('MatMul', [build.op('Transpose', ['x'], { perm: [1, 0] }), error]);
  build.op('Div', [build.op('Mul', [product, build.scalar('float32', 2)]), count], {}, 'grad.w');
  return makeModel(
    build.finish(
      'regression',
      [valueInfo('x', 'float32', ['batch', WIDTH]), valueInfo('y', 'float32', ['batch', 1])],
      [
        valueInfo('prediction', 'float32', ['batch', 1]),
        valueInfo('loss', 'float32', []),
        valueInfo('grad.w', 'float32', [WIDTH, 1]),
      ],
    ),
  );
}

export function regressionStep(optimizer: Optimizer = { kind: 'adamw', weightDecay: 0 }): TrainingStep {
  return withUpdates(regression(), { loss: 'loss', parameters: ['w'], optimizer });
}

/** Rows whose target is the planted combination of the inputs, plus noise of the given standard deviation. */
export function regressionData(rows: number, seed: number, noise = 0): { x: Tensor; y: Tensor } {
  const stream = new RandomStream(seed, 'regression data');
  const x = Float32Array.from({ length: rows * WIDTH }, () => stream.normal());
  const y = Float32Array.from({ length: rows }, (_, row) =>
    PLANTED.reduce(
      (sum, weight, column) => sum + weight * (x[row * WIDTH + column] ?? 0),
      noise * stream.normal(),
    ),
  );
  return { x: fromFloat32([rows, WIDTH], x), y: fromFloat32([rows, 1], y) };
}
