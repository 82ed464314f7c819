import { describe, expect, it } from 'vitest';
import {
  type FeatureSchema,
  featureColumn,
  parseSchema,
  SCHEMA_METADATA_KEY,
  schemaFromMetadata,
  schemaToJson,
  slotNames,
} from '../src/index.ts';
import { failure } from './folder.ts';

const SHORT = `version: 1
input: features
columns:
  age: { mean: 38.6, std: 13.7 }
  hours-per-week: number
  bmi: { fill: 32, indicator: true }
  sex: [Female, Male]
  workclass: { values: [Private, State-gov], missing: own-slot, other: own-slot }
  occupation: { index: [Sales, Tech-support], input: occupation, missing: own-index }
  fnlwgt: ignored
output: { name: logits, kind: logits }
target: { column: income, classes: [<=50K, '>50K'] }
`;

describe('the short form', () => {
  const schema = parseSchema(SHORT, 'schema.yaml');

  it('places the columns one after the other', () => {
    expect(
      schema.columns.map(({ name, kind, input, start, length }) => [name, kind, input, start, length]),
    ).toEqual([
      ['age', 'number', 'features', 0, 1],
      ['hours-per-week', 'number', 'features', 1, 1],
      ['bmi', 'number', 'features', 2, 2],
      ['sex', 'category', 'features', 4, 2],
      ['workclass', 'category', 'features', 6, 4],
      ['occupation', 'category', 'occupation', 0, 1],
    ]);
    expect(schema.inputs).toEqual([
      { name: 'features', elementType: 'float32', width: 10 },
      { name: 'occupation', elementType: 'int64', width: 1 },
    ]);
    expect(schema.ignored.map((column) => column.name)).toEqual(['fnlwgt']);
  });

  it('names the slots', () => {
    expect(slotNames(featureColumn(schema, 'workclass'))).toEqual([
      'workclass=Private',
      'workclass=State-gov',
      'workclass is missing',
      'workclass is another value',
    ]);
    expect(slotNames(featureColumn(schema, 'bmi'))).toEqual(['bmi', 'bmi is missing']);
  });

  it('comes back from its JSON and from a model as it was', () => {
    const json = schemaToJson(schema);
    expect(parseSchema(json, 'json')).toEqual(schema);
    expect(schemaFromMetadata(new Map([[SCHEMA_METADATA_KEY, json]]), 'model.onnx')).toEqual(schema);
  });

  it('takes input and output from what is known of the model', () => {
    const text =
      'version: 1\ncolumns: { a: number }\noutput: logits\ntarget: { column: y, classes: [0, 1] }\n';
    const read = parseSchema(text, 'schema.yaml', { input: 'x', output: 'z' });
    expect(read.inputs[0]?.name).toBe('x');
    expect(read.output).toEqual({ name: 'z', kind: 'logits' });
    expect(read.target.classes).toEqual(['0', '1']);
  });
});

describe('a schema that is wrong', () => {
  const at = async (text: string, line: number, words: RegExp): Promise<void> => {
    const error = await failure(() => parseSchema(text, 'schema.yaml'), 'schema-invalid');
    expect(error.message).toMatch(words);
    expect(error.place).toMatchObject({ file: 'schema.yaml', line });
    expect(error.message).toContain(`line ${line}`);
  };

  it('is told with its line', async () => {
    await at(SHORT.replace('std: 13.7', 'std: 0'), 4, /columns\.age/);
    await at(SHORT.replace('std: 13.7', 'stdd: 13.7'), 4, /columns\.age/);
    await at(SHORT.replace('[Female, Male]', '[Female, Female]'), 7, /twice/);
    await at(SHORT.replace("[<=50K, '>50K']", '[one]'), 12, /classes/);
    await at(SHORT.replace('kind: logits', 'kind: logit'), 11, /output/);
    await at(SHORT.replace('column: income', 'column: age'), 4, /target/);
    await at(SHORT.replace('sex: [Female, Male]', 'sex: [Female, Male'), 8, /YAML/);
    await at(SHORT.replace('input: features\n', ''), 3, /which graph input/);
  });

  it('may not repeat keys or use aliases', async () => {
    await failure(() => parseSchema(`${SHORT}version: 1\n`, 's'), 'schema-invalid');
    const bomb = 'a: &a [x, x]\nb: &b [*a, *a]\nversion: 1\ncolumns: [*b, *b]\n';
    expect((await failure(() => parseSchema(bomb, 's'), 'schema-invalid')).message).toMatch(/aliases/);
  });

  it('may not place two columns on one slot, leave one unused, or reach outside', async () => {
    const long = JSON.parse(schemaToJson(parseSchema(SHORT, 's')));
    const changed = (change: (schema: FeatureSchema) => void): string => {
      const copy = structuredClone(long);
      change(copy);
      return JSON.stringify(copy);
    };
    const message = async (change: (schema: FeatureSchema) => void): Promise<string> =>
      (await failure(() => parseSchema(changed(change), 's'), 'schema-invalid')).message;
    const set = (index: number, values: object) => (schema: FeatureSchema) => {
      Object.assign(schema.columns[index] ?? {}, values);
    };
    expect(await message(set(1, { start: 0 }))).toMatch(/another column/);
    expect(await message(set(1, { start: 10 }))).toMatch(/outside/);
    expect(await message(set(1, { length: 2 }))).toMatch(/fills 1 slots/);
    expect(await message(set(1, { input: 'nowhere' }))).toMatch(/no input/);
    expect(await message(set(1, { name: 'age' }))).toMatch(/twice/);
    expect(await message((schema) => void schema.columns.splice(1, 1))).toMatch(/belong to no column/);
    expect(
      await message((schema) => {
        schema.target.classes.push('more');
        Object.assign(schema.output, { kind: 'margin' });
      }),
    ).toMatch(/two classes/);
  });

  it('is missed in a model without one', async () => {
    const error = await failure(() => schemaFromMetadata(new Map(), 'model.onnx'), 'schema-missing');
    expect(error.message).toMatch(/model\.onnx.*--schema/);
  });

  it('may not call a column __proto__ in the short form, where it would get lost', async () => {
    const error = await failure(
      () => parseSchema(SHORT.replace('  sex:', '  "__proto__":'), 's'),
      'schema-invalid',
    );
    expect(error.message).toMatch(/__proto__/);
  });
});

describe('featureColumn', () => {
  const schema = parseSchema(SHORT, 's');
  it('suggests the nearest name, and says why a column is none of the features', async () => {
    const error = await failure(() => featureColumn(schema, 'workclas'), 'unknown-column');
    expect(error.place.suggestion).toBe('workclass');
    expect(error.message).toContain('Did you mean "workclass"?');
    await failure(() => featureColumn(schema, 'income'), 'target-is-feature');
    expect((await failure(() => featureColumn(schema, 'fnlwgt'), 'unknown-column')).message).toContain(
      'leaves it out',
    );
  });
});
