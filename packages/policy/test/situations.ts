/** Tables of situations for the tests of a policy: words, facts, outcome. */
import { readdirSync, readFileSync } from 'node:fs';
import {
  type Estimate,
  type Evaluation,
  evaluate,
  type FactBase,
  type FactValue,
  factBase,
  loadPolicy,
  loadVocabulary,
  type Policy,
  type Standing,
  type Subject,
  type Verdict,
  type Vocabulary,
} from '@assay/policy';

const folder = new URL('../../../policies/', import.meta.url);

/** A file of the folder `policies`. */
export function policyText(path: string): { origin: string; text: string } {
  return { origin: `policies/${path}`, text: readFileSync(new URL(path, folder), 'utf8') };
}

/** The vocabulary of all policies. */
export const vocabulary: Vocabulary = loadVocabulary(
  readdirSync(new URL('facts/', folder))
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => policyText(`facts/${name}`)),
);

export function policyFile(path: string): Policy {
  const { text, origin } = policyText(path);
  return loadPolicy(text, origin, vocabulary);
}

/** Facts by full name; `undefined` takes one of the usual facts away. */
export type Facts = Readonly<Record<string, FactValue | undefined>>;

/** Verdict as a word; with the exception where it passed by one. */
export type Outcome = 'pass' | 'fail' | 'open' | 'review' | 'notApplicable' | `exception ${string}`;

/** What differs from the usual situation, and what comes of it; for `open`, exactly the facts that have to be supplied. */
export type Difference = readonly [words: string, facts: Facts, outcome: Outcome, ...missing: string[]];

/** A usual situation of one rule, in which it holds or is broken by single differences. */
export interface RuleTable {
  readonly rule: string;
  readonly usual: Facts;
  readonly differing: readonly Difference[];
}

export interface Situation {
  readonly rule: string;
  readonly words: string;
  readonly facts: Facts;
  readonly outcome: Outcome;
  readonly missing: readonly string[];
}

export function situationsOf(tables: readonly RuleTable[]): Situation[] {
  return tables.flatMap(({ rule, usual, differing }) =>
    differing.map(([words, facts, outcome, ...missing]) => ({
      rule,
      words,
      facts: { ...usual, ...facts },
      outcome,
      missing,
    })),
  );
}

/** An estimate with the given 95 % interval. */
export function between(lower: number, upper: number, n = 1000): Estimate {
  return { value: (lower + upper) / 2, lower, upper, n };
}

const subjects: readonly Subject[] = [
  { kind: 'release', id: 'release' },
  { kind: 'model', id: 'model', file: 'models/model.onnx' },
  { kind: 'dataset', id: 'data', file: 'data/data.csv' },
];

/** Facts about one release, one model "model" and one data set "data", all with one standing. */
export function factsOf(facts: Facts, standing: Standing = 'attested'): FactBase {
  return factBase(
    subjects,
    Object.entries(facts).flatMap(([name, value]) => {
      const subject = subjects.find(({ kind }) => name.startsWith(`${kind}.`));
      if (subject === undefined || value === undefined) return [];
      return [{ subject, name, state: { state: 'known' as const, value, standing, by: 'test' } }];
    }),
  );
}

export const day = '2026-11-22';

export function evaluateOn(policies: readonly Policy[], facts: Facts): Evaluation {
  return evaluate(policies, factsOf(facts), { today: day });
}

/** The verdict of one rule. */
export function verdictOn(policy: Policy, facts: Facts, rule: string): Verdict {
  const verdict = evaluateOn([policy], facts).verdicts.find((candidate) => candidate.rule === rule);
  if (verdict === undefined) throw new Error(`The policy ${policy.id} has no rule ${rule}.`);
  return verdict;
}

export function outcomeOf(verdict: Verdict): Outcome {
  if (verdict.status === 'waived') throw new Error('Nothing is waived here.');
  return verdict.status === 'pass' && verdict.exception !== undefined
    ? `exception ${verdict.exception}`
    : verdict.status;
}

/** The facts that the verdict names as missing, for what decides it. */
export function missingOf(verdict: Verdict): string[] {
  return [...new Set(verdict.missing.filter(({ role }) => role !== 'review').map(({ fact }) => fact))].sort();
}
