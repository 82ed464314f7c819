/** One rule from scope to waiver, its explanation, and evaluations beside one another. */

import {
  compareCodes,
  diffEvaluations,
  EvaluationError,
  evaluate,
  explain,
  type FactEntry,
  FactError,
  type FactValue,
  factBase,
  loadPolicy,
  loadTopics,
  recordOf,
  type Waiver,
} from '@assay/policy';
import { describe, expect, it } from 'vitest';
import { dataset, known, release, subjects, vocabulary } from './generate.ts';

const today = '2026-11-22';

function policyOf(rule: object, more: object = {}, id = 'code') {
  const text = JSON.stringify({
    id,
    version: '1',
    title: `The code ${id}`,
    source: { title: 's', place: 'p' },
    rules: [
      {
        id: 'R1',
        title: 'T',
        text: 'T',
        reference: 'r',
        modal: 'must',
        for: 'dataset',
        evidence: 'e',
        ...rule,
      },
    ],
    ...more,
  });
  return loadPolicy(text, `${id}.yaml`, vocabulary);
}

function facts(values: Readonly<Record<string, FactValue>>): FactEntry[] {
  return Object.entries(values).map(([name, value]) => ({
    subject: name.startsWith('release') ? release : dataset,
    name,
    state: known(value),
  }));
}

const rule = {
  when: 'dataset.p',
  require: 'dataset.count < 2',
  review: 'dataset.rate.lower > 1',
  exceptions: [
    { id: 'E1', title: 'Kind x', when: 'dataset.kind == "x"' },
    { id: 'E2', title: 'Tagged', when: '"y" in dataset.tags' },
  ],
};

function verdictOf(
  values: Readonly<Record<string, FactValue>>,
  policy = policyOf(rule, { scope: { when: 'release.a' } }),
  waivers: Waiver[] = [],
) {
  const { verdicts } = evaluate([policy], factBase([release, dataset], facts(values)), { today, waivers });
  const [verdict] = verdicts;
  if (verdict === undefined) throw new Error('no verdict');
  return verdict;
}

const inScope = { 'release.a': true, 'dataset.p': true };
const low = { value: 1, lower: 0.5, upper: 1.5, n: 10 };
const high = { value: 2, lower: 1.5, upper: 2.5, n: 10 };

describe('a rule', () => {
  it.each<[string, Record<string, FactValue>, string, string, string[]]>([
    ['outside the scope', { 'release.a': false }, 'notApplicable', 'scope', []],
    ['scope not known', { 'dataset.p': true }, 'open', 'scope', ['release.a']],
    ['case not given', { 'release.a': true, 'dataset.p': false }, 'notApplicable', 'when', []],
    ['case not known', { 'release.a': true, 'dataset.count': 1 }, 'open', 'when', ['dataset.p']],
    ['required and so', { ...inScope, 'dataset.count': 1, 'dataset.rate': low }, 'pass', 'require', []],
    [
      'so, and nothing measured against it',
      { ...inScope, 'dataset.count': 1 },
      'pass',
      'require',
      ['dataset.rate'],
    ],
    [
      'so, but measured otherwise',
      { ...inScope, 'dataset.count': 1, 'dataset.rate': high, 'dataset.kind': 'y', 'dataset.tags': [] },
      'review',
      'review',
      [],
    ],
    [
      'an exception lifts its own review',
      { ...inScope, 'dataset.count': 1, 'dataset.rate': high, 'dataset.kind': 'x' },
      'pass',
      'exception',
      [],
    ],
    [
      'not so, exceptions not so',
      { ...inScope, 'dataset.count': 3, 'dataset.kind': 'y', 'dataset.tags': ['x'] },
      'fail',
      'require',
      [],
    ],
    [
      'not so, an exception',
      { ...inScope, 'dataset.count': 3, 'dataset.tags': ['y'] },
      'pass',
      'exception',
      [],
    ],
    [
      'not so, an exception not known',
      { ...inScope, 'dataset.count': 3, 'dataset.kind': 'y' },
      'open',
      'exception',
      ['dataset.tags'],
    ],
    ['not known, an exception', { ...inScope, 'dataset.kind': 'x' }, 'pass', 'exception', []],
    [
      'not known',
      { ...inScope, 'dataset.kind': 'y', 'dataset.tags': [] },
      'open',
      'require',
      ['dataset.count'],
    ],
  ])('%s', (_situation, values, status, decidedBy, missing) => {
    const verdict = verdictOf(values);
    expect(verdict).toMatchObject({ status, decidedBy });
    expect(verdict.missing.map(({ fact }) => fact).sort()).toEqual(missing);
  });

  it('beyond the scope of its policy holds all the same', () => {
    const policy = policyOf({ require: 'dataset.p', beyondScope: true }, { scope: { when: 'release.a' } });
    expect(verdictOf({ 'release.a': false, 'dataset.p': false }, policy).status).toBe('fail');
    expect(verdictOf({ 'dataset.p': true }, policy).status).toBe('pass');
  });

  it('without a subject gives no verdict and says so', () => {
    const evaluation = evaluate([policyOf(rule)], factBase([release], []), { today });
    expect(evaluation.verdicts).toEqual([]);
    expect(evaluation.withoutSubject).toEqual([{ policy: 'code', rule: 'R1', for: 'dataset' }]);
  });

  it('proposes the command of its remedy, quoted for a shell', () => {
    const policy = policyOf({
      require: 'dataset.p',
      remedy: { text: 'Forget it.', feature: 'dataset.tags' },
    });
    const base = factBase(
      [release, { kind: 'model', id: 'm', file: 'models/my model.onnx' }, { ...dataset, file: 'data/d.csv' }],
      facts({ 'dataset.p': false, 'dataset.tags': ['x', 'y'] }),
    );
    expect(evaluate([policy], base, { today }).verdicts[0]?.remedy?.commands).toEqual([
      "assay unlearn 'models/my model.onnx' --data data/d.csv --feature x -o OUT",
      "assay unlearn 'models/my model.onnx' --data data/d.csv --feature y -o OUT",
    ]);
  });

  it('names the reason of a fact that lapsed, and an interval that says too little', () => {
    const stale = { state: 'unknown', reason: 'stale', detail: 'the file changed' } as const;
    const base = factBase([release, dataset], [{ subject: dataset, name: 'dataset.p', state: stale }]);
    expect(
      evaluate([policyOf({ require: 'dataset.p' })], base, { today }).verdicts[0]?.missing[0],
    ).toMatchObject({
      fact: 'dataset.p',
      reason: 'stale',
      detail: 'the file changed',
      question: 'P?',
    });
    const wide = verdictOf(
      { 'dataset.rate': { value: 1, lower: 0, upper: 2, n: 7 } },
      policyOf({ require: 'dataset.rate < 1' }),
    );
    expect(wide).toMatchObject({
      status: 'open',
      missing: [{ fact: 'dataset.rate', reason: 'inconclusive' }],
    });
  });

  it('refuses facts of another type than declared, without quoting them', () => {
    expect(() => verdictOf({ ...inScope, 'dataset.count': 'secret' })).toThrow(FactError);
    expect(() => verdictOf({ ...inScope, 'dataset.count': 'secret' })).not.toThrow('secret');
    expect(() => verdictOf({ ...inScope, 'dataset.count': 9 })).toThrow('may not be above 4');
  });
});

describe('a waiver', () => {
  const waiver: Waiver = {
    id: 'w1',
    policy: 'code',
    rule: 'R1',
    subject: dataset,
    because: 'It is a test.',
    by: ['Ada', 'Grace'],
    date: '2026-11-01',
    until: '2026-12-01',
  };
  const failing = { 'dataset.p': false };
  const of = (modal: string, change: Partial<Waiver> = {}) => {
    const evaluation = evaluate(
      [policyOf({ require: 'dataset.p', modal })],
      factBase([release, dataset], facts(failing)),
      {
        today,
        waivers: [{ ...waiver, ...change }],
      },
    );
    return [evaluation.verdicts[0]?.status, evaluation.waivers[0]?.status];
  };

  it.each<[string, string, Partial<Waiver>, string, string]>([
    ['of two people sets a must aside', 'must', {}, 'waived', 'applied'],
    ['of one person does not', 'must', { by: ['Ada'] }, 'fail', 'refused'],
    ['of one person twice does not', 'must', { by: ['Ada', ' ADA '] }, 'fail', 'refused'],
    ['of one person is enough for a should', 'should', { by: ['Ada'] }, 'waived', 'applied'],
    ['never lifts a prohibition', 'prohibited', {}, 'fail', 'refused'],
    ['ends', 'must', { until: '2026-11-21' }, 'fail', 'expired'],
    ['holds on its last day', 'must', { until: '2026-11-22' }, 'waived', 'applied'],
    ['does not hold before its first day', 'must', { date: '2026-11-23' }, 'fail', 'not begun'],
    ['gives a reason', 'must', { because: ' ' }, 'fail', 'refused'],
    ['speaks of one rule', 'must', { rule: 'R2' }, 'fail', 'unknown rule'],
  ])('%s', (_what, modal, change, status, use) => {
    expect(of(modal, change)).toEqual([status, use]);
  });

  it('shows what the verdict is without it, and is not needed for a pass', () => {
    expect(verdictOf(failing, policyOf({ require: 'dataset.p' }), [waiver])).toMatchObject({
      status: 'waived',
      withoutWaiver: 'fail',
      waiver: { by: ['Ada', 'Grace'] },
    });
    expect(verdictOf({ 'dataset.p': true }, policyOf({ require: 'dataset.p' }), [waiver]).status).toBe(
      'pass',
    );
  });
});

describe('parameters', () => {
  const policy = policyOf(
    { require: 'dataset.count <= param.limit' },
    { parameters: { limit: { type: 'number', title: 'l', default: 2, tighten: 'down' } } },
  );
  const base = factBase([release, dataset], facts({ 'dataset.count': 2 }));
  const status = (limit: number) => evaluate([policy], base, { today, parameters: { code: { limit } } });

  it('may be set to a stricter value, which the record shows', () => {
    expect(status(1).verdicts[0]?.status).toBe('fail');
    expect(status(1).policies[0]).toMatchObject({ parameters: { limit: 1 }, changedParameters: ['limit'] });
  });

  it('may not be set to a milder one, nor for a policy that does not apply', () => {
    expect(() => status(3)).toThrow('may only be lowered');
    expect(() => evaluate([policy], base, { today, parameters: { other: {} } })).toThrow(EvaluationError);
    expect(() => evaluate([policy], base, { today: '22.11.2026' })).toThrow(EvaluationError);
  });
});

describe('an explanation', () => {
  const policy = policyOf(rule, { scope: { when: 'release.a' } });
  const evaluated = (values: Record<string, FactValue>) =>
    evaluate([policy], factBase(subjects, facts(values)), { today });

  it('shows the tree with each value, its standing and source, and which part decided', () => {
    const { conditions, because } = explain(
      evaluated({ ...inScope, 'dataset.count': 3, 'dataset.kind': 'y', 'dataset.tags': ['x'] }),
      'code/R1',
      dataset,
    );
    expect(because).toBe('What the rule requires is not so, and no exception applies.');
    expect(conditions.map(({ role, id }) => id ?? role)).toEqual([
      'scope',
      'when',
      'require',
      'review',
      'E1',
      'E2',
    ]);
    expect(conditions[2]?.tree).toMatchObject({
      text: 'dataset.count < 2',
      value: false,
      parts: [{ value: 3, fact: { name: 'dataset.count', state: { standing: 'attested', by: 'test' } } }],
    });
    const both = policyOf({ require: 'dataset.p && dataset.q' });
    const evaluation = evaluate(
      [both],
      factBase([release, dataset], facts({ 'dataset.p': true, 'dataset.q': false })),
      { today },
    );
    expect(explain(evaluation, 'R1').conditions[0]?.tree.parts.map(({ decisive }) => decisive)).toEqual([
      false,
      true,
    ]);
  });

  it('says what would change the verdict, and each of it does', () => {
    const values = { ...inScope, 'dataset.count': 3, 'dataset.kind': 'y', 'dataset.tags': ['x'] };
    const { changes, signatures } = explain(evaluated(values), 'R1', dataset);
    expect(signatures).toBe(2);
    expect(changes.map(({ sentence }) => sentence)).toContain(
      'If dataset.kind of d1 were "x" instead of "y", it would pass by the exception E1.',
    );
    expect(changes.length).toBeGreaterThan(3);
    for (const change of changes) {
      const then = { ...values, ...Object.fromEntries(change.facts.map(({ fact, to }) => [fact, to])) };
      expect(verdictOf(then, policy).status).toBe(change.outcome);
    }
  });

  it('looks for two facts together where one is not enough', () => {
    const both = policyOf({ require: 'dataset.p && dataset.q' });
    const evaluation = evaluate(
      [both],
      factBase([release, dataset], facts({ 'dataset.p': false, 'dataset.q': false })),
      { today },
    );
    const { changes } = explain(evaluation, 'R1');
    expect(
      changes.map(({ facts: together, outcome }) => [together.map(({ fact }) => fact), outcome]),
    ).toEqual([[['dataset.p', 'dataset.q'], 'pass']]);
  });

  it('asks which verdict is meant', () => {
    expect(() => explain(evaluated(inScope), 'R1')).toThrow('has 2 verdicts');
    expect(() => explain(evaluated(inScope), 'R9')).toThrow('There is no verdict');
  });
});

describe('evaluations beside one another', () => {
  const strict = policyOf({ require: 'dataset.p && dataset.q' }, {}, 'strict');
  const lenient = policyOf({ require: 'dataset.p' }, {}, 'lenient');
  const base = (q: boolean) => factBase([release, dataset], facts({ 'dataset.p': true, 'dataset.q': q }));

  it('differ by the facts that changed, also after they were stored', () => {
    const before = recordOf(evaluate([strict, lenient], base(true), { today }));
    const after = recordOf(evaluate([strict, lenient], base(false), { today }));
    const difference = diffEvaluations(JSON.parse(JSON.stringify(before)), after);
    expect(difference.unchanged).toBe(1);
    expect(difference.verdicts).toMatchObject([
      {
        policy: 'strict',
        rule: 'R1',
        before: { status: 'pass' },
        after: { status: 'fail' },
        facts: [{ fact: 'dataset.q' }],
      },
    ]);
    expect(difference.verdicts[0]?.because).toEqual([
      'dataset.q of d1 was true (attested) and is false (attested).',
    ]);
    expect(diffEvaluations(before, before)).toMatchObject({ verdicts: [], facts: [], unchanged: 2 });
  });

  it('differ by the policies that apply', () => {
    const before = recordOf(evaluate([lenient], base(true), { today }));
    const after = recordOf(evaluate([lenient, strict], base(true), { today }));
    expect(diffEvaluations(before, after).verdicts[0]?.because).toEqual([
      'The policy strict 1 applies now and did not before.',
    ]);
  });

  it('lay two codes side by side, topic by topic', () => {
    const topics = loadTopics(
      `version: 1
topics:
  - { id: one, title: One, rules: { strict: [R1], lenient: [R1] }, note: The first asks for more. }
  - { id: two, title: Two, rules: { strict: [R1] } }`,
      'topics.yaml',
      [strict, lenient],
    );
    const [one, two] = compareCodes(evaluate([strict, lenient], base(false), { today }), topics);
    expect(one).toMatchObject({ relation: 'differ', ownFacts: { strict: ['dataset.q'], lenient: [] } });
    expect(one?.explanation).toEqual([
      'The code lenient is met (R1).',
      'The code strict is not met (R1).',
      'Only The code strict asks here about dataset.q.',
      'The first asks for more.',
    ]);
    expect(two?.relation).toBe('alone');
    expect(() =>
      loadTopics('version: 1\ntopics: [{ id: a, title: A, rules: { strict: [R7] } }]', 't.yaml', [strict]),
    ).toThrow('t.yaml:2:47: The policy "strict" has no rule "R7".');
  });
});
