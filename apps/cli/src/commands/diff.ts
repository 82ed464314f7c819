/** `assay diff`: what is judged otherwise in two dossiers or decisions, and why. */
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import {
  diffEvaluations,
  type EvaluationDifference,
  type FactState,
  recordOf,
  type VerdictChange,
} from '@assay/policy';
import type { Command } from 'commander';
import { type CheckedDossier, judge, openForCheck } from '../checking/check.ts';
import { decisionNamed, replay } from '../checking/decisions.ts';
import { VERDICT_WORDS } from '../checking/report.ts';
import { shownValue } from '../checking/values.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../failures.ts';
import { collected, day } from '../options.ts';
import type { Action } from '../run.ts';
import { counted, printableLine } from '../terminal/text.ts';

interface Options {
  readonly policy?: readonly string[];
  readonly today?: string;
}

export function addDiff(program: Command, action: Action): void {
  program
    .command('diff')
    .summary('show what two dossiers or decisions are judged otherwise in, and why')
    .description(
      'Judges two dossiers, or makes two recorded decisions again by the rules of their day, and shows the verdicts that differ, with the facts, parameters and rules that made the difference.',
    )
    .argument('<before>', 'folder of a dossier, file of a decision, or the beginning of its name')
    .argument('<after>', 'likewise')
    .option('--policy <policy>', 'a further policy or overlay', collected)
    .option('--today <day>', 'day by which dossiers are judged, as 2026-11-22 (default: today)', day)
    .addHelpText(
      'after',
      `
Examples:
  $ assay diff release-1 release-2
  $ assay diff decisions/4be2….json .
`,
    )
    .action(async (before: string, after: string, options: Options) => {
      await action(async (context) => {
        const [a, b] = [await evaluated(before, options), await evaluated(after, options)];
        const difference = diffEvaluations(recordOf(a.evaluation), recordOf(b.evaluation));
        await context.show(description(context, difference));
        await context.give({ command: 'diff', before, after, ...difference });
        return EXIT.done;
      });
    });
}

/** A dossier as it is now, or an earlier decision made again. */
async function evaluated(given: string, { policy = [], today }: Options): Promise<CheckedDossier> {
  const found = await stat(given).catch(() => undefined);
  if (found?.isDirectory() === true)
    return judge(await openForCheck({ folder: given, policies: policy, today }));
  const isRecord = found !== undefined && basename(dirname(resolve(given))) === 'decisions';
  const opened = await openForCheck({
    folder: isRecord ? dirname(dirname(resolve(given))) : '.',
    policies: policy,
  });
  return await replay(opened, await decisionNamed(opened, given), 'then');
}

function description(context: Context, { verdicts, policies, unchanged }: EvaluationDifference): string {
  const { style } = context;
  return [
    ...policies.map(
      ({ policy, before, after }) =>
        `Policy ${printableLine(policy)}: ${printableLine(before ?? 'none')} → ${printableLine(after ?? 'none')}`,
    ),
    ...verdicts.flatMap((change) => [
      `${style.bold(printableLine(change.rule))} ${printableLine(change.subject.id)}: ${worded(change, 'before')} → ${style.bold(worded(change, 'after'))}`,
      ...reasons(change).map((reason) => `    ${printableLine(reason)}`),
    ]),
    ...(verdicts.length === 0 && policies.length === 0 ? [] : ['']),
    `${counted(verdicts.length, 'verdict differs', 'verdicts differ')}, ${unchanged} are the same.`,
  ].join('\n');
}

/** What made the difference: facts in the form that other commands show them, and what else the comparison says. */
function reasons({ facts, because }: VerdictChange): readonly string[] {
  const others = because.filter((sentence) => !facts.some(({ fact }) => sentence.startsWith(fact)));
  return [
    ...facts.map(({ fact, before, after }) => `${fact} was ${stateText(before)} and is ${stateText(after)}.`),
    ...others,
  ];
}

function stateText(state: FactState | undefined): string {
  if (state === undefined) return 'not asked for';
  return state.state === 'known'
    ? `${shownValue(state.value)} (${state.standing})`
    : `not known (${state.reason})`;
}

function worded(change: VerdictChange, when: 'before' | 'after'): string {
  const verdict = change[when];
  if (verdict === undefined) return 'none';
  return verdict.exception === undefined
    ? VERDICT_WORDS[verdict.status]
    : `${VERDICT_WORDS[verdict.status]} by ${printableLine(verdict.exception)}`;
}
