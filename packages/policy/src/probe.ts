/** Values worth trying for a fact: one for every region into which the constants of a rule divide its domain. */

import { type Surroundings, unknown, valueIn } from './condition/evaluate.ts';
import { type ConditionNode, nodesOf } from './condition/node.ts';
import type { Condition } from './condition/parse.ts';
import { compare, type FactValue, isEstimate } from './facts.ts';
import type { Policy, Rule } from './policy.ts';
import type { FactDeclaration } from './vocabulary.ts';

/** The constants that the conditions of a rule compare with: written, from parameters, or known facts. */
export interface Constants {
  /** Numbers that a fact is compared with, by the fact's full name. */
  readonly numbers: ReadonlyMap<string, readonly number[]>;
  /** Facts of which the number of observations is read. */
  readonly counted: ReadonlySet<string>;
  readonly texts: readonly string[];
  readonly days: readonly string[];
}

/** At most so many values of one fact are tried. */
const most = 40;
/** A text that no policy names. */
const other = 'something else';

/** All conditions of a rule, the scope of its policy included. */
export function conditionsOf(policy: Policy, rule: Rule): Condition[] {
  const conditions = [rule.beyondScope ? undefined : policy.scope, rule.when, rule.require, rule.review];
  return [...conditions, ...rule.exceptions.map(({ when }) => when)].filter(
    (condition) => condition !== undefined,
  );
}

/** Collects the constants of the conditions of a rule. */
export function constantsOf(conditions: readonly Condition[], around: Surroundings): Constants {
  const numbers = new Map<string, Set<number>>();
  const counted = new Set<string>();
  const texts = new Set<string>();
  const days = new Set<string>([around.today]);
  for (const condition of conditions) {
    for (const node of nodesOf(condition.node)) {
      if (node.op === 'compare') numbersOf(node, around, numbers);
      if (node.op === 'bound' && node.bound === 'n') counted.add(node.of.fact.name);
      const value = fixed(node, around);
      if (typeof value === 'string') (node.type.kind === 'date' ? days : texts).add(value);
      else if (Array.isArray(value)) for (const element of value.slice(0, most)) texts.add(element);
    }
  }
  return {
    numbers: new Map(
      [...numbers].map(([name, set]) => [name, [...set].sort((a, b) => a - b).slice(0, most)]),
    ),
    counted,
    texts: [...texts].sort(compare).slice(0, most),
    days: [...days].sort(compare).slice(0, most),
  };
}

/** Gives every number of a comparison to every fact in it. */
function numbersOf(comparison: ConditionNode, around: Surroundings, numbers: Map<string, Set<number>>): void {
  const found: number[] = [];
  const names: string[] = [];
  for (const node of nodesOf(comparison)) {
    if (node.op === 'fact') names.push(node.fact.name);
    const value = fixed(node, around);
    if (typeof value === 'number') found.push(value);
    else if (Array.isArray(value)) found.push(value.length);
    else if (typeof value === 'object' && 'lower' in value) found.push(value.lower, value.upper);
  }
  const computed = [...nodesOf(comparison)].some((node) => node.op === 'arithmetic');
  // Where the comparison computes, a boundary can lie at a sum, difference, product or quotient of two of its numbers.
  const combined = computed
    ? found.slice(0, 6).flatMap((a) => found.slice(0, 6).flatMap((b) => [a + b, a - b, a * b, a / b]))
    : [];
  found.push(...combined.filter(Number.isFinite));
  for (const name of names) {
    const set = numbers.get(name) ?? new Set();
    for (const number of found) set.add(number);
    numbers.set(name, set);
  }
}

/** The value of a literal, parameter, or known fact that no macro binds. */
function fixed(node: ConditionNode, around: Surroundings): FactValue | undefined {
  const fact = node.op === 'bound' ? node.of : node.op === 'fact' ? node : undefined;
  if (fact?.holder.kind === 'variable') return undefined;
  if (fact === undefined && node.op !== 'literal' && node.op !== 'parameter') return undefined;
  const value = valueIn(node, around);
  return value === unknown || (typeof value === 'object' && 'kind' in value) ? undefined : value;
}

/** Values of a fact that tell the regions of its domain apart; all fit its declaration. */
export function probes(fact: FactDeclaration, constants: Constants): FactValue[] {
  const { texts, days } = constants;
  const numbers = constants.numbers.get(fact.name) ?? [];
  switch (fact.type) {
    case 'boolean':
      return [true, false];
    case 'number':
      return points(numbers, fact).slice(0, most);
    case 'date':
      return [...new Set(days.flatMap((day) => [day, shift(day, -1), shift(day, 1)]))].slice(0, most);
    case 'enum': {
      const named = (fact.values ?? []).filter((value) => texts.includes(value));
      const unnamed = (fact.values ?? []).filter((value) => !texts.includes(value));
      return [...named, ...unnamed.slice(0, 1)].slice(0, most);
    }
    case 'string':
      return [...texts.slice(0, most - 1), other];
    case 'list': {
      const { values } = fact;
      const elements = (values ? texts.filter((text) => values.includes(text)) : texts).slice(0, most - 3);
      const stranger = values ? values.find((value) => !texts.includes(value)) : other;
      const lengths = numbers.filter((n) => Number.isInteger(n) && n > 0 && n <= most).map((n) => n + 1);
      const longest = Math.max(0, ...lengths);
      const long = values ? [] : Array.from({ length: longest }, (_, i) => `${other} ${i + 1}`);
      const candidates: readonly string[][] = [
        [],
        ...elements.map((element) => [element]),
        ...(elements.length > 1 ? [elements] : []),
        ...(stranger === undefined ? [] : [[stranger]]),
        ...(values && values.length > 1 && longest > 1 ? [[...values]] : []),
        ...(long.length > 1 ? [long] : []),
      ];
      return candidates.slice(0, most);
    }
    case 'estimate': {
      const many = 1_000_000;
      const sharp = points(numbers, fact);
      const [first = 0] = sharp;
      const wide = { value: first, lower: Math.min(...sharp), upper: Math.max(...sharp), n: 1 };
      const counts = constants.counted.has(fact.name)
        ? numbers.flatMap((c) => [Math.floor(c) - 1, Math.ceil(c)]).filter((n) => n >= 0 && n < many)
        : [];
      return [
        ...sharp.map((value) => ({ value, lower: value, upper: value, n: many })),
        ...(sharp.length > 1 ? [wide] : []),
        ...sharp.flatMap((value) =>
          [...new Set(counts)].map((n) => ({ value, lower: value, upper: value, n })),
        ),
      ].slice(0, most);
    }
  }
}

/** Every constant inside the domain, one point between neighbours, and one beyond either end. */
function points(numbers: readonly number[], { min = -Infinity, max = Infinity }: FactDeclaration): number[] {
  const inside = [...new Set(numbers)]
    .filter((number) => number >= min && number <= max)
    .sort((a, b) => a - b);
  const lowest = inside[0] ?? (Number.isFinite(min) ? min : Number.isFinite(max) ? max : 0);
  const highest = inside.at(-1) ?? lowest;
  const below = Number.isFinite(min) ? (min + lowest) / 2 : lowest - 1;
  const above = Number.isFinite(max) ? (max + highest) / 2 : highest + 1;
  const between = inside.slice(1).map((number, i) => (number + (inside[i] ?? number)) / 2);
  return [...new Set([...inside, below, above, ...between])];
}

function shift(day: string, days: number): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  const text = date.toISOString().slice(0, 10);
  return /^\d{4}-/.test(text) ? text : day;
}

/** Sorts values so that those nearest to the present one come first. */
export function nearestFirst(values: readonly FactValue[], present: FactValue | undefined): FactValue[] {
  const centre = present === undefined ? undefined : centreOf(present);
  if (centre === undefined) return [...values];
  const away = (value: FactValue) => Math.abs((centreOf(value) ?? centre) - centre);
  return [...values].sort((a, b) => away(a) - away(b));
}

function centreOf(value: FactValue): number | undefined {
  if (typeof value === 'number') return value;
  return isEstimate(value) ? value.value : undefined;
}
