/** What a loss is taken of: the output, or what stands before the activation that gives it. */
import { describe, expect, it } from 'vitest';
import {
  differentiate,
  GraphBuilder,
  type Model,
  makeModel,
  type Shape,
  scoresBehind,
  tensor,
  valueInfo,
  withLoss,
} from '../src/index.ts';
import { compareGradients, gradientError, runOnnx, seededUniform } from './gradient-check.ts';
import { type Array64, array64, interpret } from './reference/index.ts';

const uniform = seededUniform(5);

function random(dims: readonly number[]): Array64 {
  const count = dims.reduce((product, size) => product * size, 1);
  return array64(
    'float32',
    dims,
    Array.from({ length: count }, () => Math.fround(2 * uniform())),
  );
}

/** y = tail(x · w): `tail` writes what gives "y". */
function ending(x: Shape, y: Shape, tail: (build: GraphBuilder, scores: string) => void): Model {
  const build = new GraphBuilder(['x', 'y']);
  tail(build, build.op('Mul', ['x', build.initializer('w', tensor('float32', [1], [1.5]))], {}, 'z'));
  return makeModel(build.finish('f', [valueInfo('x', 'float32', x)], [valueInfo('y', 'float32', y)]));
}

/** The mean of −log of the probability that the output gives to the label; classes along axis 1. */
function meanSurprise(y: Array64, labels: Array64): number {
  const [batch = 0, classes = 0, ...others] = y.dims;
  const inner = others.reduce((product, size) => product * size, 1);
  let total = 0;
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < inner; i++) {
      const label = labels.values[n * inner + i] ?? 0;
      total -= Math.log(y.values[(n * classes + label) * inner + i] ?? 0);
    }
  }
  return total / (batch * inner);
}

const CASES = [
  {
    name: 'a softmax written out as exp z / Σ exp z',
    kind: 'softmax',
    model: ending(['n', 3, 2], ['n', 3, 2], (build, z) => {
      const exponential = build.op('Exp', [z]);
      build.op('Div', [exponential, build.op('ReduceSum', [exponential, build.ints([1])])], {}, 'y');
    }),
    x: [2, 3, 2],
  },
  {
    name: 'a softmax between two Transposes',
    kind: 'softmax',
    model: ending(['n', 3, 2], ['n', 3, 2], (build, z) => {
      const last = build.op('Transpose', [z], { perm: [0, 2, 1] });
      build.op('Transpose', [build.op('Softmax', [last], { axis: 2 })], { perm: [0, 2, 1] }, 'y');
    }),
    x: [2, 3, 2],
  },
  {
    name: 'a softmax of which the shape changes',
    kind: 'softmax',
    model: ending(['n', 3, 1], ['n', 3], (build, z) => {
      build.op('Squeeze', [build.op('Softmax', [z], { axis: 1 }), build.ints([2])], {}, 'y');
    }),
    x: [2, 3, 1],
  },
  {
    name: 'a softmax moved from the last axis to the first but one',
    kind: 'probabilities',
    model: ending(['n', 2, 3], ['n', 3, 2], (build, z) => {
      build.op('Transpose', [build.op('Softmax', [z], { axis: -1 })], { perm: [0, 2, 1] }, 'y');
    }),
    x: [2, 2, 3],
  },
] as const;

describe.each(CASES)('the cross-entropy of $name', ({ kind, model, x }) => {
  it('is −log p, with its gradient', async () => {
    expect(scoresBehind(model.graph, 'y').kind).toBe(kind);
    const { model: forward } = withLoss(model, { kind: 'cross-entropy' });
    const gradient = differentiate(forward, { of: 'loss', withRespectTo: ['w', 'x'] });
    const shape = forward.graph.inputs.at(-1)?.type?.shape ?? [];
    const labels = array64(
      'int64',
      shape.length === 1 ? [2] : [2, 2],
      shape.length === 1 ? [2, 0] : [2, 0, 1, 1],
    );
    const feeds = { x: random(x), labels };
    const { loss, y } = interpret(forward, feeds);
    expect(loss?.values[0]).toBeCloseTo(y === undefined ? Number.NaN : meanSurprise(y, labels), 10);
    const errors = compareGradients(forward, gradient, ['w', 'x'], feeds);
    expect(Math.max(...Object.values(errors))).toBeLessThan(1e-7);
    const exact = interpret(gradient, feeds);
    for (const runtime of ['node', 'web'] as const) {
      const found = await runOnnx(gradient, feeds, runtime);
      for (const name of ['loss', 'grad.w', 'grad.x']) {
        const [a, b] = [found[name], exact[name]];
        expect(a !== undefined && b !== undefined && gradientError(a, b)).toBeLessThan(1e-6);
      }
    }
  });
});

it('the classes lie where a softmax over rows has them after its shape has changed', () => {
  const model = ending(['n', 2, 3], ['n', 2, 3], (build, z) => {
    const rows = build.op('Softmax', [build.op('Reshape', [z, build.ints([-1, 3])])], { axis: 1 });
    build.op('Reshape', [rows, build.ints([-1, 2, 3])], {}, 'y');
  });
  const { model: forward, notes } = withLoss(model, { kind: 'cross-entropy' });
  expect(notes[0]).toMatch(/the classes along axis 2/);
  const feeds = { x: random([2, 2, 3]), labels: array64('int64', [2, 2], [0, 2, 1, 1]) };
  const { loss, y } = interpret(forward, feeds);
  const rows = y === undefined ? random([4, 3]) : { ...y, dims: [4, 3] };
  expect(loss?.values[0]).toBeCloseTo(meanSurprise(rows, feeds.labels), 10);
});

describe('cross-entropy keeps its digits', () => {
  it('where a softmax has rounded a probability to 0', async () => {
    const model = ending(['n', 2], ['n', 2], (build, z) => {
      build.op('Softmax', [z], { axis: 1 }, 'y');
    });
    const feeds = { x: array64('float32', [1, 2], [200, -200]), labels: array64('int64', [1], [1]) };
    const { loss } = await runOnnx(withLoss(model, { kind: 'cross-entropy' }).model, feeds, 'node');
    expect(loss?.values[0]).toBeCloseTo(600, 3);
  });

  it('where a sigmoid has', async () => {
    const model = ending(['n', 1], ['n'], (build, z) => {
      build.op('Squeeze', [build.op('Sigmoid', [z]), build.ints([1])], {}, 'y');
    });
    const feeds = { x: array64('float32', [2, 1], [200, -200]), labels: array64('int64', [2], [0, 1]) };
    const { loss } = await runOnnx(withLoss(model, { kind: 'cross-entropy' }).model, feeds, 'node');
    expect(loss?.values[0]).toBeCloseTo(300, 3);
  });
});

describe('cross-entropy is refused, with a sentence,', () => {
  it('for independent sigmoids', () => {
    const model = ending(['n', 3], ['n', 3], (build, z) => {
      build.op('Sigmoid', [z], {}, 'y');
    });
    expect(() => withLoss(model, { kind: 'cross-entropy' })).toThrow(
      /an independent sigmoid for each of 3 classes/,
    );
  });

  it('for a softmax over the batch', () => {
    const model = ending(['n', 3], ['n', 3], (build, z) => {
      build.op('Softmax', [z], { axis: 0 }, 'y');
    });
    expect(() => withLoss(model, { kind: 'cross-entropy' })).toThrow(
      /a softmax over axis 0 of \[n, 3\], and does not tell the classes of each row/,
    );
  });

  it('for a softmax of one column', () => {
    const model = ending(['n', 1], ['n', 1], (build, z) => {
      build.op('Softmax', [z], { axis: 1 }, 'y');
    });
    expect(() => withLoss(model, { kind: 'cross-entropy' })).toThrow(
      /one column of softmax, which is always the same/,
    );
  });
});

describe('the output', () => {
  const model = ending(['n', 3], ['n', 3], (build, z) => {
    build.op('Softmax', [z], { axis: 1 }, 'y');
  });

  it('may be a value inside the graph', () => {
    const { model: forward } = withLoss(model, { kind: 'sum', output: 'z' });
    const x = random([2, 3]);
    const sum = x.values.reduce((total, value) => total + 1.5 * value, 0);
    expect(interpret(forward, { x }).loss?.values[0]).toBeCloseTo(sum, 10);
    expect(forward.graph.outputs.map(({ name }) => name)).toEqual(['y', 'loss']);
  });

  it('has to be named where there are several of floating point', () => {
    const both = {
      ...model,
      graph: { ...model.graph, outputs: [...model.graph.outputs, valueInfo('z', 'float32', ['n', 3])] },
    };
    expect(() => withLoss(both, { kind: 'sum' })).toThrow(/several outputs \("y", "z"\); say which one/);
  });
});
