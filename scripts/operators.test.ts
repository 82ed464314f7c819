/** OPERATORS.md says what the rule table says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FAMILIES, ZERO_DERIVATIVE } from '../packages/graph/src/differentiate/table.ts';
import { operatorsDocument } from './operators.ts';

const differentiable = Object.values(FAMILIES).flatMap((rules) => Object.keys(rules));

test('OPERATORS.md is what the rule table gives; `npm run operators` writes it anew', () => {
  const written = readFileSync(join(import.meta.dirname, '..', 'OPERATORS.md'), 'utf8');
  expect(written).toBe(operatorsDocument());
});

describe('the document', () => {
  test('has one row for every op with a rule, and no other', () => {
    const rows = [...operatorsDocument().matchAll(/^\| `(\w+)` \|/gm)].map(([, op]) => op);
    expect(rows.toSorted()).toEqual(differentiable.toSorted());
  });

  test('names every op with a derivative of zero', () => {
    const [, section] = operatorsDocument().split('## With a derivative of zero');
    for (const op of ZERO_DERIVATIVE) expect(section).toContain(`\`${op}\``);
  });
});

test('an op is in one family only, and has either a rule or a derivative of zero', () => {
  expect(new Set(differentiable).size).toBe(differentiable.length);
  expect(differentiable.filter((op) => ZERO_DERIVATIVE.has(op))).toEqual([]);
});
