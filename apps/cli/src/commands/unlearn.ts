/** `assay unlearn`: makes a model forget a feature. */
import { join } from 'node:path';
import { featureColumn } from '@assay/data';
import type { Reason, Rows } from '@assay/unlearn';
import { type Command, Option } from 'commander';
import { type Attention, attentionOf } from '../attention.ts';
import type { Context } from '../context.ts';
import { intervalDocument, measurementDocument } from '../documents.ts';
import { EXIT, UsageError } from '../failures.ts';
import { type PlannedFile, planFile, planFolder, writeWhole } from '../files.ts';
import { type Forgetful, type ForgetOptions, type Forgotten, forget } from '../forgetting.ts';
import {
  addImageFeatureOptions,
  type ImageFeatureOptions,
  placeAsked,
  requireNoImageOptions,
  theImageFeature,
} from '../image-features.ts';
import { imageSamplesForRequest } from '../image-samples.ts';
import { readModelFile } from '../model-file.ts';
import { fraction } from '../options.ts';
import { anchorText } from '../reason.ts';
import { REPORT_FILE, reportInput } from '../reporting.ts';
import type { Action } from '../run.ts';
import { type RequestSamples, samplesForRequest } from '../samples.ts';
import { type Subject, subjectOf } from '../subject.ts';
import { beforeAndAfter, type FurtherLine, sideEffectText } from '../terminal/before-and-after.ts';
import { counted, duration, percent } from '../terminal/text.ts';
import { versions } from '../versions.ts';

interface Options extends ImageFeatureOptions {
  readonly data: string;
  readonly feature?: string;
  readonly because: Reason;
  readonly test?: string;
  readonly schema?: string;
  readonly method: ForgetOptions['method'];
  readonly teacher: ForgetOptions['teacher'];
  readonly labels?: boolean;
  readonly targetSensitivity: number;
  readonly maxAccuracyDrop: number;
  readonly share: number;
  readonly out: string;
  readonly report?: string;
  readonly force?: boolean;
}

export function addUnlearn(program: Command, action: Action): void {
  const command = program
    .command('unlearn')
    .summary('make a model forget a feature')
    .description(
      "Makes a model forget a feature, with the requester's rows alone and without labels, and measures it before and after. Where the feature is a fixed set of inputs, they are cut out of the graph, which proves that nothing depends on them any more, and the accuracy is brought back by distilling from the old model (exact); otherwise the sensitivity is minimised (ferrari). Of images, the feature is a region, what a mask shows, what lies around landmarks, or the colour.",
    )
    .argument('<model>', 'ONNX file; it is left as it is')
    .requiredOption('--data <data>', "table, images or name of a data set with the requester's rows")
    .option('--feature <name>', 'feature to forget; for images: what the region is to be called')
    .addOption(
      new Option(
        '--because <reason>',
        'why it has to go, which decides what holds the accuracy: it may not be used (sensitive), it was planted to decide (backdoor), it goes together with the class by accident (bias)',
      )
        .choices(['sensitive', 'backdoor', 'bias'])
        .default('sensitive'),
    );
  addImageFeatureOptions(command, false)
    .option(
      '--test <data>',
      'table or images to measure on (default: the rows set aside in training, else 20% of the data); for a backdoor in images, some without it',
    )
    .option('--schema <file>', "YAML that describes the model's inputs, for a model that does not say")
    .addOption(
      new Option('--method <method>', 'way of forgetting')
        .choices(['auto', 'exact', 'ferrari', 'ferrari-paper'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--teacher <teacher>',
        'what the model is to agree with afterwards: the old model as it was, or averaged over other values of the feature',
      )
        .choices(['conditional', 'marginal'])
        .default('conditional'),
    )
    .option('--labels', "learn from the requester's labels as well")
    .option(
      '--target-sensitivity <part>',
      'part of the original sensitivity at which the feature counts as forgotten',
      fraction({ aboveZero: false }),
      0.02,
    )
    .option(
      '--max-accuracy-drop <part>',
      "accuracy that may be lost on the requester's own held-out rows",
      fraction({ aboveZero: false }),
      0.01,
    )
    .option(
      '--share <part>',
      'part of the rows that the requester holds, drawn by the seed',
      fraction({ aboveZero: true }),
      1,
    )
    .requiredOption('-o, --out <file>', 'model to write')
    .option('--report <folder>', 'write a report, one HTML page, into this folder')
    .option('--force', 'replace files that are there')
    .addHelpText(
      'after',
      `
Examples:
  $ assay unlearn adult.onnx --data adult --feature marital-status -o new.onnx
  $ assay unlearn adult.onnx --data adult --feature marital-status --share 0.1 \\
      --method ferrari -o new.onnx --report report
  $ assay unlearn faces.onnx --data faces --feature mouth \\
      --region 40,22,10,20 -o new.onnx
  $ assay unlearn digits.onnx --data poisoned.tar --test mnist \\
      --because backdoor --feature trigger --region 2,2,5,5 -o new.onnx

Ends with 1 if the target was not met or too much accuracy was lost; the best
trade-off found is written all the same.
`,
    )
    .action(async (path: string, options: Options) => {
      await action(async (context) => {
        const { io } = context;
        const inputs = [path, options.data, ...(options.test === undefined ? [] : [options.test])];
        const force = options.force === true;
        const planned = await planFile(io, options.out, { force, inputs });
        const reportPlan =
          options.report === undefined ? undefined : await planReport(context, options.report, force);
        requireSense(options);
        const subject = await subjectOf(await readModelFile(path), options.schema);
        const request = await requestOf(context, subject, options);
        const { samples } = request;
        await context.note(samples.notes);
        const forgotten = await forget(context, request.subject, samples, planned, {
          feature: request.feature,
          place: placeAsked(options),
          because: options.because,
          method: options.method,
          teacher: options.teacher,
          useLabels: options.labels === true,
          targetSensitivity: options.targetSensitivity,
          maxAccuracyDrop: options.maxAccuracyDrop,
        });
        const attention = await attentionFor(context, subject, request, forgotten, options.because);
        const outcome: Outcome = {
          ...request,
          forgotten,
          classes: subject.schema.target.classes,
          attention: typeof attention === 'string' ? undefined : attention,
          notes: typeof attention === 'string' ? [attention] : [],
        };
        const reportPath =
          reportPlan === undefined
            ? undefined
            : await writeReport(context, reportPlan, subject, options, outcome);
        await context.show(description(context, outcome, options, reportPath));
        await context.give(documentOf(context, subject, options, outcome, reportPath));
        return passed(forgotten) ? EXIT.done : EXIT.notPassed;
      });
    });
}

/** @throws UsageError for options that contradict each other */
function requireSense({ because, teacher, labels }: Options): void {
  if (because !== 'sensitive' && teacher === 'marginal') {
    throw new UsageError(
      `--teacher is for --because sensitive; with ${because}, the reason itself decides what holds the accuracy. Leave it out.`,
    );
  }
  if (because === 'backdoor' && labels === true) {
    throw new UsageError(
      '--labels cannot be used with --because backdoor: the labels of poisoned rows are what was planted. Leave it out.',
    );
  }
}

/** A feature to forget, and the rows to do it with. */
interface Request {
  readonly subject: Forgetful;
  readonly feature: string;
  readonly samples: RequestSamples;
}

interface Outcome extends Request {
  readonly forgotten: Forgotten;
  readonly classes: readonly string[];
  /** For a region of images. */
  readonly attention: Attention | undefined;
  readonly notes: readonly string[];
}

async function requestOf(context: Context, subject: Subject, options: Options): Promise<Request> {
  const { share, test, because } = options;
  if (subject.takes === 'table') {
    requireNoImageOptions(subject.file.shown, options);
    if (options.feature === undefined)
      throw new UsageError('Say which feature is to be forgotten: --feature NAME, a column of the table.');
    const feature = featureColumn(subject.schema, options.feature).name;
    return {
      subject,
      feature,
      samples: await samplesForRequest(context, subject, options.data, { share, test }),
    };
  }
  const feature = await theImageFeature(options, options.feature, subject.schema);
  const samples = await imageSamplesForRequest(context, subject, options.data, feature, {
    share,
    test,
    because,
  });
  const { file, classifier } = subject;
  return {
    subject: { file, classifier, features: [feature.feature] },
    feature: feature.feature.name,
    samples,
  };
}

/** Where the model looks, at images that show the feature: the requester's for a backdoor, else those measured on. */
async function attentionFor(
  context: Context,
  subject: Subject,
  { subject: { features }, samples }: Request,
  { result }: Forgotten,
  because: Reason,
): Promise<Attention | string | undefined> {
  const [feature] = features;
  if (subject.takes !== 'images' || feature?.kind !== 'region') return undefined;
  const rows: Rows = because === 'backdoor' ? samples.requester.rows : samples.test.rows;
  return await attentionOf(context, subject, result.model, feature, rows);
}

/** Whether the feature is forgotten and the utility kept; where the rows are too few to tell the latter, it is not held against it. */
function passed({ result }: Forgotten): boolean {
  return result.targetMet && result.floorMet !== false;
}

async function planReport(context: Context, folder: string, force: boolean): Promise<PlannedFile> {
  await planFolder(folder);
  return await planFile(context.io, join(folder, REPORT_FILE), { force });
}

async function writeReport(
  context: Context,
  planned: PlannedFile,
  subject: Subject,
  options: Options,
  { samples, forgotten, feature, attention, notes }: Outcome,
): Promise<string> {
  context.progress.update('Writing the report');
  const { renderReport } = await import('../report/index.ts');
  const page = await renderReport(
    reportInput(context, subject, samples, [{ ...forgotten, attention, notes }], {
      title: `Forgetting ${feature}`,
      commandLine: commandLine(subject, options, context),
    }),
  );
  await writeWhole(context.io, planned, new TextEncoder().encode(page));
  return planned.shown;
}

function commandLine(subject: Subject, options: Options, context: Context): string {
  const words = [
    'assay unlearn',
    subject.file.shown,
    '--data',
    options.data,
    ...(options.feature === undefined ? [] : ['--feature', options.feature]),
    ...(options.region ?? []).flatMap((box) => ['--region', box.join(',')]),
    ...(options.mask === undefined ? [] : ['--mask', options.mask]),
    ...(options.landmarks === undefined ? [] : ['--landmarks', options.landmarks.join(',')]),
    ...(options.margin === undefined ? [] : ['--margin', `${options.margin.y},${options.margin.x}`]),
    ...(options.colour === true ? ['--colour'] : []),
    ...(options.because === 'sensitive' ? [] : ['--because', options.because]),
    ...(options.test === undefined ? [] : ['--test', options.test]),
    ...(options.schema === undefined ? [] : ['--schema', options.schema]),
    ...(options.method === 'auto' ? [] : ['--method', options.method]),
    ...(options.teacher === 'conditional' ? [] : ['--teacher', options.teacher]),
    ...(options.labels === true ? ['--labels'] : []),
    ...(options.targetSensitivity === 0.02
      ? []
      : ['--target-sensitivity', String(options.targetSensitivity)]),
    ...(options.maxAccuracyDrop === 0.01 ? [] : ['--max-accuracy-drop', String(options.maxAccuracyDrop)]),
    ...(options.share === 1 ? [] : ['--share', String(options.share)]),
    '--seed',
    String(context.settings.seed),
    '-o',
    options.out,
  ];
  return words
    .map((word, i) =>
      i > 0 && /[\s'"\\$`<>|;&*?()]/.test(word) ? `'${word.replaceAll("'", `'\\''`)}'` : word,
    )
    .join(' ');
}

function description(
  context: Context,
  { forgotten, classes, attention, notes }: Outcome,
  options: Options,
  report: string | undefined,
): string {
  const { style, width } = context;
  const { result } = forgotten;
  const anchor = anchorText(result, result.feature);
  const verdict = result.targetMet
    ? style.good(result.method === 'exact' ? 'Forgotten, with proof.' : 'Forgotten: the target is met.')
    : style.bad('Not forgotten: the target is not met. What was written is the best trade-off found.');
  const lines = [
    `${style.bold(result.feature)} by ${style.bold(result.method)}: ${result.because}`,
    ...(anchor === undefined ? [] : [anchor]),
    '',
    beforeAndAfter([{ title: 'After', result }], width, style, classes, attentionLines(attention)),
    ...(result.sideEffects.size === 0 ? [] : [sideEffectText(result)]),
    '',
    verdict,
    ...(result.floorMet === false
      ? [
          style.bad(
            `More accuracy was lost on the requester's held-out rows than the ${percent(options.maxAccuracyDrop)} allowed.`,
          ),
        ]
      : []),
    ...result.notes,
    ...notes,
    '',
    `Wrote ${style.bold(options.out)} ${style.dim(`(${counted(result.steps, 'step')} in ${duration(result.seconds)}, on ${counted(result.rows.used, 'row')})`)}`,
    ...(report === undefined ? [] : [`Report: ${style.bold(report)}`]),
  ];
  return lines.join('\n');
}

function attentionLines(attention: Attention | undefined): readonly FurtherLine[] {
  if (attention === undefined) return [];
  const { before, after } = attention;
  return [
    ['Attention inside it', percent(before.share.value, 1), percent(after.share.value, 1)],
    ['  its share of the area', percent(before.area, 1), percent(after.area, 1)],
  ];
}

function attentionDocument({ layer, before, after }: Attention) {
  const mass = ({ share, images, blank }: Attention['before']) => ({
    ...intervalDocument(share),
    images,
    blank,
  });
  return { layer, area: before.area, before: mass(before), after: mass(after) };
}

function documentOf(
  context: Context,
  subject: Subject,
  options: Options,
  { samples, forgotten: { result, written, certificateCheckedOn }, attention, notes }: Outcome,
  report: string | undefined,
): unknown {
  const { certificate } = result;
  return {
    command: 'unlearn',
    feature: result.feature,
    method: result.method,
    because: result.because,
    reason: result.reason,
    teacher: result.teacher,
    labels_used: result.usedLabels,
    seconds: result.seconds,
    target_met: result.targetMet,
    floor_met: result.floorMet ?? null,
    before: measurementDocument(result.before),
    after: measurementDocument(result.after),
    side_effects: Object.fromEntries(
      [...result.sideEffects].map(([name, { before, after }]) => [
        name,
        {
          before: before.value,
          after: after.value,
          before_interval: intervalDocument(before),
          after_interval: intervalDocument(after),
        },
      ]),
    ),
    certificate:
      certificate === undefined
        ? null
        : {
            columns: certificate.columns,
            output: certificate.output,
            form: certificate.form,
            reach: certificate.reach,
            finite_inputs_only: certificate.finiteInputsOnly,
            checked_on: certificateCheckedOn ?? null,
          },
    ...(attention === undefined ? {} : { attention: attentionDocument(attention) }),
    curve: result.curve,
    steps: result.steps,
    rows: {
      requester: samples.requester.rows.count,
      used: result.rows.used,
      held_out: result.rows.heldOut,
      test: samples.test.rows.count,
    },
    test: { source: samples.test.source, ...samples.test.table },
    data: samples.requester.table,
    model: { path: subject.file.shown, sha256: subject.file.digest },
    output: { path: options.out, ...written },
    report: report ?? null,
    settings: {
      ...placeAsked(options),
      method: options.method,
      target_sensitivity: options.targetSensitivity,
      max_accuracy_drop: options.maxAccuracyDrop,
      share: options.share,
    },
    seed: context.settings.seed,
    provider: result.provider,
    notes: [...samples.notes, ...result.notes, ...notes],
    versions: versions(),
  };
}
