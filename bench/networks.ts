/** The networks of the benchmarks as ONNX graphs, with weights under PyTorch's names: `peers/networks.py` has the same. */
import { mlp } from '@assay/engine';
import {
  type EmittedOp,
  fromFloat32,
  GraphBuilder,
  type Model,
  makeModel,
  type OperatorAttributes,
  type Tensor,
  tensor,
  valueInfo,
} from '@assay/graph';
import { RandomStream } from '@assay/random';

/** A classifier with the shape of its input. */
export interface Network {
  readonly model: Model;
  /** Without the batch. */
  readonly input: readonly number[];
  readonly classes: number;
}

const SEED = 1;

/** 105 inputs (Adult's, one-hot), two hidden layers of 64, 2 classes. */
export function adultMlp(): Network {
  return { model: mlp({ inputs: 105, hidden: [64, 64], classes: 2, seed: SEED }), input: [105], classes: 2 };
}

/** Three 3×3 convolutions (16, 32, 64 channels) with ReLU, a 2×2 maximum pooling after the first two, 28×28 grey images. */
export function smallCnn(): Network {
  const net = new Layers();
  let value = 'x';
  [1, 16, 32].forEach((channels, index) => {
    const convolved = net.convolution(`conv${index + 1}`, value, {
      from: channels,
      to: [16, 32, 64][index] ?? 64,
      kernel: 3,
      bias: true,
    });
    value = net.op('Relu', [convolved]);
    if (index < 2) value = net.op('MaxPool', [value], { kernel_shape: [2, 2], strides: [2, 2] });
  });
  net.linear('fc', net.op('Flatten', [value]), 64 * 7 * 7, 10);
  return { model: net.finish('cnn', [1, 28, 28]), input: [1, 28, 28], classes: 10 };
}

/**
 * ResNet-18 for 32×32 images: a 3×3 stem with stride 1 and no pooling behind it; 11,173,962 parameters.
 *
 * He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016.
 */
export function resnet18(): Network {
  const net = new Layers();
  const normalized = (
    name: string,
    norm: string,
    input: string,
    from: number,
    to: number,
    kernel: number,
    stride: number,
  ) =>
    net.batchNormalization(norm, net.convolution(name, input, { from, to, kernel, stride, bias: false }), to);
  let value = net.op('Relu', [normalized('conv1', 'bn1', 'x', 3, 64, 3, 1)]);
  let from = 64;
  [64, 128, 256, 512].forEach((to, group) => {
    for (const block of [0, 1]) {
      const name = `layer${group + 1}.${block}`;
      const stride = group > 0 && block === 0 ? 2 : 1;
      const first = net.op('Relu', [normalized(`${name}.conv1`, `${name}.bn1`, value, from, to, 3, stride)]);
      const second = normalized(`${name}.conv2`, `${name}.bn2`, first, to, to, 3, 1);
      const identity =
        stride === 1 && from === to
          ? value
          : normalized(`${name}.downsample.0`, `${name}.downsample.1`, value, from, to, 1, stride);
      value = net.op('Relu', [net.op('Add', [second, identity])]);
      from = to;
    }
  });
  net.linear('fc', net.op('Flatten', [net.globalAveragePool(value)]), 512, 10);
  return { model: net.finish('resnet18', [3, 32, 32]), input: [3, 32, 32], classes: 10 };
}

interface Convolution {
  readonly from: number;
  readonly to: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly bias: boolean;
}

/** Layers with PyTorch's names and first weights of the usual size. */
class Layers {
  readonly #build = new GraphBuilder(['x', 'logits'], 'net');

  op<Op extends EmittedOp>(op: Op, inputs: readonly string[], attributes?: OperatorAttributes[Op]): string {
    return this.#build.op(op, inputs, attributes);
  }

  globalAveragePool(input: string): string {
    const output = this.#build.fresh('GlobalAveragePool');
    this.#build.node({
      op: 'GlobalAveragePool',
      domain: '',
      name: '',
      inputs: [input],
      outputs: [output],
      attributes: {},
    });
    return output;
  }

  convolution(name: string, input: string, { from, to, kernel, stride = 1, bias }: Convolution): string {
    const weight = this.#weight(`${name}.weight`, [to, from, kernel, kernel], from * kernel * kernel);
    const terms = [input, weight, ...(bias ? [this.#vector(`${name}.bias`, to, 0)] : [])];
    const pad = (kernel - 1) / 2;
    return this.#build.op('Conv', terms, {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
  }

  batchNormalization(name: string, input: string, channels: number): string {
    return this.#build.op(
      'BatchNormalization',
      [
        input,
        this.#vector(`${name}.weight`, channels, 1),
        this.#vector(`${name}.bias`, channels, 0),
        this.#vector(`${name}.running_mean`, channels, 0),
        this.#vector(`${name}.running_var`, channels, 1),
      ],
      { epsilon: 1e-5, momentum: 0.9 },
    );
  }

  linear(name: string, input: string, from: number, to: number): void {
    const terms = [
      input,
      this.#weight(`${name}.weight`, [to, from], from),
      this.#vector(`${name}.bias`, to, 0),
    ];
    this.#build.op('Gemm', terms, { transB: 1 }, 'logits');
  }

  finish(name: string, input: readonly number[]): Model {
    const inputs = [valueInfo('x', 'float32', ['batch', ...input])];
    return makeModel(this.#build.finish(name, inputs, [valueInfo('logits', 'float32', ['batch', 10])]));
  }

  /** He's normal weights. */
  #weight(name: string, dims: readonly number[], fanIn: number): string {
    return this.#build.initializer(name, normalTensor(dims, Math.sqrt(2 / fanIn), `weights of ${name}`));
  }

  #vector(name: string, length: number, value: number): string {
    return this.#build.initializer(name, tensor('float32', [length], new Array<number>(length).fill(value)));
  }
}

/** Seeded normal numbers. */
export function normalTensor(dims: readonly number[], deviation: number, purpose: string): Tensor {
  const random = new RandomStream(SEED, purpose);
  const count = dims.reduce((product, dim) => product * dim, 1);
  return fromFloat32(
    dims,
    Float32Array.from({ length: count }, () => deviation * random.normal()),
  );
}

/** A batch of normal inputs with uniform labels. */
export function batchFor({ input, classes }: Network, size: number): Record<'x' | 'labels', Tensor> {
  const random = new RandomStream(SEED, 'labels');
  const labels = Array.from({ length: size }, () => random.integer(classes));
  return { x: normalTensor([size, ...input], 1, 'inputs'), labels: tensor('int64', [size], labels) };
}
