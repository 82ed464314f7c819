/** A bill of materials in CycloneDX (JSON, 1.5 and later): its models and data sets. */
import * as z from 'zod';
import { errorAt } from '../errors.ts';
import type { DraftDeclaration } from './draft.ts';
import type { DataReference, Findings, FoundDataset, FoundModel } from './found.ts';
import { spdxLicence } from './licence.ts';

const Text = z.string().max(100_000);
const DataRef = z.looseObject({
  ref: Text.optional(),
  name: Text.optional(),
  type: Text.optional(),
  contents: z.looseObject({ url: Text.optional() }).optional(),
});
const Energy = z.looseObject({
  activity: Text.optional(),
  co2CostEquivalent: z.looseObject({ value: z.number(), unit: Text.optional() }).optional(),
});
const Component = z.looseObject({
  type: Text,
  'bom-ref': Text.optional(),
  group: Text.optional(),
  name: Text,
  version: Text.optional(),
  description: Text.optional(),
  hashes: z.array(z.looseObject({ alg: Text, content: Text })).optional(),
  licenses: z
    .array(
      z.looseObject({
        expression: Text.optional(),
        license: z.looseObject({ id: Text.optional(), name: Text.optional() }).optional(),
      }),
    )
    .optional(),
  externalReferences: z.array(z.looseObject({ type: Text, url: Text })).optional(),
  data: z.array(DataRef).optional(),
  modelCard: z
    .looseObject({
      modelParameters: z
        .looseObject({ task: Text.optional(), datasets: z.array(DataRef).optional() })
        .optional(),
      considerations: z
        .looseObject({
          environmentalConsiderations: z
            .looseObject({ energyConsumptions: z.array(Energy).optional() })
            .optional(),
          technicalLimitations: z.array(Text).optional(),
          fairnessAssessments: z.array(z.unknown()).optional(),
        })
        .optional(),
    })
    .optional(),
});
type Component = z.infer<typeof Component>;

const Bom = z.looseObject({
  bomFormat: z.literal('CycloneDX'),
  specVersion: Text,
  metadata: z.looseObject({ component: Component.optional() }).optional(),
  components: z.array(Component).max(100_000).optional(),
});

export function isCycloneDx(json: unknown): boolean {
  return typeof json === 'object' && json !== null && 'bomFormat' in json && json.bomFormat === 'CycloneDX';
}

const TASKS: ReadonlySet<string> = new Set([
  'classification',
  'regression',
  'ranking',
  'similarity',
  'generation',
  'recommendation',
  'clustering',
  'segmentation',
  'transcription',
]);

/** @throws DossierError `unknown-format` if it is no bill of materials */
export function readCycloneDx(json: unknown, path: string): Findings {
  const parsed = Bom.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw errorAt(
      'unknown-format',
      { file: path },
      `not a CycloneDX bill of materials: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}.`,
    );
  }
  const { metadata, components = [] } = parsed.data;
  const all = [...(metadata?.component === undefined ? [] : [metadata.component]), ...components];
  const byRef = new Map(
    all.flatMap((one) => (one['bom-ref'] === undefined ? [] : [[one['bom-ref'], one] as const])),
  );
  const notes: string[] = [];
  const found: (FoundModel | FoundDataset)[] = [];
  for (const component of all) {
    if (component.type === 'machine-learning-model') found.push(modelOf(component, path, byRef, notes));
    else if (component.type === 'data') found.push(datasetOf(component, path, notes));
  }
  if (found.length === 0) notes.push(`${path} lists no model and no data set.`);
  return { found, notes };
}

function modelOf(
  component: Component,
  path: string,
  byRef: ReadonlyMap<string, Component>,
  notes: string[],
): FoundModel {
  const parameters = component.modelCard?.modelParameters;
  const considerations = component.modelCard?.considerations;
  const name = nameOf(component);
  const declarations = licenceOf(component, path, notes);
  const task = parameters?.task?.trim().toLowerCase();
  if (task !== undefined && TASKS.has(task))
    declarations.push({ path: 'task', value: task, remark: `by ${path}` });
  if (component.modelCard !== undefined)
    declarations.push({ path: 'documentation.template', value: 'modelCard' });
  for (const { activity, co2CostEquivalent } of considerations?.environmentalConsiderations
    ?.energyConsumptions ?? []) {
    if (co2CostEquivalent === undefined) continue;
    notes.push(
      `${path} tells of ${co2CostEquivalent.value * 1000} kg CO2e for ${activity ?? 'an activity'} of ${name}, without an interval; give environment.emissions of the release with one.`,
    );
  }
  const limitations = considerations?.technicalLimitations?.length ?? 0;
  const trainedOn = (parameters?.datasets ?? []).flatMap((dataset): readonly DataReference[] => {
    const named = dataset.ref === undefined ? undefined : byRef.get(dataset.ref);
    if (named !== undefined) return [{ name: nameOf(named), ...digestOf(named) }];
    const text = dataset.name ?? dataset.contents?.url ?? dataset.ref;
    return text === undefined ? [] : [{ name: text.slice(0, 1000) }];
  });
  return {
    kind: 'model',
    source: path,
    name,
    bytes: false,
    trainedOn,
    entry: {
      ...common(component),
      declarations,
      remarks: [
        `Read from ${path}.`,
        ...(limitations === 0 ? [] : [`Its model card there names ${limitations} technical limitations.`]),
      ],
    },
  };
}

function datasetOf(component: Component, path: string, notes: string[]): FoundDataset {
  return {
    kind: 'dataset',
    source: path,
    name: nameOf(component),
    bytes: false,
    entry: {
      ...common(component),
      declarations: licenceOf(component, path, notes),
      remarks: [`Read from ${path}.`],
    },
  };
}

function common(component: Component) {
  const { version, description, externalReferences = [] } = component;
  const url =
    externalReferences.find(({ type }) => type === 'distribution') ??
    externalReferences.find(({ type }) => type === 'website');
  return {
    name: nameOf(component),
    ...(version === undefined || version === '' ? {} : { version: version.slice(0, 100) }),
    ...digestOf(component),
    ...(url === undefined ? {} : { url: url.url.slice(0, 1000) }),
    ...(description === undefined ? {} : { description: description.slice(0, 2000) }),
  };
}

function nameOf({ group, name }: Component): string {
  return (group === undefined || group === '' ? name : `${group}/${name}`).slice(0, 1000);
}

function digestOf({ hashes = [] }: Component): { readonly sha256?: string } {
  const found = hashes.find(({ alg, content }) => alg === 'SHA-256' && /^[0-9a-fA-F]{64}$/.test(content));
  return found === undefined ? {} : { sha256: found.content.toLowerCase() };
}

function licenceOf({ licenses = [], name }: Component, path: string, notes: string[]): DraftDeclaration[] {
  const [first] = licenses;
  if (first === undefined) return [];
  if (licenses.length > 1)
    notes.push(`${path} names ${licenses.length} licences of ${name}; the first was taken.`);
  if (first.expression !== undefined)
    return [{ path: 'licence.spdx', value: first.expression.slice(0, 500), remark: `by ${path}` }];
  if (first.license?.id !== undefined)
    return [{ path: 'licence.spdx', value: first.license.id.slice(0, 200), remark: `by ${path}` }];
  const found = spdxLicence(first.license?.name ?? '');
  if ('spdx' in found) return [{ path: 'licence.spdx', value: found.spdx, remark: `by ${path}` }];
  notes.push(`${path}: ${found.problem}`);
  return [];
}
