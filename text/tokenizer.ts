/**
 * Documents to tokens, as fastai's default `Tokenizer` does it for English: the rules of rules.ts, then spaCy's words.
 *
 * The rules about case and the split into words look at one chunk between white space at a time, so the tokenizer remembers
 * what became of each chunk and most of a text costs one look-up a word.
 */
import { ChunkCache } from './chunkCache.ts';
import { detach, stripWhiteSpace } from './codePoints.ts';
import { type ExceptionSpan } from './exceptionSpans.ts';
import { cleanText, markSpaces, replaceAllCapsWord, replaceCapitalizedWord, replaceSpace } from './rules.ts';
import { BEGIN, FIELD } from './specialTokens.ts';
import { type ChunkTokens, chunkTokens, spacedTokens, splitText } from './wordTokenizer.ts';

export { detokenize } from './detokenizer.ts';

/**
 * The version of the text rules. A model is only as good as its tokens are those it was trained on: model folders carry
 * this number, and a change of any token that a model may have learned raises it.
 *
 * Texts in scripts without spaces were first cut into characters under version 1, which did not raise it: before, a whole sentence
 * of such a text was one token, which no vocabulary held, so there is no model that the change could harm; and no token of
 * any other text changed (test/parity), so models of version 1 and programs that write version 1 go on as they are.
 */
export const TOKENIZER_VERSION = 1;

const chunks = new ChunkCache((chunk: string) => chunkTokens(chunk, markedTokens));

/** The tokens of a chunk as it stands in the text, its case included: `Hello,` gives `xxmaj`, `hello`, `,`. */
function markedTokens(chunk: string): ChunkTokens {
  const markedChunk = replaceCapitalizedWord(replaceAllCapsWord(chunk)).toLowerCase();
  const space = markedChunk.indexOf(' ');
  if (space < 0) return spacedTokens(markedChunk);
  const marker = markedChunk.slice(0, space);
  const word = spacedTokens(markedChunk.slice(space + 1));
  if (typeof word === 'string') return { tokens: [marker, word], exceptionSpans: [] };
  const exceptionSpans = word.exceptionSpans.map((span): ExceptionSpan => ({ ...span, start: span.start + 1, end: span.end + 1 }));
  return { tokens: [marker, ...word.tokens], exceptionSpans };
}

/**
 * The tokens of a document: `xxbos`, then lower-cased words and punctuation with marks for what the rules took away.
 * fastai: `tokenize1(text, SpacyTokenizer('en'))`; ours alone is that each character of a script without spaces stands for itself.
 *
 * @example tokenize('Sooo GOOD, isn\'t it?') // ['xxbos', 's', 'xxrep', '3', 'o', 'xxup', 'good', ',', 'is', "n't", 'it', '?']
 */
export function tokenize(text: string): string[] {
  return splitText(stripWhiteSpace(cleanText(markSpaces(text))), {
    chunks,
    first: [BEGIN],
    writeWhiteSpace: (whiteSpace) => detach(replaceSpace(whiteSpace)),
  });
}

/**
 * The tokens of a record of several texts: `xxbos xxfld 1 … xxfld 2 …`. A record of one text is a plain document.
 * fastai: `_join_texts` and `tokenize_df`.
 *
 * @example tokenizeFields(['Title', 'Body']) // ['xxbos', 'xxfld', '1', 'xxmaj', 'title', 'xxfld', '2', 'xxmaj', 'body']
 */
export function tokenizeFields(fields: readonly string[]): string[] {
  return tokenize(joinFields(fields));
}

/**
 * A record of several texts as the one text that has the record's tokens. fastai: `_join_texts`.
 *
 * @example joinFields(['Title', 'Body']) // 'xxfld 1 Title xxfld 2 Body'
 */
export function joinFields(fields: readonly string[]): string {
  const [only = ''] = fields;
  return fields.length < 2 ? only : fields.map((field, index) => `${FIELD} ${index + 1} ${field}`).join(' ');
}
