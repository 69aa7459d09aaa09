import { UNKNOWN_ID, type Vocabulary, type VocabularyLimits } from '../../text/vocabulary.ts';
import type { NumberedBatch } from './tokenizeDocuments.ts';

/** Different words that are counted at a time, some 500 MB of them; far more than any vocabulary takes in. */
const MOST_WORDS = 2 ** 22;

/** A vocabulary of this part of the words that are counted is beyond doubt, whatever is forgotten. */
const SAFE_PART = 4;

/**
 * Counts words and gives each an id, first seen first numbered, until the vocabulary is known. Where a text has more different words
 * than memory should hold, the rarer half so far is forgotten, again and again; those words begin anew when they are seen again.
 */
export class WordCounts {
  readonly #mostWords: number;
  readonly #ids = new Map<string, number>();
  #counts = new Float64Array(2 ** 12);
  /** Ids that were ever given, those of forgotten words included. */
  #given = 0;
  #forgotten = 0;

  constructor(mostWords = MOST_WORDS) {
    this.#mostWords = mostWords;
  }

  /** Counts the words of a batch. Gives their ids, which {@link table} turns into those of a vocabulary. */
  count({ batch, words }: NumberedBatch): Int32Array<ArrayBuffer> {
    const { lengths, numbers } = batch;
    const ids = new Int32Array(numbers.length);
    const idOf = (word: string): number => this.#idOf(word);
    let position = 0;
    for (const length of lengths) {
      const end = position + length;
      for (; position < end; position++) {
        const id = words.idOf(numbers[position] ?? 0, idOf, this.#forgotten);
        ids[position] = id;
        this.#counts[id] = (this.#counts[id] ?? 0) + 1;
      }
      // After a document, so that it does not matter how documents were put into batches.
      if (this.#ids.size > this.#mostWords) this.#forgetRareWords();
    }
    return ids;
  }

  /** How often each word was seen that was seen so often or more. */
  seen(minCount: number): Map<string, number> {
    const seen = new Map<string, number>();
    for (const [word, id] of this.#ids) {
      const count = this.#counts[id] ?? 0;
      if (count >= minCount) seen.set(word, count);
    }
    return seen;
  }

  /** A vocabulary's id for each id of {@link count}. */
  table(vocabulary: Vocabulary): Int32Array {
    const table = new Int32Array(this.#given).fill(UNKNOWN_ID);
    for (const [word, id] of this.#ids) table[id] = vocabulary.idOf(word);
    return table;
  }

  #idOf(word: string): number {
    const known = this.#ids.get(word);
    if (known !== undefined) return known;
    const id = this.#given++;
    if (id === this.#counts.length) {
      const larger = new Float64Array(2 * id);
      larger.set(this.#counts);
      this.#counts = larger;
    }
    this.#ids.set(word, id);
    return id;
  }

  #forgetRareWords(): void {
    const sorted = Float64Array.from(this.#ids.values(), (id) => this.#counts[id] ?? 0).sort();
    const median = sorted[sorted.length >> 1] ?? 0;
    for (const [word, id] of this.#ids) if ((this.#counts[id] ?? 0) <= median) this.#ids.delete(word);
    this.#forgotten++;
  }
}

/** How many different words to count for a vocabulary of a size. */
export function mostWordsFor({ maxSize }: VocabularyLimits): number {
  return Math.max(MOST_WORDS, SAFE_PART * maxSize);
}
