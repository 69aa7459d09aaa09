import { splitAtInfixes, prefixLength, suffixLength } from './wordAffixes.ts';
import { isUrl } from './urls.ts';

/** Strings that are split by rule: each to the tokens it becomes. */
export type Exceptions = ReadonlyMap<string, readonly string[]>;

/** No exception is longer. To look up a long string takes time that grows with it, and affixes may come off many times. */
export const LONGEST_EXCEPTION = 16;

const isException = (text: string, exceptions: Exceptions): boolean => text.length <= LONGEST_EXCEPTION && exceptions.has(text);

/**
 * Splits a chunk of text without white space: prefixes and suffixes come off, one of each a turn, until an exception or
 * nothing more to take off is left; that is an exception, a URL, or is cut at infixes.
 * spaCy 3.8: `Tokenizer._split_affixes` and `_attach_tokens`.
 *
 * @example splitChunk("(well-known).", englishExceptions()) // ['(', 'well', '-', 'known', ')', '.']
 */
export function splitChunk(chunk: string, exceptions: Exceptions): string[] {
  const prefixes: string[] = [];
  const suffixes: string[] = []; // the outermost first
  let rest = chunk;
  while (rest !== '' && !isException(rest, exceptions)) {
    const prefix = rest.slice(0, prefixLength(rest));
    const withoutPrefix = rest.slice(prefix.length);
    if (prefix !== '' && isException(withoutPrefix, exceptions)) {
      prefixes.push(prefix);
      rest = withoutPrefix;
      break;
    }
    const suffixSize = suffixLength(withoutPrefix);
    const suffix = rest.slice(rest.length - suffixSize);
    if (suffix !== '' && isException(rest.slice(0, rest.length - suffixSize), exceptions)) {
      suffixes.push(suffix);
      rest = rest.slice(0, rest.length - suffixSize);
      break;
    }
    if (prefix === '' && suffix === '') break;
    if (prefix !== '') prefixes.push(prefix);
    if (suffix !== '') suffixes.push(suffix);
    rest = withoutPrefix.slice(0, withoutPrefix.length - suffixSize);
  }
  return [...prefixes, ...splitCore(rest, exceptions), ...suffixes.reverse()];
}

/** What is left of a chunk between its prefixes and suffixes. */
function splitCore(core: string, exceptions: Exceptions): readonly string[] {
  if (core === '') return [];
  return exceptions.get(core) ?? (isUrl(core) ? [core] : splitAtInfixes(core));
}
