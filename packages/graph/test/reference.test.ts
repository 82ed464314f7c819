/** The reference interpreter against ONNX's own backend tests, closed forms, and laws that its ops obey. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeModel,
  decodeTensor,
  type ElementType,
  type Graph,
  GraphBuilder,
  type Model,
  makeModel,
  toAttributes,
  valueInfo,
} from '../src/index.ts';
import { type BackendCase, type BackendDataSet, backendCases, DATA_FOLDER } from './backend-data.ts';
import { seededUniform } from './gradient-check.ts';
import {
  type Array64,
  array64,
  canInterpret,
  fromTensor,
  interpret,
  REFERENCE_OPS,
} from './reference/index.ts';

/** How far a value may be from the stored one, |a − b| ≤ tolerance · (0.01 + |b|), by how it is stored. */
const TOLERANCES: Partial<Record<ElementType, number>> = {
  float64: 1e-6,
  float32: 1e-4,
  float16: 2e-3,
  bfloat16: 1e-2,
};

/** Cases that no float64 interpreter of operator sets 7 and newer can match. */
const EXCLUDED: Readonly<Record<string, string>> = {
  test_averagepool_2d_ceil_last_window_starts_on_pad: 'the stored outputs have four digits',
  test_training_dropout: "a mask drawn by NumPy's generator",
  test_training_dropout_default: "a mask drawn by NumPy's generator",
  test_training_dropout_default_mask: "a mask drawn by NumPy's generator",
  test_training_dropout_mask: "a mask drawn by NumPy's generator",
  test_PReLU_1d_multiparam: 'the broadcasting of operator set 6',
  test_PReLU_2d_multiparam: 'the broadcasting of operator set 6',
  test_PReLU_3d_multiparam: 'the broadcasting of operator set 6',
};

/** Compared cases; fewer means that something stopped being covered. */
const FLOOR = 1424;

interface Comparison {
  readonly name: string;
  readonly ops: ReadonlySet<string>;
  /** What is wrong; empty if nothing is. */
  readonly problems: readonly string[];
}

describe.skipIf(DATA_FOLDER === undefined)('the reference interpreter on the ONNX backend tests', () => {
  it(`matches the stored outputs of at least ${FLOOR} cases and has every op covered by one`, async () => {
    const cases = (await backendCases()).filter(
      ({ group, name }) => group !== 'light' && EXCLUDED[name] === undefined,
    );
    const compared = cases.flatMap(compareCase);
    const covered = new Set(compared.flatMap(({ ops }) => [...ops]));
    const byGroup = Map.groupBy(compared, ({ name }) => name.split('/')[0] ?? '');
    const counts = [...byGroup].map(([group, members]) => `${group} ${members.length}`).join(', ');
    console.info(`compared ${compared.length} of ${cases.length} backend cases (${counts})`);

    expect(
      compared.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
    ).toEqual([]);
    expect(compared.length).toBeGreaterThanOrEqual(FLOOR);
    expect([...REFERENCE_OPS].filter((op) => !covered.has(op))).toEqual([]);
  });
});

/** Nothing if the case uses ops or types that the interpreter does not have. */
function compareCase({ group, name, model: bytes, dataSets }: BackendCase): readonly Comparison[] {
  const model = decodeModel(bytes);
  if (!canInterpret(model.graph)) return [];
  const sets = dataSets.map(readDataSet);
  if (sets.length === 0 || sets.includes(undefined)) return [];
  const problems = sets.flatMap((set) => (set === undefined ? [] : compareDataSet(model, set)));
  return [{ name: `${group}/${name}`, ops: opsOf(model.graph), problems }];
}

interface Arrays {
  readonly inputs: readonly Array64[];
  readonly outputs: readonly Array64[];
}

/** Undefined if a value is no tensor of floats, integers or booleans. */
function readDataSet(set: BackendDataSet): Arrays | undefined {
  try {
    const read = (bytes: Uint8Array) => fromTensor(decodeTensor(bytes));
    return { inputs: set.inputs.map(read), outputs: set.outputs.map(read) };
  } catch {
    return undefined;
  }
}

function compareDataSet(model: Model, { inputs, outputs }: Arrays): readonly string[] {
  const feeds = Object.fromEntries(
    model.graph.inputs.flatMap(({ name }, i) => (inputs[i] === undefined ? [] : [[name, inputs[i]]])),
  );
  try {
    const results = interpret(model, feeds);
    return model.graph.outputs.flatMap(({ name }, i) => mismatch(name, results[name], outputs[i]));
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

function mismatch(
  name: string,
  actual: Array64 | undefined,
  expected: Array64 | undefined,
): readonly string[] {
  if (actual === undefined || expected === undefined) return [`${name} is missing`];
  if (actual.elementType !== expected.elementType) {
    return [`${name} is ${actual.elementType}, not ${expected.elementType}`];
  }
  if (actual.dims.join() !== expected.dims.join()) {
    return [`${name} has shape [${actual.dims.join()}], not [${expected.dims.join()}]`];
  }
  const tolerance = TOLERANCES[expected.elementType] ?? 0;
  const wrong = expected.values.filter((b, i) => {
    const a = actual.values[i] ?? Number.NaN;
    if (Object.is(a, b) || a === b) return false;
    return !(Math.abs(a - b) <= tolerance * (0.01 + Math.abs(b)));
  });
  return wrong.length === 0
    ? []
    : [`${name} differs in ${wrong.length} of ${expected.values.length} elements`];
}

function opsOf(graph: Graph): ReadonlySet<string> {
  return new Set(
    graph.nodes.flatMap((node) => [
      node.op,
      ...Object.values(node.attributes).flatMap((attribute) =>
        attribute.kind === 'graph' ? [...opsOf(attribute.value)] : [],
      ),
    ]),
  );
}

/** One node of the standard domain on these inputs; returns its outputs. */
function run(
  op: string,
  inputs: readonly Array64[],
  attributes: object = {},
  outputs = 1,
): readonly Array64[] {
  const names = inputs.map((_, i) => `in${i}`);
  const results = Array.from({ length: outputs }, (_, i) => `out${i}`);
  const build = new GraphBuilder([...names, ...results]);
  build.node({
    op,
    domain: '',
    name: '',
    inputs: names,
    outputs: results,
    attributes: toAttributes(attributes),
  });
  const graph = build.finish(
    op,
    inputs.map((x, i) => valueInfo(`in${i}`, x.elementType, x.dims)),
    results.map((name) => valueInfo(name, 'float32', undefined)),
  );
  const values = interpret(makeModel(graph), Object.fromEntries(inputs.map((x, i) => [`in${i}`, x])));
  return results.flatMap((name) => values[name] ?? []);
}

function only(arrays: readonly Array64[]): Array64 {
  const [first] = arrays;
  if (first === undefined || arrays.length !== 1) throw new Error('there is not exactly one output');
  return first;
}

function random(dims: readonly number[], next: () => number): Array64 {
  const count = dims.reduce((a, b) => a * b, 1);
  return array64('float32', dims, Array.from({ length: count }, next));
}

function dot(a: Array64, b: Array64): number {
  expect(a.dims).toEqual(b.dims);
  return a.values.reduce((total, value, i) => total + value * (b.values[i] ?? Number.NaN), 0);
}

describe('the reference interpreter in float64', () => {
  it('has the error function to 1e-15', () => {
    // Abramowitz and Stegun, table 7.1, and further digits from tables of erf.
    const known: readonly (readonly [number, number])[] = [
      [0, 0],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [-1, -0.8427007929497149],
      [2, 0.9953222650189527],
      [3.5, 0.9999992569016276],
      [7, 1],
    ];
    const x = array64(
      'float32',
      [known.length],
      known.map(([value]) => value),
    );
    only(run('Erf', [x])).values.forEach((value, i) => {
      expect(Math.abs(value - (known[i]?.[1] ?? Number.NaN))).toBeLessThan(1e-15);
    });
  });

  it('does not round to float32', () => {
    const third = array64('float32', [], [3]);
    expect(only(run('Reciprocal', [third])).values[0]).toBe(1 / 3);
    expect(only(run('Cast', [array64('float64', [], [0.1])], { to: 1 })).values[0]).toBe(0.1);
  });

  it('keeps softmax, its logarithm and softplus finite for large numbers', () => {
    const x = array64('float32', [1, 3], [1000, 1001, -1000]);
    const e = Math.E;
    const softmax = only(run('Softmax', [x])).values;
    expect(softmax[0]).toBeCloseTo(1 / (1 + e), 14);
    expect(softmax[2]).toBe(0);
    expect(only(run('LogSoftmax', [x])).values[2]).toBeCloseTo(-2001 - Math.log(1 + 1 / e), 10);
    expect([...only(run('Softplus', [x])).values]).toEqual([1000, 1001, 0]);
  });

  it('reports an index outside of the data instead of reading past it', () => {
    const x = array64('float32', [2], [1, 2]);
    expect(() => run('Gather', [x, array64('int64', [1], [2])])).toThrow(/outside of a dimension of 2/);
  });

  it('lets feeds stand in for initializers', () => {
    const build = new GraphBuilder(['x', 'y']);
    const w = build.initializer('w', {
      elementType: 'float32',
      dims: [],
      data: new Uint8Array([0, 0, 0, 64]),
    });
    build.op('Mul', ['x', w], {}, 'y');
    const graph = build.finish('g', [valueInfo('x', 'float32', [])], [valueInfo('y', 'float32', [])]);
    const x = array64('float32', [], [5]);
    expect(interpret(makeModel(graph), { x }).y?.values[0]).toBe(10);
    expect(interpret(makeModel(graph), { x, w: array64('float32', [], [7]) }).y?.values[0]).toBe(35);
  });
});

describe('laws of the reference interpreter', () => {
  const spatial = fc.integer({ min: 1, max: 2 }).chain((rank) =>
    fc.record({
      kernel: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: rank, maxLength: rank }),
      strides: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: rank, maxLength: rank }),
      dilations: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: rank, maxLength: rank }),
      pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2 * rank, maxLength: 2 * rank }),
      extra: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: rank, maxLength: rank }),
      group: fc.integer({ min: 1, max: 2 }),
      channels: fc.integer({ min: 1, max: 2 }),
      maps: fc.integer({ min: 1, max: 2 }),
      seed: fc.nat(),
    }),
  );

  it('has ConvTranspose as the adjoint of Conv: ⟨conv(x), y⟩ = ⟨x, convTranspose(y)⟩', () => {
    fc.assert(
      fc.property(spatial, ({ kernel, strides, dilations, pads, extra, group, channels, maps, seed }) => {
        const next = seededUniform(seed);
        const extents = kernel.map((k, axis) => (k - 1) * (dilations[axis] ?? 1) + 1);
        // At least as large as the window, so that the padding need not be.
        const dims = extents.map((extent, axis) => extent + (extra[axis] ?? 0));
        const x = random([2, channels * group, ...dims], next);
        const w = random([maps * group, channels, ...kernel], next);
        const window = { strides, dilations, pads, group };
        const forward = only(run('Conv', [x, w], window));
        const y = random(forward.dims, next);
        // What the stride leaves over at the end.
        const output_padding = dims.map((size, axis) => {
          const padded = size + (pads[axis] ?? 0) + (pads[kernel.length + axis] ?? 0);
          return (padded - (extents[axis] ?? 1)) % (strides[axis] ?? 1);
        });
        const backward = only(run('ConvTranspose', [y, w], { ...window, output_padding }));
        expect(dot(forward, y)).toBeCloseTo(dot(x, backward), 10);
      }),
      { numRuns: 60 },
    );
  });

  it('has MatMul, Gemm and Einsum agree', () => {
    const size = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(size, size, size, fc.nat(), (m, k, n, seed) => {
        const next = seededUniform(seed);
        const a = random([m, k], next);
        const b = random([n, k], next);
        const gemm = only(run('Gemm', [a, b], { transB: 1 }));
        const einsum = only(run('Einsum', [a, b], { equation: '...k,nk->...n' }));
        const matMul = only(run('MatMul', [a, only(run('Transpose', [b]))]));
        gemm.values.forEach((value, i) => {
          expect(einsum.values[i]).toBeCloseTo(value, 12);
          expect(matMul.values[i]).toBeCloseTo(value, 12);
        });
      }),
    );
  });

  it('has MaxUnpool put every maximum back where MaxPool found it', () => {
    const x = only(run('Abs', [random([2, 3, 6, 4], seededUniform(7))]));
    const window = { kernel_shape: [2, 2], strides: [2, 2] };
    const [y, places] = run('MaxPool', [x], window, 2);
    if (y === undefined || places === undefined) throw new Error('MaxPool has two outputs');
    const back = only(run('MaxUnpool', [y, places], window));
    expect(back.values.filter((value) => value !== 0)).toHaveLength(y.values.length);
    expect(back.values.every((value, i) => value === 0 || value === x.values[i])).toBe(true);
    expect(only(run('MaxPool', [back], window))).toEqual(y);
  });
});
