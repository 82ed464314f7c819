/** One rule on one subject: scope, `when`, `require`, exceptions, `review`, in this order. */

import { type Surroundings, type Truth, truth, unknown, type Want, wants } from './condition/evaluate.ts';
import type { Condition } from './condition/parse.ts';
import type { Exception, Policy, Rule } from './policy.ts';

/** What a rule comes to before waivers, mildest first: not applicable, pass, review, open, fail. */
export type Outcome = 'notApplicable' | 'pass' | 'review' | 'open' | 'fail';

/** The part of a rule that decided, or that a fact is missing for. */
export type Role = 'scope' | 'when' | 'require' | 'exception' | 'review';

/** A fact that is missing for a part of a rule. */
export type RoleWant = Want & { readonly role: Role };

export interface Finding {
  readonly outcome: Outcome;
  readonly decidedBy: Role;
  readonly exception?: Exception;
}

/** The truth of a policy's scope, which is asked of the release. */
export function scopeOf(policy: Policy, around: Surroundings): Truth {
  return policy.scope ? truth(policy.scope.node, ofRelease(around)) : true;
}

/**
 * Applies one rule.
 *
 * An exception that holds cancels its own rule, with its review; so the outcome is never worse than a pass then.
 * A review that is not known leaves a pass: it asks for a measurement against the pass, and there is none.
 */
export function judge(rule: Rule, scope: Truth, around: Surroundings): Finding {
  if (!rule.beyondScope) {
    if (scope === false) return { outcome: 'notApplicable', decidedBy: 'scope' };
    if (scope === unknown) return { outcome: 'open', decidedBy: 'scope' };
  }
  const when = rule.when ? truth(rule.when.node, around) : true;
  if (when === false) return { outcome: 'notApplicable', decidedBy: 'when' };
  if (when === unknown) return { outcome: 'open', decidedBy: 'when' };
  const require = truth(rule.require.node, around);
  const reviewed = require === true && rule.review !== undefined && truth(rule.review.node, around) === true;
  if (require === true && !reviewed) return { outcome: 'pass', decidedBy: 'require' };
  let undecided = false;
  for (const exception of rule.exceptions) {
    const applies = truth(exception.when.node, around);
    if (applies === true) return { outcome: 'pass', decidedBy: 'exception', exception };
    if (applies === unknown) undecided = true;
  }
  if (reviewed) return { outcome: 'review', decidedBy: 'review' };
  if (require === unknown) return { outcome: 'open', decidedBy: 'require' };
  return undecided ? { outcome: 'open', decidedBy: 'exception' } : { outcome: 'fail', decidedBy: 'require' };
}

/** The facts that keep the parts of the rule unknown which the finding turned on. */
export function wantsOf(policy: Policy, rule: Rule, finding: Finding, around: Surroundings): RoleWant[] {
  const missing = (condition: Condition | undefined, role: Role, where = around): RoleWant[] =>
    condition === undefined ? [] : wants(condition.node, where).map((want) => ({ ...want, role }));
  const exceptions = () => rule.exceptions.flatMap(({ when }) => missing(when, 'exception'));
  switch (finding.outcome) {
    case 'notApplicable':
    case 'fail':
      return [];
    case 'pass':
      return finding.decidedBy === 'require' ? missing(rule.review, 'review') : [];
    case 'review':
      return exceptions();
    case 'open':
      if (finding.decidedBy === 'scope') return missing(policy.scope, 'scope', ofRelease(around));
      if (finding.decidedBy === 'when') return missing(rule.when, 'when');
      return [...missing(rule.require, 'require'), ...exceptions()];
  }
}

function ofRelease(around: Surroundings): Surroundings {
  return { ...around, self: around.facts.release };
}
