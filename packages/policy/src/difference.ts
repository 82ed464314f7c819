/** What differs between two evaluations, and which facts, parameters, rules or waivers made the difference. */

import type { ParameterValue } from './condition/evaluate.ts';
import type { EvaluationRecord, FactUse, Verdict } from './evaluate.ts';
import { compare, type FactState, factKey, type SubjectRef, subjectKey } from './facts.ts';

/** A fact that is not the same in both evaluations. */
export interface FactChange {
  readonly subject: SubjectRef;
  readonly fact: string;
  /** Nothing where no rule read it. */
  readonly before?: FactState;
  readonly after?: FactState;
}

/** A parameter that is not the same in both evaluations. */
export interface ParameterChange {
  readonly policy: string;
  readonly name: string;
  readonly before?: ParameterValue;
  readonly after?: ParameterValue;
}

/** A policy (with its overlays) that came, went or has another version; `neurips 1.0.0 + house 2`. */
export interface PolicyChange {
  readonly policy: string;
  readonly before?: string;
  readonly after?: string;
}

/** One rule on one subject, of which the verdict is another. */
export interface VerdictChange {
  readonly policy: string;
  readonly rule: string;
  readonly subject: SubjectRef;
  readonly before?: Verdict;
  readonly after?: Verdict;
  /** Changed facts that the rule reads. */
  readonly facts: readonly FactChange[];
  /** Sentences: what else can have made the difference. */
  readonly because: readonly string[];
}

export interface EvaluationDifference {
  readonly verdicts: readonly VerdictChange[];
  readonly facts: readonly FactChange[];
  readonly parameters: readonly ParameterChange[];
  readonly policies: readonly PolicyChange[];
  /** Verdicts that are the same in both. */
  readonly unchanged: number;
}

/** Compares two evaluations rule by rule; both may have been stored and read again. */
export function diffEvaluations(before: EvaluationRecord, after: EvaluationRecord): EvaluationDifference {
  const facts = factChanges(before.facts, after.facts);
  const parameters = parameterChanges(before, after);
  const policies = policyChanges(before, after);
  const earlier = byPlace(before.verdicts);
  const later = byPlace(after.verdicts);
  const verdicts: VerdictChange[] = [];
  let unchanged = 0;
  for (const key of [...new Set([...earlier.keys(), ...later.keys()])].sort(compare)) {
    const a = earlier.get(key);
    const b = later.get(key);
    const present = b ?? a;
    if (present === undefined) continue;
    if (a && b && essence(a) === essence(b)) {
      unchanged++;
      continue;
    }
    const { policy, rule, subject } = present;
    const reads = new Set([...(a?.reads ?? []), ...(b?.reads ?? [])]);
    const own = facts.filter(
      (change) => reads.has(change.fact) && mayRead(subject, change.subject, change.fact),
    );
    verdicts.push({
      policy,
      rule,
      subject,
      ...(a && { before: a }),
      ...(b && { after: b }),
      facts: own,
      because: reasons(present, a, b, own, parameters, policies, before, after),
    });
  }
  return { verdicts, facts, parameters, policies, unchanged };
}

/** What counts as the same verdict: its status, the exception, who waived it, its severity. */
function essence({ status, exception, waiver, severity, withoutWaiver }: Verdict): string {
  return JSON.stringify([status, exception, waiver?.id, severity, withoutWaiver]);
}

/** A rule reads facts of its own subject and of the release; those of others only through macros over all of a kind. */
function mayRead(subject: SubjectRef, other: SubjectRef, fact: string): boolean {
  return (
    other.kind === 'release' ||
    subjectKey(subject) === subjectKey(other) ||
    !fact.startsWith(`${subject.kind}.`)
  );
}

function reasons(
  { policy, subject }: Verdict,
  a: Verdict | undefined,
  b: Verdict | undefined,
  facts: readonly FactChange[],
  parameters: readonly ParameterChange[],
  policies: readonly PolicyChange[],
  before: EvaluationRecord,
  after: EvaluationRecord,
): string[] {
  const sentences: string[] = [];
  const known = (record: EvaluationRecord) =>
    record.verdicts.some((verdict) => subjectKey(verdict.subject) === subjectKey(subject));
  const edition = policies.find((change) => change.policy === policy);
  if (edition) {
    if (edition.before === undefined)
      sentences.push(`The policy ${edition.after} applies now and did not before.`);
    else if (edition.after === undefined)
      sentences.push(`The policy ${edition.before} applied before and does not now.`);
    else sentences.push(`The policy was ${edition.before} and is ${edition.after}.`);
  } else if (a === undefined && !known(before)) sentences.push(`The ${subject.kind} "${subject.id}" is new.`);
  else if (b === undefined && !known(after)) sentences.push(`The ${subject.kind} "${subject.id}" is gone.`);
  if (a && b)
    for (const change of facts) sentences.push(`${change.fact}${whose(change.subject)} ${became(change)}.`);
  for (const change of parameters.filter((candidate) => candidate.policy === policy))
    sentences.push(`The parameter ${change.name} was ${json(change.before)} and is ${json(change.after)}.`);
  if (a?.waiver?.id !== b?.waiver?.id) {
    if (b?.waiver) sentences.push(`It is waived by ${b.waiver.by.join(' and ')} until ${b.waiver.until}.`);
    else if (a?.waiver)
      sentences.push(
        `The waiver of ${a.waiver.by.join(' and ')} until ${a.waiver.until} does not hold any more.`,
      );
  }
  if (a && b && a.severity !== b.severity)
    sentences.push(`The severity was ${a.severity} and is ${b.severity}.`);
  if (sentences.length === 0 && before.today !== after.today)
    sentences.push(`The day was ${before.today} and is ${after.today}.`);
  return sentences;
}

function factChanges(before: readonly FactUse[], after: readonly FactUse[]): FactChange[] {
  const earlier = new Map(before.map((use) => [factKey(use.subject, use.fact), use]));
  const later = new Map(after.map((use) => [factKey(use.subject, use.fact), use]));
  const changes: FactChange[] = [];
  for (const key of [...new Set([...earlier.keys(), ...later.keys()])].sort(compare)) {
    const a = earlier.get(key);
    const b = later.get(key);
    const use = a ?? b;
    if (use === undefined || (a && b && sameState(a.state, b.state))) continue;
    changes.push({
      subject: use.subject,
      fact: use.fact,
      ...(a && { before: a.state }),
      ...(b && { after: b.state }),
    });
  }
  return changes;
}

function sameState(a: FactState, b: FactState): boolean {
  if (a.state === 'unknown' || b.state === 'unknown') return a.state === b.state;
  return a.standing === b.standing && JSON.stringify(a.value) === JSON.stringify(b.value);
}

function parameterChanges(before: EvaluationRecord, after: EvaluationRecord): ParameterChange[] {
  const changes: ParameterChange[] = [];
  for (const policy of before.policies) {
    const other = after.policies.find(({ id }) => id === policy.id);
    if (other === undefined) continue;
    const names = new Set([...Object.keys(policy.parameters), ...Object.keys(other.parameters)]);
    for (const name of [...names].sort(compare)) {
      const a = policy.parameters[name];
      const b = other.parameters[name];
      if (JSON.stringify(a) === JSON.stringify(b)) continue;
      changes.push({
        policy: policy.id,
        name,
        ...(a !== undefined && { before: a }),
        ...(b !== undefined && { after: b }),
      });
    }
  }
  return changes;
}

function policyChanges(before: EvaluationRecord, after: EvaluationRecord): PolicyChange[] {
  const ids = new Set([...before.policies, ...after.policies].map(({ id }) => id));
  return [...ids].sort(compare).flatMap((id): PolicyChange[] => {
    const a = editionOf(before, id);
    const b = editionOf(after, id);
    if (a === b) return [];
    return [{ policy: id, ...(a !== undefined && { before: a }), ...(b !== undefined && { after: b }) }];
  });
}

function editionOf(record: EvaluationRecord, id: string): string | undefined {
  const policy = record.policies.find((candidate) => candidate.id === id);
  return policy && [policy, ...policy.overlays].map((part) => `${part.id} ${part.version}`).join(' + ');
}

function byPlace(verdicts: readonly Verdict[]): Map<string, Verdict> {
  return new Map(
    verdicts.map((verdict) => [
      `${verdict.policy}\u0000${verdict.rule}\u0000${subjectKey(verdict.subject)}`,
      verdict,
    ]),
  );
}

function became({ before, after }: FactChange): string {
  return `was ${describe(before)} and is ${describe(after)}`;
}

function describe(state: FactState | undefined): string {
  if (state === undefined) return 'not asked for';
  return state.state === 'known' ? `${json(state.value)} (${state.standing})` : `unknown (${state.reason})`;
}

function whose({ kind, id }: SubjectRef): string {
  return kind === 'release' ? '' : ` of ${id}`;
}

function json(value: unknown): string {
  const text = value === undefined ? 'not there' : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
