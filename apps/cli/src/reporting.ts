/** From what was done to what the report shows. */
import type { Context } from './context.ts';
import type { Forgotten } from './forgetting.ts';
import type { ReportedData, ReportInput } from './report/input.ts';
import type { RequestSamples } from './samples.ts';
import type { Subject } from './subject.ts';
import { versions } from './versions.ts';

/** Name of the page in the folder that the person gives. */
export const REPORT_FILE = 'report.html';

const SYNTHETIC =
  'This data set is synthetic: it was made up by known equations, and no person stands behind a row.';

/** The input of a report on one request, answered in one or several ways; the first gives the verdict. */
export function reportInput(
  context: Context,
  subject: Subject,
  samples: RequestSamples,
  runs: readonly Forgotten[],
  heading: { readonly title: string; readonly commandLine: string },
): ReportInput {
  const { requester, test } = samples;
  const syntheticNotes = (table: { synthetic: boolean }): readonly string[] =>
    table.synthetic ? [SYNTHETIC] : [];
  const data: ReportedData[] = [
    {
      name: requester.table.name,
      role: 'to unlearn',
      rows: requester.rows.count,
      digest: requester.table.digest,
      notes: [...syntheticNotes(requester.table), ...samples.notes],
    },
    {
      name: test.table.name,
      role: 'to measure',
      rows: test.rows.count,
      digest: test.table.digest,
      notes: syntheticNotes(test.table),
    },
  ];
  const { training, target, columns } = subject.schema;
  return {
    ...heading,
    generatedAt: new Date(),
    versions: versions(),
    seed: context.settings.seed,
    settings: [
      { name: 'share of the rows that the requester holds', value: String(requester.share) },
      { name: 'target column', value: target.column },
      { name: 'features of the model', value: String(columns.length) },
      ...(training === undefined
        ? []
        : [{ name: 'model trained on', value: `${training.name} (SHA-256 ${training.digest})` }]),
    ],
    data,
    model: { name: subject.file.name, digest: subject.file.digest },
    runs: runs.map(({ result, options, written, certificateCheckedOn }) => ({
      result,
      targetSensitivity: options.targetSensitivity,
      maxAccuracyDrop: options.maxAccuracyDrop,
      written: { name: written.name, digest: written.sha256 },
      certificateCheckedOn,
    })),
  };
}
