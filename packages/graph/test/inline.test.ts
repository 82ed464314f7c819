/** Conditionals whose condition is known are replaced by their branch; others keep their gradient from getting lost. */
import { describe, expect, it } from 'vitest';
import {
  differentiate,
  type Graph,
  GraphBuilder,
  inlineConditionals,
  type Model,
  makeModel,
  NotDifferentiableError,
  tensor,
  valueInfo,
} from '../src/index.ts';
import { compareGradients, runOnnx } from './gradient-check.ts';
import { array64, interpret } from './reference/index.ts';

/** A branch that gives OP(x, w), both from around it, or what is made of that. */
function branch(
  op: 'Add' | 'Mul',
  result = 'result',
  last: (result: string, build: GraphBuilder) => string = (name) => name,
): Graph {
  const build = new GraphBuilder(['x', 'w', result]);
  const output = last(build.op(op, ['x', 'w'], {}, result), build);
  return build.finish(op, [], [{ name: output, type: undefined }]);
}

function conditional(condition: string, output: string, yes: Graph, no: Graph) {
  return {
    op: 'If',
    domain: '',
    name: 'choice',
    inputs: [condition],
    outputs: [output],
    attributes: { then_branch: { kind: 'graph', value: yes }, else_branch: { kind: 'graph', value: no } },
  } as const;
}

const X = array64('float32', [3], [0.5, -1.5, 2]);

/** loss = Σ (If(size of x = 3) x·w else x+w)², twice in a row, so that names inside the branches meet. */
function chosen(condition: 'from a shape' | 'fed'): Model {
  const build = new GraphBuilder(['x', 'result', 'loss', 'first', 'second', 'flag']);
  build.initializer('w', tensor('float32', [3], [1, 2, 3]));
  const size = build.op('Gather', [build.op('Shape', ['x']), build.scalar('int64', 0)]);
  const isThree = build.op('Equal', [size, build.scalar('int64', 3)]);
  const flag = condition === 'fed' ? 'flag' : isThree;
  const nested = branch('Add', 'result', (name, within) => {
    within.node(conditional(flag, 'nested', branch('Mul', 'inner'), branch('Add', 'inner')));
    return within.op('Add', [name, 'nested'], {}, 'sum');
  });
  build.node(conditional(flag, 'first', branch('Mul'), branch('Add')));
  build.node(conditional(flag, 'second', nested, branch('Add')));
  build.op('ReduceSumSquare', [build.op('Add', ['first', 'second'])], { keepdims: 0 }, 'loss');
  const inputs = [valueInfo('x', 'float32', [3])];
  return makeModel(
    build.finish('f', condition === 'fed' ? [...inputs, valueInfo('flag', 'bool', [])] : inputs, [
      valueInfo('loss', 'float32', []),
    ]),
  );
}

describe('an If on a size that is known', () => {
  const model = chosen('from a shape');

  it('gives way to its branch, with the branches inside', () => {
    const inlined = inlineConditionals(model);
    expect(inlined.graph.nodes.some(({ op }) => op === 'If')).toBe(false);
    expect(interpret(inlined, { x: X }).loss?.values[0]).toBe(interpret(model, { x: X }).loss?.values[0]);
    expect(inlineConditionals(inlined)).toBe(inlined);
  });

  it('is differentiated', async () => {
    const gradient = differentiate(model, { of: 'loss', withRespectTo: ['w', 'x'] });
    const errors = compareGradients(model, gradient, ['w', 'x'], { x: X });
    expect(Math.max(...Object.values(errors))).toBeLessThan(1e-7);
    const exact = interpret(gradient, { x: X })['grad.w'];
    const actual = (await runOnnx(gradient, { x: X }, 'node'))['grad.w'];
    expect([...(actual?.values ?? [])].map((value) => value.toFixed(3))).toEqual(
      [...(exact?.values ?? [])].map((value) => value.toFixed(3)),
    );
  });
});

it('an If on a value that is fed is refused, although the parameter enters it from around its branches only', () => {
  const model = chosen('fed');
  expect(inlineConditionals(model)).toBe(model);
  const attempt = () => differentiate(model, { of: 'loss', withRespectTo: ['w'] });
  expect(attempt).toThrow(NotDifferentiableError);
  expect(attempt).toThrow(/If "choice" cannot be differentiated: there is no gradient rule for If/);
});
