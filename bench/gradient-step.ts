/** Benchmark `step`: a gradient step of an MLP, a small CNN and ResNet-18 against PyTorch on the same threads. */
import { availableParallelism } from 'node:os';
import { inTurns, ratioOf, spreadOf, unitsFor } from './measure.ts';
import { findPython } from './peer.ts';
import { type Benchmark, type ResultTable, spreadText } from './report.ts';
import { CASES, type Case, differenceFrom, OwnSteps, PeerSteps, prepare } from './training-steps.ts';

/** Seconds of work of a contestant in one round. */
const ROUND = 0.4;

export const gradientStep: Benchmark = {
  name: 'step',
  summary: 'a gradient step of an MLP, a CNN and ResNet-18 against PyTorch',
  async run({ quick, say }) {
    const rows: string[][] = [];
    const data: Record<string, unknown>[] = [];
    for (const one of CASES) {
      for (const threads of threadCounts()) {
        say(`${one.label}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`);
        const { row, numbers } = await measure(one, threads, quick ? 3 : one.network === 'resnet18' ? 7 : 15);
        rows.push(row);
        data.push(numbers);
      }
    }
    return [table(rows, data)];
  },
};

/** 1 and 2, as far as there are cores. */
export function threadCounts(): readonly number[] {
  return availableParallelism() > 1 ? [1, 2] : [1];
}

async function measure(
  one: Case,
  threads: number,
  rounds: number,
): Promise<{ row: string[]; numbers: Record<string, unknown> }> {
  const python = findPython();
  const prepared = prepare(one);
  const own = await OwnSteps.open(prepared, threads);
  const peer = python === undefined ? undefined : await PeerSteps.open(prepared, python, threads);
  try {
    const apart = peer === undefined ? undefined : await differenceFrom(prepared, peer);
    await own.run(1);
    const steps = unitsFor(await own.run(1), ROUND);
    const perStep = (seconds: readonly number[]) => seconds.map((value) => value / steps);
    const label = [one.label, String(threads)];
    if (peer === undefined) {
      const { assay } = await inTurns({ assay: () => own.run(steps) }, rounds);
      const ours = spreadOf(perStep(assay));
      const row = [...label, spreadText(ours, 1e3), 'torch not found', '-', '-'];
      return { row, numbers: { case: one.name, threads, steps, assay: ours } };
    }
    const times = await inTurns({ assay: () => own.run(steps), torch: () => peer.run(steps) }, rounds);
    const [ours, theirs] = [spreadOf(perStep(times.assay)), spreadOf(perStep(times.torch))];
    const ratio = ratioOf(times.assay, times.torch);
    return {
      row: [
        ...label,
        spreadText(ours, 1e3),
        spreadText(theirs, 1e3),
        spreadText(ratio),
        apart === undefined ? '-' : apart.gradient.toExponential(0),
      ],
      numbers: { case: one.name, threads, steps, assay: ours, torch: theirs, ratio, apart },
    };
  } finally {
    await own.close();
    await peer?.close();
  }
}

function table(rows: string[][], data: Record<string, unknown>[]): ResultTable {
  return {
    title: 'Gradient step (forward, backward, SGD with momentum)',
    notes: [
      'Milliseconds per step and the ratio of the two in the same round: median [quartiles]. Each step is fed its batch and gives its loss back; weights and momentum stay where they are.',
      `"apart": the largest relative difference of a gradient from PyTorch's at the same weights and batch. With the statistics of the batch it is dominated by single ReLUs whose argument is 0 to within rounding.`,
    ],
    columns: ['network', 'threads', 'assay ms', 'PyTorch ms', 'ratio', 'apart'],
    rows,
    data,
  };
}
