/** Tokenized documents, one after the other. */
export interface TokenCorpus {
  /** Token ids of all documents. */
  readonly ids: Uint16Array | Int32Array;
  /** Where each document begins in `ids`, and the end of the last one: one number more than there are documents. */
  readonly offsets: Float64Array;
}

/** Joins encoded documents into a corpus. */
export function tokenCorpus(documents: readonly Int32Array[]): TokenCorpus {
  const offsets = new Float64Array(documents.length + 1);
  for (const [index, document] of documents.entries()) offsets[index + 1] = (offsets[index] ?? 0) + document.length;
  const ids = new Int32Array(offsets.at(-1) ?? 0);
  for (const [index, document] of documents.entries()) ids.set(document, offsets[index]);
  return { ids, offsets };
}

/** Number of tokens. */
export function corpusLength(corpus: TokenCorpus): number {
  return corpus.offsets.at(-1) ?? 0;
}
