/**
 * `ulmfit/text`: documents in, token ids out, exactly as the models see them. Pure: it runs wherever JavaScript does.
 */
export { UserError } from './errors.ts';
export { SPECIAL_TOKENS } from './specialTokens.ts';
export { detokenize, tokenize, tokenizeFields, TOKENIZER_VERSION } from './tokenizer.ts';
export { PADDING_ID, UNKNOWN_ID, Vocabulary, type VocabularyLimits } from './vocabulary.ts';
export { cleanWikitext } from './wikitext.ts';
export { splitWords } from './wordTokenizer.ts';
