/** Upgraded models compute what the originals compute, on ONNX Runtime and against ONNX's stored outputs. */
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  decodeModel,
  decodeTensor,
  EMITTED_OPSET,
  encodeModel,
  freeInputs,
  GraphBuilder,
  GraphError,
  inferShapes,
  type Model,
  makeModel,
  type Node,
  type Tensor,
  tensor,
  toAttributes,
  toNumbers,
  upgradeModel,
  valueInfo,
} from '../src/index.ts';
import { type BackendCase, backendCases, DATA_FOLDER } from './backend-data.ts';

type Outputs = ReadonlyMap<string, { readonly dims: readonly number[]; readonly values: readonly unknown[] }>;

async function run(bytes: Uint8Array, feeds: Readonly<Record<string, RuntimeTensor>>): Promise<Outputs> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  try {
    const results = await session.run(feeds);
    return new Map(
      Object.entries(results).map(([name, { dims, data }]) => {
        const iterable: Iterable<unknown> = data;
        return [name, { dims: [...dims], values: [...iterable] }];
      }),
    );
  } finally {
    await session.release();
  }
}

/** A tensor for the runtime; undefined for types that its JavaScript face does not take. */
function feed(value: Tensor): RuntimeTensor | undefined {
  const { data, dims, elementType } = value;
  if (!(data instanceof Uint8Array)) return new RuntimeTensor('string', [...data], dims);
  const { buffer } = data.slice();
  switch (elementType) {
    case 'float32':
      return new RuntimeTensor('float32', new Float32Array(buffer), dims);
    case 'float64':
      return new RuntimeTensor('float64', new Float64Array(buffer), dims);
    case 'int64':
      return new RuntimeTensor('int64', new BigInt64Array(buffer), dims);
    case 'int32':
      return new RuntimeTensor('int32', new Int32Array(buffer), dims);
    case 'uint8':
      return new RuntimeTensor('uint8', new Uint8Array(buffer), dims);
    case 'int8':
      return new RuntimeTensor('int8', new Int8Array(buffer), dims);
    case 'bool':
      return new RuntimeTensor('bool', new Uint8Array(buffer), dims);
    default:
      return undefined;
  }
}

function feedsOf(model: Model, inputs: readonly Uint8Array[]): Record<string, RuntimeTensor> | undefined {
  const feeds: Record<string, RuntimeTensor> = {};
  for (const [i, input] of freeInputs(model.graph).entries()) {
    const bytes = inputs[i];
    if (input.type === undefined || bytes === undefined) return undefined;
    const value = feed(decodeTensor(bytes));
    if (value === undefined) return undefined;
    feeds[input.name] = value;
  }
  return feeds;
}

/** How far two results are apart, relative to 1e-5 + 1e-3 |expected|; infinite where they differ in kind. */
function distance(actual: readonly unknown[], expected: readonly unknown[]): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (const [i, value] of expected.entries()) {
    const other = actual[i];
    if (typeof value === 'string') {
      if (value !== other) return Number.POSITIVE_INFINITY;
      continue;
    }
    const [a, b] = [Number(other), Number(value)];
    if (Object.is(a, b) || a === b) continue;
    const gap = Math.abs(a - b) / (1e-5 + 1e-3 * Math.abs(b));
    worst = Math.max(worst, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap);
  }
  return worst;
}

function differences(actual: Outputs, expected: Outputs): string[] {
  return [...expected].flatMap(([name, { dims, values }]) => {
    const found = actual.get(name);
    if (found === undefined) return [`${name} is missing`];
    if (found.dims.join() !== dims.join()) return [`${name} has shape [${found.dims}], not [${dims}]`];
    const apart = distance(found.values, values);
    return apart <= 1 ? [] : [`${name} is off by ${apart} tolerances`];
  });
}

/** Ops whose outputs are drawn at random, and cases that the archive itself marks as failing elsewhere. */
const RANDOM = /random|bernoulli|multinomial|training_dropout|dropout_.*training/;

interface Tally {
  original: number;
  stored: number;
  readonly wrong: string[];
  readonly refused: string[];
}

async function compare(cases: readonly BackendCase[]): Promise<Tally> {
  const tally: Tally = { original: 0, stored: 0, wrong: [], refused: [] };
  for (const { name, group, model: bytes, dataSets } of cases) {
    const original = decodeModel(bytes);
    const opset = original.opsets.get('');
    const [set] = dataSets;
    if (opset === undefined || opset < 6 || opset >= EMITTED_OPSET || set === undefined || RANDOM.test(name))
      continue;
    const feeds = feedsOf(original, set.inputs);
    if (feeds === undefined) continue;
    // What the runtime cannot run in the original form says nothing about the new one.
    const before = await run(bytes, feeds).catch(() => undefined);
    if (before === undefined) continue;
    let upgraded: Model;
    try {
      upgraded = upgradeModel(original, EMITTED_OPSET, { oldest: 6 });
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      tally.refused.push(name);
      continue;
    }
    const after = await run(encodeModel(upgraded), feeds).catch((error: unknown) => String(error));
    if (typeof after === 'string') {
      tally.wrong.push(`${group}/${name}: ${after}`);
      continue;
    }
    tally.original++;
    tally.wrong.push(...differences(after, before).map((text) => `${group}/${name}: ${text}`));
    // The stored outputs judge where the runtime itself agrees with them.
    const stored: Outputs = new Map(
      original.graph.outputs.flatMap((output, i) => {
        const expected = set.outputs[i];
        if (expected === undefined || output.type === undefined) return [];
        const { dims, data, ...rest } = decodeTensor(expected);
        if (rest.elementType === 'float16') return [];
        const values = data instanceof Uint8Array ? [...toNumbers({ ...rest, dims, data })] : data;
        return [[output.name, { dims, values }]] as const;
      }),
    );
    if (differences(before, stored).length > 0) continue;
    tally.stored++;
    tally.wrong.push(...differences(after, stored).map((text) => `${group}/${name} (stored): ${text}`));
  }
  return tally;
}

describe.skipIf(DATA_FOLDER === undefined)('models of the backend tests', () => {
  it('compute the same after the upgrade: PyTorch exports and small models of operator sets 6 to 12', async () => {
    const tally = await compare(
      (await backendCases()).filter(({ group }) => group !== 'node' && group !== 'light'),
    );
    expect(tally.wrong).toEqual([]);
    expect(tally.refused).toEqual([]);
    expect(tally.original).toBeGreaterThan(95);
    expect(tally.stored).toBeGreaterThan(95);
  });

  it('compute the same after the upgrade: one operator each, operator sets 7 to 20', async () => {
    const tally = await compare((await backendCases()).filter(({ group }) => group === 'node'));
    expect(tally.wrong).toEqual([]);
    expect(tally.refused).toEqual(['test_scan_sum']);
    expect(tally.original).toBeGreaterThan(700);
    expect(tally.stored).toBeGreaterThan(700);
  });

  it('compute the same after the upgrade: whole networks of operator set 9', async () => {
    for (const { name, model: bytes } of (await backendCases()).filter(({ name }) =>
      /squeezenet|shufflenet/.test(name),
    )) {
      const model = decodeModel(bytes);
      const feeds = Object.fromEntries(
        freeInputs(model.graph).map(({ name: input, type }) => {
          const dims = (type?.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 1));
          const count = dims.reduce((a, b) => a * b, 1);
          return [
            input,
            new RuntimeTensor(
              'float32',
              Float32Array.from({ length: count }, (_, i) => Math.sin(i)),
              dims,
            ),
          ];
        }),
      );
      const after = await run(encodeModel(upgradeModel(model)), feeds);
      expect(differences(after, await run(bytes, feeds)), name).toEqual([]);
    }
  });
});

/** One node of an older operator set, with weights of its own. */
function oldModel(
  opset: number,
  node: { op: string; inputs?: readonly string[]; outputs?: readonly string[]; attributes?: object },
  shape: readonly number[] | undefined,
  initializers: Readonly<Record<string, Tensor>> = {},
  irVersion = 8,
): Model {
  const full: Node = {
    op: node.op,
    domain: '',
    name: 'the node',
    inputs: node.inputs ?? ['x'],
    outputs: node.outputs ?? ['y'],
    attributes: floatsKept(node.attributes ?? {}),
  };
  return {
    ...makeModel({
      name: 'old',
      nodes: [full],
      inputs: [valueInfo('x', 'float32', shape)],
      outputs: full.outputs
        .filter((o) => o !== '')
        .map((o) => valueInfo(o, o === 'index' ? 'int64' : 'float32', undefined)),
      initializers: new Map(Object.entries(initializers)),
      valueInfo: new Map(),
    }),
    irVersion,
    opsets: new Map([['', opset]]),
  };
}

/** Attributes from plain values; `{ float: 2 }` and `{ floats: [2] }` are floats. */
function floatsKept(plain: object): Record<string, Attribute> {
  const attributes: Record<string, Attribute> = {};
  for (const [name, value] of Object.entries(plain)) {
    if (typeof value === 'object' && 'float' in value)
      attributes[name] = { kind: 'float', value: value.float };
    else if (typeof value === 'object' && 'floats' in value)
      attributes[name] = { kind: 'floats', value: value.floats };
    else Object.assign(attributes, toAttributes({ [name]: value }));
  }
  return attributes;
}

function ramp(dims: readonly number[]): RuntimeTensor {
  const count = dims.reduce((a, b) => a * b, 1);
  return new RuntimeTensor(
    'float32',
    Float32Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + 1)),
    dims,
  );
}

describe('forms that changed', () => {
  const float = (value: number) => ({ float: value });
  const cases: readonly [
    string,
    number,
    Parameters<typeof oldModel>[1],
    readonly number[],
    Readonly<Record<string, Tensor>>?,
  ][] = [
    ['Softmax over a middle axis', 11, { op: 'Softmax', attributes: { axis: 1 } }, [2, 3, 4]],
    ['Softmax with the default axis', 11, { op: 'Softmax' }, [2, 3, 4]],
    ['Softmax over the last axis', 12, { op: 'Softmax', attributes: { axis: 2 } }, [2, 3, 4]],
    ['LogSoftmax over everything', 12, { op: 'LogSoftmax', attributes: { axis: 0 } }, [2, 3]],
    ['LogSoftmax over a negative axis', 11, { op: 'LogSoftmax', attributes: { axis: -2 } }, [2, 3, 4]],
    ['Hardmax', 11, { op: 'Hardmax', attributes: { axis: 1 } }, [2, 3, 4]],
    ['ReduceMean with axes', 13, { op: 'ReduceMean', attributes: { axes: [1, -1], keepdims: 0 } }, [2, 3, 4]],
    ['ReduceL2 without axes', 11, { op: 'ReduceL2', attributes: { keepdims: 0 } }, [2, 3]],
    ['ReduceSum with axes', 12, { op: 'ReduceSum', attributes: { axes: [0] } }, [2, 3]],
    ['Squeeze', 11, { op: 'Squeeze', attributes: { axes: [0] } }, [1, 3, 1]],
    ['Squeeze of all', 12, { op: 'Squeeze' }, [1, 3, 1]],
    ['Unsqueeze', 9, { op: 'Unsqueeze', attributes: { axes: [0, 3] } }, [2, 3]],
    [
      'Slice to the end',
      9,
      { op: 'Slice', attributes: { starts: [1, -2], ends: [2147483647, 9], axes: [0, 1] } },
      [3, 4],
    ],
    ['Slice without axes', 7, { op: 'Slice', attributes: { starts: [0, 1], ends: [2, 3] } }, [3, 4]],
    ['Clip on both sides', 10, { op: 'Clip', attributes: { min: float(-0.5), max: float(0.25) } }, [7]],
    ['Clip above', 7, { op: 'Clip', attributes: { max: float(0.25) } }, [7]],
    ['Pad with a value', 10, { op: 'Pad', attributes: { pads: [0, 1, 2, 0], value: float(3.5) } }, [2, 3]],
    ['Pad by reflection', 7, { op: 'Pad', attributes: { pads: [1, 0, 1, 2], mode: 'reflect' } }, [3, 4]],
    ['Dropout', 7, { op: 'Dropout', attributes: { ratio: float(0.5) } }, [5]],
    ['Dropout with an unused mask', 10, { op: 'Dropout', outputs: ['y', ''] }, [5]],
    [
      'Upsample by attribute',
      7,
      { op: 'Upsample', attributes: { scales: { floats: [1, 1, 2, 3] } } },
      [1, 1, 2, 2],
    ],
    [
      'Upsample by a fraction',
      7,
      { op: 'Upsample', attributes: { scales: { floats: [1, 1, 1.5, 2.5] } } },
      [1, 1, 4, 4],
    ],
    [
      'Upsample by input',
      9,
      { op: 'Upsample', inputs: ['x', 's'], attributes: { mode: 'linear' } },
      [1, 1, 3, 2],
      { s: tensor('float32', [4], [1, 1, 2, 2]) },
    ],
    [
      'Resize of 10, enlarging',
      10,
      { op: 'Resize', inputs: ['x', 's'] },
      [1, 1, 3, 2],
      { s: tensor('float32', [4], [1, 1, 1.6, 2]) },
    ],
    [
      'Resize of 10, shrinking',
      10,
      { op: 'Resize', inputs: ['x', 's'] },
      [1, 1, 7, 6],
      { s: tensor('float32', [4], [1, 1, 0.6, 0.5]) },
    ],
    [
      'Resize of 10, linear',
      10,
      { op: 'Resize', inputs: ['x', 's'], attributes: { mode: 'linear' } },
      [1, 1, 3, 2],
      { s: tensor('float32', [4], [1, 1, 1.6, 2]) },
    ],
    [
      'Resize of 11 to sizes',
      11,
      {
        op: 'Resize',
        inputs: ['x', 'roi', 'none', 'sizes'],
        attributes: { coordinate_transformation_mode: 'align_corners', mode: 'linear' },
      },
      [1, 1, 3, 2],
      {
        roi: tensor('float32', [0], []),
        none: tensor('float32', [0], []),
        sizes: tensor('int64', [4], [1, 1, 5, 4]),
      },
    ],
    ['TopK of 9', 9, { op: 'TopK', outputs: ['y', 'index'], attributes: { k: 2 } }, [2, 5]],
    [
      'Split in given parts',
      11,
      { op: 'Split', outputs: ['y', 'z'], attributes: { split: [1, 3], axis: 1 } },
      [2, 4],
    ],
    ['Split in equal parts', 13, { op: 'Split', outputs: ['y', 'z'] }, [4, 2]],
    [
      'BatchNormalization of 7',
      7,
      { op: 'BatchNormalization', inputs: ['x', 'g', 'b', 'm', 'v'], attributes: { epsilon: float(0.01) } },
      [2, 3, 4],
      {
        g: tensor('float32', [3], [1, 2, 3]),
        b: tensor('float32', [3], [0, 1, 0]),
        m: tensor('float32', [3], [0.1, 0, 0]),
        v: tensor('float32', [3], [1, 2, 0.5]),
      },
    ],
    [
      'Gemm of 7 broadcasting its bias',
      7,
      { op: 'Gemm', inputs: ['x', 'w', 'c'] },
      [2, 3],
      { w: tensor('float32', [3, 2], [1, 2, 3, 4, 5, 6]), c: tensor('float32', [2], [1, -1]) },
    ],
    [
      'MaxPool with ceil_mode',
      10,
      { op: 'MaxPool', attributes: { kernel_shape: [2], strides: [2], ceil_mode: 1 } },
      [1, 1, 5],
    ],
    [
      'GridSample of 16',
      16,
      { op: 'GridSample', inputs: ['x', 'grid'], attributes: { mode: 'bilinear' } },
      [1, 1, 3, 3],
      { grid: tensor('float32', [1, 1, 2, 2], [0.3, -0.2, 0.9, 0.1]) },
    ],
  ];
  it.each(cases)('%s (operator set %i)', async (_, opset, node, shape, initializers) => {
    const model = oldModel(opset, node, shape, initializers);
    const feeds = { x: ramp(shape) };
    const upgraded = upgradeModel(model);
    expect(upgraded.opsets.get('')).toBe(EMITTED_OPSET);
    expect(
      differences(await run(encodeModel(upgraded), feeds), await run(encodeModel(model), feeds)),
    ).toEqual([]);
    // Without any known shape the result is the same.
    const blind = oldModel(opset, node, undefined, initializers);
    expect(
      differences(await run(encodeModel(upgradeModel(blind)), feeds), await run(encodeModel(model), feeds)),
    ).toEqual([]);
  });

  it('keeps Softmax a single node where the rank is known, by the file or by the caller', () => {
    const node = { op: 'Softmax', attributes: { axis: 1 } };
    const ops = (model: Model, rankOf?: (name: string) => number | undefined) =>
      upgradeModel(model, EMITTED_OPSET, rankOf === undefined ? {} : { rankOf }).graph.nodes.map(
        ({ op }) => op,
      );
    expect(ops(oldModel(11, node, [2, 3]))).toEqual(['Softmax']);
    expect(ops(oldModel(11, node, undefined))).toEqual(['Shape', 'Flatten', 'Softmax', 'Reshape']);
    expect(ops(oldModel(11, node, undefined), (name) => (name === 'x' ? 2 : undefined))).toEqual(['Softmax']);
  });

  it('spreads the scale and bias of GroupNormalization over channels', async () => {
    const shape = [2, 4, 3];
    const s = [2, -1];
    const b = [0.5, 3];
    const node = {
      op: 'GroupNormalization',
      inputs: ['x', 's', 'b'],
      attributes: { num_groups: 2, epsilon: { float: 1e-5 } },
    };
    const model = oldModel(18, node, shape, { s: tensor('float32', [2], s), b: tensor('float32', [2], b) });
    const x = Array.from({ length: 24 }, (_, i) => Math.sin(1.7 * i + 1));
    const expected = x.map((value, i) => {
      const start = Math.floor(i / 6) * 6;
      const members = x.slice(start, start + 6);
      const mean = members.reduce((a, c) => a + c, 0) / 6;
      const variance = members.reduce((a, c) => a + (c - mean) ** 2, 0) / 6;
      const group = (start / 6) % 2;
      return ((value - mean) / Math.sqrt(variance + 1e-5)) * (s[group] ?? 0) + (b[group] ?? 0);
    });
    const result = await run(encodeModel(upgradeModel(model)), { x: ramp(shape) });
    expect(distance(result.get('y')?.values ?? [], expected)).toBeLessThan(1);
  });

  it('upgrades inside subgraphs, which may use the values around them', async () => {
    const inner = (op: string): Attribute => ({
      kind: 'graph',
      value: {
        name: op,
        nodes: [
          {
            op,
            domain: '',
            name: '',
            inputs: ['x'],
            outputs: [`${op}.out`],
            attributes: toAttributes({ axes: [1], keepdims: 0 }),
          },
        ],
        inputs: [],
        outputs: [valueInfo(`${op}.out`, 'float32', undefined)],
        initializers: new Map(),
        valueInfo: new Map(),
      },
    });
    const base = oldModel(11, { op: 'If', inputs: ['c'] }, [2, 3], { c: tensor('bool', [], [1]) });
    const [node] = base.graph.nodes;
    if (node === undefined) throw new Error('the model has a node');
    const attributes = { then_branch: inner('ReduceSum'), else_branch: inner('ReduceMax') };
    const model = { ...base, graph: { ...base.graph, nodes: [{ ...node, attributes }] } };
    const feeds = { x: ramp([2, 3]) };
    expect(
      differences(await run(encodeModel(upgradeModel(model)), feeds), await run(encodeModel(model), feeds)),
    ).toEqual([]);
  });

  it('gives constants the type of the data, also where the type is only known at run time', async () => {
    // Two floating-point types in one model, so that the type of the middle value cannot be guessed.
    const b = new GraphBuilder(['x', 'y']);
    const half = b.op('Cast', ['x'], { to: 11 });
    b.node({
      op: 'Clip',
      domain: '',
      name: '',
      inputs: [half],
      outputs: ['c'],
      attributes: floatsKept({ min: { float: 0 } }),
    });
    b.op('Cast', ['c'], { to: 1 }, 'y');
    const model: Model = {
      ...makeModel(b.finish('g', [valueInfo('x', 'float32', [3])], [valueInfo('y', 'float32', [3])])),
      opsets: new Map([['', 10]]),
      irVersion: 5,
    };
    const upgraded = upgradeModel(model);
    expect(upgraded.graph.nodes.map(({ op }) => op)).toContain('CastLike');
    const result = await run(encodeModel(upgraded), { x: ramp([3]) });
    expect(result.get('y')?.values).toEqual(
      [0, 1, 2].map((i) => Math.max(Math.fround(Math.sin(1.7 * i + 1)), 0)),
    );
  });
});

describe('what stays', () => {
  it('returns a model that is new enough as it is', () => {
    const model = oldModel(EMITTED_OPSET, { op: 'Relu' }, [2]);
    expect(upgradeModel(model)).toBe(model);
  });

  it('keeps names, metadata and the caller’s model, and raises the format version', () => {
    const model = oldModel(9, { op: 'Slice', attributes: { starts: [0], ends: [1] } }, [3], {}, 4);
    const before = structuredClone(model);
    const upgraded = upgradeModel(model);
    expect(model).toEqual(before);
    expect(upgraded.irVersion).toBe(10);
    expect(upgraded.graph.nodes.map(({ name, outputs }) => [name, outputs])).toEqual([['the node', ['y']]]);
    expect(inferShapes(upgraded).typeOf('y')?.shape).toEqual([1]);
  });

  it('takes initializers off the inputs of models before IR 4, where they had to be listed', () => {
    const model = oldModel(
      9,
      { op: 'Mul', inputs: ['x', 'w'] },
      [2],
      { w: tensor('float32', [2], [1, 2]) },
      3,
    );
    const listed = {
      ...model,
      graph: { ...model.graph, inputs: [...model.graph.inputs, valueInfo('w', 'float32', [2])] },
    };
    expect(upgradeModel(listed).graph.inputs.map(({ name }) => name)).toEqual(['x']);
  });
});

describe('what cannot be upgraded', () => {
  it.each<[string, Model, RegExp]>([
    ['a model too old', oldModel(6, { op: 'Relu' }, [2]), /operator set 6, which is too old/],
    [
      'BatchNormalization per position',
      oldModel(7, { op: 'BatchNormalization', attributes: { spatial: 0 } }, [2]),
      /BatchNormalization "the node".*operator set 7.*spatial/,
    ],
    [
      'Resize with a coordinate mode that is gone',
      oldModel(
        11,
        { op: 'Resize', attributes: { coordinate_transformation_mode: 'tf_half_pixel_for_nn' } },
        [2],
      ),
      /tf_half_pixel_for_nn/,
    ],
    [
      'Resize of 10 with scales known only at run time',
      oldModel(10, { op: 'Resize', inputs: ['x', 'x'] }, [2]),
      /no constant/,
    ],
    [
      'a mask of Dropout that is used',
      oldModel(7, { op: 'Dropout', outputs: ['y', 'mask'] }, [2]),
      /mask is used/,
    ],
    ['Scan over batches', oldModel(8, { op: 'Scan' }, [2]), /Scan/],
  ])('says so of %s', (_, model, message) => {
    expect(() => upgradeModel(model)).toThrow(GraphError);
    expect(() => upgradeModel(model)).toThrow(message);
  });

  it('does not go back', () => {
    expect(() => upgradeModel(oldModel(9, { op: 'Relu' }, [2]), 12)).toThrow(GraphError);
  });
});
