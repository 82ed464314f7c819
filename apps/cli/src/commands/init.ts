/** `assay init`: begins a dossier, from what is there and from a few questions. */
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { initDossier, initFrom, type ManifestDraft, type Person } from '@assay/dossier';
import { loadVocabulary, type Vocabulary } from '@assay/policy';
import type { Command } from 'commander';
import { parse } from 'yaml';
import * as z from 'zod';
import { shippedCodes } from '../checking/codes.ts';
import { factNamed, factValue, statement } from '../checking/values.ts';
import type { Context } from '../context.ts';
import { EXIT, InputError, UsageError } from '../failures.ts';
import { planFolder, readText } from '../files.ts';
import { collected } from '../options.ts';
import type { Action } from '../run.ts';
import { counted } from '../terminal/text.ts';

interface Options {
  readonly from?: string;
  readonly answers?: string;
  readonly name?: string;
  readonly release?: string;
  readonly for?: string;
  readonly person?: readonly string[];
  readonly fact?: readonly string[];
  readonly policy?: readonly string[];
}

const MOST_ANSWERS_BYTES = 2 ** 20;

const Answers = z.strictObject({
  name: z.string().min(1).optional(),
  release: z
    .union([z.string().min(1), z.number()])
    .transform(String)
    .optional(),
  for: z.string().optional(),
  people: z.array(z.strictObject({ name: z.string().min(1), role: z.string().min(1) })).optional(),
  facts: z.record(z.string(), z.union([z.boolean(), z.number(), z.string(), z.array(z.string())])).optional(),
  policies: z.array(z.string()).optional(),
});

/** What a person said, whichever way. */
interface Answered {
  readonly name: string | undefined;
  readonly release: string | undefined;
  readonly for: string | undefined;
  readonly people: readonly Person[];
  /** Facts about the release, as text. */
  readonly facts: readonly (readonly [string, string])[];
  readonly policies: readonly string[];
}

/** The facts about a release on which most depends: which codes reach it, and how far. */
const QUESTIONS = [
  'release.use.externalProduct',
  'release.use.internalDecisions',
  'release.outputs.public',
  'release.purpose.research',
] as const;

export function addInit(program: Command, action: Action): void {
  program
    .command('init')
    .summary('begin a dossier for a release candidate')
    .description(
      'Writes assay.yaml into a folder: what is found there (models, tables, model cards, Croissant and CycloneDX files), what you answer, and the questions that are left open as comments.',
    )
    .argument('[folder]', 'folder of the dossier (default: that of --from, or this one)')
    .option('--from <path>', 'a file or folder to begin from (default: what is in the folder)')
    .option(
      '--answers <file>',
      'YAML with name, release, for, people, facts and policies, in place of questions',
    )
    .option('--name <name>', 'what is released')
    .option('--release <version>', 'its version')
    .option('--for <text>', 'what it is for, in a sentence')
    .option('--person <name>', 'who is responsible: "NAME, ROLE"', collected)
    .option('--fact <statement>', 'a fact about the release: FACT=VALUE', collected)
    .option('--policy <id>', 'a code by which it is judged (default: neurips-code-of-ethics)', collected)
    .addHelpText(
      'after',
      `
Examples:
  $ assay init                                    asks
  $ assay init release --name "Census income" --release 1.0.0 \\
      --person "Ada Lovelace, maintainer" --policy neocrym
  $ assay init --from models/README.md --answers answers.yaml
`,
    )
    .action(async (given: string | undefined, options: Options) => {
      await action(async (context) => {
        const { codes, vocabulary: texts } = await shippedCodes();
        const vocabulary = loadVocabulary(texts);
        const folder = await folderFor(given, options.from);
        const { draft, notes } = await initFrom(options.from ?? folder);
        await context.note(notes);
        const said = await answersOf(context, options, draft, vocabulary);
        for (const id of said.policies) {
          if (codes.has(id)) continue;
          throw new UsageError(
            `No code "${id}" comes with Assay; there are ${[...codes.keys()].join(', ')}.`,
          );
        }
        await initDossier(folder, filledIn(draft, said, vocabulary), { vocabulary });
        const shown = given ?? options.from ?? '.';
        await context.show(
          `Wrote ${context.style.bold('assay.yaml')} with ${counted(Object.keys(draft.models).length, 'model')} and ${counted(Object.keys(draft.datasets).length, 'data set')}.\nAnswer what is left open in it, then: assay check${folder === resolve('.') ? '' : ` ${shown}`}`,
        );
        await context.give({
          command: 'init',
          folder,
          models: Object.keys(draft.models),
          datasets: Object.keys(draft.datasets),
          notes,
        });
        return EXIT.done;
      });
    });
}

/** Where the dossier begins: paths in it are relative to there, so that what is read has to lie in it. */
async function folderFor(given: string | undefined, from: string | undefined): Promise<string> {
  if (from === undefined) return await planFolder(given ?? '.');
  const found = await stat(resolve(from)).catch(() => undefined);
  const own = found?.isDirectory() === true ? resolve(from) : dirname(resolve(from));
  if (given === undefined || resolve(given) === own) return own;
  throw new UsageError(
    `A dossier holds what it is about: ${from} does not lie in ${given}. Copy it there, or leave the folder out.`,
  );
}

async function answersOf(
  context: Context,
  options: Options,
  draft: ManifestDraft,
  vocabulary: Vocabulary,
): Promise<Answered> {
  const read = options.answers === undefined ? {} : await readAnswers(options.answers);
  const given: Answered = {
    name: options.name ?? read.name,
    release: options.release ?? read.release,
    for: options.for ?? read.for,
    people: [...(read.people ?? []), ...(options.person ?? []).map(personIn)],
    facts: [
      ...Object.entries(read.facts ?? {}).map(
        ([fact, value]) => [fact, Array.isArray(value) ? value.join(',') : String(value)] as const,
      ),
      ...(options.fact ?? []).map(factIn),
    ],
    policies: [...(read.policies ?? []), ...(options.policy ?? [])],
  };
  const isAnswered = options.answers !== undefined || given.name !== undefined;
  const asked = isAnswered ? given : await askFor(context, given, draft, vocabulary);
  return { ...asked, policies: asked.policies.length === 0 ? ['neurips-code-of-ethics'] : asked.policies };
}

async function readAnswers(path: string): Promise<z.infer<typeof Answers>> {
  const text = await readText(path, MOST_ANSWERS_BYTES);
  let content: unknown;
  try {
    content = parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw new InputError(`${path} is no YAML: ${cause instanceof Error ? cause.message : ''}`, { cause });
  }
  const result = Answers.safeParse(content);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new InputError(
    `${path}: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'not valid'}.`,
  );
}

/** Asks the few things that matter; an empty line takes what stands in brackets, or leaves the question open. */
async function askFor(
  { io }: Context,
  given: Answered,
  draft: ManifestDraft,
  vocabulary: Vocabulary,
): Promise<Answered> {
  const { ask } = io;
  if (ask === undefined) {
    throw new UsageError(
      'Nobody is there to answer: give --name (and the other options), or --answers FILE.',
    );
  }
  const question = async (text: string, otherwise = ''): Promise<string> => {
    const answer = (await ask(`${text}${otherwise === '' ? '' : ` [${otherwise}]`}: `)).trim();
    return answer === '' ? otherwise : answer;
  };
  const name = await question('What is released', draft.release.name);
  const release = await question('Its version', given.release ?? draft.release.version);
  const purpose = await question('What it is for, in a sentence');
  const who = await question('Who is responsible (name, role)');
  const facts: (readonly [string, string])[] = [...given.facts];
  for (const fact of QUESTIONS) {
    const declared = vocabulary.facts.get(fact);
    if (declared === undefined || facts.some(([known]) => known === fact)) continue;
    const answer = await question(`${declared.question} (yes, no, or nothing to leave it open)`);
    if (answer !== '') facts.push([fact, answer]);
  }
  const policies = await question('Codes, with commas between', 'neurips-code-of-ethics');
  return {
    name,
    release,
    for: purpose === '' ? undefined : purpose,
    people: who === '' ? given.people : [...given.people, personIn(who)],
    facts,
    policies: policies.split(',').map((id) => id.trim()),
  };
}

function filledIn(draft: ManifestDraft, said: Answered, vocabulary: Vocabulary): ManifestDraft {
  const declared = said.facts.map(([name, text]) => {
    const fact = factNamed(vocabulary, name);
    if (fact.subject !== 'release' || fact.path === undefined) {
      throw new UsageError(`${name} is not declared for a release; write it into assay.yaml, or attest it.`);
    }
    return { path: fact.path, value: factValue(fact, text) };
  });
  const before = (draft.release.declarations ?? []).filter(
    ({ path }) => !declared.some((fact) => fact.path === path),
  );
  return {
    ...draft,
    release: {
      ...draft.release,
      name: said.name ?? draft.release.name,
      version: said.release ?? draft.release.version,
      ...(said.for === undefined ? {} : { description: said.for }),
      declarations: [...before, ...declared],
    },
    people: [...(draft.people ?? []), ...said.people],
    policies: said.policies.map((id) => ({ id })),
  };
}

function personIn(text: string): Person {
  const [name = '', ...role] = text.split(',').map((part) => part.trim());
  if (name === '' || role.length === 0) throw new UsageError('Name a person as "NAME, ROLE".');
  return { name, role: role.join(', ') };
}

function factIn(text: string): readonly [string, string] {
  const { fact, text: value } = statement(text);
  return [fact, value];
}
