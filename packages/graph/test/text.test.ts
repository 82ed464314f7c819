/** The text form of models. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  decodeModel,
  formatModel,
  GraphBuilder,
  type Model,
  makeModel,
  type Node,
  printable,
  tensor,
  toAttributes,
  valueInfo,
} from '../src/index.ts';
import { backendCases, DATA_FOLDER } from './backend-data.ts';

function perceptron(): Model {
  const b = new GraphBuilder(['x', 'y', 'h']);
  const w = b.initializer('fc1.weight', tensor('float32', [300, 4], new Array(1200).fill(0.1)));
  const bias = b.initializer('fc1.bias', tensor('float32', [2], [0.1, -2]));
  b.op('Gemm', ['x', w, bias], { alpha: 0.5, transB: 1 }, 'h');
  b.op('Relu', ['h'], undefined, 'y');
  const graph = b.finish(
    'net',
    [valueInfo('x', 'float32', ['batch', 4])],
    [valueInfo('y', 'float32', ['', 300])],
  );
  return makeModel(
    graph,
    new Map([
      ['author', 'Ada'],
      ['schema', 'x'.repeat(1000)],
    ]),
  );
}

describe('formatModel', () => {
  it('tells what a person wants to know', () => {
    expect(formatModel(perceptron())).toBe(
      [
        'model "net" by assay (IR 10, opset 22)',
        '  metadata "author" = "Ada"',
        '  metadata "schema" (1000 characters)',
        '  1,202 parameters in 2 initializers, 4,808 bytes',
        'inputs',
        '  %x: float32[batch, 4]',
        'outputs',
        '  %y: float32[?, 300]',
        'initializers',
        '  %fc1.weight: float32[300, 4], 4,800 bytes',
        '  %fc1.bias: float32[2], 8 bytes = [0.1, -2]',
        'nodes',
        '  %h = Gemm(%x, %fc1.weight, %fc1.bias) {alpha: 0.5, transB: 1}',
        '  %y = Relu(%h)',
        '',
      ].join('\n'),
    );
  });

  it('leaves the nodes out on request', () => {
    const text = formatModel(perceptron(), { nodes: false });
    expect(text).not.toContain('Gemm');
    expect(text).toContain('fc1.bias');
  });

  it('indents subgraphs', () => {
    const inner: Attribute = {
      kind: 'graph',
      value: {
        name: 'then',
        nodes: [{ op: 'Neg', domain: '', name: '', inputs: ['x'], outputs: ['n'], attributes: {} }],
        inputs: [],
        outputs: [valueInfo('n', 'float32', undefined)],
        initializers: new Map(),
        valueInfo: new Map(),
      },
    };
    const { graph, ...model } = perceptron();
    const choice: Node = {
      op: 'If',
      domain: '',
      name: '',
      inputs: ['c'],
      outputs: ['o'],
      attributes: { then_branch: inner },
    };
    expect(formatModel({ ...model, graph: { ...graph, nodes: [choice] } })).toContain(
      [
        '  %o = If(%c)',
        '    then_branch:',
        '      outputs',
        '        %n: float32[…]',
        '      nodes',
        '        %n = Neg(%x)',
      ].join('\n'),
    );
  });

  it('shows each kind of attribute, and describes long ones', () => {
    const { graph, ...model } = perceptron();
    const attributes: Node['attributes'] = {
      ...toAttributes({
        axis: -1,
        mode: 'linear',
        pads: Array.from({ length: 20 }, (_, i) => i),
        value: tensor('int64', [2], [3, 4]),
      }),
      scale: { kind: 'float', value: Math.fround(0.1) },
      text: { kind: 'string', value: 'y'.repeat(61) },
      names: { kind: 'strings', value: ['a"b'] },
      ref: { kind: 'opaque', value: undefined },
    };
    const node: Node = {
      op: 'Op',
      domain: 'com.example',
      name: '',
      inputs: ['x', ''],
      outputs: ['', 'y'],
      attributes,
    };
    const text = formatModel({ ...model, graph: { ...graph, nodes: [node] } }, { width: 1000 });
    expect(text).toContain(
      '_, %y = com.example.Op(%x, _) {axis: -1, mode: "linear", pads: [0, 1, 2, 3, 4, 5, 6, 7, … 20 in all], ' +
        'value: int64[2] [3, 4], scale: 0.1, text: (61 characters), names: ["a\\"b"], ref: …}',
    );
  });

  it('stays within the width where names allow, and is safe to print whatever the names are', () => {
    const visible = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u;
    const name = fc.string({ unit: 'binary', maxLength: 12 });
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 30 }), name, name, (inputs, op, key) => {
        const { graph, ...model } = perceptron();
        const node: Node = {
          op,
          domain: key,
          name: key,
          inputs,
          outputs: inputs,
          attributes: { [key]: { kind: 'string', value: op } },
        };
        const text = formatModel({
          ...model,
          producerName: op,
          metadata: new Map([[key, op]]),
          graph: { ...graph, name: key, nodes: [node], inputs: [valueInfo(op, 'float32', [key])] },
        });
        for (const line of text.split('\n')) expect(line).toMatch(visible);
      }),
    );
    const wide: Node = {
      op: 'Concat',
      domain: '',
      name: '',
      inputs: Array.from({ length: 60 }, (_, i) => `value${i}`),
      outputs: ['y'],
      attributes: {},
    };
    const { graph, ...model } = perceptron();
    const lines = formatModel({ ...model, graph: { ...graph, nodes: [wide] } }).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.join(' ').match(/%value\d+/g)).toHaveLength(60);
  });

  it.skipIf(DATA_FOLDER === undefined)(
    'names every node and initializer of the backend test models',
    async () => {
      for (const { name, model: bytes } of await backendCases()) {
        const { graph } = decodeModel(bytes);
        const text = formatModel(decodeModel(bytes));
        for (const { op } of graph.nodes) expect(text.includes(`${op}(`), `${name} ${op}`).toBe(true);
      }
    },
  );
});

describe('printable', () => {
  it('keeps letters of all scripts, escapes what is invisible, and cuts what is long', () => {
    expect(printable('Größe 大小 x²')).toBe('Größe 大小 x²');
    expect(printable('a\u0000\u001b[31m\u200b\u202e')).toBe('a\\u{0}\\u{1b}[31m\\u{200b}\\u{202e}');
    expect(printable('x'.repeat(300), 10)).toBe(`${'x'.repeat(9)}…`);
  });
});
