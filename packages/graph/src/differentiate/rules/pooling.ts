/** Gradient rules of pooling. */
import { intAttribute, intsAttribute } from '../../model.ts';
import { tensor } from '../../tensor.ts';
import type { OperatorGradient, Rule, RuleContext } from '../rule.ts';
import {
  extent,
  fixedSizes,
  type Padding,
  readPadding,
  readSteps,
  type Side,
  type Sliding,
  sideOf,
  sizesOf,
  transposeSliding,
} from '../sliding.ts';

function readKernel(at: RuleContext): readonly number[] {
  return intsAttribute(at.node, 'kernel_shape') ?? at.fail('it has no kernel_shape');
}

// --- Maxima ---

/**
 * y = max of each window:  x̄ gets ȳ at the place of the maximum, the first one where several are equal. MaxPool
 * tells these places as positions in the whole tensor, read as one long row.
 */
const maxPool: Rule = (at) => {
  const { build, node } = at;
  const x = at.input(0);
  const steps = readSteps(at, readKernel(at));
  if (at.cotangent(0) === undefined) return [];
  const columnMajor = intAttribute(node, 'storage_order', 0) !== 0;
  const places = at.hasOutput(1) && !columnMajor ? at.output(1) : placesOfMaxima(at, x);
  const flat = build.ints([-1]);
  const apart = steps.kernel.every((_, i) => extent(steps, i) <= (steps.strides[i] ?? 1));
  const scattered = build.op(
    'ScatterElements',
    [
      build.op('Reshape', [at.zerosLike(x), flat]),
      build.op('Reshape', [places, flat]),
      build.op('Reshape', [at.dY, flat]),
    ],
    // Windows that do not overlap never name a place twice.
    apart ? { axis: 0 } : { axis: 0, reduction: 'add' },
  );
  return [build.op('Reshape', [scattered, at.shapeOf(x)])];
};

/** The node again, now with its second output. */
function placesOfMaxima(at: RuleContext, x: string): string {
  const { attributes } = at.node;
  const places = at.build.fresh('MaxPool');
  const kept = Object.entries(attributes).filter(([name]) => name !== 'storage_order');
  at.build.node({
    op: 'MaxPool',
    domain: '',
    name: '',
    inputs: [x],
    outputs: [at.build.fresh('MaxPool'), places],
    attributes: Object.fromEntries(kept),
  });
  return places;
}

// y = max over all positions: ȳ goes to the first of them
const globalMaxPool: Rule = (at) => {
  const { build } = at;
  const x = at.input(0);
  const rows = build.ints([0, 0, -1]);
  const flat = build.op('Reshape', [x, rows]);
  const place = build.op('ArgMax', [flat], { axis: 2, keepdims: 1 });
  const zeros = build.op('Reshape', [at.zerosLike(x), rows]);
  const scattered = build.op('ScatterElements', [zeros, place, build.op('Reshape', [at.dY, rows])], {
    axis: 2,
  });
  return [build.op('Reshape', [scattered, at.shapeOf(x)])];
};

/** y = unpool(x, places) puts each x at its place among zeros:  x̄ = ȳ at the places. */
const maxUnpool: Rule = (at) => {
  const { build } = at;
  if (at.hasInput(2)) {
    // Runtimes differ in whether the places count in the output or in the smaller shape that the window implies.
    const steps = readSteps(at, readKernel(at));
    const [x, y] = [sideOf(at, at.input(0)), sideOf(at, at.output(0))];
    const pads = intsAttribute(at.node, 'pads');
    const rank = steps.kernel.length;
    const implied = x.sizes.every((size, i) => {
      const padding = (pads?.[i] ?? 0) + (pads?.[i + rank] ?? 0);
      return (
        typeof size === 'number' &&
        (size - 1) * (steps.strides[i] ?? 1) + (steps.kernel[i] ?? 1) - padding === y.sizes[i]
      );
    });
    if (!implied) at.fail('its output_shape is not the one that its window implies');
  }
  const flat = build.op('Reshape', [at.dY, build.ints([-1])]);
  return [build.op('Gather', [flat, at.input(1)], { axis: 0 })];
};

// --- Sums ---

/**
 * y[p] = Σ_t x[s·p + d·t − b] / n[p], where n counts what the window averages over:  x̄ = Aᵀ(ȳ/n) with the sum A
 * over windows. Windows that tile x without padding only need ȳ/n repeated.
 */
const averagePool: Rule = (at) => {
  const { build } = at;
  const steps = readSteps(at, readKernel(at));
  const x = sideOf(at, at.input(0));
  const y = sideOf(at, at.output(0));
  const padding = readPadding(at, steps, x);
  const taps = steps.kernel.reduce((product, k) => product * k, 1);
  const padded = padding.kind === 'computed' || [...padding.before, ...padding.after].some((pad) => pad > 0);
  const rounded = intAttribute(at.node, 'ceil_mode', 0) !== 0;
  const uneven = rounded || (padded && intAttribute(at.node, 'count_include_pad', 0) === 0);
  const weight = uneven ? weightPerWindow(at, x) : at.scalar(1 / taps, at.input(0));
  const weighted = build.op('Mul', [at.dY, weight]);
  if (!padded && tiles(steps, x, y)) return [repeated(at, weighted, steps)];
  return [spread(at, { ...steps, padding }, x, { ...y, value: weighted })];
};

/** Whether the windows touch without overlap and cover all of x. */
function tiles({ kernel, strides, dilations }: Omit<Sliding, 'padding'>, x: Side, y: Side): boolean {
  const [large, small] = [fixedSizes(x.sizes), fixedSizes(y.sizes)];
  if (large === undefined || small === undefined) return false;
  return kernel.every((k, i) => k === strides[i] && dilations[i] === 1 && large[i] === k * (small[i] ?? 0));
}

function repeated(at: RuleContext, value: string, { kernel }: Omit<Sliding, 'padding'>): string {
  const scales = tensor('float32', [kernel.length + 2], [1, 1, ...kernel]);
  return at.build.op('Resize', [value, '', at.build.constant(scales)], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });
}

/**
 * 1/n for each window, of shape [1, 1, spatial…]. The same pooling of ones gives (elements inside)/n, and their sum
 * the elements inside; so padding, ceil_mode and dilation count exactly as the runtime counts them.
 */
function weightPerWindow(at: RuleContext, x: Side): string {
  const { build } = at;
  const shape = build.op('Concat', [build.ints([1, 1]), sizesOf(at, x)], { axis: 0 });
  const ones = build.op('Expand', [at.scalar(1, at.input(0)), shape]);
  const pooled = (op: string, attributes: typeof at.node.attributes) => {
    const output = build.fresh(op);
    build.node({ op, domain: '', name: '', inputs: [ones], outputs: [output], attributes });
    return output;
  };
  const { count_include_pad: _, ...window } = at.node.attributes;
  const inside = pooled('LpPool', { ...window, p: { kind: 'int', value: 1n } });
  if (intAttribute(at.node, 'count_include_pad', 0) === 0) return reciprocalOrZero(at, inside);
  return build.op('Mul', [pooled('AveragePool', at.node.attributes), reciprocalOrZero(at, inside)]);
}

/** 1/v, or 0 where v is 0. */
function reciprocalOrZero(at: RuleContext, value: string): string {
  const { build } = at;
  const [zero, one] = [at.scalar(0, at.input(0)), at.scalar(1, at.input(0))];
  const safe = build.op('Where', [build.op('Equal', [value, zero]), one, value]);
  return build.op('Where', [build.op('Equal', [value, zero]), zero, build.op('Reciprocal', [safe])]);
}

/** Aᵀȳ for the sum A over windows: every channel on its own, transposed with a kernel of ones. */
function spread(at: RuleContext, sliding: Sliding, x: Side, y: Side): string {
  const { build } = at;
  const { kernel } = sliding;
  const shape = [1, 1, ...kernel];
  const count = kernel.reduce((product, k) => product * k, 1);
  const elementType = at.elementType(at.input(0));
  const weights = {
    value: build.constant(tensor(elementType, shape, new Array<number>(count).fill(1))),
    shape,
    group: 1,
  };
  const perChannel = build.op('Concat', [build.ints([-1, 1]), sizesOf(at, y)], { axis: 0 });
  const value = build.op('Reshape', [y.value, perChannel]);
  const windows = { ...sliding, padding: withCeiling(sliding, x, y) };
  const sum = transposeSliding(at, windows, weights, x, { ...y, value });
  return build.op('Reshape', [sum, at.shapeOf(at.input(0))]);
}

/** Padding that also holds what the last windows reach beyond it, as ceil_mode lets them. */
function withCeiling(sliding: Sliding, x: Side, y: Side): Padding {
  const { padding, strides } = sliding;
  const [large, small] = [fixedSizes(x.sizes), fixedSizes(y.sizes)];
  if (padding.kind === 'computed' || large === undefined || small === undefined) return padding;
  const after = padding.after.map((pad, i) => {
    const covered = ((small[i] ?? 0) - 1) * (strides[i] ?? 1) + extent(sliding, i);
    return Math.max(pad, covered - (large[i] ?? 0) - (padding.before[i] ?? 0));
  });
  return { ...padding, after };
}

// y = mean over all P positions:  x̄ = ȳ/P everywhere
const globalAveragePool: Rule = (at) => {
  const { build } = at;
  const x = sideOf(at, at.input(0));
  const sizes = fixedSizes(x.sizes);
  const count =
    sizes === undefined
      ? build.op('CastLike', [
          build.op('ReduceProd', [sizesOf(at, x)], { keepdims: 0 }),
          at.scalar(1, x.value),
        ])
      : at.scalar(
          sizes.reduce((product, size) => product * size, 1),
          x.value,
        );
  return [build.op('Expand', [build.op('Div', [at.dY, count]), at.shapeOf(x.value)])];
};

/**
 * y = (Σ |x|ᵖ)^(1/p) over each window:  x̄ = sign(x)·|x|^(p−1) · Aᵀ(ȳ·y^(1−p)), with the sum A over windows; 0 where
 * y is 0, where the norm has no derivative.
 */
const lpPool: Rule = (at) => {
  const steps = readSteps(at, readKernel(at));
  const x = sideOf(at, at.input(0));
  const sliding = { ...steps, padding: readPadding(at, steps, x) };
  const value = overNorm(at);
  return [at.build.op('Mul', [signedPower(at), spread(at, sliding, x, sideOf(at, at.output(0), value))])];
};

// The same with one window
const globalLpPool: Rule = (at) => [at.build.op('Mul', [signedPower(at), overNorm(at)])];

/** sign(x)·|x|^(p−1) */
function signedPower(at: RuleContext): string {
  const { build } = at;
  const x = at.input(0);
  const p = intAttribute(at.node, 'p', 2);
  if (p === 2) return x;
  const sign = build.op('Sign', [x]);
  if (p === 1) return sign;
  return build.op('Mul', [sign, build.op('Pow', [build.op('Abs', [x]), at.scalar(p - 1, x)])]);
}

/** ȳ·y^(1−p) */
function overNorm(at: RuleContext): string {
  const { build } = at;
  const p = intAttribute(at.node, 'p', 2);
  if (p === 1) return at.dY;
  const inverse = reciprocalOrZero(at, at.output(0));
  return build.op('Mul', [
    at.dY,
    p === 2 ? inverse : build.op('Pow', [inverse, at.scalar(p - 1, at.input(0))]),
  ]);
}

export const pooling: Readonly<Record<string, OperatorGradient>> = {
  MaxPool: { differentiable: [0], rule: maxPool, note: 'of equal maxima the first gets the gradient' },
  MaxUnpool: {
    differentiable: [0],
    rule: maxUnpool,
    note: 'output_shape only where it is the shape that the window implies',
  },
  AveragePool: {
    differentiable: [0],
    rule: averagePool,
    note: 'ceil_mode, count_include_pad and dilations included',
  },
  LpPool: { differentiable: [0], rule: lpPool },
  GlobalAveragePool: { differentiable: [0], rule: globalAveragePool },
  GlobalMaxPool: {
    differentiable: [0],
    rule: globalMaxPool,
    note: 'of equal maxima the first gets the gradient',
  },
  GlobalLpPool: { differentiable: [0], rule: globalLpPool },
};
