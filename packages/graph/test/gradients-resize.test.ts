/** Gradients of resampling in every mode. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NotDifferentiableError, vectorJacobianProduct } from '../src/index.ts';
import { checkNode, fixed, type NodeInput, nodeModel, uniform } from './node-gradient.ts';

const seed = fc.integer({ min: 1, max: 1e6 });
const upTo = (max: number) => fc.integer({ min: 1, max });
const dynamic = fc.constantFrom({}, { dynamicFrom: 0 }, { dynamicFrom: 2 });

const COORDINATES = [
  'half_pixel',
  'half_pixel_symmetric',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
];
const ROUNDING = ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'];

/** Scales whose products with whole numbers are exact in float32, so that every runtime rounds alike. */
const scale = fc.constantFrom(0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4);

function scales(values: readonly number[]): readonly (NodeInput | undefined)[] {
  return [undefined, fixed('float32', [values.length], values)];
}

function sizes(values: readonly number[]): readonly (NodeInput | undefined)[] {
  return [undefined, undefined, fixed('int64', [values.length], values)];
}

describe('Resize to the nearest neighbour', () => {
  test.each(COORDINATES.flatMap((c) => ROUNDING.map((r) => [c, r] as const)))(
    '%s, %s',
    async (coordinates, rounding) => {
      const size = fc.integer({ min: 2, max: 4 });
      const each = fc
        .record({ size: fc.tuple(size, size), scale: fc.tuple(scale, scale), dynamic, seed })
        // Between equal shapes ONNX Runtime copies, which is not what the coordinates say.
        .filter(({ size, scale }) => size.some((n, i) => Math.floor(n * (scale[i] ?? 1)) !== n));
      await fc.assert(
        fc.asyncProperty(each, async ({ size, scale, dynamic, seed }) => {
          // With corners aligned, fractional scales leave open where the last output lies.
          const target =
            coordinates === 'align_corners'
              ? sizes([1, 2, ...size.map((n, i) => Math.floor(n * (scale[i] ?? 1)))])
              : scales([1, 1, ...scale]);
          await checkNode({
            op: 'Resize',
            attributes: {
              mode: 'nearest',
              coordinate_transformation_mode: coordinates,
              nearest_mode: rounding,
            },
            inputs: [uniform([1, 2, ...size], seed), ...target],
            ...dynamic,
          });
        }),
        { numRuns: 5 },
      );
    },
  );

  test('to given sizes, in one to three dimensions', async () => {
    const each = fc.record({
      axes: fc.array(fc.tuple(upTo(4), upTo(6)), { minLength: 1, maxLength: 3 }),
      dynamic,
      seed,
    });
    await fc.assert(
      fc.asyncProperty(each, async ({ axes, dynamic, seed }) => {
        await checkNode({
          op: 'Resize',
          attributes: {
            mode: 'nearest',
            coordinate_transformation_mode: 'asymmetric',
            nearest_mode: 'floor',
          },
          inputs: [
            uniform([1, 2, ...axes.map(([from]) => from)], seed),
            ...sizes([1, 2, ...axes.map(([, to]) => to)]),
          ],
          ...dynamic,
        });
      }),
      { numRuns: 15 },
    );
  });

  test('named axes only', async () => {
    const attributes = { mode: 'nearest', axes: [3, 2] };
    await checkNode({ op: 'Resize', attributes, inputs: [uniform([1, 2, 3, 2], 1), ...scales([2, 3])] });
    await checkNode({ op: 'Resize', attributes, inputs: [uniform([1, 2, 3, 2], 1), ...sizes([5, 3])] });
  });

  test('cropping, where what lies outside has no gradient', async () => {
    const roi = fixed('float32', [8], [0, 0, 0.25, -0.25, 1, 1, 0.75, 1.25]);
    await checkNode({
      op: 'Resize',
      attributes: {
        mode: 'nearest',
        coordinate_transformation_mode: 'tf_crop_and_resize',
        extrapolation_value: 3,
      },
      inputs: [uniform([1, 1, 5, 5], 1), roi, undefined, fixed('int64', [4], [1, 1, 4, 6])],
    });
  });
});

describe.each(['linear', 'cubic'])('Resize, %s', (mode) => {
  test.each(COORDINATES)('%s', async (coordinates) => {
    const each = fc.record({
      size: fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 2, max: 4 })),
      to: fc.tuple(upTo(5), upTo(5)),
      dynamic,
      seed,
    });
    await fc.assert(
      fc.asyncProperty(each, async ({ size, to, dynamic, seed }) => {
        await checkNode({
          op: 'Resize',
          attributes: { mode, coordinate_transformation_mode: coordinates },
          inputs: [uniform([1, 1, ...size], seed), ...sizes([1, 1, ...to])],
          ...dynamic,
        });
      }),
      { numRuns: 8 },
    );
  });

  test('antialiased', async () => {
    const attributes = { mode, antialias: 1 };
    await checkNode({ op: 'Resize', attributes, inputs: [uniform([1, 1, 6, 5], 1), ...sizes([1, 1, 3, 3])] });
  });
});

test('Resize that keeps the aspect ratio is refused by name', () => {
  const attributes = { keep_aspect_ratio_policy: 'not_larger' };
  const model = nodeModel({
    op: 'Resize',
    attributes,
    inputs: [uniform([1, 1, 4, 4], 1), ...sizes([1, 1, 8, 6])],
  });
  expect(() => vectorJacobianProduct(model, { cotangents: { y0: 'w' }, withRespectTo: ['x0'] })).toThrow(
    NotDifferentiableError,
  );
});

describe('trading space for depth', () => {
  const each = fc.record({
    n: upTo(2),
    c: upTo(3),
    h: upTo(3),
    w: upTo(3),
    blocksize: upTo(3),
    dynamic,
    seed,
  });

  test.each(['DCR', 'CRD'])('DepthToSpace, %s', async (mode) => {
    await fc.assert(
      fc.asyncProperty(each, async ({ n, c, h, w, blocksize, dynamic, seed }) => {
        const x = uniform([n, c * blocksize * blocksize, h, w], seed);
        await checkNode({
          op: 'DepthToSpace',
          attributes: { blocksize, mode },
          inputs: [x],
          ...(mode === 'DCR' ? dynamic : { ...dynamic, dynamicFrom: 2 }),
        });
      }),
      { numRuns: 10 },
    );
  });

  test('SpaceToDepth', async () => {
    await fc.assert(
      fc.asyncProperty(each, async ({ n, c, h, w, blocksize, dynamic, seed }) => {
        const x = uniform([n, c, h * blocksize, w * blocksize], seed);
        await checkNode({ op: 'SpaceToDepth', attributes: { blocksize }, inputs: [x], ...dynamic });
      }),
      { numRuns: 10 },
    );
  });
});
