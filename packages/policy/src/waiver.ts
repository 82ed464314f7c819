/** Waivers: who may set a failing or open rule aside, for how long, and never for an absolute prohibition. */

import { isIsoDay, type SubjectRef } from './facts.ts';
import type { Rule } from './policy.ts';

/** A person's decision to release although a rule fails or is open. */
export interface Waiver {
  /** Names the waiver: the digest of its file. */
  readonly id: string;
  readonly policy: string;
  readonly rule: string;
  readonly subject: SubjectRef;
  readonly because: string;
  /** The people who waive. */
  readonly by: readonly string[];
  /** ISO day on which it was signed. */
  readonly date: string;
  /** Last ISO day on which it holds. */
  readonly until: string;
}

/** What became of a waiver in an evaluation. */
export interface WaiverUse {
  readonly waiver: Waiver;
  readonly status: 'applied' | 'not needed' | 'not begun' | 'expired' | 'refused' | 'unknown rule';
  /** Why it was refused, or what it met, as a sentence. */
  readonly reason: string;
}

/** How many different people must sign a waiver of this rule; 0 when it can never be waived. */
export function signaturesNeeded(rule: Rule): 0 | 1 | 2 {
  if (rule.modal === 'prohibited' || rule.severity === 'S4') return 0;
  return rule.modal === 'must' || rule.severity === 'S3' ? 2 : 1;
}

/** Whether a waiver holds for a rule on a day, whatever the verdict is. */
export function judgeWaiver(
  waiver: Waiver,
  rule: Rule,
  today: string,
): { readonly status: 'holds' | 'not begun' | 'expired' | 'refused'; readonly reason: string } {
  const needed = signaturesNeeded(rule);
  if (needed === 0)
    return { status: 'refused', reason: `${rule.id} is an absolute prohibition, which nobody can waive.` };
  if (waiver.because.trim() === '') return { status: 'refused', reason: 'A waiver gives its reason.' };
  const people = differentPeople(waiver.by);
  if (people < needed)
    return {
      status: 'refused',
      reason: `${rule.id} needs ${needed === 2 ? 'two different people' : 'a person'} to waive it; ${people} signed.`,
    };
  if (!isIsoDay(waiver.date) || !isIsoDay(waiver.until))
    return {
      status: 'refused',
      reason: 'A waiver has the day of its signature and the last day on which it holds.',
    };
  if (waiver.until < waiver.date) return { status: 'refused', reason: 'The waiver ends before it begins.' };
  if (today < waiver.date) return { status: 'not begun', reason: `The waiver holds from ${waiver.date}.` };
  if (today > waiver.until) return { status: 'expired', reason: `The waiver ended on ${waiver.until}.` };
  return { status: 'holds', reason: `Waived until ${waiver.until} by ${waiver.by.join(' and ')}.` };
}

/** How many different people a list of names holds; case, width of letters and blanks do not make a person another one. */
export function differentPeople(names: readonly string[]): number {
  const people = new Set(
    names.map((name) => name.normalize('NFKC').trim().replace(/\s+/gu, ' ').toLowerCase()),
  );
  people.delete('');
  return people.size;
}
