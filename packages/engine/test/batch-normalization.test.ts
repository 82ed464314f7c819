import {
  GraphBuilder,
  type Model,
  makeModel,
  type Node,
  type Tensor,
  tensor,
  toNumbers,
  valueInfo,
} from '@assay/graph';
import { describe, expect, it } from 'vitest';
import { openSession, toInferenceMode, toTrainingMode } from '../src/index.ts';
import { RUNTIMES } from './support/models.ts';

/** y = BatchNormalization(x) with two channels, and `twice`, the normalization of y by the same statistics. */
function normalized(twice = false): Model {
  const build = new GraphBuilder();
  build.initializer('scale', tensor('float32', [2], [1.5, -0.5]));
  build.initializer('shift', tensor('float32', [2], [0.25, 1]));
  build.initializer('mean', tensor('float32', [2], [0.5, -1]));
  build.initializer('var', tensor('float32', [2], [2, 0.25]));
  const rest = ['scale', 'shift', 'mean', 'var'];
  const attributes = { epsilon: 1e-5, momentum: 0.9 };
  const first = build.op('BatchNormalization', ['x', ...rest], attributes, twice ? undefined : 'y');
  if (twice) build.op('BatchNormalization', [first, ...rest], attributes, 'y');
  const shape = ['batch', 2];
  return makeModel(
    build.finish('bn', [valueInfo('x', 'float32', shape)], [valueInfo('y', 'float32', shape)]),
  );
}

const BATCHES = [
  tensor('float32', [4, 2], [1, 2, -1, 0.5, 3, 4, 0, -2.5]),
  tensor('float32', [4, 2], [0.5, 0.25, 2, -1, 1, 1, -4, 3]),
];

/** torch 1.13.0, BatchNorm1d in float64, momentum 0.1: output and running statistics after each batch. */
const TORCH = [
  {
    y: [
      0.5035456969, 0.7891816767, -1.5248198782, 1.1054091616, 2.531911272, 0.3675450301, -0.5106370907,
      1.7378641315,
    ],
    mean: [0.525, -0.8],
    var: [2.0916666667, 0.975],
  },
  {
    y: [
      0.6573437004, 1.1938282612, 1.6349685815, 1.6245577306, 0.9832186608, 0.9353905796, -2.2755309427,
      0.2462234286,
    ],
    mean: [0.46, -0.63875],
    var: [2.58875, 1.1582291667],
  },
];
/** Then the first batch in inference mode. */
const TORCH_INFERENCE = [
  0.7534300371, -0.225939751, -1.1111256559, 0.470946891, 2.6179857301, -1.1551219403, -0.1788478094,
  1.8647201749,
];

function expectClose(value: Tensor | undefined, expected: readonly number[]): void {
  const actual = value === undefined ? [] : [...toNumbers(value)];
  expect(actual.length).toBe(expected.length);
  const differences = actual.map((element, i) => Math.abs(element - (expected[i] ?? Number.NaN)));
  expect(Math.max(...differences)).toBeLessThan(2e-6);
}

describe.each(RUNTIMES)('batch normalization on the %s runtime', (runtime) => {
  it('trains and infers as torch does', async () => {
    const training = toTrainingMode(normalized());
    await using session = await openSession(training.model, { runtime });
    await session.hold(training.initialState, training.carry);
    for (const [i, x] of BATCHES.entries()) {
      expectClose((await session.run({ x })).y, TORCH[i]?.y ?? []);
      const held = await session.held();
      expect(Object.keys(held).sort()).toEqual(['mean', 'var']);
      expectClose(held.mean, TORCH[i]?.mean ?? []);
      expectClose(held.var, TORCH[i]?.var ?? []);
    }
    const frozen = toInferenceMode(training.model, await session.held());
    expect(frozen.graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(frozen.graph.outputs.map(({ name }) => name)).toEqual(['y']);
    await using inference = await openSession(frozen, { runtime });
    const [first] = BATCHES;
    if (first !== undefined) expectClose((await inference.run({ x: first })).y, TORCH_INFERENCE);
  });

  it('keeps the biased variance of the runtime on request', async () => {
    const training = toTrainingMode(normalized(), { variance: 'biased' });
    await using session = await openSession(training.model, { runtime });
    await session.hold(training.initialState, training.carry);
    const [x] = BATCHES;
    if (x !== undefined) await session.run({ x });
    // Channel 1: 2, 0.5, 4, −2.5 has mean 1 and Σ(x − 1)² = 22.5.
    const { var: variance } = await session.held();
    expect(variance === undefined ? 0 : toNumbers(variance)[1]).toBeCloseTo(0.9 * 0.25 + (0.1 * 22.5) / 4, 6);
  });

  it('moves statistics that two nodes share by one after the other', async () => {
    const training = toTrainingMode(normalized(true));
    await using session = await openSession(training.model, { runtime });
    await session.hold(training.initialState, training.carry);
    const [x] = BATCHES;
    if (x !== undefined) await session.run({ x });
    // The second node sees batches of mean `shift` and unbiased variance scale² · 4/3 (up to epsilon).
    const { mean, var: variance } = await session.held();
    expectClose(mean, [0.9 * 0.525 + 0.1 * 0.25, 0.9 * -0.8 + 0.1]);
    const expected = [0.9 * 2.0916666667 + (0.1 * 2.25 * 4) / 3, 0.9 * 0.975 + (0.1 * 0.25 * 4) / 3];
    [...toNumbers(variance ?? tensor('float32', [0], []))].forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 5);
    });
  });

  it('leaves the variance of a batch of one where ONNX Runtime leaves it', async () => {
    const training = toTrainingMode(normalized());
    await using session = await openSession(training.model, { runtime });
    await session.hold(training.initialState, training.carry);
    await session.run({ x: tensor('float32', [1, 2], [7, 7]) });
    expectClose((await session.held()).var, [1.8, 0.225]);
  });
});

describe('the modes of batch normalization', () => {
  it('are the identity on a model that has none', () => {
    const build = new GraphBuilder();
    build.op('Relu', ['x'], {}, 'y');
    const model = makeModel(
      build.finish('g', [valueInfo('x', 'float32', [2])], [valueInfo('y', 'float32', [2])]),
    );
    expect(toTrainingMode(model)).toEqual({ model, initialState: {}, carry: {} });
    expect(toInferenceMode(model)).toEqual(model);
  });

  it('upgrade a model of an operator set without a training mode', async () => {
    const training = toTrainingMode({ ...normalized(), opsets: new Map([['', 9]]) });
    await using session = await openSession(training.model);
    await session.hold(training.initialState, training.carry);
    const [x] = BATCHES;
    if (x !== undefined) expectClose((await session.run({ x })).y, TORCH[0]?.y ?? []);
  });

  it('leave a trained model as small as it was', () => {
    for (const model of [normalized(), normalized(true)]) {
      const { model: training, initialState } = toTrainingMode(model);
      const back = toInferenceMode(training, initialState).graph;
      const wiring = ({ op, inputs, outputs }: Node): unknown => ({ op, inputs, outputs });
      expect(back.nodes.map(wiring)).toEqual(model.graph.nodes.map(wiring));
      expect(new Map([...back.initializers].sort())).toEqual(new Map([...model.graph.initializers].sort()));
      expect(back.inputs).toEqual(model.graph.inputs);
      expect(back.outputs).toEqual(model.graph.outputs);
    }
  });
});
