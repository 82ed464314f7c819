/** Checks the gradient of a single node in both ways: by finite differences, and as ONNX Runtime computes it. */
import { expect } from 'vitest';
import {
  type Dim,
  EMITTED_OPSET,
  type Model,
  makeModel,
  type Node,
  type TensorType,
  tensor,
  toAttributes,
  vectorJacobianProduct,
} from '../src/index.ts';
import { compareGradients, gradientError, runOnnx, seededUniform } from './gradient-check.ts';
import { type Array64, array64, interpret } from './reference/index.ts';

/** One input of the node. `fixed` ones (shapes, masks) have no gradient and are initializers. */
export interface NodeInput {
  readonly value: Array64;
  readonly fixed?: boolean;
}

export interface NodeCase {
  readonly op: string;
  /** Plain values; whole numbers are taken as ints unless the operator has a float there. */
  readonly attributes?: object;
  /** Undefined ones are left out. */
  readonly inputs: readonly (NodeInput | undefined)[];
  /** Default 1; only the first has a cotangent. */
  readonly outputs?: number;
  readonly opset?: number;
  /** Declares the sizes of the first input from this axis on by name, so that they are known at run time only. */
  readonly dynamicFrom?: number;
  /** Those among them that are declared by their number all the same. */
  readonly known?: readonly number[];
  /** Where ONNX Runtime has no kernel, or another meaning than the specification: only finite differences. */
  readonly referenceOnly?: boolean;
  readonly seed?: number;
}

/** Errors of float64 arithmetic and central differences, and of float32 arithmetic. */
const REFERENCE_TOLERANCE = 1e-6;
const RUNTIME_TOLERANCE = 2e-5;

/** An input with numbers from an interval. */
export function uniform(
  dims: readonly number[],
  seed: number,
  [low, high]: readonly [number, number] = [-2, 2],
): NodeInput {
  const random = seededUniform(seed);
  const count = dims.reduce((product, size) => product * size, 1);
  const values = Array.from({ length: count }, () => Math.fround(low + ((high - low) * (1 + random())) / 2));
  return { value: array64('float32', dims, values) };
}

/** An input whose numbers are all far apart from each other and from 0, so that a small step changes no order. */
export function distinct(dims: readonly number[], seed: number): NodeInput {
  const random = seededUniform(seed);
  const count = dims.reduce((product, size) => product * size, 1);
  const ranks = Array.from({ length: count }, (_, i) => ({ i, key: random() })).sort((a, b) => a.key - b.key);
  const values = new Float64Array(count);
  ranks.forEach(({ i }, rank) => {
    values[i] = Math.fround(((rank + 0.37 - count / 2) * 4) / count);
  });
  return { value: array64('float32', dims, values) };
}

/** An input without a gradient. */
export function fixed(
  elementType: 'float32' | 'int64' | 'bool',
  dims: readonly number[],
  values: readonly number[],
): NodeInput {
  return { value: array64(elementType, dims, values), fixed: true };
}

/** The model y₀, y₁, … = op(x₀, x₁, …). */
export function nodeModel(test: NodeCase): Model {
  const names = test.inputs.map((input, i) => (input === undefined ? '' : `x${i}`));
  const outputs = Array.from({ length: test.outputs ?? 1 }, (_, i) => `y${i}`);
  const node: Node = {
    op: test.op,
    domain: '',
    name: 'node',
    inputs: names,
    outputs,
    attributes: toAttributes(test.attributes ?? {}),
  };
  const typeOf = (value: Array64, index: number): TensorType => {
    const from = index === 0 ? (test.dynamicFrom ?? Infinity) : Infinity;
    const shape = value.dims.map(
      (size, axis): Dim => (axis >= from && test.known?.includes(axis) !== true ? `size${axis}` : size),
    );
    return { elementType: value.elementType, shape };
  };
  const inputs = test.inputs.flatMap((input, i) =>
    input === undefined || input.fixed === true ? [] : [{ name: `x${i}`, type: typeOf(input.value, i) }],
  );
  const initializers = test.inputs.flatMap((input, i) =>
    input?.fixed === true
      ? [[`x${i}`, tensor(input.value.elementType, input.value.dims, input.value.values)] as const]
      : [],
  );
  const model = makeModel({
    name: 'node',
    nodes: [node],
    inputs,
    outputs: [{ name: 'y0', type: { elementType: 'float32', shape: undefined } }],
    initializers: new Map(initializers),
    valueInfo: new Map(),
  });
  return { ...model, opsets: new Map([['', test.opset ?? EMITTED_OPSET]]) };
}

/**
 * Checks the product Jᵀw of one node, for a random w, with respect to each of its inputs that is not fixed.
 *
 * The gradient model has to agree with central differences when both run in the float64 reference, and with itself
 * when ONNX Runtime runs it in float32; the forward model has to mean the same to both.
 */
export async function checkNode(test: NodeCase): Promise<void> {
  const forward = nodeModel(test);
  const feeds = Object.fromEntries(
    test.inputs.flatMap((input, i) =>
      input === undefined || input.fixed === true ? [] : [[`x${i}`, input.value]],
    ),
  );
  const names = Object.keys(feeds);
  const gradient = vectorJacobianProduct(forward, { cotangents: { y0: 'w' }, withRespectTo: names });
  const y = output(interpret(forward, feeds), 'y0');
  const w = uniform(y.dims, test.seed ?? 17, [-1, 1]).value;

  const errors = compareGradients(forward, gradient, names, { ...feeds, w }, { objective: { y0: w } });
  for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(REFERENCE_TOLERANCE);
  if (test.referenceOnly === true) return;

  const expected = interpret(gradient, { ...feeds, w });
  const actual = await runOnnx(gradient, { ...feeds, w }, 'node');
  for (const name of ['y0', ...names.map((input) => `grad.${input}`)]) {
    const [a, b] = [output(actual, name), output(expected, name)];
    expect(a.dims, name).toEqual(b.dims);
    expect(gradientError(a, b), name).toBeLessThan(RUNTIME_TOLERANCE);
  }
}

function output(values: Readonly<Record<string, Array64>>, name: string): Array64 {
  const value = values[name];
  if (value === undefined) throw new Error(`the model does not give "${name}"`);
  return value;
}
