/** Corpora in the form of WikiText (Merity et al. 2016), which writes words and punctuation apart and rare words as `<unk>`. */
import { UNKNOWN } from './specialTokens.ts';

/**
 * Puts together what WikiText took apart (`well @-@ known`, `3 @.@ 5`, `1 @,@ 000`) and gives its `<unk>` the name that the
 * tokenizer knows it by. Punctuation stays apart: the tokenizer would separate it anyway.
 *
 * @example cleanWikitext('a well @-@ known <unk> of 1 @,@ 000') // 'a well-known xxunk of 1,000'
 */
export function cleanWikitext(text: string): string {
  return text.replace(/ @([-.,])@ /g, '$1').replaceAll('<unk>', UNKNOWN);
}
