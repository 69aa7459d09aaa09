import { Vocabulary, type VocabularyLimits } from '../../text/vocabulary.ts';
import type { Fields } from './batchTokenizer.ts';
import { memoryCorpus, type TokenCorpus } from './tokenCorpus.ts';
import { tokenizeDocuments, type TokenizeOptions } from './tokenizeDocuments.ts';
import { mostWordsFor, WordCounts } from './wordCounts.ts';

/** A tokenized corpus and the vocabulary counted on it. */
export interface EncodedCorpus {
  readonly corpus: TokenCorpus;
  readonly vocabulary: Vocabulary;
}

export interface EncodeOptions extends TokenizeOptions {
  /** A vocabulary that keeps its ids and takes in what it lacks, instead of a new one. */
  readonly extend?: Vocabulary;
  /** Called now and then with the tokens so far. */
  readonly onProgress?: (tokens: number) => void;
}

/** Where tokens are while words are counted: their ids are known only when the last document has been seen. */
export interface TokenStore<Stored> {
  append(ids: Int32Array<ArrayBuffer>): Promise<void>;
  /** Puts all ids through a table of new ones. */
  finish(table: Int32Array, sixteenBits: boolean): Promise<Stored>;
}

/** What a {@link TokenStore} has in the end, and the rest of the corpus. */
export interface Encoded<Stored> {
  readonly tokens: Stored;
  readonly offsets: Float64Array;
  readonly vocabulary: Vocabulary;
}

/**
 * Tokenizes documents in one pass, over all processors, counts words, cuts the vocabulary and encodes. The result depends on the documents and
 * the limits alone. Tokens are the store's business; besides, memory holds the different words, and 8 bytes a document.
 *
 * @throws whatever reading the documents throws, and the reason of `signal` when it is aborted
 */
export async function encodeInto<Stored>(
  store: TokenStore<Stored>,
  documents: AsyncIterable<Fields>,
  limits: VocabularyLimits,
  { extend, onProgress = () => {}, ...options }: EncodeOptions,
): Promise<Encoded<Stored>> {
  const counts = new WordCounts(mostWordsFor(limits));
  const offsets = new GrowingOffsets();
  for await (const numbered of tokenizeDocuments(documents, options)) {
    await store.append(counts.count(numbered));
    offsets.add(numbered.batch.lengths);
    onProgress(offsets.end);
  }
  const seen = counts.seen(limits.minCount);
  const vocabulary = extend === undefined ? Vocabulary.fromCounts(seen, limits) : extend.extended(seen, limits);
  const tokens = await store.finish(counts.table(vocabulary), fitsSixteenBits(vocabulary));
  return { tokens, offsets: offsets.all(), vocabulary };
}

/** {@link encodeInto} memory: 4 bytes a token while words are counted, and 2 afterwards, when the vocabulary allows. */
export async function encodeCorpus(
  documents: AsyncIterable<Fields>,
  limits: VocabularyLimits,
  options: EncodeOptions = {},
): Promise<EncodedCorpus> {
  const { tokens, offsets, vocabulary } = await encodeInto(new MemoryStore(), documents, limits, options);
  return { corpus: memoryCorpus(tokens, offsets), vocabulary };
}

/** Encodes documents with a vocabulary that is there already. */
export async function encodeWith(
  documents: AsyncIterable<Fields>,
  vocabulary: Vocabulary,
  options: TokenizeOptions = {},
): Promise<TokenCorpus> {
  const store = new MemoryStore();
  const offsets = new GrowingOffsets();
  const idOf = (word: string): number => vocabulary.idOf(word);
  for await (const { batch, words } of tokenizeDocuments(documents, options)) {
    await store.append(batch.numbers.map((number) => words.idOf(number, idOf)));
    offsets.add(batch.lengths);
  }
  const identity = Int32Array.from({ length: vocabulary.size }, (_, id) => id);
  return memoryCorpus(await store.finish(identity, fitsSixteenBits(vocabulary)), offsets.all());
}

const fitsSixteenBits = (vocabulary: Vocabulary): boolean => vocabulary.size <= 0x10000;

/** Tokens in memory, in blocks, so that nothing is copied while they grow in number. */
class MemoryStore implements TokenStore<Uint16Array | Int32Array> {
  readonly #blocks: Int32Array[] = [];
  #length = 0;

  async append(ids: Int32Array): Promise<void> {
    this.#blocks.push(ids);
    this.#length += ids.length;
  }

  async finish(table: Int32Array, sixteenBits: boolean): Promise<Uint16Array | Int32Array> {
    const result = sixteenBits ? new Uint16Array(this.#length) : new Int32Array(this.#length);
    let position = 0;
    // Blocks are let go of one by one.
    for (let block = this.#blocks.shift(); block !== undefined; block = this.#blocks.shift()) {
      for (const id of block) result[position++] = table[id] ?? 0;
    }
    return result;
  }
}

/** Where documents begin and end, as their lengths become known. */
class GrowingOffsets {
  #offsets = new Float64Array(2 ** 10);
  #documents = 0;

  /** The end of the last document. */
  get end(): number {
    return this.#offsets[this.#documents] ?? 0;
  }

  add(lengths: Int32Array): void {
    const wanted = this.#documents + lengths.length + 1;
    if (wanted > this.#offsets.length) {
      const larger = new Float64Array(2 * wanted);
      larger.set(this.#offsets);
      this.#offsets = larger;
    }
    for (const length of lengths) {
      const end = this.end + length;
      this.#offsets[++this.#documents] = end;
    }
  }

  all(): Float64Array<ArrayBuffer> {
    return this.#offsets.slice(0, this.#documents + 1);
  }
}
