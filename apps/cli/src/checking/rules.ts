/** The rule that a person means. */
import { nearestName } from '@assay/data';
import type { Policy, Rule } from '@assay/policy';
import { UsageError } from '../failures.ts';
import type { OpenedDossier } from './check.ts';

/**
 * A rule by its id, in capitals or not; `POLICY/RULE` where two codes have one of that id.
 *
 * @throws UsageError with the id that is nearest, or the codes that have it
 */
export function ruleNamed(
  { codes }: Pick<OpenedDossier, 'codes'>,
  name: string,
): { readonly policy: Policy; readonly rule: Rule } {
  const [before, after] = name.split('/', 2);
  const id = (after ?? before ?? '').toLowerCase();
  const all = codes.flatMap(({ policy }) => policy.rules.map((rule) => ({ policy, rule })));
  const found = all.filter(
    ({ policy, rule }) => rule.id.toLowerCase() === id && (after === undefined || policy.id === before),
  );
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  if (found.length > 1) {
    throw new UsageError(
      `Several codes have a rule ${name}; say which: ${found.map(({ policy, rule }) => `${policy.id}/${rule.id}`).join(' or ')}.`,
    );
  }
  const near = nearestName(
    name,
    all.map(({ rule }) => rule.id),
  );
  throw new UsageError(
    `No code that applies here has a rule "${name}"; ${near === undefined ? 'assay check --all lists them.' : `is ${near} meant?`}`,
  );
}
