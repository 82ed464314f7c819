/** `assay predict`: the classes that a model gives to the rows of a table. */
import { type EncodedTable, encodeBatches, type FeatureSchema, openTable } from '@assay/data';
import { type Accuracy, predictions, probabilities, proportion, Scorer } from '@assay/unlearn';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { accuracyDocument } from '../documents.ts';
import { EXIT, UsageError } from '../failures.ts';
import { draft, planFile } from '../files.ts';
import { readModelFile } from '../model-file.ts';
import type { Action } from '../run.ts';
import { encodingNotes, identityOf } from '../samples.ts';
import { rowsOf, type Subject, subjectOf } from '../subject.ts';
import { counted, percent } from '../terminal/text.ts';
import { versions } from '../versions.ts';

interface Options {
  readonly data: string;
  readonly schema?: string;
  readonly out: string;
  readonly force?: boolean;
}

export function addPredict(program: Command, action: Action): void {
  program
    .command('predict')
    .summary('give the rows of a table their classes')
    .description(
      'Writes a CSV file with one line for each row of the table: its number (from 1), the predicted class, and the probability of each class in the columns p.CLASS. Memory does not grow with the rows.',
    )
    .argument('<model>', 'ONNX file')
    .requiredOption('--data <data>', 'table or name of a data set')
    .option('--schema <file>', "YAML that describes the model's inputs, for a model that does not say")
    .requiredOption('-o, --out <file>', 'CSV file to write; - for standard output')
    .option('--force', 'replace the file if it is there')
    .addHelpText(
      'after',
      `
Examples:
  $ assay predict adult.onnx --data people.csv -o predictions.csv
  $ assay predict adult.onnx --data adult -o - | head
`,
    )
    .action(async (path: string, options: Options) => {
      await action(async (context) => {
        if (options.out === '-' && context.settings.json) {
          throw new UsageError(
            'With -o - the predictions go to standard output, where --json puts its document; choose one of them.',
          );
        }
        const subject = await subjectOf(await readModelFile(path), options.schema);
        const sink = await sinkFor(context, options, path);
        try {
          const summary = await writePredictions(context, subject, options.data, sink.write);
          const written = await sink.commit();
          await context.note(summary.notes);
          const { accuracy } = summary;
          if (options.out !== '-') {
            await context.show(
              `Wrote ${counted(summary.rows, 'prediction')} to ${context.style.bold(options.out)}.${accuracy === undefined ? '' : ` ${percent(accuracy.value)} of those with a known class are right (majority class ${percent(accuracy.majority)}).`}`,
            );
          }
          await context.give({
            command: 'predict',
            model: { path, sha256: subject.file.digest },
            data: summary.data,
            rows: summary.rows,
            ...(accuracy === undefined ? {} : { accuracy: accuracyDocument(accuracy) }),
            output: { path: options.out, ...written },
            notes: summary.notes,
            versions: versions(),
          });
          return EXIT.done;
        } catch (error) {
          await sink.discard();
          throw error;
        }
      });
    });
}

interface Sink {
  readonly write: (text: string) => Promise<void>;
  readonly commit: () => Promise<{ readonly bytes?: number; readonly sha256?: string }>;
  readonly discard: () => Promise<void>;
}

async function sinkFor({ io }: Context, options: Options, model: string): Promise<Sink> {
  if (options.out === '-') {
    return { write: (text) => io.stdout.write(text), commit: async () => ({}), discard: async () => {} };
  }
  const planned = await planFile(io, options.out, {
    force: options.force === true,
    inputs: [model, options.data],
  });
  const file = await draft(io, planned);
  const encoder = new TextEncoder();
  return {
    write: (text) => file.write(encoder.encode(text)),
    async commit() {
      const { bytes, digest } = await file.commit();
      return { bytes, sha256: digest };
    },
    discard: file.discard,
  };
}

/** Rows that are encoded, predicted and written at a time. */
const BATCH_ROWS = 4096;

async function writePredictions(
  context: Context,
  subject: Subject,
  data: string,
  write: (text: string) => Promise<void>,
) {
  const { schema, classifier, file } = subject;
  using table = await openTable(data, context.reading());
  const scorer = await Scorer.open(classifier);
  try {
    await write(headerOf(schema));
    let rows = 0;
    let last: EncodedTable | undefined;
    const known = new LabelledRows();
    for await (const batch of encodeBatches(table, schema, {
      batchRows: BATCH_ROWS,
      signal: context.signal,
    })) {
      const input = rowsOf(batch, file.model);
      const scores = await scorer.scores(input);
      const chosen = predictions(scores);
      const p = probabilities(scores, classifier.classes);
      await write(linesOf(schema, batch.rowIds, chosen, p));
      batch.labels?.forEach((label, row) => {
        known.add(chosen[row] ?? -1, label);
      });
      rows += batch.rows;
      last = batch;
      context.progress.update('Predicting', rows / table.rows, counted(rows, 'row'));
    }
    return {
      rows,
      accuracy: known.accuracy(),
      data: identityOf(table),
      notes: last === undefined ? [] : encodingNotes(last, table.name),
    };
  } finally {
    await scorer.close();
  }
}

/** Counts predictions of rows whose class is known. */
class LabelledRows {
  #right = 0;
  #rows = 0;
  readonly #perClass = new Map<number, number>();

  add(predicted: number, label: number): void {
    if (label < 0) return;
    this.#rows += 1;
    this.#perClass.set(label, (this.#perClass.get(label) ?? 0) + 1);
    if (predicted === label) this.#right += 1;
  }

  /** Undefined where no class is known. */
  accuracy(): Accuracy | undefined {
    if (this.#rows === 0) return undefined;
    const majority = Math.max(...this.#perClass.values()) / this.#rows;
    return { ...proportion(this.#right, this.#rows), rows: this.#rows, majority };
  }
}

function headerOf({ target }: FeatureSchema): string {
  return `${['row', 'predicted', ...target.classes.map((name) => `p.${name}`)].map(csvCell).join(',')}\n`;
}

function linesOf(
  { target: { classes } }: FeatureSchema,
  rowIds: Uint32Array,
  chosen: Int32Array,
  p: Float64Array,
): string {
  let text = '';
  for (let row = 0; row < chosen.length; row++) {
    text += `${(rowIds[row] ?? 0) + 1},${csvCell(classes[chosen[row] ?? -1] ?? '')}`;
    for (let k = 0; k < classes.length; k++)
      text += `,${numberText(p[row * classes.length + k] ?? Number.NaN)}`;
    text += '\n';
  }
  return text;
}

/** Seven significant digits, all that a float32 has. */
function numberText(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(7))) : '';
}

/** A cell of a CSV file (RFC 4180). */
function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
