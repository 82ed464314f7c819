/** A check as SARIF 2.1.0, for code scanning: one run per code. */
import type { Severity } from '@assay/policy';
import {
  type CheckedCode,
  type CheckedRule,
  type CheckReport,
  type RuleResult,
  VERDICT_WORDS,
  type Verdict,
} from '../checking/report.ts';

/** How grave a failure is to a reader of SARIF. */
const LEVELS: Readonly<Record<Severity, 'error' | 'warning' | 'note'>> = {
  S4: 'error',
  S3: 'error',
  S2: 'warning',
  S1: 'note',
  S0: 'note',
};

const KINDS: Readonly<Record<Exclude<Verdict, 'waived'>, string>> = {
  pass: 'pass',
  fail: 'fail',
  review: 'review',
  open: 'open',
  notApplicable: 'notApplicable',
};

/** Name of the fingerprint of a rule on a subject; its version changes when its making does. */
const FINGERPRINT = 'assayRuleAndSubject/v1';

/**
 * The check as a SARIF log.
 *
 * A waived result keeps its own kind, and carries the waiver as an accepted suppression.
 *
 * @see https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 */
export function sarif(report: CheckReport): string {
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: report.codes.map((code) => run(report, code)),
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function run(report: CheckReport, code: CheckedCode): object {
  const positions = new Map(code.rules.map(({ id }, position) => [id, position]));
  return {
    tool: {
      driver: {
        name: 'Assay',
        version: report.assay,
        semanticVersion: report.assay,
        rules: code.rules.map(descriptor),
      },
    },
    automationDetails: { id: `assay/${code.id}/` },
    columnKind: 'unicodeCodePoints',
    properties: { code: code.id, codeVersion: code.version, title: code.title, source: code.source },
    results: code.results.map((result) => resultOf(report, result, positions.get(result.rule.id) ?? -1)),
  };
}

function descriptor(rule: CheckedRule): object {
  return {
    id: rule.id,
    shortDescription: { text: rule.title },
    fullDescription: { text: rule.text },
    help: { text: `${rule.text} (${rule.reference})` },
    defaultConfiguration: { level: LEVELS[rule.severity] },
    properties: { severity: rule.severity, modal: rule.modal, reference: rule.reference },
  };
}

function resultOf(report: CheckReport, result: RuleResult, ruleIndex: number): object {
  const { rule, subject, verdict, waiver, place } = result;
  const underlying = verdict === 'waived' ? (waiver?.verdict ?? 'fail') : verdict;
  return {
    ruleId: rule.id,
    ruleIndex,
    kind: KINDS[underlying],
    level: underlying === 'fail' ? LEVELS[rule.severity] : 'none',
    message: { text: messageOf(result) },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: encodeURI(report.manifest) },
          ...(place === undefined ? {} : { region: { startLine: place.line, startColumn: place.column } }),
        },
        logicalLocations: [
          { name: subject.id, fullyQualifiedName: `${subject.kind}.${subject.id}`, kind: subject.kind },
        ],
      },
    ],
    partialFingerprints: { [FINGERPRINT]: result.fingerprint },
    ...(waiver === undefined
      ? {}
      : {
          suppressions: [
            {
              kind: 'external',
              status: 'accepted',
              justification: `${waiver.because} (${waiver.by.join(' and ')}, until ${waiver.until})`,
            },
          ],
        }),
    properties: {
      verdict: VERDICT_WORDS[verdict],
      stops: result.stops,
      ...(result.exception === undefined ? {} : { exception: result.exception.id }),
      ...(result.missing.length === 0 ? {} : { missing: result.missing.map(({ fact }) => fact) }),
      ...(result.remedy?.command === undefined ? {} : { remedy: result.remedy.command }),
    },
  };
}

function messageOf({ rule, subject, why }: RuleResult): string {
  return `${rule.title} (${subject.kind} ${subject.id}): ${why}`;
}
