/** Decoding and encoding: nothing is lost, and damaged files give sentences. */
import { isDeepStrictEqual } from 'node:util';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import {
  AttributeProto_AttributeType as AttributeType,
  type GraphProtoSchema,
  ModelProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type ValueInfoProtoSchema,
} from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import {
  DecodeError,
  decodeModel,
  decodeTensor,
  type ElementType,
  elementTypeNumber,
  encodeModel,
  encodeModelWithExternalData,
  encodeTensor,
  freeInputs,
  GraphBuilder,
  GraphError,
  type Model,
  makeModel,
  tensor,
  toNumbers,
  valueInfo,
} from '../src/index.ts';
import { backendCases, DATA_FOLDER } from './backend-data.ts';

const ascii = (text: string) => new TextEncoder().encode(text);

/** What a message says, whatever its spelling: empty fields dropped, tensor data as plain values. */
function content(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(content);
  if (typeof value !== 'object' || value === null) return value;
  const fields: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    if (Array.isArray(field) ? field.length > 0 : field !== '' && field !== 0 && field !== 0n)
      fields[name] = content(field);
  }
  if (isTensorProto(value)) {
    for (const data of ['rawData', 'floatData', 'doubleData', 'int32Data', 'int64Data', 'uint64Data'])
      delete fields[data];
    fields.values = tensorValues(value);
  }
  return fields;
}

function isTensorProto(value: object): value is TensorProto {
  return '$typeName' in value && value.$typeName === 'onnx.TensorProto';
}

/** Elements by the platform's typed arrays, apart from the code under test. */
function tensorValues(proto: TensorProto): ArrayLike<number | bigint> {
  const raw = proto.rawData.slice().buffer;
  const isRaw = raw.byteLength > 0;
  switch (proto.dataType) {
    case 1:
    case 14:
      return isRaw ? new Float32Array(raw) : Float32Array.from(proto.floatData);
    case 11:
    case 15:
      return isRaw ? new Float64Array(raw) : Float64Array.from(proto.doubleData);
    case 7:
      return isRaw ? new BigInt64Array(raw) : BigInt64Array.from(proto.int64Data);
    case 13:
      return isRaw ? new BigUint64Array(raw) : BigUint64Array.from(proto.uint64Data);
    case 12:
      return isRaw ? new Uint32Array(raw) : Uint32Array.from(proto.uint64Data, Number);
    case 6:
      return isRaw ? new Int32Array(raw) : Int32Array.from(proto.int32Data);
    case 4:
    case 5:
    case 10:
    case 16:
      return isRaw ? new Uint16Array(raw) : Uint16Array.from(proto.int32Data);
    default:
      return isRaw ? new Uint8Array(raw) : Uint8Array.from(proto.int32Data);
  }
}

function modelBytes(graph: MessageInitShape<typeof GraphProtoSchema>): Uint8Array {
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 8n, opsetImport: [{ version: 17n }], graph }),
  );
}

function perceptron(): Model {
  const b = new GraphBuilder(['x', 'y']);
  const w = b.initializer('w', tensor('float32', [2, 3], [1, -2, 3, 4.5, 0, 1e-30]));
  const bias = b.initializer('b', tensor('float32', [3], [0.5, 0, -1]));
  const hidden = b.op('Gemm', ['x', w, bias], { alpha: 0.5 });
  b.op('Relu', [hidden], undefined, 'y');
  return makeModel(
    b.finish('net', [valueInfo('x', 'float32', ['batch', 2])], [valueInfo('y', 'float32', ['batch', 3])]),
    new Map([['schema', '{}']]),
  );
}

describe('round trips', () => {
  it.skipIf(DATA_FOLDER === undefined)(
    'decode, encode, decode is the identity on every backend test model',
    async () => {
      const cases = await backendCases();
      expect(cases.length).toBeGreaterThan(1900);
      // Node's own comparison: Vitest's is far too slow for weights of this size.
      const lost: string[] = [];
      for (const { name, model } of cases) {
        const decoded = decodeModel(model);
        const encoded = encodeModel(decoded);
        const sameModel = isDeepStrictEqual(decodeModel(encoded), decoded);
        const sameContent = isDeepStrictEqual(
          content(fromBinary(ModelProtoSchema, encoded)),
          content(fromBinary(ModelProtoSchema, new Uint8Array(model))),
        );
        if (!sameModel || !sameContent) lost.push(name);
      }
      expect(lost).toEqual([]);
    },
  );

  it.skipIf(DATA_FOLDER === undefined)(
    'tensors of the backend tests come back with the same values',
    async () => {
      let seen = 0;
      for (const { name, dataSets } of (await backendCases()).filter((c) => !/seq|opt/.test(c.name))) {
        for (const bytes of dataSets.flatMap((set) => [...set.inputs, ...set.outputs])) {
          const decoded = decodeTensor(bytes);
          const again = decodeTensor(encodeTensor(decoded, decoded.name));
          if (!isDeepStrictEqual(again, decoded)) throw new Error(`a tensor of ${name} came back different`);
          seen++;
        }
      }
      expect(seen).toBeGreaterThan(6000);
    },
  );

  it('keeps what the model types do not hold, in every kind of message', () => {
    const unknown = (text: string) => [
      { no: 4242, wireType: 2, data: Uint8Array.from([text.length, ...ascii(text)]) },
    ];
    const proto = create(ModelProtoSchema, {
      irVersion: 12n,
      opsetImport: [{ version: 24n }, { domain: 'com.example', version: 3n }],
      producerName: 'maker',
      modelVersion: -5n,
      docString: 'a model',
      metadataProps: [
        { key: 'a', value: '1' },
        { key: 'a', value: 'again' },
      ],
      functions: [
        {
          name: 'F',
          domain: 'com.example',
          input: ['x'],
          output: ['y'],
          node: [{ opType: 'Relu', input: ['x'], output: ['y'] }],
        },
      ],
      trainingInfo: [{ updateBinding: [{ key: 'w', value: 'w2' }] }],
      configuration: [{ name: 'two', numDevices: 2, device: ['0', '1'] }],
      graph: {
        name: 'g',
        docString: 'a graph',
        metadataProps: [{ key: 'k', value: 'v' }],
        input: [
          {
            name: 'x',
            docString: 'pixels',
            type: {
              denotation: 'IMAGE',
              value: {
                case: 'tensorType',
                value: {
                  elemType: 1,
                  shape: {
                    dim: [
                      { value: { case: 'dimParam', value: 'N' }, denotation: 'DATA_BATCH' },
                      { value: { case: 'dimValue', value: 3n } },
                      {},
                      { value: { case: 'dimValue', value: -1n } },
                    ],
                  },
                },
              },
            },
          },
          {
            name: 's',
            type: {
              value: {
                case: 'sequenceType',
                value: { elemType: { value: { case: 'tensorType', value: { elemType: 1 } } } },
              },
            },
          },
          { name: 'untyped' },
        ],
        output: [{ name: 'y', metadataProps: [{ key: 'unit', value: 'kg' }] }],
        valueInfo: [{ name: 'h' }, { name: 'h', docString: 'twice' }],
        quantizationAnnotation: [
          { tensorName: 'w', quantParameterTensorNames: [{ key: 'SCALE_TENSOR', value: 'sc' }] },
        ],
        sparseInitializer: [
          {
            dims: [10n],
            values: { name: 'sp', dims: [1n], dataType: 1, floatData: [2] },
            indices: { dims: [1n], dataType: 7, int64Data: [4n] },
          },
        ],
        initializer: [
          {
            name: 'w',
            dataType: 1,
            dims: [2n],
            floatData: [1, 2],
            docString: 'weight',
            metadataProps: [{ key: 'k', value: 'v' }],
          },
          { name: 'text', dataType: 8, dims: [2n], stringData: [ascii('ä'), Uint8Array.of(0xff, 0xfe)] },
        ],
        node: [
          {
            opType: 'If',
            name: 'branch',
            input: ['', 'x'],
            output: ['y', ''],
            overload: 'o',
            docString: 'why',
            metadataProps: [{ key: 'k', value: 'v' }],
            deviceConfigurations: [{ configurationId: 'two', pipelineStage: 1 }],
            attribute: [
              {
                name: 'g',
                type: AttributeType.GRAPH,
                g: { name: 'sub', node: [{ opType: 'Identity', input: ['x'], output: ['z'] }] },
              },
              { name: 'gs', type: AttributeType.GRAPHS, graphs: [{ name: 's1' }, { name: 's2' }] },
              { name: 'f', type: AttributeType.FLOAT, f: 0, docString: 'a float' },
              { name: 'i', type: AttributeType.INT, i: -9223372036854775808n },
              { name: 's', type: AttributeType.STRING, s: ascii('täxt\u0000') },
              { name: 'bytes', type: AttributeType.STRING, s: Uint8Array.of(0xc3, 0x28) },
              {
                name: 't',
                type: AttributeType.TENSOR,
                t: { name: 'named', dims: [], dataType: 1, floatData: [7] },
              },
              { name: 'ts', type: AttributeType.TENSORS, tensors: [{ dims: [0n], dataType: 1 }] },
              { name: 'fs', type: AttributeType.FLOATS, floats: [1.5, Number.POSITIVE_INFINITY] },
              { name: 'is', type: AttributeType.INTS, ints: [1n, 9223372036854775807n] },
              { name: 'ss', type: AttributeType.STRINGS, strings: [ascii('a'), ascii('')] },
              { name: 'ref', type: AttributeType.INT, refAttrName: 'outer' },
              {
                name: 'tp',
                type: AttributeType.TYPE_PROTO,
                tp: { value: { case: 'tensorType', value: { elemType: 7 } } },
              },
              { name: '__proto__', type: AttributeType.INT, i: 1n },
              { name: '0', type: AttributeType.INT, i: 2n },
            ],
          },
        ],
      },
    });
    proto.$unknown = unknown('model');
    const graph = proto.graph;
    for (const part of [
      graph,
      graph?.node[0],
      graph?.node[0]?.attribute[2],
      graph?.initializer[0],
      graph?.input[0]?.type,
    ]) {
      if (part !== undefined) part.$unknown = unknown('part');
    }
    const bytes = toBinary(ModelProtoSchema, proto);
    const decoded = decodeModel(bytes);
    const encoded = encodeModel(decoded);
    expect(decodeModel(encoded)).toStrictEqual(decoded);

    const withSortedAttributes = (raw: Uint8Array) => {
      const parsed = fromBinary(ModelProtoSchema, raw);
      parsed.graph?.node[0]?.attribute.sort((a, b) => (a.name < b.name ? -1 : 1));
      return content(parsed);
    };
    expect(withSortedAttributes(encoded)).toEqual(withSortedAttributes(bytes));
  });

  it('gives attributes of each kind the value that was written', () => {
    const model = decodeModel(encodeModel(perceptron()));
    expect(model.graph.nodes[0]?.attributes.alpha).toEqual({ kind: 'float', value: 0.5 });
    expect([...model.metadata]).toEqual([['schema', '{}']]);
    expect(model.graph.inputs[0]).toEqual(valueInfo('x', 'float32', ['batch', 2]));
    expect(model).toStrictEqual(decodeModel(encodeModel(model)));
  });

  it('reads and writes IR 3 models, whose initializers are listed among the inputs', () => {
    const value = (name: string): MessageInitShape<typeof ValueInfoProtoSchema> => ({
      name,
      type: { value: { case: 'tensorType', value: { elemType: 1, shape: { dim: [] } } } },
    });
    const bytes = modelBytes({
      input: [value('x'), value('w')],
      output: [value('y')],
      initializer: [{ name: 'w', dataType: 1, floatData: [3] }],
      node: [{ opType: 'Mul', input: ['x', 'w'], output: ['y'] }],
    });
    const { graph } = decodeModel(bytes);
    expect(freeInputs(graph).map((input) => input.name)).toEqual(['x']);
    expect(decodeModel(encodeModel(decodeModel(bytes))).graph).toStrictEqual(graph);
  });
});

describe('tensor data', () => {
  const typed: readonly [ElementType, MessageInitShape<typeof TensorProtoSchema>, readonly number[]][] = [
    ['float32', { floatData: [1.5, -2] }, [1.5, -2]],
    ['float64', { doubleData: [0.1, -2] }, [0.1, -2]],
    ['int64', { int64Data: [-1n, 9007199254740991n] }, [-1, 9007199254740991]],
    ['uint64', { uint64Data: [1n, 9007199254740991n] }, [1, 9007199254740991]],
    ['uint32', { uint64Data: [7n, 4294967295n] }, [7, 4294967295]],
    ['int32', { int32Data: [-2147483648, 5] }, [-2147483648, 5]],
    ['int16', { int32Data: [-32768, 5] }, [-32768, 5]],
    ['uint16', { int32Data: [65535, 5] }, [65535, 5]],
    ['int8', { int32Data: [-128, 5] }, [-128, 5]],
    ['uint8', { int32Data: [255, 5] }, [255, 5]],
    ['bool', { int32Data: [1, 0] }, [1, 0]],
    ['float16', { int32Data: [0x3e00, 0xc000] }, [1.5, -2]],
    ['bfloat16', { int32Data: [0x3fc0, 0xc000] }, [1.5, -2]],
  ];
  it.each(typed)('reads %s from the typed field that the specification gives it', (type, fields, values) => {
    const proto = create(TensorProtoSchema, { dataType: elementTypeNumber(type), dims: [2n], ...fields });
    const read = decodeTensor(toBinary(TensorProtoSchema, proto));
    expect([...toNumbers(read)]).toEqual(values);
    // The raw form holds the same bytes.
    expect(decodeTensor(encodeTensor(tensor(type, [2], values))).data).toEqual(read.data);
  });

  it('reads packed types: two 4-bit or four 2-bit elements to a byte', () => {
    const proto = (dataType: number, dims: bigint[], int32Data: number[]) =>
      decodeTensor(toBinary(TensorProtoSchema, create(TensorProtoSchema, { dataType, dims, int32Data })));
    expect(proto(21, [3n], [0x21, 0x03]).data).toEqual(Uint8Array.of(0x21, 0x03));
    expect(proto(22, [3n], [-1, 3]).data).toEqual(Uint8Array.of(0xff, 0x03));
    expect(proto(25, [5n], [0xe4, 0x01]).data).toEqual(Uint8Array.of(0xe4, 0x01));
    expect(proto(17, [2n], [0x38, 0xb8]).data).toEqual(Uint8Array.of(0x38, 0xb8));
    expect(() => proto(21, [3n], [0x21])).toThrow(DecodeError);
  });

  it('shares the memory of the file instead of copying weights', () => {
    const bytes = encodeModel(perceptron());
    const data = decodeModel(bytes).graph.initializers.get('w')?.data;
    expect(data instanceof Uint8Array && data.buffer === bytes.buffer).toBe(true);
  });

  it('keeps empty tensors, scalars and strings', () => {
    for (const value of [tensor('float32', [0, 5], []), tensor('int8', [], [3])]) {
      expect(decodeTensor(encodeTensor(value, 'n'))).toStrictEqual({ name: 'n', ...value });
    }
    const strings = { elementType: 'string', dims: [2], data: ['\u{1f600}', ''] } as const;
    expect(decodeTensor(encodeTensor(strings))).toStrictEqual({ name: '', ...strings });
  });

  it('rewrites strings that were changed after decoding bytes that are no text', () => {
    const proto = create(TensorProtoSchema, { dataType: 8, dims: [1n], stringData: [Uint8Array.of(0xff)] });
    const { name: _, ...read } = decodeTensor(toBinary(TensorProtoSchema, proto));
    expect(decodeTensor(encodeTensor({ ...read, data: ['new'] })).data).toEqual(['new']);
  });
});

describe('external data', () => {
  const read =
    (files: ReadonlyMap<string, Uint8Array>) =>
    (location: string, offset: number, length: number | undefined) => {
      const file = files.get(location) ?? new Uint8Array();
      return file.subarray(offset, length === undefined ? undefined : offset + length);
    };

  it('writes large weights to a second file and reads them back', () => {
    const model = perceptron();
    const { bytes, external } = encodeModelWithExternalData(model, {
      location: 'weights/net.data',
      over: 16,
    });
    expect([...external.keys()]).toEqual(['weights/net.data']);
    expect(external.get('weights/net.data')?.length).toBe(24);
    expect(decodeModel(bytes, { external: read(external) })).toEqual(model);
    expect(() => decodeModel(bytes)).toThrow(/"w" is kept in another file, "weights\/net\.data"/);
  });

  it('starts tensors on page boundaries, and needs no second file for a small model', () => {
    const { bytes, external } = encodeModelWithExternalData(perceptron(), { location: 'd', over: 1 });
    expect(decodeModel(bytes, { external: read(external) })).toEqual(perceptron());
    expect(external.get('d')?.length).toBe(4096 + 12);
    expect(encodeModelWithExternalData(perceptron(), { location: 'd' }).external.size).toBe(0);
  });

  const withEntries = (entries: Record<string, string>) =>
    modelBytes({
      initializer: [
        {
          name: 'w',
          dataType: 1,
          dims: [2n],
          dataLocation: TensorProto_DataLocation.EXTERNAL,
          externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
        },
      ],
    });

  it.each(['/etc/passwd', '../w', 'a/../../w', 'C:\\w', 'a\\..\\w', '', 'dir/', 'a\0b', '..'])(
    'refuses the location %j',
    (location) => {
      let asked = false;
      const external = () => {
        asked = true;
        return new Uint8Array(8);
      };
      expect(() => decodeModel(withEntries({ location }), { external })).toThrow(DecodeError);
      expect(asked).toBe(false);
      expect(() => encodeModelWithExternalData(perceptron(), { location })).toThrow(GraphError);
    },
  );

  it.each([
    { offset: '-1' },
    { offset: '1e9' },
    { offset: '99999999999999999' },
    { length: '7' },
    { length: 'x' },
  ])('refuses the range %j', (range) => {
    expect(() =>
      decodeModel(withEntries({ location: 'w', ...range }), { external: () => new Uint8Array(8) }),
    ).toThrow(DecodeError);
  });

  it('refuses a file that is too short', () => {
    expect(() => decodeModel(withEntries({ location: 'w' }), { external: () => new Uint8Array(4) })).toThrow(
      /cut off/,
    );
  });
});

describe('bad files', () => {
  it.each([
    ['empty', new Uint8Array()],
    ['text', ascii('import torch\n')],
    ['ZIP', Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0)],
    ['pickle', Uint8Array.of(0x80, 2, 0x7d)],
    ['HDF5', Uint8Array.of(0x89, 0x48, 0x44, 0x46)],
    ['a message without a graph', toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n }))],
  ])('says that %s is no ONNX model', (_, bytes) => {
    expect(() => decodeModel(bytes)).toThrow(DecodeError);
    expect(() => decodeModel(bytes)).toThrow(/\.$/);
  });

  it('checks declared dimensions against the data before it allocates', () => {
    const huge = (dims: bigint[]) =>
      modelBytes({ initializer: [{ name: 'w', dataType: 1, dims, rawData: new Uint8Array(8) }] });
    expect(() => decodeModel(huge([1000000n, 1000000n]))).toThrow(/"w" has shape \[1000000, 1000000\]/);
    expect(() => decodeModel(huge([1n << 62n]))).toThrow(DecodeError);
    expect(() => decodeModel(huge(Array.from({ length: 40 }, () => 1n << 30n)))).toThrow(DecodeError);
    expect(() => decodeModel(huge([-2n]))).toThrow(/negative dimension/);
    expect(() => decodeModel(huge([2n]))).not.toThrow();
  });

  it('refuses contradictions', () => {
    const w = { name: 'w', dataType: 1, dims: [1n], floatData: [1] };
    expect(() => decodeModel(modelBytes({ initializer: [w, w] }))).toThrow(/two initializers named "w"/);
    expect(() => decodeModel(modelBytes({ initializer: [{ ...w, rawData: new Uint8Array(4) }] }))).toThrow(
      /twice/,
    );
    expect(() => decodeModel(modelBytes({ initializer: [{ ...w, dataType: 99 }] }))).toThrow(
      /element type 99/,
    );
    expect(() => decodeModel(modelBytes({ initializer: [{ ...w, name: '' }] }))).toThrow(/without a name/);
    const attribute = [
      { name: 'a', type: AttributeType.INT, i: 1n },
      { name: 'a', type: AttributeType.INT, i: 2n },
    ];
    expect(() => decodeModel(modelBytes({ node: [{ opType: 'Relu', output: ['y'], attribute }] }))).toThrow(
      /"a" twice/,
    );
  });

  it('bounds how deep subgraphs nest', () => {
    const nested = (depth: number): MessageInitShape<typeof GraphProtoSchema> =>
      depth === 0
        ? { name: 'leaf' }
        : {
            node: [
              {
                opType: 'If',
                attribute: [{ name: 'then_branch', type: AttributeType.GRAPH, g: nested(depth - 1) }],
              },
            ],
          };
    expect(() => decodeModel(modelBytes(nested(30)))).not.toThrow();
    expect(() => decodeModel(modelBytes(nested(40)))).toThrow(/nests subgraphs/);
    // Deeper than any call stack: length prefixes wrapped around each other thousands of times.
    let bytes = modelBytes(nested(0)).slice(-8);
    for (let i = 0; i < 20000 && bytes.length < 0xffff; i++) {
      bytes = Uint8Array.from([0x3a, 0xff, 0xff, 0x03, ...bytes.subarray(0, 16)]);
    }
    expect(() => decodeModel(bytes)).toThrow(DecodeError);
  });

  it('gives a DecodeError for every truncation that loses something', () => {
    const whole = encodeModel(perceptron());
    for (let length = 0; length < whole.length; length++) {
      try {
        // What is cut between two top-level fields is still a message; it must then lack whole fields only.
        const model = decodeModel(whole.slice(0, length));
        expect(model.graph).toStrictEqual(decodeModel(whole).graph);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }
  });

  it('gives a DecodeError or a model that can be written, whatever bytes are changed', () => {
    const whole = encodeModel(perceptron());
    const edit = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), fc.nat(whole.length), (edits, cut) => {
        const bytes = whole.slice();
        for (const { at, to } of edits) bytes[at] = to;
        for (const candidate of [bytes, bytes.slice(0, cut)]) {
          let model: Model;
          try {
            model = decodeModel(candidate, {
              external: (_location, _offset, length) => new Uint8Array(Math.min(length ?? 8, 64)),
            });
          } catch (error) {
            if (!(error instanceof DecodeError)) throw error;
            continue;
          }
          expect(decodeModel(encodeModel(model))).toStrictEqual(model);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('survives arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decodeModel(bytes);
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });
});
