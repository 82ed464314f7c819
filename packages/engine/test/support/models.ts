/** Small models for the tests. */
import { GraphBuilder, type Model, makeModel, type Tensor, tensor, valueInfo } from '@assay/graph';
import type { RuntimeName } from '../../src/index.ts';

/** Every behaviour holds on both builds of the runtime. */
export const RUNTIMES: readonly RuntimeName[] = ['node', 'web'];

/** y = x · wᵀ + b with x [batch, inputs], w [outputs, inputs], b [outputs]. */
export function linear(weight: Tensor, bias: Tensor): Model {
  const builder = new GraphBuilder();
  builder.initializer('w', weight);
  builder.initializer('b', bias);
  builder.op('Gemm', ['x', 'w', 'b'], { transB: 1 }, 'y');
  return makeModel(
    builder.finish(
      'linear',
      [valueInfo('x', 'float32', ['batch', weight.dims[1] ?? 0])],
      [valueInfo('y', 'float32', ['batch', weight.dims[0] ?? 0])],
    ),
  );
}

/** total' = total + x and count' = count + 1, with the sum so far as an output of its own. */
export function accumulator(): Model {
  const builder = new GraphBuilder();
  builder.op('Add', ['total', 'x'], {}, 'total.next');
  builder.op('Add', ['count', builder.scalar('int64', 1)], {}, 'count.next');
  builder.op('ReduceSum', ['total.next'], { keepdims: 0 }, 'sum');
  return makeModel(
    builder.finish(
      'accumulator',
      [valueInfo('x', 'float32', [2]), valueInfo('total', 'float32', [2]), valueInfo('count', 'int64', [])],
      [
        valueInfo('total.next', 'float32', [2]),
        valueInfo('count.next', 'int64', []),
        valueInfo('sum', 'float32', []),
      ],
    ),
  );
}

/** A product of square matrices, repeated: takes as long as asked. */
export function matrixPower(size: number, times: number): Model {
  const builder = new GraphBuilder();
  let value = 'x';
  for (let i = 0; i < times; i++)
    value = builder.op('MatMul', [value, 'x'], {}, i === times - 1 ? 'y' : undefined);
  return makeModel(
    builder.finish(
      'power',
      [valueInfo('x', 'float32', [size, size])],
      [valueInfo('y', 'float32', [size, size])],
    ),
  );
}

/** A float32 tensor of zeros. */
export function zeros(dims: readonly number[]): Tensor {
  return tensor('float32', dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));
}
