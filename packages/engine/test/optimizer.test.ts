import { GraphBuilder, makeModel, scalar, type Tensor, tensor, toNumbers, valueInfo } from '@assay/graph';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AdamW,
  EngineError,
  type Optimizer,
  openTrainable,
  type RuntimeName,
  type Sgd,
  withUpdates,
} from '../src/index.ts';
import { RUNTIMES } from './support/models.ts';
import { gradientAt, quadratic, START } from './support/quadratic.ts';

const STEPS = 8;
const rateAt = (step: number): number => 0.1 / (1 + step * 0.5);

interface Training {
  readonly type: 'float32' | 'float64' | 'float16';
  readonly optimizer: Optimizer;
  readonly gradientClipNorm?: number;
}

/** Parameters after each step, flat. */
async function trainInGraph(runtime: RuntimeName, training: Training): Promise<number[][]> {
  const { type, ...settings } = training;
  const step = withUpdates(quadratic(type), { loss: 'loss', parameters: ['w', 'u'], ...settings });
  await using session = await openTrainable(step, { runtime });
  const points: number[][] = [];
  for (let i = 0; i < STEPS; i++) {
    await session.run({ [step.learningRate]: scalar('float32', rateAt(i)) });
    const { w, u } = await session.held(['w', 'u']);
    points.push([w, u].flatMap((value) => (value === undefined ? [] : [...toNumbers(value)])));
  }
  return points;
}

/** The published update rules, one number at a time, in float64. */
function trainByHand({ optimizer, gradientClipNorm = Number.POSITIVE_INFINITY }: Training): number[][] {
  let point = [...START.w, ...START.u];
  const first = point.map(() => 0);
  const second = point.map(() => 0);
  return Array.from({ length: STEPS }, (_, step) => {
    const rate = Math.fround(rateAt(step));
    const raw = gradientAt(point);
    const factor = Math.min(1, gradientClipNorm / (Math.hypot(...raw) + 1e-6));
    point = point.map((p, i) => {
      const gradient = (raw[i] ?? 0) * factor;
      return optimizer.kind === 'sgd'
        ? sgdStep(optimizer, p, gradient, rate, first, i)
        : adamwStep(optimizer, p, gradient, rate, first, second, i, step + 1);
    });
    return point;
  });
}

function sgdStep(
  settings: Sgd,
  p: number,
  gradient: number,
  rate: number,
  buffer: number[],
  i: number,
): number {
  const { momentum = 0, weightDecay = 0, nesterov = false } = settings;
  const g = gradient + weightDecay * p;
  const b = momentum * (buffer[i] ?? 0) + g;
  buffer[i] = b;
  return p - rate * (nesterov ? g + momentum * b : b);
}

function adamwStep(
  settings: AdamW,
  p: number,
  g: number,
  rate: number,
  first: number[],
  second: number[],
  i: number,
  t: number,
): number {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 } = settings;
  const m = beta1 * (first[i] ?? 0) + (1 - beta1) * g;
  const v = beta2 * (second[i] ?? 0) + (1 - beta2) * g * g;
  first[i] = m;
  second[i] = v;
  return (
    p * (1 - rate * weightDecay) -
    (rate * (m / (1 - beta1 ** t))) / (Math.sqrt(v / (1 - beta2 ** t)) + epsilon)
  );
}

/** Parameters after steps 1, 2 and 8, from torch 1.13.0 in float64 with the learning rates of `rateAt` in float32. */
const TORCH: readonly {
  name: string;
  training: Omit<Training, 'type'>;
  points: readonly (readonly number[])[];
}[] = [
  {
    name: 'SGD',
    training: { optimizer: { kind: 'sgd' } },
    points: [
      [0.6000000015, -1.2249999996, 0.1999999732, 0.799999997, 0.8000000417, 0.1937499992, 1.0312500042],
      [0.6533333374, -1.2086666654, -0.2800000411, 0.7701333299, 0.7701333577, 0.1659771463, 1.1512939539],
      [0.7706996947, -1.1613100944, -0.8129597584, 0.7314424827, 0.7314424925, 0.1079055854, 1.221012207],
    ],
  },
  {
    name: 'SGD with momentum and weight decay, clipped',
    training: { optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 0.05 }, gradientClipNorm: 1.5 },
    points: [
      [0.5019795301, -1.2426301174, 1.909368458, 0.9860409397, -1.8645731569, 0.2462302643, 0.7588486784],
      [0.5049931021, -1.2331930083, 1.7873008223, 0.9678348546, -1.6991104865, 0.241207847, 0.7714829798],
      [0.5398190684, -1.1703067993, 0.83522691, 0.8450552633, -0.9009647219, 0.2023764333, 0.8953547802],
    ],
  },
  {
    name: "SGD with Nesterov's momentum, clipped",
    training: { optimizer: { kind: 'sgd', momentum: 0.8, nesterov: true }, gradientClipNorm: 1.5 },
    points: [
      [0.5080631542, -1.2479842115, 1.8548632246, 0.9838736916, -1.7742316827, 0.2454644758, 0.7726776212],
      [0.5168728381, -1.2457563498, 1.700359412, 0.9671371159, -1.5889567929, 0.240532449, 0.7976208325],
      [0.5719815728, -1.2311444678, 0.8320770673, 0.8803731004, -1.0281484594, 0.2102227557, 0.9532196141],
    ],
  },
  {
    name: 'AdamW',
    training: { optimizer: { kind: 'adamw' } },
    points: [
      [0.5995000005, -1.1487500025, 1.8979999985, 0.898999999, -1.8979999985, 0.1497500003, 0.8492500011],
      [0.6649819709, -1.0815233814, 1.8301380579, 0.8352780511, -1.8306132804, 0.0864914403, 0.9152130251],
      [0.849143806, -0.8835121012, 1.6285772132, 0.6888377022, -1.6355138729, -0.0465541968, 1.1062924433],
    ],
  },
  {
    name: 'AdamW with other settings, clipped',
    training: {
      optimizer: { kind: 'adamw', beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.3 },
      gradientClipNorm: 2,
    },
    points: [
      [0.5833532891, -1.1187767658, 1.8400929269, 0.8708301896, -1.8400597577, 0.1453904663, 0.8269082235],
      [0.6373140957, -1.0335572827, 1.7364439688, 0.7916710261, -1.7368957387, 0.0805414759, 0.8769161283],
      [0.7896875498, -0.7879186379, 1.437260002, 0.6441446509, -1.4468717974, -0.0357614214, 1.0218455472],
    ],
  },
];

function largestDifference(a: readonly number[] | undefined, b: readonly number[] | undefined): number {
  if (a === undefined || b === undefined || a.length !== b.length) return Number.NaN;
  return Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN))));
}

describe.each(RUNTIMES)('optimisers in the graph on the %s runtime', (runtime) => {
  it.each(TORCH)('$name gives the numbers of torch', async ({ training, points }) => {
    const exact = await trainInGraph(runtime, { type: 'float64', ...training });
    const single = await trainInGraph(runtime, { type: 'float32', ...training });
    for (const [index, step] of [0, 1, 7].entries()) {
      expect(largestDifference(exact[step], points[index])).toBeLessThan(1e-9);
      expect(largestDifference(single[step], points[index])).toBeLessThan(3e-6);
    }
  });

  it('trains float16 parameters to the precision that they have', async () => {
    const training: Training = {
      type: 'float16',
      optimizer: { kind: 'sgd', momentum: 0.5 },
      gradientClipNorm: 1,
    };
    const half = await trainInGraph(runtime, training);
    expect(largestDifference(half.at(-1), trainByHand(training).at(-1))).toBeLessThan(0.02);
  });

  it('updates parameters too large to be packed by the same rule', async () => {
    const size = 70_000;
    const values = Float64Array.from({ length: size }, (_, i) => Math.cos(i));
    const build = new GraphBuilder();
    build.initializer('p', tensor('float64', [size], values));
    build.op('ReduceSumSquare', ['p'], { keepdims: 0 }, 'loss');
    build.op('Mul', ['p', build.scalar('float64', 2)], {}, 'grad.p');
    const model = makeModel(
      build.finish('g', [], [valueInfo('loss', 'float64', []), valueInfo('grad.p', 'float64', [size])]),
    );
    const step = withUpdates(model, { loss: 'loss', parameters: ['p'], optimizer: { kind: 'adamw' } });
    await using session = await openTrainable(step, { runtime });
    await session.run({ [step.learningRate]: scalar('float32', 0.5) });
    const { p } = await session.held(['p']);
    // The first step of Adam is the sign of the gradient.
    const expected = values.map(
      (value) => value * (1 - 0.5 * 0.01) - (0.5 * 2 * value) / (Math.abs(2 * value) + 1e-8),
    );
    expect(largestDifference([...toNumbers(p ?? scalar('float64', 0))], [...expected])).toBeLessThan(1e-9);
  });
});

describe('the laws of the optimisers', () => {
  const fraction = fc.double({ min: 0, max: 0.99, noNaN: true });
  const sgd = fc.record({ kind: fc.constant('sgd' as const), momentum: fraction, weightDecay: fraction });
  const adamw = fc.record({
    kind: fc.constant('adamw' as const),
    beta1: fraction,
    beta2: fraction,
    epsilon: fc.double({ min: 1e-4, max: 0.1, noNaN: true }),
    weightDecay: fraction,
  });
  const clip = fc.option(fc.double({ min: 0.1, max: 10, noNaN: true }), { nil: undefined });

  it('agree with the rules written out one number at a time, for any setting', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(sgd, adamw), clip, async (optimizer, gradientClipNorm) => {
        const training: Training = {
          type: 'float64',
          optimizer,
          ...(gradientClipNorm === undefined ? {} : { gradientClipNorm }),
        };
        const [graph, hand] = [await trainInGraph('node', training), trainByHand(training)];
        hand.forEach((point, step) => {
          const scale = Math.max(1, ...point.map(Math.abs));
          if (Number.isFinite(scale) && scale < 1e3)
            expect(largestDifference(graph[step], point)).toBeLessThan(1e-7 * scale);
        });
      }),
      { numRuns: 25 },
    );
  });

  it('keep the other outputs, take the gradients away, and name everything freely', async () => {
    const model = quadratic('float32');
    const clash: typeof model = {
      ...model,
      graph: {
        ...model.graph,
        inputs: [valueInfo('learning-rate', 'float32', []), valueInfo('updated.w', 'float32', [])],
      },
    };
    const step = withUpdates(clash, { loss: 'loss', parameters: ['w', 'u'], optimizer: { kind: 'adamw' } });
    const names = step.model.graph.inputs.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(step.learningRate).toBe('learning-rate.2');
    await using session = await openTrainable(step);
    const feeds: Record<string, Tensor> = {
      'learning-rate': scalar('float32', 0),
      'updated.w': scalar('float32', 0),
      [step.learningRate]: scalar('float32', 0.1),
    };
    const outputs = await session.run(feeds);
    expect(Object.keys(outputs).sort()).toEqual(['distance', 'loss']);
    expect(Object.keys(await session.held()).sort()).toEqual(Object.keys(step.initialState).sort());
  });

  it.each<[string, Parameters<typeof withUpdates>[1], RegExp]>([
    ['no parameters', { loss: 'loss', parameters: [], optimizer: { kind: 'sgd' } }, /no parameter to train/],
    [
      'a doubled parameter',
      { loss: 'loss', parameters: ['w', 'w'], optimizer: { kind: 'sgd' } },
      /listed twice/,
    ],
    ['an unknown loss', { loss: 'gain', parameters: ['w'], optimizer: { kind: 'sgd' } }, /no output "gain"/],
    [
      'a missing gradient',
      { loss: 'loss', parameters: ['v'], optimizer: { kind: 'sgd' } },
      /no output "grad.v"/,
    ],
    [
      'a momentum of 1',
      { loss: 'loss', parameters: ['w'], optimizer: { kind: 'sgd', momentum: 1 } },
      /momentum is from 0/,
    ],
    [
      'Nesterov without momentum',
      { loss: 'loss', parameters: ['w'], optimizer: { kind: 'sgd', nesterov: true } },
      /Nesterov/,
    ],
    [
      'a NaN decay',
      { loss: 'loss', parameters: ['w'], optimizer: { kind: 'adamw', weightDecay: Number.NaN } },
      /decay is at least 0/,
    ],
    [
      'a clip norm of 0',
      { loss: 'loss', parameters: ['w'], optimizer: { kind: 'adamw' }, gradientClipNorm: 0 },
      /above 0/,
    ],
  ])('refuse %s', (_, options, message) => {
    expect(() => withUpdates(quadratic('float32'), options)).toThrow(EngineError);
    expect(() => withUpdates(quadratic('float32'), options)).toThrow(message);
  });
});
