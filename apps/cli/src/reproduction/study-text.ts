/** The tables of the studies for a terminal. */
import type { CheckRow, Curve, CurveBlock, StudyTables, Summary, TheoremBlock } from '@assay/reproduction';
import type { Style } from '../terminal/style.ts';
import { table as drawn } from '../terminal/table.ts';
import { printableLine, widthOf } from '../terminal/text.ts';
import {
  CHECKS,
  curveNotes,
  goalText,
  isMeasured,
  metText,
  modelText,
  overallOf,
  pointMeasure,
  READING_WORDS,
  summaryText,
  verdictText,
} from './study-words.ts';
import type { Unit } from './values.ts';
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
  const parts = curves
    .filter(isMeasured)
    .flatMap((curve) => [
      `${printableLine(curve.title)}, by ${axis}`,
      ...curveTables(curve, block, width, style),
    ]);
  const stars = curves.some(({ points, usual }) => points.some(({ setting }) => setting === usual));
  const notes = [...curveNotes(block), ...(stars ? ['*: by default'] : [])];
  return [heading, ...parts, ...notes.map((text) => `- ${printableLine(text)}`)].join('\n');
}

function curveTables(
  { points, usual }: Curve,
  { measures }: CurveBlock,
  width: number,
  style: Style,
): readonly string[] {
  const labels = points.map(({ setting }) => `${setting}${setting === usual ? ' *' : ''}`);
  const columns: readonly Column[] = [
    { title: 'Forgotten', cells: points.map(metText) },
    ...measures.map((measure) => {
      const { title, unit } = pointMeasure(measure);
      return numbers(
        title,
        points.map((point) => point.measures[measure]),
        unit,
      );
    }),
  ];
  return sideBySide({ title: 'Setting', cells: labels }, columns, width, style);
}

interface Column {
  readonly title: string;
  readonly align?: 'right';
  readonly cells: readonly string[];
}

function numbers(title: string, summaries: readonly (Summary | undefined)[], unit: Unit): Column {
  return { title, align: 'right', cells: summaries.map((summary) => summaryText(summary, unit)) };
}

/** As many columns beside the first as fit, and the others in further tables. */
function sideBySide(
  first: Column,
  columns: readonly Column[],
  width: number,
  style: Style,
): readonly string[] {
  const widthOfColumn = ({ title, cells }: Column) => Math.max(widthOf(title), ...cells.map(widthOf));
  const tables: Column[][] = [];
  let room = 0;
  for (const column of columns) {
    const needed = 2 + widthOfColumn(column);
    const table = tables.at(-1);
    if (table === undefined || needed > room) {
      tables.push([column]);
      room = width - widthOfColumn(first) - needed;
    } else {
      table.push(column);
      room -= needed;
    }
  }
  return tables.map((own) =>
    drawn(
      [
        { title: first.title, flexible: true },
        ...own.map(({ title, align }) =>
          align === undefined ? { title } : { title, align, flexible: true },
        ),
      ],
      first.cells.map((label, row) => [label, ...own.map(({ cells }) => cells[row] ?? '')]),
      width,
      style.bold,
    ),
  );
}

function theoremText(block: TheoremBlock, width: number, style: Style): string {
  const { scenarioTitle, setup, notRun, curve, models, checks, notes } = block;
  const heading = `${style.bold(printableLine(scenarioTitle))} (${printableLine(setupText(setup))})`;
  if (curve.length === 0) return [heading, printableLine(notRun ?? 'There is nothing yet.')].join('\n');
  const losses = (found: readonly { readonly crossEntropy: Summary; readonly distance: Summary }[]) => [
    numbers(
      'Cross-entropy',
      found.map(({ crossEntropy }) => crossEntropy),
      'number',
    ),
    numbers(
      '‖f(x) − y‖',
      found.map(({ distance }) => distance),
      'number',
    ),
  ];
  const norms = curve.map(({ reading, norm }) => `${reading}, ‖δ‖ = ${norm}`);
  const names = models.map(({ name, lambda }) => modelText(name, lambda));
  const shown = checks.filter(({ loss }) => loss === 'distance');
  // A model's name stands above its rows where it has many of them.
  const titleOf = ({ name, reading, model }: CheckRow) =>
    reading === undefined || model === undefined ? CHECKS[name] : `${CHECKS[name]}, ${modelText(model)}`;
  const compared = [...new Set(shown.map(titleOf))].flatMap((title) => [
    `${title}, by ‖f(x) − y‖`,
    comparison(
      shown.filter((check) => titleOf(check) === title),
      width,
      style,
    ),
  ]);
  const overall = overallOf(block).map(({ title, text }) => `- ${title}: ${text}`);
  return [
    heading,
    ...overall.map(printableLine),
    '',
    ...sideBySide({ title: 'Least loss', cells: norms }, losses(curve), width, style),
    '',
    ...sideBySide({ title: 'Loss of a model', cells: names }, losses(models), width, style),
    '',
    ...compared,
    ...[...READING_WORDS, ...notes].map((text) => `- ${printableLine(text)}`),
  ].join('\n');
}

/** Comparisons of one kind. */
function comparison(checks: readonly CheckRow[], width: number, style: Style): string {
  const places = [
    { title: 'Model', text: ({ model }: CheckRow) => (model === undefined ? '' : modelText(model)) },
    { title: 'Reading', text: ({ reading }: CheckRow) => reading ?? '' },
    {
      title: 'C',
      align: 'right' as const,
      text: ({ norm }: CheckRow) => (norm === undefined ? '' : String(norm)),
    },
    // What is the same for all of them tells nothing apart.
  ].filter(({ text }) => new Set(checks.map(text)).size > 1);
  const columns = [
    ...places,
    {
      title: 'Left − right',
      align: 'right' as const,
      text: ({ difference }: CheckRow) => summaryText(difference, 'number'),
    },
    { title: 'Verdict', text: verdictText },
  ];
  return drawn(
    columns,
    checks.map((check) => columns.map(({ text }) => text(check))),
    width,
    style.bold,
  );
}
