import { detach } from './codePoints.ts';

const SLOTS = 1 << 16;
const LONGEST_CHUNK = 64; // longer ones hardly ever come again

/**
 * Remembers what became of the chunks of text it has seen, because text repeats its words. The cache has one place for
 * all chunks of the same hash and keeps the last of them there, so it never grows and needs no book-keeping: with Zipf's
 * law on its side, what is pushed out is nearly always rare.
 *
 * It looks chunks up where they stand in a text, without cutting them out.
 */
export class ChunkCache<Value> {
  readonly #chunks = new Array<string | undefined>(SLOTS).fill(undefined);
  readonly #values = new Array<Value | undefined>(SLOTS).fill(undefined);
  readonly #compute: (chunk: string) => Value;

  constructor(compute: (chunk: string) => Value) {
    this.#compute = compute;
  }

  /**
   * What the chunk from `start` to `end` becomes.
   *
   * @param hash of the chunk: `HASH_START`, then `addToHash` for each of its UTF-16 units
   */
  get(text: string, start: number, end: number, hash: number): Value {
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const value = this.#values[slot];
    if (value !== undefined && isAt(text, start, end, this.#chunks[slot] ?? '')) return value;
    const chunk = detach(text.slice(start, end));
    const fresh = this.#compute(chunk);
    if (chunk.length <= LONGEST_CHUNK) {
      this.#chunks[slot] = chunk;
      this.#values[slot] = fresh;
    }
    return fresh;
  }
}

/** FNV-1a, fed with UTF-16 units. */
export const HASH_START = 0x811c9dc5;
export const addToHash = (hash: number, unit: number): number => Math.imul(hash ^ unit, 0x01000193);

function isAt(text: string, start: number, end: number, chunk: string): boolean {
  if (chunk.length !== end - start) return false;
  for (let index = 0; index < chunk.length; index++) {
    if (chunk.charCodeAt(index) !== text.charCodeAt(start + index)) return false;
  }
  return true;
}
