/**
 * Texts that are not finished: what of one can be tokenized for good, whatever comes next.
 *
 * The rules look beyond a word. White space, repeated words, references such as `&amp;` and the spaces beside Thai all change with
 * what stands around them, so a text may be cut only where none of them can see across. The places below are those, and by
 * their conditions the tokens of the two parts, one after the other, are the tokens of the whole.
 */
import { isWhiteSpace, WORD } from './codePoints.ts';
import { endsSpaceless, EXTENDING, startsSpaceless } from './spacelessScripts.ts';
import { FIELD } from './specialTokens.ts';
import { tokenize } from './tokenizer.ts';
import { mayBeginException } from './wordTokenizer.ts';

/**
 * The tokens of a part of a text that was cut by {@link safeCut}: those of a document, but that only its first part begins with `xxbos`.
 *
 * @example tokenizePart('funny film', { isFirst: false }) // ['funny', 'film']
 */
export function tokenizePart(text: string, { isFirst }: { readonly isFirst: boolean }): string[] {
  const tokens = tokenize(text);
  return isFirst ? tokens : tokens.slice(1);
}

/**
 * The last place where a text can be cut such that its tokens are those of its two parts, whatever is written behind it later.
 * 0 where there is none yet.
 *
 * @param text the beginning of a text, or what came behind an earlier cut
 * @returns the UTF-16 unit at which the second part begins
 * @example
 * safeCut('I liked this fil'); // 2: "liked" is whole, and what is cut off cannot become part of a repetition
 * safeCut('I liked this '); // 8
 */
export function safeCut(text: string): number {
  let chunk = chunkBefore(text, text.length);
  let next: Chunk | undefined;
  while (chunk !== undefined) {
    const before = chunkBefore(text, chunk.start);
    const inside = Math.max(cutAtPunctuation(text, chunk), cutBetweenCharacters(text, before, chunk, next));
    if (inside > 0) return inside;
    if (before !== undefined && isComplete(text, chunk) && isCutBetween(text, chunkBefore(text, before.start), before, chunk)) {
      return chunk.start;
    }
    next = chunk;
    chunk = before;
  }
  return 0;
}

/** A stretch of text without white space. */
interface Chunk {
  readonly start: number;
  readonly end: number;
}

/** What fastai's rules turn into white space, or join to what is beside it. */
const UNSETTLED = /[&;\\<>@]/;
const UNSETTLED_OR_SPACED = /[&;\\<>@#/]/;
const THREE_EQUAL = /(.)\1\1/su;
const LETTER_OR_DIGIT = /^[\p{L}\p{N}]/u;
const ONLY_LETTERS = /^[\p{L}\p{M}\p{N}]+$/u;
const WORD_CHARACTER = new RegExp(`^[${WORD}]`, 'u');
const MAY_START_A_REPLACEMENT = /^[#\\<.@&/;]/;
const LONE_SURROGATE = /^\p{Cs}/u;

/**
 * Whether a text can be cut before the chunk `next`, which has a chunk `last` and a chunk `beforeLast` in front of it: where
 * - they stand apart by a single space that is no token, which beside a character of a script without spaces it would be;
 * - `last` begins with another character than `next`, and ends with another one than `beforeLast`: so no repetition of words runs
 *   across, nor does one that ends here hide one that begins there;
 * - no rule puts white space into a place where these conditions do not look;
 * - and no exception of several tokens, such as an emoticon, can begin with the last token before the cut.
 */
function isCutBetween(text: string, beforeLast: Chunk | undefined, last: Chunk, next: Chunk): boolean {
  if (beforeLast === undefined || next.start - last.end !== 1 || text[last.end] !== ' ') return false;
  if (endsSpaceless(text, last.end) || startsSpaceless(text, next.start)) return false;
  const [before, word, following] = [beforeLast, last, next].map(({ start, end }) => text.slice(start, end)) as [string, string, string];
  return (
    LETTER_OR_DIGIT.test(following) &&
    firstCharacter(following) !== firstCharacter(word) &&
    !following.includes(';') &&
    before.at(-1) !== word.at(-1) &&
    !UNSETTLED.test(before) &&
    !UNSETTLED_OR_SPACED.test(word) &&
    !THREE_EQUAL.test(word) &&
    !word.endsWith(FIELD) &&
    !mayBeginException(tokenize(word).at(-1) ?? '')
  );
}

/**
 * The last place in a chunk between a character of a script without spaces, which is always a token, and a punctuation mark: where a
 * repetition of words ends in any case, and none begins.
 */
function cutAtPunctuation(text: string, { start, end }: Chunk): number {
  for (let position = end - 1; position > start; position--) {
    if (endsSpaceless(text, position) && isPunctuation(text, position)) return position;
  }
  return 0;
}

function isPunctuation(text: string, position: number): boolean {
  const character = String.fromCodePoint(text.codePointAt(position) ?? 0);
  if (WORD_CHARACTER.test(character) || MAY_START_A_REPLACEMENT.test(character) || LONE_SURROGATE.test(character)) return false;
  return !EXTENDING.has(character.codePointAt(0) ?? 0);
}

/**
 * The last place in a chunk between two characters of a script without spaces, in a chunk that, by its first character, repeats neither the
 * chunk before it nor the one behind it, as the part of it behind the cut does not either. All three must consist of letters.
 */
function cutBetweenCharacters(text: string, before: Chunk | undefined, chunk: Chunk, next: Chunk | undefined): number {
  if (before === undefined || next === undefined || !isComplete(text, next)) return 0;
  const first = firstCharacter(text, chunk.start);
  const firstOfNext = firstCharacter(text, next.start);
  if (first === firstOfNext || first === firstCharacter(text, before.start)) return 0;
  if (![before, chunk, next].every(({ start, end }) => isPlain(text.slice(start, end)))) return 0;
  for (let position = chunk.end - 1; position > chunk.start; position--) {
    if (!startsSpaceless(text, position) || !isWholeLetter(text, chunk.start, position)) continue;
    if (firstCharacter(text, position) !== firstOfNext) return position;
  }
  return 0;
}

const isPlain = (chunk: string): boolean => ONLY_LETTERS.test(chunk) && !THREE_EQUAL.test(chunk);

/** Whether a letter of a script without spaces ends at `end`, with no marks on it. */
function isWholeLetter(text: string, start: number, end: number): boolean {
  const size = end - start > 1 && (text.codePointAt(end - 2) ?? 0) > 0xffff ? 2 : 1;
  return startsSpaceless(text, end - size);
}

/** Whether it is certain that the chunk ends where it does. */
const isComplete = (text: string, { end }: Chunk): boolean => end < text.length;

function firstCharacter(text: string, start = 0): string {
  return String.fromCodePoint(text.codePointAt(start) ?? 0);
}

/** The last chunk that ends at or before `end`. */
function chunkBefore(text: string, end: number): Chunk | undefined {
  let last = end;
  while (last > 0 && isWhiteSpace(text.charCodeAt(last - 1))) last--;
  let start = last;
  while (start > 0 && !isWhiteSpace(text.charCodeAt(start - 1))) start--;
  return last === 0 ? undefined : { start, end: last };
}
