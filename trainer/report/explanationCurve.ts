/** The curve of an explained answer: how it moves while the document is read, as SVG within a page. */
import { html } from 'hono/html';

import type { Explanation } from '../../text/explanation.ts';
import { inReadingOrder, scaleOf, shownChange, shownValue, subject, type PlacedWord } from './explanation.ts';
import type { Markup } from './page.ts';

const WIDTH = 860;
const HEIGHT = 240;
/** The plotting area: its left, right, top and bottom. */
const PLOT = { left: 58, right: WIDTH - 14, top: 30, bottom: HEIGHT - 30 };
/** Places at most that tell their word when they are pointed at. */
const MOST_PLACES = 400;
const GRID_LINES = 4;
/** A line through more words is drawn thinner. */
const MANY_WORDS = 200;

/**
 * An SVG of the value after each word, in the order in which the words were read. Pointing at a place shows its word; the numbers stand in
 * the page's table as well. Colours are the page's, by the names of the classes.
 *
 * @param id of the description within the page
 */
export function curveSvg(explanation: Explanation, id: string): Markup {
  const words = inReadingOrder(explanation);
  const [low, high] = scaleOf(explanation);
  const x: Axis = (place) => PLOT.left + ((PLOT.right - PLOT.left) * place) / Math.max(1, words.length);
  const y: Axis = (value) => PLOT.bottom - ((PLOT.bottom - PLOT.top) * (value - low)) / (high - low);
  const points = [
    ...(explanation.start === undefined ? [] : [[0, explanation.start] as const]),
    ...words.map(({ value }, index) => [index + 1, value] as const),
  ];
  const line = points.map(([place, value]) => `${round(x(place))},${round(y(value))}`).join(' ');
  const values = Array.from({ length: GRID_LINES + 1 }, (_, step) => low + ((high - low) * step) / GRID_LINES);
  const tick = (value: number): string =>
    explanation.task === 'regression' ? shownValue(explanation, value) : `${Math.round(100 * value)} %`;
  const across = explanation.direction === 'forward' ? 'words read' : 'words read, from the last to the first';
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${id}">
    <title id="${id}">${description(explanation)}</title>
    ${values.map(
      (value) =>
        html`<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${round(y(value))}" y2="${round(y(value))}" />
          <text x="${PLOT.left - 8}" y="${round(y(value) + 4)}" text-anchor="end">${tick(value)}</text>`,
    )}
    <text x="${PLOT.left}" y="${HEIGHT - 8}">0</text>
    <text x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${across}</text>
    <text x="${PLOT.right}" y="${HEIGHT - 8}" text-anchor="end">${words.length}</text>
    <polyline class="${words.length > MANY_WORDS ? 'line thin' : 'line'}" points="${line}" />
    ${places(explanation, words, x, y)}
  </svg>`;
}

/** Where a value of either axis stands in the drawing. */
type Axis = (value: number) => number;

/** What pointing at the curve shows: a stretch of the width for each word, or for the last of several. */
function places(explanation: Explanation, words: readonly PlacedWord[], x: Axis, y: Axis): Markup[] {
  const together = Math.max(1, Math.ceil(words.length / MOST_PLACES));
  const parts: Markup[] = [];
  for (let first = 0; first < words.length; first += together) {
    const last = Math.min(first + together, words.length);
    const word = words[last - 1] as PlacedWord;
    const at = round(x(last));
    const [left, right] = [x(first + 0.5), Math.min(PLOT.right, x(last + 0.5))];
    const change = word.change === undefined ? '' : ` (${shownChange(explanation, word.change)})`;
    const label = `${word.place}. “${shortened(word.text)}” ${shownValue(explanation, word.value)}${change}`;
    parts.push(html`
      <g class="place">
        <rect x="${round(left)}" y="${PLOT.top}" width="${round(right - left)}" height="${PLOT.bottom - PLOT.top}" />
        <line x1="${at}" x2="${at}" y1="${PLOT.top}" y2="${PLOT.bottom}" />
        <circle cx="${at}" cy="${round(y(word.value))}" r="4" />
        <text x="${PLOT.left}" y="${PLOT.top - 12}">${label}</text>
      </g>
    `);
  }
  return parts;
}

/** What a person hears who cannot see the curve. */
function description(explanation: Explanation): string {
  const { start, last, words } = explanation;
  const from = start === undefined ? '' : ` from ${shownValue(explanation, start)}`;
  return `${subject(explanation)} while ${words.length} words are read:${from} to ${shownValue(explanation, last)}`;
}

const shortened = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
const round = (value: number): number => Math.round(value * 10) / 10;
