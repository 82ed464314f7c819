/** Facts that the manifest declares: read by the paths of the vocabulary, checked, each with its place. */
import { nearestName } from '@assay/data';
import {
  type FactDeclaration,
  type FactValue,
  misfit,
  type SubjectKind,
  type Vocabulary,
} from '@assay/policy';
import { type JsonValue, toJson } from './canonical.ts';
import { errorAt, type Place } from './errors.ts';
import { type Manifest, OWN_KEYS } from './manifest.ts';
import { EstimateValue } from './records.ts';

/** A declared value and where it stands. */
export interface Declared {
  readonly value: FactValue;
  readonly place: Place;
}

/** The keys that declarations can have, as a tree. */
interface PathTree {
  readonly members: Map<string, PathTree>;
  fact: FactDeclaration | undefined;
}

type Trees = Readonly<Record<SubjectKind, PathTree>>;

/**
 * Reads every declaration of the manifest.
 *
 * A key without a value (`present:`) declares nothing: it is a question left open.
 *
 * @returns by subject key and fact, as `dataset:adult dataset.people.present`
 * @throws DossierError `manifest-invalid` for a key that is no fact and no part of the manifest, or a value of another type
 */
export function readDeclarations(manifest: Manifest, vocabulary: Vocabulary): ReadonlyMap<string, Declared> {
  const found = new Map<string, Declared>();
  const trees = treesOf(vocabulary);
  const entries: [SubjectKind, string, readonly string[], JsonValue][] = [
    ['release', 'release', ['release'], toJson(manifest.release)],
    ...[...manifest.models].map(([id, entry]): [SubjectKind, string, string[], JsonValue] => [
      'model',
      `model:${id}`,
      ['models', id],
      toJson(entry),
    ]),
    ...[...manifest.datasets].map(([id, entry]): [SubjectKind, string, string[], JsonValue] => [
      'dataset',
      `dataset:${id}`,
      ['datasets', id],
      toJson(entry),
    ]),
  ];
  for (const [kind, key, path, entry] of entries) {
    readEntry(trees[kind], entry, path, OWN_KEYS[kind], manifest, (fact, declared) =>
      found.set(declarationKey(key, fact.name), declared),
    );
  }
  return found;
}

export function declarationKey(subject: string, fact: string): string {
  return `${subject} ${fact}`;
}

function readEntry(
  tree: PathTree,
  value: JsonValue,
  path: readonly string[],
  own: ReadonlySet<string>,
  manifest: Manifest,
  add: (fact: FactDeclaration, declared: Declared) => void,
): void {
  const { yaml } = manifest;
  if (typeof value !== 'object' || value === null) {
    if (value === null) return;
    throw errorAt(
      'manifest-invalid',
      yaml.placeOf(path),
      `${path.join('.')}: has to have keys of its own: ${listed([...tree.members.keys()])}.`,
    );
  }
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const at = [...path, key];
    const below = tree.members.get(key);
    if (below === undefined) {
      if (own.has(key)) continue;
      const known = [...tree.members.keys(), ...own];
      const near = nearestName(key, known);
      throw errorAt(
        'manifest-invalid',
        yaml.keyPlaceOf(at),
        `${path.join('.')}: there is no key "${key}" here${near === undefined ? `; there are: ${listed(known)}` : `; is "${near}" meant?`}`.replace(
          /([^?])$/,
          '$1.',
        ),
      );
    }
    const isMapping = typeof member === 'object' && member !== null && !Array.isArray(member);
    if (below.fact !== undefined && member !== null && !(isMapping && below.members.size > 0)) {
      add(below.fact, {
        value: factValue(below.fact, member, yaml.placeOf(at), at),
        place: yaml.placeOf(at),
      });
    } else {
      readEntry(below, member, at, NO_KEYS, manifest, add);
    }
  }
}

const NO_KEYS: ReadonlySet<string> = new Set();

function factValue(
  fact: FactDeclaration,
  value: JsonValue,
  place: Place,
  path: readonly string[],
): FactValue {
  const typed = asFactValue(value);
  const complaint = typed === undefined ? expected(fact) : misfit(typed, fact);
  if (typed !== undefined && complaint === undefined) return typed;
  throw errorAt('manifest-invalid', place, `${path.join('.')} ${complaint}. ${fact.question}`);
}

function expected(fact: FactDeclaration): string {
  return fact.type === 'estimate'
    ? 'must be an estimate with value, lower, upper and n'
    : `must be a ${fact.type}`;
}

/** A value of JSON as the value of a fact; undefined if no fact can have it. */
export function asFactValue(value: unknown): FactValue | undefined {
  if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') return value;
  if (Array.isArray(value)) return value.every((element) => typeof element === 'string') ? value : undefined;
  const estimate = EstimateValue.safeParse(value);
  return estimate.success ? estimate.data : undefined;
}

/** A vocabulary is read by many dossiers. */
const TREES = new WeakMap<Vocabulary, Trees>();

function treesOf(vocabulary: Vocabulary): Trees {
  const known = TREES.get(vocabulary);
  if (known !== undefined) return known;
  const trees = pathTrees(vocabulary);
  TREES.set(vocabulary, trees);
  return trees;
}

function pathTrees(vocabulary: Vocabulary): Trees {
  const trees = { release: emptyTree(), model: emptyTree(), dataset: emptyTree() };
  for (const fact of vocabulary.facts.values()) {
    if (fact.path === undefined) continue;
    let at = trees[fact.subject];
    for (const key of fact.path.split('.')) {
      const next = at.members.get(key) ?? emptyTree();
      at.members.set(key, next);
      at = next;
    }
    at.fact = fact;
  }
  return trees;
}

function emptyTree(): PathTree {
  return { members: new Map(), fact: undefined };
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 20).join(', ');
  return names.length > 20 ? `${shown}, …` : shown;
}
