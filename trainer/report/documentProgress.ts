import { duration } from './progress.ts';
import { createStatusLine, type StatusLine, type StatusLineOptions } from './statusLine.ts';

export interface DocumentProgressOptions extends StatusLineOptions {
  /** Of the whole data; undefined where that is not known. */
  readonly bytes?: number | undefined;
}

/**
 * Shows how far a file of documents has been worked through: documents, documents a second, and, where the size of the data is known,
 * percent and time left.
 *
 * @example
 * const progress = new DocumentProgress({ label: 'predicting', bytes: 2_000_000 });
 * progress.read(65_536);
 * progress.answered(512);
 * progress.done();
 */
export class DocumentProgress {
  readonly #line: StatusLine;
  readonly #bytes: number | undefined;
  readonly #now: () => number;
  #bytesRead = 0;
  #documents = 0;
  /** Where the work began that the rate is measured by; before it, documents may have been passed over. */
  #start: { readonly time: number; readonly documents: number; readonly bytes: number };

  constructor(options: DocumentProgressOptions) {
    this.#line = createStatusLine(options);
    this.#bytes = options.bytes;
    this.#now = options.now ?? Date.now;
    this.#start = { time: this.#now(), documents: 0, bytes: 0 };
  }

  /** Some more bytes of the data have been read. */
  read(bytes: number): void {
    this.#bytesRead += bytes;
  }

  /** So many more documents had been answered before. They are no part of the rate. */
  passed(documents: number): void {
    this.#documents += documents;
    this.#start = { time: this.#now(), documents: this.#documents, bytes: this.#bytesRead };
  }

  /** So many more documents are answered. */
  answered(documents: number): void {
    this.#documents += documents;
    this.#line.update(() => this.#describe());
  }

  note(text: string): void {
    this.#line.note(text);
  }

  done(): void {
    this.#line.done();
  }

  #describe(): string {
    const seconds = (this.#now() - this.#start.time) / 1000;
    const parts = [`${this.#documents} documents`];
    if (this.#bytes !== undefined) parts.push(`${Math.floor((100 * this.#bytesRead) / Math.max(1, this.#bytes))} %`);
    if (seconds > 0) parts.push(`${Number(((this.#documents - this.#start.documents) / seconds).toPrecision(3))} documents/s`);
    const bytesDone = this.#bytesRead - this.#start.bytes;
    if (this.#bytes !== undefined && bytesDone > 0) {
      parts.push(`${duration((seconds / bytesDone) * Math.max(0, this.#bytes - this.#bytesRead))} left`);
    }
    return parts.join('  ');
  }
}
