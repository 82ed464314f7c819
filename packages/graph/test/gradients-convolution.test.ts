/** Gradients of convolutions over random ranks, sizes, strides, dilations, groups and paddings. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NotDifferentiableError, vectorJacobianProduct } from '../src/index.ts';
import { dotProductCheck, type Runtime } from './gradient-check.ts';
import { checkNode, type NodeCase, nodeModel, uniform } from './node-gradient.ts';

const seed = fc.integer({ min: 1, max: 1e6 });
const upTo = (max: number) => fc.integer({ min: 1, max });

interface Axis {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
  /** How much larger the padded input is than the kernel. */
  readonly room: number;
}

const axis = fc.record({
  kernel: upTo(3),
  stride: upTo(3),
  dilation: upTo(2),
  before: fc.nat(2),
  after: fc.nat(2),
  room: fc.nat(3),
});

interface Layout {
  readonly axes: readonly Axis[];
  readonly batch: number;
  readonly group: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
  readonly dynamicFrom: number | undefined;
  readonly seed: number;
}

const layout: fc.Arbitrary<Layout> = fc.record({
  axes: fc.oneof(
    fc.tuple(axis),
    fc.tuple(axis, axis),
    fc
      .tuple(axis, axis, axis)
      .map((axes) => axes.map((each) => ({ ...each, kernel: Math.min(2, each.kernel), room: 1 }))),
  ),
  batch: upTo(2),
  group: upTo(3),
  inputs: upTo(2),
  outputs: upTo(2),
  bias: fc.boolean(),
  dynamicFrom: fc.constantFrom(undefined, 0, 2, 3),
  seed,
});

function extent({ kernel, dilation }: Axis): number {
  return dilation * (kernel - 1) + 1;
}

function windowOf(axes: readonly Axis[]) {
  return {
    strides: axes.map((each) => each.stride),
    dilations: axes.map((each) => each.dilation),
    pads: [...axes.map((each) => each.before), ...axes.map((each) => each.after)],
  };
}

function withDynamic(test: NodeCase, from: number | undefined): NodeCase {
  return from === undefined ? test : { ...test, dynamicFrom: from };
}

function convolutionCase({ axes, batch, group, inputs, outputs, bias, dynamicFrom, seed }: Layout): NodeCase {
  const sizes = axes.map((each) => Math.max(1, extent(each) + each.room - each.before - each.after));
  const kernel = axes.map((each) => each.kernel);
  const test: NodeCase = {
    op: 'Conv',
    attributes: { ...windowOf(axes), group },
    inputs: [
      uniform([batch, group * inputs, ...sizes], seed),
      uniform([group * outputs, inputs, ...kernel], seed + 1),
      ...(bias ? [uniform([group * outputs], seed + 2)] : []),
    ],
    seed,
  };
  return withDynamic(test, dynamicFrom);
}

function transposedCase({ axes, batch, group, inputs, outputs, bias, dynamicFrom, seed }: Layout): NodeCase {
  const kernel = axes.map((each) => each.kernel);
  // Runtimes take less output padding than the stride; the output s(n − 1) + K + spare − pads must not be empty.
  const spare = axes.map((each) => each.room % each.stride);
  const sizes = axes.map((each, i) => {
    const missing = each.before + each.after - extent(each) - (spare[i] ?? 0) + 1;
    return Math.max(1 + (each.room % 3), Math.ceil(missing / each.stride) + 1);
  });
  const test: NodeCase = {
    op: 'ConvTranspose',
    attributes: { ...windowOf(axes), group, output_padding: spare },
    inputs: [
      uniform([batch, group * inputs, ...sizes], seed),
      uniform([group * inputs, outputs, ...kernel], seed + 1),
      ...(bias ? [uniform([group * outputs], seed + 2)] : []),
    ],
    seed,
  };
  return withDynamic(test, dynamicFrom);
}

describe('Conv', () => {
  test('in one, two and three dimensions', async () => {
    await fc.assert(
      fc.asyncProperty(layout, async (each) => checkNode(convolutionCase(each))),
      { numRuns: 40 },
    );
  });

  test.each([
    ['1×1', [2, 3, 3, 3], [4, 3, 1, 1], {}],
    ['1×1 strided', [2, 3, 4, 5], [4, 3, 1, 1], { strides: [2, 2] }],
    ['more taps than the product form takes', [2, 2, 7, 6], [2, 2, 6, 5], { pads: [1, 2, 0, 1] }],
    [
      'the same with stride and dilation',
      [1, 2, 13, 6],
      [1, 2, 6, 5],
      { strides: [3, 1], dilations: [2, 1] },
    ],
    ['many channels', [2, 8, 5, 4], [3, 8, 3, 2], { strides: [2, 1], dilations: [1, 2], pads: [1, 0, 1, 1] }],
    ['groups with many channels', [1, 16, 3, 3], [16, 8, 2, 2], { group: 2 }],
    ['depthwise', [2, 4, 5, 5], [4, 1, 3, 3], { group: 4, pads: [1, 1, 1, 1] }],
    ['depthwise, two outputs each, strided', [2, 3, 6, 5], [6, 1, 3, 3], { group: 3, strides: [2, 2] }],
    ['padding wider than the kernel', [1, 2, 3, 3], [2, 2, 2, 2], { pads: [2, 3, 3, 2] }],
  ] as const)('%s', async (_, x, w, attributes) => {
    const inputs = [uniform(x, 1), uniform(w, 2)];
    await checkNode({ op: 'Conv', attributes, inputs });
    await checkNode({ op: 'Conv', attributes, inputs, dynamicFrom: 0 });
  });

  test('padded to SAME, at sizes known before or only when it runs', async () => {
    const each = fc.record({
      upper: fc.boolean(),
      size: fc.tuple(upTo(6), upTo(6)),
      kernel: fc.tuple(upTo(3), upTo(3)),
      strides: fc.tuple(upTo(3), upTo(3)),
      dynamic: fc.boolean(),
      seed,
    });
    await fc.assert(
      fc.asyncProperty(each, async ({ upper, size, kernel, strides, dynamic, seed }) => {
        // With a stride far beyond the kernel the padding would be negative, and runtimes differ in what that means.
        const steps = strides.map((s, i) => Math.min(s, (kernel[i] ?? 1) + 1));
        await checkNode({
          op: 'Conv',
          attributes: { auto_pad: upper ? 'SAME_UPPER' : 'SAME_LOWER', strides: steps },
          inputs: [uniform([1, 2, ...size], seed), uniform([2, 2, ...kernel], seed + 1)],
          ...(dynamic ? { dynamicFrom: 2 } : {}),
        });
      }),
      { numRuns: 20 },
    );
    await checkNode({
      op: 'Conv',
      attributes: { auto_pad: 'VALID' },
      inputs: [uniform([1, 1, 4], 1), uniform([1, 1, 2], 2)],
    });
  });

  test('weights of unknown shape are refused by name', () => {
    const model = nodeModel({ op: 'Conv', inputs: [uniform([1, 1, 4], 1), uniform([1, 1, 2], 2)] });
    const inputs = model.graph.inputs.map((input) =>
      input.name === 'x1'
        ? { name: 'x1', type: { elementType: 'float32', shape: ['', '', ''] } as const }
        : input,
    );
    const unknown = { ...model, graph: { ...model.graph, inputs } };
    const attempt = () => vectorJacobianProduct(unknown, { cotangents: { y0: 'w' }, withRespectTo: ['x0'] });
    expect(attempt).toThrow(NotDifferentiableError);
    expect(attempt).toThrow(/Conv "node"/);
  });
});

describe('ConvTranspose', () => {
  test('in one, two and three dimensions', async () => {
    await fc.assert(
      fc.asyncProperty(layout, async (each) => checkNode(transposedCase(each))),
      { numRuns: 40 },
    );
  });

  test.each([
    ['SAME_UPPER', { auto_pad: 'SAME_UPPER', strides: [2, 3] }],
    ['SAME_LOWER', { auto_pad: 'SAME_LOWER', strides: [2, 2] }],
    ['output_shape', { output_shape: [8, 9], strides: [2, 2] }],
    [
      'output_shape, split towards the end',
      { output_shape: [8, 8], strides: [2, 2], auto_pad: 'SAME_UPPER' },
    ],
  ] as const)('%s', async (_, attributes) => {
    const inputs = [uniform([1, 2, 4, 4], 1), uniform([2, 2, 3, 3], 2)];
    await checkNode({ op: 'ConvTranspose', attributes, inputs });
  });
});

describe('the dot-product test', () => {
  test.each(['node', 'web'] as const)('holds on onnxruntime-%s', async (runtime: Runtime) => {
    const cases = fc.sample(layout, { seed: 42, numRuns: 10 });
    for (const each of cases.flatMap((one) => [convolutionCase(one), transposedCase(one)])) {
      const forward = nodeModel(each);
      const names = forward.graph.inputs.map((input) => input.name);
      const gradient = vectorJacobianProduct(forward, { cotangents: { y0: 'w' }, withRespectTo: names });
      const feeds = Object.fromEntries(
        names.flatMap((name, i) => {
          const input = each.inputs[i];
          return input === undefined ? [] : [[name, input.value]];
        }),
      );
      const error = await dotProductCheck({
        forward,
        gradient,
        cotangents: { y0: 'w' },
        names,
        feeds,
        runtime,
      });
      expect(error).toBeLessThan(1e-5);
    }
  });
});
