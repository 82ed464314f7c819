import { int64s, type Tensor, tensor, toNumbers, trainableInitializers, withLoss } from '@assay/graph';
import { RandomStream } from '@assay/random';
import { describe, expect, it } from 'vitest';
import {
  batches,
  exposeWeights,
  freezeWeights,
  mlp,
  openFrozen,
  openSession,
  openTrainable,
  predictAll,
  train,
  withOptimizer,
} from '../src/index.ts';
import { RUNTIMES } from './support/models.ts';

/** Points of two classes that no line separates: the class is whether the signs of the coordinates agree. */
function checkerboard(rows: number, seed: number): { x: Tensor; labels: Tensor } {
  const stream = new RandomStream(seed, 'checkerboard');
  const points = Array.from({ length: rows }, () => [2 * stream.uniform() - 1, 2 * stream.uniform() - 1]);
  const classes = points.map(([a = 0, b = 0]) => (a * b > 0 ? 1 : 0));
  return { x: tensor('float32', [rows, 2], points.flat()), labels: int64s(classes) };
}

function classifier(seed: number) {
  return withLoss(mlp({ inputs: 2, hidden: [16, 16], classes: 2, seed }), { kind: 'cross-entropy' }).model;
}

describe.each(RUNTIMES)('a training step of a differentiated model on the %s runtime', (runtime) => {
  it('learns what no linear model can', async () => {
    const model = classifier(1);
    const step = withOptimizer(model, {
      loss: 'loss',
      parameters: trainableInitializers(model),
      optimizer: { kind: 'adamw' },
      gradientClipNorm: 5,
    });
    await using session = await openTrainable(step, { runtime });
    const feeds = batches(checkerboard(512, 1), { batchSize: 64, seed: 2 });
    for await (const _ of train({ session, step, feeds, epochs: 60, learningRate: 0.01 }));
    await using frozen = await openFrozen(model, await session.held(step.parameters), { runtime });
    const test = checkerboard(1000, 3);
    // The loss needs labels too; only the logits are asked for.
    const { logits } = await predictAll(frozen, { ...test }, { outputs: ['logits'] });
    const scores = logits === undefined ? [] : toNumbers(logits);
    const correct = [...toNumbers(test.labels)].filter(
      (label, row) => ((scores[2 * row + 1] ?? 0) > (scores[2 * row] ?? 0) ? 1 : 0) === label,
    );
    expect(correct.length / 1000).toBeGreaterThan(0.95);
  });

  it('moves each weight against the finite difference of the loss', async () => {
    const model = classifier(4);
    const parameters = trainableInitializers(model);
    const step = withOptimizer(model, { loss: 'loss', parameters, optimizer: { kind: 'sgd' } });
    await using session = await openTrainable(step, { runtime });
    const data = checkerboard(40, 5);
    await session.run({ ...data, [step.learningRate]: tensor('float32', [], [1]) });
    const after = await session.held(parameters);

    const exposed = exposeWeights(model, parameters);
    await using forward = await openSession(exposed.model, { runtime });
    await forward.hold(exposed.weights);
    const lossWith = async (name: string, index: number, change: number): Promise<number> => {
      const value = exposed.weights[name];
      if (value === undefined) throw new Error('no such weight');
      const moved = toNumbers(value);
      moved[index] = (moved[index] ?? 0) + change;
      const { loss } = await forward.run({ ...data, [name]: tensor('float32', value.dims, moved) }, ['loss']);
      return loss === undefined ? Number.NaN : (toNumbers(loss)[0] ?? Number.NaN);
    };
    for (const name of parameters) {
      const [before, later] = [exposed.weights[name], after[name]].map((value) =>
        value === undefined ? [] : [...toNumbers(value)],
      );
      const index = Math.floor((before?.length ?? 0) / 2);
      const gradient = (before?.[index] ?? 0) - (later?.[index] ?? 0);
      const difference = ((await lossWith(name, index, 0.01)) - (await lossWith(name, index, -0.01))) / 0.02;
      expect(Math.abs(gradient - difference)).toBeLessThan(2e-3);
    }
  });
});

describe('weights', () => {
  const model = mlp({ inputs: 2, hidden: [3], classes: 2, seed: 1 });
  const x = tensor('float32', [2, 2], [1, -1, 0.5, 2]);

  it('give the same outputs as constants and as inputs', async () => {
    const names = trainableInitializers(model);
    const { model: exposed, weights } = exposeWeights(model, names);
    expect(exposed.graph.inputs.map(({ name }) => name).sort()).toEqual(['x', ...names].sort());
    await using open = await openSession(exposed);
    await open.hold(weights);
    await using frozen = await openFrozen(exposed, weights);
    expect(frozen.inputs.map(({ name }) => name)).toEqual(['x']);
    const [a, b] = await Promise.all([open.run({ x }), frozen.run({ x })]);
    const difference = [...toNumbers(a.logits ?? x)].map((value, i) =>
      Math.abs(value - (toNumbers(b.logits ?? x)[i] ?? 0)),
    );
    expect(Math.max(...difference)).toBeLessThan(1e-6);
    expect(freezeWeights(exposed, weights).graph.initializers).toEqual(model.graph.initializers);
  });

  it('listed among the inputs by an old file become constants', () => {
    const old = {
      ...model,
      irVersion: 3,
      graph: {
        ...model.graph,
        inputs: [
          ...model.graph.inputs,
          ...exposeWeights(model, ['layer0.weight']).model.graph.inputs.slice(1),
        ],
      },
    };
    expect(freezeWeights(old).graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(freezeWeights(old).irVersion).toBeGreaterThanOrEqual(4);
  });

  it('of another name, shape or type are refused', () => {
    expect(() => freezeWeights(model, { nothing: x })).toThrow(/no initializer or input "nothing"/);
    expect(() => freezeWeights(model, { 'layer0.weight': x })).toThrow(
      /float32\[3, 2\] and cannot become float32\[2, 2\]/,
    );
    expect(() => freezeWeights(model, { 'layer1.bias': int64s([1, 2]) })).toThrow(/cannot become int64/);
    expect(() => exposeWeights(model, ['nothing'])).toThrow(/no initializer "nothing"/);
  });
});
