/** Shape inference against the runtime, ONNX's own tests and real exports; dimension arithmetic against numbers. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addDims,
  canonicalDim,
  type Dim,
  decodeModel,
  decodeTensor,
  differentDims,
  equalDims,
  evaluateDim,
  floorDivDims,
  freeInputs,
  type Graph,
  GraphBuilder,
  GraphError,
  inferShapes,
  int64s,
  lowerBound,
  type Model,
  makeModel,
  maxDims,
  minDims,
  mulDims,
  parseDim,
  type Shape,
  subDims,
  type Tensor,
  type TensorType,
  tensor,
  upperBound,
  valueInfo,
} from '../src/index.ts';
import { type BackendCase, backendCases, DATA_FOLDER } from './backend-data.ts';
import { floats, integers, wrongClaims } from './runtime.ts';

/** The model without anything that it says of values other than its inputs. */
function withoutClaims(model: Model): Model {
  const outputs = model.graph.outputs.map(({ name }) => ({ name, type: undefined }));
  return { ...model, graph: { ...model.graph, outputs, valueInfo: new Map() } };
}

interface Finding {
  readonly name: string;
  readonly complete: boolean;
  readonly wrong: readonly string[];
}

/** Infers from the inputs of a case, `bind` making constants of the small ones, and compares with the stored outputs. */
function examine({ name, model: bytes, dataSets }: BackendCase, bind: boolean): Finding | undefined {
  const [set] = dataSets;
  const model = withoutClaims(decodeModel(bytes));
  if (set === undefined || set.inputs.length === 0) return undefined;
  const free = freeInputs(model.graph);
  const types = new Map<string, TensorType>();
  const constants = new Map<string, Tensor>(model.graph.initializers);
  for (const [i, { name: input, type }] of free.entries()) {
    const stored = set.inputs[i];
    if (stored === undefined || type === undefined) continue;
    const value = decodeTensor(stored);
    types.set(input, { elementType: value.elementType, shape: value.dims });
    if (bind && value.dims.length <= 1 && value.dims.reduce((a, b) => a * b, 1) <= 16)
      constants.set(input, value);
  }
  const graph: Graph = { ...model.graph, initializers: constants };
  const info = inferShapes({ ...model, graph }, { inputs: types });
  const wrong: string[] = [];
  let complete = true;
  for (const [i, output] of decodeModel(bytes).graph.outputs.entries()) {
    const stored = set.outputs[i];
    if (stored === undefined || output.type === undefined) continue;
    const actual = decodeTensor(stored);
    const inferred = info.typeOf(output.name);
    const shape = inferred?.shape;
    if (shape === undefined || shape.some((dim) => typeof dim !== 'number')) complete = false;
    const agrees =
      (inferred === undefined || inferred.elementType === actual.elementType) &&
      (shape === undefined ||
        (shape.length === actual.dims.length &&
          shape.every((dim, k) => typeof dim !== 'number' || dim === actual.dims[k])));
    if (!agrees) {
      wrong.push(
        `${name}: ${output.name} is ${actual.elementType}[${actual.dims}], not ${inferred?.elementType}[${shape}]`,
      );
    }
  }
  return { name, complete, wrong };
}

describe('dimensions', () => {
  const sizes = new Map([
    ['a', 3],
    ['b', 5],
    ['c', 1],
  ]);
  interface Expression {
    readonly dim: Dim;
    /** Computed on numbers alone. */
    readonly value: number;
  }
  const leaf: fc.Arbitrary<Expression> = fc.oneof(
    fc.integer({ min: -6, max: 6 }).map((n) => ({ dim: n, value: n })),
    fc.constantFrom(...sizes).map(([dim, value]) => ({ dim, value })),
  );
  const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf,
      fc
        .tuple(fc.constantFrom('+', '-', '*', '/', 'max', 'min'), tie('expression'), tie('expression'))
        .map(([operator, x, y]) => combined(operator, x, y)),
    ),
  }));

  function combined(operator: string, x: Expression, y: Expression): Expression {
    if (operator === '+') return { dim: addDims(x.dim, y.dim), value: x.value + y.value };
    if (operator === '-') return { dim: subDims(x.dim, y.dim), value: x.value - y.value };
    if (operator === '*') return { dim: mulDims(x.dim, y.dim), value: x.value * y.value };
    if (operator === 'max') return { dim: maxDims(x.dim, y.dim), value: Math.max(x.value, y.value) };
    if (operator === 'min') return { dim: minDims(x.dim, y.dim), value: Math.min(x.value, y.value) };
    // Division by something that is zero for these sizes has no value to compare with.
    return y.value === 0 ? x : { dim: floorDivDims(x.dim, y.dim), value: Math.floor(x.value / y.value) };
  }

  it('expressions evaluate to what the same arithmetic on numbers gives', () => {
    fc.assert(
      fc.property(expression, ({ dim, value }) => {
        // (-0 and 0 are the same size.)
        if (dim !== '') expect((evaluateDim(dim, sizes) ?? Number.NaN) + 0).toBe(value + 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('the text is canonical: reading it gives the same text', () => {
    fc.assert(
      fc.property(expression, ({ dim }) => {
        expect(canonicalDim(dim)).toBe(dim);
      }),
      { numRuns: 1000 },
    );
  });

  it('equal polynomials are equal strings, and what is known to differ does differ', () => {
    fc.assert(
      fc.property(expression, expression, (x, y) => {
        const there = subDims(addDims(x.dim, y.dim), y.dim);
        if (there !== '' && x.dim !== '') expect(there).toBe(x.dim);
        expect(addDims(x.dim, y.dim)).toBe(addDims(y.dim, x.dim));
        expect(mulDims(x.dim, y.dim)).toBe(mulDims(y.dim, x.dim));
        if (differentDims(x.dim, y.dim)) expect(x.value).not.toBe(y.value);
        if (equalDims(x.dim, y.dim)) expect(x.value + 0).toBe(y.value + 0);
        expect(lowerBound(x.dim)).toBeLessThanOrEqual(x.value);
        expect(upperBound(x.dim)).toBeGreaterThanOrEqual(x.value);
      }),
      { numRuns: 1000 },
    );
  });

  it('reads like mathematics', () => {
    const twice = addDims('batch', 'batch');
    expect(twice).toBe('2*batch');
    expect(floorDivDims(mulDims(twice, 'width'), 'batch')).toBe('2*width');
    expect(mulDims('width', 'height')).toBe('height*width');
    expect(addDims(floorDivDims(subDims('h', 1), 2), 1)).toBe('floor((h+1)/2)');
    expect(floorDivDims(floorDivDims(subDims('h', 1), 2), 2)).toBe('floor((h+3)/4)-1');
    expect(floorDivDims(mulDims(6, 'h'), 4)).toBe('floor(h/2)+h');
    expect(floorDivDims(mulDims(addDims('a', 'b'), subDims('a', 'b')), addDims('b', 'a'))).toBe('a-b');
    expect(maxDims(subDims('h', 1), 0)).toBe('h-1');
    expect(maxDims(subDims('h', 2), 0)).toBe('max(0,h-2)');
  });

  it('takes the names and expressions that files contain', () => {
    expect(parseDim('past + 1')).toBe('past+1');
    expect(parseDim('2*s0//4')).toBe('floor(s0/2)');
    expect(parseDim('batch size')).toBe('batch size');
    expect(mulDims('batch size', 2)).toBe('2*"batch size"');
    expect(floorDivDims('2*"batch size"', 2)).toBe('batch size');
    expect(parseDim('12')).toBe(12);
    expect(addDims('', 1)).toBe('');
    expect(mulDims('', 0)).toBe(0);
    expect(floorDivDims('n', 0)).toBe('');
  });

  it('stays bounded on hostile text', () => {
    expect(parseDim(`${'('.repeat(300)}a${')'.repeat(300)}`)).toBeTypeOf('string');
    expect(parseDim('x'.repeat(100_000))).toBe('');
    let grown: Dim = 'a';
    for (let i = 0; i < 200; i++) grown = mulDims(addDims(grown, `s${i}`), grown);
    expect(grown).toBe('');
  });
});

describe.skipIf(DATA_FOLDER === undefined)("ONNX's own backend tests (needs ASSAY_DATA)", () => {
  for (const [bind, floor] of [
    [false, 0.75],
    [true, 0.88],
  ] as const) {
    it(`no wrong claim, ${bind ? 'small inputs as constants' : 'inputs by their types alone'}`, async () => {
      const findings = (await backendCases()).flatMap((one) => examine(one, bind) ?? []);
      expect(findings.flatMap((finding) => finding.wrong)).toEqual([]);
      expect(findings.length).toBeGreaterThan(1900);
      const complete = findings.filter((finding) => finding.complete).length / findings.length;
      expect(complete).toBeGreaterThan(floor);
    });
  }

  it('contradicts no claim of the files', async () => {
    const conflicts = (await backendCases()).flatMap(
      ({ model }) => inferShapes(decodeModel(model)).conflicts,
    );
    expect(conflicts).toEqual([]);
  });
});

describe('PyTorch exports with dynamic axes', () => {
  const cases: readonly (readonly [name: string, outputs: readonly Shape[]])[] = [
    ['flattened', [['batch', 5]]],
    [
      'resized',
      [
        ['batch', 1, 'height', 'width'],
        ['batch', 3, '2*floor((height+1)/2)', '2*floor((width+1)/2)'],
        ['batch', 2, 'floor(height/2)', 'floor(width/2)'],
      ],
    ],
    [
      'padded',
      [
        ['batch', 2, 'height', 'width'],
        ['batch', 2, 'floor((height+1)/2)', 'width+3'],
      ],
    ],
    [
      'attending',
      [
        ['batch', 3],
        ['batch', 2, 'time', 'time'],
      ],
    ],
    ['encoder', [['batch', 'time', 8]]],
    [
      'normalized',
      [
        ['batch', 1, '2*height', '2*width'],
        ['batch', 'height*width', 6],
        ['batch', 4],
        ['batch', 4],
      ],
    ],
  ];
  for (const [name, outputs] of cases) {
    it(`${name}: every value is known exactly, and is so when it runs`, async () => {
      const path = new URL(`./fixtures/dynamic_${name}.onnx`, import.meta.url);
      const model = withoutClaims(decodeModel(await readFile(path)));
      const info = inferShapes(model);
      expect(model.graph.outputs.map((output) => info.typeOf(output.name)?.shape)).toEqual(outputs);
      const values = model.graph.nodes.flatMap((node) => node.outputs).filter((value) => value !== '');
      expect(values.filter((value) => info.typeOf(value)?.shape?.includes('') ?? true)).toEqual([]);
      const [input] = freeInputs(model.graph);
      for (const scale of [1, 2, 3]) {
        const sizes = new Map([
          ['batch', scale],
          ['time', 3 + 2 * scale],
          ['height', 6 + scale],
          ['width', 4 + 3 * scale],
        ]);
        const dims = input?.type?.shape?.map((dim) => evaluateDim(dim, sizes) ?? 0) ?? [];
        const count = dims.reduce((a, b) => a * b, 1);
        const ids = Array.from({ length: count }, (_, i) => i % 11);
        const feeds = { x: name === 'attending' ? integers(dims, ids) : floats(dims) };
        expect(await wrongClaims(model, info, feeds, sizes)).toEqual([]);
      }
    });
  }
});

describe('against the runtime, with symbols in place of sizes', () => {
  const small = (max: number) => fc.integer({ min: 1, max });

  /** A model of one input x with a free size everywhere, checked with the actual sizes. */
  async function check(
    dims: readonly number[],
    emit: (b: GraphBuilder) => readonly string[],
    symbolic = true,
  ) {
    const shape = symbolic ? dims.map((_, i) => `n${i}`) : dims;
    const builder = new GraphBuilder(['x']);
    const outputs = emit(builder);
    const graph = builder.finish(
      'g',
      [valueInfo('x', 'float32', shape)],
      outputs.map((name) => ({ name, type: undefined })),
    );
    const model = makeModel(graph);
    const sizes = new Map(dims.map((size, i) => [`n${i}`, size]));
    const info = inferShapes(model);
    expect(await wrongClaims(model, info, { x: floats(dims) }, sizes)).toEqual([]);
    return outputs.map((output) => info.typeOf(output)?.shape ?? []);
  }

  const window = fc.record({
    batch: small(3),
    size: fc.tuple(fc.integer({ min: 9, max: 16 }), fc.integer({ min: 9, max: 16 })),
    kernel: fc.tuple(small(4), small(4)),
    strides: fc.tuple(small(3), small(3)),
    dilations: fc.tuple(small(2), small(2)),
    pads: fc.tuple(small(2), small(2), small(2), small(2)).map((pads) => pads.map((p) => p - 1)),
    auto_pad: fc.constantFrom('NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
    symbolic: fc.boolean(),
  });

  it('Conv and ConvTranspose', async () => {
    await fc.assert(
      fc.asyncProperty(window, fc.constantFrom(1, 2), async (w, group) => {
        const { kernel, strides, auto_pad } = w;
        const dilations = auto_pad.startsWith('SAME') ? [1, 1] : w.dilations;
        const placing = auto_pad === 'NOTSET' ? { pads: w.pads } : { auto_pad };
        const attributes = { kernel_shape: kernel, strides, dilations, group, ...placing };
        // Channels are fixed: the weights say how many there are.
        const builder = new GraphBuilder(['x']);
        const weights = (dims: readonly number[]) =>
          builder.constant(tensor('float32', dims, Array(dims.reduce((a, b) => a * b, 1)).fill(0.5)));
        const outputs = [
          builder.op('Conv', ['x', weights([6, 4 / group, ...kernel])], attributes),
          builder.op('ConvTranspose', ['x', weights([4, 3, ...kernel])], {
            ...attributes,
            output_padding: strides.map((s, i) => Math.min(s, dilations[i] ?? 1) - 1),
          }),
        ];
        const shape = w.symbolic ? ['n', 4, 'h', 'w'] : [w.batch, 4, ...w.size];
        const graph = builder.finish(
          'g',
          [valueInfo('x', 'float32', shape)],
          outputs.map((name) => ({ name, type: undefined })),
        );
        const model = makeModel(graph);
        const info = inferShapes(model);
        for (const output of outputs) expect(info.typeOf(output)?.shape).not.toContain('');
        const sizes = new Map([
          ['n', w.batch],
          ['h', w.size[0]],
          ['w', w.size[1]],
        ]);
        expect(await wrongClaims(model, info, { x: floats([w.batch, 4, ...w.size]) }, sizes)).toEqual([]);
      }),
      { numRuns: 120 },
    );
  });

  it('MaxPool and AveragePool, with ceil_mode', async () => {
    await fc.assert(
      fc.asyncProperty(window, fc.constantFrom(0 as const, 1 as const), async (w, ceil_mode) => {
        // A pad has to be smaller than the kernel.
        const pads = w.pads.map((p, i) => Math.min(p, (w.kernel[i % 2] ?? 1) - 1));
        // The runtime refuses SAME padding where a stride is larger than the kernel.
        const fits = w.strides.every((s, i) => s <= (w.kernel[i] ?? 0));
        const placing = w.auto_pad === 'NOTSET' || !fits ? { pads } : { auto_pad: w.auto_pad };
        const attributes = { kernel_shape: w.kernel, strides: w.strides, ceil_mode, ...placing };
        const spread = 'auto_pad' in placing ? {} : { dilations: w.dilations };
        const shapes = await check(
          [w.batch, 2, ...w.size],
          (b) => [
            b.op('MaxPool', ['x'], { ...attributes, ...spread }),
            b.op('AveragePool', ['x'], attributes),
          ],
          w.symbolic,
        );
        for (const shape of shapes) expect(shape).not.toContain('');
      }),
      { numRuns: 150 },
    );
  });

  it('Slice, Pad, Tile, Resize, Split and Concat', async () => {
    const position = fc.integer({ min: -8, max: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(small(7), small(7)),
        fc.tuple(position, position),
        fc.tuple(position, position),
        fc.tuple(fc.constantFrom(-2, -1, 1, 2, 3), fc.constantFrom(-1, 1)),
        fc.constantFrom(0.5, 1, 1.5, 2, 0.7, 3),
        fc.boolean(),
        async (dims, starts, ends, steps, scale, symbolic) => {
          await check(
            dims,
            (b) => {
              const scales = b.constant(tensor('float32', [2], [Math.max(1, scale), Math.max(1, scale)]));
              const padded = b.op('Pad', ['x', b.ints([...starts, ...ends].map((n) => Math.abs(n) + 1))]);
              const [first = '', second = ''] = b.ops('Split', [padded], 2, { axis: 0, num_outputs: 2 });
              return [
                b.op('Slice', ['x', b.ints(starts), b.ints(ends), b.ints([0, 1]), b.ints(steps)]),
                b.op('Slice', [padded, b.ints([1]), b.ints([-1]), b.ints([1])]),
                b.op('Tile', ['x', b.ints(starts.map(Math.abs))]),
                b.op('Resize', ['x', '', scales], {
                  mode: 'nearest',
                  coordinate_transformation_mode: 'asymmetric',
                  nearest_mode: 'floor',
                }),
                b.op('Concat', [first, second], { axis: 0 }),
                b.op('Concat', ['x', 'x'], { axis: -1 }),
              ];
            },
            symbolic,
          );
        },
      ),
      { numRuns: 120 },
    );
  });

  it('Reshape, Expand and the shape arithmetic that feeds them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(small(4), small(4), small(4)),
        fc.integer({ min: 0, max: 2 }),
        fc.boolean(),
        async (dims, axis, symbolic) => {
          const shapes = await check(
            dims,
            (b) => {
              const shape = b.op('Shape', ['x']);
              const size = (i: number) => b.op('Gather', [shape, b.constant({ ...int64s([i]), dims: [1] })]);
              const flat = b.op('Concat', [size(0), b.ints([-1])], { axis: 0 });
              const total = b.op('ReduceProd', [shape], { keepdims: 1 });
              const half = b.op('Div', [b.op('Add', [size(axis), b.ints([1])]), b.ints([2])]);
              const wide = b.op(
                'Concat',
                [b.op('Mul', [half, b.ints([2])]), b.op('Slice', [shape, b.ints([0]), b.ints([2])])],
                { axis: 0 },
              );
              const mask = b.op('Equal', [wide, b.ints([-1])]);
              const target = b.op('Where', [mask, b.ints([1]), wide]);
              const zeros = b.op('ConstantOfShape', [target]);
              return [
                b.op('Reshape', ['x', flat]),
                b.op('Reshape', ['x', total]),
                b.op('Reshape', ['x', b.ints([0, 1, -1])]),
                b.op('Expand', [
                  b.op('Unsqueeze', ['x', b.ints([0, 1])]),
                  b.op('Concat', [size(axis), b.ints([1, 1, 1, 1])], { axis: 0 }),
                ]),
                b.op('Range', [b.scalar('int64', 0), b.op('Squeeze', [total]), b.scalar('int64', 2)]),
                zeros,
                b.op(
                  'Cast',
                  [
                    b.op('Floor', [
                      b.op('Mul', [b.op('Cast', [shape], { to: 1 }), b.scalar('float32', 0.5)]),
                    ]),
                  ],
                  { to: 7 },
                ),
              ];
            },
            symbolic,
          );
          for (const shape of shapes) expect(shape).not.toContain('');
        },
      ),
      { numRuns: 60 },
    );
  });

  it('broadcasting never claims what sizes of 1 would break', async () => {
    const size = fc.constantFrom(1, 1, 2, 3);
    const shapeOf = fc.array(size, { minLength: 0, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        shapeOf,
        fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
        async (full, named, ones) => {
          // b is a with some sizes replaced by 1, so that the two broadcast.
          const a = full;
          const b = full.map((dim, i) => (ones[i] ? 1 : dim));
          const symbols = new Map([
            ...a.map((d, i) => [`a${i}`, d] as const),
            ...b.map((d, i) => [`b${i}`, d] as const),
          ]);
          const builder = new GraphBuilder(['a', 'b']);
          const output = builder.op('Add', ['a', 'b']);
          const inputs = [
            valueInfo(
              'a',
              'float32',
              a.map((d, i) => (named[i] ? `a${i}` : d)),
            ),
            valueInfo(
              'b',
              'float32',
              b.map((d, i) => (named[3 + i] ? `b${i}` : d)),
            ),
          ];
          const model = makeModel(builder.finish('g', inputs, [{ name: output, type: undefined }]));
          expect(
            await wrongClaims(model, inferShapes(model), { a: floats(a), b: floats(b) }, symbols),
          ).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('errors and contradictions', () => {
  function product(a: Shape, b: Shape, declared?: Shape): Model {
    const builder = new GraphBuilder(['a', 'b']);
    const node = builder.op('MatMul', ['a', 'b'], undefined, 'y');
    const output =
      declared === undefined ? { name: node, type: undefined } : valueInfo(node, 'float32', declared);
    return makeModel(
      builder.finish('g', [valueInfo('a', 'float32', a), valueInfo('b', 'float32', b)], [output]),
    );
  }

  it('names node, op and shapes when a node cannot take its inputs', () => {
    const attempt = () => inferShapes(product([3, 4], [5, 6]));
    expect(attempt).toThrow(GraphError);
    expect(attempt).toThrow(/MatMul.*"y".*\[3, 4\], \[5, 6\].*inner sizes 4 and 5 differ/);
  });

  it('notes what the file claims wrongly and goes on with what follows from the inputs', () => {
    const info = inferShapes(product(['n', 4], [4, 6], ['n', 7]));
    expect(info.typeOf('y')?.shape).toEqual(['n', 6]);
    expect(info.conflicts).toMatchObject([
      { name: 'y', declared: { shape: ['n', 7] }, inferred: { shape: ['n', 6] } },
    ]);
  });

  it('takes other input types than those of the file', () => {
    const inputs = new Map<string, TensorType>([['a', { elementType: 'float32', shape: [9, 'k', 4] }]]);
    expect(inferShapes(product(['n', 4], [4, 6]), { inputs }).typeOf('y')?.shape).toEqual([9, 'k', 6]);
  });

  it('keeps two sizes apart of which nothing is known', () => {
    const builder = new GraphBuilder(['a', 'b']);
    builder.op('Add', ['a', 'b'], undefined, 'y');
    builder.op('Concat', ['a', 'b'], { axis: 0 }, 'z');
    builder.op('Flatten', ['a'], { axis: 1 }, 'flat');
    const graph = builder.finish(
      'g',
      [valueInfo('a', 'float32', ['', 2, 3]), valueInfo('b', 'float32', ['', 2, 3])],
      [],
    );
    const info = inferShapes(makeModel(graph));
    expect(info.typeOf('y')?.shape).toEqual(['', 2, 3]);
    expect(info.typeOf('z')?.shape).toEqual(['', 2, 3]);
    expect(info.typeOf('flat')?.shape).toEqual(['', 6]);
  });

  it('falls back on the file for an op without a rule', () => {
    const model = product(['n', 4], [4, 6], ['n', 3]);
    const [node] = model.graph.nodes;
    const nodes = node === undefined ? [] : [{ ...node, op: 'Mystery', domain: 'com.example' }];
    expect(inferShapes({ ...model, graph: { ...model.graph, nodes } }).typeOf('y')?.shape).toEqual(['n', 3]);
  });
});
