/** Text and markup kept apart: what is put into a template is escaped unless it is markup already. */
import { printableLine, shortened } from '../terminal/text.ts';

/** Markup that is safe to put on a page. Only this module, and the charts through {@link markup}, make it. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What a template takes: `undefined` and `false` leave nothing. */
export type Content = Html | string | number | undefined | false | readonly Content[];

/**
 * A template for markup.
 *
 * @example html`<p>${'a < b'}</p>` // <p>a &lt; b</p>
 */
export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Html {
  return new Html(strings.reduce((page, string, i) => page + rendered(contents[i - 1]) + string));
}

function rendered(content: Content): string {
  if (content === undefined || content === false) return '';
  if (content instanceof Html) return content.text;
  if (typeof content === 'string') return escaped(content);
  if (typeof content === 'number') return String(content);
  return content.map(rendered).join('');
}

/** Text as it may stand in an element or in a quoted attribute, of HTML or XML alike. */
export function escaped(text: string): string {
  return clean(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** One line without characters that XML forbids or that change the direction of the text around them. */
export function clean(text: string): string {
  return printableLine(text.toWellFormed().replace(/[\t\n\r]+/g, ' ')).replace(/[\ufffe\uffff]/g, '\ufffd');
}

/** Markup from elsewhere that is known to be safe: charts, the style sheet. */
export function markup(text: string): Html {
  return new Html(text);
}

/** Longest name that a page shows whole, in columns of a fixed-width font. */
const LONGEST_NAME = 120;

/** A name out of a file (a feature, a column, a value of the graph), set apart from the sentence around it. */
export function name(text: string): Html {
  return html`<bdi class="name">${shortened(clean(text), LONGEST_NAME)}</bdi>`;
}

/** The name of an input, an output or another value of a graph. */
export function graphName(text: string): Html {
  return html`<code>${name(text)}</code>`;
}

/** A digest, broken where the line ends. */
export function digest(text: string): Html {
  return html`<code class="digest">${text}</code>`;
}
