/** Says what is wrong with a model, before anything runs it. */
import { isMessage } from '@bufbuild/protobuf';
import { type FunctionProto, GraphProtoSchema, ModelProtoSchema } from 'onnx-buf';
import { GraphError } from './errors.ts';
import { describeNode, type Graph, type Model, type Node } from './model.ts';
import { NEWEST_IR_VERSION, NEWEST_OPSET, OLDEST_OPSET } from './opsets.ts';
import { printable, quoted } from './printable.ts';
import { ATTRIBUTE_KINDS, REQUIRED_ATTRIBUTES, STANDARD_OPERATORS } from './standard-operators.ts';
import { byteLength, ELEMENT_BITS, elementCount, type Tensor } from './tensor.ts';

/** Something about a model that a person should know. */
export interface Problem {
  /** An `error` keeps the model from being used; a `note` does not. */
  readonly severity: 'error' | 'note';
  /** The part of the model: `the model`, `node Conv "conv1"`, `value "x"`, `initializer "w"`. */
  readonly where: string;
  /** A sentence. */
  readonly message: string;
}

/**
 * Everything that is wrong with a model: operator sets, order of nodes, names without a value or with two,
 * unknown operators, attributes of the wrong kind, initializers of the wrong size.
 *
 * An empty list says that the graph is well formed, not that all shapes fit.
 */
export function checkModel(model: Model): readonly Problem[] {
  const problems: Problem[] = [];
  checkVersions(model, problems);
  const functions = functionsOf(model);
  const check = new GraphCheck(problems, model.opsets, functions);
  if (model.graph.outputs.length === 0) {
    problems.push({ severity: 'error', where: 'the model', message: 'The graph has no outputs.' });
  }
  check.graph(model.graph, new Set());
  for (const domain of check.foreignDomains) {
    const message = `Operators of the domain ${quoted(domain)} are used; the runtime must provide them.`;
    problems.push({ severity: 'note', where: 'the model', message });
  }
  return problems;
}

/** Most problems that one error message lists. */
const LISTED = 10;

/**
 * Refuses a model that has errors.
 *
 * @throws GraphError that lists them
 */
export function assertUsable(model: Model): void {
  const errors = checkModel(model).filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return;
  const lines = errors.slice(0, LISTED).map(({ where, message }) => `  ${where}: ${message}`);
  if (errors.length > LISTED) lines.push(`  and ${errors.length - LISTED} more`);
  throw new GraphError(`The model cannot be used:\n${lines.join('\n')}`);
}

function checkVersions(model: Model, problems: Problem[]): void {
  const error = (message: string) => problems.push({ severity: 'error', where: 'the model', message });
  const opset = model.opsets.get('');
  if (opset === undefined) {
    if ([...model.graph.nodes].some(({ domain }) => domain === '')) {
      error('The model does not say which version of the standard operator set it uses.');
    }
  } else if (opset < OLDEST_OPSET) {
    error(`Operator set ${opset} is too old; export the model again with ${OLDEST_OPSET} or newer.`);
  } else if (opset > NEWEST_OPSET) {
    error(
      `Operator set ${opset} is newer than ${NEWEST_OPSET}, the newest that the runtime takes; export the model with an older one.`,
    );
  }
  if (model.irVersion > NEWEST_IR_VERSION) {
    error(
      `Format version ${model.irVersion} is newer than ${NEWEST_IR_VERSION}, the newest that the runtime takes.`,
    );
  }
}

/** Functions that the file itself defines, as `domain:name`. */
function functionsOf(model: Model): ReadonlySet<string> {
  const functions: readonly FunctionProto[] = isMessage(model.rest, ModelProtoSchema)
    ? model.rest.functions
    : [];
  return new Set(functions.map(({ domain, name }) => `${domain === 'ai.onnx' ? '' : domain}:${name}`));
}

/** Initializers that are kept in sparse form, which decoding leaves in `rest`. */
function sparseInitializers(graph: Graph): readonly string[] {
  if (!isMessage(graph.rest, GraphProtoSchema)) return [];
  return graph.rest.sparseInitializer.map(({ values }) => values?.name ?? '').filter((name) => name !== '');
}

class GraphCheck {
  readonly foreignDomains = new Set<string>();
  readonly #problems: Problem[];
  readonly #opsets: ReadonlyMap<string, number>;
  readonly #functions: ReadonlySet<string>;

  constructor(problems: Problem[], opsets: ReadonlyMap<string, number>, functions: ReadonlySet<string>) {
    this.#problems = problems;
    this.#opsets = opsets;
    this.#functions = functions;
  }

  #error(where: string, message: string): void {
    this.#problems.push({ severity: 'error', where, message });
  }

  /** @param outer names that the graphs around this one have given by then */
  graph(graph: Graph, outer: ReadonlySet<string>): void {
    const known = new Set(outer);
    const own = new Set<string>();
    for (const { name } of graph.inputs) {
      if (name === '') this.#error('the graph', 'An input has no name.');
      else if (own.has(name)) this.#error(`value ${quoted(name)}`, 'Two inputs have this name.');
      own.add(name);
    }
    for (const [name, tensor] of graph.initializers) {
      own.add(name);
      this.#initializer(name, tensor);
    }
    for (const name of sparseInitializers(graph)) own.add(name);
    for (const name of own) known.add(name);

    const producedAt = new Map<string, number>();
    for (const [i, node] of graph.nodes.entries()) {
      for (const output of node.outputs) if (!producedAt.has(output)) producedAt.set(output, i);
    }
    for (const node of graph.nodes) {
      const where = `node ${printable(describeNode(node))}`;
      for (const input of new Set(node.inputs)) {
        if (input === '' || known.has(input)) continue;
        const later = producedAt.has(input);
        this.#error(
          where,
          later
            ? `Its input ${quoted(input)} is only computed by a later node; nodes must be in topological order.`
            : `Its input ${quoted(input)} is given by nothing: no node, input or initializer has this name.`,
        );
      }
      this.#operator(node, where);
      this.#attributes(node, where, known);
      for (const output of node.outputs) {
        if (output === '') continue;
        if (own.has(output))
          this.#error(`value ${quoted(output)}`, `It is given twice, the second time by ${where}.`);
        own.add(output);
        known.add(output);
      }
    }
    const outputs = new Set<string>();
    for (const { name } of graph.outputs) {
      if (outputs.has(name)) this.#error(`output ${quoted(name)}`, 'Two outputs have this name.');
      outputs.add(name);
      if (!known.has(name)) this.#error(`output ${quoted(name)}`, 'Nothing in the graph computes it.');
    }
  }

  #initializer(name: string, tensor: Tensor): void {
    const where = `initializer ${quoted(name)}`;
    const { data, dims, elementType } = tensor;
    if (!dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
      this.#error(where, 'Its dimensions are not whole numbers from 0 on.');
      return;
    }
    const expected =
      ELEMENT_BITS[elementType] === undefined ? elementCount(dims) : byteLength(elementType, dims);
    if (data instanceof Uint8Array !== (elementType !== 'string') || data.length !== expected) {
      const unit = elementType === 'string' ? 'strings' : 'bytes';
      this.#error(where, `Its type and shape take ${expected} ${unit}, but it holds ${data.length}.`);
    }
  }

  #operator(node: Node, where: string): void {
    if (this.#functions.has(`${node.domain}:${node.op}`)) return;
    if (node.domain === '') {
      if (!STANDARD_OPERATORS.has(node.op))
        this.#error(where, `The standard operator set has no operator ${quoted(node.op)}.`);
      return;
    }
    this.foreignDomains.add(node.domain);
    if (!this.#opsets.has(node.domain)) {
      this.#error(
        where,
        `Its domain ${quoted(node.domain)} is not among the operator sets that the model imports.`,
      );
    }
  }

  #attributes(node: Node, where: string, known: ReadonlySet<string>): void {
    const standard = node.domain === '' && STANDARD_OPERATORS.has(node.op);
    for (const [name, attribute] of Object.entries(node.attributes)) {
      // An opaque attribute may refer to an attribute of the function around it.
      const expected = standard ? ATTRIBUTE_KINDS.get(name) : undefined;
      if (expected !== undefined && attribute.kind !== 'opaque' && attribute.kind !== expected) {
        this.#error(
          where,
          `Its attribute ${quoted(name)} must be of kind ${expected}, not ${attribute.kind}.`,
        );
      }
      if (attribute.kind === 'graph') this.graph(attribute.value, known);
      if (attribute.kind === 'graphs') for (const inner of attribute.value) this.graph(inner, known);
    }
    if (!standard) return;
    for (const name of REQUIRED_ATTRIBUTES.get(node.op) ?? []) {
      if (!Object.hasOwn(node.attributes, name))
        this.#error(where, `It lacks the attribute ${quoted(name)}.`);
    }
  }
}
