/** The tables of the studies for a terminal. */
import type { CheckRow, Curve, CurveBlock, StudyTables, TheoremBlock } from '@assay/reproduction';
import type { Style } from '../terminal/style.ts';
import { table as drawn } from '../terminal/table.ts';
import { printableLine, widthOf } from '../terminal/text.ts';
import {
  curveNotes,
  goalText,
  metText,
  modelText,
  overallOf,
  pointMeasure,
  READING_WORDS,
  summaryText,
  verdictText,
} from './study-words.ts';
import { setupText } from './words.ts';

/** All that was asked for. */
export function studiesText(tables: StudyTables, width: number, style: Style): string {
  const { names, ablations, shares, relapse, goals, theorem } = tables;
  const nothing = 'There are no results yet.';
  return [
    ...(names.includes('ablations')
      ? [
          style.bold('Ablations'),
          ...(ablations.length === 0 ? [nothing] : ablations.map((block) => blockText(block, width, style))),
        ]
      : []),
    ...(names.includes('shares')
      ? [
          style.bold('Share of the requester’s data'),
          ...(shares.length === 0 ? [nothing] : shares.map((block) => blockText(block, width, style))),
          ...(goals.length === 0
            ? []
            : [goals.map((goal) => `- ${printableLine(goalText(goal))}`).join('\n')]),
        ]
      : []),
    ...(names.includes('relapse')
      ? [
          style.bold('Relapse'),
          ...(relapse.length === 0 ? [nothing] : relapse.map((block) => blockText(block, width, style))),
        ]
      : []),
    ...(names.includes('theorem')
      ? [
          style.bold('The theorem'),
          ...(theorem.length === 0 ? [nothing] : theorem.map((block) => theoremText(block, width, style))),
        ]
      : []),
  ].join('\n\n');
}

function blockText(block: CurveBlock, width: number, style: Style): string {
  const { title, scenarioTitle, setup, axis, curves } = block;
  const heading = `${style.bold(`${title}: ${printableLine(scenarioTitle)}`)} (${printableLine(setupText(setup))})`;
  const parts = curves.flatMap((curve) => [
    `${printableLine(curve.title)}, by ${axis}`,
    ...curveTables(curve, block, width, style),
  ]);
  const stars = curves.some(({ points, usual }) => points.some(({ setting }) => setting === usual));
  const notes = [...curveNotes(block), ...(stars ? ['*: by default'] : [])];
  return [heading, ...parts, ...notes.map((text) => `- ${printableLine(text)}`)].join('\n');
}

/** As many measures beside each other as fit. */
function curveTables(
  { points, usual }: Curve,
  { measures }: CurveBlock,
  width: number,
  style: Style,
): readonly string[] {
  const labels = points.map(({ setting }) => `${setting}${setting === usual ? ' *' : ''}`);
  const columns = [
    { title: 'Forgotten', align: 'left' as const, flexible: false, cells: points.map(metText) },
    ...measures.map((measure) => {
      const { title, unit } = pointMeasure(measure);
      const cells = points.map((point) => summaryText(point.measures[measure], unit));
      return { title, align: 'right' as const, flexible: true, cells };
    }),
  ];
  const first = Math.max(...labels.map(widthOf), 'Setting'.length);
  const tables: (typeof columns)[] = [];
  let room = 0;
  for (const column of columns) {
    const needed = 2 + Math.max(widthOf(column.title), ...column.cells.map(widthOf));
    const table = tables.at(-1);
    if (table === undefined || needed > room) {
      tables.push([column]);
      room = width - first - needed;
    } else {
      table.push(column);
      room -= needed;
    }
  }
  return tables.map((own) =>
    drawn(
      [{ title: 'Setting', flexible: true }, ...own],
      labels.map((label, row) => [label, ...own.map(({ cells }) => cells[row] ?? '')]),
      width,
      style.bold,
    ),
  );
}

function theoremText(block: TheoremBlock, width: number, style: Style): string {
  const { scenarioTitle, setup, notRun, curve, models, checks, notes } = block;
  const heading = `${style.bold(printableLine(scenarioTitle))} (${printableLine(setupText(setup))})`;
  if (curve.length === 0) return [heading, printableLine(notRun ?? 'There is nothing yet.')].join('\n');
  const columns = [
    { title: 'Cross-entropy', align: 'right' as const, flexible: true },
    { title: '‖f(x) − y‖', align: 'right' as const, flexible: true },
  ];
  const least = drawn(
    [{ title: 'Least loss' }, { title: '‖δ‖', align: 'right' }, ...columns],
    curve.map(({ reading, norm, crossEntropy, distance }) => [
      reading,
      String(norm),
      summaryText(crossEntropy, 'number'),
      summaryText(distance, 'number'),
    ]),
    width,
    style.bold,
  );
  const losses = drawn(
    [{ title: 'Loss of a model', flexible: true }, ...columns],
    models.map(({ name, lambda, crossEntropy, distance }) => [
      modelText(name, lambda),
      summaryText(crossEntropy, 'number'),
      summaryText(distance, 'number'),
    ]),
    width,
    style.bold,
  );
  const compared = drawn(
    [
      { title: 'Part' },
      { title: 'Model', flexible: true },
      { title: 'Reading' },
      { title: 'C', align: 'right' },
      { title: 'Left − right', align: 'right', flexible: true },
      { title: 'Verdict', flexible: true },
    ],
    checks
      .filter(({ loss }) => loss === 'distance')
      .map((check) => [
        SHORT[check.name],
        check.model === undefined ? '' : modelText(check.model),
        check.reading ?? '',
        check.norm === undefined ? '' : String(check.norm),
        summaryText(check.difference, 'number'),
        verdictText(check),
      ]),
    width,
    style.bold,
  );
  const overall = overallOf(block).map(({ title, text }) => `- ${title}: ${text}`);
  return [
    heading,
    ...overall.map(printableLine),
    '',
    least,
    '',
    losses,
    '',
    'Left ≤ right, by ‖f(x) − y‖:',
    compared,
    ...[...READING_WORDS, ...notes].map((text) => `- ${printableLine(text)}`),
  ].join('\n');
}

const SHORT: Readonly<Record<CheckRow['name'], string>> = {
  'assumption-4': 'assumption 4',
  'assumption-3': 'assumption 3',
  claim: 'claim',
  'inequality-13': 'step (13)',
};
