/** The codes that come with Assay, and their vocabulary of facts: found beside the program, read as text. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { InputError, isSystemError } from '../failures.ts';

/** A text with what it is called in messages. */
export interface NamedText {
  readonly origin: string;
  readonly text: string;
}

/** Beside the compiled program; in a checkout, at its root. */
const FOLDERS = ['../policies/', '../../../../policies/'].map((path) => new URL(path, import.meta.url));

/** What lies among the codes and is none. */
const REGISTRY = 'deprecated-data-sets.yaml';
const TOPICS = 'topics.yaml';

export interface ShippedCodes {
  readonly vocabulary: readonly NamedText[];
  /** By their ids, which are the names of their files. */
  readonly codes: ReadonlyMap<string, NamedText>;
  readonly registry: NamedText;
  /** Topics on which codes are compared. */
  readonly topics: NamedText;
}

/**
 * Reads the codes that come with Assay.
 *
 * @throws InputError if they are not there: the installation is damaged
 */
export async function shippedCodes(): Promise<ShippedCodes> {
  for (const folder of FOLDERS) {
    const names = await yamlFiles(folder);
    if (names === undefined) continue;
    const facts = new URL('facts/', folder);
    const factNames = (await yamlFiles(facts)) ?? [];
    const vocabulary = await Promise.all(factNames.map((name) => read(facts, name, `facts/${name}`)));
    const codes = await Promise.all(
      names
        .filter((name) => name !== REGISTRY && name !== TOPICS)
        .map(async (name) => [name.replace(/\.yaml$/, ''), await read(folder, name, name)] as const),
    );
    return {
      vocabulary,
      codes: new Map(codes),
      registry: await read(folder, REGISTRY, REGISTRY),
      topics: await read(folder, TOPICS, TOPICS),
    };
  }
  throw new InputError(
    `The codes that come with Assay are missing: no folder ${fileURLToPath(FOLDERS[0] ?? import.meta.url)}. Install Assay again.`,
  );
}

/** Names of the YAML files of a folder, sorted; undefined where there is no such folder. */
async function yamlFiles(folder: URL): Promise<readonly string[] | undefined> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort();
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function read(folder: URL, name: string, shown: string): Promise<NamedText> {
  return { origin: `policies/${shown}`, text: await readFile(new URL(name, folder), 'utf8') };
}
