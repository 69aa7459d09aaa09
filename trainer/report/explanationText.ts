/** An explained answer in the terminal. */
import { styleText } from 'node:util';
import type { ExplainedWord, Explanation } from '../../text/explanation.ts';
import { howItWasMeasured, inReadingOrder, scaleOf, shownChange, shownValue, strengthOf, strongestWords, subject } from './explanation.ts';
import { aligned } from './tables.ts';

export interface ExplanationTextOptions {
  /** Whether the text is shown with coloured words. Without colour it is not shown, as the table says it all. */
  readonly colour: boolean;
  /** Width of the terminal in characters; default 80. */
  readonly columns?: number | undefined;
}

/** Words in the table. */
const SHOWN_WORDS = 10;
const LONGEST_CURVE = 60;
const BARS = [...'▁▂▃▄▅▆▇█'];

/** From which strength on a word is coloured, in bold, and with its colours inverted. */
const STRENGTHS = { coloured: 0.1, bold: 0.35, inverted: 0.7 } as const;

/**
 * An explained answer as text: the document with the words that speak for the answer in cyan and those against it in red, the answer
 * while the document is read, and a table of the words that contribute most.
 *
 * @example console.log(explanationText(explainDocument(classifier, ['A fine film.']), { colour: false }));
 */
export function explanationText(explanation: Explanation, { colour, columns = 80 }: ExplanationTextOptions): string {
  const blocks = [curveLine(explanation, columns), wordTable(explanation), howItWasMeasured(explanation).join('\n')];
  return [...(colour ? [colouredText(explanation)] : []), ...blocks].filter((block) => block !== '').join('\n\n');
}

function colouredText(explanation: Explanation): string {
  const strength = strengthOf(explanation);
  let text = '';
  let at = 0;
  for (const word of explanation.words) {
    text += harmless(explanation.text.slice(at, word.start)) + painted(word, strength(word));
    at = word.end;
  }
  return text + harmless(explanation.text.slice(at));
}

function painted({ text }: ExplainedWord, strength: number): string {
  const size = Math.abs(strength);
  if (size < STRENGTHS.coloured) return harmless(text);
  const format = [strength > 0 ? ('cyan' as const) : ('red' as const)];
  const stronger = [...(size >= STRENGTHS.bold ? (['bold'] as const) : []), ...(size >= STRENGTHS.inverted ? (['inverse'] as const) : [])];
  return styleText([...format, ...stronger], harmless(text), { validateStream: false });
}

/** A text may hold control characters that a terminal obeys: they are shown instead. */
function harmless(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '\ufffd');
}

function curveLine(explanation: Explanation, columns: number): string {
  const { start, last, isPair, words } = explanation;
  if (words.length === 0) return 'The document has no words.';
  const [from, to] = [start === undefined ? '' : `${shownValue(explanation, start)} `, shownValue(explanation, last)];
  const title = `${subject(explanation)} while reading${isPair ? ' (forward model)' : ''}:`;
  const room = Math.max(8, Math.min(LONGEST_CURVE, columns - title.length - from.length - to.length - 3));
  return harmless(`${title} ${from}${sparkline(explanation, room)} ${to}`);
}

/** One bar a word, or one for the last of several words. */
function sparkline(explanation: Explanation, room: number): string {
  const [low, high] = scaleOf(explanation);
  const values = inReadingOrder(explanation).map(({ value }) => value);
  const count = Math.min(room, values.length);
  return Array.from({ length: count }, (_, bar) => {
    const value = values[Math.ceil(((bar + 1) * values.length) / count) - 1] ?? low;
    return BARS[Math.min(BARS.length - 1, Math.floor(((value - low) / (high - low)) * BARS.length))];
  }).join('');
}

function wordTable(explanation: Explanation): string {
  const rows = strongestWords(explanation, SHOWN_WORDS).map((word) => [
    harmless(word.text.replace(/\s+/g, ' ')) + (word.isUnknown ? ' (unknown)' : ''),
    String(word.place),
    shownChange(explanation, word.occlusion),
    shownValue(explanation, word.value),
    shownChange(explanation, word.change),
  ]);
  return rows.length === 0 ? '' : aligned([['word', 'place', 'occlusion', 'after it', 'change'], ...rows]);
}
