/** Symbolic shape inference over a whole model. */
import { canonicalDim, parseDim, symbolsOf } from '../dim.ts';
import { GraphError } from '../errors.ts';
import {
  type Dim,
  describeNode,
  type ElementType,
  type Graph,
  type Model,
  type Node,
  type Shape,
  type TensorType,
} from '../model.ts';
import { elementCount, type Tensor, tensor } from '../tensor.ts';
import { contentsOfConstant, contentsOfOutputs } from './contents.ts';
import { type Known, type NodeContext, UNKNOWN } from './context.ts';
import { evaluate } from './evaluate.ts';
import { fixedDims, isInteger } from './fixed.ts';
import { shapeRule } from './rules.ts';

/** What is known of a model's values without running it. */
export interface ShapeInfo {
  /** Element type and shape of a value; undefined where nothing could be inferred. */
  typeOf(name: string): TensorType | undefined;
  /** Contents of small integer tensors as dims (numbers or symbolic expressions), in row-major order, where they are known. */
  contentsOf(name: string): readonly Dim[] | undefined;
  /** The constant tensor behind a name (initializer, Constant node, or folded), if any. */
  constantOf(name: string): Tensor | undefined;
  /** Values for which the file claims another type or shape than the one that follows from the inputs. */
  readonly conflicts: readonly ShapeConflict[];
}

/** A claim of the file that does not hold. */
export interface ShapeConflict {
  readonly name: string;
  readonly declared: TensorType;
  readonly inferred: TensorType;
}

export interface InferOptions {
  /** Types of graph inputs that replace those of the file. */
  readonly inputs?: ReadonlyMap<string, TensorType>;
  /** Constants are computed while tensors have at most this many elements (default 4096). */
  readonly maxElements?: number;
}

/**
 * Infers element types and shapes of all values of the main graph, with symbolic dimensions kept as expressions
 * (see `dim.ts`), and follows the contents of shape tensors. What the file itself says fills the gaps.
 *
 * @throws GraphError if a node cannot take its inputs, naming node, op and shapes
 */
export function inferShapes(model: Model, options: InferOptions = {}): ShapeInfo {
  const inference = new Inference(
    model.opsets.get('') ?? model.opsets.get('ai.onnx') ?? 1,
    options.maxElements ?? 4096,
  );
  const values = inference.graph(model.graph, undefined, (name) => options.inputs?.get(name));
  return {
    typeOf(name) {
      const value = values.get(name);
      if (value?.elementType === undefined) return undefined;
      return { elementType: value.elementType, shape: value.shape?.map(published) };
    },
    contentsOf(name) {
      const value = values.get(name);
      return isInteger(value?.elementType) ? value?.contents?.map(published) : undefined;
    },
    constantOf: (name) => values.get(name)?.constant,
    conflicts: inference.conflicts,
  };
}

/** Sizes that have no name in the file get one for the time of the inference; outside they are unknown. */
const ANONYMOUS = '?';

function published(dim: Dim): Dim {
  if (typeof dim === 'number' || !dim.includes(ANONYMOUS)) return dim;
  for (const symbol of symbolsOf(dim)) if (symbol.startsWith(ANONYMOUS)) return '';
  return dim;
}

type Values = Map<string, Known>;
type Lookup = (name: string) => Known | undefined;

class Inference {
  readonly conflicts: ShapeConflict[] = [];
  readonly #opset: number;
  readonly #maxElements: number;
  /** Symbols of the graph's inputs. Other symbols of a file are not trusted: exporters use one for several sizes. */
  readonly #inputSymbols = new Set<string>();
  #anonymous = 0;
  /** Nodes of subgraphs that may still be visited: nested loops are visited several times each. */
  #budget = 1_000_000;

  constructor(opset: number, maxElements: number) {
    this.#opset = opset;
    this.#maxElements = maxElements;
  }

  graph(
    graph: Graph,
    outer: Lookup | undefined,
    inputType: (name: string) => TensorType | undefined,
  ): Values {
    const values: Values = new Map();
    for (const input of graph.inputs) {
      const type = inputType(input.name) ?? input.type;
      for (const dim of type?.shape ?? [])
        for (const symbol of symbolsOf(dim)) this.#inputSymbols.add(symbol);
      values.set(
        input.name,
        type === undefined
          ? UNKNOWN
          : { elementType: type.elementType, shape: type.shape?.map((d) => this.#size(d)) },
      );
    }
    this.#run(graph, values, outer);
    return values;
  }

  #run(graph: Graph, values: Values, outer: Lookup | undefined): void {
    for (const [name, constant] of graph.initializers) values.set(name, this.#constant(constant));
    const lookup: Lookup = (name) => values.get(name) ?? outer?.(name);
    const declared = new Map<string, TensorType>();
    for (const { name, type } of [...graph.valueInfo.values(), ...graph.outputs]) {
      if (type !== undefined) declared.set(name, type);
    }
    for (const node of graph.nodes) {
      const outputs = this.#node(node, lookup);
      for (const [i, name] of node.outputs.entries()) {
        if (name !== '') values.set(name, this.#declared(name, outputs[i] ?? UNKNOWN, declared.get(name)));
      }
    }
  }

  #node(node: Node, lookup: Lookup): readonly Known[] {
    const rule = node.domain === '' || node.domain === 'ai.onnx' ? shapeRule(node.op) : undefined;
    if (rule === undefined) return [];
    const inputs = node.inputs.map((name) => (name === '' ? undefined : (lookup(name) ?? UNKNOWN)));
    const context: NodeContext = {
      node,
      opset: this.#opset,
      inputs,
      unknownSize: () => this.#size(''),
      subgraph: (graph, given) => this.#subgraph(graph, given, lookup),
      fail(reason) {
        const shapes = inputs.map((input) =>
          input?.shape
            ? `[${input.shape
                .map(published)
                .map((d) => (d === '' ? '?' : d))
                .join(', ')}]`
            : '?',
        );
        throw new GraphError(
          `${describeNode(node)} cannot take inputs of shapes ${shapes.join(', ')}: ${reason}`,
        );
      },
    };
    const outputs = rule(context).map((output) => this.#checked(context, output));
    return this.#withConstants(context, outputs);
  }

  /** Every dimension in canonical form, and none negative. */
  #checked(context: NodeContext, output: Known): Known {
    if (output.constant !== undefined) return this.#constant(output.constant);
    const shape = output.shape?.map((dim) => {
      if (typeof dim === 'number' && (dim < 0 || !Number.isInteger(dim)))
        context.fail('an output would have a negative size');
      return this.#size(dim);
    });
    return { elementType: output.elementType, shape };
  }

  /** Computes what is constant, and follows the contents of what is small. */
  #withConstants(context: NodeContext, outputs: readonly Known[]): readonly Known[] {
    if (outputs.every((output) => output.constant !== undefined)) return outputs;
    const small = ({ shape }: Known) => {
      const dims = fixedDims({ ...UNKNOWN, shape });
      return dims !== undefined && elementCount(dims) <= this.#maxElements;
    };
    const given = context.inputs.filter((input) => input !== undefined);
    const constant = given.length > 0 && given.every((input) => input.constant !== undefined && small(input));
    if (constant && outputs.slice(0, context.node.outputs.length).every(small)) {
      const results = evaluate(context, outputs);
      if (results !== undefined)
        return outputs.map((output, i) => (results[i] ? this.#constant(results[i]) : output));
    }
    const contents = contentsOfOutputs(context, outputs);
    return outputs.map((output, i) => withContents(output, contents[i]));
  }

  #subgraph(graph: Graph, given: readonly Known[], outer: Lookup): readonly Known[] {
    this.#budget -= graph.nodes.length + 1;
    if (this.#budget < 0) return graph.outputs.map(() => UNKNOWN);
    const values: Values = new Map();
    for (const [i, input] of graph.inputs.entries()) {
      const declared = input.type;
      const value = given[i] ?? UNKNOWN;
      values.set(input.name, { ...value, elementType: value.elementType ?? declared?.elementType });
    }
    this.#run(graph, values, outer);
    return graph.outputs.map(({ name }) => values.get(name) ?? outer(name) ?? UNKNOWN);
  }

  #constant(constant: Tensor): Known {
    const value: Known = { elementType: constant.elementType, shape: constant.dims, constant };
    return { ...value, contents: contentsOfConstant(value) };
  }

  /** What the file says fills what could not be inferred; what contradicts it is noted. */
  #declared(name: string, inferred: Known, declared: TensorType | undefined): Known {
    if (declared === undefined) return inferred;
    const elementType = inferred.elementType ?? declared.elementType;
    const claimed = declared.shape?.map((dim) => {
      const claim = normalized(dim);
      return [...symbolsOf(claim)].every((symbol) => this.#inputSymbols.has(symbol)) ? claim : '';
    });
    if (inferred.shape === undefined) {
      return { ...inferred, elementType, shape: claimed?.map((dim) => this.#size(dim)) };
    }
    if (elementType !== declared.elementType || contradicts(inferred.shape, claimed)) {
      const shape = inferred.shape.map(published);
      this.conflicts.push({ name, declared, inferred: { elementType, shape } });
      return { ...inferred, elementType };
    }
    const shape = inferred.shape.map((dim, i) => {
      const claim = claimed?.[i] ?? '';
      return published(dim) === '' && claim !== '' ? claim : dim;
    });
    return { ...inferred, elementType, shape };
  }

  /** A dimension of the file or of a rule; an unknown one gets a name of its own. */
  #size(dim: Dim): Dim {
    const known = normalized(dim);
    return known === '' ? `${ANONYMOUS}${this.#anonymous++}` : known;
  }
}

/** Canonical; what exporters write for "not known" (−1, "?", "None") is unknown. */
function normalized(dim: Dim): Dim {
  if (typeof dim === 'number') return Number.isSafeInteger(dim) && dim >= 0 ? dim : '';
  if (dim === '' || dim === '?' || dim === 'None' || dim === 'unk') return '';
  const canonical = parseDim(dim);
  return typeof canonical === 'number' ? normalized(canonical) : canonical;
}

function contradicts(inferred: Shape, declared: Shape | undefined): boolean {
  if (declared === undefined) return false;
  if (declared.length !== inferred.length) return true;
  return inferred.some(
    (dim, i) => typeof dim === 'number' && typeof declared[i] === 'number' && dim !== declared[i],
  );
}

/** Adds known elements; integers that are all known are a constant (floats only where `evaluate` is sure of every bit). */
function withContents(output: Known, contents: readonly Dim[] | undefined): Known {
  const dims = fixedDims(output);
  if (contents === undefined || dims === undefined || contents.length !== elementCount(dims)) return output;
  if (contents.every((dim) => dim === '')) return output;
  const whole = isInteger(output.elementType);
  const canonical = contents
    .map(canonicalDim)
    .map((dim) => (whole && typeof dim === 'number' && !Number.isSafeInteger(dim) ? '' : dim));
  return { ...output, contents: canonical, constant: constantFrom(output.elementType, dims, canonical) };
}

function constantFrom(
  elementType: ElementType | undefined,
  dims: readonly number[],
  contents: readonly Dim[],
): Tensor | undefined {
  if (elementType === undefined || !/^(bool|u?int(8|16|32|64))$/.test(elementType)) return undefined;
  const numbers: number[] = [];
  for (const dim of contents) {
    if (typeof dim !== 'number') return undefined;
    if (isInteger(elementType) && !Number.isSafeInteger(dim)) return undefined;
    numbers.push(dim);
  }
  return tensor(elementType, dims, numbers);
}
