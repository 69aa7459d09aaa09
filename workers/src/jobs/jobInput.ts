import { HttpError } from '../../../serve/errors.ts';
import type { JobPart } from './job.ts';

/** What one part of a job may have: half a minute's work for a small model. One line is never cut, however long. */
export const MAX_PART_BYTES = 128 * 1024;
export const MAX_PART_LINES = 500;
/** More would make the job's description, and the looking up of its parts, too large for one request. */
export const MAX_PARTS = 5_000;

/** Bytes of an uploaded piece: the platform wants at least 5 MiB, and all but the last one of a size. */
export const UPLOAD_BYTES = 8 * 1024 * 1024;

const LINE_FEED = 0x0a;

/**
 * Where the parts of an input lie, from its bytes as they come: whole lines, as many as a part may have.
 *
 * @example
 * const cutter = new PartCutter();
 * cutter.add(new TextEncoder().encode('{"text": "good"}\n{"text": "bad"}\n'));
 * cutter.end(); // [{ offset: 0, length: 33, firstLine: 1, lines: 2 }]
 */
export class PartCutter {
  readonly #parts: JobPart[] = [];
  readonly #maxBytes: number;
  readonly #maxLines: number;
  #position = 0;
  #lineStart = 0;
  #partStart = 0;
  #linesDone = 0;
  #lines = 0;

  constructor({ maxBytes = MAX_PART_BYTES, maxLines = MAX_PART_LINES }: { maxBytes?: number; maxLines?: number } = {}) {
    this.#maxBytes = maxBytes;
    this.#maxLines = maxLines;
  }

  add(piece: Uint8Array): void {
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, end + 1)) this.#addLine(this.#position + end + 1);
    this.#position += piece.length;
  }

  /** All parts. A last line without a line break counts. */
  end(): JobPart[] {
    if (this.#position > this.#lineStart) this.#addLine(this.#position);
    if (this.#lines > 0) this.#closePart();
    return this.#parts;
  }

  #addLine(end: number): void {
    if (this.#lines > 0 && (this.#lines === this.#maxLines || end - this.#partStart > this.#maxBytes)) this.#closePart();
    this.#lines += 1;
    this.#lineStart = end;
  }

  #closePart(): void {
    if (this.#parts.length === MAX_PARTS) {
      throw new HttpError(413, 'body_too_large', `The job has more than ${MAX_PARTS} parts. Send its lines in several jobs.`);
    }
    this.#parts.push({
      offset: this.#partStart,
      length: this.#lineStart - this.#partStart,
      firstLine: this.#linesDone + 1,
      lines: this.#lines,
    });
    this.#partStart = this.#lineStart;
    this.#linesDone += this.#lines;
    this.#lines = 0;
  }
}

/**
 * Puts a request's body into the bucket as it comes, holding no more of it than one piece of the upload.
 *
 * @returns its parts; none when there is nothing in it
 */
export async function storeInput(bucket: R2Bucket, key: string, body: ReadableStream<Uint8Array>): Promise<JobPart[]> {
  const cutter = new PartCutter();
  const pieces = new UploadPieces();
  const uploaded: R2UploadedPart[] = [];
  let upload: R2MultipartUpload | undefined;
  const reader = body.getReader();
  try {
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      if (value === undefined) continue;
      cutter.add(value);
      for (const piece of pieces.add(value)) {
        upload ??= await bucket.createMultipartUpload(key);
        uploaded.push(await upload.uploadPart(uploaded.length + 1, piece));
      }
    }
    const parts = cutter.end();
    const rest = pieces.rest();
    if (upload === undefined) {
      if (parts.length > 0) await bucket.put(key, rest);
      return parts;
    }
    if (rest.length > 0) uploaded.push(await upload.uploadPart(uploaded.length + 1, rest));
    await upload.complete(uploaded);
    return parts;
  } catch (error) {
    await upload?.abort().catch(() => {}); // the bucket aborts what is left lying by itself
    throw error;
  }
}

/** Gathers bytes into pieces of the upload's size. */
class UploadPieces {
  #piece = new Uint8Array(UPLOAD_BYTES);
  #length = 0;

  *add(bytes: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    while (at < bytes.length) {
      const taken = Math.min(bytes.length - at, UPLOAD_BYTES - this.#length);
      this.#piece.set(bytes.subarray(at, at + taken), this.#length);
      this.#length += taken;
      at += taken;
      if (this.#length < UPLOAD_BYTES) continue;
      yield this.#piece;
      this.#length = 0;
    }
  }

  rest(): Uint8Array {
    return this.#piece.subarray(0, this.#length);
  }
}
