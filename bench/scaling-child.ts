/**
 * The work that `scaling.ts` measures, in a process of its own: one line of JSON on standard output per phase.
 *
 *   node scaling-child.ts FILE stream|train
 *
 * `stream` reads and encodes batch by batch and keeps nothing; `train` encodes everything, as `assay train` does, makes
 * one pass of training over it, and measures the sensitivity to every feature.
 */
import { encodeBatches, encodeTable, fitSchema, openTable, splitRows } from '@assay/data';
import { measureSensitivity, Scorer } from '@assay/unlearn';
import { rowsOf } from '../apps/cli/src/subject.ts';
import { networkFor, trainClassifier } from '../apps/cli/src/training.ts';

const [file = '', work = 'stream'] = process.argv.slice(2);
const SPLIT = { seed: 1, testFraction: 0.2 };

async function phase<T>(name: string, call: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await call();
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(`${JSON.stringify({ phase: name, seconds })}\n`);
  return result;
}

using table = await phase('read', () => openTable(file));
const { schema } = await phase('schema', () => fitSchema(table, { target: 'target', split: SPLIT }));
const initial = networkFor(schema, [64, 64], SPLIT.seed);
if (work === 'stream') {
  await phase('encode', async () => {
    let rows = 0;
    for await (const batch of encodeBatches(table, schema)) rows += batch.rows;
    if (rows !== table.rows) throw new Error('rows are missing');
  });
} else {
  const { train, test } = splitRows(table.rows, SPLIT);
  const rows = await phase('encode', async () =>
    rowsOf(await encodeTable(table, schema, { rows: train }), initial),
  );
  const { model } = await phase('epoch', () =>
    trainClassifier({
      model: initial,
      output: schema.output.name,
      rows,
      clients: 1,
      seed: SPLIT.seed,
      epochs: 1,
    }),
  );
  await phase('sensitivity', async () => {
    const measured = rowsOf(await encodeTable(table, schema, { rows: test }), initial);
    const scorer = await Scorer.open({ model, output: schema.output, classes: schema.target.classes.length });
    const features = schema.columns.map(({ name, kind, input, start, length }) => ({
      name,
      kind,
      slots: [{ input, start, length }],
    }));
    await measureSensitivity(scorer, measured, features, { seed: SPLIT.seed });
    await scorer.close();
  });
}
