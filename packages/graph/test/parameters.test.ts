/** Which initializers count as parameters, and the constants that exporters put beside them. */
import { describe, expect, it } from 'vitest';
import {
  GraphBuilder,
  type Model,
  makeModel,
  tensor,
  trainableInitializers,
  valueInfo,
} from '../src/index.ts';

const CHANNELS = 2;

/** y = x · NAME (broadcast) for an initializer of this name. */
function scaledBy(name: string, dims: readonly number[]): Model {
  const build = new GraphBuilder(['x', 'y']);
  build.op(
    'Mul',
    ['x', build.initializer(name, tensor('float32', dims, [0.5, 2].slice(0, dims[0] ?? 1)))],
    {},
    'y',
  );
  return makeModel(
    build.finish(
      'f',
      [valueInfo('x', 'float32', ['n', CHANNELS])],
      [valueInfo('y', 'float32', ['n', CHANNELS])],
    ),
  );
}

describe('a vector', () => {
  it.each([
    'fc.weight',
    'onnx::MatMul_123',
    '45',
    'sequential/dense/MatMul/ReadVariableOp:0',
    'StatefulPartitionedCall/model/dense_1/BiasAdd/ReadVariableOp:0',
    'dense/kernel/read:0',
    'const_fold_opt__32',
    'coefficient1',
    'Parameter193',
  ])('named %s is a parameter', (name) => {
    expect(trainableInitializers(scaledBy(name, [CHANNELS]))).toEqual([name]);
  });

  it.each([
    'bn.running_mean',
    'running_var',
    'batch_normalization/moving_variance:0',
    '/norm/Constant_output_0',
    '/Constant_3_output_0',
    'sequential/normalization/sub/y:0',
    'Const__7',
    'model/Const_1:0',
  ])('named %s is none', (name) => {
    expect(trainableInitializers(scaledBy(name, [CHANNELS]))).toEqual([]);
  });
});

describe('a scalar', () => {
  it.each(['temperature', 'head.logit_scale', 'model/gain/ReadVariableOp:0', 'gain/ReadVariableOp_1:0'])(
    'named %s is a parameter',
    (name) => {
      expect(trainableInitializers(scaledBy(name, []))).toEqual([name]);
    },
  );

  it.each([
    'onnx::Div_17',
    '17',
    'assay.const.3',
    'upgrade.const.0',
    'epsilon',
    'eps_1',
    'norm.eps',
    'unity',
    'one',
    'scalar_tensor_default',
    'val_12',
    'batchnorm/add/y:0',
  ])('named %s is a constant', (name) => {
    expect(trainableInitializers(scaledBy(name, []))).toEqual([]);
  });
});

describe('an InstanceNormalization', () => {
  function normalized(scale: string, bias: string, scales: readonly number[]): Model {
    const build = new GraphBuilder(['x', 'y']);
    const inputs = [
      'x',
      build.initializer(scale, tensor('float32', [CHANNELS], scales)),
      build.initializer(bias, tensor('float32', [CHANNELS], [0, 0])),
    ];
    build.op('InstanceNormalization', inputs, {}, 'y');
    const shape = ['n', CHANNELS, 3];
    return makeModel(
      build.finish('f', [valueInfo('x', 'float32', shape)], [valueInfo('y', 'float32', shape)]),
    );
  }

  it('has no parameters where the exporter made up its scale and bias, as for GroupNorm', () => {
    expect(trainableInitializers(normalized('onnx::Instance_7', 'onnx::Instance_8', [1, 1]))).toEqual([]);
  });

  it('has those that a module named, also as they are when fresh', () => {
    expect(trainableInitializers(normalized('norm.weight', 'norm.bias', [1, 1]))).toEqual([
      'norm.weight',
      'norm.bias',
    ]);
  });

  it('has those that say something', () => {
    expect(trainableInitializers(normalized('7', '8', [1, 0.5]))).toEqual(['7']);
  });
});

it('an exponent is a parameter only by its name', () => {
  const power = (name: string) => {
    const build = new GraphBuilder(['x', 'y']);
    build.op('Pow', ['x', build.initializer(name, tensor('float32', [1], [2]))], {}, 'y');
    return makeModel(
      build.finish('f', [valueInfo('x', 'float32', ['n'])], [valueInfo('y', 'float32', ['n'])]),
    );
  };
  expect(trainableInitializers(power('gem.p'))).toEqual(['gem.p']);
  expect(trainableInitializers(power('onnx::Pow_12'))).toEqual([]);
});
