/**
 * The text rules of fastai (fastai 2.8, text/core.py, `defaults.text_proc_rules` and `text_postproc_rules`), one function
 * each, in the order in which they are applied. They mark what lower-casing and squeezing would lose (`xxmaj`, `xxup`, `xxrep`,
 * `xxwrep`), so that a small vocabulary can still say it.
 *
 * They follow Python's idea of characters and white space; see codePoints.ts.
 */
import { isWhiteSpace, skipChunk, skipWhiteSpace, stripWhiteSpace, WHITE_SPACE, WORD } from './codePoints.ts';
import { unescapeHtml } from './html.ts';
import { cutAtCharacters, endsSpaceless, mayHoldSpaceless, startsSpaceless } from './spacelessScripts.ts';
import { BEGIN, CAPITALIZED, END, FIELD, REPEATED_CHARACTER, REPEATED_WORD, UNKNOWN, UPPER_CASE } from './specialTokens.ts';

/** How a space that is a token, or part of one, is written. */
const SPACE = '▁';

/**
 * Writes a single space beside a character of a script without spaces as a token of its own, ` ▁ `: it ends a clause in Thai, and
 * nothing else would tell it from no space. Not one of fastai's rules; it comes before them, as they put in spaces themselves. Spaces
 * around the mark of a field are not the author's either.
 *
 * @example markSpaces('我用 iPhone') // '我用 ▁ iPhone'
 */
export function markSpaces(text: string): string {
  if (!mayHoldSpaceless(text)) return text;
  let result = '';
  let copied = 0;
  for (let space = text.indexOf(' ', 1); space >= 0; space = text.indexOf(' ', space + 1)) {
    const isSingle = space + 1 < text.length && !isWhiteSpace(text.charCodeAt(space - 1)) && !isWhiteSpace(text.charCodeAt(space + 1));
    if (!isSingle || !(endsSpaceless(text, space) || startsSpaceless(text, space + 1)) || isBesideField(text, space)) continue;
    result += `${text.slice(copied, space)} ${SPACE} `;
    copied = space + 1;
  }
  return copied === 0 ? text : result + text.slice(copied);
}

const FIELD_BEFORE = new RegExp(`${FIELD} [0-9]+$`);
const LONGEST_FIELD_MARK = FIELD.length + 12;

function isBesideField(text: string, space: number): boolean {
  return text.startsWith(`${FIELD} `, space + 1) || FIELD_BEFORE.test(text.slice(Math.max(0, space - LONGEST_FIELD_MARK), space));
}

/**
 * What documents from the web and from wikitext hold in place of plain characters, in the order of replacement. The sign is the rarest
 * of its characters: to look for it first is many times quicker than to try every `a` for an `amp;`.
 */
const MESS: readonly (readonly [sign: string, found: string, meant: string])[] = [
  [';', '#39;', "'"],
  [';', 'amp;', '&'],
  [';', '#146;', "'"],
  [';', 'nbsp;', ' '],
  [';', '#36;', '$'],
  ['\\', '\\n', '\n'],
  [';', 'quot;', "'"],
  ['<', '<br />', '\n'],
  ['\\', '\\"', '"'],
  ['<', '<unk>', UNKNOWN],
  ['@', ' @.@ ', '.'],
  ['@', ' @-@ ', '-'],
  ['.', '...', ' …'],
];

/**
 * Replaces the remains of HTML and of escapes by what they stand for, `...` by an ellipsis, and unescapes character references.
 * fastai: `fix_html`.
 *
 * @example fixHtml('AT&amp;T<br />isn#39;t...') // "AT&&T\nisn't …"
 */
export function fixHtml(text: string): string {
  let fixed = text;
  for (const [sign, found, meant] of MESS) {
    if (fixed.includes(sign) && fixed.includes(found)) fixed = fixed.replaceAll(found, () => meant);
  }
  return unescapeHtml(fixed);
}

const THREE_EQUAL = new RegExp(`([^${WHITE_SPACE}])\\1\\1`, 'gu');

/**
 * Three or more equal characters become ` xxrep n c `. fastai: `replace_rep`.
 *
 * @example replaceRepeatedCharacters('sooo good!!!!') // 's xxrep 3 o  good xxrep 4 ! '
 */
export function replaceRepeatedCharacters(text: string): string {
  let result = '';
  let copied = 0;
  THREE_EQUAL.lastIndex = 0;
  for (let match = THREE_EQUAL.exec(text); match !== null; match = THREE_EQUAL.exec(text)) {
    const [run, character = ''] = match;
    let end = match.index + run.length;
    while (text.startsWith(character, end)) end += character.length; // an open repetition in the pattern could overflow its stack
    result += `${text.slice(copied, match.index)} ${REPEATED_CHARACTER} ${(end - match.index) / character.length} ${character} `;
    copied = THREE_EQUAL.lastIndex = end;
  }
  return copied === 0 ? text : result + text.slice(copied);
}

/** Every match of fastai's pattern holds a match of this one, which is quick to look for. */
const MAY_REPEAT_WORDS = new RegExp(`(?:^|[${WHITE_SPACE}])([^${WHITE_SPACE}]+)[${WHITE_SPACE}]+\\1[${WHITE_SPACE}]+\\1`);

/**
 * Three or more equal words become ` xxwrep n word `, followed by the character after the last. fastai: `replace_wrep`, which
 * has the pattern `(?:\s|^)(\w+)\s+((?:\1\s+)+)\1(\s|\W|$)`; this function finds its matches in one pass, however long they are.
 *
 * @example replaceRepeatedWords('a very very very good one') // 'a xxwrep 3 very  good one'
 */
export function replaceRepeatedWords(text: string): string {
  if (!MAY_REPEAT_WORDS.test(text)) return text;
  let result = '';
  let copied = 0;
  let start = skipWhiteSpace(text, 0); // of the word that is looked at
  while (start < text.length) {
    const repetition = repetitionAt(text, start);
    if (repetition === undefined) {
      start = nextWord(text, start);
      continue;
    }
    result += `${text.slice(copied, Math.max(copied, start - 1))} ${REPEATED_WORD} ${repetition.times} ${repetition.word} `;
    copied = repetition.end;
    // The pattern takes the character behind the last word too, so words that repeat right behind it go unseen.
    start = nextWord(text, copied + sizeOfCharacterAt(text, copied));
  }
  return result + text.slice(copied);
}

interface Repetition {
  readonly word: string;
  readonly times: number;
  readonly end: number; // in the text, of the last of the words
}

/** The repetition that starts with the word at `start`, which stands at the text's start or behind white space. */
function repetitionAt(text: string, start: number): Repetition | undefined {
  const wordEnd = skipChunk(text, start);
  const length = wordEnd - start;
  const second = skipWhiteSpace(text, wordEnd);
  if (!sameUnits(text, start, second, length)) return undefined; // nearly always
  const word = text.slice(start, wordEnd);
  if (!ONLY_WORD_CHARACTERS.test(word)) return undefined;
  let copies = 0; // of the word, each followed by white space
  let copiesEnd = wordEnd;
  let position = second;
  while (text.startsWith(word, position) && isWhiteSpace(text.charCodeAt(position + length))) {
    copies++;
    copiesEnd = position + length;
    position = skipWhiteSpace(text, copiesEnd);
  }
  const endsInPunctuation = text.startsWith(word, position) && !isWordCharacterAt(text, position + length);
  if (endsInPunctuation && copies > 0) return { word, times: copies + 2, end: position + length };
  return copies > 1 ? { word, times: copies + 1, end: copiesEnd } : undefined;
}

const ONLY_WORD_CHARACTERS = new RegExp(`^[${WORD}]+$`, 'u');
const WORD_CHARACTER = new RegExp(`[${WORD}]`, 'uy');

function isWordCharacterAt(text: string, index: number): boolean {
  WORD_CHARACTER.lastIndex = index;
  return WORD_CHARACTER.test(text);
}

function sizeOfCharacterAt(text: string, index: number): number {
  return (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
}

function sameUnits(text: string, first: number, second: number, length: number): boolean {
  if (second + length > text.length) return false;
  for (let index = 0; index < length; index++) {
    if (text.charCodeAt(first + index) !== text.charCodeAt(second + index)) return false;
  }
  return true;
}

const nextWord = (text: string, start: number): number => skipWhiteSpace(text, skipChunk(text, start));

/**
 * Puts spaces around `/`, `#` and `\`. fastai: `spec_add_spaces`.
 *
 * @example addSpaces('7/10') // '7 / 10'
 */
export function addSpaces(text: string): string {
  return text.replace(/[/#\\]/g, ' $& ');
}

/** Two or more spaces become one; other white space stays. fastai: `rm_useless_spaces`. */
export function squeezeSpaces(text: string): string {
  return text.includes('  ') ? text.replace(/ {2,}/g, ' ') : text;
}

const CHUNKS = new RegExp(`[^${WHITE_SPACE}]+`, 'g');
const ALL_CAPS = /^[A-Z][^a-z]*$/;
const CAPITAL_FIRST = /^[A-Z][^A-Z]*$/;

/**
 * A word that starts with a capital letter and has no small ones becomes `xxup` and the word in lower case; a single
 * letter is only lower-cased. fastai: `replace_all_caps`; only A to Z and a to z count as letters here.
 *
 * @example replaceAllCaps('I SHOUT!') // 'i xxup shout!'
 */
export function replaceAllCaps(text: string): string {
  return text.replace(CHUNKS, replaceAllCapsWord);
}

/**
 * A word with a capital first letter and no other becomes `xxmaj` and the word in lower case. fastai: `replace_maj`.
 *
 * @example replaceCapitalized('Hello McFly') // 'xxmaj hello McFly'
 */
export function replaceCapitalized(text: string): string {
  return text.replace(CHUNKS, replaceCapitalizedWord);
}

/** `replaceAllCaps` for a text without white space. */
export const replaceAllCapsWord = (word: string): string => (ALL_CAPS.test(word) ? marked(UPPER_CASE, word) : word);
/** `replaceCapitalized` for a text without white space. */
export const replaceCapitalizedWord = (word: string): string => (CAPITAL_FIRST.test(word) ? marked(CAPITALIZED, word) : word);

const marked = (marker: string, word: string): string => (word.length > 1 ? `${marker} ` : '') + word.toLowerCase();

/**
 * Lower case, no white space at the ends, and the mark that a document begins. fastai: `lowercase`.
 *
 * @example lowerCase(' Hi ') // 'xxbos hi'
 */
export function lowerCase(text: string, options: { readonly begin?: boolean; readonly end?: boolean } = {}): string {
  const { begin = true, end = false } = options;
  return (begin ? `${BEGIN} ` : '') + stripWhiteSpace(text.toLowerCase()) + (end ? ` ${END}` : '');
}

/** Spaces inside a token become `▁`, so that tokens can be written apart by spaces. fastai: `replace_space`. */
export function replaceSpace(token: string): string {
  return token.replaceAll(' ', SPACE);
}

/** The rules that come before those about case. */
export function cleanText(text: string): string {
  return squeezeSpaces(addSpaces(replaceRepeatedWords(replaceRepeatedCharacters(fixHtml(text)))));
}

/**
 * Puts spaces around each character of a script without spaces, so that the rules about case see the words between them. Not one of
 * fastai's rules.
 *
 * @example setCharactersApart('我用iPhone') // '我 用 iPhone'
 */
export function setCharactersApart(text: string): string {
  return text.replace(
    CHUNKS,
    (chunk) =>
      cutAtCharacters(chunk)
        ?.map((piece) => piece.text)
        .join(' ') ?? chunk,
  );
}

/** All rules before the split into words, in fastai's order. */
export function applyRules(text: string): string {
  return lowerCase(replaceCapitalized(replaceAllCaps(setCharactersApart(cleanText(markSpaces(text))))));
}
