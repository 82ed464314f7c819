/** Reads ONNX's backend test data: a tar archive of models with inputs and expected outputs. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** One set of inputs with the outputs that they must give; serialised TensorProto, SequenceProto or OptionalProto. */
export interface BackendDataSet {
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

/** One test of the suite. */
export interface BackendCase {
  /** The folder's name, `test_abs` for instance. */
  readonly name: string;
  /** `node`, `simple`, `pytorch-operator`, `pytorch-converted` or `light`. */
  readonly group: string;
  readonly model: Uint8Array;
  /** Cases of the group `light` come with an expected output and without an input. */
  readonly dataSets: readonly BackendDataSet[];
}

/** The folder with the project's test data; undefined where a machine has none. */
export const DATA_FOLDER = process.env.ASSAY_DATA;

let cases: Promise<readonly BackendCase[]> | undefined;

/** Every case in the archive, sorted by group and name; read once. Needs `ASSAY_DATA`. */
export function backendCases(): Promise<readonly BackendCase[]> {
  cases ??= readCases();
  return cases;
}

async function readCases(): Promise<readonly BackendCase[]> {
  if (DATA_FOLDER === undefined) throw new Error('ASSAY_DATA is not set');
  const archive = gunzipSync(await readFile(join(DATA_FOLDER, 'onnx-backend-test-data.tar.gz')));
  const models = new Map<string, { group: string; name: string; model: Uint8Array }>();
  const tensors = new Map<string, Map<string, { inputs: Uint8Array[]; outputs: Uint8Array[] }>>();
  const setOf = (key: string, set: string) => {
    const sets = tensors.get(key) ?? new Map<string, { inputs: Uint8Array[]; outputs: Uint8Array[] }>();
    tensors.set(key, sets);
    const found = sets.get(set) ?? { inputs: [], outputs: [] };
    sets.set(set, found);
    return found;
  };
  for (const { path, bytes } of tarFiles(archive)) {
    const [, group = '', folder = '', file = '', tensorFile = ''] = path.split('/');
    const key = `${group}/${folder}`;
    const tensorName = /^(input|output)_(\d+)\.pb$/.exec(tensorFile);
    const light = /^(light_\w+?)(?:\.onnx|_output_(\d+)\.pb)$/.exec(folder);
    if (file === 'model.onnx') models.set(key, { group, name: folder, model: bytes });
    else if (tensorName !== null) {
      const set = setOf(key, file);
      (tensorName[1] === 'input' ? set.inputs : set.outputs)[Number(tensorName[2])] = bytes;
    } else if (group === 'light' && light !== null) {
      const name = light[1] ?? '';
      if (light[2] === undefined) models.set(`light/${name}`, { group, name, model: bytes });
      else setOf(`light/${name}`, 'test_data_set_0').outputs[Number(light[2])] = bytes;
    }
  }
  return [...models.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, found]) => {
      const sets = [...(tensors.get(key) ?? new Map()).entries()].sort(
        ([a], [b]) => setNumber(a) - setNumber(b),
      );
      return { ...found, dataSets: sets.map(([, set]) => set) };
    });
}

function setNumber(folder: string): number {
  return Number(/\d+$/.exec(folder)?.[0] ?? 0);
}

/** The regular files of an uncompressed tar archive (ustar, with GNU and pax long names). */
export function* tarFiles(archive: Uint8Array): Generator<{ path: string; bytes: Uint8Array }> {
  const text = new TextDecoder();
  const field = (offset: number, length: number) =>
    text.decode(archive.subarray(offset, offset + length)).replace(/\0.*$/s, '');
  let longName: string | undefined;
  for (let at = 0; at + 512 <= archive.length; ) {
    if (archive[at] === 0) break;
    const size = Number.parseInt(field(at + 124, 12).trim() || '0', 8);
    const type = field(at + 156, 1);
    const prefix = field(at + 345, 155);
    const bytes = archive.subarray(at + 512, at + 512 + size);
    if (type === 'L') longName = text.decode(bytes).replace(/\0.*$/s, '');
    else if (type === 'x') longName = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(text.decode(bytes))?.[1] ?? longName;
    else {
      const name = field(at, 100);
      if (type === '' || type === '0') {
        yield { path: longName ?? (prefix === '' ? name : `${prefix}/${name}`), bytes };
      }
      longName = undefined;
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
