/** Gradients of arithmetic, products, reductions, layout, indexing and losses, against finite differences. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Attribute,
  differentiate,
  GraphBuilder,
  inferShapes,
  type Model,
  makeModel,
  makeStopGradient,
  type Tensor,
  tensor,
  toNumbers,
  type ValueInfo,
  valueInfo,
  vectorJacobianProduct,
} from '../src/index.ts';
import { compareGradients, runOnnx, seededUniform } from './gradient-check.ts';
import { type Array64, array64, interpret } from './reference/index.ts';

/** Gradients of float64 arithmetic against central differences. */
const TOLERANCE = 1e-6;

interface Case {
  readonly model: Model;
  readonly feeds: Record<string, Array64>;
  readonly names: readonly string[];
}

type Emit = (build: GraphBuilder, inputs: readonly string[]) => string;

/** A model loss = Σ w ⊙ (op(x₀, x₁, …))² with fixed random w, so that every output element counts differently. */
function scalarCase(
  dims: readonly (readonly number[])[],
  emit: Emit,
  range: readonly [number, number] = [-2, 2],
  seed = 1,
): Case {
  const random = seededUniform(seed);
  const draw = (count: number) =>
    Array.from({ length: count }, () => range[0] + ((range[1] - range[0]) * (1 + random())) / 2);
  const names = dims.map((_, i) => `x${i}`);
  const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  const build = new GraphBuilder([...names, 'loss']);
  const output = emit(build, names);
  const squared = build.op('Mul', [output, output]);
  const inputs = names.map((name, i) => valueInfo(name, 'float64', dims[i] ?? []));
  const probe = makeModel(build.finish('probe', inputs, [valueInfo(output, 'float64', undefined)]));
  const shape = inferShapes(probe).typeOf(output)?.shape ?? [];
  const fixed = shape.map((dim) => {
    if (typeof dim !== 'number')
      throw new Error(`the shape of ${output} is not fixed: [${shape.join(', ')}]`);
    return dim;
  });
  const weights = build.constant(
    tensor(
      'float64',
      fixed,
      Array.from({ length: size(fixed) }, () => 1.5 + random()),
    ),
  );
  build.op('ReduceSum', [build.op('Mul', [squared, weights])], { keepdims: 0 }, 'loss');
  const model = makeModel(build.finish('case', inputs, [valueInfo('loss', 'float64', [])]));
  const feeds = Object.fromEntries(
    names.map((name, i) => [name, array64('float64', dims[i] ?? [], draw(size(dims[i] ?? [])))]),
  );
  return { model, feeds, names };
}

/** The model in the element type that runtimes have all kernels for. */
function toFloat32(model: Model): Model {
  const single = (value: Tensor) =>
    value.elementType === 'float64' ? tensor('float32', value.dims, toNumbers(value)) : value;
  const retype = (info: ValueInfo): ValueInfo =>
    info.type?.elementType === 'float64' ? { ...info, type: { ...info.type, elementType: 'float32' } } : info;
  const { graph } = model;
  const nodes = graph.nodes.map((each) => ({
    ...each,
    attributes: Object.fromEntries(
      Object.entries(each.attributes).map(([name, value]): [string, Attribute] => [
        name,
        value.kind === 'tensor' ? { kind: 'tensor', value: single(value.value) } : value,
      ]),
    ),
  }));
  const initializers = new Map([...graph.initializers].map(([name, value]) => [name, single(value)]));
  return {
    ...model,
    graph: {
      ...graph,
      nodes,
      initializers,
      inputs: graph.inputs.map(retype),
      outputs: graph.outputs.map(retype),
    },
  };
}

/** Checks the gradient in float64 against finite differences, and that ONNX Runtime computes the same. */
async function check({ model, feeds, names }: Case): Promise<void> {
  const gradient = differentiate(model, { of: 'loss', withRespectTo: names });
  const errors = compareGradients(model, gradient, names, feeds);
  for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(TOLERANCE);
  const reference = interpret(gradient, feeds);
  const actual = await runOnnx(
    differentiate(toFloat32(model), { of: 'loss', withRespectTo: names }),
    feeds,
    'node',
  );
  for (const name of names) {
    const [a, b] = [actual[`grad.${name}`], reference[`grad.${name}`]];
    expect(a?.dims).toEqual(b?.dims);
    a?.values.forEach((value, i) => {
      const wanted = b?.values[i] ?? Number.NaN;
      expect(Math.abs(value - wanted)).toBeLessThan(1e-4 * (1 + Math.abs(wanted)));
    });
  }
}

const node =
  (op: string, attributes: Record<string, never> = {}): Emit =>
  (build, inputs) => {
    const output = build.fresh(op);
    build.node({ op, domain: '', name: '', inputs: [...inputs], outputs: [output], attributes });
    return output;
  };

describe('elementwise functions of one argument', () => {
  test.each([
    ['Neg', -2, 2],
    ['Abs', 0.2, 2],
    ['Abs', -2, -0.2],
    ['Sqrt', 0.2, 3],
    ['Exp', -2, 2],
    ['Log', 0.2, 3],
    ['Reciprocal', 0.3, 2],
    ['Sin', -2, 2],
    ['Cos', -2, 2],
    ['Tan', -1, 1],
    ['Asin', -0.8, 0.8],
    ['Acos', -0.8, 0.8],
    ['Atan', -2, 2],
    ['Sinh', -2, 2],
    ['Cosh', -2, 2],
    ['Asinh', -2, 2],
    ['Acosh', 1.2, 3],
    ['Atanh', -0.8, 0.8],
    ['Identity', -2, 2],
  ])('%s on [%f, %f]', async (op, low, high) => {
    await check(scalarCase([[2, 3]], node(op), [low, high]));
  });
});

/** Two shapes that broadcast together. */
const broadcastable = fc
  .array(fc.record({ size: fc.integer({ min: 1, max: 3 }), keep: fc.tuple(fc.boolean(), fc.boolean()) }), {
    maxLength: 3,
  })
  .chain((axes) =>
    fc.tuple(fc.nat(axes.length), fc.nat(axes.length)).map(([dropA, dropB]) => {
      const side = (which: 0 | 1, drop: number) =>
        axes.map(({ size, keep }) => (keep[which] ? size : 1)).slice(drop);
      return [side(0, dropA), side(1, dropB)] as const;
    }),
  );

describe('elementwise functions of two arguments, broadcast', () => {
  test.each(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow'] as const)('%s', async (op) => {
    await fc.assert(
      fc.asyncProperty(broadcastable, fc.integer({ min: 1, max: 1000 }), async ([a, b], seed) => {
        await check(scalarCase([a, b], (build, inputs) => build.op(op, inputs), [0.4, 2.5], seed));
      }),
      { numRuns: 12 },
    );
  });

  test.each(['Sum', 'Mean'])('%s of three', async (op) => {
    await check(scalarCase([[2, 3], [3], [2, 1]], node(op)));
  });

  test('Where', async () => {
    await check(
      scalarCase([[2, 3], [3]], (build, [a = '', b = '']) =>
        build.op('Where', [build.constant(tensor('bool', [2, 1], [1, 0])), a, b]),
      ),
    );
  });

  test('ties of Max share the gradient', async () => {
    const { model } = scalarCase([[2], [2]], (build, inputs) => build.op('Max', inputs));
    const gradient = differentiate(model, { of: 'loss', withRespectTo: ['x0', 'x1'] });
    const same = array64('float64', [2], [1, 1]);
    const result = interpret(gradient, { x0: same, x1: same });
    expect(result['grad.x0']?.values).toEqual(result['grad.x1']?.values);
  });

  test.each([2, 1, 0.5, 3])('Pow with the constant exponent %f', async (exponent) => {
    await check(
      scalarCase(
        [[2, 3]],
        (build, [x = '']) => build.op('Pow', [x, build.scalar('float64', exponent)]),
        [0.3, 2],
      ),
    );
  });

  test('broadcast against a dimension known only at run time', async () => {
    const build = new GraphBuilder(['a', 'b', 'loss']);
    build.op('ReduceSum', [build.op('Mul', ['a', build.op('Mul', ['a', 'b'])])], { keepdims: 0 }, 'loss');
    const inputs = [valueInfo('a', 'float64', ['n', 'm']), valueInfo('b', 'float64', ['k', 'm'])];
    const model = makeModel(build.finish('case', inputs, [valueInfo('loss', 'float64', [])]));
    const random = seededUniform(3);
    const draw = (dims: readonly number[]) =>
      array64('float64', dims, Array.from({ length: dims.reduce((x, y) => x * y, 1) }, random));
    for (const rows of [1, 4]) {
      await check({ model, names: ['a', 'b'], feeds: { a: draw([4, 3]), b: draw([rows, 3]) } });
    }
  });
});

describe('matrix products', () => {
  test.each([
    [[3], [3]],
    [[3], [3, 2]],
    [[2, 3], [3]],
    [
      [2, 3],
      [3, 4],
    ],
    [
      [2, 2, 3],
      [3, 4],
    ],
    [
      [2, 3],
      [2, 3, 4],
    ],
    [[3], [2, 3, 4]],
    [[2, 2, 3], [3]],
    [
      [2, 1, 2, 3],
      [1, 3, 3, 2],
    ],
    [
      [1, 2, 3],
      [4, 3, 2],
    ],
  ])('MatMul of %j and %j', async (a, b) => {
    await check(scalarCase([a, b], (build, inputs) => build.op('MatMul', inputs)));
  });

  test('Gemm with every transposition, scale and bias', async () => {
    const bias = fc.constantFrom(undefined, [], [1], [4], [2, 1], [2, 4]);
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.boolean(),
        bias,
        fc.constantFrom(1, 0.5),
        fc.constantFrom(1, -2),
        async (ta, tb, c, alpha, beta) => {
          const shapes = [ta ? [3, 2] : [2, 3], tb ? [4, 3] : [3, 4], ...(c === undefined ? [] : [c])];
          await check(
            scalarCase(shapes, (build, inputs) =>
              build.op('Gemm', inputs, { alpha, beta, transA: ta ? 1 : 0, transB: tb ? 1 : 0 }),
            ),
          );
        },
      ),
      { numRuns: 25 },
    );
  });

  test.each([
    ['ij,jk->ik', [2, 3], [3, 4]],
    ['bij,bjk->bik', [2, 2, 3], [2, 3, 2]],
    ['bhqd,bhkd->bhqk', [1, 2, 2, 3], [1, 2, 4, 3]],
    ['ij,ij->', [2, 3], [2, 3]],
    ['ijk,k->i', [2, 2, 3], [3]],
    ['ij,jk', [2, 3], [3, 2]],
    ['i,j->ij', [2], [3]],
  ])('Einsum %s', async (equation, a, b) => {
    await check(scalarCase([a, b], (build, inputs) => build.op('Einsum', inputs, { equation })));
  });
});

describe('reductions', () => {
  const ops = [
    'ReduceSum',
    'ReduceMean',
    'ReduceMax',
    'ReduceMin',
    'ReduceProd',
    'ReduceSumSquare',
    'ReduceL2',
    'ReduceLogSumExp',
  ] as const;
  test.each(ops)('%s along axes, kept or not, or along all', async (op) => {
    const axes = fc.constantFrom(undefined, [0], [1], [-1], [0, 2], [0, 1, 2]);
    await fc.assert(
      fc.asyncProperty(axes, fc.constantFrom(0 as const, 1 as const), async (list, keepdims) => {
        await check(
          scalarCase([[2, 3, 2]], (build, [x = '']) =>
            build.op(op, list === undefined ? [x] : [x, build.ints(list)], { keepdims }),
          ),
        );
      }),
      { numRuns: 8 },
    );
  });

  test.each(['ReduceL1', 'ReduceLogSum'])('%s', async (op) => {
    await check(scalarCase([[2, 3]], node(op), [0.3, 2]));
  });

  test('a product with zeros', () => {
    const { model } = scalarCase([[4]], (build, [x = '']) => build.op('ReduceProd', [x], { keepdims: 1 }));
    const build = new GraphBuilder(['x', 'loss']);
    build.op('ReduceProd', ['x'], { keepdims: 0 }, 'loss');
    const plain = makeModel(
      build.finish('product', [valueInfo('x', 'float64', [4])], [valueInfo('loss', 'float64', [])]),
    );
    const gradient = differentiate(plain, { of: 'loss', withRespectTo: ['x'] });
    const at = (values: number[]) => [
      ...(interpret(gradient, { x: array64('float64', [4], values) })['grad.x']?.values ?? []),
    ];
    expect(at([2, 0, 3, 5])).toEqual([0, 30, 0, 0]);
    expect(at([2, 0, 0, 5])).toEqual([0, 0, 0, 0]);
    expect(model.graph.outputs).toHaveLength(1);
  });

  test('the norm at the origin has the gradient 0, not NaN', () => {
    const build = new GraphBuilder(['x', 'loss']);
    build.op('ReduceL2', ['x'], { keepdims: 0 }, 'loss');
    const model = makeModel(
      build.finish('norm', [valueInfo('x', 'float64', [3])], [valueInfo('loss', 'float64', [])]),
    );
    const gradient = differentiate(model, { of: 'loss', withRespectTo: ['x'] });
    expect([
      ...(interpret(gradient, { x: array64('float64', [3], [0, 0, 0]) })['grad.x']?.values ?? []),
    ]).toEqual([0, 0, 0]);
  });
});

describe('layout', () => {
  test.each([
    ['Reshape', (b: GraphBuilder, x: string) => b.op('Reshape', [x, b.ints([3, -1])])],
    ['Flatten', (b: GraphBuilder, x: string) => b.op('Flatten', [x], { axis: 1 })],
    ['Transpose', (b: GraphBuilder, x: string) => b.op('Transpose', [x], { perm: [2, 0, 1] })],
    ['Transpose by default', (b: GraphBuilder, x: string) => b.op('Transpose', [x])],
    ['Unsqueeze', (b: GraphBuilder, x: string) => b.op('Unsqueeze', [x, b.ints([0, -1])])],
    [
      'Squeeze',
      (b: GraphBuilder, x: string) => b.op('Squeeze', [b.op('Unsqueeze', [x, b.ints([1])]), b.ints([1])]),
    ],
    ['Slice', (b: GraphBuilder, x: string) => b.op('Slice', [x, b.ints([1]), b.ints([3]), b.ints([1])])],
    [
      'Slice from the end',
      (b: GraphBuilder, x: string) =>
        b.op('Slice', [x, b.ints([-2, 0]), b.ints([2 ** 40, 1]), b.ints([1, 0])]),
    ],
    [
      'Slice with steps',
      (b: GraphBuilder, x: string) =>
        b.op('Slice', [x, b.ints([0, 2]), b.ints([3, -9]), b.ints([1, 2]), b.ints([2, -1])]),
    ],
    ['Pad', (b: GraphBuilder, x: string) => b.op('Pad', [x, b.ints([1, 0, 2, 0, 1, 0])])],
    ['Pad that crops', (b: GraphBuilder, x: string) => b.op('Pad', [x, b.ints([0, -1, 0, 0, 0, 1])])],
    [
      'Pad by reflection',
      (b: GraphBuilder, x: string) => b.op('Pad', [x, b.ints([0, 1, 2, 0, 2, 1])], { mode: 'reflect' }),
    ],
    [
      'Pad by the edge',
      (b: GraphBuilder, x: string) => b.op('Pad', [x, b.ints([1, 0, 2, 0, 3, 1])], { mode: 'edge' }),
    ],
    ['Expand', (b: GraphBuilder, x: string) => b.op('Expand', [x, b.ints([2, 1, 3, 1])])],
    ['Tile', (b: GraphBuilder, x: string) => b.op('Tile', [x, b.ints([2, 1, 3])])],
    [
      'Trilu',
      (b: GraphBuilder, x: string) => b.op('Trilu', [x, b.constant(tensor('int64', [], [1]))], { upper: 0 }),
    ],
    [
      'CumSum',
      (b: GraphBuilder, x: string) =>
        b.op('CumSum', [x, b.constant(tensor('int64', [], [1]))], { exclusive: 1 }),
    ],
    ['Gather', (b: GraphBuilder, x: string) => b.op('Gather', [x, b.ints([2, 0, 2])], { axis: 1 })],
    [
      'Gather from the end',
      (b: GraphBuilder, x: string) =>
        b.op('Gather', [x, b.constant(tensor('int64', [2, 2], [-1, 0, 1, -1]))], { axis: 2 }),
    ],
    [
      'Gather of one index',
      (b: GraphBuilder, x: string) => b.op('Gather', [x, b.constant(tensor('int64', [], [1]))], { axis: 1 }),
    ],
    [
      'GatherElements',
      (b: GraphBuilder, x: string) =>
        b.op('GatherElements', [x, b.constant(tensor('int64', [1, 3, 2], [0, 1, 1, 0, -1, 0]))], { axis: 2 }),
    ],
    [
      'GatherND',
      (b: GraphBuilder, x: string) =>
        b.op('GatherND', [x, b.constant(tensor('int64', [3, 2], [0, 1, 1, 2, 0, 1]))]),
    ],
    [
      'GatherND in batches',
      (b: GraphBuilder, x: string) =>
        b.op('GatherND', [x, b.constant(tensor('int64', [2, 2, 1], [0, 2, 1, 1]))], { batch_dims: 1 }),
    ],
  ] as const)('%s', async (_, emit) => {
    await check(scalarCase([[2, 3, 4]], (build, [x = '']) => emit(build, x)));
  });

  test('Concat and Split', async () => {
    await check(
      scalarCase(
        [
          [2, 1],
          [2, 3],
        ],
        (build, inputs) => build.op('Concat', inputs, { axis: 1 }),
      ),
    );
    await check(
      scalarCase([[2, 5]], (build, [x = '']) => {
        const [first = '', , last = ''] = build.ops('Split', [x, build.ints([2, 1, 2])], 3, { axis: 1 });
        return build.op('Mul', [first, last]);
      }),
    );
  });

  test('the fill value of Pad', async () => {
    await check(
      scalarCase([[2], []], (build, [x = '', fill = '']) => build.op('Pad', [x, build.ints([1, 2]), fill])),
    );
  });

  test('ScatterElements and ScatterND, replacing and adding', async () => {
    const indices = (build: GraphBuilder) => build.constant(tensor('int64', [1, 3], [0, 2, 1]));
    for (const reduction of ['none', 'add']) {
      await check(
        scalarCase(
          [
            [3, 3],
            [1, 3],
          ],
          (build, [x = '', u = '']) =>
            build.op('ScatterElements', [x, indices(build), u], { axis: 0, reduction }),
        ),
      );
      await check(
        scalarCase(
          [
            [4, 2],
            [2, 2],
          ],
          (build, [x = '', u = '']) =>
            build.op('ScatterND', [x, build.constant(tensor('int64', [2, 1], [3, 1])), u], { reduction }),
        ),
      );
    }
  });

  test('TopK', async () => {
    await check(
      scalarCase([[2, 5]], (build, [x = '']) => {
        const [values = '', indices = ''] = [build.fresh('values'), build.fresh('indices')];
        build.node({
          op: 'TopK',
          domain: '',
          name: '',
          inputs: [x, build.ints([2])],
          outputs: [values, indices],
          attributes: {},
        });
        return values;
      }),
    );
  });

  test.each([1, 3])('a dynamic batch of %i goes through reshape, pad, slice and concat', async (batch) => {
    const build = new GraphBuilder(['x', 'loss']);
    const flat = build.op('Reshape', [
      'x',
      build.op('Concat', [build.op('Shape', ['x'], { start: 0, end: 1 }), build.ints([-1])], { axis: 0 }),
    ]);
    const padded = build.op('Pad', [flat, build.ints([0, 1, 0, 2])], { mode: 'reflect' });
    const sliced = build.op('Slice', [
      padded,
      build.ints([1]),
      build.ints([2 ** 40]),
      build.ints([1]),
      build.ints([2]),
    ]);
    const joined = build.op('Concat', [sliced, flat], { axis: 1 });
    build.op('ReduceMean', [build.op('Mul', [joined, joined])], { keepdims: 0 }, 'loss');
    const model = makeModel(
      build.finish('case', [valueInfo('x', 'float64', ['batch', 2, 3])], [valueInfo('loss', 'float64', [])]),
    );
    const random = seededUniform(5);
    await check({
      model,
      names: ['x'],
      feeds: { x: array64('float64', [batch, 2, 3], Array.from({ length: batch * 6 }, random)) },
    });
  });
});

describe('softmax and losses', () => {
  test.each([0, 1, -1])('Softmax and LogSoftmax along axis %i', async (axis) => {
    await check(scalarCase([[2, 3, 2]], (build, [x = '']) => build.op('Softmax', [x], { axis })));
    await check(scalarCase([[2, 3, 2]], (build, [x = '']) => build.op('LogSoftmax', [x], { axis })));
  });

  const reductions = ['mean', 'sum', 'none'] as const;
  test.each(reductions)(
    'cross-entropy with reduction %s, class weights and ignored labels',
    async (reduction) => {
      for (const dims of [
        [3, 4],
        [2, 3, 2],
      ]) {
        const count = dims.length === 2 ? [3] : [2, 2];
        const labels = tensor('int64', count, dims.length === 2 ? [0, 3, 1] : [0, 2, 1, 0]);
        for (const weighted of [false, true]) {
          await check(
            scalarCase([dims], (build, [x = '']) => {
              const weights = weighted
                ? [build.constant(tensor('float64', [dims[1] ?? 1], [1, 2, 0.5, 3].slice(0, dims[1])))]
                : [];
              return build.op('SoftmaxCrossEntropyLoss', [x, build.constant(labels), ...weights], {
                reduction,
                ignore_index: 1,
              });
            }),
          );
        }
      }
    },
  );

  test('negative log-likelihood, and the log-probabilities of cross-entropy', async () => {
    const labels = tensor('int64', [3], [0, 2, 1]);
    await check(
      scalarCase([[3, 3]], (build, [x = '']) => {
        const output = build.fresh('nll');
        build.node({
          op: 'NegativeLogLikelihoodLoss',
          domain: '',
          name: '',
          inputs: [x, build.constant(labels)],
          outputs: [output],
          attributes: {},
        });
        return output;
      }),
    );
    await check(
      scalarCase([[3, 3]], (build, [x = '']) => {
        const [loss = '', logs = ''] = build.ops('SoftmaxCrossEntropyLoss', [x, build.constant(labels)], 2);
        return build.op('Mul', [loss, logs]);
      }),
    );
  });
});

describe('the reverse pass', () => {
  const square = (name: string) => {
    const build = new GraphBuilder([name, 'loss', 'y']);
    build.op('Mul', [name, name], {}, 'y');
    build.op('ReduceSum', ['y'], { keepdims: 0 }, 'loss');
    return makeModel(
      build.finish('square', [valueInfo(name, 'float64', [2])], [valueInfo('loss', 'float64', [])]),
    );
  };

  test('a weight that is used twice receives both contributions', async () => {
    await check(scalarCase([[2, 2]], (build, [x = '']) => build.op('Add', [build.op('MatMul', [x, x]), x])));
  });

  test('nothing is built for what is not asked', () => {
    const { model } = scalarCase(
      [
        [2, 3],
        [3, 4],
      ],
      (build, inputs) => build.op('MatMul', inputs),
    );
    const both = differentiate(model, { of: 'loss', withRespectTo: ['x0', 'x1'] }).graph.nodes.length;
    const one = differentiate(model, { of: 'loss', withRespectTo: ['x0'] }).graph.nodes.length;
    expect(one).toBeLessThan(both);
  });

  test('a value on which the loss does not depend has the gradient zero', async () => {
    const { model, feeds } = scalarCase([[2], [3]], (build, [x = '']) => build.op('Identity', [x]));
    const result = interpret(differentiate(model, { of: 'loss', withRespectTo: ['x1'] }), feeds);
    expect([...(result['grad.x1']?.values ?? [])]).toEqual([0, 0, 0]);
  });

  test('an op without a rule is named before anything runs', () => {
    const build = new GraphBuilder(['x', 'y', 'loss']);
    build.node({ op: 'Det', domain: '', name: 'my_det', inputs: ['x'], outputs: ['y'], attributes: {} });
    build.op('ReduceSum', ['y'], { keepdims: 0 }, 'loss');
    const model = makeModel(
      build.finish('det', [valueInfo('x', 'float32', [2, 2])], [valueInfo('loss', 'float32', [])]),
    );
    expect(() => differentiate(model, { of: 'loss', withRespectTo: ['x'] })).toThrow(
      /Det "my_det" cannot be differentiated/,
    );
  });

  test('an op without a rule does not matter where no gradient passes', () => {
    const build = new GraphBuilder(['x', 'w', 'loss']);
    build.node({ op: 'Det', domain: '', name: '', inputs: ['x'], outputs: ['d'], attributes: {} });
    build.op('ReduceSum', [build.op('Mul', ['w', 'd'])], { keepdims: 0 }, 'loss');
    const inputs = [valueInfo('x', 'float32', [2, 2]), valueInfo('w', 'float32', [3])];
    const model = makeModel(build.finish('det', inputs, [valueInfo('loss', 'float32', [])]));
    expect(
      differentiate(model, { of: 'loss', withRespectTo: ['w'] }).graph.outputs.map(({ name }) => name),
    ).toEqual(['loss', 'grad.w']);
  });

  test('unknown names and a loss of many numbers are refused', () => {
    const model = square('x');
    expect(() => differentiate(model, { of: 'loss', withRespectTo: ['w'] })).toThrow(/no value named "w"/);
    expect(() => differentiate(model, { of: 'y', withRespectTo: ['x'] })).toThrow(/shape \[2\]/);
  });

  test('the product with a cotangent is linear in it', () => {
    const product = vectorJacobianProduct(square('x'), { cotangents: { y: 'w' }, withRespectTo: ['x'] });
    const run = (w: number[]) => [
      ...(interpret(product, { x: array64('float64', [2], [3, 5]), w: array64('float64', [2], w) })['grad.x']
        ?.values ?? []),
    ];
    expect(run([1, 0])).toEqual([6, 0]);
    expect(run([2, 1])).toEqual([12, 10]);
  });

  test('a stop-gradient marker counts as a constant, and is an identity in the result', () => {
    // loss = Σ x · stop(x): the gradient is x, where without the marker it would be 2x.
    const build = new GraphBuilder(['x', 'still', 'loss']);
    build.node(makeStopGradient('x', 'still'));
    build.op('ReduceSum', [build.op('Mul', ['x', 'still'])], { keepdims: 0 }, 'loss');
    const model = makeModel(
      build.finish('stop', [valueInfo('x', 'float64', [2])], [valueInfo('loss', 'float64', [])]),
    );
    const gradient = differentiate(model, { of: 'loss', withRespectTo: ['x'] });
    const result = interpret(gradient, { x: array64('float64', [2], [3, 5]) });
    expect([...(result['grad.x']?.values ?? [])]).toEqual([3, 5]);
    expect(gradient.graph.nodes.every(({ domain }) => domain === '')).toBe(true);
  });

  test('gradients of gradients: the Hessian of Σ x³ times a vector is 6 x v', () => {
    const build = new GraphBuilder(['x', 'loss']);
    build.op('ReduceSum', [build.op('Mul', ['x', build.op('Mul', ['x', 'x'])])], { keepdims: 0 }, 'loss');
    const model = makeModel(
      build.finish('cube', [valueInfo('x', 'float64', [3])], [valueInfo('loss', 'float64', [])]),
    );
    const first = differentiate(model, { of: 'loss', withRespectTo: ['x'] });
    const second = vectorJacobianProduct(first, {
      cotangents: { 'grad.x': 'v' },
      withRespectTo: ['x'],
      prefix: 'hessian.',
    });
    const result = interpret(second, {
      x: array64('float64', [3], [1, 2, 3]),
      v: array64('float64', [3], [1, 0, 2]),
    });
    expect([...(result['hessian.x']?.values ?? [])]).toEqual([6, 0, 36]);
  });
});
