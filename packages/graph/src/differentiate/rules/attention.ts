/** The gradient rule of scaled dot-product attention. */
import { floatAttribute, intAttribute } from '../../model.ts';
import type { OperatorGradient, Rule, RuleContext } from '../rule.ts';

/**
 * Per head, with queries Q, keys K, values V, scale s, an optional cap c and a mask M,
 *
 *     S = s·Q·Kᵀ,  C = c·tanh(S/c),  P = softmax(C + M) along the keys,  Y = P·V
 *
 *     V̄ = Pᵀ·Ȳ,  P̄ = Ȳ·Vᵀ,  M̄ = C̄ = P∘(P̄ − Σ_keys P̄∘P),  S̄ = C̄∘(1 − tanh²),  Q̄ = s·S̄·K,  K̄ = s·S̄ᵀ·Q
 *
 * Where one head of keys serves several heads of queries, its cotangents are summed over them.
 */
const scaledDotProduct: Rule = (at) => {
  const { build } = at;
  refuseCache(at);
  const [query, key, value] = [at.input(0), at.input(1), at.input(2)];
  const queryHeads = headCount(at, query, 'q_num_heads');
  const keyHeads = headCount(at, key, 'kv_num_heads');
  const shared = queryHeads / keyHeads;
  const q = splitHeads(at, query, at.rank(query), queryHeads);
  const k = repeatHeads(at, splitHeads(at, key, at.rank(key), keyHeads), keyHeads, shared);
  const v = repeatHeads(at, splitHeads(at, value, at.rank(value), keyHeads), keyHeads, shared);
  const cotangent = splitHeads(at, at.dY, at.rank(query), queryHeads);

  const scale = scaleOf(at, q);
  const scaledQueries = build.op('Mul', [q, scale]);
  const scores = build.op('MatMul', [scaledQueries, transposed(at, k)]);
  const cap = floatAttribute(at.node, 'softcap', 0);
  const tanh = cap > 0 ? build.op('Tanh', [build.op('Div', [scores, at.scalar(cap, query)])]) : undefined;
  const capped = tanh === undefined ? scores : build.op('Mul', [tanh, at.scalar(cap, query)]);
  const weights = attentionWeights(at, capped, q, k);

  const weightCotangent = build.op('MatMul', [cotangent, transposed(at, v)]);
  const along = build.op('ReduceSum', [build.op('Mul', [weightCotangent, weights]), build.ints([-1])], {
    keepdims: 1,
  });
  const masked = build.op('Mul', [weights, build.op('Sub', [weightCotangent, along])]);
  const scoreCotangent = () => {
    if (tanh === undefined) return masked;
    const slope = build.op('Sub', [at.scalar(1, query), build.op('Mul', [tanh, tanh])]);
    return build.op('Mul', [masked, slope]);
  };
  const product = at.wants(0) || at.wants(1) ? scoreCotangent() : masked;
  const restore = (grown: string, like: string, groups: number) =>
    joinHeads(at, sumHeads(at, grown, keyHeads, groups), like);
  return [
    at.wants(0) ? restore(build.op('Mul', [build.op('MatMul', [product, k]), scale]), query, 1) : undefined,
    at.wants(1)
      ? restore(build.op('MatMul', [transposed(at, product), scaledQueries]), key, shared)
      : undefined,
    at.wants(2)
      ? restore(build.op('MatMul', [transposed(at, weights), cotangent]), value, shared)
      : undefined,
    at.wants(3) ? sumToMask(at, masked) : undefined,
  ];
};

function refuseCache(at: RuleContext): void {
  if (at.hasInput(4) || at.hasInput(5)) at.fail('it has a cache of past keys and values');
  if (at.hasInput(6)) at.fail('it is given the lengths of padded sequences; give them as a mask instead');
  if (at.node.outputs.some((_, index) => index > 0 && at.cotangent(index) !== undefined)) {
    at.fail('a gradient reaches an output other than its first, for which there is no rule');
  }
}

function headCount(at: RuleContext, value: string, attribute: string): number {
  const heads = at.rank(value) === 4 ? at.shape(value)[1] : intAttribute(at.node, attribute);
  return typeof heads === 'number' ? heads : at.fail(`its number of heads (${attribute}) is not known`);
}

/** [batch, sequence, heads·size] as [batch, heads, sequence, size]; what has four axes stays. */
function splitHeads(at: RuleContext, value: string, rank: number, heads: number): string {
  if (rank === 4) return value;
  const split = at.build.op('Reshape', [value, at.build.ints([0, 0, heads, -1])]);
  return at.build.op('Transpose', [split], { perm: [0, 2, 1, 3] });
}

/** The inverse, to the shape of a forward value. */
function joinHeads(at: RuleContext, value: string, like: string): string {
  if (at.rank(like) === 4) return value;
  const together = at.build.op('Transpose', [value], { perm: [0, 2, 1, 3] });
  return at.build.op('Reshape', [together, at.build.ints([0, 0, -1])]);
}

/** Each head `groups` times in a row. */
function repeatHeads(at: RuleContext, value: string, heads: number, groups: number): string {
  if (groups === 1) return value;
  const { build } = at;
  const repeats = Array.from({ length: heads * groups }, (_, head) => Math.floor(head / groups));
  return build.op('Gather', [value, build.ints(repeats)], { axis: 1 });
}

/** The sum over each run of `groups` heads. */
function sumHeads(at: RuleContext, value: string, heads: number, groups: number): string {
  if (groups === 1) return value;
  const { build } = at;
  const tail = build.op('Shape', [value], { start: 2 });
  const runs = build.op('Concat', [build.ints([0, heads, groups]), tail], { axis: 0 });
  return build.op('ReduceSum', [build.op('Reshape', [value, runs]), build.ints([2])], { keepdims: 0 });
}

/** s, by default 1/√size, as a scalar. */
function scaleOf(at: RuleContext, q: string): string {
  const { build, node } = at;
  const query = at.input(0);
  const given = floatAttribute(node, 'scale', 0);
  if (given !== 0) return at.scalar(given, query);
  const last = at.shape(query).at(-1);
  if (typeof last === 'number') {
    const size = at.rank(query) === 4 ? last : last / headCount(at, query, 'q_num_heads');
    return at.scalar(1 / Math.sqrt(size), query);
  }
  const size = build.op('Squeeze', [build.op('Shape', [q], { start: 3 }), build.ints([0])]);
  return build.op('Reciprocal', [build.op('Sqrt', [build.op('CastLike', [size, at.scalar(1, query)])])]);
}

function transposed(at: RuleContext, value: string): string {
  return at.build.op('Transpose', [value], { perm: [0, 1, 3, 2] });
}

/** P from C: masked, causal if the node says so; a query that may look nowhere has weights of 0. */
function attentionWeights(at: RuleContext, capped: string, q: string, k: string): string {
  const { build } = at;
  const never = at.scalar(-Infinity, at.input(0));
  let scores = capped;
  const causal = intAttribute(at.node, 'is_causal', 0) !== 0;
  if (at.hasInput(3)) {
    const mask = at.input(3);
    const [width, keys] = [at.shape(mask).at(-1), at.shape(at.input(1)).at(-2)];
    if (typeof width === 'number' && typeof keys === 'number' && width !== 1 && width !== keys) {
      at.fail('its mask is narrower than the keys; widen it');
    }
    scores =
      at.elementType(mask) === 'bool'
        ? build.op('Where', [mask, scores, never])
        : build.op('Add', [scores, mask]);
  }
  if (causal) {
    const place = (value: string) => {
      const length = build.op('Squeeze', [build.op('Shape', [value], { start: 2, end: 3 }), build.ints([0])]);
      return build.op('Range', [build.scalar('int64', 0), length, build.scalar('int64', 1)]);
    };
    const seen = build.op('LessOrEqual', [place(k), build.op('Unsqueeze', [place(q), build.ints([1])])]);
    scores = build.op('Where', [seen, scores, never]);
  }
  const weights = build.op('Softmax', [scores], { axis: -1 });
  if (!causal && !at.hasInput(3)) return weights;
  // Softmax of nothing but −∞ is no number, and only that differs from itself.
  return build.op('Where', [build.op('Equal', [weights, weights]), weights, at.scalar(0, at.input(0))]);
}

/** M̄ summed over the axes along which the mask was repeated. */
function sumToMask(at: RuleContext, cotangent: string): string {
  const { build } = at;
  const mask = at.input(3);
  const shape = at.shape(mask);
  const lead = 4 - shape.length;
  const repeated = [0, 1, 2, 3].filter((axis) => axis < lead || shape[axis - lead] === 1);
  const summed =
    repeated.length === 0
      ? cotangent
      : build.op('ReduceSum', [cotangent, build.ints(repeated)], { keepdims: 1 });
  return build.op('Reshape', [summed, at.shapeOf(mask)]);
}

export const attention: Readonly<Record<string, OperatorGradient>> = {
  Attention: {
    differentiable: [0, 1, 2, 3],
    rule: scaledDotProduct,
    note: 'masks, causal, grouped queries, softcap; no cache of past keys, only through its first output',
  },
};
