/** A line of a request's body. */
export interface BodyLine {
  /** Counted from 1. */
  readonly number: number;
  /** Without the line break; undefined for a line that is longer than allowed, which is read past and not kept. */
  readonly bytes: Uint8Array | undefined;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Cuts a body into lines at LF or CRLF as it comes, and holds no more of it than one line and the piece that has just come. A last line
 * without a line break counts; an empty one does not.
 *
 * @param next the next piece of the body; undefined after the last one
 * @param maxBytes of a line
 * @example
 * const pieces = [new TextEncoder().encode('{"text": "good"}\n{"te'), new TextEncoder().encode('xt": "bad"}')].values();
 * for await (const { number, bytes } of bodyLines(async () => pieces.next().value, 1000)) console.log(number, bytes?.length); // 1 16, 2 15
 */
export async function* bodyLines(next: () => Promise<Uint8Array | undefined>, maxBytes: number): AsyncGenerator<BodyLine> {
  const line = new LineBuffer(maxBytes);
  let number = 1;
  for (let piece = await next(); piece !== undefined; piece = await next()) {
    let start = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, start)) {
      line.add(piece.subarray(start, end));
      yield { number, bytes: line.take() };
      number += 1;
      start = end + 1;
    }
    line.add(piece.subarray(start));
  }
  if (line.length > 0) yield { number, bytes: line.take() };
}

/** The pieces of the line that is being read. */
class LineBuffer {
  length = 0;
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(piece: Uint8Array): void {
    this.length += piece.length;
    if (this.length > this.#maxBytes) this.#pieces = [];
    else this.#pieces.push(piece);
  }

  take(): Uint8Array | undefined {
    const bytes = this.length > this.#maxBytes ? undefined : joined(this.#pieces, this.length);
    this.length = 0;
    this.#pieces = [];
    return bytes?.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
