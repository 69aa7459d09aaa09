/**
 * Scripts that are written without spaces between words: Han, kana, Bopomofo, Yi, Thai, Lao, Khmer, Myanmar, Tibetan and their
 * neighbours. Where words end in them takes a dictionary to know, and dictionaries differ from one runtime to the next, while a
 * model's tokens must be the same everywhere. So each character is a token of its own, as a reader sees it: a letter with the marks
 * on it (Unicode Standard Annex 29, extended grapheme clusters).
 *
 * The sets are written out because a runtime's `\p{…}` grows with every version of Unicode.
 */
import { CodePointSet, codePointsOf } from './codePoints.ts';

/** Letters that stand in one of these scripts alone, in ascending order. Planes 2 and 3 belong to Han, assigned or not. */
export const SPACELESS_LETTERS = new CodePointSet(`
  e01-e30 e32 e40-e46 e81-e82 e84 e86-e8a e8c-ea3 ea5 ea7-eb0 eb2 ebd ec0-ec4 ec6 edc-edf f00 f40-f47 f49-f6c f88-f8c
  1000-102a 103f 1050-1055 105a-105d 1061 1065-1066 106e-1070 1075-1081 108e 1780-17b3 17d7 17dc 1950-196d 1970-1974
  1980-19ab 19b0-19c9 1a20-1a54 1aa7 1b05-1b33 1b45-1b4c 3005-3007 3021-3029 3031-3035 3038-303c 3041-3096 309d-309f
  30a1-30fa 30fc-30ff 3105-312f 31a0-31bf 31f0-31ff 3400-4dbf 4e00-a48c a984-a9b2 a9cf a9e0-a9e4 a9e6-a9ef a9fa-a9fe
  aa60-aa76 aa7a aa7e-aaaf aab1 aab5-aab6 aab9-aabd aac0 aac2 aadb-aadd f900-fa6d fa70-fad9 ff66-ff9d 11700-1171a
  11740-11746 16fe0-16fe1 16fe3 16ff2-16ff6 17000-18aff 18d00-18d1e 18d80-18df2 1aff0-1aff3 1aff5-1affb 1affd-1affe
  1b000-1b122 1b132 1b150-1b152 1b155 1b164-1b167 1b170-1b2fb 20000-2fffd 30000-3fffd`);

/** What belongs to the letter before it: combining marks, variation selectors, joiners, half-width voicing marks, Thai and Lao AM. */
export const EXTENDING = new CodePointSet(`
  300-36f 485-486 64b-655 670 951-954 e31 e33-e3a e47-e4e eb1 eb3-ebc ec8-ece f18-f19 f35 f37 f39 f3e-f3f f71-f84
  f86-f87 f8d-f97 f99-fbc fc6 102b-103e 1056-1059 105e-1060 1062-1064 1067-106d 1071-1074 1082-108d 108f 109a-109d
  17b4-17d3 17dd 1a55-1a5e 1a60-1a7c 1a7f 1ab0-1add 1ae0-1aeb 1b00-1b04 1b34-1b44 1b6b-1b73 1cd0-1cd2 1cd4-1ce0
  1ce2-1ce8 1ced 1cf4 1cf8-1cf9 1dc0-1dff 200c-200d 20d0-20f0 302a-302d 3099-309a a980-a983 a9b3-a9c0 a9e5 aa7b-aa7d
  aab0 aab2-aab4 aab7-aab8 aabe-aabf aac1 fe00-fe0f fe20-fe2d ff9e-ff9f 101fd 102e0 1133b 1171d-1172b 16ff0-16ff1
  1cf00-1cf2d 1cf30-1cf46 1d167-1d169 1d17b-1d182 1d185-1d18b 1d1aa-1d1ad e0100-e01ef`);

/** Signs that put the next consonant below the one before: Myanmar, Khmer, Tai Tham, Balinese, Javanese. */
const STACKING = codePointsOf('\u1039\u17d2\u1a60\u1b44\ua9c0');

const FIRST_LETTER = 0x0e01;
const FIRST_MARK = 0x0300;

/** UTF-16 units of which every character of these scripts has one. Few other scripts have them too. */
const UNITS = /[\u0e01-\u1fff\u2e80-\ud7ff\ud800-\ud83b\ud840-\ud8bf\uf900-\uffff]/;

const HIGH_UNIT = /[\u0e01-\uffff]/; // the one comparison that most texts need

/** False where a text holds no character of a script without spaces: a quick look for the many texts without. */
export const mayHoldSpaceless = (text: string): boolean => HIGH_UNIT.test(text) && UNITS.test(text);

/** A part of a chunk: one character of a script without spaces, or all that stands between two of them. */
export interface Piece {
  readonly text: string;
  readonly isCharacter: boolean;
}

/**
 * Cuts a chunk of text before and after each character of a script without spaces.
 *
 * @returns undefined where there is none, which is to say nearly always
 * @example cutAtCharacters('我用iPhone。') // 我, 用 and 。 of which the first two are characters, and iPhone
 */
export function cutAtCharacters(chunk: string): Piece[] | undefined {
  const pieces: Piece[] = [];
  let start = 0; // of what has not been handed out
  for (let position = 0; position < chunk.length;) {
    if (chunk.charCodeAt(position) < FIRST_LETTER) {
      position++;
      continue;
    }
    const end = characterEnd(chunk, position);
    if (end === position) {
      position += sizeOf(chunk.codePointAt(position) ?? 0);
      continue;
    }
    if (start < position) pieces.push({ text: chunk.slice(start, position), isCharacter: false });
    pieces.push({ text: chunk.slice(position, end), isCharacter: true });
    start = position = end;
  }
  if (pieces.length === 0) return undefined;
  if (start < chunk.length) pieces.push({ text: chunk.slice(start), isCharacter: false });
  return pieces;
}

/** Where the character that begins at `start` ends; `start` where none begins. */
function characterEnd(text: string, start: number): number {
  const first = text.codePointAt(start) ?? 0;
  if (!isLetter(first)) return start;
  let end = start + sizeOf(first);
  let stacks = false; // a letter that comes now stands below the last one
  while (end < text.length) {
    const next = text.codePointAt(end) ?? 0;
    const isMark = next >= FIRST_MARK && EXTENDING.has(next);
    if (!isMark && !(stacks && isLetter(next))) break;
    stacks = isMark && (stacks || STACKING.has(next));
    end += sizeOf(next);
  }
  return end;
}

/** Whether a text begins with a character of a script without spaces; from `start` on. */
export function startsSpaceless(text: string, start = 0): boolean {
  return text.charCodeAt(start) >= FIRST_LETTER && isLetter(text.codePointAt(start) ?? 0);
}

/** Whether a text ends with a character of a script without spaces; at `end`. */
export function endsSpaceless(text: string, end = text.length): boolean {
  if (!(text.charCodeAt(end - 1) >= FIRST_MARK)) return false;
  let point = codePointBefore(text, end);
  let start = end - sizeOf(point);
  while (start > 0 && EXTENDING.has(point)) {
    point = codePointBefore(text, start);
    start -= sizeOf(point);
  }
  return isLetter(point);
}

const isLetter = (point: number): boolean => point >= FIRST_LETTER && SPACELESS_LETTERS.has(point);

const sizeOf = (point: number): number => (point > 0xffff ? 2 : 1);

function codePointBefore(text: string, end: number): number {
  const unit = text.charCodeAt(end - 1);
  const pair = unit >= 0xdc00 && unit <= 0xdfff && end > 1 ? (text.codePointAt(end - 2) ?? 0) : 0;
  return pair > 0xffff ? pair : unit;
}
