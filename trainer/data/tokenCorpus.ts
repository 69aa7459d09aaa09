/** Tokenized documents, one after the other, in memory or on a disk. */
export interface TokenCorpus {
  /** Where each document begins among the tokens, and the end of the last one: one number more than there are documents. */
  readonly offsets: Float64Array;
  /** Copies the tokens from `start` on, counted from the beginning of the corpus, until `into` is full. */
  read(start: number, into: Int32Array): void;
}

/** A corpus in memory. */
export function memoryCorpus(ids: Uint16Array | Int32Array, offsets: Float64Array): TokenCorpus {
  return { offsets, read: (start, into) => into.set(ids.subarray(start, start + into.length)) };
}

/** Joins encoded documents into a corpus. */
export function tokenCorpus(documents: readonly Int32Array[]): TokenCorpus {
  const offsets = new Float64Array(documents.length + 1);
  for (const [index, document] of documents.entries()) offsets[index + 1] = (offsets[index] ?? 0) + document.length;
  const ids = new Int32Array(offsets.at(-1) ?? 0);
  for (const [index, document] of documents.entries()) ids.set(document, offsets[index]);
  return memoryCorpus(ids, offsets);
}

/** The documents from `first` to before `end` as a corpus of their own. */
export function documentsFrom(corpus: TokenCorpus, first: number, end: number): TokenCorpus {
  const base = corpus.offsets[first] ?? 0;
  return {
    offsets: corpus.offsets.slice(first, end + 1).map((offset) => offset - base),
    read: (start, into) => corpus.read(base + start, into),
  };
}

/** Number of tokens. */
export function corpusLength(corpus: TokenCorpus): number {
  return corpus.offsets.at(-1) ?? 0;
}

/** Number of documents. */
export function documentCount(corpus: TokenCorpus): number {
  return corpus.offsets.length - 1;
}

/** The tokens of one document. */
export function documentAt(corpus: TokenCorpus, index: number): Int32Array {
  const start = corpus.offsets[index] ?? 0;
  const ids = new Int32Array((corpus.offsets[index + 1] ?? start) - start);
  corpus.read(start, ids);
  return ids;
}

/** Tokens that are read at a time where all are. */
const BLOCK = 2 ** 16;

/** How often a token occurs. */
export function countToken(corpus: TokenCorpus, id: number): number {
  const total = corpusLength(corpus);
  let count = 0;
  for (let start = 0; start < total; start += BLOCK) {
    const block = new Int32Array(Math.min(BLOCK, total - start));
    corpus.read(start, block);
    for (const found of block) if (found === id) count++;
  }
  return count;
}
