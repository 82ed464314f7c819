/** `assay compare`: what two codes say on the same topics, over the same facts. */
import { type Comparison, compareCodes, loadPolicy, loadTopics } from '@assay/policy';
import type { Command } from 'commander';
import { judge, openForCheck } from '../checking/check.ts';
import { shippedCodes } from '../checking/codes.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../failures.ts';
import { day } from '../options.ts';
import type { Action } from '../run.ts';
import { printableLine } from '../terminal/text.ts';

interface Options {
  readonly today?: string;
}

export function addCompare(program: Command, action: Action): void {
  program
    .command('compare')
    .summary('lay two codes side by side over the same facts')
    .description(
      'Judges a dossier by the codes that come with Assay and are about the same topics, whether or not it names them, and shows topic by topic where they agree, where they differ, and which one is silent.',
    )
    .argument('[folder]', 'folder of the dossier', '.')
    .option('--today <day>', 'day by which deadlines are judged, as 2026-11-22 (default: today)', day)
    .action(async (folder: string, options: Options) => {
      await action(async (context) => {
        const { codes, topics: text } = await shippedCodes();
        const opened = await openForCheck({ folder, today: options.today });
        const shipped = [...codes.values()].map((code) =>
          loadPolicy(code.text, code.origin, opened.vocabulary),
        );
        const topics = loadTopics(text.text, text.origin, shipped);
        const named = [...new Set(topics.flatMap(({ rules }) => Object.keys(rules)))];
        const missing = named.filter((id) => !opened.codes.some(({ policy }) => policy.id === id));
        const all = await openForCheck({ folder, today: options.today, policies: missing });
        const compared = { ...all, codes: all.codes.filter(({ policy }) => named.includes(policy.id)) };
        const comparisons = compareCodes(judge(compared).evaluation, topics);
        await context.show(description(context, comparisons));
        await context.give({ command: 'compare', comparisons });
        return EXIT.done;
      });
    });
}

function description({ style }: Context, comparisons: readonly Comparison[]): string {
  return comparisons
    .map(({ topic, relation, explanation }) =>
      [
        `${style.bold(printableLine(topic.title))} (${relation})`,
        ...explanation.map((sentence) => `  ${printableLine(sentence)}`),
      ].join('\n'),
    )
    .join('\n\n');
}
