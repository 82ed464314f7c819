/** Floating-point operations of a graph, counted from its shapes. */
import { inferShapes, type Model, type Node, type TensorType } from '@assay/graph';

/** Multiplications and additions (two for each pair) by the ops that multiply matrices. */
export interface FlopCount {
  readonly total: number;
  readonly byOp: Readonly<Record<string, number>>;
}

/**
 * Counts what MatMul, Gemm, Conv and ConvTranspose multiply and add; all else is small in comparison and left out.
 *
 * @param feeds shapes of the inputs, by name; inputs left out keep the shape of the file
 * @throws Error where a shape that matters cannot be inferred
 */
export function countFlops(model: Model, feeds: Readonly<Record<string, readonly number[]>>): FlopCount {
  const inputs = new Map<string, TensorType>();
  for (const { name, type } of model.graph.inputs) {
    const shape = feeds[name];
    if (type !== undefined && shape !== undefined) inputs.set(name, { ...type, shape });
  }
  const info = inferShapes(model, { inputs });
  const byOp: Record<string, number> = {};
  const sizes = (node: Node, name: string | undefined): readonly number[] => {
    const shape = name === undefined ? undefined : info.typeOf(name)?.shape;
    const known = shape?.filter((dim) => typeof dim === 'number');
    if (shape === undefined || known === undefined || known.length !== shape.length)
      throw new Error(`The shape of "${name}" at ${node.op} is not known: [${shape?.join(', ')}].`);
    return known;
  };
  for (const node of model.graph.nodes) {
    const flops = flopsOf(node, (name) => sizes(node, name));
    if (flops > 0) byOp[node.op] = (byOp[node.op] ?? 0) + flops;
  }
  return { total: Object.values(byOp).reduce((sum, flops) => sum + flops, 0), byOp };
}

function flopsOf(node: Node, sizes: (name: string | undefined) => readonly number[]): number {
  const [first, second] = node.inputs;
  const [output] = node.outputs;
  switch (node.op) {
    case 'MatMul':
      return 2 * product(sizes(output)) * (sizes(first).at(-1) ?? 1);
    case 'Gemm': {
      const transposed = node.attributes.transA;
      const isTransposed = transposed?.kind === 'int' && transposed.value !== 0n;
      return 2 * product(sizes(output)) * (sizes(first)[isTransposed ? 0 : 1] ?? 1);
    }
    case 'Conv':
      // Every output is a sum over the channels of a group and the kernel.
      return 2 * product(sizes(output)) * product(sizes(second).slice(1));
    case 'ConvTranspose':
      return 2 * product(sizes(first)) * product(sizes(second).slice(1));
    default:
      return 0;
  }
}

function product(dims: readonly number[]): number {
  return dims.reduce((total, dim) => total * dim, 1);
}
