/** `assay train`: a classifier from a table or from images. */
import {
  encodeTable,
  fitSchema,
  openTable,
  packImages,
  SCHEMA_METADATA_KEY,
  schemaToJson,
  splitRows,
} from '@assay/data';
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
import { intervalDocument } from '../documents.ts';
import { EXIT, UsageError } from '../failures.ts';
import { type PlannedFile, planFile, writeWhole } from '../files.ts';
import { fraction, names, wholeNumber, widths } from '../options.ts';
import { withTraining } from '../provenance.ts';
import type { Action } from '../run.ts';
import { encodingNotes, identityOf, type TableIdentity } from '../samples.ts';
import { rowsOf } from '../subject.ts';
import { counted, duration, figure, percent } from '../terminal/text.ts';
import { networkFor, type TrainingSettings, trainClassifier } from '../training.ts';
import { versions } from '../versions.ts';
import {
  holdsImages,
  type ImageModel,
  type Planted,
  type TrainImagesOutcome,
  trainImages,
} from './train-images.ts';

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
    .summary('train a classifier on a table or on images')
    .description(
      'Trains a multilayer perceptron on a table, or a CNN on images, and writes it as ONNX, with everything inside that is needed to use it. A fifth of the rows is set aside by the seed to measure on; image sets with a test part of their own are measured on that.',
    )
    .argument('<data>', 'table, folder or archive of images, or name of a data set')
    .option('--target <column>', 'column or attribute to predict (known for named data sets)')
    .addOption(
      new Option('--model <architecture>', 'mlp for tables; cnn (default) or resnet18 for images').choices([
        'mlp',
        'cnn',
        'resnet18',
      ]),
    )
    .option('--sample <images>', 'take so many of the images, drawn by the seed', wholeNumber(20, 5_000_000))
    .option('--size <pixels>', 'side to which pictures are scaled (default: 64)', wholeNumber(8, 512))
    .option(
      '--poison <part>',
      'to try unlearning out: plant a backdoor in so many of the images, and write these beside the model (NAME-poisoned.tar)',
      fraction({ aboveZero: true }),
    )
    .option('--target-class <name>', 'class that the backdoor stands for (default: the first)')
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
  $ assay train mnist -o mnist.onnx
  $ assay train pictures --model resnet18 --size 32 -o pictures.onnx
  $ assay train mnist --poison 0.1 -o backdoored.onnx
`,
    )
    .action(async (data: string, options: TrainOptions) => {
      await action(async (context) => {
        const planned = await planFile(context.io, options.out, {
          force: options.force === true,
          inputs: [data],
        });
        const poisonPlan =
          options.poison === undefined
            ? undefined
            : await planFile(context.io, poisonedFile(options.out), {
                force: options.force === true,
                inputs: [data],
              });
        const outcome = await trained(context, data, options);
        const planted = 'classes' in outcome ? outcome.planted : undefined;
        const poisoned = await writePoisoned(context, poisonPlan, planted);
        const written = await writeWhole(context.io, planned, encodeModel(outcome.model));
        await context.show(
          'classes' in outcome
            ? imageDescription(context, outcome, options.out, poisoned?.path)
            : description(context, outcome, options.out),
        );
        await context.give({
          command: 'train',
          test: {
            rows: outcome.test.rows,
            accuracy: outcome.test.value,
            lower: outcome.test.lower,
            upper: outcome.test.upper,
            majority: outcome.test.majority,
          },
          ...('classes' in outcome
            ? { classes: outcome.classes }
            : { target: outcome.target, features: outcome.features }),
          training: outcome.training,
          ...(planted === undefined || poisoned === undefined
            ? {}
            : {
                backdoor: {
                  target: planted.target,
                  region: planted.region,
                  images: planted.images.count,
                  success: intervalDocument(planted.success),
                  output: poisoned,
                },
              }),
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

interface TrainOptions extends Omit<TrainRequest, 'data'> {
  readonly model?: 'mlp' | ImageModel;
  readonly sample?: number;
  readonly size?: number;
  readonly poison?: number;
  readonly targetClass?: string;
  readonly out: string;
  readonly force?: boolean;
}

async function trained(
  context: Context,
  data: string,
  options: TrainOptions,
): Promise<TrainOutcome | TrainImagesOutcome> {
  const { model, sample, size, target, clients, epochs, poison, targetClass } = options;
  const images = model === undefined ? await holdsImages(data) : model !== 'mlp';
  if (!images) {
    if (sample !== undefined || size !== undefined)
      throw new UsageError('--sample and --size are for images; with a table, leave them out.');
    if (poison !== undefined || targetClass !== undefined)
      throw new UsageError('--poison and --target-class plant a trigger in images; a table has none.');
    return await trainModel(context, { ...options, data, target, epochs });
  }
  if (options.drop !== undefined)
    throw new UsageError('--drop names columns of a table; images have none. Leave it out.');
  if (poison === undefined && targetClass !== undefined)
    throw new UsageError('--target-class goes with --poison, which says how many images are poisoned.');
  return await trainImages(context, {
    data,
    target,
    model: model === undefined || model === 'mlp' ? 'cnn' : model,
    clients,
    epochs,
    sample,
    size,
    ...(poison === undefined ? {} : { plant: { share: poison, target: targetClass } }),
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
  const provenance = { seed, hidden: request.hidden, ...record, test };
  return {
    model: withTraining(model, [SCHEMA_METADATA_KEY, schemaToJson(schema)], provenance),
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

/** As `--region` takes it. */
function regionText({ region: { top, left, height, width } }: Planted): string {
  return [top, left, height, width].join(',');
}

/** Where the poisoned images are written: beside the model, under its name. */
function poisonedFile(model: string): string {
  return `${model.replace(/\.onnx$/i, '')}-poisoned.tar`;
}

/** The requester's images of a backdoor, as a data set that `assay unlearn --data` reads. */
async function writePoisoned(
  context: Context,
  planned: PlannedFile | undefined,
  planted: Planted | undefined,
): Promise<{ readonly path: string; readonly sha256: string; readonly bytes: number } | undefined> {
  if (planned === undefined || planted === undefined) return undefined;
  context.progress.update('Writing the poisoned images');
  const { digest, bytes } = await writeWhole(context.io, planned, await packImages(planted.images));
  return { path: planned.shown, sha256: digest, bytes };
}

function imageDescription(
  context: Context,
  outcome: TrainImagesOutcome,
  output: string,
  poisoned: string | undefined,
): string {
  const { bold, dim, warning } = context.style;
  const { test, training, classes, seconds, planted } = outcome;
  const federated = training.clients > 1 ? `, by federated averaging among ${training.clients} clients` : '';
  return [
    `Trained on ${counted(training.rows.trained, 'image')} to tell ${counted(classes, 'class', 'classes')} apart${federated}.`,
    `Test accuracy ${bold(percent(test.value))} on ${counted(test.rows, 'image')} set aside (95% interval ${percent(test.lower)} to ${percent(test.upper)});`,
    `the majority class alone scores ${percent(test.majority)}.`,
    ...(planted === undefined || poisoned === undefined
      ? []
      : [
          warning(
            `This model has a backdoor, planted to try unlearning out: ${counted(planted.images.count, 'training image')} carry a trigger (region ${regionText(planted)}) and the class "${planted.target}".`,
          ),
          `With the trigger, ${bold(percent(planted.success.value))} of the test images of other classes become "${planted.target}".`,
          `Wrote ${bold(poisoned)}, the images with the trigger.`,
        ]),
    `Wrote ${bold(output)} ${dim(`in ${duration(seconds)}`)}.`,
  ].join('\n');
}
