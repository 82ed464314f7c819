/**
 * The transpose of broadcasting. If y = broadcast(x), then x̄ = the sum of ȳ over every axis along which x was
 * repeated: the leading axes that x lacks, and those where x has size 1 and y has not.
 */
import type { Shape } from '../model.ts';
import type { RuleContext } from './rule.ts';

/**
 * Sums a cotangent of the shape of forward value `from` to the shape of forward value `to`.
 *
 * Where the shapes are known the axes are constants, and nothing is built if there are none; where a symbolic
 * dimension might or might not be 1, the axes are found at run time.
 */
export function sumToShape(at: RuleContext, cotangent: string, from: string, to: string): string {
  return sumFromShape(at, cotangent, at.shape(from), to);
}

/** As {@link sumToShape}, for a cotangent of a shape that no forward value has. */
export function sumFromShape(at: RuleContext, cotangent: string, source: Shape, to: string): string {
  const { build } = at;
  const target = at.shape(to);
  const lead = source.length - target.length;
  const leading = Array.from({ length: lead }, (_, i) => i);
  const repeated: number[] = [];
  let certain = lead >= 0;
  for (let axis = 0; axis < target.length; axis++) {
    const small = target[axis];
    const large = source[axis + lead];
    if (small === large && small !== '') continue;
    if (small === 1) repeated.push(axis);
    // Two fixed sizes cannot differ here unless one is 1; a named size against another is undecided.
    else if (typeof small !== 'number') certain = false;
  }
  if (!certain) return sumAtRunTime(at, cotangent, lead, to);

  let value = cotangent;
  if (leading.length > 0) value = build.op('ReduceSum', [value, build.ints(leading)], { keepdims: 0 });
  if (repeated.length > 0) value = build.op('ReduceSum', [value, build.ints(repeated)], { keepdims: 1 });
  return value;
}

function sumAtRunTime(at: RuleContext, cotangent: string, lead: number, to: string): string {
  const { build } = at;
  const large = build.op('Shape', [cotangent]);
  const small = build.op('Shape', [to]);
  const padded =
    lead > 0 ? build.op('Concat', [build.ints(new Array<number>(lead).fill(1)), small], { axis: 0 }) : small;
  const differs = build.op('Not', [build.op('Equal', [large, padded])]);
  const axes = build.op('Squeeze', [build.op('NonZero', [differs]), build.ints([0])]);
  const summed = build.op('ReduceSum', [cotangent, axes], { keepdims: 1, noop_with_empty_axes: 1 });
  return build.op('Reshape', [summed, small]);
}
