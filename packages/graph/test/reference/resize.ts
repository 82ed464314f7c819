/** Resize and its predecessor Upsample: separable interpolation along each axis. */
import { floatAttribute, intsAttribute, type Node, stringAttribute } from '../../src/index.ts';
import {
  type Array64,
  array64,
  at,
  build,
  forEachIndex,
  get,
  InterpretationError,
  normalizeAxis,
  sum,
} from './array64.ts';
import { type Call, flag, floatsAttribute, input, type Kernels } from './kernel.ts';

/** Input places along one axis, with their weights, that make one output element. */
interface Taps {
  readonly places: readonly number[];
  readonly weights: readonly number[];
}

/** How one axis is resampled. */
interface AxisPlan {
  readonly input: number;
  readonly output: number;
  /** Output size over input size; with given scales not exactly the ratio of the whole sizes. */
  readonly scale: number;
  readonly roi: readonly [number, number];
}

interface Settings {
  readonly mode: string;
  readonly coordinates: string;
  readonly nearest: string;
  readonly cubicA: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
}

function settingsOf(node: Node): Settings {
  return {
    mode: stringAttribute(node, 'mode', 'nearest'),
    coordinates: stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel'),
    nearest: stringAttribute(node, 'nearest_mode', 'round_prefer_floor'),
    cubicA: floatAttribute(node, 'cubic_coeff_a', -0.75),
    excludeOutside: flag(node, 'exclude_outside', false),
    antialias: flag(node, 'antialias', false),
  };
}

/** Where the output element `x` lies in the input. */
function original(x: number, { input: size, output, scale, roi }: AxisPlan, coordinates: string): number {
  const resized = scale * size;
  switch (coordinates) {
    case 'half_pixel':
      return (x + 0.5) / scale - 0.5;
    case 'half_pixel_symmetric': {
      const adjustment = output / resized;
      return (size / 2) * (1 - adjustment) + (x + 0.5) / scale - 0.5;
    }
    case 'pytorch_half_pixel':
      return output === 1 ? 0 : (x + 0.5) / scale - 0.5;
    case 'align_corners':
      return output === 1 ? 0 : (x * (size - 1)) / (resized - 1);
    case 'asymmetric':
      return x / scale;
    case 'tf_crop_and_resize':
      return output === 1
        ? 0.5 * (roi[0] + roi[1]) * (size - 1)
        : roi[0] * (size - 1) + (x * (roi[1] - roi[0]) * (size - 1)) / (output - 1);
    default:
      throw new InterpretationError(`coordinate_transformation_mode "${coordinates}" is not known`);
  }
}

function nearestOf(x: number, mode: string): number {
  switch (mode) {
    case 'round_prefer_floor':
      return Math.ceil(x - 0.5);
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5);
    case 'floor':
      return Math.floor(x);
    case 'ceil':
      return Math.ceil(x);
    default:
      throw new InterpretationError(`nearest_mode "${mode}" is not known`);
  }
}

/** The tent, and the cubic convolution kernel of Keys (1981), by distance. */
function kernelOf(settings: Settings): { reach: number; weight: (distance: number) => number } {
  if (settings.mode === 'linear') return { reach: 1, weight: (d) => Math.max(0, 1 - Math.abs(d)) };
  const a = settings.cubicA;
  return {
    reach: 2,
    weight: (signed) => {
      const d = Math.abs(signed);
      if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
      return d < 2 ? a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a : 0;
    },
  };
}

/** Places outside take the value at the edge, or (`exclude_outside`) weigh nothing and the rest is renormalised. */
function tapsAt(x: number, plan: AxisPlan, settings: Settings): Taps {
  const clamp = (place: number) => Math.min(Math.max(place, 0), plan.input - 1);
  if (settings.mode === 'nearest') return { places: [clamp(nearestOf(x, settings.nearest))], weights: [1] };
  const { reach, weight } = kernelOf(settings);
  // When shrinking, antialiasing stretches the kernel over what one output element covers.
  const stretch = settings.antialias ? Math.min(plan.scale, 1) : 1;
  const places: number[] = [];
  const weights: number[] = [];
  for (let place = Math.ceil(x - reach / stretch); place <= Math.floor(x + reach / stretch); place++) {
    const outside = place < 0 || place >= plan.input;
    places.push(clamp(place));
    weights.push(outside && settings.excludeOutside ? 0 : weight((place - x) * stretch));
  }
  const total = settings.excludeOutside || settings.antialias ? sum(weights) : 1;
  return { places, weights: weights.map((w) => w / total) };
}

function interpolate(
  x: Array64,
  plans: readonly AxisPlan[],
  settings: Settings,
  extrapolation: number,
): Array64 {
  const taps = plans.map((plan) =>
    Array.from({ length: plan.output }, (_, o) => {
      const place = original(o, plan, settings.coordinates);
      const crop = settings.coordinates === 'tf_crop_and_resize';
      // What lies outside of a cropped image is not interpolated.
      if (crop && (place < 0 || place > plan.input - 1)) return undefined;
      return tapsAt(place, plan, settings);
    }),
  );
  return build(
    x.elementType,
    plans.map((plan) => plan.output),
    (index) => {
      const own: Taps[] = [];
      for (const [axis, o] of index.entries()) {
        const tap = at(taps, axis)[o];
        if (tap === undefined) return extrapolation;
        own.push(tap);
      }
      let total = 0;
      forEachIndex(
        own.map((tap) => tap.places.length),
        (choice) => {
          let weight = 1;
          const place = choice.map((i, axis) => {
            weight *= at(at(own, axis).weights, i);
            return at(at(own, axis).places, i);
          });
          total += weight * get(x, place);
        },
      );
      return total;
    },
  );
}

function resize(call: Call): Array64 {
  const x = input(call, 0);
  const { node } = call;
  const rank = x.dims.length;
  const axes = (intsAttribute(node, 'axes') ?? x.dims.map((_, axis) => axis)).map((axis) =>
    normalizeAxis(axis, rank),
  );
  // Operator set 10 had no region of interest, and asymmetric coordinates with floor.
  const old = call.opset < 11;
  const roi = old ? undefined : call.inputs[1];
  const scales = old ? call.inputs[1] : call.inputs[2];
  const sizes = call.inputs[3];
  const plans: AxisPlan[] = x.dims.map((size) => ({ input: size, output: size, scale: 1, roi: [0, 1] }));
  const aspect = aspectScale(x, axes, sizes, stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch'));
  axes.forEach((axis, i) => {
    const size = at(x.dims, axis);
    const region: readonly [number, number] =
      roi === undefined || roi.values.length === 0
        ? [0, 1]
        : [at(roi.values, i), at(roi.values, axes.length + i)];
    if (sizes !== undefined && sizes.values.length > 0) {
      const output = aspect === undefined ? at(sizes.values, i) : Math.floor(aspect * size + 0.5);
      plans[axis] = { input: size, output, scale: aspect ?? output / size, roi: region };
    } else if (scales !== undefined) {
      const scale = at(scales.values, i);
      plans[axis] = { input: size, output: Math.floor(size * scale), scale, roi: region };
    }
  });
  const settings = settingsOf(node);
  return interpolate(
    x,
    plans,
    old ? { ...settings, coordinates: 'asymmetric', nearest: 'floor' } : settings,
    floatAttribute(node, 'extrapolation_value', 0),
  );
}

/** One scale for all axes, where the aspect ratio is to be kept. */
function aspectScale(
  x: Array64,
  axes: readonly number[],
  sizes: Array64 | undefined,
  policy: string,
): number | undefined {
  if (policy === 'stretch' || sizes === undefined) return undefined;
  const scales = axes.map((axis, i) => at(sizes.values, i) / at(x.dims, axis));
  return policy === 'not_larger' ? Math.min(...scales) : Math.max(...scales);
}

function upsample(call: Call): Array64 {
  const x = input(call, 0);
  const attribute = floatsAttribute(call.node, 'scales') ?? [];
  const scales = call.inputs[1] ?? array64('float32', [attribute.length], attribute);
  const plans = x.dims.map((size, axis): AxisPlan => {
    const scale = at(scales.values, axis);
    return { input: size, output: Math.floor(size * scale), scale, roi: [0, 1] };
  });
  return interpolate(x, plans, { ...settingsOf(call.node), coordinates: 'asymmetric', nearest: 'floor' }, 0);
}

export const resizing: Kernels = {
  Resize: (call) => [resize(call)],
  Upsample: (call) => [upsample(call)],
};
