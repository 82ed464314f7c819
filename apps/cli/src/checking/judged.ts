/** From the verdicts of the engine to the report that every output shows. */
import { createHash } from 'node:crypto';
import { join, relative } from 'node:path';
import { MANIFEST_FILE } from '@assay/dossier';
import type { Verdict as EngineVerdict, Policy, Rule } from '@assay/policy';
import { versions } from '../versions.ts';
import type { CheckedDossier } from './check.ts';
import { whyOf } from './reasons.ts';
import { unlearnCommand } from './remedies.ts';
import {
  type CheckedCode,
  type CheckedRule,
  type CheckReport,
  type FailOn,
  type ProposedRemedy,
  type RuleResult,
  SEVERITIES,
  stops,
  VERDICTS,
} from './report.ts';
import { checkedSubject, locatedSubject } from './subjects.ts';
import { missingFact } from './supply.ts';

export interface ReportOptions {
  readonly failOn: readonly FailOn[];
  /** Name of the record that was kept. */
  readonly decision: string | undefined;
}

/** The report of a check. */
export function reportOf(checked: CheckedDossier, options: ReportOptions): CheckReport {
  const { dossier, folder, codes } = checked;
  const { name, version } = dossier.manifest.release;
  const reported = codes.map(({ policy }) => codeOf(checked, policy, options.failOn));
  return {
    release: { name, version: String(version) },
    manifest: relative('.', join(folder, MANIFEST_FILE)).replaceAll('\\', '/'),
    today: dossier.now.today,
    assay: versions().assay,
    codes: reported,
    failOn: options.failOn,
    passed: reported.every(({ results }) => results.every((result) => !result.stops)),
    decision: options.decision,
  };
}

function codeOf(checked: CheckedDossier, policy: Policy, failOn: readonly FailOn[]): CheckedCode {
  const rules = new Map(policy.rules.map((rule) => [rule.id, rule]));
  const results = checked.evaluation.verdicts
    .filter((verdict) => verdict.policy === policy.id)
    .flatMap((verdict) => {
      const rule = rules.get(verdict.rule);
      return rule === undefined ? [] : [resultOf(checked, policy, rule, verdict, failOn)];
    });
  return {
    id: policy.id,
    title: policy.title,
    version: policy.version,
    source: `${policy.source.title} (${policy.source.place})`,
    rules: policy.rules.map(ruleOf),
    results: results.sort(worstFirst),
  };
}

function ruleOf({ id, title, text, reference, modal, severity }: Rule): CheckedRule {
  return { id, title, text, reference, modal, severity };
}

function resultOf(
  checked: CheckedDossier,
  policy: Policy,
  rule: Rule,
  verdict: EngineVerdict,
  failOn: readonly FailOn[],
): RuleResult {
  const { status, subject, waiver, withoutWaiver } = verdict;
  const located = locatedSubject(checked, subject);
  const exception = rule.exceptions.find(({ id }) => id === verdict.exception);
  const { line, column } = located?.place ?? {};
  return {
    rule: ruleOf(rule),
    subject: checkedSubject(checked, subject),
    verdict: status,
    why: whyOf(checked, rule, verdict),
    exception: exception === undefined ? undefined : { id: exception.id, title: exception.title },
    missing: verdict.missing.map((missing) => missingFact(checked, missing)),
    waiver:
      waiver === undefined || withoutWaiver === undefined
        ? undefined
        : { verdict: withoutWaiver, because: waiver.because, by: waiver.by, until: waiver.until },
    remedy: remedyOf(checked, rule, verdict),
    place: line === undefined ? undefined : { line, column: column ?? 1 },
    fingerprint: fingerprint(policy.id, rule.id, located?.digest ?? subject.id),
    stops: stops(status, rule.severity, failOn),
  };
}

function remedyOf(
  checked: CheckedDossier,
  rule: Rule,
  { remedy, subject }: EngineVerdict,
): ProposedRemedy | undefined {
  if (remedy === undefined) return undefined;
  const { text, cures, why } = remedy;
  return { text, cures, why, command: unlearnCommand(checked, rule, subject) };
}

/** Of a rule and what it was judged on; another version of a model is another finding. */
function fingerprint(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

function worstFirst(a: RuleResult, b: RuleResult): number {
  return (
    SEVERITIES.indexOf(a.rule.severity) - SEVERITIES.indexOf(b.rule.severity) ||
    VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict)
  );
}
