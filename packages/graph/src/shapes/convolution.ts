/**
 * Shapes of convolutions and pooling. Per spatial axis, with the dilated kernel K = dilation·(kernel − 1) + 1,
 *
 *     Conv, pooling    floor((size + pads − K) / stride) + 1
 *     SAME padding     ceil(size / stride)
 *     ConvTranspose    stride·(size − 1) + output_padding + K − pads
 */
import { addDims, ceilDivDims, floorDivDims, isAtLeast, minDims, mulDims, subDims } from '../dim.ts';
import {
  type Dim,
  type ElementType,
  intAttribute,
  intsAttribute,
  type Shape,
  stringAttribute,
} from '../model.ts';
import {
  elementTypeOf,
  type Known,
  known,
  type NodeContext,
  numbersOf,
  type RuleTable,
  sameDim,
  shapeOf,
  unknownShape,
} from './context.ts';

interface Window {
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Before and after, per axis. */
  readonly pads: readonly (readonly [number, number])[];
  readonly autoPad: string;
}

function windowOf(context: NodeContext, kernel: readonly Dim[]): Window {
  const { node } = context;
  const rank = kernel.length;
  const list = (name: string, length: number, otherwise: number) => {
    const values = intsAttribute(node, name) ?? Array<number>(length).fill(otherwise);
    if (values.length !== length)
      context.fail(`attribute "${name}" has ${values.length} entries instead of ${length}`);
    return values;
  };
  const pads = list('pads', 2 * rank, 0);
  const strides = list('strides', rank, 1);
  const dilations = list('dilations', rank, 1);
  if ([...strides, ...dilations].some((n) => n < 1))
    context.fail('strides and dilations have to be at least 1');
  return {
    kernel,
    strides,
    dilations,
    pads: kernel.map((_, i) => [pads[i] ?? 0, pads[i + rank] ?? 0] as const),
    autoPad: stringAttribute(node, 'auto_pad', 'NOTSET'),
  };
}

function slidOver(context: NodeContext, window: Window, spatial: Shape, ceil: boolean): Shape {
  return spatial.map((size, i) => {
    const stride = window.strides[i] ?? 1;
    if (window.autoPad.startsWith('SAME')) return ceilDivDims(size, stride);
    const [before, after] = window.autoPad === 'VALID' ? [0, 0] : (window.pads[i] ?? [0, 0]);
    const extent = dilatedKernel(window, i);
    const room = subDims(addDims(size, before + after), extent);
    if (typeof room === 'number' && room < 0)
      context.fail(`the kernel is larger than the padded size along spatial axis ${i}`);
    if (!ceil) return addDims(floorDivDims(room, stride), 1);
    // A last window that would start in the padding behind the data is left out.
    const all = addDims(ceilDivDims(room, stride), 1);
    if (isAtLeast(extent, after + stride)) return all;
    return minDims(all, addDims(floorDivDims(addDims(size, before - 1), stride), 1));
  });
}

function dilatedKernel(window: Window, axis: number): Dim {
  return addDims(mulDims(subDims(window.kernel[axis] ?? '', 1), window.dilations[axis] ?? 1), 1);
}

/** The kernel's spatial shape: the attribute, or that of the weights. */
function kernelOf(context: NodeContext, weights: Shape | undefined): readonly Dim[] | undefined {
  return intsAttribute(context.node, 'kernel_shape') ?? weights?.slice(2);
}

function convolution(
  context: NodeContext,
  x: Shape | undefined,
  weights: Shape | undefined,
): Shape | undefined {
  const kernel = kernelOf(context, weights);
  if (x === undefined) {
    return kernel === undefined ? undefined : unknownShape(context, kernel.length + 2);
  }
  if (x.length < 3) context.fail('the input needs a batch, a channel and at least one spatial dimension');
  if (weights !== undefined && weights.length !== x.length) context.fail('input and weights differ in rank');
  const [batch = '', channels = '', ...spatial] = x;
  const outputChannels = weights?.[0] ?? context.unknownSize();
  if (weights !== undefined) {
    const group = intAttribute(context.node, 'group', 1);
    sameDim(
      context,
      channels,
      mulDims(weights[1] ?? '', group),
      'the numbers of channels of input and weights,',
    );
  }
  if (kernel === undefined) return [batch, outputChannels, ...unknownShape(context, spatial.length)];
  if (kernel.length !== spatial.length)
    context.fail('kernel and input differ in their number of spatial dimensions');
  return [batch, outputChannels, ...slidOver(context, windowOf(context, kernel), spatial, false)];
}

function conv(context: NodeContext): readonly Known[] {
  return [known(elementTypeOf(context, 0), convolution(context, shapeOf(context, 0), shapeOf(context, 1)))];
}

function convInteger(context: NodeContext): readonly Known[] {
  return [known('int32', convolution(context, shapeOf(context, 0), shapeOf(context, 1)))];
}

function qLinearConv(context: NodeContext): readonly Known[] {
  return [known(elementTypeOf(context, 7), convolution(context, shapeOf(context, 0), shapeOf(context, 3)))];
}

function convTranspose(context: NodeContext): readonly Known[] {
  const { node } = context;
  const elementType = elementTypeOf(context, 0);
  const x = shapeOf(context, 0);
  const weights = shapeOf(context, 1);
  const kernel = kernelOf(context, weights);
  if (x === undefined || kernel === undefined) return [known(elementType, undefined)];
  const [batch = '', channels = '', ...spatial] = x;
  if (kernel.length !== spatial.length)
    context.fail('kernel and input differ in their number of spatial dimensions');
  const window = windowOf(context, kernel);
  const perGroup = weights?.[1] ?? context.unknownSize();
  if (weights !== undefined)
    sameDim(context, channels, weights[0] ?? '', 'the numbers of channels of input and weights,');
  const outputChannels = mulDims(perGroup, intAttribute(node, 'group', 1));
  const padding = intsAttribute(node, 'output_padding');
  // Some files give the whole shape here, some only the spatial part; the runtime takes both.
  const wanted = intsAttribute(node, 'output_shape')?.slice(-spatial.length);
  const sizes = spatial.map((size, i): Dim => {
    const fixed = wanted?.[i];
    if (fixed !== undefined) return fixed;
    const stride = window.strides[i] ?? 1;
    const grown = addDims(mulDims(subDims(size, 1), stride), dilatedKernel(window, i));
    const whole = addDims(grown, padding?.[i] ?? 0);
    // Nothing is added where the kernel is too small to fill stride · size.
    if (window.autoPad.startsWith('SAME')) return minDims(mulDims(size, stride), whole);
    const [before, after] = window.autoPad === 'VALID' ? [0, 0] : (window.pads[i] ?? [0, 0]);
    return subDims(whole, before + after);
  });
  return [known(elementType, [batch, outputChannels, ...sizes])];
}

function pool(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOf(context, 0);
  const shape = pooled(context);
  const indices: ElementType = 'int64';
  return [known(elementType, shape), known(indices, shape)];
}

function pooled(context: NodeContext): Shape | undefined {
  const x = shapeOf(context, 0);
  const kernel = intsAttribute(context.node, 'kernel_shape');
  if (x === undefined || kernel === undefined) return undefined;
  const [batch = '', channels = '', ...spatial] = x;
  if (kernel.length !== spatial.length)
    context.fail('kernel and input differ in their number of spatial dimensions');
  const ceil = intAttribute(context.node, 'ceil_mode', 0) !== 0;
  return [batch, channels, ...slidOver(context, windowOf(context, kernel), spatial, ceil)];
}

function globalPool(context: NodeContext): readonly Known[] {
  return [
    known(
      elementTypeOf(context, 0),
      shapeOf(context, 0)?.map((dim, i) => (i < 2 ? dim : 1)),
    ),
  ];
}

function maxUnpool(context: NodeContext): readonly Known[] {
  const elementType = elementTypeOf(context, 0);
  const x = shapeOf(context, 0);
  const kernel = intsAttribute(context.node, 'kernel_shape');
  if (x === undefined || kernel === undefined) return [known(elementType, undefined)];
  const given = context.inputs[2];
  if (given !== undefined) {
    return [known(elementType, numbersOf(context, 2) ?? unknownShape(context, x.length))];
  }
  const window = windowOf(context, kernel);
  const [batch = '', channels = '', ...spatial] = x;
  const sizes = spatial.map((size, i) => {
    const [before, after] = window.pads[i] ?? [0, 0];
    const grown = addDims(mulDims(subDims(size, 1), window.strides[i] ?? 1), kernel[i] ?? '');
    return subDims(grown, before + after);
  });
  return [known(elementType, [batch, channels, ...sizes])];
}

function maxRoiPool(context: NodeContext): readonly Known[] {
  const x = shapeOf(context, 0);
  const rois = shapeOf(context, 1);
  const size = intsAttribute(context.node, 'pooled_shape');
  const shape: Shape | undefined = size && [
    rois?.[0] ?? context.unknownSize(),
    x?.[1] ?? context.unknownSize(),
    ...size,
  ];
  return [known(elementTypeOf(context, 0), shape)];
}

function roiAlign(context: NodeContext): readonly Known[] {
  const x = shapeOf(context, 0);
  const rois = shapeOf(context, 1);
  const height = intAttribute(context.node, 'output_height', 1);
  const width = intAttribute(context.node, 'output_width', 1);
  const shape = [rois?.[0] ?? context.unknownSize(), x?.[1] ?? context.unknownSize(), height, width];
  return [known(elementTypeOf(context, 0), shape)];
}

function depthToSpace(context: NodeContext): readonly Known[] {
  return blocks(context, (channels, b) => floorDivDims(channels, b * b), mulDims);
}

function spaceToDepth(context: NodeContext): readonly Known[] {
  return blocks(context, (channels, b) => mulDims(channels, b * b), floorDivDims);
}

function blocks(
  context: NodeContext,
  channelsOf: (channels: Dim, block: number) => Dim,
  sizeOf: (size: Dim, block: number) => Dim,
): readonly Known[] {
  const elementType = elementTypeOf(context, 0);
  const x = shapeOf(context, 0);
  const block = intAttribute(context.node, 'blocksize', 1);
  if (x === undefined) return [known(elementType, undefined)];
  if (x.length !== 4 || block < 1)
    context.fail('the input needs four dimensions and the block size to be at least 1');
  const [batch = '', channels = '', height = '', width = ''] = x;
  return [
    known(elementType, [batch, channelsOf(channels, block), sizeOf(height, block), sizeOf(width, block)]),
  ];
}

export const convolutionRules = {
  AveragePool: pool,
  Conv: conv,
  ConvInteger: convInteger,
  ConvTranspose: convTranspose,
  DepthToSpace: depthToSpace,
  GlobalAveragePool: globalPool,
  GlobalLpPool: globalPool,
  GlobalMaxPool: globalPool,
  LpPool: pool,
  MaxPool: pool,
  MaxRoiPool: maxRoiPool,
  MaxUnpool: maxUnpool,
  QLinearConv: qLinearConv,
  RoiAlign: roiAlign,
  SpaceToDepth: spaceToDepth,
} as const satisfies RuleTable;
