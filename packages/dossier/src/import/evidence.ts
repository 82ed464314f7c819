/** Evidence from what the commands of Assay print: intervals of the vocabulary's facts, on the digests that were measured. */
import { type Estimate, misfit, type Vocabulary } from '@assay/policy';
import type { JsonValue } from '../canonical.ts';
import type { Dossier, NewEvidence } from '../dossier.ts';
import { DossierError, errorAt } from '../errors.ts';
import type { About } from '../records.ts';
import {
  type Interval,
  MeasurementDocument,
  type SensitivityDocument,
  type TrainDocument,
  type UnlearnDocument,
} from './documents.ts';
import { highestOf } from './highest.ts';

/** Evidence to be recorded, and what was left out and why. */
export interface ImportedEvidence {
  readonly evidence: readonly NewEvidence[];
  /** Sentences. */
  readonly notes: readonly string[];
}

/** Highest sensitivity among the features that state a protected attribute. */
const SENSITIVITY = 'model.sensitivity.protected';
/** The attributes that were measured for it. */
const ATTRIBUTES = 'model.sensitivity.attributes';
/** Accuracy on rows that were not learned from. */
const ACCURACY = 'model.accuracy.test';

/**
 * Evidence from one JSON document of `assay sensitivity`, `assay unlearn` or `assay train`.
 *
 * The document says by digest which model and data were measured; it is evidence about those models of the dossier that have
 * that digest today. Which features state protected attributes, the manifest says (`protectedFeatures` of a model). Facts that the
 * vocabulary does not have are left out.
 *
 * @param json the parsed document
 * @throws DossierError `import-invalid` if it is none of these, or about no model of the dossier
 *
 * @example
 * const { evidence } = evidenceFrom(dossier, JSON.parse(output), vocabulary);
 * for (const one of evidence) await dossier.recordEvidence(one);
 */
export function evidenceFrom(dossier: Dossier, json: unknown, vocabulary: Vocabulary): ImportedEvidence {
  const parsed = MeasurementDocument.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const at = issue?.path.map(String).join('.') ?? '';
    throw new DossierError(
      'import-invalid',
      `This is not what \`assay sensitivity\`, \`assay unlearn\` or \`assay train\` print with --json${at === '' ? '' : `: ${at}: ${issue?.message ?? ''}`}.`,
    );
  }
  const collected = new Collected(dossier, vocabulary);
  const document = parsed.data;
  switch (document.command) {
    case 'sensitivity':
      fromSensitivity(collected, document);
      break;
    case 'unlearn':
      fromUnlearning(collected, document);
      break;
    case 'train':
      fromTraining(collected, document);
      break;
  }
  return { evidence: collected.evidence, notes: [...collected.notes] };
}

function fromSensitivity(collected: Collected, document: SensitivityDocument): void {
  const { accuracy, data, rows } = document;
  const features = new Map(
    Object.entries(document.features).map(([name, { sensitivity }]) => [
      name,
      estimate(sensitivity, sensitivity.rows),
    ]),
  );
  for (const id of collected.modelsWith([document.model.sha256])) {
    const about = collected.about(id, document.model.sha256, [data.digest], document);
    const details = { command: 'sensitivity', data: data.name, rows: rows.count, rowsFrom: rows.source };
    collected.sensitivity(id, features, { ...about, details });
    if (accuracy !== undefined) {
      const measured = estimate(accuracy, accuracy.rows);
      if (measured !== undefined) {
        collected.add({
          ...about,
          details,
          subject: `model:${id}`,
          fact: ACCURACY,
          value: measured,
          method: 'share of right predictions',
        });
      }
    }
  }
}

function fromUnlearning(collected: Collected, document: UnlearnDocument): void {
  const { before, after, test, data, feature, method } = document;
  // Both are about models of the dossier where it has both; the file that was changed is usually not there any more.
  for (const [when, sha256, measurement] of [
    ['before', document.model.sha256, before],
    ['after', document.output.sha256, after],
  ] as const) {
    const models = collected.modelsWith([sha256], [document.model.sha256, document.output.sha256]);
    const features = new Map([
      [feature, estimate(measurement.sensitivity, measurement.sensitivity.rows)],
      ...Object.entries(document.side_effects).map(([name, effect]) => {
        const interval = when === 'before' ? effect.before_interval : effect.after_interval;
        return [name, estimate(interval, measurement.sensitivity.rows)] as const;
      }),
    ]);
    for (const id of models) {
      const about = collected.about(id, sha256, [data.digest, test.digest], document);
      const details: Record<string, JsonValue> = {
        command: 'unlearn',
        data: test.name,
        rows: measurement.rows,
        rowsFrom: test.source,
        forgotten: feature,
        forgottenBy: method,
        measured: when,
        targetMet: document.target_met,
        ...(document.certificate === null || when === 'before' ? {} : { certificate: true }),
      };
      collected.sensitivity(id, features, { ...about, details });
      const [lower, upper] = measurement.accuracy_interval;
      const accuracy = estimate({ value: measurement.accuracy, lower, upper }, measurement.rows);
      if (accuracy !== undefined) {
        collected.add({
          ...about,
          details,
          subject: `model:${id}`,
          fact: ACCURACY,
          value: accuracy,
          method: 'share of right predictions',
        });
      }
    }
  }
}

function fromTraining(collected: Collected, document: TrainDocument): void {
  const { test, data, output } = document;
  for (const id of collected.modelsWith([output.sha256])) {
    collected.add({
      ...collected.about(id, output.sha256, [data.digest], document),
      subject: `model:${id}`,
      fact: ACCURACY,
      value: { value: test.accuracy, lower: test.lower, upper: test.upper, n: test.rows },
      method: 'share of right predictions on the rows set aside in training',
      details: { command: 'train', data: data.name, rows: test.rows },
    });
  }
}

type Context = Pick<NewEvidence, 'about' | 'tool' | 'seed' | 'details'>;

/** Evidence as it comes together, with what is left out. */
class Collected {
  readonly evidence: NewEvidence[] = [];
  readonly notes = new Set<string>();
  readonly #dossier: Dossier;
  readonly #vocabulary: Vocabulary;

  constructor(dossier: Dossier, vocabulary: Vocabulary) {
    this.#dossier = dossier;
    this.#vocabulary = vocabulary;
  }

  /** Models that have one of these digests today; some model has to have one of `any`. */
  modelsWith(digests: readonly string[], any: readonly string[] = digests): readonly string[] {
    const having = (wanted: readonly string[]): readonly string[] =>
      this.#dossier.subjects.flatMap(({ kind, id, digest, digestOf }) =>
        kind === 'model' && digestOf !== 'name' && digest !== undefined && wanted.includes(digest)
          ? [id]
          : [],
      );
    if (having(any).length > 0) return having(digests);
    throw new DossierError(
      'import-invalid',
      `No model of this dossier is the one that was measured (${any.map((digest) => `${digest.slice(0, 12)}…`).join(' or ')}). Point \`file\` of a model in assay.yaml to that file, or measure again on the file as it is now.`,
    );
  }

  about(
    id: string,
    modelDigest: string,
    dataDigests: readonly string[],
    document: { readonly seed: number; readonly versions: { readonly assay: string } },
  ): Context {
    const about: About[] = [{ subject: `model:${id}`, sha256: modelDigest }];
    for (const digest of new Set(dataDigests)) {
      const sets = this.#dossier.subjects.filter(
        (subject) => subject.kind === 'dataset' && subject.digest === digest,
      );
      for (const { key } of sets) about.push({ subject: key, sha256: digest });
      if (sets.length === 0) {
        this.notes.add(
          `The data that was measured on (${digest.slice(0, 12)}…) is no data set of this dossier; a change of it will not be noticed.`,
        );
      }
    }
    return { about, tool: { name: 'assay', version: document.versions.assay }, seed: document.seed };
  }

  /** The highest sensitivity of the features that state protected attributes, and which attributes those are. */
  sensitivity(id: string, features: ReadonlyMap<string, Estimate | undefined>, context: Context): void {
    const { manifest } = this.#dossier;
    const stated = manifest.models.get(id)?.protectedFeatures;
    if (stated === undefined) {
      this.notes.add(
        `assay.yaml does not say which features of "${id}" state protected attributes (models.${id}.protectedFeatures), so that ${SENSITIVITY} is not recorded.`,
      );
      return;
    }
    const attributes = new Set<string>();
    const measured: Estimate[] = [];
    const each: Record<string, JsonValue> = {};
    for (const [feature, attribute] of Object.entries(stated)) {
      const complaint = this.#complaint(ATTRIBUTES, [attribute]);
      if (complaint !== undefined) {
        throw errorAt(
          'manifest-invalid',
          manifest.yaml.placeOf(['models', id, 'protectedFeatures', feature]),
          `${attribute}: ${ATTRIBUTES} ${complaint}.`,
        );
      }
      const found = features.get(feature);
      if (found === undefined) {
        this.notes.add(`The sensitivity of "${id}" to "${feature}" was not measured.`);
        continue;
      }
      attributes.add(attribute);
      measured.push(found);
      each[feature] = { ...found };
    }
    // An attribute counts as measured only if each feature that states it was.
    for (const [feature, attribute] of Object.entries(stated)) {
      if (features.get(feature) === undefined) attributes.delete(attribute);
    }
    if (measured.length === 0) return;
    const method =
      'sensitivity of the scores to a change of one feature alone; the highest of the features that state a protected attribute';
    const details = { ...context.details, features: each };
    this.add({
      ...context,
      details,
      subject: `model:${id}`,
      fact: SENSITIVITY,
      value: highestOf(measured),
      method,
    });
    this.add({
      ...context,
      details,
      subject: `model:${id}`,
      fact: ATTRIBUTES,
      value: [...attributes].sort(),
      method,
    });
  }

  add(evidence: NewEvidence): void {
    if (!this.#vocabulary.facts.has(evidence.fact)) {
      this.notes.add(`The vocabulary has no fact ${evidence.fact}; it is not recorded.`);
      return;
    }
    const complaint = this.#complaint(evidence.fact, evidence.value);
    if (complaint !== undefined) throw new DossierError('import-invalid', `${evidence.fact} ${complaint}.`);
    this.evidence.push(evidence);
  }

  #complaint(name: string, value: NewEvidence['value']): string | undefined {
    const fact = this.#vocabulary.facts.get(name);
    return fact === undefined ? undefined : misfit(value, fact);
  }
}

/** An interval with all its numbers; undefined where one could not be measured. */
function estimate({ value, lower, upper }: Interval, rows: number): Estimate | undefined {
  if (value === null || lower === null || upper === null) return undefined;
  return { value, lower: Math.min(lower, value), upper: Math.max(upper, value), n: rows };
}
