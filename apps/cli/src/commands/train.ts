/** `assay train`: a classifier from a table. */
import { encodeTable, fitSchema, openTable, SCHEMA_METADATA_KEY, schemaToJson, splitRows } from '@assay/data';
import { encodeModel, type Model } from '@assay/graph';
import {
  type Accuracy,
  accuracyOf,
  type Classifier,
  predictions,
  type Rows,
  Scorer,
  takeRows,
} from '@assay/unlearn';
import { type Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, UsageError } from '../failures.ts';
import { planFile, writeWhole } from '../files.ts';
import { names, wholeNumber, widths } from '../options.ts';
import { TRAINING_METADATA_KEY } from '../provenance.ts';
import type { Action } from '../run.ts';
import { encodingNotes, identityOf, type TableIdentity } from '../samples.ts';
import { rowsOf } from '../subject.ts';
import { counted, duration, figure, percent } from '../terminal/text.ts';
import { networkFor, type TrainingSettings, trainClassifier } from '../training.ts';
import { versions } from '../versions.ts';

export interface TrainRequest {
  readonly data: string;
  readonly target: string | undefined;
  readonly drop?: readonly string[] | undefined;
  readonly clients: number;
  readonly hidden: readonly number[];
  readonly epochs: number | undefined;
}

export interface TrainOutcome {
  readonly model: Model;
  readonly data: TableIdentity;
  readonly target: string;
  readonly features: number;
  readonly test: Accuracy;
  readonly training: TrainingSettings;
  readonly seconds: number;
}

/** Part of the rows that is set aside to measure on. */
const TEST_FRACTION = 0.2;

export function addTrain(program: Command, action: Action): void {
  program
    .command('train')
    .summary('train a classifier on a table')
    .description(
      'Trains a multilayer perceptron on a table and writes it as ONNX, with everything inside that is needed to use it. A fifth of the rows is set aside by the seed to measure on.',
    )
    .argument('<data>', 'table or name of a data set')
    .option('--target <column>', 'column to predict (known for named data sets)')
    .option('--drop <columns>', 'columns to leave out, with commas between them', names)
    .option(
      '--clients <number>',
      'train by federated averaging among so many clients',
      wholeNumber(1, 10_000),
      1,
    )
    .addOption(
      new Option('--hidden <widths>', 'widths of the hidden layers, or none for a linear model')
        .argParser(widths)
        .default([64, 64], '64,64'),
    )
    .option(
      '--epochs <number>',
      'passes over the training rows (default: by the size of the table)',
      wholeNumber(1, 100_000),
    )
    .requiredOption('-o, --out <file>', 'model to write')
    .option('--force', 'replace the file if it is there')
    .addHelpText(
      'after',
      `
Examples:
  $ assay train adult --drop fnlwgt -o adult.onnx
  $ assay train people.csv --target income --clients 10 -o model.onnx
`,
    )
    .action(async (data: string, options: Omit<TrainRequest, 'data'> & { out: string; force?: boolean }) => {
      await action(async (context) => {
        const planned = await planFile(context.io, options.out, {
          force: options.force === true,
          inputs: [data],
        });
        const outcome = await trainModel(context, {
          ...options,
          data,
          target: options.target,
          epochs: options.epochs,
        });
        const written = await writeWhole(context.io, planned, encodeModel(outcome.model));
        await context.show(description(context, outcome, options.out));
        await context.give({
          command: 'train',
          test: {
            rows: outcome.test.rows,
            accuracy: outcome.test.value,
            lower: outcome.test.lower,
            upper: outcome.test.upper,
            majority: outcome.test.majority,
          },
          target: outcome.target,
          features: outcome.features,
          training: outcome.training,
          data: outcome.data,
          output: { path: options.out, sha256: written.digest, bytes: written.bytes },
          seed: context.settings.seed,
          seconds: outcome.seconds,
          versions: versions(),
        });
        return EXIT.done;
      });
    });
}

/** Trains a model on a table; it carries its schema and the record of its training. */
export async function trainModel(context: Context, request: TrainRequest): Promise<TrainOutcome> {
  const begun = performance.now();
  const { seed } = context.settings;
  const { signal } = context;
  using table = await openTable(request.data, context.reading());
  await context.note(table.notes);
  const target = request.target ?? table.target;
  if (target === undefined) {
    throw new UsageError(
      `Say which column of ${table.name} to predict: --target COLUMN. It has: ${table.columnNames().slice(0, 20).join(', ')}${table.columns.length > 20 ? ', …' : ''}.`,
    );
  }
  const split = { seed, testFraction: TEST_FRACTION };
  const { schema, notes } = await fitSchema(table, {
    target,
    drop: request.drop ?? [],
    split,
    ...(request.clients > 1 ? { clients: request.clients } : {}),
    ...context.reading(),
  });
  await context.note(notes);
  const encoded = await encodeTable(table, schema, context.reading());
  await context.note(encodingNotes(encoded, table.name));
  const parts = splitRows(table.rows, split);
  const network = networkFor(schema, request.hidden, seed);
  const rows = rowsOf(encoded, network);
  const { model, record } = await trainClassifier({
    model: network,
    output: schema.output.name,
    rows: takeRows(rows, parts.train),
    clients: request.clients,
    seed,
    signal,
    ...(request.epochs === undefined ? {} : { epochs: request.epochs }),
    onProgress: ({ done, epoch, validationLoss }) =>
      context.progress.update(
        'Training',
        done,
        `epoch ${epoch}${validationLoss === undefined ? '' : `, loss ${figure(validationLoss)}`}`,
      ),
  });
  const test = await accuracyOn(
    model,
    schema.output,
    schema.target.classes.length,
    takeRows(rows, parts.test),
  );
  const { assay } = versions();
  const provenance = { tool: `assay ${assay}`, seed, hidden: request.hidden, ...record, test };
  const metadata = new Map([
    ...model.metadata,
    [SCHEMA_METADATA_KEY, schemaToJson(schema)] as const,
    [TRAINING_METADATA_KEY, JSON.stringify(provenance)] as const,
  ]);
  return {
    model: { ...model, producerName: 'assay', producerVersion: assay, metadata },
    data: identityOf(table),
    target,
    features: schema.columns.length,
    test,
    training: record,
    seconds: (performance.now() - begun) / 1000,
  };
}

async function accuracyOn(
  model: Model,
  output: Classifier['output'],
  classes: number,
  rows: Rows,
): Promise<Accuracy> {
  const scorer = await Scorer.open({ model, output, classes });
  try {
    return accuracyOf(predictions(await scorer.scores(rows)), rows.labels ?? new Int32Array());
  } finally {
    await scorer.close();
  }
}

function description(context: Context, outcome: TrainOutcome, output: string): string {
  const { bold, dim } = context.style;
  const { test, training, target, features, seconds } = outcome;
  const federated = training.clients > 1 ? `, by federated averaging among ${training.clients} clients` : '';
  return [
    `Trained on ${counted(training.rows.trained, 'row')} and ${counted(features, 'feature')} to predict "${target}"${federated}.`,
    `Test accuracy ${bold(percent(test.value))} on ${counted(test.rows, 'row')} set aside (95% interval ${percent(test.lower)} to ${percent(test.upper)});`,
    `the majority class alone scores ${percent(test.majority)}.`,
    `Wrote ${bold(output)} ${dim(`in ${duration(seconds)}`)}.`,
  ].join('\n');
}
