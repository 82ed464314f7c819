/** A condition after its checks: a typed tree in which every name is resolved to a fact, a parameter or a variable. */

import type { FactDeclaration, SubjectKind } from '../vocabulary.ts';

/** The part of the condition's text that a node was written as. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Type of a part of a condition. `values` closes the set of strings, when it is closed. */
export type ValueType =
  | { readonly kind: 'boolean' | 'number' | 'date' | 'estimate' }
  | { readonly kind: 'string'; readonly values?: readonly string[] }
  | { readonly kind: 'list'; readonly values?: readonly string[] }
  | { readonly kind: 'subjects'; readonly of: 'model' | 'dataset' }
  | { readonly kind: 'subject'; readonly of: SubjectKind };

/** Whose fact is read: the rule's subject, the release, or the subject bound by a macro (by depth of the macro). */
export type Holder =
  | { readonly kind: 'self' }
  | { readonly kind: 'release' }
  | { readonly kind: 'variable'; readonly slot: number };

interface Base {
  readonly type: ValueType;
  readonly span: Span;
}

export interface LiteralNode extends Base {
  readonly op: 'literal';
  readonly value: boolean | number | string | readonly string[];
}
export interface FactNode extends Base {
  readonly op: 'fact';
  readonly holder: Holder;
  readonly fact: FactDeclaration;
}
export interface BoundNode extends Base {
  readonly op: 'bound';
  readonly of: FactNode;
  readonly bound: 'lower' | 'upper' | 'n';
}
export interface ParameterNode extends Base {
  readonly op: 'parameter';
  readonly name: string;
}
export interface TodayNode extends Base {
  readonly op: 'today';
}
export interface IdentifierNode extends Base {
  readonly op: 'identifier';
  readonly holder: Holder;
}
export interface VariableNode extends Base {
  readonly op: 'variable';
  readonly slot: number;
}
export interface NotNode extends Base {
  readonly op: 'not';
  readonly of: ConditionNode;
}
/** `a && b && c` and `a || b || c`, each as one node with all its parts. */
export interface JunctionNode extends Base {
  readonly op: 'and' | 'or';
  readonly parts: readonly ConditionNode[];
}
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';
export interface CompareNode extends Base {
  readonly op: 'compare';
  readonly comparison: Comparison;
  readonly left: ConditionNode;
  readonly right: ConditionNode;
}
export interface InNode extends Base {
  readonly op: 'in';
  readonly left: ConditionNode;
  readonly right: ConditionNode;
}
export interface ArithmeticNode extends Base {
  readonly op: 'arithmetic';
  readonly operator: '+' | '-' | '*';
  readonly left: ConditionNode;
  readonly right: ConditionNode;
}
export interface ConditionalNode extends Base {
  readonly op: 'conditional';
  readonly test: ConditionNode;
  readonly yes: ConditionNode;
  readonly no: ConditionNode;
}
export type Quantifier = 'exists' | 'all' | 'exists_one';
export interface QuantifierNode extends Base {
  readonly op: 'quantifier';
  readonly quantifier: Quantifier;
  readonly variable: string;
  /** Where the variable's value is kept during evaluation: the depth of the macro. */
  readonly slot: number;
  /** All models, all data sets, or a list of strings. */
  readonly over:
    | { readonly kind: 'models' | 'datasets' }
    | { readonly kind: 'list'; readonly list: ConditionNode };
  readonly body: ConditionNode;
}
export interface SizeNode extends Base {
  readonly op: 'size';
  readonly of:
    | { readonly kind: 'models' | 'datasets' }
    | { readonly kind: 'value'; readonly value: ConditionNode };
}
export interface TextNode extends Base {
  readonly op: 'text';
  readonly test: 'startsWith' | 'endsWith' | 'contains';
  readonly text: ConditionNode;
  readonly part: ConditionNode;
}

export type ConditionNode =
  | LiteralNode
  | FactNode
  | BoundNode
  | ParameterNode
  | TodayNode
  | IdentifierNode
  | VariableNode
  | NotNode
  | JunctionNode
  | CompareNode
  | InNode
  | ArithmeticNode
  | ConditionalNode
  | QuantifierNode
  | SizeNode
  | TextNode;

/** The parts of a node that are conditions or values themselves, in the order of the text. */
export function partsOf(node: ConditionNode): readonly ConditionNode[] {
  switch (node.op) {
    case 'literal':
    case 'fact':
    case 'parameter':
    case 'today':
    case 'identifier':
    case 'variable':
      return [];
    case 'bound':
    case 'not':
      return [node.of];
    case 'and':
    case 'or':
      return node.parts;
    case 'compare':
    case 'in':
    case 'arithmetic':
      return [node.left, node.right];
    case 'conditional':
      return [node.test, node.yes, node.no];
    case 'quantifier':
      return node.over.kind === 'list' ? [node.over.list, node.body] : [node.body];
    case 'size':
      return node.of.kind === 'value' ? [node.of.value] : [];
    case 'text':
      return [node.text, node.part];
  }
}

/** Every node of the tree, parents first. */
export function* nodesOf(node: ConditionNode): Generator<ConditionNode> {
  yield node;
  for (const part of partsOf(node)) yield* nodesOf(part);
}
