/** Gradients of normalisation layers over random shapes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NotDifferentiableError, vectorJacobianProduct } from '../src/index.ts';
import { dotProductCheck, runOnnx } from './gradient-check.ts';
import { checkNode, fixed, type NodeCase, nodeModel, uniform } from './node-gradient.ts';

const seed = fc.integer({ min: 1, max: 1e6 });
const upTo = (max: number) => fc.integer({ min: 1, max });
const dynamic = fc.constantFrom({}, { dynamicFrom: 0 }, { dynamicFrom: 2 });
/** Batch, channels and up to three more axes. */
const dims = fc
  .tuple(upTo(3), upTo(3), fc.array(upTo(3), { maxLength: 3 }))
  .map(([n, c, rest]) => [n, c, ...rest]);
/** Large enough that the variance of two or three numbers, which may be next to nothing, leaves float32 its digits. */
const epsilon = fc.constantFrom({ epsilon: 0.0625 }, { epsilon: 0.25 });

async function holds<T>(arbitrary: fc.Arbitrary<T>, make: (value: T) => NodeCase, numRuns = 15) {
  await fc.assert(
    fc.asyncProperty(arbitrary, async (value) => checkNode(make(value))),
    { numRuns },
  );
}

const channelwise = fc.record({ dims, epsilon, dynamic, seed });

describe('the default epsilon', () => {
  const x = uniform([4, 6, 3, 3], 1);
  const perChannel = [uniform([6], 2), uniform([6], 3)];

  test.each<NodeCase>([
    { op: 'BatchNormalization', inputs: [x, ...perChannel, uniform([6], 4), uniform([6], 5, [0.2, 2])] },
    {
      op: 'BatchNormalization',
      attributes: { training_mode: 1 },
      inputs: [x, ...perChannel, uniform([6], 4), uniform([6], 5, [0.2, 2])],
      outputs: 3,
    },
    {
      op: 'LayerNormalization',
      attributes: { axis: 1 },
      inputs: [x, uniform([6, 3, 3], 2), uniform([6, 3, 3], 3)],
    },
    { op: 'RMSNormalization', attributes: { axis: 1 }, inputs: [x, uniform([6, 3, 3], 2)], opset: 23 },
    { op: 'InstanceNormalization', inputs: [x, ...perChannel] },
    { op: 'GroupNormalization', attributes: { num_groups: 3 }, inputs: [x, ...perChannel] },
  ])('is that of the specification: $op', async (each) => {
    await checkNode(each);
  });
});

describe('BatchNormalization', () => {
  const parameters = (channels: number, seed: number) => [
    uniform([channels], seed + 1),
    uniform([channels], seed + 2),
    uniform([channels], seed + 3),
    uniform([channels], seed + 4, [0.2, 2]),
  ];

  test('in inference, with respect to all five inputs', async () => {
    await holds(channelwise, ({ dims, epsilon, dynamic, seed }) => ({
      op: 'BatchNormalization',
      attributes: epsilon,
      inputs: [uniform(dims, seed), ...parameters(dims[1] ?? 1, seed)],
      ...dynamic,
    }));
  });

  test('in training, through the statistics of the batch', async () => {
    await holds(channelwise, ({ dims, epsilon, dynamic, seed }) => ({
      op: 'BatchNormalization',
      attributes: { ...epsilon, training_mode: 1 },
      inputs: [uniform(dims, seed), ...parameters(dims[1] ?? 1, seed)],
      outputs: 3,
      ...dynamic,
    }));
  });

  test('in training keeps its digits where the mean is far from 0', async () => {
    const inputs = [uniform([8, 2, 3, 3], 1, [1000, 1001]), ...parameters(2, 1)];
    const forward = nodeModel({
      op: 'BatchNormalization',
      attributes: { training_mode: 1 },
      inputs,
      outputs: 3,
    });
    const names = ['x0', 'x1', 'x2'];
    const gradient = vectorJacobianProduct(forward, { cotangents: { y0: 'w' }, withRespectTo: names });
    const feeds = Object.fromEntries(inputs.map(({ value }, i) => [`x${i}`, value]));
    const error = await dotProductCheck({
      forward,
      gradient,
      cotangents: { y0: 'w' },
      names,
      feeds,
      runtime: 'node',
    });
    expect(error).toBeLessThan(1e-3);
  });

  test('a gradient into its running statistics is refused by name', () => {
    const model = nodeModel({
      op: 'BatchNormalization',
      attributes: { training_mode: 1 },
      inputs: [uniform([2, 2], 1), ...parameters(2, 1)],
      outputs: 3,
    });
    const options = { cotangents: { y1: 'w' }, withRespectTo: ['x0'] };
    expect(() => vectorJacobianProduct(model, options)).toThrow(NotDifferentiableError);
  });
});

/** A shape, the first axis that is normalised, and shapes of scale and bias that broadcast to what is. */
const layered = fc.array(upTo(4), { minLength: 1, maxLength: 4 }).chain((dims) =>
  fc.record({
    dims: fc.constant(dims),
    axis: fc.integer({ min: -dims.length, max: dims.length - 1 }),
    bias: fc.boolean(),
    outputs: fc.constantFrom(1, 3),
    epsilon,
    dynamic: fc.constantFrom({}, { dynamicFrom: 0 }),
    seed,
  }),
);

function normalizedDims(dims: readonly number[], axis: number): readonly number[] {
  return dims.slice(axis < 0 ? axis + dims.length : axis);
}

describe('LayerNormalization', () => {
  test('over any trailing axes, with and without bias and statistics', async () => {
    await holds(
      layered,
      ({ dims, axis, bias, outputs, epsilon, dynamic, seed }) => {
        const parameters = normalizedDims(dims, axis);
        return {
          op: 'LayerNormalization',
          attributes: { axis, ...epsilon },
          inputs: [
            uniform(dims, seed),
            uniform(parameters, seed + 1),
            ...(bias ? [uniform(parameters, seed + 2)] : []),
          ],
          outputs,
          ...dynamic,
        };
      },
      25,
    );
  });

  test('with one scale for all', async () => {
    await checkNode({
      op: 'LayerNormalization',
      attributes: { axis: 1 },
      inputs: [uniform([3, 4, 2], 1), uniform([4, 1], 2)],
    });
  });
});

describe('RMSNormalization', () => {
  test('over any trailing axes', async () => {
    await holds(layered, ({ dims, axis, epsilon, dynamic, seed }) => ({
      op: 'RMSNormalization',
      attributes: { axis, ...epsilon },
      inputs: [uniform(dims, seed), uniform(normalizedDims(dims, axis), seed + 1)],
      opset: 23,
      ...dynamic,
    }));
  });
});

const spatial = fc
  .tuple(upTo(2), upTo(3), fc.array(upTo(4), { minLength: 1, maxLength: 3 }))
  .map(([n, c, rest]) => [n, c, ...rest]);

describe('InstanceNormalization', () => {
  test('over the positions of each channel', async () => {
    await holds(fc.record({ dims: spatial, epsilon, dynamic, seed }), ({ dims, epsilon, dynamic, seed }) => ({
      op: 'InstanceNormalization',
      attributes: epsilon,
      inputs: [uniform(dims, seed), uniform([dims[1] ?? 1], seed + 1), uniform([dims[1] ?? 1], seed + 2)],
      ...dynamic,
    }));
  });
});

describe('GroupNormalization', () => {
  test('over groups of channels, scaled per channel', async () => {
    const grouped = fc.record({ dims: spatial, groups: upTo(3), epsilon, dynamic, seed });
    await holds(grouped, ({ dims, groups, epsilon, dynamic, seed }) => {
      const [n = 1, perGroup = 1, ...rest] = dims;
      const channels = perGroup * groups;
      return {
        op: 'GroupNormalization',
        attributes: { num_groups: groups, ...epsilon },
        inputs: [
          uniform([n, channels, ...rest], seed),
          uniform([channels], seed + 1),
          uniform([channels], seed + 2),
        ],
        ...dynamic,
      };
    });
  });
});

describe('normalisation without parameters', () => {
  test('MeanVarianceNormalization', async () => {
    const each = fc.record({ axes: fc.constantFrom([0, 2, 3], [2, 3], [1]), dynamic, seed });
    await holds(each, ({ axes, dynamic, seed }) => ({
      op: 'MeanVarianceNormalization',
      attributes: { axes },
      inputs: [uniform([2, 3, 3, 2], seed)],
      ...dynamic,
    }));
  });

  test.each([1, 2])('LpNormalization, p = %i', async (p) => {
    const each = fc.array(upTo(4), { minLength: 1, maxLength: 3 }).chain((dims) =>
      fc.record({
        dims: fc.constant(dims),
        axis: fc.integer({ min: -dims.length, max: dims.length - 1 }),
        seed,
      }),
    );
    await holds(each, ({ dims, axis, seed }) => ({
      op: 'LpNormalization',
      attributes: { p, axis },
      inputs: [uniform(dims, seed, [0.2, 2])],
    }));
  });

  test('LpNormalization of zeros has a gradient of 0, not NaN', async () => {
    const zeros = fixed('float32', [2, 3], [0, 0, 0, 1, 2, 3]).value;
    const forward = nodeModel({ op: 'LpNormalization', inputs: [{ value: zeros }] });
    const gradient = vectorJacobianProduct(forward, { cotangents: { y0: 'w' }, withRespectTo: ['x0'] });
    const result = await runOnnx(gradient, { x0: zeros, w: uniform([2, 3], 1).value }, 'node');
    expect([...(result['grad.x0']?.values ?? [])].slice(0, 3)).toEqual([0, 0, 0]);
    expect([...(result['grad.x0']?.values ?? [])].every(Number.isFinite)).toBe(true);
  });

  test('LRN over windows of even and odd size', async () => {
    const each = fc.record({
      dims: fc.tuple(upTo(2), upTo(6), upTo(3), upTo(3)),
      size: upTo(5),
      options: fc.constantFrom({}, { alpha: 0.5, beta: 0.6, bias: 1.5 }),
      dynamic,
      seed,
    });
    await holds(each, ({ dims, size, options, dynamic, seed }) => ({
      op: 'LRN',
      attributes: { size, ...options },
      inputs: [uniform(dims, seed)],
      // ONNX Runtime only has windows of odd size.
      referenceOnly: size % 2 === 0,
      ...dynamic,
    }));
  });
});
