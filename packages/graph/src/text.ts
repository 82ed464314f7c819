/** A readable text form of models, for people. */
import type { Attribute, Graph, Model, Node, Shape, ValueInfo } from './model.ts';
import { printable, quoted } from './printable.ts';
import { ELEMENT_BITS, elementCount, type Tensor, toNumbers } from './tensor.ts';

export interface FormatOptions {
  /** Columns; longer lines are folded (default 80). */
  readonly width?: number;
  /** Whether to list the nodes (default true). */
  readonly nodes?: boolean;
}

/** Values of tensors with at most this many elements are shown. */
const SHOWN_ELEMENTS = 8;
/** Metadata and strings longer than this are described by their length. */
const SHOWN_CHARACTERS = 60;

/**
 * A model as text: what it is, its inputs, outputs and weights, and one line per node.
 *
 * Names are shown safely: control characters and the like appear as `\u{…}`.
 *
 * @example
 * model "net" by pytorch 2.1 (IR 8, opset 17)
 *   9 parameters in 2 initializers, 36 bytes
 * inputs
 *   %x: float32[batch, 2]
 * outputs
 *   %y: float32[batch, 3]
 * initializers
 *   %w: float32[2, 3], 24 bytes
 *   %b: float32[3], 12 bytes
 * nodes
 *   %y = Gemm(%x, %w, %b) {alpha: 0.5}
 */
export function formatModel(model: Model, options: FormatOptions = {}): string {
  const { width = 80, nodes = true } = options;
  const lines: string[] = [];
  const line = (depth: number, pieces: readonly string[]) => lines.push(...fold(pieces, 2 * depth, width));
  line(0, [`model ${quoted(model.graph.name, SHOWN_CHARACTERS)}`, `${by(model)} `, ...versions(model)]);
  for (const [key, value] of model.metadata) {
    const shown = value.length > SHOWN_CHARACTERS ? `(${value.length} characters)` : `= ${quoted(value)}`;
    line(1, [`metadata ${quoted(key, SHOWN_CHARACTERS)} `, shown]);
  }
  line(1, [weightSummary(model.graph)]);
  describeGraph(model.graph, 0, nodes, line);
  return `${lines.join('\n')}\n`;
}

/** A tensor's or value's type, `float32[batch, 3]`; `?` stands for what is not known. */
export function formatType(elementType: string, shape: Shape | undefined): string {
  if (shape === undefined) return `${elementType}[…]`;
  return `${elementType}[${shape.map((dim) => (dim === '' ? '?' : printable(String(dim), 40))).join(', ')}]`;
}

type Line = (depth: number, pieces: readonly string[]) => void;

function by(model: Model): string {
  const maker = [model.producerName, model.producerVersion].filter((part) => part !== '');
  return maker.length === 0 ? '' : ` by ${maker.map((part) => printable(part, 40)).join(' ')}`;
}

function versions(model: Model): string[] {
  const opsets = [...model.opsets].map(([domain, version]) =>
    domain === '' ? `opset ${version}` : `${printable(domain, 40)} ${version}`,
  );
  return listed('(', [`IR ${model.irVersion}`, ...opsets], ')');
}

/** Items between brackets, as pieces between which a line may be broken. */
function listed(open: string, items: readonly string[], close: string): string[] {
  if (items.length === 0) return [open + close];
  return items.map((item, i) => `${i === 0 ? open : ''}${item}${i === items.length - 1 ? close : ', '}`);
}

/** Lines of at most `width` columns where the pieces allow; continued lines are indented further. */
function fold(pieces: readonly string[], indent: number, width: number): string[] {
  const lines: string[] = [];
  let current = ' '.repeat(indent);
  let empty = true;
  for (const piece of pieces) {
    if (!empty && current.length + piece.trimEnd().length > width) {
      lines.push(current.trimEnd());
      current = ' '.repeat(indent + 4);
    }
    current += piece;
    empty = false;
  }
  lines.push(current.trimEnd());
  return lines;
}

function weightSummary(graph: Graph): string {
  let parameters = 0;
  let bytes = 0;
  for (const tensor of graph.initializers.values()) {
    if (/float/.test(tensor.elementType)) parameters += elementCount(tensor.dims);
    bytes += tensor.data instanceof Uint8Array ? tensor.data.length : 0;
  }
  const count = graph.initializers.size;
  return `${grouped(parameters)} parameters in ${count} initializer${count === 1 ? '' : 's'}, ${grouped(bytes)} bytes`;
}

/** 1234567 → 1,234,567 */
function grouped(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

function describeGraph(graph: Graph, depth: number, nodes: boolean, line: Line): void {
  const section = (title: string, items: Iterable<readonly string[]>) => {
    let first = true;
    for (const item of items) {
      if (first) line(depth, [title]);
      first = false;
      line(depth + 1, item);
    }
  };
  section('inputs', graph.inputs.filter((input) => !graph.initializers.has(input.name)).map(describeValue));
  section('outputs', graph.outputs.map(describeValue));
  section(
    'initializers',
    [...graph.initializers].map(([name, tensor]) => [`${reference(name)}: `, ...describeInitializer(tensor)]),
  );
  if (!nodes || graph.nodes.length === 0) return;
  line(depth, ['nodes']);
  for (const node of graph.nodes) describeOperation(node, depth + 1, line);
}

function describeValue(value: ValueInfo): string[] {
  const type =
    value.type === undefined ? 'no dense tensor' : formatType(value.type.elementType, value.type.shape);
  return [`${reference(value.name)}: `, type];
}

/** A value's name with a percent sign, in quotation marks where it is more than letters, digits and `_./:-`. */
function reference(name: string): string {
  if (name === '') return '_';
  return /^[\p{L}\p{N}_./:-]{1,80}$/u.test(name) ? `%${name}` : `%${quoted(name, 80)}`;
}

function describeInitializer(tensor: Tensor): string[] {
  const { data, dims } = tensor;
  const type = formatType(tensor.elementType, dims);
  const size = data instanceof Uint8Array ? `${grouped(data.length)} bytes` : `${data.length} strings`;
  const values = smallValues(tensor);
  return values === undefined ? [`${type}, `, size] : [`${type}, `, size, ` = ${values}`];
}

/** The values of a small numeric tensor. */
function smallValues(tensor: Tensor): string | undefined {
  const bits = ELEMENT_BITS[tensor.elementType];
  const readable = bits !== undefined && bits >= 8 && !/complex|float8/.test(tensor.elementType);
  if (!readable || elementCount(tensor.dims) > SHOWN_ELEMENTS || elementCount(tensor.dims) === 0)
    return undefined;
  const values = [...toNumbers(tensor)].map(number);
  return tensor.dims.length === 0 ? values[0] : `[${values.join(', ')}]`;
}

/** A number as short as seven digits allow, so that the float32 nearest to 0.1 reads 0.1. */
function number(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(7)));
}

function describeOperation(node: Node, depth: number, line: Line): void {
  const op = printable(node.domain === '' ? node.op : `${node.domain}.${node.op}`, 80);
  const outputs = node.outputs.map(
    (name, i) => `${reference(name)}${i < node.outputs.length - 1 ? ', ' : ' = '}`,
  );
  const graphs: (readonly [string, Graph])[] = [];
  const attributes: string[] = [];
  for (const [name, attribute] of Object.entries(node.attributes)) {
    const shown = printable(name, 40);
    if (attribute.kind === 'graph') graphs.push([shown, attribute.value]);
    else if (attribute.kind === 'graphs')
      graphs.push(...attribute.value.map((g, i) => [`${shown}[${i}]`, g] as const));
    else attributes.push(`${shown}: ${describeAttribute(attribute)}`);
  }
  line(depth, [
    ...outputs,
    ...listed(`${op}(`, node.inputs.map(reference), ')'),
    ...(attributes.length === 0 ? [] : listed(' {', attributes, '}')),
  ]);
  for (const [name, graph] of graphs) {
    line(depth + 1, [`${name}:`]);
    describeGraph(graph, depth + 2, true, line);
  }
}

type PlainAttribute = Exclude<Attribute, { readonly kind: 'graph' | 'graphs' }>;

function describeAttribute(attribute: PlainAttribute): string {
  switch (attribute.kind) {
    case 'int':
      return String(attribute.value);
    case 'float':
      return number(attribute.value);
    case 'string':
      return describeString(attribute.value);
    case 'ints':
      return shortList(attribute.value.map(String));
    case 'floats':
      return shortList(attribute.value.map(number));
    case 'strings':
      return shortList(attribute.value.map(describeString));
    case 'tensor':
      return describeTensor(attribute.value);
    case 'tensors':
      return shortList(attribute.value.map(describeTensor));
    case 'opaque':
      return '…';
  }
}

function describeString(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `(${text.length} characters)` : quoted(text);
}

function describeTensor(tensor: Tensor): string {
  const values = smallValues(tensor);
  return `${formatType(tensor.elementType, tensor.dims)}${values === undefined ? '' : ` ${values}`}`;
}

function shortList(items: readonly string[]): string {
  const shown =
    items.length > 2 * SHOWN_ELEMENTS
      ? [...items.slice(0, SHOWN_ELEMENTS), `… ${items.length} in all`]
      : items;
  return `[${shown.join(', ')}]`;
}
