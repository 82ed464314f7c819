/** What a rewrite of one node may ask and make. */
import type { GraphBuilder } from '../build.ts';
import { GraphError } from '../errors.ts';
import {
  type Attributes,
  describeNode,
  type ElementType,
  type Graph,
  type Node,
  type TensorType,
} from '../model.ts';
import type { Tensor } from '../tensor.ts';

/** Rewrites a node of an older operator set; an error if this use of it has no newer form. */
export type Rewrite = (node: Node, context: UpgradeContext) => readonly Node[];

/** A change of an operator's form. */
export interface Step {
  /** The first operator set that has the new form. */
  readonly since: number;
  readonly rewrite: Rewrite;
}

/** A graph while it is upgraded, with those around it. */
export interface Scope {
  readonly graph: Graph;
  readonly outer: Scope | undefined;
  /** Names that some node, subgraph or output of this graph takes. */
  readonly used: ReadonlySet<string>;
  /** The node that gives each name. */
  readonly producers: ReadonlyMap<string, Node>;
}

/** What a rewrite may ask and make. */
export class UpgradeContext {
  readonly #scope: Scope;
  readonly #builder: GraphBuilder;
  readonly #opset: number;
  readonly #floatType: ElementType | undefined;
  readonly #rankOf: (name: string) => number | undefined;

  constructor(
    scope: Scope,
    builder: GraphBuilder,
    opset: number,
    floatType: ElementType | undefined,
    rankOf: (name: string) => number | undefined,
  ) {
    this.#scope = scope;
    this.#builder = builder;
    this.#opset = opset;
    this.#floatType = floatType;
    this.#rankOf = rankOf;
  }

  /** The error that says why this use of the node has no newer form. */
  refusal(node: Node, reason: string): GraphError {
    return new GraphError(
      `Node ${describeNode(node)} cannot be brought from operator set ${this.#opset} to a newer one: ${reason}.`,
    );
  }

  /** The name of a constant with this value. */
  constant(value: Tensor): string {
    return this.#builder.constant(value);
  }

  /** The name of a one-dimensional int64 constant. */
  ints(values: readonly number[]): string {
    return this.#builder.ints(values);
  }

  /** A name that no value of the model has. */
  fresh(hint: string): string {
    return this.#builder.fresh(hint);
  }

  /** Whether anything takes the value. */
  isUsed(name: string): boolean {
    return name !== '' && this.#scope.used.has(name);
  }

  /** The value where it is a constant of the graph. */
  valueOf(name: string): Tensor | undefined {
    for (let scope: Scope | undefined = this.#scope; scope !== undefined; scope = scope.outer) {
      const initializer = scope.graph.initializers.get(name);
      if (initializer !== undefined) return initializer;
      const producer = scope.producers.get(name);
      if (producer === undefined) continue;
      const value = producer.attributes.value;
      return producer.op === 'Constant' && producer.domain === '' && value?.kind === 'tensor'
        ? value.value
        : undefined;
    }
    return undefined;
  }

  /**
   * A scalar of the type that `like` has, for inputs that must agree in type: a constant where the type is
   * certain, else a constant cast at run time. Returns the nodes that are needed for it.
   */
  scalarLike(like: string, make: (type: ElementType) => Tensor): { name: string; nodes: readonly Node[] } {
    const type = this.#typeOf(like)?.elementType ?? this.#floatType;
    if (type !== undefined) return { name: this.constant(make(type)), nodes: [] };
    const name = this.fresh('CastLike');
    const inputs = [this.constant(make('float32')), like];
    return {
      name,
      nodes: [{ op: 'CastLike', domain: '', name: '', inputs, outputs: [name], attributes: {} }],
    };
  }

  /** The number of dimensions, where it can be told. */
  rankOf(name: string): number | undefined {
    const told = this.#rankOf(name) ?? this.#typeOf(name)?.shape?.length ?? this.valueOf(name)?.dims.length;
    if (told !== undefined) return told;
    // The two producers whose results are matrices whatever they are given; classifiers end in them.
    const producer = this.#scope.producers.get(name);
    return producer?.domain === '' && (producer.op === 'Gemm' || producer.op === 'Flatten') ? 2 : undefined;
  }

  #typeOf(name: string): TensorType | undefined {
    for (let scope: Scope | undefined = this.#scope; scope !== undefined; scope = scope.outer) {
      const { graph } = scope;
      const initializer = graph.initializers.get(name);
      if (initializer !== undefined) return { elementType: initializer.elementType, shape: initializer.dims };
      const byName = (value: { readonly name: string }) => value.name === name;
      const info = graph.valueInfo.get(name) ?? graph.inputs.find(byName) ?? graph.outputs.find(byName);
      if (info?.type !== undefined) return info.type;
    }
    return undefined;
  }
}

/** The attributes without some of them. */
export function without(attributes: Attributes, ...names: readonly string[]): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));
}
