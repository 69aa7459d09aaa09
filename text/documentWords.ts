/** Where the words of a document stand, in its text and among its tokens: what is said of tokens can be shown on the text. */
import { isWhiteSpace } from './codePoints.ts';
import { fixHtml } from './rules.ts';
import { endsSpaceless, startsSpaceless } from './spacelessScripts.ts';
import { BEGIN, CAPITALIZED, END, FIELD, PADDING, REPEATED_CHARACTER, REPEATED_WORD, UPPER_CASE } from './specialTokens.ts';
import { detokenize, tokenizeFields } from './tokenizer.ts';

/** A word or a punctuation mark. */
export interface DocumentWord {
  /** As it stands in the text. */
  readonly text: string;
  /** Its place in the text: the first UTF-16 unit, and the one after the last. */
  readonly start: number;
  readonly end: number;
  /** Its tokens, the marks of its case or repetition among them: the first, and the one after the last. */
  readonly firstToken: number;
  readonly endToken: number;
}

/** A document as a person reads it, and its words in order. */
export interface DocumentText {
  readonly text: string;
  readonly words: readonly DocumentWord[];
}

/** A run of tokens that stands for some characters of the text. */
interface Piece {
  readonly text: string;
  readonly firstToken: number;
  readonly endToken: number;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The words of a document, given as its text columns. Parts of a word that the tokenizer cuts (`was` `n't`, `s` `xxrep 3 o`) are one
 * word. The text is the given one with its HTML resolved, as the model gets it; where tokens cannot be found in that, it is what the
 * tokens read like.
 *
 * @param tokens of the document, as {@link tokenizeFields} gives them
 * @example documentWords(["It wasn't GOOD."]).words.map(({ text }) => text); // ['It', "wasn't", 'GOOD', '.']
 */
export function documentWords(fields: readonly string[], tokens: readonly string[] = tokenizeFields(fields)): DocumentText {
  const pieces = piecesOf(tokens);
  const spaced = pieces.map(({ text }) => text).join(' ');
  for (const text of [fields.map(fixHtml).join('\n\n'), detokenize(tokens), spaced]) {
    const spans = spansIn(text, pieces);
    if (spans !== undefined) return { text, words: joined(text, pieces, spans) };
  }
  throw new Error(`documentWords: the pieces ${JSON.stringify(spaced.slice(0, 200))} cannot be found in themselves`);
}

/** The tokens in runs that stand for text each; marks without text and white space are left out. */
function piecesOf(tokens: readonly string[]): Piece[] {
  const pieces: Piece[] = [];
  for (let first = 0; first < tokens.length;) {
    const end = Math.min(first + lengthOfRun(tokens, first), tokens.length);
    const text = detokenize(tokens.slice(first, end));
    if (![...text].every((character) => isWhiteSpace(character.charCodeAt(0)))) pieces.push({ text, firstToken: first, endToken: end });
    first = end;
  }
  return pieces;
}

/** Tokens that belong together from here on: a mark and what it is about. */
function lengthOfRun(tokens: readonly string[], first: number): number {
  switch (tokens[first]) {
    case BEGIN:
    case END:
    case PADDING:
      return 1;
    case FIELD:
      return 2;
    case REPEATED_CHARACTER:
    case REPEATED_WORD:
      return 3;
    case UPPER_CASE:
    case CAPITALIZED:
      return tokens[first + 1]?.startsWith('xx') ? 1 : 2;
    default:
      return 1;
  }
}

/** Where pieces stand in a text that has them in this order, whatever its case and white space; undefined where it has not. */
function spansIn(text: string, pieces: readonly Piece[]): Span[] | undefined {
  const { letters, origins } = lettersOf(text);
  const spans: Span[] = [];
  let at = 0;
  for (const piece of pieces) {
    const wanted = lettersOf(piece.text).letters;
    if (!letters.startsWith(wanted, at)) return undefined;
    const last = origins[at + wanted.length - 1] ?? 0;
    spans.push({ start: origins[at] ?? 0, end: last + ((text.codePointAt(last) ?? 0) > 0xffff ? 2 : 1) });
    at += wanted.length;
  }
  return spans;
}

/** A text in lower case without white space, and from where in the text each of its units comes. */
function lettersOf(text: string): { letters: string; origins: readonly number[] } {
  let letters = '';
  const origins: number[] = [];
  let index = 0;
  for (const character of text) {
    if (!isWhiteSpace(character.charCodeAt(0))) {
      const lower = character.toLowerCase();
      letters += lower;
      for (let unit = 0; unit < lower.length; unit++) origins.push(index);
    }
    index += character.length;
  }
  return { letters, origins };
}

const ENDS_IN_WORD = /[\p{L}\p{N}\p{M}]$/u;
/** What goes on with a word: letters and digits, or an ending behind an apostrophe. */
const GOES_ON = /^['’]?[\p{L}\p{N}]/u;

/** Puts the parts of a word together: those with nothing between them in the text, where words have spaces between them. */
function joined(text: string, pieces: readonly Piece[], spans: readonly Span[]): DocumentWord[] {
  const words: DocumentWord[] = [];
  for (const [index, { firstToken, endToken }] of pieces.entries()) {
    const { start, end } = spans[index] as Span;
    const before = words.at(-1);
    if (before?.end === start && isOneWord(before.text, text.slice(start, end)))
      words[words.length - 1] = { ...before, text: text.slice(before.start, end), end, endToken };
    else words.push({ text: text.slice(start, end), start, end, firstToken, endToken });
  }
  return words;
}

function isOneWord(before: string, after: string): boolean {
  return ENDS_IN_WORD.test(before) && GOES_ON.test(after) && !endsSpaceless(before) && !startsSpaceless(after);
}
