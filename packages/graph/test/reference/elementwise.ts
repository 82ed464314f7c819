/** Elementwise ops: arithmetic, functions of one number, activations, comparison, logic, casts. */
import {
  type ElementType,
  elementTypeOf,
  floatAttribute,
  intAttribute,
  type Node,
  stringAttribute,
} from '../../src/index.ts';
import {
  type Array64,
  broadcastDims,
  build,
  convert,
  getBroadcast,
  InterpretationError,
  isInteger,
  mapped,
  sum,
} from './array64.ts';
import { allInputs, type Call, flag, input, type Kernel, type Kernels } from './kernel.ts';

type Unary = (x: number) => number;
type Binary = (a: number, b: number) => number;

/**
 * The error function by its series of positive terms
 * erf(x) = 2/√π · exp(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1·3·5⋯(2n+1)), accurate to a few units in the last place.
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > Math.abs(total) * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

export function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest < 0.5 ? floor : floor + 1;
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

function elu(x: number, alpha: number): number {
  return x < 0 ? alpha * Math.expm1(x) : x;
}

const FUNCTIONS: Readonly<Record<string, Unary>> = {
  Abs: Math.abs,
  Acos: Math.acos,
  Acosh: Math.acosh,
  Asin: Math.asin,
  Asinh: Math.asinh,
  Atan: Math.atan,
  Atanh: Math.atanh,
  Ceil: Math.ceil,
  Cos: Math.cos,
  Cosh: Math.cosh,
  Erf: erf,
  Exp: Math.exp,
  Floor: Math.floor,
  Identity: (x) => x,
  Log: Math.log,
  Mish: (x) => x * Math.tanh(softplus(x)),
  Neg: (x) => -x,
  Not: (x) => (x === 0 ? 1 : 0),
  Reciprocal: (x) => 1 / x,
  Relu: (x) => Math.max(x, 0),
  Round: roundHalfToEven,
  Sigmoid: sigmoid,
  Sign: Math.sign,
  Sin: Math.sin,
  Sinh: Math.sinh,
  Softplus: softplus,
  Softsign: (x) => x / (1 + Math.abs(x)),
  Sqrt: Math.sqrt,
  Tan: Math.tan,
  Tanh: Math.tanh,
};

/** Functions of one number that attributes shape. */
const PARAMETRIC: Readonly<Record<string, (node: Node) => Unary>> = {
  Celu: (node) => {
    const alpha = floatAttribute(node, 'alpha', 1);
    return (x) => Math.max(x, 0) + Math.min(0, alpha * Math.expm1(x / alpha));
  },
  Elu: (node) => {
    const alpha = floatAttribute(node, 'alpha', 1);
    return (x) => elu(x, alpha);
  },
  Gelu: (node) =>
    stringAttribute(node, 'approximate', 'none') === 'tanh'
      ? (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
      : (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  HardSigmoid: (node) => {
    const alpha = floatAttribute(node, 'alpha', 0.2);
    const beta = floatAttribute(node, 'beta', 0.5);
    return (x) => clamp(alpha * x + beta, 0, 1);
  },
  HardSwish: () => (x) => x * clamp(x / 6 + 0.5, 0, 1),
  LeakyRelu: (node) => {
    const alpha = floatAttribute(node, 'alpha', 0.01);
    return (x) => (x < 0 ? alpha * x : x);
  },
  Selu: (node) => {
    const alpha = floatAttribute(node, 'alpha', 1.6732631921768188);
    const gamma = floatAttribute(node, 'gamma', 1.0507010221481323);
    return (x) => gamma * elu(x, alpha);
  },
  Shrink: (node) => {
    const lambda = floatAttribute(node, 'lambd', 0.5);
    const bias = floatAttribute(node, 'bias', 0);
    return (x) => (x < -lambda ? x + bias : x > lambda ? x - bias : 0);
  },
  Swish: (node) => {
    const alpha = floatAttribute(node, 'alpha', 1);
    return (x) => x * sigmoid(alpha * x);
  },
  ThresholdedRelu: (node) => {
    const alpha = floatAttribute(node, 'alpha', 1);
    return (x) => (x > alpha ? x : 0);
  },
};

/** Tests of one number; the result is boolean. */
const TESTS: Readonly<Record<string, (node: Node) => (x: number) => boolean>> = {
  IsInf: (node) => {
    const negative = flag(node, 'detect_negative', true);
    const positive = flag(node, 'detect_positive', true);
    return (x) => (x === Infinity && positive) || (x === -Infinity && negative);
  },
  IsNaN: () => Number.isNaN,
};

/** Arithmetic of two numbers; the result has the type of the first. */
const ARITHMETIC: Readonly<Record<string, Binary>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  // Integer quotients are truncated by `convert`.
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  PRelu: (x, slope) => (x < 0 ? slope * x : x),
};

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  And: (a, b) => a !== 0 && b !== 0,
  Equal: (a, b) => a === b,
  Greater: (a, b) => a > b,
  GreaterOrEqual: (a, b) => a >= b,
  Less: (a, b) => a < b,
  LessOrEqual: (a, b) => a <= b,
  Or: (a, b) => a !== 0 || b !== 0,
  Xor: (a, b) => (a !== 0) !== (b !== 0),
};

/** Reductions over the inputs of a variadic op. */
const VARIADIC: Readonly<Record<string, (numbers: readonly number[]) => number>> = {
  Max: (numbers) => Math.max(...numbers),
  Mean: (numbers) => sum(numbers) / numbers.length,
  Min: (numbers) => Math.min(...numbers),
  Sum: sum,
};

/** Element types that values can be cast to; narrower floats and strings have no meaning in float64. */
const CAST_TARGETS: ReadonlySet<ElementType> = new Set<ElementType>([
  'bool',
  'float16',
  'bfloat16',
  'float32',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
]);

/** The element type that a number of `TensorProto.DataType` stands for. */
export function castTarget(code: number): ElementType {
  const elementType = elementTypeOf(code);
  if (elementType === undefined || !CAST_TARGETS.has(elementType)) {
    throw new InterpretationError(`element type ${code} is not supported`);
  }
  return elementType;
}

function unary(f: (node: Node) => Unary): Kernel {
  return (call) => {
    const x = input(call, 0);
    return [mapped(x, f(call.node))];
  };
}

function zip(call: Call, f: Binary, elementType?: ElementType): Array64 {
  const a = input(call, 0);
  const b = input(call, 1);
  const type = elementType ?? a.elementType;
  return build(type, broadcastDims([a.dims, b.dims]), (index) =>
    convert(f(getBroadcast(a, index), getBroadcast(b, index)), type),
  );
}

/** `fmod = 0` follows the sign of the divisor (Python), `fmod = 1` that of the dividend (C). */
function mod(call: Call): Array64 {
  const c = flag(call.node, 'fmod', false);
  return zip(call, (a, b) => (c ? a % b : a - b * Math.floor(a / b)));
}

function clip(call: Call): Array64 {
  const x = input(call, 0);
  const low = call.inputs[1]?.values[0] ?? floatAttribute(call.node, 'min', -Infinity);
  const high = call.inputs[2]?.values[0] ?? floatAttribute(call.node, 'max', Infinity);
  return mapped(x, (v) => clamp(v, low, high));
}

function where(call: Call): Array64 {
  const condition = input(call, 0);
  const a = input(call, 1);
  const b = input(call, 2);
  return build(a.elementType, broadcastDims([condition.dims, a.dims, b.dims]), (index) =>
    getBroadcast(condition, index) !== 0 ? getBroadcast(a, index) : getBroadcast(b, index),
  );
}

function cast(x: Array64, elementType: ElementType): Array64 {
  const needsConversion = elementType === 'bool' || isInteger(elementType);
  return mapped(x, (v) => (needsConversion ? convert(v, elementType) : v), elementType);
}

function variadic(f: (numbers: readonly number[]) => number): Kernel {
  return (call) => {
    const all = allInputs(call);
    const { elementType } = input(call, 0);
    const dims = broadcastDims(all.map((x) => x.dims));
    return [build(elementType, dims, (index) => f(all.map((x) => getBroadcast(x, index))))];
  };
}

function mapTable<T>(table: Readonly<Record<string, T>>, kernel: (entry: T) => Kernel): Kernels {
  return Object.fromEntries(Object.entries(table).map(([op, entry]) => [op, kernel(entry)]));
}

export const elementwise: Kernels = {
  ...mapTable(FUNCTIONS, (f) => unary(() => f)),
  ...mapTable(PARAMETRIC, unary),
  ...mapTable(
    TESTS,
    (test): Kernel =>
      (call) => {
        const holds = test(call.node);
        return [mapped(input(call, 0), (x) => (holds(x) ? 1 : 0), 'bool')];
      },
  ),
  ...mapTable(
    ARITHMETIC,
    (f): Kernel =>
      (call) => [zip(call, f)],
  ),
  ...mapTable(
    COMPARISONS,
    (f): Kernel =>
      (call) => [zip(call, (a, b) => (f(a, b) ? 1 : 0), 'bool')],
  ),
  ...mapTable(VARIADIC, variadic),
  Cast: (call) => [cast(input(call, 0), castTarget(intAttribute(call.node, 'to', 0)))],
  CastLike: (call) => [cast(input(call, 0), input(call, 1).elementType)],
  Clip: (call) => [clip(call)],
  Mod: (call) => [mod(call)],
  Where: (call) => [where(call)],
};
