/** Conditions: Kleene's truth tables, plain CEL as the second implementation, and types checked when they are read. */

import { evaluate, type FactEntry, type FactValue, factBase, loadPolicy, type Outcome } from '@assay/policy';
import { Environment } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  conditionArbitrary,
  dataset,
  entriesArbitrary,
  known,
  policyText,
  release,
  subjects,
  vocabulary,
} from './generate.ts';

const today = '2026-11-22';

/** The truth of a condition, seen through the verdict of a rule that requires it. */
function truthOf(condition: string, entries: readonly FactEntry[]): boolean | 'unknown' {
  const rule = {
    id: 'R',
    self: 'dataset' as const,
    when: undefined,
    require: condition,
    review: undefined,
    exceptions: [],
    modal: 'must',
  };
  const policy = loadPolicy(policyText('code', [rule], undefined), 'code.yaml', vocabulary);
  const verdicts = evaluate([policy], factBase(subjects, entries), { today }).verdicts;
  const status = verdicts.find(({ subject }) => subject.id === dataset.id)?.status;
  const truths: Partial<Record<Outcome | 'waived', boolean | 'unknown'>> = {
    pass: true,
    fail: false,
    open: 'unknown',
  };
  return truths[status ?? 'waived'] ?? 'unknown';
}

function given(p: boolean | 'unknown', q: boolean | 'unknown'): FactEntry[] {
  return [
    ...(p === 'unknown' ? [] : [{ subject: dataset, name: 'dataset.p', state: known(p) }]),
    ...(q === 'unknown' ? [] : [{ subject: dataset, name: 'dataset.q', state: known(q) }]),
  ];
}

describe('three-valued logic', () => {
  const T = true;
  const F = false;
  const U = 'unknown' as const;

  it.each([
    [T, T, T, T],
    [T, F, F, T],
    [T, U, U, T],
    [F, T, F, T],
    [F, F, F, F],
    [F, U, F, U],
    [U, T, U, T],
    [U, F, F, U],
    [U, U, U, U],
  ])("Kleene's table: %s and %s", (p, q, and, or) => {
    expect(truthOf('dataset.p && dataset.q', given(p, q))).toBe(and);
    expect(truthOf('dataset.p || dataset.q', given(p, q))).toBe(or);
    // De Morgan's laws hold in it.
    expect(truthOf('!(!dataset.p || !dataset.q)', given(p, q))).toBe(and);
    expect(truthOf('!(!dataset.p && !dataset.q)', given(p, q))).toBe(or);
  });

  it.each([
    [T, F],
    [F, T],
    [U, U],
  ])('not %s', (p, not) => {
    expect(truthOf('!dataset.p', given(p, U))).toBe(not);
  });

  it('does not call a tautology true while its fact is unknown', () => {
    expect(truthOf('dataset.p || !dataset.p', [])).toBe('unknown');
  });

  it('asks all() and exists() of every data set', () => {
    const d2 = { kind: 'dataset' as const, id: 'd2' };
    const of = (first: FactValue | undefined, second: FactValue | undefined): FactEntry[] => [
      ...(first === undefined ? [] : [{ subject: dataset, name: 'dataset.p', state: known(first) }]),
      ...(second === undefined ? [] : [{ subject: d2, name: 'dataset.p', state: known(second) }]),
    ];
    const exists = 'datasets.exists(d, d.p)';
    const all = 'datasets.all(d, d.p)';
    const one = 'datasets.exists_one(d, d.p)';
    expect([exists, all, one].map((text) => truthOf(text, of(true, undefined)))).toEqual([
      true,
      'unknown',
      'unknown',
    ]);
    expect([exists, all, one].map((text) => truthOf(text, of(false, undefined)))).toEqual([
      'unknown',
      false,
      'unknown',
    ]);
    expect([exists, all, one].map((text) => truthOf(text, of(true, true)))).toEqual([true, true, false]);
    expect([exists, all, one].map((text) => truthOf(text, of(true, false)))).toEqual([true, false, true]);
    expect([exists, all, one].map((text) => truthOf(text, of(false, false)))).toEqual([false, false, false]);
  });

  it('compares an estimate by its whole interval', () => {
    const rate = (lower: number, upper: number): FactEntry[] => [
      {
        subject: dataset,
        name: 'dataset.rate',
        state: known({ value: (lower + upper) / 2, lower, upper, n: 20 }),
      },
    ];
    expect(truthOf('dataset.rate < 2', rate(0, 1.5))).toBe(true);
    expect(truthOf('dataset.rate < 2', rate(2, 3))).toBe(false);
    expect(truthOf('dataset.rate < 2', rate(1, 3))).toBe('unknown');
    expect(truthOf('dataset.rate <= 2', rate(1, 2))).toBe(true);
    expect(truthOf('dataset.rate >= 2', rate(2, 2))).toBe(true);
    expect(truthOf('dataset.rate > 2', rate(2, 2))).toBe(false);
    expect(truthOf('2 > dataset.rate', rate(1, 3))).toBe('unknown');
    expect(truthOf('dataset.rate.upper < 3.5 && dataset.rate.n >= 20', rate(1, 3))).toBe(true);
  });
});

/** The facts as plain CEL sees them: what is not known is not there. */
function celContext(entries: readonly FactEntry[]): Record<string, unknown> {
  const objects = new Map(subjects.map((subject) => [subject.id, {} as Record<string, unknown>]));
  for (const { subject, name, state } of entries) {
    const object = objects.get(subject.id);
    if (object && state.state === 'known') object[name.slice(name.indexOf('.') + 1)] = state.value;
  }
  const of = (id: string) => objects.get(id) ?? {};
  return { release: of(release.id), dataset: of(dataset.id), datasets: [of('d1'), of('d2')] };
}

describe('agreement with plain CEL', () => {
  const cel = new Environment({ unlistedVariablesAreDyn: true });

  it('is true, false or unknown exactly where CEL yields true, false or an error', () => {
    let knowns = 0;
    let unknowns = 0;
    fc.assert(
      fc.property(
        conditionArbitrary({ self: 'dataset', estimates: false }),
        entriesArbitrary(),
        (condition, entries) => {
          const usable = entries.filter(({ name }) => !['dataset.rate', 'dataset.until'].includes(name));
          let other: unknown;
          try {
            other = cel.evaluate(condition, celContext(usable));
          } catch {
            other = 'unknown';
          }
          if (other === 'unknown') unknowns++;
          else knowns++;
          expect(truthOf(condition, usable)).toBe(other);
        },
      ),
      { numRuns: 2000 },
    );
    expect(Math.min(knowns, unknowns)).toBeGreaterThan(200);
  });
});
