/** The picture of a report that stands alone: in a README, on light or dark paper. */
import { NEUTRAL_TEXT } from './charts/palette.ts';
import { drawSensitivity, scaleFor } from './charts/sensitivity.ts';
import { featureRows } from './features.ts';
import { clean } from './html.ts';
import type { ReportInput } from './input.ts';
import { chartedOf, describe } from './sections/dependence.ts';

const WIDTH = 820;
const MOST_FEATURES = 24;

/**
 * The sensitivity of every feature before and after each run, with 95 % intervals, as one SVG document with its own title
 * and legend. Its background is transparent, and its colours are legible on white and on black.
 *
 * @throws RangeError if there is no run to show
 */
export async function demoChart(input: ReportInput): Promise<string> {
  const [first] = input.runs;
  if (first === undefined) throw new RangeError('a chart needs at least one run');
  const rows = chartedOf(featureRows(input.runs), MOST_FEATURES);
  const methods = input.runs.map(({ result }) => result.method);
  return `${await drawSensitivity({
    id: 'assay',
    title: `What the model depends on, before and after forgetting ${clean(first.result.feature)}`,
    description: describe(rows, methods),
    rows,
    methods,
    scale: scaleFor(rows),
    width: WIDTH,
    ink: NEUTRAL_TEXT,
    standsAlone: true,
  })}\n`;
}
