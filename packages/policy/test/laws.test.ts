/** Laws that hold for every policy and every fact base. */

import {
  applyOverlay,
  evaluate,
  type FactEntry,
  type FactValue,
  factBase,
  loadPolicy,
  type Policy,
  PolicyError,
  type Verdict,
} from '@assay/policy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cells,
  conditionArbitrary,
  domains,
  entriesArbitrary,
  known,
  policyText,
  ruleArbitrary,
  subjects,
  vocabulary,
} from './generate.ts';

const today = '2026-11-22';
/** Mildest first. */
const order: readonly string[] = ['notApplicable', 'pass', 'review', 'open', 'fail'];

function load(text: string): Policy {
  return loadPolicy(text, 'code.yaml', vocabulary);
}

function verdictsOf(policies: readonly Policy[], entries: readonly FactEntry[]): readonly Verdict[] {
  return evaluate(policies, factBase(subjects, entries), { today }).verdicts;
}

const scopeArbitrary = fc.option(conditionArbitrary({ self: 'release' }), { nil: undefined });
const policyArbitrary = fc
  .tuple(fc.tuple(ruleArbitrary('R1'), ruleArbitrary('R2'), ruleArbitrary('R3')), scopeArbitrary)
  .map(([rules, scope]) => ({ rules, scope }));

describe('verdicts', () => {
  it('stay what they are once decided: a further fact only decides what was open', () => {
    let decided = 0;
    fc.assert(
      fc.property(
        policyArbitrary,
        entriesArbitrary(0.5),
        fc.nat(),
        fc.nat(),
        ({ rules, scope }, entries, i, j) => {
          const unknown = cells.filter(
            ({ subject, name }) =>
              !entries.some((entry) => entry.subject.id === subject.id && entry.name === name),
          );
          const cell = unknown[i % Math.max(1, unknown.length)];
          fc.pre(cell !== undefined);
          const values = domains.get(cell.name) ?? [];
          const value = values[j % values.length];
          fc.pre(value !== undefined);
          const policy = load(policyText('code', rules, scope));
          const before = verdictsOf([policy], entries);
          const after = verdictsOf([policy], [...entries, { ...cell, state: known(value) }]);
          before.forEach(({ status }, k) => {
            const then = after[k]?.status;
            if (status === 'open') return;
            decided++;
            // A pass for want of a measurement can become a review; an exception that was open can lift a review.
            if (status === 'pass') expect(['pass', 'review']).toContain(then);
            else if (status === 'review') expect(['review', 'pass']).toContain(then);
            else expect(then).toBe(status);
          });
        },
      ),
      { numRuns: 1500 },
    );
    expect(decided).toBeGreaterThan(1000);
  });

  it('do not depend on the order of rules, policies, subjects or facts', () => {
    fc.assert(
      fc.property(policyArbitrary, policyArbitrary, entriesArbitrary(), (one, two, entries) => {
        const forwards = [
          load(policyText('one', one.rules, one.scope)),
          load(policyText('two', two.rules, two.scope)),
        ];
        const backwards = [
          load(policyText('two', two.rules.toReversed(), two.scope)),
          load(policyText('one', one.rules.toReversed(), one.scope)),
        ];
        const base = factBase(subjects, entries);
        const reversed = factBase(subjects.toReversed(), entries.toReversed());
        const { inputs: _a, ...first } = evaluate(forwards, base, { today });
        const { inputs: _b, ...second } = evaluate(backwards, reversed, { today });
        expect(second).toEqual(first);
      }),
      { numRuns: 300 },
    );
  });

  it('of a rule do not change with an exception of another rule', () => {
    fc.assert(
      fc.property(
        policyArbitrary,
        fc.constantFrom('true', 'release.a', 'datasets.exists(d, d.p)'),
        entriesArbitrary(),
        ({ rules, scope }, exception, entries) => {
          const [first, ...others] = rules;
          const widened = { ...first, exceptions: [...first.exceptions, exception] };
          const before = verdictsOf([load(policyText('code', rules, scope))], entries);
          const after = verdictsOf([load(policyText('code', [widened, ...others], scope))], entries);
          const rest = (verdicts: readonly Verdict[]) => verdicts.filter(({ rule }) => rule !== first.id);
          expect(rest(after)).toEqual(rest(before));
          // And it can only make its own rule milder.
          before.forEach(({ status }, k) => {
            expect(order.indexOf(after[k]?.status ?? '')).toBeLessThanOrEqual(order.indexOf(status));
          });
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('missing facts', () => {
  const valuesOf = (name: string): readonly (FactValue | undefined)[] => [
    undefined,
    ...(domains.get(name) ?? []),
  ];

  /** Every way in which some facts may come to be known. */
  function* ways(
    facts: readonly { readonly subject: FactEntry['subject']; readonly name: string }[],
  ): Generator<FactEntry[]> {
    const [first, ...rest] = facts;
    if (first === undefined) {
      yield [];
      return;
    }
    for (const way of ways(rest))
      for (const value of valuesOf(first.name))
        yield value === undefined ? way : [{ ...first, state: known(value) }, ...way];
  }

  it('that are named can change the verdict', () => {
    let shown = 0;
    fc.assert(
      fc.property(ruleArbitrary('R1'), scopeArbitrary, entriesArbitrary(0.6), (rule, scope, entries) => {
        const policy = load(policyText('code', [rule], scope));
        const statusOf = (more: readonly FactEntry[], id: string): string => {
          const verdict = verdictsOf([policy], [...entries, ...more]).find(
            ({ subject }) => subject.id === id,
          );
          return `${verdict?.status} by ${verdict?.decidedBy}`;
        };
        for (const verdict of verdictsOf([policy], entries)) {
          const missing = verdict.missing.map(({ subject, fact }) => ({ subject, name: fact }));
          const combinations = missing.reduce((product, { name }) => product * valuesOf(name).length, 1);
          if (combinations > 3000) continue;
          for (const own of missing) {
            const others = missing.filter((other) => other !== own);
            const matters = [...ways(others)].some((way) => {
              const without = statusOf(way, verdict.subject.id);
              return (domains.get(own.name) ?? []).some(
                (value) =>
                  statusOf([...way, { ...own, state: known(value) }], verdict.subject.id) !== without,
              );
            });
            expect(matters, `${own.name} of ${own.subject.id}`).toBe(true);
            shown++;
          }
        }
      }),
      { numRuns: 700 },
    );
    expect(shown).toBeGreaterThan(200);
  });

  it('that are not named cannot: an open verdict stays open until one that is named is known', () => {
    let open = 0;
    fc.assert(
      fc.property(
        ruleArbitrary('R1'),
        scopeArbitrary,
        entriesArbitrary(0.3),
        entriesArbitrary(1),
        (rule, scope, entries, complete) => {
          const policy = load(policyText('code', [rule], scope));
          for (const verdict of verdictsOf([policy], entries)) {
            if (verdict.status !== 'open') continue;
            open++;
            const named = new Set(verdict.missing.map(({ subject, fact }) => `${subject.id} ${fact}`));
            expect(named.size).toBeGreaterThan(0);
            const inconclusive = new Set(entries.map(({ subject, name }) => `${subject.id} ${name}`));
            const others = complete.filter(({ subject, name }) => {
              const key = `${subject.id} ${name}`;
              return !named.has(key) && !inconclusive.has(key);
            });
            const then = verdictsOf([policy], [...entries, ...others]).find(
              ({ subject }) => subject.id === verdict.subject.id,
            );
            expect(then?.status).toBe('open');
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(open).toBeGreaterThan(300);
  });
});

describe('overlays', () => {
  const parameters = fc.record({
    limit: fc.integer({ min: 0, max: 4 }),
    list: fc.subarray(['x', 'y']),
    strict: fc.boolean(),
    tighten: fc.tuple(
      fc.constantFrom('up', 'down'),
      fc.constantFrom('grow', 'shrink'),
      fc.constantFrom('true', 'false'),
    ),
  });
  const overlays = fc.record({
    limit: fc.option(fc.integer({ min: -1, max: 5 }), { nil: undefined }),
    list: fc.option(fc.subarray(['x', 'y']), { nil: undefined }),
    strict: fc.option(fc.boolean(), { nil: undefined }),
    also: fc.option(conditionArbitrary({ self: 'release', parameters: true }), { nil: undefined }),
    wild: fc.boolean(),
    withdraw: fc.boolean(),
    severity: fc.boolean(),
    added: fc.option(ruleArbitrary('X1'), { nil: undefined }),
  });

  it('never make a verdict milder', () => {
    let applied = 0;
    let stricter = 0;
    fc.assert(
      fc.property(
        ruleArbitrary('R1', true),
        fc.option(conditionArbitrary({ self: 'release' }), { nil: undefined }),
        parameters,
        overlays,
        fc.array(entriesArbitrary(0.7), { minLength: 6, maxLength: 6 }),
        (rule, scope, sketch, overlay, bases) => {
          const text = policyText('code', [{ ...rule, modal: 'should' }], scope, sketch);
          const tightening = {
            because: 'We are careful.',
            ...(overlay.also !== undefined && { also: overlay.also }),
            ...(overlay.withdraw && rule.exceptions.length > 0 && { withdraw: ['E1'] }),
            ...(overlay.severity && { severity: 'S3' }),
          };
          const [number, list, flag] = sketch.tighten;
          const stricterOf = number === 'up' ? Math.max : Math.min;
          const others = list === 'grow' ? ['x', 'y'] : [];
          const set = {
            ...(overlay.limit !== undefined && { limit: stricterOf(overlay.limit, sketch.limit) }),
            ...(overlay.list !== undefined && { list: overlay.wild ? overlay.list : others }),
            ...(overlay.strict !== undefined && { strict: overlay.wild ? overlay.strict : flag === 'true' }),
          };
          const added = overlay.added && JSON.parse(policyText('x', [overlay.added], undefined)).rules;
          const overlayText = JSON.stringify({
            id: 'house',
            version: '1',
            title: 'House rules',
            extends: 'code',
            set,
            ...(Object.keys(tightening).length > 1 && { tighten: { R1: tightening } }),
            ...(added && { rules: added }),
          });
          let policy: Policy;
          let strict: Policy;
          try {
            policy = load(text);
            strict = applyOverlay(policy, overlayText, 'house.yaml', vocabulary);
          } catch (error) {
            // A direction that is not the stricter one, or a milder value, is refused; these are not what is tested here.
            expect(error).toBeInstanceOf(PolicyError);
            return;
          }
          applied++;
          for (const entries of bases) {
            const before = verdictsOf([policy], entries);
            const after = verdictsOf([strict], entries).filter(({ rule: id }) => id === 'R1');
            expect(after.length).toBe(before.length);
            before.forEach(({ status, severity }, k) => {
              const then = after[k];
              const rise = order.indexOf(then?.status ?? '') - order.indexOf(status);
              if (rise > 0) stricter++;
              expect(rise, `${status} became ${then?.status}`).toBeGreaterThanOrEqual(0);
              expect((then?.severity ?? '') >= severity).toBe(true);
            });
          }
        },
      ),
      { numRuns: 6000 },
    );
    expect(applied).toBeGreaterThan(300);
    expect(stricter).toBeGreaterThan(100);
  });

  it.each<[string, object, string]>([
    ['a milder number', { set: { limit: 3 } }, 'may only be lowered; it is 2'],
    ['a longer list where it may only shrink', { set: { list: [] } }, 'may only shrink; new are'],
    ['a parameter without direction', { set: { free: 3 } }, 'has no direction'],
    ['a parameter that is not there', { set: { lim: 1 } }, 'has no parameter "lim"'],
    ['a lower severity', { tighten: { R1: { because: 'no', severity: 'S1' } } }, 'can only raise it'],
    ['a rule that is not there', { tighten: { R9: { because: 'no', severity: 'S4' } } }, 'has no rule "R9"'],
    [
      'an exception that is not there',
      { tighten: { R1: { because: 'no', withdraw: ['E9'] } } },
      'no exception "E9"',
    ],
    ['a second rule of the same id', { rules: 'R1' }, 'two rules "R1"'],
    ['another policy', { extends: 'other' }, 'extends "other"'],
    [
      'an exception of its own',
      { tighten: { R1: { because: 'no', exceptions: [] } } },
      'The key "exceptions"',
    ],
  ])('refuse %s', (_what, change, message) => {
    const rule = {
      id: 'R1',
      title: 'T',
      text: 'T',
      reference: 'r',
      modal: 'should',
      for: 'dataset',
      require: 'dataset.count <= param.limit && dataset.kind in param.list && dataset.count <= param.free',
      evidence: 'e',
    };
    const policy = load(
      JSON.stringify({
        id: 'code',
        version: '1',
        title: 'T',
        source: { title: 's', place: 'p' },
        parameters: {
          limit: { type: 'number', title: 'l', default: 2, tighten: 'down' },
          list: { type: 'list', title: 'l', default: ['x'], tighten: 'shrink' },
          free: { type: 'number', title: 'f', default: 2 },
        },
        rules: [rule],
      }),
    );
    const rules = 'rules' in change ? { rules: [rule] } : {};
    const list = JSON.stringify(change).includes('"list"') ? { set: { list: ['x', 'y'] } } : {};
    const overlay = { id: 'house', version: '1', title: 'H', extends: 'code', ...change, ...list, ...rules };
    expect(() => applyOverlay(policy, JSON.stringify(overlay), 'house.yaml', vocabulary)).toThrow(message);
  });
});
