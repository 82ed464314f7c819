/** Values of facts as people write and read them on a command line. */
import { nearestName } from '@assay/data';
import type { Value } from '@assay/dossier';
import {
  type Estimate,
  type FactDeclaration,
  type FactValue,
  isEstimate,
  misfit,
  type Vocabulary,
} from '@assay/policy';
import { UsageError } from '../failures.ts';
import { figure } from '../terminal/text.ts';

/** Longest list that is shown whole. */
const MOST_SHOWN = 8;

/** A statement such as `dataset.people.present=true`, taken apart. */
export interface Statement {
  readonly fact: string;
  readonly text: string;
}

/** @throws UsageError where there is no = */
export function statement(argument: string): Statement {
  const at = argument.indexOf('=');
  if (at <= 0) {
    throw new UsageError(`Write what you attest as FACT=VALUE, such as dataset.people.present=true.`);
  }
  return { fact: argument.slice(0, at).trim(), text: argument.slice(at + 1).trim() };
}

/**
 * Reads a value of a fact's type.
 *
 * @throws UsageError that says what the type takes
 */
export function factValue(fact: FactDeclaration, text: string): FactValue {
  const value = parsed(fact, text);
  const wrong = value === undefined ? `takes ${expectation(fact)}` : misfit(value, fact);
  if (value === undefined || wrong !== undefined) throw new UsageError(`${fact.name} ${wrong ?? ''}.`);
  return value;
}

function parsed(fact: FactDeclaration, text: string): FactValue | undefined {
  switch (fact.type) {
    case 'boolean':
      return /^(true|yes)$/i.test(text) ? true : /^(false|no)$/i.test(text) ? false : undefined;
    case 'number':
      return number(text);
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '' && item !== '[]');
    case 'estimate': {
      const [value, lower, upper, n, ...more] = text.split(',').map((part) => number(part.trim()));
      if (value === undefined || lower === undefined || upper === undefined || n === undefined)
        return undefined;
      return more.length === 0 ? { value, lower, upper, n } : undefined;
    }
    case 'string':
    case 'enum':
    case 'date':
      return text;
  }
}

function number(text: string): number | undefined {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** A value as records hold it. */
export function recordable(value: FactValue): Value {
  if (typeof value !== 'object') return value;
  return isEstimate(value) ? { ...value } : [...value];
}

/**
 * The declaration of a fact.
 *
 * @throws UsageError with the name that is nearest
 */
export function factNamed(vocabulary: Vocabulary, name: string): FactDeclaration {
  const fact = vocabulary.facts.get(name);
  if (fact !== undefined) return fact;
  const near = nearestName(name, [...vocabulary.facts.keys()]);
  throw new UsageError(
    `There is no fact "${name}"${near === undefined ? '' : `; is ${near} meant?`}.`.replace('?.', '?'),
  );
}

/** What to write for a value of a fact. */
export function expectation(fact: FactDeclaration): string {
  switch (fact.type) {
    case 'boolean':
      return 'true or false';
    case 'number':
      return `a number${fact.unit === undefined ? '' : ` (${fact.unit})`}${range(fact)}`;
    case 'string':
      return 'a text';
    case 'date':
      return 'a day, as 2026-11-22';
    case 'enum':
      return `one of ${(fact.values ?? []).join(', ')}`;
    case 'list':
      return fact.values === undefined
        ? 'a list with commas between'
        : `a list, with commas between, of ${fact.values.join(', ')}`;
    case 'estimate':
      return `a value, the ends of its 95% interval and the number of observations: 0.52,0.48,0.56,600${range(fact)}`;
  }
}

function range({ min, max }: FactDeclaration): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? '' : ` of at most ${max}`;
}

/** A value for a person to read. */
export function shownValue(value: FactValue): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : figure(value);
  if (typeof value === 'string') return value === '' ? '(empty)' : value;
  if (typeof value === 'boolean') return String(value);
  return isEstimate(value) ? shownEstimate(value) : shownList(value);
}

function shownEstimate({ value, lower, upper, n }: Estimate): string {
  return `${figure(value)} (95% interval ${figure(lower)} to ${figure(upper)}, n = ${n})`;
}

function shownList(items: readonly string[]): string {
  if (items.length === 0) return 'none';
  const shown = items.slice(0, MOST_SHOWN).join(', ');
  return items.length > MOST_SHOWN ? `${shown}, and ${items.length - MOST_SHOWN} more` : shown;
}
