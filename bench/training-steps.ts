/** Gradient steps of networks, ready to time: in this project's engine, and in PyTorch beside it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSession, openTrainable, type Session, toTrainingMode, withOptimizer } from '@assay/engine';
import {
  differentiate,
  GRADIENT_PREFIX,
  LOSS,
  type Model,
  scalar,
  type Tensor,
  toNumbers,
  trainableInitializers,
  withLoss,
} from '@assay/graph';
import { z } from 'zod';
import { countFlops, type FlopCount } from './flops.ts';
import { adultMlp, batchFor, type Network, resnet18, smallCnn } from './networks.ts';
import { Peer, type Python } from './peer.ts';
import { readTensors, writeTensors } from './tensor-file.ts';

/** A network, how it is run, and at which batch size. */
export interface Case {
  readonly name: string;
  readonly label: string;
  /** Name of the network in `peers/networks.py`. */
  readonly network: string;
  readonly make: () => Network;
  readonly batch: number;
  /** Whether BatchNormalization takes the statistics of the batch. */
  readonly training: boolean;
}

const RATE = 1e-3;
const MOMENTUM = 0.9;

export const CASES: readonly Case[] = [
  {
    name: 'mlp',
    label: 'MLP 105-64-64-2, batch 128',
    network: 'mlp',
    make: adultMlp,
    batch: 128,
    training: true,
  },
  {
    name: 'cnn',
    label: 'CNN 16-32-64 at 28×28, batch 32',
    network: 'cnn',
    make: smallCnn,
    batch: 32,
    training: true,
  },
  {
    name: 'resnet18',
    label: 'ResNet-18 at 32×32, batch 32',
    network: 'resnet18',
    make: resnet18,
    batch: 32,
    training: true,
  },
  {
    name: 'resnet18-frozen',
    label: 'ResNet-18, fixed BN statistics',
    network: 'resnet18',
    make: resnet18,
    batch: 32,
    training: false,
  },
];

/** One case, built once. */
export interface PreparedCase {
  readonly case: Case;
  readonly batch: Readonly<Record<'x' | 'labels', Tensor>>;
  /** Loss and gradients alone. */
  readonly gradients: Model;
  readonly step: ReturnType<typeof withOptimizer>;
  readonly parameters: readonly string[];
  readonly weights: Readonly<Record<string, Tensor>>;
  readonly state: Readonly<Record<string, Tensor>>;
  readonly flops: FlopCount;
}

/** Builds the graphs of a case. */
export function prepare(one: Case): PreparedCase {
  const network = one.make();
  const batch = batchFor(network, one.batch);
  const parameters = trainableInitializers(network.model);
  const { model, ...carried } = one.training
    ? toTrainingMode(network.model)
    : { model: network.model, initialState: {}, carry: {} };
  const { model: withLossOutput } = withLoss(model, { kind: 'cross-entropy', output: 'logits' });
  const step = withOptimizer(withLossOutput, {
    loss: LOSS,
    parameters,
    optimizer: { kind: 'sgd', momentum: MOMENTUM },
    carried,
  });
  const shapes = { x: batch.x.dims, labels: batch.labels.dims };
  return {
    case: one,
    batch,
    gradients: differentiate(withLossOutput, { of: LOSS, withRespectTo: parameters }),
    step,
    parameters,
    weights: Object.fromEntries(network.model.graph.initializers),
    state: carried.initialState,
    flops: countFlops(step.model, shapes),
  };
}

/** This project's side: steps that feed their batch, and keep weights and momentum in the worker. */
export class OwnSteps {
  readonly #session: Session;
  readonly #feeds: Readonly<Record<string, Tensor>>;

  private constructor(session: Session, feeds: Readonly<Record<string, Tensor>>) {
    this.#session = session;
    this.#feeds = feeds;
  }

  static async open(prepared: PreparedCase, threads: number): Promise<OwnSteps> {
    const { step, batch } = prepared;
    const session = await openTrainable(step, { threads });
    return new OwnSteps(session, { ...batch, [step.learningRate]: scalar('float32', RATE) });
  }

  /** Seconds for some steps, each fed anew, with the loss of each given back. */
  async run(count: number): Promise<number> {
    const feeds = new Array(count).fill(this.#feeds);
    const started = performance.now();
    await this.#session.runMany(feeds, { outputs: [LOSS] });
    return (performance.now() - started) / 1000;
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}

/** PyTorch's side. */
export class PeerSteps {
  readonly #peer: Peer;

  private constructor(peer: Peer) {
    this.#peer = peer;
  }

  static async open(prepared: PreparedCase, python: Python, threads: number): Promise<PeerSteps> {
    const peer = Peer.start(python, 'gradient_step.py', threads);
    await inFolder(async (folder) => {
      const tensors = join(folder, 'first');
      await writeTensors(tensors, { ...prepared.weights, ...prepared.batch });
      const { network, training } = prepared.case;
      await peer.ask(
        { do: 'open', network, tensors, training, rate: RATE, momentum: MOMENTUM },
        z.object({}),
      );
    });
    return new PeerSteps(peer);
  }

  run(count: number): Promise<number> {
    return this.#peer.seconds({ do: 'steps', count });
  }

  /** Loss and gradients at the first weights. */
  async gradients(): Promise<Record<string, Tensor>> {
    return await inFolder(async (folder) => {
      const path = join(folder, 'gradients');
      await this.#peer.ask({ do: 'gradients', path }, z.object({}));
      return await readTensors(path);
    });
  }

  async close(): Promise<void> {
    await this.#peer.stop();
  }
}

/** How far two sides are apart. */
export interface Difference {
  /** |a − b| / |b| of the loss. */
  readonly loss: number;
  /** The largest ‖a − b‖₂ / ‖b‖₂ among the gradients. */
  readonly gradient: number;
}

/** Compares loss and all gradients at the first weights with PyTorch's. */
export async function differenceFrom(prepared: PreparedCase, peer: PeerSteps): Promise<Difference> {
  await using session = await openSession(prepared.gradients);
  const own = await session.run({ ...prepared.batch, ...prepared.state }, [
    LOSS,
    ...prepared.parameters.map((name) => GRADIENT_PREFIX + name),
  ]);
  const theirs = await peer.gradients();
  let gradient = 0;
  for (const name of prepared.parameters.map((parameter) => GRADIENT_PREFIX + parameter)) {
    gradient = Math.max(gradient, relative(own[name], theirs[name]));
  }
  return { loss: relative(own[LOSS], theirs.loss), gradient };
}

function relative(a: Tensor | undefined, b: Tensor | undefined): number {
  if (a === undefined || b === undefined) throw new Error('one side lacks a gradient');
  const [left, right] = [toNumbers(a), toNumbers(b)];
  let apart = 0;
  let size = 0;
  for (const [i, value] of right.entries()) {
    apart += ((left[i] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(apart / size);
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
