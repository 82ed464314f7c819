/** The vocabulary: every fact that a policy may read, with its type, its question and how it can come to be known. */

import { z } from 'zod';
import { limits } from './limits.ts';
import { readYaml } from './yaml-source.ts';

/** What a fact can belong to. */
export type SubjectKind = 'release' | 'model' | 'dataset';

/** Types of values; an estimate is a number with a 95 % interval and the number of observations. */
export type FactType = 'boolean' | 'number' | 'string' | 'date' | 'enum' | 'list' | 'estimate';

/** How a fact can come to be known. */
export type Supply = 'manifest' | 'attest' | 'measure';

/** The declaration of one fact. */
export interface FactDeclaration {
  /** Full name, for example `dataset.people.present`. */
  readonly name: string;
  readonly subject: SubjectKind;
  readonly type: FactType;
  readonly title: string;
  readonly question: string;
  /** Best way first. */
  readonly supply: readonly Supply[];
  /** Where a declaration stands in the subject's entry of the manifest. */
  readonly path?: string;
  /** The command that measures it. */
  readonly command?: string;
  /** Values of an enum; values that the elements of a list can have. */
  readonly values?: readonly string[];
  readonly unit?: string;
  readonly min?: number;
  readonly max?: number;
  readonly note?: string;
}

/** Facts by their full name. */
export interface Vocabulary {
  readonly facts: ReadonlyMap<string, FactDeclaration>;
}

/** Segments that CEL reads as a word of its own, so that they cannot be part of a name. */
const words = new Set(['in', 'true', 'false', 'null']);

const factName = z
  .string()
  .max(200)
  .regex(
    /^(release|model|dataset)(\.[a-z][A-Za-z0-9]*)+$/,
    'A fact is named "release.", "model." or "dataset." and then words in camelCase joined by dots.',
  );

const declaration = z
  .strictObject({
    type: z.enum(['boolean', 'number', 'string', 'date', 'enum', 'list', 'estimate']),
    title: z.string().min(1).max(300),
    question: z.string().min(1).max(1000),
    supply: z.array(z.enum(['manifest', 'attest', 'measure'])).min(1),
    path: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*$/, 'A path is keys joined by dots.')
      .optional(),
    command: z.string().max(300).optional(),
    values: z.array(z.string().min(1).max(200)).min(1).max(1000).optional(),
    unit: z.string().max(60).optional(),
    min: z.number().optional(),
    max: z.number().optional(),
    note: z.string().max(2000).optional(),
  })
  .refine((fact) => fact.type !== 'enum' || fact.values !== undefined, {
    message: 'An enum lists its values.',
    path: ['type'],
  })
  .refine((fact) => fact.values === undefined || fact.type === 'enum' || fact.type === 'list', {
    message: 'Only an enum or a list has "values".',
    path: ['values'],
  })
  .refine((fact) => (fact.min === undefined && fact.max === undefined) || isNumeric(fact.type), {
    message: 'Only a number or an estimate has "min" and "max".',
    path: ['type'],
  })
  .refine((fact) => fact.unit === undefined || isNumeric(fact.type), {
    message: 'Only a number or an estimate has a unit.',
    path: ['unit'],
  })
  .refine((fact) => (fact.min ?? Number.NEGATIVE_INFINITY) <= (fact.max ?? Number.POSITIVE_INFINITY), {
    message: '"min" is above "max".',
    path: ['min'],
  })
  .refine((fact) => fact.path === undefined || fact.supply.includes('manifest'), {
    message: 'A fact with a "path" can be supplied by the manifest: list "manifest" under "supply".',
    path: ['path'],
  })
  .refine((fact) => fact.command === undefined || fact.supply.includes('measure'), {
    message: 'A fact with a "command" can be measured: list "measure" under "supply".',
    path: ['command'],
  })
  .refine((fact) => fact.supply.includes('manifest') === (fact.path !== undefined), {
    message: 'A fact that the manifest can supply says where, with "path".',
    path: ['supply'],
  });

const vocabularyFile = z.strictObject({ version: z.literal(1), facts: z.record(factName, declaration) });

/** A text and where it came from (a file name, for messages). */
export interface TextSource {
  readonly origin: string;
  readonly text: string;
}

/**
 * Reads vocabulary files and joins them.
 * @throws PolicyError with file, line and column: bad shape, a fact declared twice, or more facts than the limit.
 */
export function loadVocabulary(texts: readonly TextSource[]): Vocabulary {
  const facts = new Map<string, FactDeclaration>();
  const origins = new Map<string, string>();
  for (const { origin, text } of texts) {
    const source = readYaml(text, origin, vocabularyFile);
    for (const [name, fact] of Object.entries(source.value.facts)) {
      const path = ['facts', name];
      const earlier = origins.get(name);
      if (earlier !== undefined)
        throw source.error(path, `The fact ${name} is declared a second time; first in ${earlier}.`);
      if (facts.size >= limits.vocabulary)
        throw source.error(path, `The vocabulary has more than ${limits.vocabulary} facts.`);
      const segments = name.split('.');
      const word = segments.find((segment) => words.has(segment));
      if (word !== undefined)
        throw source.error(
          path,
          `"${word}" has a meaning of its own in conditions and cannot be part of a name.`,
        );
      if (segments.length === 2 && segments[1] === 'id')
        throw source.error(path, `${name} stands for the identifier of the subject and cannot be declared.`);
      const { path: place, command, values, unit, min, max, note, ...rest } = fact;
      facts.set(name, {
        name,
        subject: subjectOf(name),
        ...rest,
        ...(place !== undefined && { path: place }),
        ...(command !== undefined && { command }),
        ...(values !== undefined && { values }),
        ...(unit !== undefined && { unit }),
        ...(min !== undefined && { min }),
        ...(max !== undefined && { max }),
        ...(note !== undefined && { note }),
      });
      origins.set(name, origin);
    }
  }
  return { facts };
}

/** The kind of subject that a fact's full name begins with. */
function subjectOf(name: string): SubjectKind {
  if (name.startsWith('release.')) return 'release';
  return name.startsWith('model.') ? 'model' : 'dataset';
}

function isNumeric(type: FactType): boolean {
  return type === 'number' || type === 'estimate';
}
