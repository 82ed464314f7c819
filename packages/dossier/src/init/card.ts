/** A card of the Hugging Face hub: README.md with YAML in front, of a model or of a data set. */
import { basename } from 'node:path';
import * as z from 'zod';
import { checkYaml, parseYaml } from '../yaml.ts';
import type { DraftDeclaration } from './draft.ts';
import type { Findings } from './found.ts';
import { spdxLicence } from './licence.ts';

const MOST_FRONT_MATTER = 2 ** 20;

const Texts = z
  .union([z.string(), z.array(z.union([z.string(), z.null()]))])
  .nullish()
  .transform((given) =>
    typeof given === 'string' ? [given] : (given ?? []).filter((text) => text !== null),
  );

/** The keys that are read; a card has others, which are left alone. */
const Card = z.looseObject({
  license: Texts,
  license_name: z.string().nullish(),
  library_name: z.string().nullish(),
  pipeline_tag: z.string().nullish(),
  tags: Texts,
  datasets: Texts,
  base_model: Texts,
  co2_eq_emissions: z.union([z.number(), z.looseObject({ emissions: z.number().nullish() })]).nullish(),
  'model-index': z.array(z.looseObject({ name: z.string().nullish() })).nullish(),
  pretty_name: z.string().nullish(),
  source_datasets: Texts,
  task_categories: Texts,
  annotations_creators: Texts,
  extra_gated_prompt: z.string().nullish(),
});

const TASKS: ReadonlyMap<string, string> = new Map([
  ['text-classification', 'classification'],
  ['token-classification', 'classification'],
  ['image-classification', 'classification'],
  ['audio-classification', 'classification'],
  ['video-classification', 'classification'],
  ['tabular-classification', 'classification'],
  ['zero-shot-classification', 'classification'],
  ['tabular-regression', 'regression'],
  ['time-series-forecasting', 'regression'],
  ['text-ranking', 'ranking'],
  ['sentence-similarity', 'similarity'],
  ['feature-extraction', 'similarity'],
  ['text-generation', 'generation'],
  ['text2text-generation', 'generation'],
  ['text-to-image', 'generation'],
  ['image-to-image', 'generation'],
  ['text-to-video', 'generation'],
  ['text-to-speech', 'generation'],
  ['text-to-audio', 'generation'],
  ['unconditional-image-generation', 'generation'],
  ['image-segmentation', 'segmentation'],
  ['automatic-speech-recognition', 'transcription'],
]);

const MODALITIES: ReadonlyMap<string, string> = new Map([
  ['image', 'image'],
  ['video', 'video'],
  ['text', 'text'],
  ['tabular', 'table'],
  ['audio', 'rawAudio'],
  ['timeseries', 'signal'],
]);

const ONLY_IN_DATASET_CARDS = [
  'dataset_info',
  'task_categories',
  'size_categories',
  'source_datasets',
  'annotations_creators',
  'pretty_name',
];
const ONLY_IN_MODEL_CARDS = ['library_name', 'pipeline_tag', 'base_model', 'model-index', 'datasets'];

/** Whether a text begins with YAML between lines of three hyphens. */
export function frontMatter(text: string): string | undefined {
  const found = /^\ufeff?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(\r?\n|$)/.exec(text);
  return found?.[1];
}

/**
 * @param name what it is called where the card does not say
 * @throws DossierError `unknown-format` with the line
 */
export function readCard(text: string, path: string, name: string): Findings {
  const yaml = parseYaml(frontMatter(text) ?? '', {
    origin: path,
    mostCharacters: MOST_FRONT_MATTER,
    code: 'unknown-format',
    linesBefore: 1,
  });
  const card = checkYaml(Card, yaml, 'unknown-format');
  const keys = new Set(
    Object.keys(card).filter(
      (key) => typeof yaml.value === 'object' && yaml.value !== null && Object.hasOwn(yaml.value, key),
    ),
  );
  const notes: string[] = [];
  const unanswered = text.split('[More Information Needed]').length - 1;
  if (unanswered > 0)
    notes.push(`${path} leaves ${unanswered} sections empty ("[More Information Needed]").`);
  const declarations: DraftDeclaration[] = [];
  const [licence] = card.license;
  if (licence !== undefined) {
    const found = spdxLicence(licence, card.license_name ?? undefined);
    if ('spdx' in found)
      declarations.push({
        path: 'licence.spdx',
        value: found.spdx,
        remark: `"${licence}" in ${basename(path)}`,
      });
    else notes.push(`${path}: ${found.problem}`);
  }
  if (card.license.length > 1)
    notes.push(`${path} names ${card.license.length} licences; the first was taken.`);
  if (card.extra_gated_prompt !== undefined && card.extra_gated_prompt !== null) {
    notes.push(
      `${path} asks for consent to terms before access; say so in access.level and access.safeguards of the release.`,
    );
  }
  const title = /^# +(.+)$/m.exec(text)?.[1]?.trim();
  const asDataset =
    ONLY_IN_DATASET_CARDS.filter((key) => keys.has(key)).length >
    ONLY_IN_MODEL_CARDS.filter((key) => keys.has(key)).length;
  if (asDataset) {
    const modality = card.tags.flatMap((tag) =>
      tag.startsWith('modality:') ? [MODALITIES.get(tag.slice(9)) ?? 'mixed'] : [],
    );
    if (modality.length > 0)
      declarations.push({
        path: 'modality',
        value: modality.length === 1 ? (modality[0] ?? 'mixed') : 'mixed',
        remark: 'by its tags',
      });
    const tasks = new Set(card.task_categories.flatMap((task) => TASKS.get(task) ?? []));
    const [task] = tasks;
    if (task !== undefined && tasks.size === 1)
      declarations.push({ path: 'task', value: task, remark: 'by its task categories' });
    declarations.push({ path: 'documentation.template', value: 'dataCard' });
    const sources = card.source_datasets
      .filter((source) => source !== 'original')
      .map((source) => source.replace(/^extended\|(other-)?/, ''));
    return {
      found: [
        {
          kind: 'dataset',
          source: path,
          name: card.pretty_name ?? title ?? name,
          bytes: false,
          entry: {
            name: card.pretty_name ?? title ?? name,
            ...(sources.length === 0 ? {} : { derivedFrom: sources }),
            declarations,
          },
        },
      ],
      notes,
    };
  }
  const task =
    card.pipeline_tag === undefined || card.pipeline_tag === null ? undefined : TASKS.get(card.pipeline_tag);
  if (task !== undefined)
    declarations.push({ path: 'task', value: task, remark: `"${card.pipeline_tag}" in ${basename(path)}` });
  declarations.push({ path: 'documentation.template', value: 'modelCard' });
  const emissions =
    typeof card.co2_eq_emissions === 'number' ? card.co2_eq_emissions : card.co2_eq_emissions?.emissions;
  if (emissions !== undefined && emissions !== null) {
    notes.push(
      `${path} tells of ${emissions / 1000} kg CO2e (${emissions} g), without an interval; give environment.emissions of the release with one.`,
    );
  }
  const called = card['model-index']?.[0]?.name ?? title ?? name;
  return {
    found: [
      {
        kind: 'model',
        source: path,
        name: called,
        bytes: false,
        trainedOn: card.datasets.map((dataset) => ({ name: dataset })),
        entry: {
          name: called,
          ...(card.base_model.length === 0 ? {} : { derivedFrom: card.base_model }),
          declarations,
        },
      },
    ],
    notes,
  };
}
