import type { TokenizedBatch } from './batchTokenizer.ts';

/** The words behind a tokenizer's numbers, and the ids that they have in the corpus: what turns the one into the other. */
export class ThreadWords {
  #words: string[] = [];
  #ids = new Int32Array(2 ** 10).fill(UNSEEN);
  #version = 0;

  /** Takes in the new words of a tokenizer's next batch. */
  add({ newWords, restarted }: TokenizedBatch): void {
    if (restarted) {
      this.#words = [];
      this.#ids.fill(UNSEEN);
    }
    for (const word of newWords) this.#words.push(word);
    if (this.#words.length <= this.#ids.length) return;
    const larger = new Int32Array(2 * this.#words.length).fill(UNSEEN);
    larger.set(this.#ids);
    this.#ids = larger;
  }

  /**
   * The id of a word.
   *
   * @param idOf is asked about each word once, and again when `version` has changed
   */
  idOf(number: number, idOf: (word: string) => number, version = 0): number {
    if (version !== this.#version) {
      this.#ids.fill(UNSEEN);
      this.#version = version;
    }
    const known = this.#ids[number] ?? UNSEEN;
    if (known !== UNSEEN) return known;
    const word = this.#words[number];
    if (word === undefined) throw new RangeError(`A tokenizer gave the number ${number} to no word.`);
    const id = idOf(word);
    this.#ids[number] = id;
    return id;
  }
}

const UNSEEN = -1;
