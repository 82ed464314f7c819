/** Constant folding: what is folded gives the runtime's own numbers, and what must stay stays. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeModel,
  type ElementType,
  foldConstants,
  freeInputs,
  GraphBuilder,
  type Model,
  makeModel,
  type Node,
  scalar,
  type Tensor,
  tensor,
  valueInfo,
} from '../src/index.ts';
import { backendCases, DATA_FOLDER } from './backend-data.ts';
import { floats, integers, run } from './runtime.ts';

const output = (name: string) => ({ name, type: undefined });
const int64 = (dims: readonly number[], values: readonly bigint[]): Tensor => ({
  elementType: 'int64',
  dims,
  data: new Uint8Array(BigInt64Array.from(values).buffer),
});
const ops = (model: Model) => model.graph.nodes.map((node) => node.op);

/** A model whose outputs depend on constants alone. */
function constantModel(emit: (b: GraphBuilder) => readonly string[]): Model {
  const builder = new GraphBuilder();
  const outputs = emit(builder);
  // The runtime's own folding would hide a difference between the two; it is switched off where they are compared.
  return makeModel(builder.finish('g', [], outputs.map(output)));
}

/** Folds the model completely and compares every output, bit for bit, with what the runtime computes unfolded. */
async function expectSameAsRuntime(model: Model): Promise<void> {
  const folded = foldConstants(model, { weights: true });
  expect(ops(folded).filter((op) => op !== 'Constant')).toEqual([]);
  const before = await run(model, {}, false);
  const after = await run(folded, {}, false);
  expect(after).toEqual(before);
}

describe('values', () => {
  // Float operations that IEEE 754 rounds correctly; the numbers are not exact in float32.
  const float = fc
    .oneof(
      fc.float({ noNaN: true, min: -1000, max: 1000 }),
      fc.constantFrom(0, 0.1, -2.5, 3.5, 16777217, 1e-3),
    )
    .map((x) => (x === 0 ? 0 : x));
  const integer = fc.oneof(
    fc.bigInt({ min: -20n, max: 20n }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );

  it('float32 arithmetic is rounded as the runtime rounds it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(float, { minLength: 6, maxLength: 6 }), async (numbers) => {
        const model = constantModel((b) => {
          const a = b.constant(tensor('float32', [2, 3], numbers));
          const c = b.constant(tensor('float32', [3], numbers.slice(1, 4)));
          const binary = (
            ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Less', 'Equal', 'GreaterOrEqual'] as const
          ).map((op) => b.op(op, [a, c]));
          const unary = (['Neg', 'Abs', 'Floor', 'Ceil', 'Sqrt'] as const).map((op) => b.op(op, [a]));
          const casts = [6, 7, 9, 10, 11].map((to) => b.op('Cast', [a], { to }));
          return [...binary, ...unary, ...casts];
        });
        await expectSameAsRuntime(model);
      }),
      { numRuns: 60 },
    );
  });

  it('int64 arithmetic is exact beyond 2⁵³ and wraps around', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(integer, { minLength: 4, maxLength: 4 }), async (numbers) => {
        const model = constantModel((b) => {
          const a = b.constant(int64([4], numbers));
          // A divisor that is neither 0 nor -1 (dividing the smallest int64 by -1 traps).
          const c = b.constant(
            int64([1], [numbers[1] === 0n || numbers[1] === -1n ? 7n : (numbers[1] ?? 1n)]),
          );
          // (The runtime reduces in float64.)
          const small = b.op('Mod', [a, b.ints([1000])]);
          return [
            ...(['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Max', 'Min', 'Greater', 'Equal'] as const).map((op) =>
              b.op(op, [a, c]),
            ),
            ...(['Neg', 'Abs'] as const).map((op) => b.op(op, [a])),
            ...(['ReduceProd', 'ReduceSum', 'ReduceMax', 'ReduceMin'] as const).map((op) =>
              b.op(op, [small], { keepdims: 0 }),
            ),
            b.op('Cast', [a], { to: 6 }),
            b.op('Cast', [a], { to: 9 }),
          ];
        });
        await expectSameAsRuntime(model);
      }),
      { numRuns: 60 },
    );
  });

  it('elements move as the runtime moves them', async () => {
    const index = fc.integer({ min: -3, max: 2 });
    const types: readonly ElementType[] = ['float32', 'int64', 'int32', 'uint8', 'float64', 'bool'];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...types),
        fc.array(index, { minLength: 1, maxLength: 4 }),
        fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
        fc.constantFrom(-2, -1, 1, 2),
        async (type, indices, perm, step) => {
          const model = constantModel((b) => {
            const values = Array.from({ length: 18 }, (_, i) => (type === 'bool' ? i % 2 : i));
            const a = b.constant(tensor(type, [3, 2, 3], values));
            const [start, end] = step > 0 ? [indices[0] ?? 0, 9] : [9, -9];
            const [left = '', right = ''] = b.ops('Split', [a, b.ints([1, 2])], 2, { axis: 2 });
            const condition = b.constant(tensor('bool', [3, 1, 1], [1, 0, 1]));
            // (The runtime has no Where on bool.)
            const where =
              type === 'bool'
                ? a
                : b.op('Where', [condition, a, b.op('Transpose', [a], { perm: [2, 1, 0] })]);
            return [
              b.op('Gather', [a, b.ints(indices)], { axis: 0 }),
              b.op('Gather', [a, b.scalar('int64', indices[0] ?? 0)], { axis: -1 }),
              b.op('Transpose', [a], { perm }),
              b.op('Slice', [a, b.ints([start]), b.ints([end]), b.ints([2]), b.ints([step])]),
              b.op('Concat', [right, left, left], { axis: -1 }),
              b.op('Reshape', [a, b.ints([0, -1])]),
              b.op('Unsqueeze', [a, b.ints([0, -1])]),
              b.op('Squeeze', [left, b.ints([2])]),
              b.op('Expand', [left, b.ints([3, 2, 4])]),
              b.op('Tile', [a, b.ints([1, 2, 2])]),
              where,
              b.op('Shape', [a]),
              b.op('ConstantOfShape', [b.ints([2, 2])], { value: tensor(type, [1], [1]) }),
              b.op('Range', [b.scalar('int64', indices[0] ?? 0), b.scalar('int64', 7), b.scalar('int64', 2)]),
            ];
          });
          await expectSameAsRuntime(model);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('leaves to the runtime what runtimes compute differently, or refuse', () => {
    const model = constantModel((b) => {
      const x = b.constant(tensor('float32', [2], [0.3, 1e20]));
      const zero = b.op('Div', [b.ints([1]), b.ints([0])]);
      const zeros = b.op('Max', [b.scalar('float32', 0), b.scalar('float32', -0)]);
      return [b.op('Exp', [x]), b.op('ReduceSum', [x]), b.op('Cast', [x], { to: 6 }), zero, zeros];
    });
    expect(ops(foldConstants(model, { weights: true })).sort()).toEqual([
      'Cast',
      'Div',
      'Exp',
      'Max',
      'ReduceSum',
    ]);
  });
});

describe('what stays', () => {
  function withWeights(): Model {
    const b = new GraphBuilder(['x', 'bias', 'w']);
    b.initializer('w.0', tensor('float32', [2, 3], [1, 2, 3, 4, 5, 6]));
    const turned = b.op('Transpose', ['w.0'], { perm: [1, 0] });
    const scale = b.op('Sqrt', [b.constant(scalar('float32', 64))]);
    const product = b.op('MatMul', ['x', turned]);
    const shape = b.op('Shape', ['w.0']);
    const scaled = b.op('Div', [product, scale]);
    b.op('Mul', [scaled, scale], undefined, 'unused');
    b.op('Reshape', [scaled, b.op('Slice', [shape, b.ints([0]), b.ints([1])])], undefined, 'y');
    return makeModel(b.finish('g', [valueInfo('x', 'float32', [1, 3])], [output('y')]));
  }

  it('weights are not folded away unless asked for; scalars and shapes are', () => {
    const folded = foldConstants(withWeights());
    expect(ops(folded)).toEqual(['Transpose', 'Constant', 'MatMul', 'Div', 'Constant', 'Reshape']);
    expect([...folded.graph.initializers.keys()]).toEqual(['w.0']);
    expect(ops(foldConstants(withWeights(), { weights: true }))).not.toContain('Transpose');
  });

  it('what is to be kept is neither folded nor dropped', () => {
    const folded = foldConstants(withWeights(), { keep: ['unused'] });
    expect(folded.graph.nodes.flatMap((node) => node.outputs)).toContain('unused');
    expect(foldConstants(withWeights()).graph.nodes.flatMap((node) => node.outputs)).not.toContain('unused');
  });

  it('an initializer that a caller may replace is no constant', () => {
    const b = new GraphBuilder(['x']);
    b.initializer('k', tensor('int64', [1], [3]));
    b.op('Add', ['k', b.ints([1])], undefined, 'y');
    const model = makeModel(b.finish('g', [valueInfo('k', 'int64', [1])], [output('y')]));
    expect(ops(foldConstants(model))).toEqual(['Add']);
    expect(ops(foldConstants({ ...model, irVersion: 3 }))).toEqual(['Constant']);
  });

  it('what a subgraph captures is alive', () => {
    const b = new GraphBuilder(['c']);
    const sum = b.op('Add', [b.ints([1]), b.ints([2])], undefined, 'three');
    const branch = (name: string, op: string): Node['attributes'][string] => ({
      kind: 'graph',
      value: {
        name,
        nodes: [{ op, domain: '', name: '', inputs: [sum], outputs: [`${name}.y`], attributes: {} }],
        inputs: [],
        outputs: [valueInfo(`${name}.y`, 'int64', [1])],
        initializers: new Map(),
        valueInfo: new Map(),
      },
    });
    b.node({
      op: 'If',
      domain: '',
      name: '',
      inputs: ['c'],
      outputs: ['y'],
      attributes: { then_branch: branch('yes', 'Neg'), else_branch: branch('no', 'Identity') },
    });
    const folded = foldConstants(makeModel(b.finish('g', [valueInfo('c', 'bool', [])], [output('y')])));
    expect(ops(folded)).toEqual(['Constant', 'If']);
    expect(folded.graph.nodes[0]?.outputs).toEqual(['three']);
  });
});

describe('whole models give the same outputs before and after', () => {
  const dims = { batch: 2, time: 5, height: 8, width: 10 };
  for (const name of ['flattened', 'resized', 'padded', 'attending', 'encoder', 'normalized']) {
    it(`PyTorch export "${name}"`, async () => {
      const model = decodeModel(await readFile(new URL(`./fixtures/dynamic_${name}.onnx`, import.meta.url)));
      const [input] = freeInputs(model.graph);
      const shape = (input?.type?.shape ?? []).map((dim) =>
        typeof dim === 'number' ? dim : (Object.entries(dims).find(([key]) => key === dim)?.[1] ?? 1),
      );
      const count = shape.reduce((a, b) => a * b, 1);
      const x =
        name === 'attending'
          ? integers(
              shape,
              Array.from({ length: count }, (_, i) => i % 11),
            )
          : floats(shape);
      const folded = foldConstants(model);
      expect(folded.graph.nodes.length).toBeLessThan(model.graph.nodes.length);
      expect(await run(folded, { x })).toEqual(await run(model, { x }));
      // With the sizes fixed, all arithmetic on sizes is constant; two embeddings are left.
      const inputs = model.graph.inputs.map((value) =>
        value.name === 'x' && value.type ? { ...value, type: { ...value.type, shape } } : value,
      );
      const fixed = foldConstants({ ...model, graph: { ...model.graph, inputs } });
      expect(ops(fixed).filter((op) => op === 'Shape' || op === 'Gather').length).toBe(
        name === 'attending' ? 2 : 0,
      );
      expect(await run(fixed, { x }, false)).toEqual(await run(model, { x }, false));
    });
  }
});

describe.skipIf(DATA_FOLDER === undefined)("ONNX's own backend tests (needs ASSAY_DATA)", () => {
  it('folds every model without an error, keeping inputs and outputs, and a second time changes nothing', async () => {
    let folded = 0;
    for (const { name, model: bytes } of await backendCases()) {
      const model = decodeModel(bytes);
      const once = foldConstants(model);
      const produced = new Set([
        ...once.graph.nodes.flatMap((node) => node.outputs),
        ...once.graph.initializers.keys(),
        ...once.graph.inputs.map((i) => i.name),
      ]);
      for (const { name: wanted } of once.graph.outputs) expect(produced, name).toContain(wanted);
      expect(once.graph.inputs).toBe(model.graph.inputs);
      expect(ops(foldConstants(once)), name).toEqual(ops(once));
      folded += model.graph.nodes.length - once.graph.nodes.length;
    }
    expect(folded).toBeGreaterThan(3000);
  });
});
