import type { LoadedMember } from '../classifierRuntime.ts';
import { LocalEncoder, readingsOf, type DocumentEncoder, type EncodedDocument } from '../documentEncoder.ts';
import { ThreadCaller } from './threadCalls.ts';
import type { EncoderThreadData } from './encoderThread.ts';

/**
 * Up to so many UTF-16 code units a request is encoded in the thread that asks: 3 ms of work at most, once the tokenizer is warm, and
 * no short text waits behind a long one. Above, a thread of its own does it, at about 3 million a second.
 */
const LOCAL_LENGTH = 8_000;

/** Encodes short requests at once, one in each turn of the event loop, and long ones in a thread, which starts with the first of them. */
export class ThreadedEncoder implements DocumentEncoder {
  readonly #local: LocalEncoder;
  readonly #thread: ThreadCaller<readonly string[], EncodedDocument[]>;
  /** Settled when the event loop has turned after the latest short request. */
  #turn: Promise<void> = Promise.resolve();

  constructor(members: readonly Pick<LoadedMember, 'description' | 'vocabulary'>[]) {
    this.#local = new LocalEncoder(readingsOf(members));
    const data: EncoderThreadData = members.map(({ description, vocabulary }) => ({ description, vocabulary }));
    this.#thread = new ThreadCaller('encoderThread', data);
  }

  async encode(texts: readonly string[], signal?: AbortSignal): Promise<EncodedDocument[]> {
    let length = 0;
    for (const text of texts) length += text.length;
    if (length > LOCAL_LENGTH) {
      const documents = await this.#thread.call(texts);
      signal?.throwIfAborted();
      return documents;
    }
    const turn = this.#turn;
    const next = Promise.withResolvers<void>();
    this.#turn = next.promise;
    await turn;
    try {
      return await this.#local.encode(texts, signal);
    } finally {
      setImmediate(next.resolve);
    }
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }
}
