import {
  encodeModel,
  GraphBuilder,
  int64s,
  makeModel,
  scalar,
  type Tensor,
  tensor,
  toNumbers,
  valueInfo,
} from '@assay/graph';
import { afterAll, describe, expect, it } from 'vitest';
import { EngineError, openSession, type Session, startWorker } from '../src/index.ts';
import { accumulator, linear, matrixPower, RUNTIMES, zeros } from './support/models.ts';
import { regression } from './support/regression.ts';

const WEIGHT = tensor('float32', [2, 3], [1, 2, 3, -1, 0, 1]);
const BIAS = tensor('float32', [2], [10, 20]);

function numbers(value: Tensor | undefined): number[] {
  return value === undefined ? [] : [...toNumbers(value)];
}

async function failureOf(promise: Promise<unknown>): Promise<EngineError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof EngineError)) throw new Error(`expected an EngineError, got ${String(error)}`);
  return error;
}

describe.each(RUNTIMES)('a session on the %s runtime', (runtime) => {
  const opened: Session[] = [];
  const open = async (...[model, options]: Parameters<typeof openSession>): Promise<Session> => {
    const session = await openSession(model, { runtime, ...options });
    opened.push(session);
    return session;
  };
  afterAll(() => Promise.all(opened.map((session) => session.close())));

  it('runs a model value and the bytes of a file alike', async () => {
    const model = linear(WEIGHT, BIAS);
    for (const form of [model, encodeModel(model)]) {
      const session = await open(form);
      const { y } = await session.run({ x: tensor('float32', [2, 3], [1, 1, 1, 0, 0, 2]) });
      expect(y?.dims).toEqual([2, 2]);
      expect(numbers(y)).toEqual([16, 20, 16, 22]);
    }
  });

  it('says which provider runs and what goes in and out', async () => {
    const session = await open(linear(WEIGHT, BIAS));
    expect(session.runtime).toBe(runtime);
    expect(session.provider).toBe(runtime === 'node' ? 'cpu' : 'wasm');
    expect(session.inputs).toEqual([{ name: 'x', elementType: 'float32', shape: ['batch', 3] }]);
    expect(session.outputs).toEqual([{ name: 'y', elementType: 'float32', shape: ['batch', 2] }]);
  });

  it('takes views into larger buffers, aligned or not, without touching them', async () => {
    const session = await open(linear(WEIGHT, BIAS));
    for (const offset of [0, 4, 7]) {
      const buffer = new Uint8Array(64);
      buffer.set(new Uint8Array(Float32Array.of(1, 2, 3).buffer), offset);
      const before = [...buffer];
      const { y } = await session.run({
        x: { elementType: 'float32', dims: [1, 3], data: buffer.subarray(offset, offset + 12) },
      });
      expect(numbers(y)).toEqual([24, 22]);
      expect([...buffer]).toEqual(before);
    }
  });

  it('passes every element type through unchanged', async () => {
    const types = [
      'float32',
      'float64',
      'float16',
      'int8',
      'uint8',
      'int16',
      'uint16',
      'int32',
      'uint32',
      'int64',
      'uint64',
      'bool',
    ] as const;
    const builder = new GraphBuilder();
    const shape = ['n'];
    for (const type of types) builder.op('Identity', [`in.${type}`], {}, `out.${type}`);
    const session = await open(
      makeModel(
        builder.finish(
          'g',
          types.map((t) => valueInfo(`in.${t}`, t, shape)),
          types.map((t) => valueInfo(`out.${t}`, t, shape)),
        ),
      ),
    );
    const feeds = Object.fromEntries(types.map((type) => [`in.${type}`, tensor(type, [3], [0, 1, 1])]));
    const outputs = await session.run(feeds);
    for (const type of types)
      expect(outputs[`out.${type}`]).toMatchObject({
        elementType: type,
        dims: [3],
        data: feeds[`in.${type}`]?.data,
      });
  });

  it('passes strings and empty batches', async () => {
    const builder = new GraphBuilder();
    builder.op('Identity', ['s'], {}, 't');
    const session = await open(
      makeModel(builder.finish('g', [valueInfo('s', 'string', ['n'])], [valueInfo('t', 'string', ['n'])])),
    );
    const { t } = await session.run({ s: { elementType: 'string', dims: [2], data: ['a', 'ä€'] } });
    expect(t?.data).toEqual(['a', 'ä€']);
    const empty = await (await open(linear(WEIGHT, BIAS))).run({ x: tensor('float32', [0, 3], []) });
    expect(empty.y?.dims).toEqual([0, 2]);
  });

  it('gives the outputs asked for only', async () => {
    const session = await open(accumulator());
    const feeds = { x: tensor('float32', [2], [1, 2]), total: zeros([2]), count: scalar('int64', 0) };
    expect(Object.keys(await session.run(feeds, ['sum']))).toEqual(['sum']);
    expect(Object.keys(await session.run(feeds)).sort()).toEqual(['count.next', 'sum', 'total.next']);
  });

  it('carries outputs into the next run and reads them back as copies', async () => {
    const session = await open(accumulator());
    await session.hold(
      { total: zeros([2]), count: scalar('int64', 0) },
      { 'total.next': 'total', 'count.next': 'count' },
    );
    const first = await session.run({ x: tensor('float32', [2], [1, 2]) });
    expect(Object.keys(first)).toEqual(['sum']);
    expect(numbers(first.sum)).toEqual([3]);
    const early = await session.held();
    const results = await session.runMany(
      [1, 2, 3].map((value) => ({ x: tensor('float32', [2], [value, 0]) })),
    );
    expect(results.map(({ sum }) => numbers(sum))).toEqual([[4], [6], [9]]);
    const { total, count } = await session.held(['total', 'count']);
    expect(numbers(total)).toEqual([7, 2]);
    expect(numbers(count)).toEqual([4]);
    expect(numbers(early.total)).toEqual([1, 2]);
    // A carried output can still be asked for; it stays held as well.
    expect(numbers((await session.run({ x: zeros([2]) }, ['total.next']))['total.next'])).toEqual([7, 2]);
    expect(numbers((await session.held(['total'])).total)).toEqual([7, 2]);
  });

  it('lets a fed tensor replace a held one for one run', async () => {
    const session = await open(linear(WEIGHT, BIAS));
    await session.hold({ x: tensor('float32', [1, 3], [1, 1, 1]) });
    expect(numbers((await session.run()).y)).toEqual([16, 20]);
    expect(numbers((await session.run({ x: zeros([1, 3]) })).y)).toEqual([10, 20]);
    expect(numbers((await session.run()).y)).toEqual([16, 20]);
  });

  it('keeps what is held when a run fails', async () => {
    const builder = new GraphBuilder();
    builder.op('Add', ['total', builder.op('Gather', ['table', 'index'], { axis: 0 })], {}, 'next');
    const session = await open(
      makeModel(
        builder.finish(
          'g',
          [
            valueInfo('table', 'float32', [2]),
            valueInfo('index', 'int64', [1]),
            valueInfo('total', 'float32', [1]),
          ],
          [valueInfo('next', 'float32', [1])],
        ),
      ),
    );
    await session.hold({ table: tensor('float32', [2], [5, 7]), total: zeros([1]) }, { next: 'total' });
    await session.run({ index: int64s([1]) });
    const error = await failureOf(session.runMany([{ index: int64s([0]) }, { index: int64s([987_654]) }]));
    expect(error.kind).toBe('run');
    expect(error.op).toBe('Gather');
    expect(error.message).toContain('index int64[1]');
    expect(error.message).not.toContain('987654');
    expect(numbers((await session.held(['total'])).total)).toEqual([12]);
  });

  it.each<[string, Record<string, Tensor>, RegExp]>([
    ['a missing input', {}, /"x" is neither fed nor held/],
    ['an unknown input', { z: zeros([1, 3]) }, /no input "z"; it has "x"/],
    ['a wrong element type', { x: int64s([1, 2, 3]) }, /takes float32, not int64/],
    ['a wrong width', { x: zeros([1, 4]) }, /takes shape \[batch, 3\], not \[1, 4\]/],
    ['a wrong rank', { x: zeros([3]) }, /takes shape \[batch, 3\], not \[3\]/],
    [
      'too little data',
      { x: { elementType: 'float32', dims: [1000, 3], data: new Uint8Array(4) } },
      /data of another size/,
    ],
  ])('refuses %s before anything runs', async (_, feeds, message) => {
    const session = await open(linear(WEIGHT, BIAS));
    const error = await failureOf(session.run(feeds));
    expect(error.kind).toBe('argument');
    expect(error.message).toMatch(message);
  });

  it('refuses inputs that disagree about a dimension', async () => {
    const session = await open(regression());
    const error = await failureOf(session.run({ x: zeros([2, 3]), y: zeros([1, 1]) }));
    expect(error.kind).toBe('argument');
    expect(error.message).toBe('The dimension "batch" is 2 in input "x" and 1 in input "y".');
  });

  it('says without quoting it that an index is outside, for every way to gather', async () => {
    for (const op of ['Gather', 'GatherElements', 'GatherND'] as const) {
      const builder = new GraphBuilder();
      builder.op(op, ['table', 'index'], {}, 'y');
      const shape = op === 'GatherND' ? [1, 1] : [1];
      const inputs = [valueInfo('table', 'float32', [2]), valueInfo('index', 'int64', shape)];
      const session = await open(makeModel(builder.finish('g', inputs, [valueInfo('y', 'float32', [1])])));
      const error = await failureOf(
        session.run({ table: zeros([2]), index: tensor('int64', shape, [987_654]) }),
      );
      expect(error.message).toMatch(/an index lies outside the axis that it indexes/);
      expect(error.message).not.toContain('987654');
    }
  });

  it('refuses unknown outputs, held names and carries', async () => {
    const session = await open(accumulator());
    const feeds = { x: zeros([2]), total: zeros([2]), count: scalar('int64', 0) };
    expect((await failureOf(session.run(feeds, ['nothing']))).message).toMatch(
      /no output "nothing"; it has "total.next"/,
    );
    expect((await failureOf(session.held(['x']))).message).toMatch(/holds no tensor named "x"/);
    expect((await failureOf(session.hold({}, { sum: 'count' }))).message).toMatch(
      /"sum" is float32 .* "count", which is int64/,
    );
  });

  it('says which shapes were fed when they do not fit each other', async () => {
    const builder = new GraphBuilder();
    builder.op('MatMul', ['a', 'b'], {}, 'c');
    const session = await open(
      makeModel(
        builder.finish(
          'g',
          [valueInfo('a', 'float32', ['n', 'k']), valueInfo('b', 'float32', ['l', 'm'])],
          [valueInfo('c', 'float32', ['n', 'm'])],
        ),
      ),
    );
    const error = await failureOf(session.run({ a: zeros([2, 3]), b: zeros([4, 5]) }));
    expect(error).toMatchObject({ kind: 'run', op: 'MatMul' });
    expect(error.message).toMatch(/a float32\[2, 3\], b float32\[4, 5\]/);
  });

  it('refuses bytes that are no model, and ops that the runtime does not have', async () => {
    expect((await failureOf(open(new Uint8Array([1, 2, 3])))).message).toBe(
      'The bytes are no readable ONNX model.',
    );
    const model = linear(WEIGHT, BIAS);
    const node = model.graph.nodes[0];
    if (node === undefined) throw new Error('no node');
    const error = await failureOf(
      open({ ...model, graph: { ...model.graph, nodes: [{ ...node, op: 'NoSuchOp' }] } }),
    );
    expect(error.kind).toBe('model');
    expect(error.message).toContain('NoSuchOp');
    expect(error.message).not.toContain('onnxruntime/core');
  });

  it('tries providers in order and records why one did not start', async () => {
    const missing = runtime === 'node' ? 'cuda' : 'webnn';
    const working = runtime === 'node' ? 'cpu' : 'wasm';
    const session = await open(linear(WEIGHT, BIAS), { providers: [missing, working] });
    expect(session.provider).toBe(working);
    expect(session.failedProviders.map(({ provider }) => provider)).toEqual([missing]);
    expect(session.failedProviders[0]?.reason).toMatch(/\w+/);
    expect(numbers((await session.run({ x: zeros([1, 3]) })).y)).toEqual([10, 20]);
    const none = await failureOf(open(linear(WEIGHT, BIAS), { providers: [missing] }));
    expect(none.kind).toBe('provider');
    expect(none.message).toContain(missing);
  });

  it('names the known providers when one is unknown', async () => {
    const error = await failureOf(open(linear(WEIGHT, BIAS), { providers: ['abacus', 'cpu'] }));
    expect(error.kind).toBe('provider');
    expect(error.message).toMatch(/"abacus" is no execution provider.*cpu/);
  });

  it('leaves the event loop free during a long run', async () => {
    const session = await open(matrixPower(256, runtime === 'node' ? 100 : 30));
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 2);
    await session.run({ x: zeros([256, 256]) });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });

  it('stops between steps when told to', async () => {
    const session = await open(matrixPower(128, 20));
    const controller = new AbortController();
    const all = session.runMany(
      Array.from({ length: 2000 }, () => ({ x: zeros([128, 128]) })),
      { outputs: [], signal: controller.signal },
    );
    setTimeout(() => controller.abort(), 100);
    const results = await all;
    expect(results.length).toBeGreaterThan(0);
    expect(results.length).toBeLessThan(2000);
    expect(
      await failureOfAny(session.runMany([{ x: zeros([128, 128]) }], { signal: AbortSignal.abort() })),
    ).toBe('AbortError');
  });

  it('answers calls in order, and none after closing', async () => {
    const session = await open(linear(WEIGHT, BIAS));
    const order: number[] = [];
    const calls = [1, 2, 3].map((call) => session.run({ x: zeros([1, 3]) }).then(() => order.push(call)));
    const closing = session.close();
    await Promise.all(calls);
    expect(order).toEqual([1, 2, 3]);
    await closing;
    await session.close();
    expect((await failureOf(session.run({ x: zeros([1, 3]) }))).kind).toBe('closed');
  });

  it('runs on a worker of its own, which ends with its sessions', async () => {
    const worker = await startWorker({ runtime });
    expect(worker.runtime).toBe(runtime);
    const session = await openSession(linear(WEIGHT, BIAS), { worker });
    expect(numbers((await session.run({ x: zeros([1, 3]) })).y)).toEqual([10, 20]);
    await worker.close();
    expect(worker.alive).toBe(false);
    expect((await failureOf(session.run({ x: zeros([1, 3]) }))).kind).toBe('closed');
    await session.close();
  });
});

async function failureOfAny(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'nothing',
    (error: unknown) => (error instanceof Error ? error.name : 'something'),
  );
}

describe('opening', () => {
  it('takes the native runtime where it is installed', async () => {
    await using session = await openSession(linear(WEIGHT, BIAS));
    expect(session.runtime).toBe('node');
  });

  it('is given up when its signal is aborted', async () => {
    expect(await failureOfAny(openSession(linear(WEIGHT, BIAS), { signal: AbortSignal.abort() }))).toBe(
      'AbortError',
    );
  });

  it.each([0, 1.5, Number.NaN])('refuses %s threads', async (threads) => {
    expect((await failureOf(openSession(linear(WEIGHT, BIAS), { threads }))).kind).toBe('argument');
  });
});
