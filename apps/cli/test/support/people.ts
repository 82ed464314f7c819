/** Small made-up tables with a planted truth, and models for them. */
import { type FeatureSchema, SCHEMA_METADATA_KEY, schemaToJson } from '@assay/data';
import { mlp } from '@assay/engine';
import { encodeModel, type Model } from '@assay/graph';
import { RandomStream } from '@assay/random';

/**
 * People of whom `approved` depends on `income` and on `group` (a helps, c hurts) and on nothing else; `shoe-size` is noise.
 *
 * @param rows how many
 */
export function peopleCsv(rows: number, seed = 1): string {
  const random = new RandomStream(seed, 'people');
  const lines = ['income,group,shoe-size,approved'];
  for (let row = 0; row < rows; row++) {
    const income = 40 + 12 * random.normal();
    const group = ['a', 'b', 'c'][random.integer(3)] ?? 'a';
    const shoe = 36 + random.integer(12);
    const score = (income - 40) / 6 + { a: 2, b: 0, c: -2 }[group === 'a' || group === 'b' ? group : 'c'];
    const approved = random.uniform() < 1 / (1 + Math.exp(-score)) ? 'yes' : 'no';
    lines.push(`${income.toFixed(2)},${group},${shoe},${approved}`);
  }
  return `${lines.join('\n')}\n`;
}

/** What the columns of {@link peopleCsv} are, for a model that says nothing of itself. */
export const PEOPLE_YAML = `version: 1
input: x
columns:
  income: { mean: 40, std: 12 }
  group: [a, b, c]
  shoe-size: number
output: { name: logits, kind: logits }
target: { column: approved, classes: ['no', 'yes'] }
`;

/** A model for {@link PEOPLE_YAML} with random weights, as it comes from elsewhere: it does not say what its inputs mean. */
export function foreignModel(seed = 3): Model {
  return mlp({ inputs: 5, hidden: [8], classes: 2, seed });
}

/** The same with its schema inside. */
export function describedModel(
  schema: Partial<FeatureSchema> = {},
  model: Model = foreignModel(),
): Uint8Array {
  const whole: FeatureSchema = {
    version: 1,
    inputs: [{ name: 'x', elementType: 'float32', width: 5 }],
    columns: [
      {
        name: 'income',
        kind: 'number',
        encoder: { kind: 'standard', mean: 40, std: 12, invalid: 'error' },
        input: 'x',
        start: 0,
        length: 1,
      },
      {
        name: 'group',
        kind: 'category',
        encoder: { kind: 'onehot', values: ['a', 'b', 'c'], missing: 'zeros', other: 'zeros' },
        input: 'x',
        start: 1,
        length: 3,
      },
      {
        name: 'shoe-size',
        kind: 'number',
        encoder: { kind: 'standard', mean: 41, std: 3, invalid: 'error' },
        input: 'x',
        start: 4,
        length: 1,
      },
    ],
    ignored: [],
    output: { name: 'logits', kind: 'logits' },
    target: { column: 'approved', classes: ['no', 'yes'] },
    ...schema,
  };
  return encodeModel({ ...model, metadata: new Map([[SCHEMA_METADATA_KEY, schemaToJson(whole)]]) });
}
