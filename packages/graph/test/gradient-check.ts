/**
 * Checks of gradient models: against finite differences in the float64 reference interpreter, and by the
 * dot-product test through a real runtime.
 */
import * as native from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { type ElementType, encodeModel, type Model, type Tensor, tensor, toNumbers } from '../src/index.ts';
import { type Array64, fromTensor, interpret } from './reference/index.ts';

export interface StepOptions {
  /** Step h of the central difference, relative to max(1, |x|). Default 1e-5. */
  readonly step?: number;
  /** Richardson extrapolation (4 D(h/2) − D(h)) / 3, with an error of h⁴ instead of h². Default false. */
  readonly richardson?: boolean;
}

/** A scalar made of a model's outputs: the name of a scalar output, or the sum of ⟨output, cotangent⟩ by name. */
export type Objective = string | Readonly<Record<string, Array64>>;

/** What a gradient check is given cannot be checked. */
export class GradientCheckError extends Error {
  override name = 'GradientCheckError';
}

const DEFAULT_STEP = 1e-5;
const FLOATS: ReadonlySet<ElementType> = new Set(['float16', 'bfloat16', 'float32', 'float64']);

/**
 * The gradient of a scalar of the outputs with respect to a float input or initializer, element by element.
 *
 * @param feeds inputs by name; `name` itself may be left out if it is an initializer
 */
export function finiteDifference(
  model: Model,
  output: Objective,
  feeds: Readonly<Record<string, Array64>>,
  name: string,
  options: StepOptions = {},
): Array64 {
  const x = floatValue(model, feeds, name);
  const evaluate = (position: number, value: number) => {
    const moved = { ...x, values: x.values.with(position, value) };
    return objectiveValue(interpret(model, { ...feeds, [name]: moved }), output);
  };
  const gradient = Float64Array.from(x.values, (value, position) =>
    derivative((t) => evaluate(position, value + t), Math.max(1, Math.abs(value)), options),
  );
  return { ...x, values: gradient };
}

/** Derivative at 0 of a function of one number, by central differences. */
function derivative(f: (t: number) => number, scale: number, options: StepOptions): number {
  const step = (options.step ?? DEFAULT_STEP) * scale;
  const central = (h: number) => (f(h) - f(-h)) / (2 * h);
  return options.richardson === true ? (4 * central(step / 2) - central(step)) / 3 : central(step);
}

function objectiveValue(outputs: Readonly<Record<string, Array64>>, objective: Objective): number {
  if (typeof objective !== 'string') {
    return Object.entries(objective).reduce(
      (total, [name, cotangent]) => total + dot(named(outputs, name), cotangent),
      0,
    );
  }
  const { values } = named(outputs, objective);
  const [value] = values;
  if (value === undefined || values.length !== 1) {
    throw new GradientCheckError(`"${objective}" has ${values.length} elements; it has to be a scalar`);
  }
  return value;
}

export interface CompareOptions extends StepOptions {
  /** What `gradient` is the gradient of. Default: the forward model's output `loss`, or else its only output. */
  readonly objective?: Objective;
}

/**
 * Runs a gradient model in the reference interpreter and compares its outputs `grad.NAME` with finite differences
 * of the forward model.
 *
 * @param feeds inputs of both models by name (what only one of them takes does not disturb the other)
 * @returns per name max |a − b| / (1 + max |b|), where b are the finite differences; infinite if anything is no number
 * @throws GradientCheckError if a gradient is missing or has not the shape of its value
 */
export function compareGradients(
  forward: Model,
  gradient: Model,
  names: readonly string[],
  feeds: Readonly<Record<string, Array64>>,
  options: CompareOptions = {},
): Record<string, number> {
  const objective = options.objective ?? lossOf(forward);
  const outputs = interpret(gradient, feeds);
  return Object.fromEntries(
    names.map((name) => {
      const expected = finiteDifference(forward, objective, feeds, name, options);
      return [name, gradientError(gradientOutput(outputs, name, expected), expected)];
    }),
  );
}

/** max |a − b| / (1 + max |b|). */
export function gradientError(actual: Array64, expected: Array64): number {
  let difference = 0;
  let size = 0;
  expected.values.forEach((b, i) => {
    const distance = Math.abs((actual.values[i] ?? Number.NaN) - b);
    difference = Math.max(difference, Number.isNaN(distance) ? Infinity : distance);
    size = Math.max(size, Math.abs(b));
  });
  return difference / (1 + size);
}

function lossOf(model: Model): string {
  const { outputs } = model.graph;
  const [first] = outputs;
  if (outputs.some((output) => output.name === 'loss')) return 'loss';
  if (first === undefined || outputs.length !== 1) {
    throw new GradientCheckError(
      'the model has several outputs and none is named "loss": give the objective',
    );
  }
  return first.name;
}

/** A runtime by the package that brings it: `onnxruntime-node`, or the wasm build of `onnxruntime-web`. */
export type Runtime = 'node' | 'web';

/**
 * Runs a model once in this process on one thread.
 *
 * @param feeds inputs by name, converted to the types that the model declares. Those of the name of an initializer
 *   take its place; others that the model does not know are left out.
 */
export async function runOnnx(
  model: Model,
  feeds: Readonly<Record<string, Array64>>,
  runtime: Runtime,
): Promise<Record<string, Array64>> {
  const bytes = encodeModel(withInitializers(model, feeds));
  const inputs = model.graph.inputs.flatMap(({ name, type }) => {
    const value = feeds[name];
    if (value === undefined || model.graph.initializers.has(name)) return [];
    return [[name, { ...value, elementType: type?.elementType ?? value.elementType }] as const];
  });
  return runtime === 'node' ? runNative(bytes, inputs) : runWeb(bytes, inputs);
}

type NamedArrays = readonly (readonly [string, Array64])[];

async function runNative(bytes: Uint8Array, inputs: NamedArrays): Promise<Record<string, Array64>> {
  const session = await native.InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    return arraysOf(await session.run(mapValues(inputs, (value) => runtimeTensor(native.Tensor, value))));
  } finally {
    await session.release();
  }
}

async function runWeb(bytes: Uint8Array, inputs: NamedArrays): Promise<Record<string, Array64>> {
  web.env.wasm.numThreads = 1;
  const session = await web.InferenceSession.create(bytes, {
    executionProviders: ['wasm'],
    logSeverityLevel: 3,
  });
  try {
    return arraysOf(await session.run(mapValues(inputs, (value) => runtimeTensor(web.Tensor, value))));
  } finally {
    await session.release();
  }
}

function mapValues<T>(entries: NamedArrays, f: (value: Array64) => T): Record<string, T> {
  return Object.fromEntries(entries.map(([name, value]) => [name, f(value)]));
}

/** The constructor that both runtimes share the type of. */
type TensorConstructor = typeof native.Tensor;

function runtimeTensor(Tensor: TensorConstructor, value: Array64): native.Tensor {
  const { elementType, dims } = value;
  const bytes = bytesOf(tensor(elementType, dims, value.values));
  switch (elementType) {
    case 'float32':
      return new Tensor('float32', new Float32Array(bytes.buffer), dims);
    case 'float64':
      return new Tensor('float64', new Float64Array(bytes.buffer), dims);
    case 'int32':
      return new Tensor('int32', new Int32Array(bytes.buffer), dims);
    case 'int64':
      return new Tensor('int64', new BigInt64Array(bytes.buffer), dims);
    case 'uint8':
      return new Tensor('uint8', bytes, dims);
    case 'bool':
      return new Tensor('bool', bytes, dims);
    default:
      throw new GradientCheckError(`inputs of type ${elementType} are not fed to a runtime`);
  }
}

function bytesOf(value: Tensor): Uint8Array<ArrayBuffer> {
  if (!(value.data instanceof Uint8Array)) throw new GradientCheckError('a string tensor has no bytes');
  return Uint8Array.from(value.data);
}

/** What a runtime gives back, reduced to what is read of it. */
interface RuntimeTensor {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: unknown;
}

function arraysOf(results: Readonly<Record<string, RuntimeTensor>>): Record<string, Array64> {
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => {
      if (!ArrayBuffer.isView(data)) throw new GradientCheckError(`"${name}" holds no numbers`);
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const result: Tensor = { elementType: type, dims, data: bytes };
      return [name, { elementType: type, dims: [...dims], values: toNumbers(result) }];
    }),
  );
}

/** The model with the values that are fed under the name of an initializer in its place. */
function withInitializers(model: Model, feeds: Readonly<Record<string, Array64>>): Model {
  const initializers = new Map(
    [...model.graph.initializers].map(([name, old]) => {
      const value = feeds[name];
      return [name, value === undefined ? old : tensor(old.elementType, value.dims, value.values)];
    }),
  );
  return { ...model, graph: { ...model.graph, initializers } };
}

export interface DotProductCheck extends StepOptions {
  /** y = f(x). */
  readonly forward: Model;
  /** Takes the inputs of `forward` and the cotangents w, and gives `grad.NAME` = Jᵀw. */
  readonly gradient: Model;
  /** Output y of `forward` → the input of `gradient` that takes its cotangent. */
  readonly cotangents: Readonly<Record<string, string>>;
  /** Inputs and initializers of `forward` that the gradient is taken with respect to, all at once. */
  readonly names: readonly string[];
  readonly feeds: Readonly<Record<string, Array64>>;
  readonly runtime: Runtime;
  /** Seed of the random direction v and cotangents w. Default 1. */
  readonly seed?: number;
}

/**
 * The dot-product test ⟨Jv, w⟩ = ⟨v, Jᵀw⟩ for random v and w: Jᵀw comes from the gradient model on a runtime, Jv
 * from central differences of the forward model in float64 along v.
 *
 * @returns |⟨Jv, w⟩ − ⟨v, Jᵀw⟩| relative to the typical size of such sums, √Σ(Jv · w)² + √Σ(v · Jᵀw)² taken over
 *   their terms: about the runtime's precision if the gradient is right, about 1 if it is not
 * @throws GradientCheckError if a gradient is missing or has not the shape of its value
 */
export async function dotProductCheck(check: DotProductCheck): Promise<number> {
  const { forward, gradient, names, feeds } = check;
  const random = seededUniform(check.seed ?? 1);
  const randomLike = (x: Array64): Array64 => ({ ...x, values: x.values.map(() => Math.fround(random())) });

  const at = names.map((name) => floatValue(forward, feeds, name));
  const direction = at.map(randomLike);
  const along = (t: number): Record<string, Array64> => ({
    ...feeds,
    ...Object.fromEntries(names.map((name, i) => [name, moved(at[i], direction[i], t)])),
  });
  const y = interpret(forward, feeds);
  const weights = Object.keys(check.cotangents).map((name) => [name, randomLike(named(y, name))] as const);

  const pushed = jacobianVectorProduct((t) => interpret(forward, along(t)), weights, check);
  const cotangents = weights.map(([name, w]) => [check.cotangents[name] ?? name, w] as const);
  const pulled = await runOnnx(gradient, { ...feeds, ...Object.fromEntries(cotangents) }, check.runtime);

  const forwardTerms = weights.flatMap(([name, w]) => products(named(pushed, name), w));
  const backwardTerms = names.flatMap((name, i) => {
    const v = direction[i];
    return v === undefined ? [] : products(gradientOutput(pulled, name, v), v);
  });
  const difference = Math.abs(total(forwardTerms) - total(backwardTerms));
  const size = Math.hypot(...forwardTerms) + Math.hypot(...backwardTerms);
  return difference === 0 ? 0 : difference / size;
}

/** d/dt of the outputs at t = 0. */
function jacobianVectorProduct(
  f: (t: number) => Record<string, Array64>,
  outputs: readonly (readonly [string, Array64])[],
  options: StepOptions,
): Record<string, Array64> {
  const step = options.step ?? DEFAULT_STEP;
  const central = (h: number) => {
    const up = f(h);
    const down = f(-h);
    return (name: string, i: number) =>
      ((named(up, name).values[i] ?? 0) - (named(down, name).values[i] ?? 0)) / (2 * h);
  };
  const whole = central(step);
  const half = options.richardson === true ? central(step / 2) : undefined;
  return Object.fromEntries(
    outputs.map(([name, like]) => {
      const values = like.values.map((_, i) =>
        half === undefined ? whole(name, i) : (4 * half(name, i) - whole(name, i)) / 3,
      );
      return [name, { ...like, values }];
    }),
  );
}

/** Numbers between −1 and 1, the same for the same seed (mulberry32). */
export function seededUniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

function moved(x: Array64 | undefined, v: Array64 | undefined, t: number): Array64 {
  if (x === undefined || v === undefined) throw new GradientCheckError('a value has no direction');
  return { ...x, values: x.values.map((value, i) => value + t * (v.values[i] ?? 0)) };
}

function products(a: Array64, b: Array64): readonly number[] {
  return Array.from(a.values, (value, i) => value * (b.values[i] ?? Number.NaN));
}

function dot(a: Array64, b: Array64): number {
  return total(products(a, b));
}

function total(terms: readonly number[]): number {
  return terms.reduce((sum, term) => sum + term, 0);
}

function named(arrays: Readonly<Record<string, Array64>>, name: string): Array64 {
  const value = arrays[name];
  if (value === undefined) throw new GradientCheckError(`there is no value "${name}"`);
  return value;
}

function gradientOutput(outputs: Readonly<Record<string, Array64>>, name: string, like: Array64): Array64 {
  const gradient = named(outputs, `grad.${name}`);
  if (gradient.dims.join() !== like.dims.join()) {
    throw new GradientCheckError(
      `the gradient of "${name}" has shape [${gradient.dims.join(', ')}], its value [${like.dims.join(', ')}]`,
    );
  }
  return gradient;
}

function floatValue(model: Model, feeds: Readonly<Record<string, Array64>>, name: string): Array64 {
  const stored = model.graph.initializers.get(name);
  const value = feeds[name] ?? (stored === undefined ? undefined : fromTensor(stored));
  if (value === undefined) throw new GradientCheckError(`"${name}" is neither fed nor an initializer`);
  if (!FLOATS.has(value.elementType)) {
    throw new GradientCheckError(`"${name}" is of type ${value.elementType}, which has no gradient`);
  }
  return value;
}
