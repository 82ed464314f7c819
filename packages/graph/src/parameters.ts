/** Which initializers of a model are parameters that training may change. */
import type { Model, Node } from './model.ts';
import { type Tensor, toNumbers } from './tensor.ts';

/** Inputs that hold settings or running statistics, not parameters, by op and position. */
const SETTINGS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
  Clip: [1, 2],
  Dropout: [1, 2],
  OneHot: [1, 2],
  Pad: [1, 2],
  Range: [0, 1, 2],
  Resize: [1, 2, 3],
  Upsample: [1],
  QuantizeLinear: [1, 2],
  DequantizeLinear: [1, 2],
  NonMaxSuppression: [0, 1, 2, 3, 4],
  Where: [0],
};

const FLOATING = new Set(['float32', 'float64', 'float16', 'bfloat16']);

/**
 * The floating-point initializers that act as weights, in file order.
 *
 * ONNX does not say which of its constants a person would train; this is told from where they enter and from their
 * names:
 *
 * - What enters as a setting only (a clip bound, a resize scale) or as a running statistic is none. Ones and zeros that
 *   scale an InstanceNormalization are none either, unless a module gave them a name: exporters put them there.
 * - A scalar (rank 0) or an exponent is one only if it is named as PyTorch and TensorFlow name their variables
 *   (`temperature`, `head.logit_scale`, `scale/ReadVariableOp:0`); otherwise it is a constant of the computation, such
 *   as an epsilon.
 * - What an exporter names as a constant (`/norm/Constant_output_0`, `sub/y:0` for the operand of a TensorFlow
 *   expression) or a running statistic is none.
 *
 * A buffer of a PyTorch module (a table of positions, say) looks like a parameter and counts as one.
 */
export function trainableInitializers(model: Model): readonly string[] {
  const used = new Set<string>();
  collect(model.graph.nodes, model.graph.initializers, used);
  return [...model.graph.initializers]
    .filter(([name, value]) => {
      if (!used.has(name) || !FLOATING.has(value.elementType) || NOT_TRAINED.test(name)) return false;
      return value.dims.length > 0 || isNamedVariable(name);
    })
    .map(([name]) => name);
}

/** Running statistics; constants and operands of expressions as exporters name them. */
const NOT_TRAINED = new RegExp(
  [
    String.raw`(?:^|[./])(?:running|moving)_(?:mean|var|variance)(?:/\w+)?(?::\d+)?$`,
    String.raw`(?:^|/)Constant(?:_\d+)?_output_\d+$`,
    String.raw`(?:^|/)Const(?:_+\d+)*(?::\d+)?$`,
    String.raw`/[xy]:\d+$`,
  ].join('|'),
);

/** A path of attributes, as PyTorch names parameters, or a variable that TensorFlow reads. */
const ATTRIBUTE_PATH = /^[A-Za-z_]\w*(?:\.\w+)*$/;
const VARIABLE = /(?:ReadVariableOp(?:_\d+)?|\/read)(?::\d+)?$/;
/** What exporters, optimisers and people call numbers that are no parameters. */
const CONSTANT_WORD =
  /^(?:_*const(?:ant)?s?|scalar|val|lifted|eps|epsilon|zero|one|two|half|unity)(?:_.*|\d*)$/i;

function isNamedVariable(name: string): boolean {
  if (VARIABLE.test(name)) return true;
  return ATTRIBUTE_PATH.test(name) && !name.split('.').some((part) => CONSTANT_WORD.test(part));
}

function collect(nodes: readonly Node[], initializers: ReadonlyMap<string, Tensor>, used: Set<string>): void {
  for (const node of nodes) {
    node.inputs.forEach((input, position) => {
      const value = initializers.get(input);
      if (value !== undefined && !isSetting(node, position, input, value)) used.add(input);
    });
    for (const attribute of Object.values(node.attributes)) {
      if (attribute.kind === 'graph') collect(attribute.value.nodes, initializers, used);
      if (attribute.kind === 'graphs')
        for (const graph of attribute.value) collect(graph.nodes, initializers, used);
    }
  }
}

function isSetting(node: Node, position: number, name: string, value: Tensor): boolean {
  if (node.domain !== '') return false;
  if (SETTINGS[node.op]?.includes(position)) return true;
  if (node.op === 'Pow' && position === 1) return !isNamedVariable(name);
  if (node.op !== 'InstanceNormalization' || position === 0 || isNamedVariable(name)) return false;
  if (!FLOATING.has(value.elementType)) return true;
  const nothing = position === 1 ? 1 : 0;
  return toNumbers(value).every((number) => number === nothing);
}
