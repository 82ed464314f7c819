/** An ONNX file: its inputs, its schema, and the records that Assay left in it. */
import { basename } from 'node:path';
import { DataError, type FeatureSchema, SCHEMA_METADATA_KEY, schemaFromMetadata } from '@assay/data';
import { freeInputs, type Model, printable, type ValueInfo } from '@assay/graph';
import * as z from 'zod';
import type { Folder } from '../confine.ts';
import { readModel } from '../digests.ts';
import { DossierError } from '../errors.ts';
import { attributeNamed } from './attributes.ts';
import type { DraftDeclaration } from './draft.ts';
import type { DataReference, Findings } from './found.ts';

const Training = z.object({ tool: z.string().max(200).optional(), seed: z.int().optional() });
const Unlearning = z
  .array(
    z.object({
      feature: z.string().max(1000),
      method: z.string().max(100),
      targetMet: z.boolean().optional(),
      from: z.object({ name: z.string().max(1000), sha256: z.string().max(100) }).optional(),
    }),
  )
  .max(1000);

/** @throws DossierError `unknown-format` if it is no ONNX model */
export async function readOnnx(folder: Folder, path: string): Promise<Findings> {
  const { model, problem, digest } = await readModel(folder, path);
  if (model === undefined)
    throw new DossierError('unknown-format', `${path}: ${problem ?? 'not an ONNX model.'}`, { file: path });
  const notes: string[] = [];
  const schema = schemaOf(model, path, notes);
  const name = basename(path).replace(/\.onnx$/i, '');
  const remarks = [
    `Inputs: ${freeInputs(model.graph).slice(0, 20).map(inputText).join(', ')}. Read from ${basename(path)}.`,
  ];
  const declarations: DraftDeclaration[] = [];
  const trainedOn: DataReference[] = [];
  let features: Record<string, string> | undefined;
  if (schema !== undefined) {
    remarks.push(
      `Predicts "${printable(schema.target.column)}" (${schema.target.classes.length} classes) from ${schema.columns.length} features.`,
    );
    declarations.push({ path: 'task', value: 'classification', remark: 'by its schema' });
    features = Object.fromEntries(
      schema.columns.flatMap((column) => {
        const attribute = attributeNamed(column.name);
        return attribute === undefined ? [] : [[column.name, attribute]];
      }),
    );
    if (schema.training !== undefined)
      trainedOn.push({ name: schema.training.name, sha256: schema.training.digest });
    const label = attributeNamed(schema.target.column);
    if (label !== undefined) {
      notes.push(
        `The target "${printable(schema.target.column)}" of ${name} may state a protected attribute (${label}); say so in labels.attributes.`,
      );
    }
  }
  const training = record(model, 'assay.training', Training);
  if (training?.tool !== undefined) {
    remarks.push(
      `Trained by ${oneLine(training.tool)}${training.seed === undefined ? '' : `, seed ${training.seed}`}.`,
    );
  }
  const derivedFrom: string[] = [];
  for (const forgotten of record(model, 'assay.unlearning', Unlearning) ?? []) {
    const met = forgotten.targetMet === false ? '; the target was not met' : '';
    remarks.push(`Was made to forget "${oneLine(forgotten.feature)}" (${oneLine(forgotten.method)}${met}).`);
    if (forgotten.from !== undefined) derivedFrom.push(oneLine(forgotten.from.name));
  }
  return {
    found: [
      {
        kind: 'model',
        source: path,
        name,
        bytes: true,
        trainedOn,
        entry: {
          file: path,
          sha256: digest,
          ...(model.docString === '' ? {} : { description: model.docString.slice(0, 2000) }),
          ...(derivedFrom.length === 0 ? {} : { derivedFrom: [...new Set(derivedFrom)] }),
          ...(features === undefined || Object.keys(features).length === 0
            ? {}
            : { protectedFeatures: features }),
          declarations,
          remarks,
        },
      },
    ],
    notes,
  };
}

function schemaOf(model: Model, path: string, notes: string[]): FeatureSchema | undefined {
  if (!model.metadata.has(SCHEMA_METADATA_KEY)) return undefined;
  try {
    return schemaFromMetadata(model.metadata, path);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    notes.push(error.message);
    return undefined;
  }
}

/** A record in the metadata; undefined where it is not there or is none. */
function record<T extends z.ZodType>(model: Model, key: string, type: T): z.infer<T> | undefined {
  const json = model.metadata.get(key);
  if (json === undefined || json.length > 2 ** 20) return undefined;
  try {
    const parsed = type.safeParse(JSON.parse(json));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function inputText({ name, type }: ValueInfo): string {
  const shape = type?.shape?.map((dim) => (dim === '' ? '?' : String(dim))).join(' × ');
  return `${printable(name)}${type === undefined ? '' : ` (${type.elementType}${shape === undefined || shape === '' ? '' : ` ${shape}`})`}`;
}

function oneLine(text: string): string {
  return printable(text).slice(0, 200);
}
