/** Classifiers with planted structure, trained on tables drawn from it. */
import { batches, mlp, openTrainable, withOptimizer } from '@assay/engine';
import { fromFloat32, tensor, trainableInitializers, withInitializers, withLoss } from '@assay/graph';
import { RandomStream } from '@assay/random';
import { type Classifier, type Feature, type Rows, takeRows } from '../src/index.ts';

/** Features by position in the one input `features`. */
export function columns(
  names: Readonly<Record<string, readonly [start: number, length: number]>>,
): readonly Feature[] {
  return Object.entries(names).map(([name, [start, length]]) => ({
    name,
    kind: length > 1 ? 'category' : 'number',
    slots: [{ input: 'features', start, length }],
  }));
}

/** a: direct cause; b: noisy copy of a (a proxy); colour: a category with a direct effect; noise: nothing. */
export const PLANTED = columns({ a: [0, 1], b: [1, 1], colour: [2, 3], noise: [5, 1] });

/** Rows of the planted table: P(y = 1) = σ(1.5 a + c(colour) + 0.7 b). */
export function plantedRows(count: number, seed: number): Rows {
  const random = new RandomStream(seed, 'planted');
  const values = new Float32Array(count * 6);
  const labels = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const a = random.normal();
    const b = 0.8 * a + 0.6 * random.normal();
    const colour = random.integer(3);
    values.set([a, b], row * 6);
    values[row * 6 + 2 + colour] = 1;
    values[row * 6 + 5] = random.normal();
    const logit = 1.5 * a + 0.7 * b + 1.2 * (colour - 1);
    labels[row] = random.uniform() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
  }
  return { count, inputs: { features: fromFloat32([count, 6], values) }, labels };
}

/** A small network trained on the rows for some hundred steps. */
export async function trained(rows: Rows, hidden: readonly number[] = [16], seed = 1): Promise<Classifier> {
  const width = rows.inputs.features?.dims[1] ?? 0;
  const initial = mlp({
    inputs: width,
    hidden,
    classes: 2,
    seed,
    inputName: 'features',
    outputName: 'logits',
  });
  const { model } = withLoss(initial, { kind: 'cross-entropy', output: 'logits' });
  const parameters = trainableInitializers(initial);
  const step = withOptimizer(model, {
    loss: 'loss',
    parameters,
    optimizer: { kind: 'adamw', weightDecay: 0.01 },
  });
  const session = await openTrainable(step);
  const all = { ...rows.inputs, labels: tensor('int64', [rows.count], rows.labels ?? []) };
  const feeds = batches(all, { batchSize: 64, seed });
  for (let at = 0; at < 400; at++) {
    await session.run({ ...feeds.at(at), [step.learningRate]: tensor('float32', [], [5e-3]) }, []);
  }
  const weights = await session.held(parameters);
  await session.close();
  return {
    model: withInitializers(initial, new Map(Object.entries(weights))),
    output: { name: 'logits', kind: 'logits' },
    classes: 2,
  };
}

/** The first rows. */
export function first(rows: Rows, count: number): Rows {
  return takeRows(
    rows,
    Uint32Array.from({ length: count }, (_, i) => i),
  );
}
