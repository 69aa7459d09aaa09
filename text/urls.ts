/**
 * What spaCy's tokenizer keeps whole as a web or mail address (spaCy 3.8, `URL_PATTERN` in lang/tokenizer_exceptions.py,
 * after Diego Perini's pattern).
 *
 * spaCy asks one pattern with nested open repetitions, which takes quadratic time on hostile input. Here the scheme and the
 * user part, which only decide where the host may start, are found by hand, and a pattern without such repetitions is
 * asked at each of those places: the same answers in linear time.
 */
import { LOWER_CASE_LETTER } from './characterClasses.ts';
import { WORD } from './codePoints.ts';

const DIGIT = '\\p{Nd}'; // Python's \d
const PRIVATE_ADDRESS =
  `(?:(?:10|127)(?:\\.${DIGIT}{1,3}){3}|(?:169\\.254|192\\.168)(?:\\.${DIGIT}{1,3}){2}|` +
  `172\\.(?:1[6-9]|2${DIGIT}|3[01])(?:\\.${DIGIT}{1,3}){2})`;
const ADDRESS =
  `(?:[1-9]${DIGIT}?|1${DIGIT}${DIGIT}|2[01]${DIGIT}|22[0-3])(?:\\.(?:1?${DIGIT}{1,2}|2[0-4]${DIGIT}|25[0-5])){2}` +
  `\\.(?:[1-9]${DIGIT}?|1${DIGIT}${DIGIT}|2[0-4]${DIGIT}|25[0-4])`;
const LABEL = '(?:[A-Za-z0-9\\u00a1-\\uffff][A-Za-z0-9\\u00a1-\\uffff_\\-]{0,62})?[A-Za-z0-9\\u00a1-\\uffff]';

const HOST_PORT_AND_PATH = new RegExp(
  `(?:(?!${PRIVATE_ADDRESS})${ADDRESS}|(?:${LABEL}\\.)+[${LOWER_CASE_LETTER}]{2,63})(?::${DIGIT}{2,5})?(?:[\\/?#][^]*)?$`,
  'vy',
);
const SCHEME = new RegExp(`[${WORD}+\\-.]{2,}:\\/\\/`, 'vy');

/** Nothing longer is an address: browsers take about this much, and the pattern's memory grows with the length. */
const LONGEST_URL = 2 ** 16;

/**
 * True where spaCy's URL pattern matches the whole chunk, which must hold no white space.
 *
 * @example isUrl('www.example.org/a?b=c') // true
 * @example isUrl('someone@example.org') // true
 */
export function isUrl(chunk: string): boolean {
  if (chunk.length > LONGEST_URL || !chunk.includes('.')) return false; // every host has a dot
  if (hostStartsAt(chunk, 0)) return true;
  SCHEME.lastIndex = 0;
  if (SCHEME.test(chunk) && hostStartsAt(chunk, SCHEME.lastIndex)) return true;
  // A user part is anything before an @ sign, a scheme included.
  for (let at = chunk.indexOf('@', 1); at >= 0; at = chunk.indexOf('@', at + 1)) {
    if (hostStartsAt(chunk, at + 1)) return true;
  }
  return false;
}

function hostStartsAt(chunk: string, start: number): boolean {
  HOST_PORT_AND_PATH.lastIndex = start;
  return HOST_PORT_AND_PATH.test(chunk);
}
