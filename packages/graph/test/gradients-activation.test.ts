/** Gradients of activation functions. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NotDifferentiableError, vectorJacobianProduct } from '../src/index.ts';
import { runOnnx } from './gradient-check.ts';
import { checkNode, distinct, fixed, nodeModel, uniform } from './node-gradient.ts';
import { array64, interpret } from './reference/index.ts';

const dims = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });
const seed = fc.integer({ min: 1, max: 1e6 });

interface Activation {
  readonly op: string;
  readonly attributes?: object;
  readonly opset?: number;
}

const ACTIVATIONS: readonly Activation[] = [
  { op: 'Relu' },
  { op: 'LeakyRelu' },
  { op: 'LeakyRelu', attributes: { alpha: 0.3 } },
  { op: 'Elu' },
  { op: 'Elu', attributes: { alpha: 0.7 } },
  { op: 'Selu' },
  { op: 'Selu', attributes: { alpha: 1.25, gamma: 2 } },
  { op: 'Celu' },
  { op: 'Celu', attributes: { alpha: 0.5 } },
  { op: 'ThresholdedRelu', attributes: { alpha: 0.001 } },
  { op: 'Shrink', attributes: { lambd: 0.3101, bias: 0.2 } },
  { op: 'Softplus' },
  { op: 'Softsign' },
  { op: 'Sigmoid' },
  { op: 'HardSigmoid', attributes: { alpha: 0.4, beta: 0.501 } },
  { op: 'Tanh' },
  { op: 'HardSwish' },
  { op: 'Gelu' },
  { op: 'Gelu', attributes: { approximate: 'tanh' } },
  { op: 'Mish' },
  { op: 'Swish', opset: 24 },
  { op: 'Swish', opset: 24, attributes: { alpha: 1.5 } },
  { op: 'Erf' },
];

describe('activations of one argument', () => {
  test.each(
    ACTIVATIONS.map((each) => [`${each.op} ${JSON.stringify(each.attributes ?? {})}`, each] as const),
  )('%s', async (_, { op, attributes, opset }) => {
    await fc.assert(
      fc.asyncProperty(dims, seed, async (shape, random) => {
        await checkNode({
          op,
          attributes: { ...attributes },
          inputs: [distinct(shape, random)],
          ...(opset === undefined ? {} : { opset }),
        });
      }),
      { numRuns: 4 },
    );
  });

  test('HardSwish beyond its linear part', async () => {
    await checkNode({ op: 'HardSwish', inputs: [uniform([40], 3, [-6, 6])] });
  });

  test.each([
    ['Elu', 1],
    ['Selu', 1.0507009873554805],
    ['Celu', 1],
    ['Softplus', 1],
    ['Mish', 1],
    ['Gelu', 1],
  ])('%s stays finite where an exponential overflows', async (op, slope) => {
    const gradient = vectorJacobianProduct(nodeModel({ op, inputs: [uniform([2], 1)] }), {
      cotangents: { y0: 'w' },
      withRespectTo: ['x0'],
    });
    const x0 = array64('float32', [2], [200, -200]);
    const w = array64('float32', [2], [1, 1]);
    const result = await runOnnx(gradient, { x0, w }, 'node');
    const [right = Number.NaN, left = Number.NaN] = result['grad.x0']?.values ?? [];
    expect(right).toBeCloseTo(slope, 5);
    expect(left).toBeCloseTo(0, 5);
  });
});

describe('PRelu', () => {
  /** A shape, and one that broadcasts to it. */
  const shapes = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.boolean()), { minLength: 1, maxLength: 4 })
    .chain((axes) =>
      fc.nat(axes.length).map((drop) => ({
        x: axes.map(([size]) => size),
        slope: axes.map(([size, keep]) => (keep ? size : 1)).slice(drop),
      })),
    );

  test('slopes of any shape that broadcasts', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, seed, async ({ x, slope }, random) => {
        await checkNode({ op: 'PRelu', inputs: [distinct(x, random), uniform(slope, random + 1)] });
      }),
      { numRuns: 25 },
    );
  });

  test('a slope per channel, with sizes known at run time only', async () => {
    await checkNode({ op: 'PRelu', inputs: [distinct([2, 3, 4], 1), uniform([3, 1], 2)], dynamicFrom: 0 });
  });
});

describe('Clip', () => {
  test.each([
    ['both bounds', [-0.51, 0.71]],
    ['only a lower bound', [-0.51, undefined]],
    ['only an upper bound', [undefined, 0.71]],
    ['no bound', [undefined, undefined]],
    ['bounds in the wrong order', [0.71, -0.51]],
  ] as const)('%s, with respect to all of its inputs', async (_, bounds) => {
    const scalars = bounds.map((bound) =>
      bound === undefined ? undefined : { value: array64('float32', [], [Math.fround(bound)]) },
    );
    await checkNode({ op: 'Clip', inputs: [distinct([3, 5], 4), ...scalars] });
  });

  test('passes the gradient on the bounds', () => {
    const clip = {
      op: 'Clip',
      inputs: [uniform([2], 1), fixed('float32', [], [0]), fixed('float32', [], [6])],
    };
    const gradient = vectorJacobianProduct(nodeModel(clip), {
      cotangents: { y0: 'w' },
      withRespectTo: ['x0'],
    });
    const result = interpret(gradient, {
      x0: array64('float32', [2], [0, 6]),
      w: array64('float32', [2], [3, 5]),
    });
    expect([...(result['grad.x0']?.values ?? [])]).toEqual([3, 5]);
  });
});

describe('Dropout', () => {
  test('in inference is the identity', async () => {
    await checkNode({ op: 'Dropout', inputs: [uniform([3, 4], 1), fixed('float32', [], [0.5])] });
    const off = fixed('bool', [], [0]);
    await checkNode({ op: 'Dropout', inputs: [uniform([3, 4], 1), fixed('float32', [], [0.5]), off] });
  });

  test('whose mode comes at run time passes the mask that it gives', async () => {
    const training = {
      op: 'Dropout',
      inputs: [uniform([64], 1), fixed('float32', [], [0.25]), fixed('bool', [], [1])],
      outputs: 2,
    };
    const model = nodeModel(training);
    const withMask = {
      ...model,
      graph: {
        ...model.graph,
        inputs: [...model.graph.inputs, { name: 'x2', type: { elementType: 'bool', shape: [] } }] as const,
        initializers: new Map([...model.graph.initializers].filter(([name]) => name !== 'x2')),
        outputs: [
          ...model.graph.outputs,
          { name: 'y1', type: { elementType: 'bool', shape: [64] } },
        ] as const,
      },
    };
    const gradient = vectorJacobianProduct(withMask, { cotangents: { y0: 'w' }, withRespectTo: ['x0'] });
    const w = array64(
      'float32',
      [64],
      Array.from({ length: 64 }, (_, i) => i + 1),
    );
    const x0 = uniform([64], 1).value;
    for (const mode of [1, 0]) {
      const result = await runOnnx(gradient, { x0, w, x2: array64('bool', [], [mode]) }, 'node');
      const mask = result.y1?.values ?? [];
      const kept = [...mask].filter((each) => each === 1).length;
      expect(mode === 0 ? kept === 64 : kept > 16 && kept < 64).toBe(true);
      result['grad.x0']?.values.forEach((value, i) => {
        expect(value).toBeCloseTo(mode === 0 ? i + 1 : ((mask[i] ?? 0) * (i + 1)) / 0.75, 4);
      });
    }
  });

  test('in training without its mask is refused by name', () => {
    const model = nodeModel({
      op: 'Dropout',
      inputs: [uniform([4], 1), fixed('float32', [], [0.5]), fixed('bool', [], [1])],
    });
    expect(() => vectorJacobianProduct(model, { cotangents: { y0: 'w' }, withRespectTo: ['x0'] })).toThrow(
      NotDifferentiableError,
    );
  });
});
