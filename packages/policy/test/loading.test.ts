/** Vocabularies and policies when they are read: what is refused, and where the message points. */

import {
  evaluate,
  factBase,
  LimitError,
  limits,
  loadPolicy,
  loadVocabulary,
  PolicyError,
} from '@assay/policy';
import { describe, expect, it } from 'vitest';
import { known, policyText, release, subjects, vocabulary } from './generate.ts';

function withRequire(require: string, more = ''): string {
  return `id: code
version: "1"
title: Code
source: { title: s, place: p }
parameters:
  limit: { type: number, title: Limit, default: 2, tighten: down }
rules:
  - id: R1
    title: T
    text: T
    reference: r
    modal: must
    for: dataset
    require: ${require}
    evidence: e
${more}`;
}

function refusal(action: () => unknown): PolicyError {
  try {
    action();
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
}

describe('a condition is refused when it is read', () => {
  it.each([
    [
      'an undeclared fact',
      'dataset.pp',
      'The fact dataset.pp is not declared in the vocabulary. Did you mean dataset.p?',
      14,
    ],
    ['an undeclared parameter', 'dataset.count < param.limt', 'no parameter "limt". Did you mean limit?', 30],
    ['a fact of another kind of subject', 'model.p', 'cannot read model.p', 14],
    ['a boolean beside a number', 'dataset.p < 3', 'cannot be compared by <', 14],
    ['a text beside a number', 'dataset.kind == 3', 'they are not of one type', 14],
    ['a value that an enum does not have', 'dataset.kind == "w"', '"w" is not one of the values', 30],
    ['a value that a list cannot hold', '\'"z" in dataset.tags\'', '"z" is not one of the values', 15],
    [
      'the point of an estimate',
      'dataset.rate.value < 1',
      'dataset.rate.value is the point of an estimate',
      14,
    ],
    ['equality of an estimate', 'dataset.rate == 1', 'an estimate is an interval', 14],
    ['the favourable bound of an estimate', 'dataset.rate.lower < 1', 'is the bound that favours a pass', 14],
    [
      'the favourable bound, turned round',
      '"!(dataset.rate.upper >= 1 || dataset.rate.lower > 3)"',
      'dataset.rate.lower is the bound that favours',
      44,
    ],
    ['a regular expression', 'dataset.kind.matches("x")', 'Regular expressions are refused', 14],
    ['has()', 'has(dataset.p)', 'has() is not needed', 14],
    ['an unknown function', 'dataset.kind.reverse() == "x"', 'There is no function reverse', 14],
    ['division', 'dataset.count / 2 > 1', 'Division is refused', 14],
    [
      'a number instead of a truth',
      'dataset.count',
      'A condition is true or false; this one is a number',
      14,
    ],
    ['a day that is none', 'dataset.until > "2026-02-30"', 'A day is written like', 30],
    ['a broken condition', 'dataset.p &&', 'cannot be read', 25],
    ['a name that is taken', 'datasets.exists(release, true)', 'The name "release" is taken', 30],
    ['an unquoted negation', '!dataset.p', 'stands in quotes', 24],
    ['a parameter that would loosen', 'dataset.count > param.limit', 'can make the rule milder', 30],
  ])('%s', (_what, condition, message, column) => {
    const error = refusal(() => loadPolicy(withRequire(condition), 'code.yaml', vocabulary));
    expect(error.reason).toContain(message);
    expect([error.origin, error.line, error.column]).toEqual(['code.yaml', 14, column]);
    expect(error.message.startsWith(`code.yaml:14:${column}: `)).toBe(true);
  });

  it('points into folded, literal and quoted texts', () => {
    const folded = refusal(() =>
      loadPolicy(
        withRequire('>-\n      dataset.p\n      && dataset.oops\n      && dataset.q'),
        'c',
        vocabulary,
      ),
    );
    expect([folded.line, folded.column]).toEqual([16, 10]);
    const literal = refusal(() =>
      loadPolicy(withRequire('|\n      dataset.p &&\n        dataset.oops'), 'c', vocabulary),
    );
    expect([literal.line, literal.column]).toEqual([16, 9]);
    const quoted = refusal(() =>
      loadPolicy(withRequire('"\\"x\\" in dataset.tags && dataset.oops"'), 'c', vocabulary),
    );
    expect([quoted.line, quoted.column]).toEqual([14, 40]);
  });
});

describe('a policy is refused when it is read', () => {
  it.each([
    ['a key that is not known', 'exeptions: []', 'The key "exeptions" is not known here.', 16],
    [
      'a second rule of one id',
      '  - { id: R1, title: T, text: T, reference: r, modal: must, for: release, require: "true", evidence: e }',
      'There are two rules "R1".',
      16,
    ],
    [
      'a missing part',
      '  - { id: R2, title: T, text: T, reference: r, modal: must, for: release, require: "true" }',
      'The key "rules.1.evidence" is missing.',
      16,
    ],
    ['a key that stands twice', '    modal: must', 'This is not YAML: this key stands here twice.', 16],
  ])('%s', (_what, more, message, line) => {
    const indented = more.startsWith(' ') ? more : `    ${more}`;
    const error = refusal(() => loadPolicy(withRequire('dataset.p', indented), 'code.yaml', vocabulary));
    expect(error.reason).toBe(message);
    expect(error.line).toBe(line);
  });
});

describe('a vocabulary is refused when it is read', () => {
  const fact = 'type: boolean, title: T, question: Q, supply: [attest]';
  it.each([
    [
      'a fact declared twice in two files',
      [`  release.x: { ${fact} }`, `  release.x: { ${fact} }`],
      'declared a second time; first in f0.yaml',
    ],
    ['a name that is no subject', [`  thing.x: { ${fact} }`], 'A fact is named'],
    ['a name with a word of CEL', [`  release.in: { ${fact} }`], '"in" has a meaning of its own'],
    [
      'an enum without values',
      ['  release.x: { type: enum, title: T, question: Q, supply: [attest] }'],
      'An enum lists its values',
    ],
    ['a path nobody can fill in', [`  release.x: { ${fact}, path: x }`], 'list "manifest" under "supply"'],
  ])('%s', (_what, files, message) => {
    const texts = files.map((text, i) => ({ origin: `f${i}.yaml`, text: `version: 1\nfacts:\n${text}\n` }));
    expect(refusal(() => loadVocabulary(texts)).reason).toContain(message);
  });
});

describe('hostile input is bounded', () => {
  const condition = (text: string) =>
    loadPolicy(
      policyText(
        'code',
        [
          {
            id: 'R',
            self: 'dataset',
            when: undefined,
            require: text,
            review: undefined,
            exceptions: [],
            modal: 'must',
          },
        ],
        undefined,
      ),
      'code.yaml',
      vocabulary,
    );

  it.each([
    ['an alias', 'a: &a [x]\nb: *a', 'YAML aliases'],
    ['brackets without end', '['.repeat(100_000), 'More than 500 brackets'],
    ['braces without end', '{a: '.repeat(100_000), 'More than 500 brackets'],
    ['lists without end', '- '.repeat(100_000), 'nested so deep'],
    ['tags without end', '!!str '.repeat(100_000), 'This is not YAML'],
    [
      'indentation without end',
      Array.from({ length: 1300 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      'nested',
    ],
    ['a huge file', 'x'.repeat(limits.text + 1), 'at most'],
    ['a key of no name', '__proto__: { polluted: true }', 'is missing'],
  ])('%s', (_what, text, message) => {
    expect(refusal(() => loadPolicy(text, 'evil.yaml', vocabulary)).reason).toContain(message);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it.each([
    ['parentheses', `${'('.repeat(1900)}dataset.p${')'.repeat(1900)}`],
    ['negations', `${'!'.repeat(3900)}dataset.p`],
    ['length', `${'dataset.p && '.repeat(10_000)}dataset.p`],
    ['choices', `${'dataset.p ? '.repeat(150)}true${' : false'.repeat(150)}`],
    ['macros in macros', 'datasets.all(a, datasets.all(b, datasets.all(c, c.p)))'],
    ['list elements', `dataset.kind in [${Array.from({ length: 501 }, () => '"x"').join(', ')}]`],
  ])('a condition with too many: %s', (_what, text) => {
    expect(() => condition(text)).toThrow(PolicyError);
  });

  it('the most rules that are allowed, and not one more', () => {
    const rules = (n: number) =>
      policyText(
        'many',
        Array.from({ length: n }, (_, i) => ({
          id: `R${i}`,
          self: 'dataset' as const,
          when: 'dataset.p',
          require: `dataset.count > ${i % 5}`,
          review: undefined,
          exceptions: [],
          modal: 'should',
        })),
        undefined,
      );
    const policy = loadPolicy(rules(limits.rules), 'many.yaml', vocabulary);
    expect(evaluate([policy], factBase(subjects, []), { today: '2026-11-22' }).verdicts.length).toBe(
      2 * limits.rules,
    );
    expect(() => loadPolicy(rules(limits.rules + 1), 'many.yaml', vocabulary)).toThrow(PolicyError);
  });

  it('macros over many subjects stop at a stated number of steps', () => {
    const many = [
      release,
      ...Array.from({ length: 10_000 }, (_, i) => ({ kind: 'dataset' as const, id: `d${i}` })),
    ];
    const facts = factBase(
      many,
      many.slice(1).map((subject) => ({ subject, name: 'dataset.p', state: known(true) })),
    );
    const quadratic = condition('datasets.all(a, datasets.all(b, a.p && b.p))');
    expect(() => evaluate([quadratic], facts, { today: '2026-11-22' })).toThrow(LimitError);
    const linear = condition('dataset.p && dataset.id.startsWith("d")');
    const { verdicts } = evaluate([linear], facts, { today: '2026-11-22' });
    expect(verdicts.filter(({ status }) => status === 'pass').length).toBe(10_000);
  });
});
