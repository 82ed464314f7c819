/** A check as JUnit XML, for test reports: one suite per code, one case per rule and subject. */
import {
  allResults,
  type CheckedCode,
  type CheckReport,
  type RuleResult,
  VERDICT_WORDS,
} from '../checking/report.ts';
import { escaped } from '../report/html.ts';

/**
 * The check as JUnit XML. A failed rule is a failure; one that is open, in review, waived or not applicable is skipped,
 * with its reason: nothing but a pass shows as passed.
 */
export function junit(report: CheckReport): string {
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="assay check" ${counts(allResults(report))}>`,
    ...report.codes.flatMap((code) => suite(report, code)),
    '</testsuites>',
  ];
  return `${lines.join('\n')}\n`;
}

function suite(report: CheckReport, code: CheckedCode): readonly string[] {
  return [
    `  <testsuite name="${escaped(code.title)}" ${counts(code.results)} timestamp="${escaped(report.today)}T00:00:00">`,
    '    <properties>',
    property('      ', 'code', `${code.id} ${code.version}`),
    property('      ', 'release', `${report.release.name} ${report.release.version}`),
    property('      ', 'assay', report.assay),
    '    </properties>',
    ...code.results.flatMap((result) => testCase(code, result, report.manifest)),
    '  </testsuite>',
  ];
}

function testCase(code: CheckedCode, result: RuleResult, manifest: string): readonly string[] {
  const { rule, subject, verdict, why, place } = result;
  const attributes = [
    `name="${escaped(`${rule.id} ${subject.id}: ${rule.title}`)}"`,
    `classname="${escaped(`${code.id}.${rule.severity}`)}"`,
    `file="${escaped(manifest)}"`,
    ...(place === undefined ? [] : [`line="${place.line}"`]),
    'time="0"',
  ];
  return [
    `    <testcase ${attributes.join(' ')}>`,
    '      <properties>',
    ...properties(result).map(([name, value]) => property('        ', name, value)),
    '      </properties>',
    ...(verdict === 'fail'
      ? [
          `      <failure type="${rule.modal}" message="${escaped(why)}">${escaped(remedyText(result))}</failure>`,
        ]
      : verdict === 'pass'
        ? []
        : [`      <skipped message="${escaped(`${VERDICT_WORDS[verdict]}: ${why}`)}"/>`]),
    '    </testcase>',
  ];
}

function properties(result: RuleResult): readonly (readonly [string, string])[] {
  const { rule, subject, verdict, exception, missing, waiver } = result;
  return [
    ['verdict', VERDICT_WORDS[verdict]],
    ['severity', rule.severity],
    ['subject', `${subject.kind} ${subject.id}`],
    ['stops', String(result.stops)],
    ...(exception === undefined ? [] : [['exception', exception.id] as const]),
    ...missing.map(({ fact }) => ['missing', fact] as const),
    ...(waiver === undefined ? [] : [['waived until', waiver.until] as const]),
  ];
}

function remedyText({ remedy, rule }: RuleResult): string {
  return [rule.text, remedy?.text, remedy?.command, remedy?.why]
    .filter((part) => part !== undefined)
    .join(' ');
}

function property(indent: string, name: string, value: string): string {
  return `${indent}<property name="${escaped(name)}" value="${escaped(value)}"/>`;
}

function counts(results: readonly RuleResult[]): string {
  const failures = results.filter(({ verdict }) => verdict === 'fail').length;
  const passes = results.filter(({ verdict }) => verdict === 'pass').length;
  return `tests="${results.length}" failures="${failures}" errors="0" skipped="${results.length - failures - passes}" time="0"`;
}
