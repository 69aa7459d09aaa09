/** Explained answers as a page: one file that needs no other, for any browser, light or dark, with a keyboard or a screen reader. */
import { html } from 'hono/html';

import type { ExplainedWord, Explanation } from '../../text/explanation.ts';
import { howItWasMeasured, shownChange, shownValue, strengthOf, subject } from './explanation.ts';
import { curveSvg } from './explanationCurve.ts';
import { GIVEN_FROM } from './metrics.ts';
import { renderPage, table, type Markup, type Section } from './page.ts';

/** Labels of one document that are listed. */
const SHOWN_LABELS = 12;

/** From which strength on a word is highlighted. */
const HIGHLIGHTED_FROM = 0.1;

/** What the model is called on the page. */
export interface ExplanationPageOptions {
  readonly model: string;
}

/**
 * A page that shows explained answers: of each text the answer, its curve, the text with its words highlighted, and all numbers in a table.
 * Highlights differ by their line as well as their colour, and every number can be read as text.
 *
 * @returns HTML
 * @example
 * const page = await explanationPage([explainDocument(classifier, ['A fine film.'])], { model: 'models/reviews' });
 */
export async function explanationPage(explanations: readonly Explanation[], { model }: ExplanationPageOptions): Promise<string> {
  return renderPage({
    title: 'Explained answers',
    lead: `How the answers of ${model} move while a text is read, and which words they hang on.`,
    figures: [],
    sections: explanations.map(sectionOf),
    style: STYLE,
  });
}

function sectionOf(explanation: Explanation, index: number): Section {
  const id = `text-${index + 1}`;
  const title = `${index + 1}. ${heading(explanation)}`;
  const answer = answerTable(explanation);
  if (explanation.words.length === 0) return { id, title, body: [answer, html`<p>The document has no words.</p>`] };
  const body = [
    answer,
    html`<figure class="curve">${curveSvg(explanation, `${id}-curve`)}</figure>`,
    html`<p class="document" dir="auto" lang="">${highlightedText(explanation)}</p>`,
    html`<p class="note">
      <span class="for">Underlined</span> words speak for ${subject(explanation)}, <span class="against">dashed</span> ones against it, the
      stronger the deeper. Point at a word or at the curve for its numbers. ${howItWasMeasured(explanation).join(' ')}
    </p>`,
    html`<details>
      <summary>All ${explanation.words.length} words as a table</summary>
      ${wordTable(explanation)}
    </details>`,
  ];
  return { id, title, body };
}

function heading(explanation: Explanation): string {
  const value = shownValue(explanation, explanation.value);
  return explanation.label === undefined ? value : `${explanation.label} ${value}`;
}

function answerTable(explanation: Explanation): Markup {
  const { labels, answer, task } = explanation;
  if (task === 'regression') return html``;
  const ranked = labels
    .map((label, index) => ({ label, probability: answer[index] ?? 0 }))
    .toSorted((a, b) => b.probability - a.probability);
  const rows = ranked.slice(0, SHOWN_LABELS).map(({ label, probability }) => {
    const given = task === 'multiLabel' && probability >= GIVEN_FROM ? ' (given)' : '';
    return [`${label}${given}`, { text: shownValue(explanation, probability), share: probability }];
  });
  const left = ranked.length - rows.length;
  return html`${table(`Answer${left > 0 ? ` (and ${left} labels more)` : ''}`, [{ name: 'label' }, { name: 'probability', isNumber: true }], rows)}`;
}

function highlightedText(explanation: Explanation): Markup[] {
  const strength = strengthOf(explanation);
  const parts: Markup[] = [];
  let at = 0;
  for (const word of explanation.words) {
    parts.push(html`${explanation.text.slice(at, word.start)}${highlighted(explanation, word, strength(word))}`);
    at = word.end;
  }
  return [...parts, html`${explanation.text.slice(at)}`];
}

function highlighted(explanation: Explanation, word: ExplainedWord, strength: number): Markup {
  const size = Math.abs(strength);
  const title = wordNumbers(explanation, word);
  if (size < HIGHLIGHTED_FROM) return html`<span title="${title}">${word.text}</span>`;
  const side = strength > 0 ? 'for' : 'against';
  return html`<span class="${side}" style="--strength:${(100 * size).toFixed(0)}%" title="${title}">${word.text}</span>`;
}

/** A word's numbers in one line. */
function wordNumbers(explanation: Explanation, { value, change, occlusion, isUnknown }: ExplainedWord): string {
  const parts = [
    occlusion === undefined ? 'not occluded' : `occlusion ${shownChange(explanation, occlusion)}`,
    `${subject(explanation)} after it ${shownValue(explanation, value)}${change === undefined ? '' : ` (${shownChange(explanation, change)})`}`,
    ...(isUnknown ? ['unknown to the model'] : []),
  ];
  return parts.join(', ');
}

function wordTable(explanation: Explanation): Markup {
  const columns = [{ name: 'word' }, ...['place', 'occlusion', 'after it', 'change'].map((name) => ({ name, isNumber: true }))];
  const rows = explanation.words.map((word, index) => [
    html`<span dir="auto" lang="">${word.text}</span>${word.isUnknown ? html` <small>unknown to the model</small>` : ''}`,
    String(index + 1),
    shownChange(explanation, word.occlusion),
    shownValue(explanation, word.value),
    shownChange(explanation, word.change),
  ]);
  return table(`${subject(explanation)}, word by word`, columns, rows);
}

/** Blue and vermilion are told apart with any kind of colour vision (Okabe & Ito 2008). */
const STYLE = `
:root { --for: #0072b2; --against: #d55e00 }
@media screen and (prefers-color-scheme: dark) { :root { --for: #56b4e9; --against: #e6802e } }
.document { max-width: 60rem; font-size: 1.1rem; line-height: 2; white-space: pre-wrap; overflow-wrap: anywhere; margin: 1.2rem 0 }
.for, .against { --strength: 60%; border-radius: 3px; padding: .1em .1em 0; border-bottom: 3px none;
  -webkit-print-color-adjust: exact; print-color-adjust: exact }
.for { background: color-mix(in srgb, var(--for) calc(var(--strength) * .45), transparent);
  border-bottom-style: solid; border-bottom-color: color-mix(in srgb, var(--for) max(var(--strength), 35%), transparent) }
.against { background: color-mix(in srgb, var(--against) calc(var(--strength) * .45), transparent);
  border-bottom-style: dashed; border-bottom-color: color-mix(in srgb, var(--against) max(var(--strength), 35%), transparent) }
.note :is(.for, .against) { color: var(--ink) }
td.bar { min-width: 14rem }
summary { cursor: pointer; margin-bottom: .8rem }
.curve { overflow-x: auto; max-width: 60rem }
.curve svg { min-width: 36rem; font-size: 12px }
.curve text { fill: var(--faint) }
.curve .grid { stroke: var(--grid) }
.curve .line { fill: none; stroke: var(--for); stroke-width: 2; stroke-linejoin: round }
.curve .thin { stroke-width: 1 }
.curve .place rect { fill: transparent }
.curve .place line { stroke: var(--faint); stroke-dasharray: 2 3 }
.curve .place circle { fill: var(--for) }
.curve .place text { fill: var(--ink); font-size: 14px; font-weight: 600 }
.curve .place :is(line, circle, text) { visibility: hidden; pointer-events: none }
.curve .place:hover :is(line, circle, text) { visibility: visible }
`;
