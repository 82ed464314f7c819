/** Benchmark `arithmetic`: how much of the machine's own matrix-product speed a gradient step reaches. */
import { openSession, type Session } from '@assay/engine';
import { GraphBuilder, type Model, makeModel, valueInfo } from '@assay/graph';
import { threadCounts } from './gradient-step.ts';
import { inTurns, spreadOf, timed, unitsFor } from './measure.ts';
import { normalTensor } from './networks.ts';
import { type Benchmark, spreadText } from './report.ts';
import { CASES, OwnSteps, prepare } from './training-steps.ts';

/** Edge of the square matrices. */
const SIZE = 1024;
/** Products in one run, so that only one number has to come back for many. */
const CHAIN = 8;
const ROUND = 0.4;

export const arithmetic: Benchmark = {
  name: 'arithmetic',
  summary: 'arithmetic reached, as a share of the measured matrix-product peak',
  async run({ quick, say }) {
    const rows: string[][] = [];
    const data: Record<string, unknown>[] = [];
    for (const one of CASES) {
      const prepared = prepare(one);
      for (const threads of threadCounts()) {
        say(`${one.label}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`);
        const own = await OwnSteps.open(prepared, threads);
        await using peak = await openSession(matrixProducts(), { threads });
        await hold(peak);
        await own.run(1);
        const steps = unitsFor(await own.run(1), ROUND);
        await product(peak, 1);
        const products = unitsFor(await product(peak, 1), ROUND);
        const times = await inTurns(
          { step: () => own.run(steps), peak: () => product(peak, products) },
          quick ? 3 : 7,
        );
        await own.close();
        const reached = times.step.map((seconds) => (prepared.flops.total * steps) / seconds);
        const best = times.peak.map((seconds) => (2 * SIZE ** 3 * CHAIN * products) / seconds);
        const share = spreadOf(reached.map((value, round) => value / (best[round] ?? Number.NaN)));
        const [reachedSpread, bestSpread] = [spreadOf(reached), spreadOf(best)];
        rows.push([
          one.label,
          String(threads),
          (prepared.flops.total / 1e6).toFixed(1),
          spreadText(reachedSpread, 1e-9),
          spreadText(bestSpread, 1e-9),
          spreadText(share, 100),
        ]);
        data.push({
          case: one.name,
          threads,
          flops: prepared.flops,
          reached: reachedSpread,
          peak: bestSpread,
          share,
        });
      }
    }
    return [
      {
        title: 'Arithmetic of a gradient step against the peak of matrix products',
        notes: [
          `GFLOP/s: median [quartiles]. A step's operations are counted from the shapes of its graph (MatMul, Gemm, Conv, ConvTranspose; a multiplication and an addition are two). The peak is a chain of products of ${SIZE}×${SIZE} float32 matrices in ONNX Runtime on the same threads, in turns with the steps.`,
        ],
        columns: ['network', 'threads', 'MFLOP', 'GFLOP/s', 'peak GFLOP/s', 'share of peak, %'],
        rows,
        data,
      },
    ];
  },
};

function matrixProducts(): Model {
  const build = new GraphBuilder(['a', 'b'], 'peak');
  let value = 'a';
  for (let i = 0; i < CHAIN; i++) value = build.op('MatMul', [value, 'b']);
  build.op('ReduceMax', [value], { keepdims: 0 }, 'largest');
  const inputs = ['a', 'b'].map((name) => valueInfo(name, 'float32', [SIZE, SIZE]));
  return makeModel(build.finish('matrix-products', inputs, [valueInfo('largest', 'float32', [])]));
}

async function hold(session: Session): Promise<void> {
  // Deviation 1/√n keeps the products at the same size.
  const deviation = 1 / Math.sqrt(SIZE);
  const matrix = (purpose: string) => normalTensor([SIZE, SIZE], deviation, purpose);
  await session.hold({ a: matrix('peak a'), b: matrix('peak b') });
}

function product(session: Session, count: number): Promise<number> {
  return timed(() => session.runMany(new Array(count).fill({})));
}
