/**
 * Benchmark `perturbed`: the forwards of feature sensitivity for a trigger in MNIST-shaped images, N = 20 perturbations of each:
 * with the cone of what the trigger reaches, with the whole network on every copy, and as a plain PyTorch loop.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resnet18 } from '@assay/engine';
import { coneCost, coneOf, type Tensor, toFloat32 } from '@assay/graph';
import { type Classifier, type Feature, type Rows, rectangle, Scorer, takeRows } from '@assay/unlearn';
import { z } from 'zod';
import { inRepository, runChild } from './child.ts';
import { threadCounts } from './gradient-step.ts';
import { inTurns, ratioOf, spreadOf, timed } from './measure.ts';
import { normalTensor } from './networks.ts';
import { findPython, Peer, type Python } from './peer.ts';
import { type Benchmark, countText, megabytes, type ResultTable, spreadText } from './report.ts';
import { readTensors, writeTensors } from './tensor-file.ts';

const SIDE = 28;
/** The trigger of the published method: 5×5 pixels at row 2, column 2. */
const REGION = { top: 2, left: 2, height: 5, width: 5 };
const PERTURBATIONS = 20;
/** Images of a round, which PyTorch takes in one batch: on one thread it is fastest with so many. */
const BATCH = 32;
const IMAGES = 512;
/** Seconds after which no further round is begun, for each number of threads. */
const BUDGET = 180;
const FEWEST_ROUNDS = 4;

export const perturbedForwards: Benchmark = {
  name: 'perturbed',
  summary: 'perturbed forwards of ResNet-18 with and without the cone, against PyTorch',
  async run({ quick, say }) {
    const rows: string[][] = [];
    const data: Record<string, unknown>[] = [];
    for (const threads of threadCounts()) {
      say(`ResNet-18, ${threads} ${threads === 1 ? 'thread' : 'threads'}`);
      const { row, numbers } = await measure(threads, quick ? 8 : BATCH, quick ? 1 : IMAGES / BATCH);
      rows.push(row);
      data.push(numbers);
    }
    return [table(rows, data), await memoryTable(quick ? [20] : [20, 200, 2000], say)];
  },
};

/** The network, a batch of images, and the perturbed triggers of each, [N, B, 1, 5, 5]. */
interface Work {
  readonly classifier: Classifier;
  readonly images: Rows;
  readonly feature: Feature;
  readonly patches: Tensor;
}

function workOf(batch: number): Work {
  const model = resnet18({ channels: 1, height: SIDE, width: SIDE, classes: 10, seed: 1 });
  const { height, width, top, left } = REGION;
  const shape = { input: 'images', channels: 1, height: SIDE, width: SIDE };
  return {
    classifier: { model, output: { name: 'logits', kind: 'logits' }, classes: 10 },
    images: {
      count: batch,
      inputs: { images: normalTensor([batch, 1, SIDE, SIDE], 1, 'images') },
      labels: undefined,
    },
    feature: rectangle('trigger', shape, [top, left, height, width]),
    patches: normalTensor([PERTURBATIONS, batch, 1, height, width], 1, 'patches'),
  };
}

/** Copies of the images with each perturbed trigger in turn. */
function* copiesOf({ images, patches }: Work): Generator<Rows> {
  const { height, width, top, left } = REGION;
  const all = toFloat32(patches);
  const indices = Uint32Array.from({ length: images.count }, (_, i) => i);
  const size = images.count * height * width;
  for (let from = 0; from < all.length; from += size) {
    const copy = takeRows(images, indices);
    const pixels = copy.inputs.images === undefined ? new Float32Array() : toFloat32(copy.inputs.images);
    for (let line = 0; line < images.count * height; line++) {
      const [image, y] = [Math.floor(line / height), line % height];
      const at = from + line * width;
      pixels.set(all.subarray(at, at + width), (image * SIDE + top + y) * SIDE + left);
    }
    yield copy;
  }
}

/** f(x) and then f of every copy; the last scores. */
async function withCone(scorer: Scorer, work: Work): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  for await (const { values } of scorer.scoresWithChanges(work.images, work.feature, copiesOf(work))) {
    results.push(values);
  }
  return results;
}

async function withoutCone(scorer: Scorer, work: Work): Promise<Float32Array[]> {
  const results = [(await scorer.scores(work.images)).values];
  for (const copy of copiesOf(work)) results.push((await scorer.scores(copy)).values);
  return results;
}

async function measure(
  threads: number,
  batch: number,
  mostRounds: number,
): Promise<{ row: string[]; numbers: Record<string, unknown> }> {
  const work = workOf(batch);
  const scorer = await Scorer.open(work.classifier, { threads });
  const python = findPython();
  const peer = python === undefined ? undefined : await openPeer(python, threads, work);
  try {
    const started = performance.now();
    const own = await withCone(scorer, work);
    const whole = await withoutCone(scorer, work);
    const theirs = peer && (await peer.scores());
    const apart = { plain: distance(own, whole), torch: theirs && distance(own, theirs) };
    const round = (performance.now() - started) / 1000;
    const rounds = Math.min(mostRounds, Math.max(FEWEST_ROUNDS, Math.floor(BUDGET / round) - 1));
    const processor = { cone: new ProcessorTime(), plain: new ProcessorTime(), torch: new ProcessorTime() };
    const contestants = {
      cone: () => timed(() => processor.cone.own(() => withCone(scorer, work))),
      plain: () => timed(() => processor.plain.own(() => withoutCone(scorer, work))),
    };
    const theirForwards =
      peer &&
      (async (): Promise<number> => {
        const { seconds, processor: used } = await peer.forwards();
        processor.torch.add(used);
        return seconds;
      });
    const times =
      theirForwards === undefined
        ? { ...(await inTurns(contestants, rounds)), torch: undefined }
        : await inTurns({ ...contestants, torch: theirForwards }, rounds);
    const forwards = batch * (1 + PERTURBATIONS);
    const perForward = (seconds: readonly number[]) => spreadOf(seconds.map((value) => value / forwards));
    const show = (seconds: readonly number[]) => spreadText(perForward(seconds), 1e3);
    const { cone, plain, torch } = {
      cone: processor.cone.ofRounds(rounds),
      plain: processor.plain.ofRounds(rounds),
      torch: processor.torch.ofRounds(rounds),
    };
    const ratios = {
      plain: ratioOf(times.plain, times.cone),
      torch: times.torch && ratioOf(times.torch, times.cone),
      plainProcessor: ratioOf(plain, cone),
      torchProcessor: times.torch && ratioOf(torch, cone),
    };
    return {
      row: [
        String(threads),
        String(batch * rounds),
        show(times.cone),
        show(times.plain),
        times.torch === undefined ? 'torch not found' : show(times.torch),
        spreadText(ratios.plain),
        spreadText(ratios.torch),
        spreadText(ratios.plainProcessor),
        spreadText(ratios.torchProcessor),
        Math.max(apart.plain, apart.torch ?? 0).toExponential(0),
      ],
      numbers: { threads, batch, rounds, seconds: times, processor: { cone, plain, torch }, ratios, apart },
    };
  } finally {
    await scorer.close();
    await peer?.close();
  }
}

/** Processor seconds of all threads of a process, round by round: other programs disturb them less than the time that passes. */
class ProcessorTime {
  readonly #seconds: number[] = [];

  add(seconds: number): void {
    this.#seconds.push(seconds);
  }

  /** Adds what this process uses for a piece of work. */
  async own(work: () => Promise<unknown>): Promise<void> {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    this.add((user + system) / 1e6);
  }

  /** Those of the last rounds, without the warm-up. */
  ofRounds(rounds: number): readonly number[] {
    return this.#seconds.slice(-rounds);
  }
}

/** The PyTorch side with the same weights, images and perturbed triggers. */
async function openPeer(python: Python, threads: number, { classifier, images, patches }: Work) {
  const peer = Peer.start(python, 'perturbed_forwards.py', threads);
  const weights = Object.fromEntries(
    [...classifier.model.graph.initializers].filter(([, { elementType }]) => elementType === 'float32'),
  );
  const x = images.inputs.images ?? patches;
  const { top, left } = REGION;
  await inFolder(async (folder) => {
    const tensors = join(folder, 'tensors');
    await writeTensors(tensors, { ...weights, x, patches });
    await peer.ask({ do: 'open', tensors, top, left }, z.object({}));
  });
  return {
    forwards: () => peer.ask({ do: 'forwards' }, z.object({ seconds: z.number(), processor: z.number() })),
    scores: () =>
      inFolder(async (folder) => {
        const path = join(folder, 'scores');
        await peer.ask({ do: 'write', path }, z.object({}));
        const { scores } = await readTensors(path);
        return scores === undefined ? [] : [toFloat32(scores)];
      }),
    close: () => peer.stop(),
  };
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** ‖a − b‖ / ‖b‖ */
function distance(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  const [left, right] = [a, b].map((parts) => parts.flatMap((part) => [...part]));
  let [apart, size] = [0, 0];
  right?.forEach((value, i) => {
    apart += ((left?.[i] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(apart / size);
}

function table(rows: string[][], data: Record<string, unknown>[]): ResultTable {
  const { model } = workOf(1).classifier;
  const { plain, cone, saved } = coneCost(coneOf(model, 'images', REGION), 1, PERTURBATIONS);
  const giga = (flops: number) => (flops / 1e9).toFixed(2);
  return {
    title: `Perturbed forwards: ResNet-18, images of 1×28×28, ${PERTURBATIONS} perturbations each of a 5×5 trigger`,
    notes: [
      `Milliseconds per forward (those of the images themselves counted) and ratios within a round of ${BATCH} images: median [quartiles]. As many rounds as three minutes allow, of ${IMAGES} images at most. (CPU): of the processor time of all threads. Every side lays the perturbed triggers into copies of the images itself.`,
      `Counted from the graphs, an image and its copies take ${giga(plain.flops)} GFLOP plainly and ${giga(cone.flops)} GFLOP with the cone: ${(100 * saved).toFixed(0)} % less.`,
      '"apart": the largest relative difference of the scores with the cone from those of the other sides.',
    ],
    columns: [
      'threads',
      'images',
      'cone ms',
      'plain ms',
      'PyTorch ms',
      'plain / cone',
      'PyTorch / cone',
      'plain / cone (CPU)',
      'PyTorch / cone (CPU)',
      'apart',
    ],
    rows,
    data,
  };
}

/** Peak memory of whole processes that measure the sensitivity with more and more perturbations. */
async function memoryTable(counts: readonly number[], say: (text: string) => void): Promise<ResultTable> {
  const rows: string[][] = [];
  const data: Record<string, unknown>[] = [];
  for (const perturbations of counts) {
    say(`memory, ${perturbations} perturbations`);
    const script = inRepository('bench/perturbed-child.ts');
    const result = await runChild(['--conditions=@assay/source', script, String(perturbations)]);
    if (result.code !== 0) throw new Error(`the measured process failed: ${result.stderr}`);
    const peak = result.usage?.peakBytes;
    rows.push([
      countText(perturbations),
      result.seconds.toFixed(1),
      peak === undefined ? '-' : megabytes(peak),
    ]);
    data.push({ perturbations, seconds: result.seconds, peakBytes: peak });
  }
  return {
    title: `Memory: the sensitivity of the compact CNN to the trigger on ${IMAGES} images`,
    notes: ['One process for each number of perturbations, from its start to its exit; MB at its peak.'],
    columns: ['perturbations', 'seconds', 'MB'],
    rows,
    data,
  };
}
