/** One request to forget: unlearn, write, and prove again on what was written. */
import { readFile } from 'node:fs/promises';
import { encodeModel, type Model } from '@assay/graph';
import {
  type Certificate,
  type Classifier,
  certify,
  type Feature,
  type MethodName,
  type Reason,
  type TeacherName,
  type UnlearnProgress,
  type UnlearnResult,
  unlearn,
} from '@assay/unlearn';
import { FileCheckpoints } from './checkpoints.ts';
import type { Context } from './context.ts';
import { Interrupted } from './failures.ts';
import { type PlannedFile, writeWhole } from './files.ts';
import { decodeNamed, type ModelFile } from './model-file.ts';
import { UNLEARNING_METADATA_KEY, withForgotten } from './provenance.ts';
import type { RequestSamples } from './samples.ts';
import { versions } from './versions.ts';

/** A model, and the features of it that can be forgotten. */
export interface Forgetful {
  readonly file: ModelFile;
  readonly classifier: Classifier;
  /** All that side effects are measured on. */
  readonly features: readonly Feature[];
}

export interface ForgetOptions {
  readonly feature: string;
  /** Where in images it is, as it was asked for. */
  readonly place?: Readonly<Record<string, unknown>> | undefined;
  /** Why it has to go: decides what holds the utility. */
  readonly because: Reason;
  readonly method: MethodName | 'auto';
  readonly teacher: TeacherName;
  readonly useLabels: boolean;
  /** Part of the original sensitivity. */
  readonly targetSensitivity: number;
  /** Accuracy (0 to 1) that may be lost on the requester's held-out rows. */
  readonly maxAccuracyDrop: number;
}

export interface Forgotten {
  readonly result: UnlearnResult;
  readonly options: ForgetOptions;
  readonly written: { readonly name: string; readonly sha256: string; readonly bytes: number };
  /** Digest of the file on which the certificate was checked; undefined where there is none. */
  readonly certificateCheckedOn: string | undefined;
}

/**
 * Makes a model forget a feature and writes the result; until then there is nothing but a checkpoint beside it.
 *
 * @throws Interrupted if the person stopped it; the same command goes on from there
 */
export async function forget(
  context: Context,
  subject: Forgetful,
  samples: RequestSamples,
  planned: PlannedFile,
  options: ForgetOptions,
): Promise<Forgotten> {
  const { feature: name, place: _, ...how } = options;
  const feature = subject.features.find((candidate) => candidate.name === name);
  if (feature === undefined) throw new TypeError(`no feature ${name}`);
  const checkpoints = new FileCheckpoints(context.io, planned.path);
  let result: UnlearnResult;
  try {
    result = await unlearn({
      ...how,
      classifier: subject.classifier,
      feature,
      features: subject.features,
      requester: samples.requester.rows,
      test: samples.test.rows,
      seed: context.settings.seed,
      signal: context.signal,
      checkpoints,
      checkpointSeconds: context.io.checkpointSeconds,
      onProgress: (progress) => report(context, name, progress),
    });
  } catch (error) {
    if (!context.signal.aborted) throw error;
    throw new Interrupted(
      checkpoints.hasSaved
        ? 'Stopped. The model is as it was, and nothing was written; the same command goes on from here.'
        : 'Stopped. The model is as it was, and nothing was written.',
      { cause: error },
    );
  }
  if (checkpoints.wasResumed) await context.say('- Went on from where an earlier run was stopped.');
  const model = withRecord(result.model, subject, samples, options, result, context.settings.seed);
  const bytes = encodeModel(model);
  let checked = false;
  const { digest, bytes: size } = await writeWhole(context.io, planned, bytes, async (path) => {
    if (result.certificate === undefined) return;
    await checkCertificate(path, planned.shown, result.certificate);
    checked = true;
  });
  await checkpoints.finish();
  return {
    result: { ...result, model },
    options,
    written: { name: planned.shown, sha256: digest, bytes: size },
    certificateCheckedOn: checked ? digest : undefined,
  };
}

const PHASES: Readonly<Record<UnlearnProgress['phase'], string>> = {
  'measuring-before': 'Measuring before',
  unlearning: 'Forgetting',
  'measuring-after': 'Measuring after',
};

function report(context: Context, feature: string, { phase, done, detail }: UnlearnProgress): void {
  const step = phase === 'unlearning' ? `${PHASES[phase]} ${feature}` : PHASES[phase];
  context.progress.update(step, done, detail);
}

/** The proof once more, on the bytes that are on the disk. */
async function checkCertificate(path: string, shown: string, certificate: Certificate): Promise<void> {
  const model = decodeNamed(await readFile(path), shown);
  const { feature: name, columns: slots, output, form } = certificate;
  if (certify(model, output, { name, kind: 'number', slots }, form) === undefined) {
    throw new Error(
      `the written model does not bear out its certificate: "${certificate.output}" can depend on "${certificate.feature}"; the file was thrown away`,
    );
  }
}

/** The model says what it was made to forget, from which model, with which data. */
function withRecord(
  model: Model,
  subject: Forgetful,
  samples: RequestSamples,
  options: ForgetOptions,
  result: UnlearnResult,
  seed: number,
): Model {
  const entry = {
    tool: `assay ${versions().assay}`,
    feature: result.feature,
    ...(options.place === undefined ? {} : { place: options.place }),
    reason: result.reason,
    method: result.method,
    teacher: result.teacher,
    labels: result.usedLabels,
    seed,
    targetSensitivity: options.targetSensitivity,
    maxAccuracyDrop: options.maxAccuracyDrop,
    targetMet: result.targetMet,
    from: { name: subject.file.name, sha256: subject.file.digest },
    data: {
      name: samples.requester.table.name,
      sha256: samples.requester.table.digest,
      rows: samples.requester.rows.count,
    },
    sensitivity: { before: result.before.sensitivity.value, after: result.after.sensitivity.value },
    ...(result.before.implant === undefined || result.after.implant === undefined
      ? {}
      : {
          implant: { before: result.before.implant.success.value, after: result.after.implant.success.value },
        }),
  };
  const metadata = new Map(model.metadata);
  metadata.set(UNLEARNING_METADATA_KEY, withForgotten(metadata.get(UNLEARNING_METADATA_KEY), entry));
  return { ...model, metadata };
}
