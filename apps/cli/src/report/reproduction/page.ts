/** The paper's tables beside ours as one page. */
import { numbersOf, PAPER, type Picture, type StudyTables, type Tables } from '@assay/reproduction';
import { claimGroups, headline } from '../../reproduction/words.ts';
import type { Versions } from '../../versions.ts';
import { type Html, html, markup, name } from '../html.ts';
import { counted, minute } from '../numbers.ts';
import { STYLE } from '../style.ts';
import { claims, tallied } from './claims.ts';
import { numbers } from './numbers.ts';
import { studySections } from './studies.ts';
import { REPRODUCTION_STYLE } from './style.ts';

/** Nothing is fetched and nothing runs: the page carries all it needs. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** Everything that the page shows: values only, so that the same input gives the same page. */
export interface ReproductionInput {
  readonly tables: Tables;
  /** Ablations, shares of the data, the theorem. */
  readonly studies?: StudyTables;
  readonly pictures: readonly Picture[];
  /** The command with its arguments, as a person would write it again. */
  readonly commandLine: string;
  readonly generatedAt: Date;
  readonly versions: Versions;
  /** Results that are still to come; 0 when the run is whole. */
  readonly outstanding: number;
}

/** One HTML page that opens offline, without scripts. Every string of the input is shown as text. */
export async function renderReproduction(input: ReproductionInput): Promise<string> {
  const { tables, pictures, versions, outstanding } = input;
  const sections = await Promise.all(tables.tables.map(numbers));
  const studies = input.studies === undefined ? [] : await studySections(input.studies);
  const verdicts = numbersOf(tables).flatMap(({ cell }) => cell.judgement?.verdict ?? []);
  const isStudiesAlone = studies.length > 0 && tables.results === 0;
  const shown = tables.tables.filter(({ blocks }) => blocks.length > 0);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${markup(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Assay ${versions.assay}">
<title>The Ferrari paper, run again</title>
<style>${markup(STYLE)}${markup(REPRODUCTION_STYLE)}</style>
</head>
<body>
<main>
<header>
<p class="eyebrow">The Ferrari paper, run again · ${minute(input.generatedAt)}</p>
<h1>${isStudiesAlone ? 'The Ferrari paper, run again' : headline(tables)}</h1>
${tables.claims.length > 0 && tallied(claimGroups(tables.claims).map(({ verdict }) => verdict))}
${
  !isStudiesAlone &&
  html`<p>${counted(tables.results - tables.notRun, 'result')}${tables.notRun > 0 && `, ${counted(tables.notRun, 'experiment')} that cannot be run and say why`}. ${
    verdicts.length > 0 && html`Of the paper’s single numbers:`
  }</p>`
}
${verdicts.length > 0 && tallied(verdicts)}
${
  outstanding > 0 &&
  html`<p class="warning">The run is not whole: ${counted(outstanding, 'result')} are still to come. The same command goes on.</p>`
}
<p class="hint">${PAPER.citation} ${PAPER.identifier}.</p>
<nav aria-label="Tables"><ul class="contents">${tables.claims.length > 0 && html`<li><a href="#claims">What the paper claims</a></li>`}${shown.map(
    ({ name: id, title }) => html`<li><a href="#${id}">${title}</a></li>`,
  )}${studies.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}${pictures.length > 0 && html`<li><a href="#pictures">Pictures</a></li>`}<li><a href="#rules">How it is judged</a></li></ul></nav>
</header>
${claims(tables.claims)}
${sections}
${studies.map(({ content }) => content)}
${pictures.length > 0 && gallery(pictures)}
${rules(tables)}
${remarks(tables)}
${provenance(input)}
<footer>Written by Assay ${versions.assay}. This page holds summaries only, no rows, and opens without a network.</footer>
</main>
</body>
</html>
`.text;
}

function gallery(pictures: readonly Picture[]): Html {
  return html`
<section id="pictures"><h2>Pictures</h2>
<div class="pictures">${pictures.map(
    ({ title, caption, png }) => html`
<figure><img alt="${title}: ${caption}" src="data:image/png;base64,${markup(Buffer.from(png).toString('base64'))}"><figcaption><strong>${title}</strong> <span class="hint">${caption}</span></figcaption></figure>`,
  )}</div>
</section>`;
}

function rules({ rules: sentences }: Tables): Html {
  return html`
<section id="rules"><h2>How it is judged</h2>
<ul>${sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>
<p class="note">Means are over seeds, with Student’s 95&nbsp;% interval. With one seed the interval is over rows (Wilson’s for shares), and says nothing of other seeds. Intervals over seeds say what other seeds would give on the same data, and can be narrower than those over rows.</p>
</section>`;
}

/** What the results say of themselves, and what is missing. */
function remarks({ notes, missing }: Tables): Html | undefined {
  if (notes.length === 0 && missing.length === 0) return undefined;
  return html`
<section id="notes"><h2>To know</h2>
<ul>${missing.map(({ title, why }) => html`<li><strong>${title}</strong>: ${why}</li>`)}${notes.map(
    ({ text, of }) =>
      html`<li>${text} <span class="hint">(${of.length > 4 ? `${counted(of.length, 'experiment')}, such as ${of[0]}` : of.join('; ')})</span></li>`,
  )}</ul>
</section>`;
}

function provenance({ commandLine, versions, generatedAt }: ReproductionInput): Html {
  const entry = (term: string, value: string): Html =>
    html`<div><dt>${term}</dt><dd>${name(value)}</dd></div>`;
  return html`
<section id="provenance"><h2>To do it again</h2>
<pre><code>${commandLine}</code></pre>
<dl>${entry('Assay', versions.assay)}${entry('Node', versions.node)}${entry('ONNX Runtime', versions.onnxruntime ?? 'unknown')}${entry('Written', minute(generatedAt))}</dl>
</section>`;
}
