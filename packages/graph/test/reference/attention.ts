/** Attention of operator sets 23 and 24: softmax(scale · Q Kᵀ + mask) V per head. */
import { floatAttribute, intAttribute } from '../../src/index.ts';
import {
  type Array64,
  at,
  build,
  get,
  getBroadcast,
  InterpretationError,
  mapped,
  reshaped,
} from './array64.ts';
import { type Call, flag, input, type Kernels } from './kernel.ts';
import { matMul } from './linear.ts';
import { softmax } from './reduction.ts';
import { concat, transposed } from './shape.ts';

/** [batch, sequence, heads · size] as [batch, heads, sequence, size]; what has four axes stays. */
function splitHeads(x: Array64, heads: number): Array64 {
  if (x.dims.length === 4) return x;
  const [batch = 0, sequence = 0, hidden = 0] = x.dims;
  return transposed(reshaped(x, [batch, sequence, heads, hidden / heads]), [0, 2, 1, 3]);
}

function joinHeads(x: Array64): Array64 {
  const [batch = 0, heads = 0, sequence = 0, size = 0] = x.dims;
  return reshaped(transposed(x, [0, 2, 1, 3]), [batch, sequence, heads * size]);
}

/** Grouped queries: each key head serves several query heads in a row. */
function repeatHeads(x: Array64, heads: number): Array64 {
  const [batch = 0, own = 0, sequence = 0, size = 0] = x.dims;
  return build(x.elementType, [batch, heads, sequence, size], ([b = 0, h = 0, s = 0, d = 0]) =>
    get(x, [b, Math.floor(h / (heads / own)), s, d]),
  );
}

/** What is added to the scores: the given mask (boolean: where to look), causality, and the padding of the keys. */
function maskOf(call: Call, scores: readonly number[], past: number): Array64 {
  const mask = call.inputs[3];
  const lengths = call.inputs[6];
  const causal = flag(call.node, 'is_causal', false);
  const queries = at(scores, 2);
  return build('float32', scores, ([b = 0, h = 0, q = 0, k = 0]) => {
    // A query may look at the keys before it; with a cache the queries are the last of the sequence.
    const offset = lengths === undefined ? past : get(lengths, [b]) - queries;
    if (causal && k > q + offset) return -Infinity;
    if (lengths !== undefined && k >= get(lengths, [b])) return -Infinity;
    if (mask === undefined) return 0;
    // A mask that ends early hides the keys behind its end.
    const width = at(mask.dims, mask.dims.length - 1);
    if (width !== 1 && k >= width) return -Infinity;
    const value = getBroadcast(mask, [b, h, q, k]);
    if (mask.elementType !== 'bool') return value;
    return value === 0 ? -Infinity : 0;
  });
}

function attention(call: Call): readonly Array64[] {
  const { node } = call;
  const q3 = input(call, 0);
  const q = splitHeads(q3, intAttribute(node, 'q_num_heads', 1));
  const kNew = splitHeads(input(call, 1), intAttribute(node, 'kv_num_heads', 1));
  const vNew = splitHeads(input(call, 2), intAttribute(node, 'kv_num_heads', 1));
  const pastKey = call.inputs[4];
  const pastValue = call.inputs[5];
  const presentKey = pastKey === undefined ? kNew : concat([pastKey, kNew], 2);
  const presentValue = pastValue === undefined ? vNew : concat([pastValue, vNew], 2);
  const past = pastKey === undefined ? 0 : at(pastKey.dims, 2);

  const heads = at(q.dims, 1);
  const key = repeatHeads(presentKey, heads);
  const value = repeatHeads(presentValue, heads);
  const scale = floatAttribute(node, 'scale', 1 / Math.sqrt(at(q.dims, 3)));
  const softcap = floatAttribute(node, 'softcap', 0);
  const capped = (x: Array64) => (softcap > 0 ? mapped(x, (v) => softcap * Math.tanh(v / softcap)) : x);

  const products = mapped(matMul(q, transposed(key, [0, 1, 3, 2])), (v) => scale * v);
  const mask = maskOf(call, products.dims, past);
  const masked = (x: Array64) => build(x.elementType, x.dims, (index) => get(x, index) + get(mask, index));
  const scores = masked(capped(products));
  // A query that may look nowhere gets zeros.
  const weights = mapped(softmax(scores), (v) => (Number.isNaN(v) ? 0 : v));
  const y = matMul(weights, value);
  const stages = [products, capped(products), scores, weights];
  const stage = stages[intAttribute(node, 'qk_matmul_output_mode', 0)];
  if (stage === undefined) throw new InterpretationError('qk_matmul_output_mode is 0 to 3');
  return [q3.dims.length === 3 ? joinHeads(y) : y, presentKey, presentValue, stage];
}

export const attentions: Kernels = { Attention: attention };
