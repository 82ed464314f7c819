/** In which direction a condition's truth moves with a parameter, and which bounds of estimates it leans on. */

import type { ConditionNode, FactNode, Span } from './node.ts';

/** 1: the truth can only rise with the parameter; -1: only fall; 0: either way. Truth is ordered false, unknown, true. */
export type Direction = 1 | -1 | 0;

/** One place where a condition reads a parameter. */
export interface ParameterUse {
  readonly name: string;
  readonly direction: Direction;
  /** Whether only `&&` stands above the comparison, so that the parameter never decides what is unknown. */
  readonly plain: boolean;
  readonly span: Span;
}

/** A comparison that an estimate passes by its less favourable bound (`cautious`) or by the other one. */
export interface BoundUse {
  readonly fact: FactNode;
  readonly bound: 'lower' | 'upper';
  readonly cautious: boolean;
  readonly span: Span;
}

interface Found {
  readonly parameters: ParameterUse[];
  readonly bounds: BoundUse[];
}

/** All uses of parameters and bounds in a condition whose truth is favourable. */
export function usesIn(node: ConditionNode): {
  readonly parameters: readonly ParameterUse[];
  readonly bounds: readonly BoundUse[];
} {
  const found: Found = { parameters: [], bounds: [] };
  truthOf(node, 1, true, found);
  return found;
}

/** `sign` is how the truth of the whole moves with the truth of this node. */
function truthOf(node: ConditionNode, sign: Direction, plain: boolean, found: Found): void {
  switch (node.op) {
    case 'parameter':
      found.parameters.push({ name: node.name, direction: sign, plain: false, span: node.span });
      return;
    case 'not':
      truthOf(node.of, flip(sign), plain && node.of.op !== 'and' && node.of.op !== 'or', found);
      return;
    case 'and':
      for (const part of node.parts) truthOf(part, sign, plain, found);
      return;
    case 'or':
      for (const part of node.parts) truthOf(part, sign, false, found);
      return;
    case 'compare': {
      const ordered = node.comparison !== '==' && node.comparison !== '!=';
      const rises = node.comparison === '>' || node.comparison === '>=';
      const certain = plain && node.left.type.kind !== 'estimate' && node.right.type.kind !== 'estimate';
      const right = ordered ? (rises ? flip(sign) : sign) : 0;
      sizeOf(node.left, flip(right), certain, found);
      sizeOf(node.right, right, certain, found);
      return;
    }
    case 'in':
      sizeOf(node.left, 0, plain, found);
      sizeOf(node.right, sign, plain, found);
      return;
    case 'conditional':
      truthOf(node.test, 0, false, found);
      truthOf(node.yes, sign, false, found);
      truthOf(node.no, sign, false, found);
      return;
    case 'quantifier': {
      const over = node.quantifier === 'exists' ? sign : node.quantifier === 'all' ? flip(sign) : 0;
      if (node.over.kind === 'list') sizeOf(node.over.list, over, false, found);
      truthOf(node.body, node.quantifier === 'exists_one' ? 0 : sign, false, found);
      return;
    }
    case 'text':
      sizeOf(node.text, 0, plain, found);
      sizeOf(node.part, 0, plain, found);
      return;
    default:
  }
}

/** `sign` is how the truth of the whole moves with this number, day or list. */
function sizeOf(node: ConditionNode, sign: Direction, plain: boolean, found: Found): void {
  switch (node.op) {
    case 'parameter':
      found.parameters.push({ name: node.name, direction: sign, plain, span: node.span });
      return;
    case 'bound':
      if (node.bound !== 'n')
        found.bounds.push({
          fact: node.of,
          bound: node.bound,
          // A truth that rises with the number is safe on the lower bound, one that falls on the upper.
          cautious: sign === (node.bound === 'lower' ? 1 : -1),
          span: node.span,
        });
      return;
    case 'arithmetic':
      if (node.operator === '*') {
        sizeOf(node.left, neverNegative(node.right) ? sign : 0, plain, found);
        sizeOf(node.right, neverNegative(node.left) ? sign : 0, plain, found);
      } else {
        sizeOf(node.left, sign, plain, found);
        sizeOf(node.right, node.operator === '-' ? flip(sign) : sign, plain, found);
      }
      return;
    case 'size':
      if (node.of.kind === 'value') sizeOf(node.of.value, sign, plain, found);
      return;
    case 'conditional':
      truthOf(node.test, 0, false, found);
      sizeOf(node.yes, sign, false, found);
      sizeOf(node.no, sign, false, found);
      return;
    case 'fact':
    case 'literal':
    case 'today':
    case 'identifier':
    case 'variable':
      return;
    default:
      truthOf(node, 0, false, found);
  }
}

function neverNegative(node: ConditionNode): boolean {
  if (node.op === 'literal') return typeof node.value === 'number' && node.value >= 0;
  if (node.op === 'size' || (node.op === 'bound' && node.bound === 'n')) return true;
  const fact = node.op === 'fact' ? node.fact : node.op === 'bound' ? node.of.fact : undefined;
  return (fact?.min ?? -1) >= 0;
}

function flip(sign: Direction): Direction {
  return sign === 1 ? -1 : sign === -1 ? 1 : 0;
}
