import { version } from '../version.ts';
import type { Figure } from './chart.ts';
import { html, raw, type Markup } from './markup.ts';
import { STYLE } from './pageStyle.ts';

export type { Markup };

export interface Section {
  /** Where links to it go: `#losses`. */
  readonly id: string;
  readonly title: string;
  readonly body: Markup | readonly Markup[];
}

export interface Page {
  readonly title: string;
  /** What the page is about, in a sentence. */
  readonly lead: string;
  /** The figures that a reader looks for first, by name. */
  readonly figures: readonly (readonly [name: string, value: string])[];
  readonly sections: readonly Section[];
  /** How the page can be made anew. */
  readonly remake?: string;
  /** Looks of what this page alone has. */
  readonly style?: string;
}

/**
 * A page that stands alone: no script, nothing loaded from elsewhere, light or dark as its reader's system is, light on paper.
 *
 * @returns HTML
 */
export async function renderPage({ title, lead, figures, sections, remake, style = '' }: Page): Promise<string> {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>${title}</title>
        <style>
          ${raw(STYLE + style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="lead">${lead}</p>
          ${
            figures.length > 0 &&
            html`<dl class="figures">
              ${figures.map(
                ([name, value]) =>
                  html`<div>
                    <dt>${name}</dt>
                    <dd>${value}</dd>
                  </div>`,
              )}
            </dl>`
          }
          ${
            sections.length > 1 &&
            html`<nav aria-label="Sections">
              <ul>
                ${sections.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}
              </ul>
            </nav>`
          }
        </header>
        <main>
          ${sections.map(
            ({ id, title: name, body }) =>
              html`<section id="${id}" aria-labelledby="${id}-title">
                <h2 id="${id}-title">${name}</h2>
                ${body}
              </section> `,
          )}
        </main>
        <footer><p>ulmfit ${version()}${remake !== undefined && html` · made anew by <code>${remake}</code>`}</p></footer>
      </body>
    </html> `;
  return String(await page);
}

/** A figure in the page, with what it shows for those who cannot see it. */
export async function picture(
  figure: Figure,
  { title, explanation }: { readonly title: string; readonly explanation: string },
): Promise<Markup> {
  const { chartSvg } = await import('./chart.ts'); // the drawing library is large, and training need not wait for it
  return html`<figure>
    <figcaption>
      <h3>${title}</h3>
      <p>${explanation}</p>
    </figcaption>
    ${raw(inlineSvg(await chartSvg(figure), title))}
  </figure>`;
}

/** Attributes of an SVG that hold lengths. */
const LENGTHS = / (d|transform|x|y|x1|x2|y1|y2|width|height)="([^"]*)"/g;

/**
 * An SVG as part of a page: one picture for a screen reader (Vega describes every mark), no white ground, coordinates of a tenth of a
 * pixel, and as wide as there is room.
 */
function inlineSvg(svg: string, title: string): string {
  const [, viewBox = ''] = /viewBox="([^"]*)"/.exec(svg) ?? [];
  const width = viewBox.split(' ')[2] ?? '';
  const label = title.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
  const inner = svg
    .replace(/^[^]*?<svg[^>]*>/, '')
    .replace(/<\/svg>\s*$/, '')
    .replaceAll(/ (role|aria-[a-z]+)="[^"]*"/g, '')
    .replace(/<rect width="[^"]*" height="[^"]*" fill="#ffffff"(\/>|><\/rect>)/, '')
    .replaceAll(
      LENGTHS,
      (_, name: string, value: string) =>
        ` ${name}="${value.replaceAll(/-?\d+\.\d{2,}/g, (number) => String(Math.round(Number(number) * 10) / 10))}"`,
    );
  return `<svg role="img" aria-label="${label}" viewBox="${viewBox}" style="max-width:${width}px" xmlns="http://www.w3.org/2000/svg">${inner}</svg>`;
}

export interface TableColumn {
  readonly name: string;
  /** Numbers stand to the right. */
  readonly isNumber?: boolean;
}

/** One cell of a table: plain text, or text with a share of 1 that is drawn behind it. */
export type Cell = string | Markup | { readonly text: string; readonly share: number };

/** A table that scrolls by itself where it is wider than the page. Each row's first cell is its name. */
export function table(caption: string, columns: readonly TableColumn[], rows: readonly (readonly Cell[])[]): Markup {
  const kind = (index: number) => (columns[index]?.isNumber ? 'number' : 'text');
  const cellOf = (cell: Cell, index: number) => {
    if (index === 0) return html`<th scope="row" class="${kind(index)}">${cell}</th>`;
    if (typeof cell === 'object' && 'share' in cell) {
      return html`<td class="bar" style="--share:${cell.share.toFixed(3)}">${cell.text}</td>`;
    }
    return html`<td class="${kind(index)}">${cell}</td>`;
  };
  return scrolling(
    caption,
    html`<table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map(({ name }, index) => html`<th scope="col" class="${kind(index)}">${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map(cellOf)}
            </tr> `,
        )}
      </tbody>
    </table>`,
  );
}

/** A part of the page that scrolls by itself, with the keyboard too. */
export function scrolling(name: string, body: Markup): Markup {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${name}">${body}</div>`;
}
