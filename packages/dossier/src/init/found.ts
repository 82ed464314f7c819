/** What files say of models and data sets, and how several files about one thing become one entry. */
import type { DraftDataset, DraftDeclaration, DraftModel } from './draft.ts';
import { idFrom } from './draft.ts';

/** A data set that something says it was made with. */
export interface DataReference {
  readonly name: string;
  readonly sha256?: string;
}

export interface FoundModel {
  readonly kind: 'model';
  /** The file that says so. */
  readonly source: string;
  readonly name: string;
  /** Whether the model itself was there, or only something about it. */
  readonly bytes: boolean;
  readonly entry: DraftModel;
  readonly trainedOn: readonly DataReference[];
}

export interface FoundDataset {
  readonly kind: 'dataset';
  readonly source: string;
  readonly name: string;
  readonly bytes: boolean;
  readonly entry: DraftDataset;
}

/** What one file says. */
export interface Findings {
  readonly found: readonly (FoundModel | FoundDataset)[];
  /** Sentences for the person. */
  readonly notes: readonly string[];
  /** Facts about the whole release. */
  readonly declarations?: readonly DraftDeclaration[];
}

/** What several files say, as entries of one manifest. */
export interface Combined {
  readonly models: Readonly<Record<string, DraftModel>>;
  readonly datasets: Readonly<Record<string, DraftDataset>>;
}

/**
 * Brings together what is about the same thing: the same digest, or the same name; and a description with the only file that it
 * can be about.
 */
export function combined(found: readonly (FoundModel | FoundDataset)[]): Combined {
  const models = grouped(found.filter((one) => one.kind === 'model'));
  const datasets = grouped(found.filter((one) => one.kind === 'dataset'));
  const dataIds = new Set<string>();
  const dataEntries: { id: string; name: string; entry: DraftDataset }[] = datasets.map((group) => {
    const id = idFrom(nameOf(group), dataIds);
    dataIds.add(id);
    return { id, name: nameOf(group), entry: mergedDatasets(group) };
  });
  const modelIds = new Set<string>();
  const modelEntries = models.map((group): readonly [string, DraftModel] => {
    const id = idFrom(nameOf(group), modelIds);
    modelIds.add(id);
    const trainedOn = group
      .flatMap((one) => one.trainedOn)
      .map((reference) => {
        const there = dataEntries.find(
          ({ name, entry }) =>
            (reference.sha256 !== undefined && entry.sha256 === reference.sha256) ||
            idFrom(name) === idFrom(reference.name),
        );
        if (there !== undefined) return there.id;
        const added = idFrom(reference.name, dataIds);
        dataIds.add(added);
        dataEntries.push({
          id: added,
          name: reference.name,
          entry: {
            ...(added === reference.name ? {} : { name: reference.name }),
            ...(reference.sha256 === undefined ? {} : { sha256: reference.sha256 }),
            remarks: [`Named by ${group.map(({ source }) => source).join(' and ')}; it is not here.`],
          },
        });
        return added;
      });
    const entry = mergedModels(group);
    return [id, trainedOn.length === 0 ? entry : { ...entry, trainedOn: [...new Set(trainedOn)] }];
  });
  return {
    models: Object.fromEntries(modelEntries),
    datasets: Object.fromEntries(dataEntries.map(({ id, entry }) => [id, entry])),
  };
}

/** Groups of findings about one thing; what has the thing itself comes first in each. */
function grouped<T extends FoundModel | FoundDataset>(found: readonly T[]): readonly (readonly T[])[] {
  const groups: T[][] = [];
  const ordered = [...found].sort((a, b) => Number(b.bytes) - Number(a.bytes));
  for (const one of ordered) {
    const group = groups.find((others) => others.some((other) => same(one, other)));
    if (group !== undefined) group.push(one);
    else groups.push([one]);
  }
  // A card beside the only model is about that model, whatever it calls it.
  const real = groups.filter(([first]) => first?.bytes === true);
  const described = groups.filter(([first]) => first?.bytes === false);
  const [only] = real;
  const [description] = described;
  if (only === undefined || description === undefined || real.length > 1 || described.length > 1)
    return groups;
  return only.length > 1 ? groups : [[...only, ...description]];
}

function same(a: FoundModel | FoundDataset, b: FoundModel | FoundDataset): boolean {
  const [first, second] = [a.entry.sha256, b.entry.sha256];
  if (first !== undefined && second !== undefined) return first === second;
  return idFrom(a.name) === idFrom(b.name);
}

function nameOf(group: readonly (FoundModel | FoundDataset)[]): string {
  return group[0]?.name ?? 'unnamed';
}

/** The first that says something is believed; lists and remarks are joined. */
function mergedModels(group: readonly FoundModel[]): DraftModel {
  const entries = group.map(({ entry }) => entry);
  let merged: DraftModel = {};
  for (const entry of entries.toReversed()) merged = { ...merged, ...entry };
  return { ...merged, ...common(entries) };
}

function mergedDatasets(group: readonly FoundDataset[]): DraftDataset {
  const entries = group.map(({ entry }) => entry);
  const aliases = unique([
    ...entries.flatMap((entry) => entry.aliases ?? []),
    ...entries.slice(1).flatMap((entry) => (entry.name === undefined ? [] : [entry.name])),
  ]).filter((alias) => alias !== entries[0]?.name);
  let merged: DraftDataset = {};
  for (const entry of entries.toReversed()) merged = { ...merged, ...entry };
  return {
    ...merged,
    ...common(entries),
    ...(aliases.length === 0 ? {} : { aliases }),
  };
}

function common(
  entries: readonly (DraftModel | DraftDataset)[],
): Pick<DraftModel, 'derivedFrom' | 'declarations' | 'remarks'> {
  const derivedFrom = unique(entries.flatMap((entry) => entry.derivedFrom ?? []));
  const remarks = unique(entries.flatMap((entry) => entry.remarks ?? []));
  const declarations = new Map<string, DraftDeclaration>();
  for (const declaration of entries.flatMap((entry) => entry.declarations ?? [])) {
    if (!declarations.has(declaration.path)) declarations.set(declaration.path, declaration);
  }
  return {
    ...(derivedFrom.length === 0 ? {} : { derivedFrom }),
    ...(remarks.length === 0 ? {} : { remarks }),
    ...(declarations.size === 0 ? {} : { declarations: [...declarations.values()] }),
  };
}

function unique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}
