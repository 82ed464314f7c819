/**
 * Models as PyTorch's exporter writes them, through the whole way that `assay differentiate` takes: decode, put a loss
 * on the output, differentiate with respect to every trainable initializer, encode, and run. The gradients have to
 * be those that PyTorch computed in float64.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  decodeModel,
  differentiate,
  encodeModel,
  type LossSpecification,
  type Model,
  NotDifferentiableError,
  trainableInitializers,
  vectorJacobianProduct,
  withLoss,
} from '../src/index.ts';
import { dotProductCheck, type Runtime, runOnnx } from './gradient-check.ts';
import { type Array64, array64, canInterpret } from './reference/index.ts';

const FOLDER = join(import.meta.dirname, 'fixtures/gradients');
const RUNTIMES = ['node', 'web'] as const satisfies readonly Runtime[];

/** Relative to the largest element of each gradient. */
const GRADIENT_TOLERANCE = 1e-4;
const LOSS_TOLERANCE = 1e-5;
/** Relative to the typical size of the two sums that are compared. */
const DOT_PRODUCT_TOLERANCE = 1e-5;

const Stored = z.object({
  type: z.enum(['float32', 'int64', 'bool']),
  dims: z.array(z.number()),
  data: z.base64(),
});
const Fixture = z.object({
  loss: z.enum(['cross-entropy', 'mse', 'sum']),
  output: z.string().optional(),
  refused: z.string().optional(),
  parameters: z.record(z.string(), z.string()),
  cases: z.array(
    z.object({
      inputs: z.record(z.string(), Stored),
      loss: z.number(),
      gradients: z.record(z.string(), Stored),
    }),
  ),
});
type Fixture = z.infer<typeof Fixture>;

function readFixture(name: string): Fixture {
  return Fixture.parse(JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')));
}

function readModel(name: string): Uint8Array {
  return readFileSync(join(FOLDER, `${name}.onnx`));
}

function read({ type, dims, data }: z.infer<typeof Stored>): Array64 {
  const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
  if (type === 'bool') return array64(type, dims, bytes);
  if (type === 'int64') return array64(type, dims, Array.from(new BigInt64Array(bytes.buffer), Number));
  return array64(type, dims, new Float32Array(bytes.buffer));
}

function readAll(stored: Readonly<Record<string, z.infer<typeof Stored>>>): Record<string, Array64> {
  return Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, read(value)]));
}

/** What `assay differentiate MODEL --loss LOSS [--output NAME]` writes. */
function differentiated(bytes: Uint8Array, loss: LossSpecification): Model {
  const model = decodeModel(bytes);
  const gradient = differentiate(withLoss(model, loss).model, {
    of: 'loss',
    withRespectTo: trainableInitializers(model),
  });
  return decodeModel(encodeModel(gradient));
}

function lossOf({ loss, output }: Fixture): LossSpecification {
  return output === undefined ? { kind: loss } : { kind: loss, output };
}

/** Largest difference relative to a size; infinite if anything is missing or no number. */
function relativeError(actual: Array64 | undefined, expected: Array64, size: number): number {
  if (actual === undefined || actual.dims.join() !== expected.dims.join()) return Infinity;
  const distance = expected.values.reduce((most, value, i) => {
    const error = Math.abs((actual.values[i] ?? Number.NaN) - value);
    return Math.max(most, Number.isNaN(error) ? Infinity : error);
  }, 0);
  return distance / size;
}

function largest({ values }: Array64): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .sort();
const FIXTURES = NAMES.map((name) => ({ name, fixture: readFixture(name) }));
const SUPPORTED = FIXTURES.filter(({ fixture }) => fixture.refused === undefined);
const REFUSED = FIXTURES.filter(({ fixture }) => fixture.refused !== undefined);

/** The reference interpreter has no running statistics, which older BatchNormalizations give in training. */
function isInterpreted(name: string): boolean {
  const { graph } = decodeModel(readModel(name));
  const givesStatistics = graph.nodes.some(
    ({ op, outputs }) => op === 'BatchNormalization' && outputs.length > 1,
  );
  return canInterpret(graph) && !givesStatistics;
}

it.each(NAMES)('decoding and encoding keeps %s as it is', (name) => {
  const model = decodeModel(readModel(name));
  expect(decodeModel(encodeModel(model))).toEqual(model);
});

describe.each(SUPPORTED)('$name', ({ name, fixture }) => {
  it('has the parameters of the module as its trainable initializers', () => {
    const expected = new Set(Object.values(fixture.parameters));
    expect(new Set(trainableInitializers(decodeModel(readModel(name))))).toEqual(expected);
  });

  it.each(RUNTIMES)('has the gradients that PyTorch computes, on onnxruntime-%s', async (runtime) => {
    const gradient = differentiated(readModel(name), lossOf(fixture));
    for (const { inputs, loss, gradients } of fixture.cases) {
      const outputs = await runOnnx(gradient, readAll(inputs), runtime);
      expect(relativeError(outputs.loss, array64('float32', [], [loss]), Math.abs(loss))).toBeLessThan(
        LOSS_TOLERANCE,
      );
      const expected = Object.entries(readAll(gradients));
      // A bias in front of a normalisation has the gradient 0, and rounding errors of what cancels there.
      const least = 0.01 * Math.max(...expected.map(([, value]) => largest(value)));
      const wrong = expected.flatMap(([parameter, value]) => {
        const error = relativeError(outputs[`grad.${parameter}`], value, Math.max(largest(value), least));
        return error < GRADIENT_TOLERANCE ? [] : [[parameter, error]];
      });
      expect(wrong).toEqual([]);
    }
  });
});

describe.each(SUPPORTED.filter(({ name }) => isInterpreted(name)))(
  'the dot-product test of $name',
  ({ name, fixture }) => {
    it.each(RUNTIMES)('holds on onnxruntime-%s', async (runtime) => {
      const forward = decodeModel(readModel(name));
      const [example] = fixture.cases;
      const [output] = forward.graph.outputs;
      if (example === undefined || output === undefined) throw new Error(`${name} lacks a case or an output`);
      const { labels: _, ...feeds } = readAll(example.inputs);
      const inputs = Object.keys(feeds).filter((input) => feeds[input]?.elementType === 'float32');
      const names = [...trainableInitializers(forward), ...inputs];
      const cotangents = { [output.name]: 'cotangent' };
      const gradient = vectorJacobianProduct(forward, { cotangents, withRespectTo: names });
      expect(await dotProductCheck({ forward, gradient, cotangents, names, feeds, runtime })).toBeLessThan(
        DOT_PRODUCT_TOLERANCE,
      );
    });
  },
);

describe.each(REFUSED)('$name', ({ name, fixture }) => {
  it(`is refused with a sentence that names the node and the op`, () => {
    const attempt = () => differentiated(readModel(name), lossOf(fixture));
    expect(attempt).toThrow(NotDifferentiableError);
    expect(attempt).toThrow(
      new RegExp(
        `^${fixture.refused} .*cannot be differentiated: there is no gradient rule for ${fixture.refused}`,
      ),
    );
  });
});
