/** Writes a manifest as a person would: in order, with comments, and with the questions that are left open. */
import type { FactDeclaration, SubjectKind, Vocabulary } from '@assay/policy';
import { stringify } from 'yaml';
import { parseManifest } from '../manifest.ts';
import type { DraftDataset, DraftDeclaration, DraftModel, ManifestDraft } from './draft.ts';

export interface WriteOptions {
  /** Facts whose questions are written as comments, for what is not declared yet. */
  readonly vocabulary?: Vocabulary;
  /** Only these questions, by fact; by default those that a declaration is the best answer to. */
  readonly questions?: ReadonlySet<string>;
  /** Where editors find the JSON Schema; by default none is named. */
  readonly schema?: string;
}

/** Long remarks are broken here. */
const WIDTH = 110;

/**
 * The text of assay.yaml.
 *
 * @returns YAML that {@link parseManifest} reads
 * @throws DossierError `manifest-invalid` if the draft is no manifest
 */
export function manifestText(draft: ManifestDraft, options: WriteOptions = {}): string {
  const lines: string[] = [];
  if (options.schema !== undefined) lines.push(`# yaml-language-server: $schema=${options.schema}`);
  lines.push(
    '# What is released, from which models and data, by whom, and under which policies.',
    '# A line that begins with # is a question left open: take the # away and answer it.',
    'version: 1',
    '',
    'release:',
    ...remarks(draft.release.remarks, 2),
    field(2, 'name', draft.release.name),
    field(2, 'version', draft.release.version),
    ...optional(2, 'description', draft.release.description),
    ...facts('release', draft.release.declarations ?? [], 2, options),
    '',
    '# Who may attest and waive. Where nobody is listed, anybody may.',
  );
  const people = draft.people ?? [];
  if (people.length === 0) lines.push('# people:', '#   - name: Ada Lovelace', '#     role: maintainer');
  else lines.push('people:', ...people.flatMap((person) => listItem(2, Object.entries(person))));
  lines.push('', ...section('models', draft.models, modelLines, 'model', options));
  lines.push('', ...section('datasets', draft.datasets, datasetLines, 'dataset', options));
  lines.push('', '# The codes by which it is judged.');
  const policies = draft.policies ?? [];
  if (policies.length === 0) lines.push('# policies:', '#   - id: neurips-code-of-ethics');
  else lines.push('policies:', ...policies.flatMap((policy) => listItem(2, Object.entries(policy))));
  const text = `${lines.join('\n')}\n`;
  parseManifest(text);
  return text;
}

function section<T extends DraftModel | DraftDataset>(
  name: string,
  entries: Readonly<Record<string, T>>,
  own: (entry: T) => readonly string[],
  kind: SubjectKind,
  options: WriteOptions,
): readonly string[] {
  const ids = Object.keys(entries);
  if (ids.length === 0) return [`${name}: {}`];
  const lines = [`${name}:`];
  for (const [id, entry] of Object.entries(entries)) {
    lines.push(...remarks(entry.remarks, 2), `  ${scalar(id)}:`);
    const body = [...own(entry), ...facts(kind, entry.declarations ?? [], 4, options)];
    if (body.every((line) => line.trimStart().startsWith('#'))) lines[lines.length - 1] += ' {}';
    lines.push(...body);
  }
  return lines;
}

function modelLines(model: DraftModel): readonly string[] {
  return [
    ...optional(4, 'name', model.name),
    ...optional(4, 'version', model.version),
    ...optional(4, 'file', model.file),
    // What is here is digested whenever the dossier is opened; only what is elsewhere needs its digest written down.
    ...optional(4, 'sha256', model.file === undefined ? model.sha256 : undefined),
    ...optional(4, 'url', model.url),
    ...optional(4, 'description', model.description),
    ...optional(4, 'trainedOn', model.trainedOn),
    ...optional(4, 'derivedFrom', model.derivedFrom),
    ...(model.protectedFeatures === undefined
      ? []
      : [
          '    # Told by the names of the features: check it. `assay sensitivity` measures the model on them.',
          ...block(4, 'protectedFeatures', Object.entries(model.protectedFeatures)),
        ]),
  ];
}

function datasetLines(dataset: DraftDataset): readonly string[] {
  return [
    ...optional(4, 'name', dataset.name),
    ...optional(4, 'aliases', dataset.aliases),
    ...optional(4, 'version', dataset.version),
    ...optional(4, 'file', dataset.file),
    ...optional(4, 'files', dataset.files),
    ...optional(
      4,
      'sha256',
      dataset.file === undefined && dataset.files === undefined ? dataset.sha256 : undefined,
    ),
    ...optional(4, 'url', dataset.url),
    ...optional(4, 'description', dataset.description),
    ...optional(4, 'derivedFrom', dataset.derivedFrom),
  ];
}

/** Declared facts and open questions, as one tree of keys. */
interface Branch {
  readonly members: Map<string, Branch>;
  declared: DraftDeclaration | undefined;
  question: FactDeclaration | undefined;
}

function facts(
  kind: SubjectKind,
  declarations: readonly DraftDeclaration[],
  indent: number,
  options: WriteOptions,
): readonly string[] {
  const root = branch();
  for (const declaration of declarations) reach(root, declaration.path).declared = declaration;
  for (const fact of options.vocabulary?.facts.values() ?? []) {
    if (fact.subject !== kind || fact.path === undefined) continue;
    const asked = options.questions?.has(fact.name) ?? fact.supply[0] === 'manifest';
    if (asked) reach(root, fact.path).question = fact;
  }
  return branchLines(root, indent, false);
}

function branchLines(at: Branch, indent: number, commented: boolean): readonly string[] {
  const lines: string[] = [];
  for (const [key, below] of at.members) {
    const active = isActive(below);
    const prefix = commented || !active ? `${' '.repeat(indent)}# ` : ' '.repeat(indent);
    if (below.declared !== undefined) {
      const { value, remark } = below.declared;
      lines.push(`${prefix}${key}: ${flow(value)}${remark === undefined ? '' : ` # ${oneLine(remark)}`}`);
    } else if (below.members.size > 0) {
      // What is commented out keeps its own indent behind the #, so that taking the # away is enough.
      lines.push(`${prefix}${key}:`);
      lines.push(...(active ? branchLines(below, indent + 2, commented) : commentedLines(below, indent, 2)));
    } else if (below.question !== undefined) {
      lines.push(`${prefix}${key}: ${blank(below.question)}   # ${oneLine(below.question.question)}`);
    }
  }
  return lines;
}

function commentedLines(at: Branch, indent: number, inner: number): readonly string[] {
  return [...at.members].flatMap(([key, below]) => {
    const start = `${' '.repeat(indent)}# ${' '.repeat(inner)}${key}:`;
    if (below.members.size > 0) return [start, ...commentedLines(below, indent, inner + 2)];
    return below.question === undefined
      ? []
      : [`${start} ${blank(below.question)}   # ${oneLine(below.question.question)}`];
  });
}

function isActive(at: Branch): boolean {
  return at.declared !== undefined || [...at.members.values()].some(isActive);
}

function branch(): Branch {
  return { members: new Map(), declared: undefined, question: undefined };
}

function reach(root: Branch, path: string): Branch {
  let at = root;
  for (const key of path.split('.')) {
    const next = at.members.get(key) ?? branch();
    at.members.set(key, next);
    at = next;
  }
  return at;
}

/** What an answer looks like. */
function blank(fact: FactDeclaration): string {
  switch (fact.type) {
    case 'boolean':
      return 'true | false';
    case 'enum':
      return (fact.values ?? []).join(' | ');
    case 'list':
      return '[]';
    case 'number':
      return '0';
    case 'date':
      return '2026-01-31';
    case 'estimate':
      return '{ value: 0, lower: 0, upper: 0, n: 0 }';
    case 'string':
      return '""';
  }
}

function remarks(sentences: readonly string[] | undefined, indent: number): readonly string[] {
  return (sentences ?? []).flatMap((sentence) =>
    wrapped(oneLine(sentence)).map((line) => `${' '.repeat(indent)}# ${line}`),
  );
}

function wrapped(sentence: string): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of sentence.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function optional(indent: number, key: string, value: unknown): readonly string[] {
  return value === undefined ? [] : [field(indent, key, value)];
}

function field(indent: number, key: string, value: unknown): string {
  return `${' '.repeat(indent)}${key}: ${flow(value)}`;
}

function block(
  indent: number,
  key: string,
  entries: readonly (readonly [string, unknown])[],
): readonly string[] {
  if (entries.length === 0) return [`${' '.repeat(indent)}${key}: {}`];
  return [
    `${' '.repeat(indent)}${key}:`,
    ...entries.map(([name, value]) => `${' '.repeat(indent + 2)}${scalar(name)}: ${flow(value)}`),
  ];
}

function listItem(indent: number, entries: readonly (readonly [string, unknown])[]): readonly string[] {
  return entries
    .filter(([, value]) => value !== undefined)
    .map(([key, value], i) => `${' '.repeat(indent)}${i === 0 ? '- ' : '  '}${key}: ${flow(value)}`);
}

/** A value on one line. JSON is YAML, and texts from files cannot break out of its quotes; plain words go without them. */
function flow(value: unknown): string {
  if (typeof value === 'string') return scalar(value);
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, member]) => `${scalar(key)}: ${flow(member)}`);
    return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
  }
  return JSON.stringify(value);
}

function scalar(text: string): string {
  const simple = /^[A-Za-z][A-Za-z0-9 ._/-]*$/.test(text) && !text.endsWith(' ') && text.length < 200;
  // Words like `no` and `null` are quoted where YAML reads them as something else than text.
  return simple && stringify(text).trim() === text
    ? text
    : JSON.stringify(text).replace(NOT_PRINTABLE, escaped);
}

/** What JSON lets through, but YAML counts as a line break or refuses. */
const NOT_PRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029\s]+/gu, ' ')
    .replace(/[\ufeff\ufffe\uffff]/g, '')
    .trim();
}
