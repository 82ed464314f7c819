/** What the check finds, and that it finds nothing where nothing is wrong. */
import { create, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  assertUsable,
  checkModel,
  decodeModel,
  encodeModel,
  type Graph,
  GraphError,
  int64s,
  type Model,
  makeModel,
  makeNode,
  NEWEST_IR_VERSION,
  NEWEST_OPSET,
  type Node,
  OLDEST_OPSET,
  tensor,
  valueInfo,
} from '../src/index.ts';
import { backendCases, DATA_FOLDER } from './backend-data.ts';

const relu = makeNode('Relu', ['x'], ['y']);

function model(nodes: readonly Node[], changes: Partial<Graph> = {}): Model {
  return makeModel({
    name: 'g',
    nodes,
    inputs: [valueInfo('x', 'float32', [2])],
    outputs: [valueInfo('y', 'float32', [2])],
    initializers: new Map(),
    valueInfo: new Map(),
    ...changes,
  });
}

function branch(nodes: readonly Node[], output: string): Attribute {
  const value: Graph = {
    name: 'branch',
    nodes,
    inputs: [],
    outputs: [valueInfo(output, 'float32', undefined)],
    initializers: new Map(),
    valueInfo: new Map(),
  };
  return { kind: 'graph', value };
}

const errors = (of: Model) => checkModel(of).filter(({ severity }) => severity === 'error');

describe('a sound model', () => {
  it('has no problems', () => {
    expect(checkModel(model([relu]))).toEqual([]);
    expect(() => assertUsable(model([relu]))).not.toThrow();
  });

  it.skipIf(DATA_FOLDER === undefined)(
    'finds only versions to complain about in the backend tests',
    async () => {
      const found = new Set<string>();
      for (const { name, model: bytes } of await backendCases()) {
        for (const { message } of errors(decodeModel(bytes)))
          if (!/^Operator set \d+ is/.test(message)) found.add(`${name}: ${message}`);
      }
      expect([...found]).toEqual([]);
    },
  );

  it('lets subgraphs use the values around them', () => {
    const inner = (output: string) => branch([makeNode('Add', ['x', 'h'], [output])], output);
    const choice: Node = {
      ...makeNode('Identity', ['c'], ['y']),
      op: 'If',
      attributes: { then_branch: inner('a'), else_branch: inner('b') },
    };
    const initializers = new Map([['c', tensor('bool', [], [1])]]);
    expect(checkModel(model([makeNode('Relu', ['x'], ['h']), choice], { initializers }))).toEqual([]);
    // A value that is only computed after the node with the subgraph is not there yet.
    expect(errors(model([choice, makeNode('Relu', ['x'], ['h'])], { initializers }))).toHaveLength(2);
  });

  it('takes initializers that are listed as inputs, and sparse ones', () => {
    const bytes = toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, {
        irVersion: 8n,
        opsetImport: [{ version: 17n }],
        graph: {
          input: [{ name: 'x' }, { name: 'w' }],
          output: [{ name: 'y' }],
          node: [{ opType: 'Sum', input: ['x', 'w', 's'], output: ['y'] }],
          initializer: [{ name: 'w', dataType: 1, floatData: [1] }],
          sparseInitializer: [
            {
              dims: [4n],
              values: { name: 's', dataType: 1, dims: [1n], floatData: [1] },
              indices: { dataType: 7, dims: [1n], int64Data: [2n] },
            },
          ],
        },
      }),
    );
    expect(checkModel(decodeModel(bytes))).toEqual([]);
  });

  it('takes operators that the file itself defines, and only notes those of other domains', () => {
    const custom: Node = { ...relu, op: 'Fancy', domain: 'com.example' };
    const imported = {
      ...model([custom]),
      opsets: new Map([
        ['', 21],
        ['com.example', 1],
      ]),
    };
    expect(checkModel(imported)).toEqual([
      { severity: 'note', where: 'the model', message: expect.stringContaining('"com.example"') },
    ]);
    const functions = [{ name: 'Fancy', domain: 'com.example', input: ['x'], output: ['y'] }];
    expect(checkModel({ ...imported, rest: create(ModelProtoSchema, { functions }) })).toEqual([]);
    expect(errors({ ...imported, opsets: new Map([['', 21]]) })).toHaveLength(1);
  });
});

describe('a broken model', () => {
  const attribute = (op: string, attributes: Node['attributes']) => model([{ ...relu, op, attributes }]);
  it.each<[string, Model, RegExp]>([
    ['an input from nowhere', model([makeNode('Add', ['x', 'ghost'], ['y'])]), /"ghost" is given by nothing/],
    [
      'nodes out of order',
      model([makeNode('Relu', ['h'], ['y']), makeNode('Relu', ['x'], ['h'])]),
      /topological order/,
    ],
    ['a node that feeds itself', model([makeNode('Add', ['x', 'y'], ['y'])]), /topological order/],
    ['a value given twice', model([relu, makeNode('Abs', ['x'], ['y'])]), /given twice/],
    ['a node that overwrites an input', model([makeNode('Abs', ['x'], ['x']), relu]), /given twice/],
    [
      'an output that nothing computes',
      model([makeNode('Relu', ['x'], ['z'])]),
      /Nothing in the graph computes it/,
    ],
    ['no outputs', model([relu], { outputs: [] }), /no outputs/],
    [
      'two inputs of one name',
      model([relu], { inputs: [valueInfo('x', 'float32', []), valueInfo('x', 'int64', [])] }),
      /Two inputs/,
    ],
    ['an unknown operator', model([{ ...relu, op: 'Rellu' }]), /no operator "Rellu"/],
    [
      'an attribute of the wrong kind',
      attribute('Softmax', { axis: { kind: 'float', value: 1 } }),
      /"axis" must be of kind int, not float/,
    ],
    ['a missing attribute', attribute('Cast', {}), /lacks the attribute "to"/],
    [
      'an initializer with too few bytes',
      model([relu], { initializers: new Map([['w', { ...int64s([1, 2]), dims: [3] }]]) }),
      /24 bytes, but it holds 16/,
    ],
    [
      'an initializer of negative size',
      model([relu], { initializers: new Map([['w', { ...int64s([]), dims: [-1] }]]) }),
      /dimensions/,
    ],
    [
      'a string tensor of bytes',
      model([relu], {
        initializers: new Map([['w', { elementType: 'string', dims: [1], data: new Uint8Array(1) }]]),
      }),
      /strings/,
    ],
    ['an operator set too old', { ...model([relu]), opsets: new Map([['', OLDEST_OPSET - 1]]) }, /too old/],
    [
      'an operator set too new',
      { ...model([relu]), opsets: new Map([['', NEWEST_OPSET + 1]]) },
      /newer than/,
    ],
    ['no operator set', { ...model([relu]), opsets: new Map() }, /does not say which version/],
    ['a format too new', { ...model([relu]), irVersion: NEWEST_IR_VERSION + 1 }, /Format version/],
  ])('%s', (_, broken, message) => {
    expect(
      errors(broken)
        .map((problem) => problem.message)
        .join('\n'),
    ).toMatch(message);
    expect(() => assertUsable(broken)).toThrow(GraphError);
    expect(() => assertUsable(broken)).toThrow(message);
  });

  it('is described without its control characters', () => {
    const [problem] = errors(model([{ ...relu, name: 'a\u001b[2J\n', inputs: ['b\u202e'] }]));
    expect(problem?.where).toBe('node Relu "a\\u{1b}[2J\\u{a}"');
    expect(problem?.message).toContain('"b\\u{202e}"');
  });

  it('has its errors listed up to ten', () => {
    const nodes = Array.from({ length: 15 }, (_, i) => makeNode('Relu', ['ghost'], [`y${i}`]));
    expect(() => assertUsable(model(nodes, { outputs: [valueInfo('y0', 'float32', [])] }))).toThrow(
      /and 5 more/,
    );
  });
});

describe('the limits on versions', () => {
  it('are those of the runtime', async () => {
    const load = (changes: Partial<Model>) =>
      InferenceSession.create(encodeModel({ ...model([relu]), ...changes }), { logSeverityLevel: 4 }).then(
        (session) => session.release(),
      );
    await load({ opsets: new Map([['', OLDEST_OPSET]]) });
    await load({ opsets: new Map([['', NEWEST_OPSET]]), irVersion: NEWEST_IR_VERSION });
    await expect(load({ opsets: new Map([['', NEWEST_OPSET + 1]]) })).rejects.toThrow();
    await expect(load({ irVersion: NEWEST_IR_VERSION + 1 })).rejects.toThrow();
  });
});
