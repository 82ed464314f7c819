/** The chart of what the model depends on, before and after. */
import type { MethodName } from '@assay/unlearn';
import { after, BEFORE, type Look, swatch } from '../charts/palette.ts';
import { drawSensitivity, scaleFor } from '../charts/sensitivity.ts';
import type { FeatureRow } from '../features.ts';
import { clean, type Html, html, markup, name } from '../html.ts';
import { counted, figure } from '../numbers.ts';
import { list } from '../verdict.ts';

/** Features of one picture: no more, so that it fits on a printed page. */
const PER_PICTURE = 24;
/** More rows than these nobody reads as a picture; the table has them. */
const MOST_CHARTED = 120;
/** Of a screen or a page, and of a phone, in pixels. */
const WIDE = 780;
const NARROW = 340;

/** The section with the chart; for many features it comes in several pictures on the same scale. */
export async function dependence(rows: readonly FeatureRow[], methods: readonly MethodName[]): Promise<Html> {
  const charted = chartedOf(rows, MOST_CHARTED);
  const scale = scaleFor(charted);
  const parts = Array.from({ length: Math.ceil(charted.length / PER_PICTURE) }, (_, i) =>
    charted.slice(i * PER_PICTURE, (i + 1) * PER_PICTURE),
  );
  const figures = await Promise.all(
    parts.map(async (part, i) => {
      const title = `Sensitivity of the features before and after${parts.length > 1 ? `, part ${i + 1} of ${parts.length}` : ''}`;
      const draw = (width: number, size: string): Promise<string> =>
        drawSensitivity({
          id: `sensitivity-${i + 1}-${size}`,
          title,
          description: describe(part, methods),
          rows: part,
          methods,
          scale,
          width,
          ink: 'currentColor',
        });
      return html`<figure class="chart"><div class="wide">${markup(await draw(WIDE, 'wide'))}</div><div class="narrow">${markup(
        await draw(NARROW, 'narrow'),
      )}</div></figure>`;
    }),
  );
  const forgotten = rows.find((row) => row.forgotten);
  return html`
<section id="dependence">
<div class="together"><h2>What the model depends on</h2>
<p>How far the scores move per unit of change of one feature alone. A feature at 0 has no effect.
${forgotten !== undefined && html`The shaded row is ${name(forgotten.name)}.`}</p>
${legend([['before', BEFORE], ...methods.map((method) => [`after ${method}`, after(method)] as const)])}
${figures.slice(0, 1)}</div>
${figures.slice(1)}
<p class="note">Lines are 95&nbsp;% intervals; where none is seen, it is narrower than its mark. The axis begins at 0${
    scale.knee === undefined ? '' : ` and is nearly linear up to ${scale.knee}, logarithmic beyond`
  }.${
    charted.length < rows.length &&
    ` Of ${counted(rows.length, 'feature')}, the ${charted.length} to which the model was most sensitive are drawn.`
  }</p>
</section>`;
}

/** The first rows, and always the one that was to be forgotten. */
export function chartedOf(rows: readonly FeatureRow[], most: number): readonly FeatureRow[] {
  if (rows.length <= most) return rows;
  const head = rows.slice(0, most);
  const forgotten = rows.find((row) => row.forgotten);
  return forgotten === undefined || head.includes(forgotten) ? head : [...head.slice(0, most - 1), forgotten];
}

/** What the chart shows, for those who cannot see it: the largest, and the one that was to be forgotten. */
export function describe(rows: readonly FeatureRow[], methods: readonly MethodName[]): string {
  const told = (row: FeatureRow): string =>
    `${clean(row.name)} ${figure(row.before.value)} before${row.after
      .map((estimate, i) =>
        estimate === undefined ? '' : `, ${figure(estimate.value)} after ${methods[i] ?? ''}`,
      )
      .join('')}`;
  const chosen = rows.filter((row, i) => row.forgotten || i < 5);
  return `${counted(rows.length, 'feature')}, sorted by their sensitivity before. ${chosen.map(told).join('; ')}. All numbers are in the table of side effects. Methods: ${list(methods)}.`;
}

/** Words with the marks they go with. */
export function legend(entries: readonly (readonly [string, Look])[]): Html {
  return html`<ul class="legend">${entries.map(
    ([words, look]) =>
      html`<li><svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">${markup(swatch(look, 6, 6))}</svg>${words}</li>`,
  )}</ul>`;
}
