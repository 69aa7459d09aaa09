/** The tokens that fastai gives a meaning of their own (fastai 2.8, text/core.py). A text that spells one out gets it, as in fastai. */
export const UNKNOWN = 'xxunk'; // a word outside the vocabulary
export const PADDING = 'xxpad'; // fills a batch; never part of a document
export const BEGIN = 'xxbos'; // a document starts
export const END = 'xxeos'; // a document ends; fastai reserves it and does not write it
export const FIELD = 'xxfld'; // followed by the number of the field that starts
export const REPEATED_CHARACTER = 'xxrep'; // followed by how often, and the character
export const REPEATED_WORD = 'xxwrep'; // followed by how often, and the word
export const UPPER_CASE = 'xxup'; // the next word was in capitals
export const CAPITALIZED = 'xxmaj'; // the next word had a capital first letter

/** In the order of their ids, from 0. */
export const SPECIAL_TOKENS = [UNKNOWN, PADDING, BEGIN, END, FIELD, REPEATED_CHARACTER, REPEATED_WORD, UPPER_CASE, CAPITALIZED] as const;
