/** Corpora in the form of WikiText (Merity et al. 2016): one paragraph a line, ` = Title = ` lines, numbers and hyphens taken apart. */
import { UNKNOWN } from './specialTokens.ts';

const TITLE_LINES = /^ ?= [^=\n]+ = ?\r?$/gm;

/**
 * Puts together what WikiText took apart (`well @-@ known`, `3 @.@ 5`, `1 @,@ 000`) and gives its `<unk>` the name that the
 * tokenizer uses.
 *
 * @example cleanWikitext('a well @-@ known <unk> of 1 @,@ 000') // 'a well-known xxunk of 1,000'
 */
export function cleanWikitext(text: string): string {
  return text.replace(/ @([-.,])@ /g, '$1').replaceAll('<unk>', UNKNOWN);
}

/**
 * The articles of a file, each with its title line. Section titles (` = = Section = = `) stay inside; text before the first
 * title is an article too.
 *
 * @example splitArticles(' = A = \n text\n = B = \n more\n') // [' = A = \n text\n', ' = B = \n more\n']
 */
export function splitArticles(text: string): string[] {
  const starts = [0, ...Array.from(text.matchAll(TITLE_LINES), (match) => match.index), text.length];
  return starts
    .slice(1)
    .map((end, index) => text.slice(starts[index], end))
    .filter((article) => article.trim() !== '');
}
