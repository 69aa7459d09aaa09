/**
 * A cache that never holds more than `2 * capacity` entries and forgets the least recently used half of them at once.
 * Text has a long tail of words that occur once: without a bound the cache would grow with the corpus.
 */
export class BoundedCache<Value> {
  readonly #capacity: number;
  #recent = new Map<string, Value>();
  #older = new Map<string, Value>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string): Value | undefined {
    const recent = this.#recent.get(key);
    if (recent !== undefined) return recent;
    const older = this.#older.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: Value): void {
    if (this.#recent.size >= this.#capacity) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(key, value);
  }

  get size(): number {
    return this.#recent.size + this.#older.size;
  }
}
