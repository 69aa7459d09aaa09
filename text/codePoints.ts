/**
 * Character classes: what counts as white space, and sets of code points that can be asked one by one or
 * put into a regular expression.
 *
 * Python and JavaScript disagree about white space (Python counts the separators U+001C..U+001F and U+0085, JavaScript
 * counts U+FEFF), and fastai and spaCy are written in Python; so the rules here never use `\s` or `\S`.
 */

/** Python's `str.isspace()` as the inside of a character class; all of it lies in the basic plane. */
export const WHITE_SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** Python's `\w` as the inside of a character class (needs the `u` flag): letters and numbers, without combining marks. */
export const WORD = '\\p{L}\\p{N}_';

/** True where Python's `str.isspace()` is, for one UTF-16 unit. */
export function isWhiteSpace(unit: number): boolean {
  if (unit <= 0x20) return unit >= 0x1c || (unit >= 0x09 && unit <= 0x0d);
  if (unit < 0x85) return false;
  if (unit < 0x1680) return unit === 0x85 || unit === 0xa0;
  if (unit < 0x2000) return unit === 0x1680;
  return unit <= 0x200a || unit === 0x2028 || unit === 0x2029 || unit === 0x202f || unit === 0x205f || unit === 0x3000;
}

/** The index of the first unit from `start` on that is white space, or the text's length. */
export function skipChunk(text: string, start: number): number {
  let index = start;
  while (index < text.length && !isWhiteSpace(text.charCodeAt(index))) index++;
  return index;
}

/** The index of the first unit from `start` on that is not white space, or the text's length. */
export function skipWhiteSpace(text: string, start: number): number {
  let index = start;
  while (index < text.length && isWhiteSpace(text.charCodeAt(index))) index++;
  return index;
}

/** Python's `str.strip()`: the text without white space at its ends. */
export function stripWhiteSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isWhiteSpace(text.charCodeAt(start))) start++;
  while (end > start && isWhiteSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/**
 * A copy of a piece of text that does not keep the whole text alive. V8 represents a slice as a pointer into the string
 * it was cut from; a cache or a vocabulary that keeps slices would keep every document they came from.
 */
export function detach(piece: string): string {
  return (' ' + piece).slice(1);
}

/** A set of code points, written as hexadecimal points and ranges: `'24 41-5a 1f300-1f3fa'`, in ascending order. */
export class CodePointSet {
  /** The same set as the inside of a character class; needs the `u` flag. */
  readonly classSource: string;
  readonly #bounds: Uint32Array; // first and last of each range, one after the other

  constructor(ranges: string) {
    const pairs = ranges
      .trim()
      .split(/\s+/)
      .map((range) => {
        const [first = '', last = first] = range.split('-');
        return [parseInt(first, 16), parseInt(last, 16)] as const;
      });
    this.#bounds = Uint32Array.from(pairs.flat());
    this.classSource = pairs.map(([first, last]) => `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`).join('');
  }

  has(codePoint: number): boolean {
    const bounds = this.#bounds;
    let low = 0;
    let high = bounds.length >> 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (codePoint > (bounds[2 * middle + 1] ?? 0)) low = middle + 1;
      else high = middle;
    }
    return codePoint >= (bounds[2 * low] ?? Infinity);
  }
}

/** The set of the code points of a text: `codePointsOf('!?')`. */
export function codePointsOf(characters: string): CodePointSet {
  const points = [...characters].map((character) => character.codePointAt(0) ?? 0).sort((a, b) => a - b);
  return new CodePointSet(points.map((point) => point.toString(16)).join(' '));
}
