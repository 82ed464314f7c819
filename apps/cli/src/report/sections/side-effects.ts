/** What forgetting did to the model's dependence on every feature. */
import type { MethodName, Sensitivity } from '@assay/unlearn';
import { type FeatureRow, isApart } from '../features.ts';
import { type Html, html, name } from '../html.ts';
import { change, counted, decimalsOf, figure, interval } from '../numbers.ts';
import { chartedOf } from './dependence.ts';

/** A longer table is read by programs; `--json` has all of it. */
const MOST_ROWS = 1000;

/** The table of all features. */
export function sideEffects(rows: readonly FeatureRow[], methods: readonly MethodName[]): Html {
  const shown = chartedOf(rows, MOST_ROWS);
  const several = methods.length > 1;
  const headings = methods.map((method) => (several ? `After ${method}` : 'After'));
  return html`
<section id="side-effects"><h2>Side effects on all features</h2>
<p>Sensitivity of each feature, before → after. A change is marked ▲ or ▼ where the two intervals have no number in common; other changes may be chance.</p>
<table class="features" style="--runs: ${methods.length}">
<thead><tr><th scope="col">Feature</th><th scope="col">Before</th>${headings.map(
    (heading) => html`<th scope="col">${heading}</th><th scope="col">Change</th>`,
  )}</tr></thead>
<tbody>${shown.map(
    (row) => html`
<tr${row.forgotten && html` class="forgotten"`}><th scope="row">${name(row.name)}${
      row.forgotten && html` <span class="tag">to forget</span>`
    }</th><td data-label="Before">${cell(row.before)}</td>${row.after.map(
      (estimate, i) =>
        html`<td data-label="${headings[i] ?? ''}">${cell(estimate)}</td><td class="change" data-label="Change">${
          estimate === undefined ? '–' : changed(row.before, estimate)
        }</td>`,
    )}</tr>`,
  )}</tbody>
</table>
${
  shown.length < rows.length &&
  html`<p class="note">The ${counted(shown.length, 'feature')} to which the model was most sensitive, of ${counted(rows.length, 'feature')}; the output of <code>--json</code> has all.</p>`
}
</section>`;
}

function cell(estimate: Sensitivity | undefined): Html {
  if (estimate === undefined) return html`–`;
  return html`<span class="number">${figure(estimate.value)}</span><span class="interval">${interval(
    estimate,
    decimalsOf(estimate.value),
  )}</span>`;
}

function changed(before: Sensitivity, after: Sensitivity): Html {
  const difference = after.value - before.value;
  const text = change(difference, decimalsOf(before.value));
  if (!isApart(before, after)) return html`<span class="unclear">${text}</span>`;
  return html`<span class="clear">${difference < 0 ? '▼' : '▲'}&nbsp;${text}</span>`;
}
