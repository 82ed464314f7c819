/** ONNX's own Gradient operator, expanded: its conformance cases, and points that are not the graph's own values. */
import { describe, expect, test } from 'vitest';
import {
  decodeModel,
  decodeTensor,
  expandGradientNodes,
  GraphBuilder,
  makeModel,
  toNumbers,
  valueInfo,
} from '../src/index.ts';
import { backendCases } from './backend-data.ts';
import { runOnnx } from './gradient-check.ts';
import { array64, fromTensor, interpret } from './reference/index.ts';

describe.skipIf(process.env.ASSAY_DATA === undefined)(
  "ONNX's backend tests of Gradient (needs ASSAY_DATA)",
  () => {
    test.each(['test_gradient_of_add', 'test_gradient_of_add_and_mul'])('%s', async (name) => {
      const found = (await backendCases()).find((each) => each.name === name);
      if (found === undefined) throw new Error(`${name} is not in the archive`);
      const model = expandGradientNodes(decodeModel(found.model));
      expect(model.graph.nodes.every(({ op }) => op !== 'Gradient')).toBe(true);
      for (const { inputs, outputs } of found.dataSets) {
        const feeds = Object.fromEntries(
          inputs.map((bytes, i) => [model.graph.inputs[i]?.name ?? '', fromTensor(decodeTensor(bytes))]),
        );
        const actual = await runOnnx(model, feeds, 'node');
        outputs.forEach((bytes, i) => {
          const result = actual[model.graph.outputs[i]?.name ?? ''];
          expect([...(result?.values ?? [])]).toEqual([...toNumbers(decodeTensor(bytes))]);
        });
      }
    });
  },
);

const gradientNode = (inputs: string[], xs: string[], outputs: string[]) => ({
  op: 'Gradient',
  domain: 'ai.onnx.preview.training',
  name: '',
  inputs,
  outputs,
  attributes: {
    xs: { kind: 'strings' as const, value: xs },
    y: { kind: 'string' as const, value: 'y' },
  },
});

test('a Gradient at another point writes the forward pass again', () => {
  // y = x³; the derivative is asked for at p instead of x: 3p².
  const build = new GraphBuilder(['x', 'p', 'y', 'dy']);
  build.op('Mul', ['x', build.op('Mul', ['x', 'x'])], {}, 'y');
  build.node(gradientNode(['p'], ['x'], ['dy']));
  const inputs = [valueInfo('x', 'float64', [2]), valueInfo('p', 'float64', [2])];
  const outputs = [valueInfo('y', 'float64', [2]), valueInfo('dy', 'float64', [2])];
  const model = expandGradientNodes(makeModel(build.finish('cube', inputs, outputs)));
  const result = interpret(model, {
    x: array64('float64', [2], [1, 2]),
    p: array64('float64', [2], [10, 20]),
  });
  expect([...(result.y?.values ?? [])]).toEqual([1, 8]);
  expect([...(result.dy?.values ?? [])]).toEqual([300, 1200]);
});

test('a Gradient of a Gradient is the second derivative', () => {
  const build = new GraphBuilder(['x', 'y', 'g', 'h']);
  build.op('Mul', ['x', build.op('Mul', ['x', 'x'])], {}, 'y');
  build.node(gradientNode(['x'], ['x'], ['g']));
  build.node({
    ...gradientNode(['x'], ['x'], ['h']),
    attributes: { xs: { kind: 'strings', value: ['x'] }, y: { kind: 'string', value: 'g' } },
  });
  const model = expandGradientNodes(
    makeModel(build.finish('cube', [valueInfo('x', 'float64', [2])], [valueInfo('h', 'float64', [2])])),
  );
  expect([...(interpret(model, { x: array64('float64', [2], [1, 2]) }).h?.values ?? [])]).toEqual([6, 12]);
});
