/** Tensors in a file that PyTorch peers read too: the safetensors layout (length of the header, JSON header, bytes). */
import { readFile, writeFile } from 'node:fs/promises';
import { type ElementType, GraphError, type Tensor } from '@assay/graph';
import { z } from 'zod';

const DTYPES = { F32: 'float32', I64: 'int64' } as const satisfies Record<string, ElementType>;

const headerSchema = z.record(
  z.string(),
  z.object({
    dtype: z.enum(['F32', 'I64']),
    shape: z.array(z.int().nonnegative()),
    data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
  }),
);

/** Writes float32 and int64 tensors. */
export async function writeTensors(path: string, tensors: Readonly<Record<string, Tensor>>): Promise<void> {
  const header: z.input<typeof headerSchema> = {};
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { elementType, dims, data }] of Object.entries(tensors)) {
    const dtype = elementType === 'float32' ? 'F32' : elementType === 'int64' ? 'I64' : undefined;
    if (dtype === undefined || !(data instanceof Uint8Array)) {
      throw new GraphError(`"${name}" holds ${elementType}; tensor files take float32 and int64`);
    }
    header[name] = { dtype, shape: [...dims], data_offsets: [offset, offset + data.byteLength] };
    parts.push(data);
    offset += data.byteLength;
  }
  // Spaces keep the tensors aligned.
  const json = JSON.stringify(header);
  const text = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.byteLength), true);
  await writeFile(path, Buffer.concat([length, text, ...parts]));
}

/** Reads them back. */
export async function readTensors(path: string): Promise<Record<string, Tensor>> {
  const bytes = new Uint8Array(await readFile(path));
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = headerSchema.parse(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))));
  const data = bytes.subarray(8 + length);
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => [name, { elementType: DTYPES[dtype], dims: shape, data: data.slice(from, to) }],
    ),
  );
}
