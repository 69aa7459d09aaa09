/**
 * How the rows of a batch lie in one matrix of tokens: first the first tokens of all rows, then the second tokens of the rows that have
 * one, and so on. Rows are sorted by length, longest first, so that those at work are always the first ones, and no padding is
 * computed.
 *
 * @example
 * const packing = new Packing([3, 1]); // tokens: a1 b1 a2 a3
 * packing.rows; // [2, 1, 1]
 */
export class Packing {
  /** Rows at work at each step. */
  readonly rows: Int32Array;
  /** Tokens in all. */
  readonly tokens: number;
  readonly #lengths: readonly number[];

  /** @param lengths tokens of each row, never growing; the last ones may be 0 */
  constructor(lengths: readonly number[]) {
    if (lengths.some((length, row) => length > (lengths[row - 1] ?? length))) throw new Error('Packing: the rows are not sorted by length');
    this.#lengths = lengths;
    this.rows = new Int32Array(lengths[0] ?? 0);
    for (const length of lengths) for (let t = 0; t < length; t++) this.rows[t] = (this.rows[t] ?? 0) + 1;
    this.tokens = this.rows.reduce((sum, count) => sum + count, 0);
  }

  /** `batch` rows of `time` tokens each. */
  static rectangle(time: number, batch: number): Packing {
    return new Packing(new Array<number>(batch).fill(time));
  }

  get batch(): number {
    return this.#lengths.length;
  }

  get time(): number {
    return this.rows.length;
  }

  /** Whether all rows are equally long. */
  get isRectangle(): boolean {
    return this.rows.at(-1) === this.batch;
  }

  /** Packs one value a token. */
  pack(valueOf: (row: number, t: number) => number): Int32Array {
    const packed = new Int32Array(this.tokens);
    let at = 0;
    for (const [t, rows] of this.rows.entries()) for (let row = 0; row < rows; row++) packed[at++] = valueOf(row, t);
    return packed;
  }

  /** For every token, where the state before it lies among the states that came in, one a row, and after them the states of the tokens. */
  previous(): Int32Array {
    let start = 0;
    const starts = this.rows.map((rows) => (start += rows) - rows);
    return this.pack((row, t) => (t === 0 ? row : this.batch + (starts[t - 1] ?? 0) + row));
  }

  /** For every row, where the state after its last token lies in the same order; that of an empty row is the one that came in. */
  ends(): Int32Array {
    const ends = Int32Array.from(this.#lengths.keys());
    let start = this.batch;
    for (const rows of this.rows) {
      for (let row = 0; row < rows; row++) ends[row] = start + row;
      start += rows;
    }
    return ends;
  }
}
