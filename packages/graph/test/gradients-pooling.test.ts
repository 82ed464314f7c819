/** Gradients of pooling over random windows. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NotDifferentiableError, vectorJacobianProduct } from '../src/index.ts';
import { runOnnx } from './gradient-check.ts';
import { checkNode, distinct, fixed, type NodeCase, nodeModel, uniform } from './node-gradient.ts';
import { array64, interpret } from './reference/index.ts';

const seed = fc.integer({ min: 1, max: 1e6 });
const upTo = (max: number) => fc.integer({ min: 1, max });

const axis = fc
  .record({
    kernel: upTo(3),
    stride: upTo(3),
    dilation: upTo(2),
    before: fc.nat(2),
    after: fc.nat(2),
    room: fc.nat(4),
  })
  // Padding has to be smaller than the kernel.
  .map((each) => ({
    ...each,
    before: Math.min(each.before, each.kernel - 1),
    after: Math.min(each.after, each.kernel - 1),
  }));

const window = fc
  .record({
    axes: fc.oneof(fc.tuple(axis), fc.tuple(axis, axis), fc.tuple(axis, axis, axis)),
    ceil: fc.boolean(),
    dynamicFrom: fc.constantFrom(undefined, 0, 2),
    batch: upTo(2),
    channels: upTo(2),
    seed,
  })
  .map(({ axes, ceil, dynamicFrom, batch, channels, seed }) => {
    // No smaller than the dilated kernel, so that every window holds something.
    const room = axes.length === 3 ? 1 : 4;
    const sizes = axes.map((each) => each.dilation * (each.kernel - 1) + 1 + Math.min(room, each.room));
    return {
      dims: [batch, channels, ...sizes],
      attributes: {
        kernel_shape: axes.map((each) => each.kernel),
        strides: axes.map((each) => each.stride),
        dilations: axes.map((each) => each.dilation),
        pads: [...axes.map((each) => each.before), ...axes.map((each) => each.after)],
        ceil_mode: ceil ? 1 : 0,
      },
      // Before operator set 22, ONNX Runtime infers one position too many where ceil_mode drops the last.
      more: { seed, opset: 22, ...(dynamicFrom === undefined ? {} : { dynamicFrom }) },
    };
  });

async function overWindows(
  runs: number,
  make: (each: typeof window extends fc.Arbitrary<infer W> ? W : never) => NodeCase,
) {
  await fc.assert(
    fc.asyncProperty(window, async (each) => checkNode(make(each))),
    { numRuns: runs },
  );
}

describe('MaxPool', () => {
  test('random windows', async () => {
    await overWindows(30, ({ dims, attributes, more }) => ({
      op: 'MaxPool',
      attributes,
      inputs: [distinct(dims, more.seed)],
      ...more,
    }));
  });

  test('with its places as a second output, in either order', async () => {
    for (const storage_order of [0, 1]) {
      const attributes = { kernel_shape: [2, 2], strides: [1, 2], storage_order };
      await checkNode({ op: 'MaxPool', attributes, inputs: [distinct([2, 2, 4, 4], 3)], outputs: 2 });
    }
  });

  test('gives the gradient to the first of equal maxima', async () => {
    const pool = {
      op: 'MaxPool',
      attributes: { kernel_shape: [2, 2], strides: [2, 2] },
      inputs: [uniform([1, 1, 2, 4], 1)],
    };
    const gradient = vectorJacobianProduct(nodeModel(pool), {
      cotangents: { y0: 'w' },
      withRespectTo: ['x0'],
    });
    const feeds = {
      x0: array64('float32', [1, 1, 2, 4], [1, 5, 0, 0, 5, 5, 0, 0]),
      w: array64('float32', [1, 1, 1, 2], [2, 3]),
    };
    const expected = [0, 2, 3, 0, 0, 0, 0, 0];
    expect([...(interpret(gradient, feeds)['grad.x0']?.values ?? [])]).toEqual(expected);
    expect([...((await runOnnx(gradient, feeds, 'node'))['grad.x0']?.values ?? [])]).toEqual(expected);
  });

  test.each(['SAME_UPPER', 'SAME_LOWER', 'VALID'])('padded to %s', async (auto_pad) => {
    const attributes = { kernel_shape: [3, 2], strides: [2, 2], auto_pad };
    await checkNode({ op: 'MaxPool', attributes, inputs: [distinct([1, 2, 6, 5], 4)], dynamicFrom: 2 });
  });
});

describe('AveragePool', () => {
  test.each([0, 1])('random windows, count_include_pad %i', async (count_include_pad) => {
    await overWindows(25, ({ dims, attributes, more }) => ({
      op: 'AveragePool',
      attributes: { ...attributes, count_include_pad },
      inputs: [uniform(dims, more.seed)],
      ...more,
    }));
  });

  test('windows that tile the input', async () => {
    await checkNode({
      op: 'AveragePool',
      attributes: { kernel_shape: [2, 3], strides: [2, 3] },
      inputs: [uniform([2, 2, 4, 6], 5)],
    });
  });

  test.each(['SAME_UPPER', 'SAME_LOWER', 'VALID'])('padded to %s', async (auto_pad) => {
    for (const count_include_pad of [0, 1]) {
      const attributes = { kernel_shape: [3, 2], strides: [2, 1], auto_pad, count_include_pad };
      const inputs = [uniform([1, 2, 6, 5], 4)];
      await checkNode({ op: 'AveragePool', attributes, inputs });
      await checkNode({ op: 'AveragePool', attributes, inputs, dynamicFrom: 2 });
    }
  });
});

describe('LpPool', () => {
  test.each([1, 2, 3])('random windows, p = %i', async (p) => {
    await overWindows(12, ({ dims, attributes, more }) => ({
      op: 'LpPool',
      attributes: { ...attributes, p },
      inputs: [distinct(dims, more.seed)],
      ...more,
    }));
  });
});

describe('pooling over everything', () => {
  test.each(['GlobalAveragePool', 'GlobalMaxPool'])('%s', async (op) => {
    for (const dims of [
      [2, 3, 4],
      [2, 2, 3, 2],
      [1, 2, 2, 3, 2],
    ]) {
      await checkNode({ op, inputs: [distinct(dims, 6)] });
      await checkNode({ op, inputs: [distinct(dims, 6)], dynamicFrom: 0 });
    }
  });

  test('GlobalMaxPool gives the gradient to the first of equal maxima', () => {
    const pool = { op: 'GlobalMaxPool', inputs: [uniform([1, 1, 2, 2], 1)] };
    const gradient = vectorJacobianProduct(nodeModel(pool), {
      cotangents: { y0: 'w' },
      withRespectTo: ['x0'],
    });
    const x0 = array64('float32', [1, 1, 2, 2], [1, 4, 4, 4]);
    const result = interpret(gradient, { x0, w: array64('float32', [1, 1, 1, 1], [3]) });
    expect([...(result['grad.x0']?.values ?? [])]).toEqual([0, 3, 0, 0]);
  });
});

describe('MaxUnpool', () => {
  const places = fixed('int64', [1, 1, 2, 2], [5, 7, 8, 15]);

  test('takes the gradient from the places', async () => {
    const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
    await checkNode({ op: 'MaxUnpool', attributes, inputs: [uniform([1, 1, 2, 2], 1), places] });
  });

  test('into a shape that the window does not imply is refused by name', () => {
    const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
    const shape = fixed('int64', [4], [1, 1, 5, 5]);
    const model = nodeModel({
      op: 'MaxUnpool',
      attributes,
      inputs: [uniform([1, 1, 2, 2], 1), places, shape],
    });
    expect(() => vectorJacobianProduct(model, { cotangents: { y0: 'w' }, withRespectTo: ['x0'] })).toThrow(
      NotDifferentiableError,
    );
  });
});
