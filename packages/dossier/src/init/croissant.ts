/** A Croissant file: JSON-LD that describes a data set. */
import * as z from 'zod';
import { errorAt } from '../errors.ts';
import type { DraftDeclaration } from './draft.ts';
import type { Findings } from './found.ts';
import { spdxLicence } from './licence.ts';

const Named = z.union([
  z.string(),
  z.looseObject({ name: z.string().optional(), url: z.string().optional(), '@id': z.string().optional() }),
]);
const ListOf = <T extends z.ZodType>(type: T) =>
  z
    .union([z.array(type), type])
    .optional()
    .transform((given) => (given === undefined ? [] : Array.isArray(given) ? given : [given]));

const Croissant = z.looseObject({
  '@type': z.union([z.string(), z.array(z.string())]),
  name: z.string().optional(),
  description: z.string().optional(),
  version: z.union([z.string(), z.number()]).optional(),
  url: z.string().optional(),
  license: ListOf(Named),
  distribution: ListOf(
    z.looseObject({
      '@type': z.union([z.string(), z.array(z.string())]).optional(),
      sha256: z.string().optional(),
      encodingFormat: z.union([z.string(), z.array(z.string())]).optional(),
    }),
  ),
  recordSet: ListOf(
    z.looseObject({
      field: ListOf(z.looseObject({ name: z.string().optional(), '@id': z.string().optional() })),
    }),
  ),
  'prov:wasDerivedFrom': ListOf(Named),
  'rai:personalSensitiveInformation': z.json().optional(),
  'rai:dataBiases': z.json().optional(),
  'rai:dataLimitations': z.json().optional(),
});

/** Whether JSON describes a data set in Croissant. */
export function isCroissant(json: unknown): boolean {
  if (typeof json !== 'object' || json === null || !('@type' in json)) return false;
  const types = Array.isArray(json['@type']) ? json['@type'] : [json['@type']];
  return types.some((type) => typeof type === 'string' && /(^|[:/])Dataset$/.test(type));
}

/** @throws DossierError `unknown-format` if it is no Croissant file */
export function readCroissant(json: unknown, path: string, fallback: string): Findings {
  const parsed = Croissant.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw errorAt(
      'unknown-format',
      { file: path },
      `not a Croissant file: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}.`,
    );
  }
  const set = parsed.data;
  const notes: string[] = [];
  const name = set.name?.trim() || fallback;
  if (name !== set.name) notes.push(`${path} does not say what the data set is called.`);
  const declarations: DraftDeclaration[] = [{ path: 'documentation.template', value: 'croissant' }];
  const [licence] = set.license;
  const licenceText =
    typeof licence === 'string' ? licence : (licence?.url ?? licence?.['@id'] ?? licence?.name);
  if (licenceText !== undefined) {
    const found = spdxLicence(licenceText);
    if ('spdx' in found) declarations.push({ path: 'licence.spdx', value: found.spdx, remark: `by ${path}` });
    else notes.push(`${path}: ${found.problem}`);
  }
  const files = set.distribution.filter((file) => isType(file['@type'], 'FileObject'));
  const digests = files.flatMap(({ sha256 }) =>
    sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256) ? [sha256] : [],
  );
  const sets = set.distribution.length - files.length;
  const [digest] = digests;
  const alone =
    files.length === 1 && sets === 0 && !isRepository(files[0]?.encodingFormat) ? digest : undefined;
  if (alone === undefined) {
    notes.push(
      `${path} describes ${counted(files.length, 'file')} and ${counted(sets, 'set')} of files; put them into the dossier, or write their digest, so that it is known which bytes are meant.`,
    );
  }
  const fields = [
    ...new Set(
      set.recordSet.flatMap(({ field }) => field.flatMap(({ name, '@id': id }) => name ?? id ?? [])),
    ),
  ];
  for (const [key, fact] of [
    ['rai:personalSensitiveInformation', 'people.present, pii.minimised and sensitivity'],
    ['rai:dataBiases', 'population.assessed'],
  ] as const) {
    if (set[key] !== undefined)
      notes.push(`${path} says something under ${key}: read it, and answer ${fact}.`);
  }
  const derivedFrom = set['prov:wasDerivedFrom'].flatMap((source) =>
    typeof source === 'string' ? source : (source.name ?? source['@id'] ?? source.url ?? []),
  );
  return {
    found: [
      {
        kind: 'dataset',
        source: path,
        name,
        bytes: false,
        entry: {
          name: name.slice(0, 1000),
          ...(set.version === undefined ? {} : { version: String(set.version) }),
          ...(alone === undefined ? {} : { sha256: alone }),
          ...(set.url === undefined || !/^https?:/.test(set.url) ? {} : { url: set.url.slice(0, 1000) }),
          ...(set.description === undefined ? {} : { description: set.description.slice(0, 2000) }),
          ...(derivedFrom.length === 0
            ? {}
            : { derivedFrom: derivedFrom.map((source) => source.slice(0, 1000)) }),
          declarations,
          remarks:
            fields.length === 0
              ? []
              : [
                  `${fields.length} fields: ${fields.slice(0, 30).join(', ')}${fields.length > 30 ? ', …' : ''}.`,
                ],
        },
      },
    ],
    notes,
  };
}

function isType(type: string | readonly string[] | undefined, wanted: string): boolean {
  return (typeof type === 'string' ? [type] : (type ?? [])).some((one) =>
    new RegExp(`(^|[:/])${wanted}$`).test(one),
  );
}

/** A repository is described like a file, but its digest is of no bytes that anybody downloads. */
function isRepository(format: string | readonly string[] | undefined): boolean {
  return (typeof format === 'string' ? [format] : (format ?? [])).some((one) => one.startsWith('git'));
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
