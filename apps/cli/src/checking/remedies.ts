/** The command that carries a remedy out, with the files and the feature of the dossier. */
import { join, posix, relative } from 'node:path';
import { isEstimate, type Rule, type SubjectRef } from '@assay/policy';
import type { OpenedDossier } from './check.ts';
import { commandLine } from './shell.ts';

/** The fact whose evidence tells how much a model depends on each of its protected features. */
const SENSITIVITY = 'model.sensitivity.protected';

/**
 * The `assay unlearn` command line for what a rule objects to; undefined where the dossier does not hold the files for it.
 *
 * The feature is the one that the rule's fact names, or else the one of the model's protected features that it depends on
 * most, by the evidence that holds.
 */
export function unlearnCommand(opened: OpenedDossier, rule: Rule, subject: SubjectRef): string | undefined {
  if (rule.remedy === undefined || rule.remedy.feature === false) return undefined;
  for (const id of modelsBehind(opened, subject)) {
    const entry = opened.dossier.manifest.models.get(id);
    if (entry?.file === undefined) continue;
    const feature =
      namedFeature(opened, rule, { kind: 'model', id }, subject) ?? strongestFeature(opened, id);
    const data = dataOf(opened, subject, entry.trainedOn ?? []);
    if (feature === undefined || data === undefined) continue;
    return commandLine([
      'assay',
      'unlearn',
      shown(opened.folder, entry.file),
      '--data',
      shown(opened.folder, data),
      '--feature',
      feature,
      '-o',
      shown(opened.folder, withoutFeature(entry.file, feature)),
    ]);
  }
  return undefined;
}

/** The `assay sensitivity` command line that measures a model; undefined where the dossier does not hold the files for it. */
export function sensitivityCommand(opened: OpenedDossier, model: SubjectRef): string | undefined {
  const entry = opened.dossier.manifest.models.get(model.id);
  const data = dataOf(opened, model, entry?.trainedOn ?? []);
  if (entry?.file === undefined || data === undefined) return undefined;
  const result = shown(opened.folder, 'sensitivity.json');
  const measure = commandLine([
    'assay',
    'sensitivity',
    shown(opened.folder, entry.file),
    '--data',
    shown(opened.folder, data),
    '--json',
  ]);
  return `${measure} > ${commandLine([result])} && ${commandLine(['assay', 'record', result, ...dossierOption(opened.folder)])}`;
}

/** What names the dossier to a command; nothing where it is the folder that the person is in. */
export function dossierOption(folder: string): readonly string[] {
  return relative('.', folder) === '' ? [] : ['--dossier', folder];
}

function modelsBehind({ dossier }: OpenedDossier, subject: SubjectRef): readonly string[] {
  if (subject.kind === 'model') return [subject.id];
  const models = [...dossier.manifest.models];
  const used =
    subject.kind === 'release'
      ? models
      : models.filter(([, { trainedOn }]) => trainedOn?.includes(subject.id));
  return used.map(([id]) => id);
}

/** What the fact says that the rule points to. */
function namedFeature(
  { facts }: OpenedDossier,
  rule: Rule,
  model: SubjectRef,
  subject: SubjectRef,
): string | undefined {
  const fact = rule.remedy?.feature;
  if (typeof fact !== 'string') return undefined;
  const about = fact.startsWith('model.') ? model : subject;
  const state = facts.fact(about, fact);
  if (state.state !== 'known') return undefined;
  const { value } = state;
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'object' && !isEstimate(value) ? value[0] : undefined;
}

/** The protected feature that a model depends on most; of those that nobody measured, the first. */
function strongestFeature({ dossier, facts }: OpenedDossier, model: string): string | undefined {
  const stated = Object.keys(dossier.manifest.models.get(model)?.protectedFeatures ?? {});
  const state = facts.fact({ kind: 'model', id: model }, SENSITIVITY);
  if (state.state !== 'known') return stated[0];
  const source = dossier.evidence.find(({ id }) => state.by === `evidence:${id}`);
  const measured = Object.entries(objectIn(source?.record.details?.features)).map(
    ([feature, of]) => [feature, Number(objectIn(of).value)] as const,
  );
  return measured.filter(([, value]) => value > 0).sort(([, a], [, b]) => b - a)[0]?.[0];
}

function objectIn(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function dataOf(
  { dossier }: OpenedDossier,
  subject: SubjectRef,
  trainedOn: readonly string[],
): string | undefined {
  const ids = subject.kind === 'dataset' ? [subject.id] : trainedOn;
  return ids.map((id) => dossier.manifest.datasets.get(id)?.file).find((file) => file !== undefined);
}

/** `models/census.onnx` → `models/census-without-sex.onnx`; what is not plain in a name becomes a hyphen. */
function withoutFeature(file: string, feature: string): string {
  const { dir, name, ext } = posix.parse(file);
  const plain = feature.replace(/[^\w.-]+/g, '-');
  return posix.join(dir, `${name}-without-${plain}${ext}`);
}

/** A path in the dossier, as seen from where the person is. */
function shown(folder: string, path: string): string {
  return relative('.', join(folder, path)).replaceAll('\\', '/');
}
