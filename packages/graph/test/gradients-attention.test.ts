/** Gradients of scaled dot-product attention. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NotDifferentiableError, vectorJacobianProduct } from '../src/index.ts';
import { checkNode, fixed, type NodeInput, nodeModel, uniform } from './node-gradient.ts';

const upTo = (max: number) => fc.integer({ min: 1, max });

const shapes = fc.record({
  batch: upTo(2),
  keyHeads: upTo(2),
  shared: upTo(2),
  queries: upTo(3),
  keys: upTo(3),
  size: upTo(3),
  valueSize: upTo(3),
  packed: fc.boolean(),
  causal: fc.boolean(),
  mask: fc.constantFrom('none', 'bool', 'float', 'broadcast'),
  options: fc.constantFrom({}, { scale: 0.7 }, { softcap: 1.5 }),
  dynamic: fc.constantFrom({}, { dynamicFrom: 0 }, { dynamicFrom: 2 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

describe('Attention', () => {
  test('heads packed or apart, shared keys, masks, causality, scale and cap', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async (each) => {
        const { batch, keyHeads, shared, queries, keys, size, valueSize, packed, seed } = each;
        const heads = keyHeads * shared;
        const arranged = (count: number, length: number, width: number, seed: number) =>
          uniform(packed ? [batch, length, count * width] : [batch, count, length, width], seed);
        const masks: Record<string, NodeInput | undefined> = {
          none: undefined,
          // Every query sees the first key.
          bool: fixed(
            'bool',
            [queries, keys],
            Array.from({ length: queries * keys }, (_, i) => (i % keys === 0 || i % 2 === 0 ? 1 : 0)),
          ),
          float: uniform([batch, heads, queries, keys], seed + 3),
          broadcast: uniform([1, queries, keys], seed + 3),
        };
        const mask = masks[each.mask];
        await checkNode({
          op: 'Attention',
          attributes: {
            is_causal: each.causal ? 1 : 0,
            ...each.options,
            ...(packed ? { q_num_heads: heads, kv_num_heads: keyHeads } : {}),
          },
          inputs: [
            arranged(heads, queries, size, seed),
            arranged(keyHeads, keys, size, seed + 1),
            arranged(keyHeads, keys, valueSize, seed + 2),
            ...(mask === undefined ? [] : [mask]),
          ],
          opset: 23,
          // The number of heads is part of the model.
          ...each.dynamic,
          ...(packed ? {} : { known: [1] }),
        });
      }),
      { numRuns: 40 },
    );
  });

  test('with a cache of past keys is refused by name', () => {
    const heads = [1, 1, 2, 2];
    const inputs = [heads, heads, heads].map((dims, i) => uniform(dims, i));
    const model = nodeModel({
      op: 'Attention',
      inputs: [...inputs, undefined, uniform(heads, 4), uniform(heads, 5)],
      outputs: 3,
      opset: 23,
    });
    expect(() => vectorJacobianProduct(model, { cotangents: { y0: 'w' }, withRespectTo: ['x0'] })).toThrow(
      NotDifferentiableError,
    );
  });
});
