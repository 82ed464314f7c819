/** `assay record`: what a command of Assay measured, as evidence of a dossier. */
import { evidenceFrom } from '@assay/dossier';
import type { Command } from 'commander';
import { openForRecords } from '../checking/check.ts';
import { shownValue } from '../checking/values.ts';
import { EXIT, InputError } from '../failures.ts';
import { readText } from '../files.ts';
import type { Action } from '../run.ts';

/** Documents of models with thousands of features. */
const MOST_BYTES = 64 * 2 ** 20;

interface Options {
  readonly dossier: string;
}

export function addRecord(program: Command, action: Action): void {
  program
    .command('record')
    .summary('put on record what was measured')
    .description(
      'Reads what `assay train`, `assay sensitivity` or `assay unlearn` printed with --json, and records what it says of the models of the dossier as evidence: about those whose files have the digests that were measured, and no others.',
    )
    .argument('<results...>', 'files with the output of a command with --json')
    .option('--dossier <folder>', 'folder of the dossier', '.')
    .addHelpText(
      'after',
      `
Example:
  $ assay sensitivity model.onnx --data people.csv --json > sensitivity.json
  $ assay record sensitivity.json --dossier release
`,
    )
    .action(async (results: readonly string[], options: Options) => {
      await action(async (context) => {
        const { dossier, vocabulary } = await openForRecords(options.dossier);
        const read = await Promise.all(results.map(async (path) => ({ path, json: await jsonIn(path) })));
        const imported = read.map(({ json }) => evidenceFrom(dossier, json, vocabulary));
        const records: { fact: string; subject: string; record: string }[] = [];
        for (const { evidence, notes } of imported) {
          await context.note(notes);
          for (const one of evidence) {
            const record = await dossier.recordEvidence(one);
            records.push({ fact: one.fact, subject: one.subject, record });
            await context.show(
              `${one.fact} of ${one.subject} is ${shownValue(one.value)}.\n${context.style.dim(`evidence/${record}.json`)}`,
            );
          }
        }
        if (records.length === 0) await context.show('Nothing was recorded.');
        await context.give({ command: 'record', records });
        return EXIT.done;
      });
    });
}

async function jsonIn(path: string): Promise<unknown> {
  const text = await readText(path, MOST_BYTES);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InputError(`${path} is no JSON; it has to be what a command printed with --json.`, { cause });
  }
}
