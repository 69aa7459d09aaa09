/** What the terminal and the page both show of an explained answer. */
import type { ExplainedWord, Explanation } from '../../text/explanation.ts';
import { percent } from './tables.ts';

/** Contributions below this many points are not worth a strong colour, even where no word contributes more. */
const LEAST_SCALE = 0.02;

/** What is explained, as a subject: `"pos"`, or `the number`. */
export function subject({ label }: Explanation): string {
  return label === undefined ? 'the number' : JSON.stringify(label);
}

/** A probability as `81.2 %`, a number as `3.42`. */
export function shownValue({ task }: Explanation, value: number): string {
  return task === 'regression' ? plainNumber(value) : percent(value);
}

/** A difference with its sign: of probabilities in points (hundredths), `+12.3`; of numbers as it is. */
export function shownChange({ task }: Explanation, change: number | undefined): string {
  if (change === undefined) return '';
  const text = task === 'regression' ? plainNumber(Math.abs(change)) : (100 * Math.abs(change)).toFixed(1);
  if (Number(text) === 0) return text;
  return `${change < 0 ? '-' : '+'}${text}`;
}

/** What differences are measured in. */
export function unitOf({ task }: Explanation): string {
  return task === 'regression' ? 'the unit of the answer' : 'percentage points';
}

/** Three digits, or all before the point. */
function plainNumber(value: number): string {
  return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
}

/** A word with its place in the document, from 1. */
export interface PlacedWord extends ExplainedWord {
  readonly place: number;
}

/** The words that contribute most, whichever way; the strongest first. Only those that were occluded. */
export function strongestWords({ words }: Explanation, count: number): PlacedWord[] {
  return words
    .map((word, index) => ({ ...word, place: index + 1 }))
    .filter(({ occlusion }) => occlusion !== undefined)
    .toSorted((a, b) => Math.abs(b.occlusion ?? 0) - Math.abs(a.occlusion ?? 0))
    .slice(0, count);
}

/** How strongly a word speaks for the answer, from -1 (against it) to 1, beside the strongest word of the document. */
export function strengthOf(explanation: Explanation): (word: ExplainedWord) => number {
  const greatest = explanation.words.reduce((most, { occlusion = 0 }) => Math.max(most, Math.abs(occlusion)), 0);
  const scale = explanation.task === 'regression' ? greatest : Math.max(greatest, LEAST_SCALE);
  return ({ occlusion = 0 }) => (scale === 0 ? 0 : occlusion / scale);
}

/** The words in the order in which the curve's model read them. */
export function inReadingOrder({ words, direction }: Explanation): PlacedWord[] {
  const placed = words.map((word, index) => ({ ...word, place: index + 1 }));
  return direction === 'forward' ? placed : placed.toReversed();
}

/** The ends of the scale of values: all probabilities, or what numbers there are. */
export function scaleOf(explanation: Explanation): readonly [low: number, high: number] {
  if (explanation.task !== 'regression') return [0, 1];
  const values = [explanation.last, ...(explanation.start === undefined ? [] : [explanation.start])];
  const [low, high] = explanation.words.reduce(([least, most], { value }) => [Math.min(least, value), Math.max(most, value)] as const, [
    Math.min(...values),
    Math.max(...values),
  ] as const);
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** How the scores came about, in sentences: what a reader must know to read them. */
export function howItWasMeasured(explanation: Explanation): string[] {
  const { occlusion, occluded, words, isPair, direction } = explanation;
  const how = occlusion === 'unknown' ? "with xxunk in the word's place" : 'without the word';
  const sentences = [
    `Occlusion: what the answer loses ${how}, in ${unitOf(explanation)}; above 0 the word speaks for ${subject(explanation)}.`,
  ];
  if (occluded < words.length) {
    sentences.push(`Only the ${occluded} of ${words.length} words that move the answer most while it is read were occluded.`);
  }
  if (isPair) sentences.push("The curve is the forward model's; the answer and the occlusion are the mean of both models'.");
  if (direction === 'backward') sentences.push('This model reads from the end to the beginning, and so does the curve.');
  return sentences;
}

/**
 * An explanation for machines: `explained` (the label), `start` (the answer before the first word), `occludedBy`, and of each word its
 * text, the answer after it (`probability`, for regression `value`), and its occlusion score (null where it was not occluded).
 */
export function explanationJson({ task, label, start, occlusion: occludedBy, words }: Explanation): object {
  const name = task === 'regression' ? 'value' : 'probability';
  return {
    ...(label !== undefined && { explained: label }),
    ...(start !== undefined && { start }),
    occludedBy,
    words: words.map(({ text, value, occlusion, isUnknown }) => ({
      word: text,
      [name]: value,
      occlusion: occlusion ?? null,
      ...(isUnknown && { unknown: true }),
    })),
  };
}
