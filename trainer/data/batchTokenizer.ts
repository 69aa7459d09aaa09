import { tokenizeFields } from '../../text/tokenizer.ts';

/** A document as its text columns. */
export type Fields = readonly string[];

/** Tokenized documents, with a number for each word. */
export interface TokenizedBatch {
  /** Tokens of each document. */
  readonly lengths: Int32Array<ArrayBuffer>;
  /** The words of all documents, in the numbering of the tokenizer that made the batch. */
  readonly numbers: Int32Array<ArrayBuffer>;
  /** The words that this batch was the first to hold, in the order of their numbers, which go on where those before ended. */
  readonly newWords: readonly string[];
  /** True where the numbering began anew with this batch. */
  readonly restarted: boolean;
}

/** So many words have numbers at a time, lest each of many threads learns every word of a large text. */
const MOST_WORDS = 2 ** 17;

/**
 * Tokenizes batches of documents and gives each word a number of its own, first seen first numbered: numbers go from thread to thread
 * quickly, and words need not be looked up twice.
 */
export class BatchTokenizer {
  readonly #mostWords: number;
  #words = new Map<string, number>();
  #numbers = new Int32Array(2 ** 16);

  constructor(mostWords = MOST_WORDS) {
    this.#mostWords = mostWords;
  }

  tokenize(documents: readonly Fields[]): TokenizedBatch {
    const restarted = this.#words.size > this.#mostWords;
    if (restarted) this.#words = new Map();
    const newWords: string[] = [];
    const lengths = new Int32Array(documents.length);
    let length = 0;
    for (const [index, fields] of documents.entries()) {
      const tokens = tokenizeFields(fields);
      lengths[index] = tokens.length;
      this.#makeRoom(length, length + tokens.length);
      for (const token of tokens) this.#numbers[length++] = this.#numberOf(token, newWords);
    }
    return { lengths, numbers: this.#numbers.slice(0, length), newWords, restarted };
  }

  #numberOf(word: string, newWords: string[]): number {
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    const number = this.#words.size;
    this.#words.set(word, number);
    newWords.push(word);
    return number;
  }

  #makeRoom(used: number, wanted: number): void {
    if (wanted <= this.#numbers.length) return;
    const larger = new Int32Array(Math.max(wanted, 2 * this.#numbers.length));
    larger.set(this.#numbers.subarray(0, used));
    this.#numbers = larger;
  }
}
