/**
 * Where spaCy's English tokenizer cuts a chunk of text without white space: what comes off its front (prefixes), off its
 * end (suffixes), and where the rest is cut inside (infixes). spaCy 3.8, lang/punctuation.py and lang/en/punctuation.py.
 *
 * Prefixes and suffixes are found by looking at the chunk's ends alone, not by a regular expression that searches all of
 * it, so that a chunk of n characters costs O(n) however many affixes it has.
 */
import { LETTER, LOWER_CASE_LETTER, PUNCTUATION, QUOTES, SYMBOLS, UNITS, CURRENCIES, UPPER_CASE_LETTER } from './characterClasses.ts';
import { CodePointSet, codePointsOf } from './codePoints.ts';

const PREFIXES = union(
  PUNCTUATION,
  QUOTES,
  SYMBOLS,
  codePointsOf('§%=—–'),
  codePointsOf([...CURRENCIES].filter((sign) => sign.length === 1).join('')),
);
const SUFFIXES = union(PUNCTUATION, QUOTES, SYMBOLS, codePointsOf('—–'));
const LETTERED_CURRENCIES = [...CURRENCIES].filter((sign) => sign.length > 1);
const LONGEST_UNIT = Math.max(...[...UNITS, ...CURRENCIES].map((unit) => unit.length));

const BEFORE_FINAL_STOP = new RegExp(`[0-9%²\\-+\\|${PUNCTUATION.classSource}${QUOTES.classSource}${LOWER_CASE_LETTER}]$`, 'v');
const CAPITALS_BEFORE_FINAL_STOP = new RegExp(`[${UPPER_CASE_LETTER}]{2}$`, 'v');
const DEGREES_BEFORE_FINAL_STOP = /°[FfCcKk]$/;

const INFIX = new RegExp(
  [
    '\\.\\.+',
    `[…${SYMBOLS.classSource}]`,
    '(?<=[0-9])[+\\-*\\^](?=[0-9\\-])',
    `(?<=[${LOWER_CASE_LETTER}${QUOTES.classSource}])\\.(?=[${UPPER_CASE_LETTER}${QUOTES.classSource}])`,
    `(?<=[${LETTER}]),(?=[${LETTER}])`,
    `(?<=[${LETTER}0-9])(?:-|–|—|--|---|——|~)(?=[${LETTER}])`,
    `(?<=[${LETTER}0-9])[:<>=\\/](?=[${LETTER}])`,
  ].join('|'),
  'gv',
);

/** Most words: the big pattern need not be asked. */
const WITHOUT_INFIX = /^[A-Za-z0-9']*$/;

function union(...sets: readonly CodePointSet[]): { has(codePoint: number): boolean } {
  const ascii = Array.from({ length: 128 }, (_, point) => sets.some((set) => set.has(point)));
  return { has: (point) => (point < 128 ? ascii[point] === true : sets.some((set) => set.has(point))) };
}

const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39;

/** The length in UTF-16 units of the prefix of `chunk`, 0 where it has none. spaCy: `Tokenizer.find_prefix`. */
export function prefixLength(chunk: string): number {
  const first = chunk.codePointAt(0);
  if (first === undefined) return 0;
  if (PREFIXES.has(first)) return first > 0xffff ? 2 : 1;
  if (first === 0x2b /* + */) return isDigit(chunk.charCodeAt(1)) ? 0 : 1;
  if (first === 0x2e /* . */) {
    let stops = 1;
    while (chunk.charCodeAt(stops) === 0x2e) stops++;
    return stops > 1 ? stops : 0;
  }
  return LETTERED_CURRENCIES.find((sign) => chunk.startsWith(sign))?.length ?? 0;
}

/**
 * The length in UTF-16 units of the suffix of `chunk`, 0 where it has none: the longest that a rule allows.
 * spaCy: `Tokenizer.find_suffix`.
 */
export function suffixLength(chunk: string): number {
  const last = chunk.charCodeAt(chunk.length - 1);
  if (last >= 0x61 && last <= 0x7a) return lowerCaseSuffixLength(chunk);
  if (last === 0x2e /* . */) return finalStopsLength(chunk);
  const quantity = quantitySuffixLength(chunk);
  if (quantity > 0) return quantity;
  if (chunk.endsWith('……') || chunk.endsWith("'S") || chunk.endsWith('’S')) return 2;
  const point = lastCodePoint(chunk);
  if (SUFFIXES.has(point)) return point > 0xffff ? 2 : 1;
  return 0;
}

/** Possessives, and units after a digit: all a chunk that ends in a small Latin letter can lose. */
function lowerCaseSuffixLength(chunk: string): number {
  if (chunk.endsWith("'s") || chunk.endsWith('’s')) return 2;
  return quantitySuffixLength(chunk);
}

/** A unit, a currency or a plus sign directly after a digit. */
function quantitySuffixLength(chunk: string): number {
  for (let length = Math.min(LONGEST_UNIT, chunk.length - 1); length > 0; length--) {
    if (!isDigit(chunk.charCodeAt(chunk.length - length - 1))) continue;
    const tail = chunk.slice(-length);
    if (UNITS.has(tail) || CURRENCIES.has(tail) || tail === '+') return length;
  }
  return 0;
}

/** Several full stops together, or one that the characters before it allow to be split off. */
function finalStopsLength(chunk: string): number {
  let start = chunk.length - 1;
  while (start > 0 && chunk.charCodeAt(start - 1) === 0x2e) start--;
  if (start < chunk.length - 1) return chunk.length - start;
  const before = chunk.slice(Math.max(0, start - 4), start); // two code points at most
  const splits = BEFORE_FINAL_STOP.test(before) || CAPITALS_BEFORE_FINAL_STOP.test(before) || DEGREES_BEFORE_FINAL_STOP.test(before);
  return splits ? 1 : 0;
}

function lastCodePoint(text: string): number {
  const last = text.charCodeAt(text.length - 1);
  const isPair = last >= 0xdc00 && last <= 0xdfff && text.length > 1;
  const pair = isPair ? text.codePointAt(text.length - 2) : undefined;
  return pair !== undefined && pair > 0xffff ? pair : last;
}

/** True where spaCy finds an infix anywhere in the text, at its start too. */
export function hasInfix(text: string): boolean {
  INFIX.lastIndex = 0;
  return INFIX.test(text);
}

/**
 * Cuts a chunk that has lost its affixes at its infixes: `well-known` to `well`, `-`, `known`. An infix at the very start
 * does not count. spaCy: `Tokenizer._attach_tokens`.
 */
export function splitAtInfixes(text: string): string[] {
  if (WITHOUT_INFIX.test(text)) return [text];
  const tokens: string[] = [];
  let start = 0;
  INFIX.lastIndex = 0; // exec in a loop: matchAll would compile the pattern anew for every chunk
  for (let match = INFIX.exec(text); match !== null; match = INFIX.exec(text)) {
    if (match.index === 0) continue;
    if (match.index > start) tokens.push(text.slice(start, match.index));
    tokens.push(match[0]);
    start = match.index + match[0].length;
  }
  if (start < text.length) tokens.push(text.slice(start));
  return tokens;
}
