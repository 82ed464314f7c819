/** Runs models on ONNX Runtime and gives every value back, to compare with what was inferred. */
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { encodeModel, evaluateDim, type Model, type ShapeInfo } from '../src/index.ts';

export interface Result {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayLike<unknown>;
}

export type Feeds = Readonly<Record<string, RuntimeTensor>>;

/** A float32 tensor of reproducible, irregular numbers. */
export function floats(dims: readonly number[], seed = 1): RuntimeTensor {
  const count = dims.reduce((a, b) => a * b, 1);
  return new RuntimeTensor(
    'float32',
    Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i)),
    dims,
  );
}

/** An int64 tensor. */
export function integers(dims: readonly number[], values: readonly number[]): RuntimeTensor {
  return new RuntimeTensor('int64', BigInt64Array.from(values, BigInt), dims);
}

/** Outputs by name, on the CPU. */
export async function run(model: Model, feeds: Feeds, optimize = true): Promise<ReadonlyMap<string, Result>> {
  const session = await InferenceSession.create(encodeModel(model), {
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
    graphOptimizationLevel: optimize ? 'all' : 'disabled',
  });
  const outputs = await session.run(feeds);
  const results = new Map<string, Result>();
  for (const [name, { type, dims, data }] of Object.entries(outputs))
    results.set(name, {
      type,
      dims: [...dims],
      data: Array.isArray(data) ? data : Array.from(iterable(data)),
    });
  await session.release();
  return results;
}

function iterable(data: RuntimeTensor['data']): Iterable<unknown> {
  return data;
}

/** The model with every value of a node as an output. */
export function showingAll(model: Model, info: ShapeInfo): Model {
  const names = model.graph.nodes.flatMap((node) => node.outputs.filter((name) => name !== ''));
  const outputs = names.flatMap((name) => {
    const type = info.typeOf(name);
    return type === undefined ? [] : [{ name, type: { elementType: type.elementType, shape: undefined } }];
  });
  return { ...model, graph: { ...model.graph, outputs, valueInfo: new Map() } };
}

/** Everything that was claimed of a model's values and is not so when its symbols take these sizes. */
export async function wrongClaims(
  model: Model,
  info: ShapeInfo,
  feeds: Feeds,
  sizes: ReadonlyMap<string, number>,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const [name, actual] of await run(showingAll(model, info), feeds, false)) {
    const type = info.typeOf(name);
    if (type !== undefined && type.elementType !== actual.type)
      wrong.push(`${name}: ${type.elementType}, not ${actual.type}`);
    if (type?.shape !== undefined && !agrees(type.shape, actual.dims, sizes)) {
      wrong.push(`${name}: [${type.shape}] with ${JSON.stringify([...sizes])}, not [${actual.dims}]`);
    }
    const contents = info.contentsOf(name);
    if (contents !== undefined && !agrees(contents, Array.from(actual.data, Number), sizes)) {
      wrong.push(`${name}: contents ${contents}, not ${Array.from(actual.data, Number)}`);
    }
  }
  return wrong;
}

function agrees(
  claimed: readonly (number | string)[],
  actual: readonly number[],
  sizes: ReadonlyMap<string, number>,
): boolean {
  if (claimed.length !== actual.length) return false;
  return claimed.every((dim, i) => dim === '' || evaluateDim(dim, sizes) === actual[i]);
}
