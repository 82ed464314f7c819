/**
 * What forgetting costs, over seeds: trains a model, forgets a feature with `exact` and `ferrari`, and prints medians.
 *
 *   node --conditions=@assay/source bench/forgetting.ts DATA FEATURE [--target COL] [--seeds 20] [--first 0]
 *     [--hidden 64,64] [--share 0.1] [--methods exact,ferrari] [--teacher conditional] [--json FILE]
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { encodeTable, fitSchema, openTable, shareOf, splitRows } from '@assay/data';
import { type MethodName, type TeacherName, type UnlearnResult, unlearn } from '@assay/unlearn';
import { rowsOf } from '../apps/cli/src/subject.ts';
import { networkFor, trainClassifier } from '../apps/cli/src/training.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    target: { type: 'string' },
    drop: { type: 'string', default: '' },
    seeds: { type: 'string', default: '20' },
    first: { type: 'string', default: '0' },
    hidden: { type: 'string', default: '64,64' },
    share: { type: 'string', default: '0.1' },
    methods: { type: 'string', default: 'exact,ferrari' },
    teacher: { type: 'string', default: 'conditional' },
    json: { type: 'string' },
  },
});
const [data = 'adult', featureName = 'marital-status'] = positionals;
const target = values.target ?? { adult: 'income', diabetes: 'outcome' }[data] ?? 'target';
const hidden = values.hidden.split(',').map(Number);
const methods = values.methods.split(',').map((name): MethodName => {
  if (name === 'exact' || name === 'ferrari' || name === 'ferrari-paper') return name;
  throw new Error(`unknown method ${name}`);
});
const teacher: TeacherName = values.teacher === 'marginal' ? 'marginal' : 'conditional';

interface Outcome {
  readonly drop: number;
  readonly reduction: number;
  readonly flipped: number;
  readonly before: UnlearnResult['before'];
  readonly result: UnlearnResult;
}

const outcomes = new Map<MethodName, Outcome[]>(methods.map((name) => [name, []]));
for (let seed = Number(values.first); seed < Number(values.first) + Number(values.seeds); seed++) {
  using table = await openTable(data, {});
  const split = splitRows(table.rows, { seed, testFraction: 0.2 });
  const drop = values.drop === '' ? [] : values.drop.split(',');
  const { schema } = await fitSchema(table, { target, drop, split: { seed, testFraction: 0.2 } });
  const rows = async (wanted: Uint32Array, model: ReturnType<typeof networkFor>) =>
    rowsOf(await encodeTable(table, schema, { rows: wanted }), model);
  const initial = networkFor(schema, hidden, seed);
  const started = performance.now();
  const { model } = await trainClassifier({
    model: initial,
    output: schema.output.name,
    rows: await rows(split.train, initial),
    clients: 1,
    seed,
  });
  const trainSeconds = (performance.now() - started) / 1000;
  const features = schema.columns.map((column) => ({
    name: column.name,
    kind: column.kind,
    slots: [{ input: column.input, start: column.start, length: column.length }],
  }));
  const feature = features.find(({ name }) => name === featureName);
  if (feature === undefined)
    throw new Error(`no feature ${featureName}; there are ${features.map(({ name }) => name).join(', ')}`);
  const test = await rows(split.test, model);
  const requester = await rows(shareOf(split.train, Number(values.share), seed), model);
  for (const method of methods) {
    const result = await unlearn({
      classifier: { model, output: schema.output, classes: schema.target.classes.length },
      feature,
      features,
      requester,
      test,
      method,
      seed,
      teacher,
    });
    const { before, after } = result;
    const outcome = {
      drop: 100 * (before.accuracy.value - after.accuracy.value),
      reduction: 100 * (1 - after.sensitivity.value / before.sensitivity.value),
      flipped: 100 * after.flip.changed.value,
      before,
      result,
    };
    outcomes.get(method)?.push(outcome);
    const line = [
      `seed ${seed}`,
      method.padEnd(8),
      `train ${trainSeconds.toFixed(1)} s`,
      `accuracy ${(100 * before.accuracy.value).toFixed(2)} → ${(100 * after.accuracy.value).toFixed(2)} (majority ${(100 * before.accuracy.majority).toFixed(1)})`,
      `sensitivity ${before.sensitivity.value.toFixed(3)} → ${after.sensitivity.value.toFixed(4)}`,
      `flips ${(100 * before.flip.changed.value).toFixed(2)} → ${outcome.flipped.toFixed(3)} %`,
      `${result.targetMet ? 'met' : 'UNMET'}/${result.floorMet ?? 'open'}`,
      `${result.steps} steps, ${result.seconds.toFixed(1)} s`,
    ].join(' · ');
    process.stdout.write(`${line}\n`);
    if (values.json !== undefined) {
      appendFileSync(
        values.json,
        `${JSON.stringify({ data, featureName, hidden, share: values.share, seed, method, drop: outcome.drop, reduction: outcome.reduction, flipped: outcome.flipped })}\n`,
      );
    }
  }
}

const quantile = (numbers: readonly number[], q: number) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? low;
  return low + (high - low) * (at - Math.floor(at));
};
const spread = (numbers: readonly number[], digits: number) =>
  `${quantile(numbers, 0.5).toFixed(digits)} [${quantile(numbers, 0.25).toFixed(digits)}, ${quantile(numbers, 0.75).toFixed(digits)}]`;
for (const [method, found] of outcomes) {
  const all = (pick: (outcome: Outcome) => number) => found.map(pick);
  process.stdout.write(
    `${data}/${featureName} hidden ${values.hidden} share ${values.share}, ${found.length} seeds, ${method}: ` +
      `drop ${spread(
        all((o) => o.drop),
        2,
      )} points, sensitivity down ${spread(
        all((o) => o.reduction),
        2,
      )} %, ` +
      `flips ${spread(
        all((o) => o.flipped),
        3,
      )} %, met ${found.filter(({ result }) => result.targetMet).length}, ` +
      `seconds ${spread(
        all(({ result }) => result.seconds),
        1,
      )}\n`,
  );
}
