/** The gradient checks themselves: right gradients pass, wrong ones are caught, and both runtimes run. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder, type Model, makeModel, tensor, valueInfo } from '../src/index.ts';
import {
  compareGradients,
  dotProductCheck,
  finiteDifference,
  GradientCheckError,
  gradientError,
  runOnnx,
  seededUniform,
} from './gradient-check.ts';
import { type Array64, array64, interpret } from './reference/index.ts';

const uniform = seededUniform(3);

function random(dims: readonly number[]): Array64 {
  const count = dims.reduce((a, b) => a * b, 1);
  return array64(
    'float32',
    dims,
    Array.from({ length: count }, () => Math.fround(uniform())),
  );
}

/** loss = Σ x². */
function sumOfSquares(): Model {
  const build = new GraphBuilder(['x', 'loss']);
  build.op('ReduceSumSquare', ['x'], { keepdims: 0 }, 'loss');
  return makeModel(build.finish('f', [valueInfo('x', 'float32', [3])], [valueInfo('loss', 'float32', [])]));
}

/** grad.x = factor · x, which is right for a factor of 2. */
function scaledInput(factor: number): Model {
  const build = new GraphBuilder(['x', 'grad.x']);
  build.op('Mul', ['x', build.scalar('float32', factor)], {}, 'grad.x');
  return makeModel(
    build.finish('g', [valueInfo('x', 'float32', [3])], [valueInfo('grad.x', 'float32', [3])]),
  );
}

/** y = tanh(x W) with the initializer W [4, 2]. */
function layer(): Model {
  const build = new GraphBuilder(['x', 'y']);
  const w = build.initializer('W', tensor('float32', [4, 2], random([4, 2]).values));
  build.op('Tanh', [build.op('MatMul', ['x', w])], {}, 'y');
  return makeModel(
    build.finish('f', [valueInfo('x', 'float32', [3, 4])], [valueInfo('y', 'float32', [3, 2])]),
  );
}

/** Takes x and w = dy; gives grad.x = d Wᵀ and grad.W = xᵀ d, where d = w · (1 − y²) (or a wrong power of y). */
function layerGradient(forward: Model, power: number): Model {
  const build = new GraphBuilder(['x', 'w', 'grad.x', 'grad.W']);
  const weight = forward.graph.initializers.get('W');
  if (weight === undefined) throw new Error('the layer has no weight');
  const w = build.initializer('W', weight);
  const y = build.op('Tanh', [build.op('MatMul', ['x', w])]);
  const slope = build.op('Sub', [
    build.scalar('float32', 1),
    build.op('Pow', [y, build.scalar('float32', power)]),
  ]);
  const d = build.op('Mul', ['w', slope]);
  build.op('MatMul', [d, build.op('Transpose', [w])], {}, 'grad.x');
  build.op('MatMul', [build.op('Transpose', ['x']), d], {}, 'grad.W');
  return makeModel(
    build.finish(
      'g',
      [valueInfo('x', 'float32', [3, 4]), valueInfo('w', 'float32', [3, 2])],
      [valueInfo('grad.x', 'float32', [3, 4]), valueInfo('grad.W', 'float32', [4, 2])],
    ),
  );
}

describe('finite differences', () => {
  const x = array64('float32', [3], [1, -2, 0.25]);

  it('give the gradient of a quadratic', () => {
    const gradient = finiteDifference(sumOfSquares(), 'loss', { x }, 'x');
    expect(gradientError(gradient, array64('float32', [3], [2, -4, 0.5]))).toBeLessThan(1e-10);
  });

  it('have an error of h⁴ with Richardson extrapolation', () => {
    const build = new GraphBuilder(['x', 'loss']);
    build.op('ReduceSum', [build.op('Exp', ['x'])], { keepdims: 0 }, 'loss');
    const model = makeModel(
      build.finish('f', [valueInfo('x', 'float32', [3])], [valueInfo('loss', 'float32', [])]),
    );
    const exact: Array64 = { ...x, values: x.values.map(Math.exp) };
    const error = (step: number, richardson: boolean) =>
      gradientError(finiteDifference(model, 'loss', { x }, 'x', { step, richardson }), exact);
    expect(error(1e-2, false)).toBeGreaterThan(1e-5);
    expect(error(1e-2, true)).toBeLessThan(1e-8);
  });

  it('differentiate a sum of outputs with cotangents, with respect to an initializer', () => {
    const forward = layer();
    const feeds = { x: random([3, 4]), w: random([3, 2]) };
    const expected = finiteDifference(forward, { y: feeds.w }, feeds, 'W');
    const actual = interpret(layerGradient(forward, 2), feeds)['grad.W'];
    expect(actual && gradientError(actual, expected)).toBeLessThan(1e-9);
  });

  it('refuse what has no gradient', () => {
    const feeds = { x: { ...x, elementType: 'int64' as const } };
    expect(() => finiteDifference(sumOfSquares(), 'loss', feeds, 'x')).toThrow(GradientCheckError);
    expect(() => finiteDifference(layer(), 'y', { x: random([3, 4]) }, 'x')).toThrow(/has to be a scalar/);
    expect(() => finiteDifference(sumOfSquares(), 'loss', {}, 'x')).toThrow(/neither fed nor an initializer/);
  });
});

describe('comparing a gradient model with finite differences', () => {
  const feeds = { x: array64('float32', [3], [1, -2, 0.25]) };

  it('passes a right gradient', () => {
    expect(compareGradients(sumOfSquares(), scaledInput(2), ['x'], feeds).x).toBeLessThan(1e-9);
  });

  it('catches a wrong one', () => {
    expect(compareGradients(sumOfSquares(), scaledInput(2.01), ['x'], feeds).x).toBeGreaterThan(1e-3);
  });

  it('does not take NaN for agreement', () => {
    expect(compareGradients(sumOfSquares(), scaledInput(Number.NaN), ['x'], feeds).x).toBe(Infinity);
  });

  it('says which gradient is missing or misshapen', () => {
    const missing = { ...scaledInput(2), graph: { ...scaledInput(2).graph, outputs: [] } };
    expect(() => compareGradients(sumOfSquares(), missing, ['x'], feeds)).toThrow(/"grad\.x"/);
    const build = new GraphBuilder(['x', 'grad.x']);
    build.op('ReduceSum', ['x'], {}, 'grad.x');
    const { inputs, outputs } = scaledInput(2).graph;
    const misshapen = makeModel(build.finish('g', inputs, outputs));
    expect(() => compareGradients(sumOfSquares(), misshapen, ['x'], feeds)).toThrow(
      /shape \[1\], its value \[3\]/,
    );
  });
});

describe.each(['node', 'web'] as const)('onnxruntime-%s', (runtime) => {
  it('computes what the reference interpreter computes', async () => {
    const forward = layer();
    const feeds = { x: random([3, 4]) };
    const expected = interpret(forward, feeds).y;
    const actual = (await runOnnx(forward, feeds, runtime)).y;
    expect(actual?.elementType).toBe('float32');
    expect(actual?.dims).toEqual([3, 2]);
    expect(actual && expected && gradientError(actual, expected)).toBeLessThan(1e-6);
  });

  it('takes fed values in the place of initializers', async () => {
    const forward = layer();
    const feeds = { x: random([3, 4]), W: random([4, 2]) };
    const expected = interpret(forward, feeds).y;
    const actual = (await runOnnx(forward, feeds, runtime)).y;
    expect(actual && expected && gradientError(actual, expected)).toBeLessThan(1e-6);
  });

  it('passes integers and booleans both ways', async () => {
    const build = new GraphBuilder(['i', 'b', 'j', 'c']);
    build.op('Add', ['i', 'i'], {}, 'j');
    build.op('Not', ['b'], {}, 'c');
    const graph = build.finish(
      'g',
      [valueInfo('i', 'int64', [2]), valueInfo('b', 'bool', [2])],
      [valueInfo('j', 'int64', [2]), valueInfo('c', 'bool', [2])],
    );
    const feeds = { i: array64('int64', [2], [3, -4]), b: array64('bool', [2], [1, 0]) };
    const { j, c } = await runOnnx(makeModel(graph), feeds, runtime);
    expect(j).toEqual(array64('int64', [2], [6, -8]));
    expect(c).toEqual(array64('bool', [2], [0, 1]));
  });

  it('passes the dot-product test with a right gradient and fails it with a wrong one', async () => {
    const forward = layer();
    const feeds = { x: random([3, 4]) };
    const check = (power: number, names: readonly string[], seed: number) =>
      dotProductCheck({
        forward,
        gradient: layerGradient(forward, power),
        cotangents: { y: 'w' },
        names,
        feeds,
        runtime,
        seed,
      });
    for (const seed of [1, 2, 3]) {
      expect(await check(2, ['x', 'W'], seed)).toBeLessThan(1e-6);
      expect(await check(2, ['W'], seed)).toBeLessThan(1e-6);
      expect(await check(4, ['x', 'W'], seed)).toBeGreaterThan(1e-3);
    }
  });
});
