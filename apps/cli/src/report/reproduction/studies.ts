/** The sections of the studies: ablations, shares of the data, the theorem. */
import type {
  Curve,
  CurveBlock,
  CurvePoint,
  PointMeasure,
  StudyTables,
  TheoremBlock,
} from '@assay/reproduction';
import {
  checkText,
  curveNotes,
  goalText,
  isMeasured,
  metText,
  modelText,
  overallOf,
  pointMeasure,
  READING_WORDS,
  verdictText,
} from '../../reproduction/study-words.ts';
import { intervalText, valueText } from '../../reproduction/values.ts';
import { setupText } from '../../reproduction/words.ts';
import { after, BEFORE, type Look } from '../charts/palette.ts';
import { drawSettings } from '../charts/settings.ts';
import { type Html, html, markup, name } from '../html.ts';
import { legend } from '../sections/dependence.ts';

/** Of a screen or a page, and of a phone, in pixels. */
const WIDE = 780;
const NARROW = 340;
const HEIGHT = 220;

const LOOKS: Readonly<Record<string, Look>> = {
  ferrari: after('ferrari'),
  exact: after('exact'),
  'ferrari-paper': after('ferrari-paper'),
  proof: { colour: '#3a8f5c', shape: 'square' },
  'ferrari-anchored': { colour: '#b5679a', shape: 'triangle-up' },
  'ferrari-repeated': { colour: '#3a8f5c', shape: 'square' },
  before: BEFORE,
};
const OTHER: Look = { colour: '#808080', shape: 'circle' };

/** A section with its name and title, for the contents. */
export interface StudySection {
  readonly id: string;
  readonly title: string;
  readonly content: Html;
}

/** The sections that have something to show. */
export async function studySections(tables: StudyTables): Promise<readonly StudySection[]> {
  const { ablations, shares, relapse, goals, theorem } = tables;
  const sections: StudySection[] = [];
  if (shares.length > 0) {
    const blocks = await Promise.all(shares.map(curves));
    sections.push(
      section(
        'shares',
        'Share of the requester’s data',
        html`<p>${shares[0]?.about}</p>${
          goals.length > 0 && html`<ul>${goals.map((goal) => html`<li>${goalText(goal)}</li>`)}</ul>`
        }${blocks}`,
      ),
    );
  }
  if (relapse.length > 0) {
    const blocks = await Promise.all(relapse.map(curves));
    sections.push(section('relapse', 'Relapse', html`<p>${relapse[0]?.about}</p>${blocks}`));
  }
  if (ablations.length > 0) {
    const blocks = await Promise.all(ablations.map(curves));
    sections.push(
      section(
        'ablations',
        'Ablations',
        html`<p>One setting is varied, all others are as they are by default; each point is a model of its own.</p>${blocks}`,
      ),
    );
  }
  if (theorem.length > 0) {
    sections.push(
      section(
        'theorem',
        'The theorem',
        html`<p>The paper claims ℓ_u ≤ ℓ₁: the loss of the unlearned model is no more than the least that is possible without the feature, if ℓ₂ ≤ ℓ₁ (assumption 3) and the model has no training loss (assumption 4).
Its minima over all weights are searched by training from two starts for a bounded number of steps, so that the estimates of ℓ₁ are upper ones: ℓ_u above them refutes the claim, ℓ_u below them proves nothing.
Both ℓ₁ and ℓ₂ are taken over sets that contain ‖δ‖ = C, so that ℓ₂ ≥ ℓ₁ by definition, and assumption 3 can hold only as an equality.</p>${theorem.map(theoremBlock)}`,
      ),
    );
  }
  return sections;
}

function section(id: string, title: string, content: Html): StudySection {
  const tag =
    id === 'theorem' || id === 'ablations' ? undefined : html` <span class="tag">beyond the paper</span>`;
  return {
    id,
    title,
    content: html`
<section id="${id}"><h2>${title}${tag}</h2>
${content}
</section>`,
  };
}

async function curves(block: CurveBlock, place: number): Promise<Html> {
  // What could not be run says why in the notes.
  const shown = { ...block, curves: block.curves.filter(isMeasured) };
  const charts = await Promise.all(charted(block).map((measure) => chart(shown, measure, place)));
  const { title, scenarioTitle, setup, axis, measures } = block;
  return html`
<div class="block"><h3>${title}: ${name(scenarioTitle)} <span class="setup">${setupText(setup)}</span></h3>
${charts.length > 0 && legend(shown.curves.map(({ series, title: words }) => [words, lookOf(series)] as const))}${charts}
<div class="scroll"><table class="numbers">
<thead><tr><th scope="col">${axis}</th>${measures.map((measure) => html`<th scope="col">${pointMeasure(measure).title}</th>`)}<th scope="col">Forgotten</th></tr></thead>
${shown.curves.map((curve) => body(curve, measures))}
</table></div>
<ul class="footnotes">${curveNotes(block).map((text) => html`<li>${text}</li>`)}</ul>
</div>`;
}

function body({ title, usual, points }: Curve, measures: readonly PointMeasure[]): Html {
  return html`<tbody><tr><th scope="rowgroup" colspan="${measures.length + 2}">${title}</th></tr>${points.map(
    (point) => html`
<tr><th scope="row">${point.setting}${point.setting === usual && html`<span class="hint">default</span>`}</th>${measures.map((measure) => cell(point, measure))}<td data-label="Forgotten">${metText(point)}</td></tr>`,
  )}</tbody>`;
}

function cell({ measures }: CurvePoint, measure: PointMeasure): Html {
  const { title, unit } = pointMeasure(measure);
  const found = measures[measure];
  if (found === undefined) return html`<td data-label="${title}" class="none">–</td>`;
  const interval = intervalText(found, unit);
  return html`<td data-label="${title}"><span class="number">${valueText(found.value, unit)}</span>${
    interval !== '' && html`<span class="interval">${interval}</span>`
  }</td>`;
}

/** Settings with long names are told by the table alone. */
function charted({ scale, measures }: CurveBlock): readonly PointMeasure[] {
  if (scale === 'names') return [];
  return ['test', measures.includes('implant') ? 'implant' : 'sensitivity'];
}

async function chart(block: CurveBlock, measure: PointMeasure, place: number): Promise<Html> {
  const { title: of, unit } = pointMeasure(measure);
  const { ablation, scenarioTitle, axis, before, majority, curves } = block;
  const settings = [...new Set(curves.flatMap(({ points }) => points.map(({ setting }) => setting)))];
  const lines = curves.map(({ series, points }) => ({
    look: lookOf(series),
    values: settings.map((setting) => points.find((point) => point.setting === setting)?.measures[measure]),
  }));
  const told = curves.map(({ title, points }) => {
    const values = points.map(({ setting, measures: found }) => {
      const value = found[measure];
      return `${setting} ${value === undefined ? 'not measured' : valueText(value.value, unit)}`;
    });
    return `${title}: ${values.join(', ')}`;
  });
  const marks = [
    ...(before[measure] === undefined ? [] : [{ label: 'before', value: before[measure].value }]),
    ...(measure !== 'test' ||
    majority === undefined ||
    Math.min(...lines.flatMap(({ values }) => values.flatMap((one) => one?.value ?? []))) > majority
      ? []
      : [{ label: 'majority class', value: majority }]),
  ];
  const draw = (width: number, size: string): Promise<string> =>
    drawSettings({
      id: `study-${ablation}-${place + 1}-${measure}-${size}`,
      title: `${of} by ${axis}, ${scenarioTitle}`,
      description: told.join('; '),
      axis,
      settings,
      lines,
      unit: unit === 'share' ? 'share' : 'number',
      marks,
      width,
      height: HEIGHT,
      ink: 'currentColor',
    });
  return html`<figure class="chart"><figcaption><strong>${of}</strong></figcaption><div class="wide">${markup(
    await draw(WIDE, 'wide'),
  )}</div><div class="narrow">${markup(await draw(NARROW, 'narrow'))}</div></figure>`;
}

function lookOf(series: string): Look {
  return LOOKS[series] ?? OTHER;
}

function theoremBlock(block: TheoremBlock): Html {
  const { scenarioTitle, setup, notRun, curve, models, checks, notes } = block;
  const heading = html`<h3>${name(scenarioTitle)} <span class="setup">${setupText(setup)}</span></h3>`;
  if (curve.length === 0) return html`<div class="block">${heading}<p>${notRun}</p></div>`;
  const loss = (title: string, value: TheoremBlock['curve'][number]['distance']): Html =>
    html`<td data-label="${title}"><span class="number">${valueText(value.value, 'number')}</span><span class="interval">${intervalText(value, 'number')}</span></td>`;
  const rows = (
    title: string,
    lines: readonly (readonly [
      string,
      TheoremBlock['curve'][number]['distance'],
      TheoremBlock['curve'][number]['distance'],
    ])[],
  ): Html => html`
<div class="scroll"><table class="numbers">
<thead><tr><th scope="col">${title}</th><th scope="col">Cross-entropy</th><th scope="col">‖f(x) − y‖</th></tr></thead>
<tbody>${lines.map(([words, crossEntropy, distance]) => html`<tr><th scope="row">${words}</th>${loss('Cross-entropy', crossEntropy)}${loss('‖f(x) − y‖', distance)}</tr>`)}</tbody>
</table></div>`;
  return html`
<div class="block">${heading}
<ul>${overallOf(block).map(({ title, text }) => html`<li>${title}: <strong>${text}</strong></li>`)}</ul>
<details><summary>All numbers</summary>
${rows(
  'Least loss found, by reading and norm of δ',
  curve.map(
    ({ reading, norm, crossEntropy, distance }) => [`${reading}, ${norm}`, crossEntropy, distance] as const,
  ),
)}
${rows(
  'Loss of a model on the rows as they are',
  models.map(
    ({ name: of, lambda, crossEntropy, distance }) =>
      [modelText(of, lambda), crossEntropy, distance] as const,
  ),
)}
<div class="scroll"><table class="numbers">
<thead><tr><th scope="col">Left ≤ right, by ‖f(x) − y‖</th><th scope="col">Left</th><th scope="col">Right</th><th scope="col">Left − right</th><th scope="col">Verdict</th></tr></thead>
<tbody>${checks
    .filter(({ loss: by }) => by === 'distance')
    .map(
      (check) =>
        html`<tr><th scope="row">${checkText(check)}</th>${loss('Left', check.left)}${loss('Right', check.right)}${loss('Left − right', check.difference)}<td data-label="Verdict" title="${check.why}">${verdictText(check)}</td></tr>`,
    )}</tbody>
</table></div>
</details>
<ul class="footnotes">${[...READING_WORDS, ...notes].map((text) => html`<li>${text}</li>`)}</ul>
</div>`;
}
