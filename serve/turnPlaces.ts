/** A document with more chunks than this left is a long one. */
export const SHORT_CHUNKS = 5;
/** Share of a turn's places that long documents have while short ones are in the line. */
const LONG_SHARE = 1 / 8;

/** A document in the line. */
export interface Waiting {
  readonly ids: Int32Array;
  /** Tokens of it that have been read. */
  readonly position: number;
}

/**
 * Who has a place in the next turn. A turn takes longer the more documents are in it, so that many long ones would make every short one
 * wait for several times its own work, even in turn. Therefore long documents have one place in eight while short ones are in the line, and
 * all of them otherwise. Within each kind it is the order of the line; neither kind ever waits for ever.
 *
 * Counted with the costs that turnLength.ts states (turnPlaces.test.ts): 8 clients of short documents have 95 % of their answers within 1.1
 * times what it takes alone, beside 2 as beside 32 clients of long ones; by the order of the line alone, 8 times beside 32.
 */
export class TurnPlaces {
  /** Places that long documents have earned: a whole one is taken, the rest is kept for later turns. */
  #earned = 0;

  /**
   * @param line in the order of the next turn
   * @returns at least one of them when there are any, and at most `maxBatch`
   */
  choose<Document extends Waiting>(line: Iterable<Document>, maxBatch: number, chunkLength: number): Document[] {
    const short: Document[] = [];
    const long: Document[] = [];
    for (const document of line) {
      const kind = document.ids.length - document.position > SHORT_CHUNKS * chunkLength ? long : short;
      if (kind.length < maxBatch) kind.push(document);
    }
    if (short.length === 0 || long.length === 0) {
      this.#earned = 0;
      return short.length === 0 ? long : short;
    }
    this.#earned += maxBatch * LONG_SHARE;
    const places = Math.min(Math.floor(this.#earned), long.length);
    this.#earned -= Math.floor(this.#earned);
    return [...short.slice(0, maxBatch - places), ...long.slice(0, places)];
  }
}
