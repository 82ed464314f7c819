/**
 * How the forms of operators changed between operator sets 6 and {@link EMITTED_OPSET}.
 *
 * An operator that is not here kept its form: later versions only allow more.
 * Source: https://github.com/onnx/onnx/blob/main/docs/Changelog.md
 */
import { makeNode } from '../build.ts';
import {
  type Attribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  type Node,
  stringAttribute,
} from '../model.ts';
import { scalar, tensor, toNumbers } from '../tensor.ts';
import { type Rewrite, type Step, type UpgradeContext, without } from './context.ts';

const int = (value: number): Attribute => ({ kind: 'int', value: BigInt(value) });
const string = (value: string): Attribute => ({ kind: 'string', value });

/** Cuts optional inputs or outputs that are left out at the end. */
function trimmed(names: readonly string[]): readonly string[] {
  let length = names.length;
  while (length > 0 && names[length - 1] === '') length--;
  return names.slice(0, length);
}

/** An attribute with a list of integers becomes the next input, if it is there. */
function listToInput(attribute: string): Rewrite {
  return (node, context) => {
    // Nodes that an earlier step added have the new form already.
    if (node.inputs.length > 1) return [node];
    const list = intsAttribute(node, attribute);
    const attributes = without(node.attributes, attribute);
    // An empty list of axes meant the same as none.
    if (list === undefined || list.length === 0) return [{ ...node, attributes }];
    return [{ ...node, inputs: [node.inputs[0] ?? '', context.ints(list)], attributes }];
  };
}

const axesToInput = listToInput('axes');

/**
 * Up to operator set 12, Softmax and its kin worked on a matrix [d₀⋯dₐ₋₁, dₐ⋯dₙ₋₁] for axis a (1 if not given);
 * since then on the axis alone. The two agree where the axis is the last; elsewhere the matrix is spelt out.
 */
const flattenedAxis: Rewrite = (node, context) => {
  const [x = ''] = node.inputs;
  const [y = ''] = node.outputs;
  const axis = intAttribute(node, 'axis', 1);
  const rank = context.rankOf(x);
  if (axis === -1 || (rank !== undefined && (axis === rank - 1 || rank === 0))) {
    return [{ ...node, attributes: { ...node.attributes, axis: int(-1) } }];
  }
  const shape = context.fresh('Shape');
  const matrix = context.fresh('Flatten');
  const result = context.fresh(node.op);
  return [
    makeNode('Shape', [x], [shape]),
    makeNode('Flatten', [x], [matrix], { axis }),
    { ...node, inputs: [matrix], outputs: [result], attributes: { ...node.attributes, axis: int(-1) } },
    makeNode('Reshape', [result, shape], [y]),
  ];
};

/** The fourth input, "sizes", excludes the third; neither roi nor scales is padded with empty tensors any more. */
const resize13: Rewrite = (node, context) => {
  const [x = '', roi = '', scales = '', sizes = ''] = node.inputs;
  const mode = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  if (mode === 'tf_half_pixel_for_nn') {
    throw context.refusal(
      node,
      'the coordinate mode "tf_half_pixel_for_nn" was removed; export the model again with a newer operator set',
    );
  }
  const inputs = [x, mode === 'tf_crop_and_resize' ? roi : '', sizes === '' ? scales : '', sizes];
  return [{ ...node, inputs: trimmed(inputs) }];
};

/**
 * Up to operator set 10 coordinates were x_in = x_out / scale, rounded down when enlarging (and up when shrinking,
 * as ONNX Runtime has it).
 */
function asymmetric(node: Node, inputs: readonly string[], shrinking: boolean): Node {
  return {
    ...node,
    op: 'Resize',
    inputs,
    attributes: {
      ...without(node.attributes, 'scales'),
      coordinate_transformation_mode: string('asymmetric'),
      ...(stringAttribute(node, 'mode', 'nearest') === 'nearest'
        ? { nearest_mode: string(shrinking ? 'ceil' : 'floor') }
        : {}),
    },
  };
}

const resize11: Rewrite = (node, context) => {
  const [x = '', scales = ''] = node.inputs;
  if (stringAttribute(node, 'mode', 'nearest') !== 'nearest')
    return [asymmetric(node, [x, '', scales], false)];
  const value = context.valueOf(scales);
  if (value === undefined)
    throw context.refusal(node, 'its scales are no constant, so that its rounding cannot be told');
  const numbers = [...toNumbers(value)];
  const shrinking = numbers.some((scale) => scale < 1);
  if (shrinking && numbers.some((scale) => scale > 1)) {
    throw context.refusal(node, 'it enlarges one axis and shrinks another, which round in different ways');
  }
  return [asymmetric(node, [x, '', scales], shrinking)];
};

/** Upsample (deprecated since 10) only enlarges. */
const upsample: Rewrite = (node, context) => {
  const [x = '', input] = node.inputs;
  const attribute = node.attributes.scales;
  if (input !== undefined && input !== '') return [asymmetric(node, [x, '', input], false)];
  if (attribute?.kind !== 'floats') throw context.refusal(node, 'it has no scales');
  const scales = context.constant(tensor('float32', [attribute.value.length], attribute.value));
  return [asymmetric(node, [x, '', scales], false)];
};

const clip11: Rewrite = (node, context) => {
  const [x = ''] = node.inputs;
  const nodes: Node[] = [];
  const bound = (name: string): string => {
    if (node.attributes[name]?.kind !== 'float') return '';
    const value = floatAttribute(node, name, 0);
    const like = context.scalarLike(x, (type) => scalar(type, value));
    nodes.push(...like.nodes);
    return like.name;
  };
  const inputs = trimmed([x, bound('min'), bound('max')]);
  return [...nodes, { ...node, inputs, attributes: without(node.attributes, 'min', 'max') }];
};

const pad11: Rewrite = (node, context) => {
  const [x = ''] = node.inputs;
  const pads = intsAttribute(node, 'pads');
  if (pads === undefined) throw context.refusal(node, 'it has no pads');
  const value = floatAttribute(node, 'value', 0);
  const attributes = without(node.attributes, 'pads', 'value');
  if (value === 0 || stringAttribute(node, 'mode', 'constant') !== 'constant') {
    return [{ ...node, inputs: [x, context.ints(pads)], attributes }];
  }
  const like = context.scalarLike(x, (type) => scalar(type, value));
  return [...like.nodes, { ...node, inputs: [x, context.ints(pads), like.name], attributes }];
};

const slice10: Rewrite = (node, context) => {
  const starts = intsAttribute(node, 'starts');
  const ends = intsAttribute(node, 'ends');
  if (starts === undefined || ends === undefined) throw context.refusal(node, 'it lacks starts or ends');
  const axes = intsAttribute(node, 'axes');
  const inputs = [node.inputs[0] ?? '', context.ints(starts), context.ints(ends)];
  if (axes !== undefined) inputs.push(context.ints(axes));
  return [{ ...node, inputs, attributes: without(node.attributes, 'starts', 'ends', 'axes') }];
};

const topK10: Rewrite = (node, context) => {
  const k = intAttribute(node, 'k');
  if (k === undefined) throw context.refusal(node, 'it has no k');
  return [
    { ...node, inputs: [node.inputs[0] ?? '', context.ints([k])], attributes: without(node.attributes, 'k') },
  ];
};

/**
 * Up to operator set 6, `broadcast = 1` with an axis put B beside A from that axis on: B of shape [2, 3] and axis 1
 * against A of shape [4, 2, 3, 5] is what [2, 3, 1] is today.
 */
const broadcast7: Rewrite = (node, context) => {
  const [a = '', b = ''] = node.inputs;
  const axis = intAttribute(node, 'axis');
  const attributes = without(node.attributes, 'axis', 'broadcast');
  if (axis === undefined || intAttribute(node, 'broadcast', 0) === 0) return [{ ...node, attributes }];
  const rankA = context.rankOf(a);
  const rankB = context.rankOf(b);
  if (rankA === undefined || rankB === undefined)
    throw context.refusal(node, 'the ranks of its inputs are not known');
  const missing = rankA - (axis < 0 ? axis + rankA : axis) - rankB;
  if (missing <= 0) return [{ ...node, attributes }];
  return aligned({ ...node, attributes }, b, rankB, missing, context);
};

/** Appends axes of size 1 to the second input. */
function aligned(
  node: Node,
  b: string,
  rank: number,
  missing: number,
  context: UpgradeContext,
): readonly Node[] {
  const wide = context.fresh('Unsqueeze');
  const axes = context.ints(Array.from({ length: missing }, (_, i) => rank + i));
  return [makeNode('Unsqueeze', [b, axes], [wide]), { ...node, inputs: [node.inputs[0] ?? '', wide] }];
}

/** A slope per channel lay along axis 1; now it broadcasts from the last axis as everything else. */
const pRelu7: Rewrite = (node, context) => {
  const [x = '', slope = ''] = node.inputs;
  const size = context.valueOf(slope)?.dims;
  if (size?.length === 1 && size[0] === 1) return [node];
  const rankX = context.rankOf(x);
  const rank = context.rankOf(slope);
  if (rankX === undefined || rank === undefined)
    throw context.refusal(node, 'the ranks of its inputs are not known');
  return rank === 1 && rankX > 2 ? aligned(node, slope, 1, rankX - 2, context) : [node];
};

/** Inference used to be told by is_test, whose default was training. */
const batchNormalization7: Rewrite = (node, context) => {
  if (intAttribute(node, 'is_test', 0) === 0 && trimmed(node.outputs).length < 2) {
    throw context.refusal(node, 'it is in training mode, but gives no statistics');
  }
  return [{ ...node, attributes: without(node.attributes, 'is_test', 'consumed_inputs') }];
};

const dropout7: Rewrite = (node, context) => {
  if (intAttribute(node, 'is_test', 0) === 0) throw context.refusal(node, 'it is in training mode');
  return [{ ...node, attributes: without(node.attributes, 'is_test') }];
};

const gemm7: Rewrite = (node) => [{ ...node, attributes: without(node.attributes, 'broadcast') }];

const upsample7: Rewrite = (node, context) => {
  throw context.refusal(node, 'its scales are in a form that was dropped');
};

const batchNormalization9: Rewrite = (node, context) => {
  if (intAttribute(node, 'spatial', 1) === 0) {
    throw context.refusal(
      node,
      'it normalises every position by itself (spatial = 0), which no later version can',
    );
  }
  return [{ ...node, attributes: without(node.attributes, 'spatial') }];
};

/** Training mode used to be told by asking for more than one output; the saved statistics are gone. */
const batchNormalization14: Rewrite = (node, context) => {
  const [y = '', mean = '', variance = '', ...saved] = node.outputs;
  if (trimmed(node.outputs).length <= 1) return [{ ...node, outputs: [y] }];
  if (saved.some((name) => context.isUsed(name))) {
    throw context.refusal(node, 'its saved mean or variance is used, which later versions do not give');
  }
  return [
    {
      ...node,
      outputs: [
        y,
        mean === '' ? context.fresh('mean') : mean,
        variance === '' ? context.fresh('variance') : variance,
      ],
      attributes: { ...node.attributes, training_mode: int(1) },
    },
  ];
};

/** The mask had the type of the data before it was boolean. */
const dropout10: Rewrite = (node, context) => {
  const [y = '', mask = ''] = node.outputs;
  if (context.isUsed(mask)) throw context.refusal(node, 'its mask is used, whose type was another');
  return [{ ...node, outputs: [y] }];
};

/** Dropout does nothing outside training, and before 12 there was no training mode. */
const dropout12: Rewrite = (node, context) => {
  const ratio = context.constant(scalar('float32', floatAttribute(node, 'ratio', 0.5)));
  return [{ ...node, inputs: [node.inputs[0] ?? '', ratio], attributes: without(node.attributes, 'ratio') }];
};

const split18: Rewrite = (node) => {
  if ((node.inputs[1] ?? '') !== '') return [node];
  return [{ ...node, attributes: { ...node.attributes, num_outputs: int(node.outputs.length) } }];
};

/** Scale and bias were per group [G]; now they are per channel [C]: each repeated C / G times. */
const groupNormalization21: Rewrite = (node, context) => {
  const [x = '', scale = '', bias = ''] = node.inputs;
  const groups = intAttribute(node, 'num_groups');
  if (groups === undefined) throw context.refusal(node, 'it has no num_groups');
  const channels = context.fresh('Shape');
  const perGroup = context.fresh('Div');
  const grid = context.fresh('Concat');
  const perChannel = (value: string): { name: string; nodes: Node[] } => {
    const column = context.fresh('Reshape');
    const repeated = context.fresh('Expand');
    const name = context.fresh('Reshape');
    return {
      name,
      nodes: [
        makeNode('Reshape', [value, context.ints([-1, 1])], [column]),
        makeNode('Expand', [column, grid], [repeated]),
        makeNode('Reshape', [repeated, context.ints([-1])], [name]),
      ],
    };
  };
  const newScale = perChannel(scale);
  const newBias = perChannel(bias);
  return [
    makeNode('Shape', [x], [channels], { start: 1, end: 2 }),
    makeNode('Div', [channels, context.ints([groups])], [perGroup]),
    makeNode('Concat', [context.ints([groups]), perGroup], [grid], { axis: 0 }),
    ...newScale.nodes,
    ...newBias.nodes,
    { ...node, inputs: [x, newScale.name, newBias.name] },
  ];
};

const GRID_SAMPLE_MODES = new Map([
  ['bilinear', 'linear'],
  ['bicubic', 'cubic'],
]);

const gridSample20: Rewrite = (node) => {
  const mode = stringAttribute(node, 'mode', 'bilinear');
  return [{ ...node, attributes: { ...node.attributes, mode: string(GRID_SAMPLE_MODES.get(mode) ?? mode) } }];
};

const dft20: Rewrite = (node, context) => {
  const axis = context.constant(scalar('int64', intAttribute(node, 'axis', 1)));
  const [x = '', length = ''] = node.inputs;
  return [{ ...node, inputs: [x, length, axis], attributes: without(node.attributes, 'axis') }];
};

const roiAlign16: Rewrite = (node) => [
  {
    ...node,
    attributes: { coordinate_transformation_mode: string('output_half_pixel'), ...node.attributes },
  },
];

const scan9: Rewrite = (node, context) => {
  throw context.refusal(node, 'Scan of operator set 8 worked on batches, later ones do not');
};

const rename =
  (op: string): Rewrite =>
  (node: Node, _context: UpgradeContext) => [{ ...node, op }];

/** Changes of form by operator, each list in order of operator sets. */
export const STEPS: ReadonlyMap<string, readonly Step[]> = new Map<string, readonly Step[]>([
  ['Add', [{ since: 7, rewrite: broadcast7 }]],
  ['And', [{ since: 7, rewrite: broadcast7 }]],
  [
    'BatchNormalization',
    [
      { since: 7, rewrite: batchNormalization7 },
      { since: 9, rewrite: batchNormalization9 },
      { since: 14, rewrite: batchNormalization14 },
    ],
  ],
  ['Clip', [{ since: 11, rewrite: clip11 }]],
  ['DFT', [{ since: 20, rewrite: dft20 }]],
  ['Div', [{ since: 7, rewrite: broadcast7 }]],
  [
    'Dropout',
    [
      { since: 7, rewrite: dropout7 },
      { since: 10, rewrite: dropout10 },
      { since: 12, rewrite: dropout12 },
    ],
  ],
  ['Equal', [{ since: 7, rewrite: broadcast7 }]],
  ['Gemm', [{ since: 7, rewrite: gemm7 }]],
  ['Greater', [{ since: 7, rewrite: broadcast7 }]],
  ['GridSample', [{ since: 20, rewrite: gridSample20 }]],
  ['GroupNormalization', [{ since: 21, rewrite: groupNormalization21 }]],
  ['Hardmax', [{ since: 13, rewrite: flattenedAxis }]],
  ['Less', [{ since: 7, rewrite: broadcast7 }]],
  ['LogSoftmax', [{ since: 13, rewrite: flattenedAxis }]],
  ['Mul', [{ since: 7, rewrite: broadcast7 }]],
  ['Or', [{ since: 7, rewrite: broadcast7 }]],
  ['PRelu', [{ since: 7, rewrite: pRelu7 }]],
  ['Pad', [{ since: 11, rewrite: pad11 }]],
  ['Pow', [{ since: 7, rewrite: broadcast7 }]],
  ['ReduceL1', [{ since: 18, rewrite: axesToInput }]],
  ['ReduceL2', [{ since: 18, rewrite: axesToInput }]],
  ['ReduceLogSum', [{ since: 18, rewrite: axesToInput }]],
  ['ReduceLogSumExp', [{ since: 18, rewrite: axesToInput }]],
  ['ReduceMax', [{ since: 18, rewrite: axesToInput }]],
  ['ReduceMean', [{ since: 18, rewrite: axesToInput }]],
  ['ReduceMin', [{ since: 18, rewrite: axesToInput }]],
  ['ReduceProd', [{ since: 18, rewrite: axesToInput }]],
  ['ReduceSum', [{ since: 13, rewrite: axesToInput }]],
  ['ReduceSumSquare', [{ since: 18, rewrite: axesToInput }]],
  [
    'Resize',
    [
      { since: 11, rewrite: resize11 },
      { since: 13, rewrite: resize13 },
    ],
  ],
  ['RoiAlign', [{ since: 16, rewrite: roiAlign16 }]],
  ['Scan', [{ since: 9, rewrite: scan9 }]],
  ['Scatter', [{ since: 11, rewrite: rename('ScatterElements') }]],
  ['Slice', [{ since: 10, rewrite: slice10 }]],
  ['Softmax', [{ since: 13, rewrite: flattenedAxis }]],
  [
    'Split',
    [
      { since: 13, rewrite: listToInput('split') },
      { since: 18, rewrite: split18 },
    ],
  ],
  ['Squeeze', [{ since: 13, rewrite: axesToInput }]],
  ['Sub', [{ since: 7, rewrite: broadcast7 }]],
  ['TopK', [{ since: 10, rewrite: topK10 }]],
  ['Unsqueeze', [{ since: 13, rewrite: axesToInput }]],
  [
    'Upsample',
    [
      { since: 7, rewrite: upsample7 },
      { since: 11, rewrite: upsample },
    ],
  ],
  ['Xor', [{ since: 7, rewrite: broadcast7 }]],
]);
