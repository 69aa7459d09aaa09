import type { Bundle } from '../export/bundle.ts';
import { UserError } from '../text/errors.ts';
import { TOKENIZER_VERSION } from '../text/tokenizer.ts';
import type { MemberLogits } from './answers.ts';
import { ChunkScheduler, type ChunkSchedulerOptions, type ClassifyOptions } from './chunkScheduler.ts';
import type { ChunkResult, ClassifierRuntime, DocumentState, LoadedBundle } from './classifierRuntime.ts';
import { encodeTokens, LocalEncoder, readingsOf, type DocumentEncoder, type EncodedDocument, type Reading } from './documentEncoder.ts';
import { follow } from './signals.ts';

export interface ClassifierOptions extends ChunkSchedulerOptions {
  /** Where texts become ids: in the thread that asks, unless told. Closed with the classifier when it can be. */
  readonly encoder?: (DocumentEncoder & { close?(): Promise<void> }) | undefined;
}

/** One model with its line of documents. */
interface Reader {
  readonly runtime: ClassifierRuntime;
  readonly scheduler: ChunkScheduler;
}

/** What one chunk of a document brought. */
export interface Progress {
  /** Place of the document in the request. */
  readonly document: number;
  /** Place of the model in the bundle. */
  readonly member: number;
  /** The model's logits for what it has read of the document. */
  readonly logits: Float32Array;
  /** Tokens that the model has read of the document, and those it will have read at the end. */
  readonly tokensRead: number;
  readonly tokens: number;
}

export interface ReadOptions {
  /** Takes the documents out of the line; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every chunk of every document. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Documents of this call that each model reads at a time, the longest ones first; all of them unless told. What shares a graph call, and
   * so the last bits of the answers, then depends on the documents alone, as long as nobody else asks.
   */
  readonly atOnce?: number | undefined;
}

/** What the models of a bundle made of a document, and remember of it, in the bundle's order. */
export interface ReadDocument {
  readonly logits: MemberLogits;
  readonly states: readonly DocumentState[];
}

/**
 * Text in, logits out: tokenizes as the models were trained, reads the whole document chunk by chunk, and keeps the
 * tokenizer and the models for the next one. Each model of a bundle has a scheduler of its own, so that the two of a pair
 * never wait for each other; a backward one is given the tokens from the last to the first.
 *
 * @example
 * const classifier = await openBundle('bundles/reviews');
 * const answers = await classifier.classify(['The film is great and funny.', 'The plot is dull and boring.']);
 * answers.map((logits) => answerOf(classifier.bundle, logits, { topK: 1 })); // [[{ label: 'pos', score: … }], [{ label: 'neg', score: … }]]
 * await classifier.dispose();
 */
export class Classifier {
  readonly bundle: Bundle;
  /** The most texts that can be in flight at a time. */
  readonly maxQueue: number;
  readonly #readers: readonly Reader[];
  readonly #readings: readonly Reading[];
  readonly #encoder: NonNullable<ClassifierOptions['encoder']>;
  /** How many hold the models now: their memory is given back after the last of them. */
  #holds = 0;
  #released: PromiseWithResolvers<void> | undefined;

  /**
   * @param options of every scheduler: a pair makes graph calls of up to `maxBatch` documents for each of its models.
   * @throws UserError when the bundle needs another tokenizer or vocabulary than the ones at hand.
   */
  constructor({ bundle, members }: LoadedBundle, { encoder, ...options }: ClassifierOptions) {
    const [needed, present]: readonly number[] = [bundle.tokenizerVersion, TOKENIZER_VERSION];
    if (needed !== present) {
      throw new UserError(
        `The bundle needs version ${needed} of the tokenizer, this program has version ${present}. Export the model again.`,
      );
    }
    this.bundle = bundle;
    this.maxQueue = options.maxQueue;
    this.#readings = readingsOf(members);
    this.#encoder = encoder ?? new LocalEncoder(this.#readings);
    this.#readers = members.map(({ runtime }) => ({ runtime, scheduler: new ChunkScheduler(runtime, options) }));
  }

  /** Texts that wait for their answer now; of a pair, those in the longer one of its two lines. */
  get inFlight(): number {
    return Math.max(...this.#readers.map(({ scheduler }) => scheduler.inFlight));
  }

  /**
   * The logits of every text, in order, each of its whole length: those of each model of the bundle. When one fails, the others
   * are cancelled.
   *
   * @throws QueueFullError when there is not room for all of them, the signal's reason when cancelled, and what a runtime
   *   threw when a graph call failed.
   */
  async classify(texts: readonly string[], options: ReadOptions = {}): Promise<MemberLogits[]> {
    const release = this.hold();
    const room = Math.min(options.atOnce ?? texts.length, texts.length);
    try {
      this.#requireRoom(room);
      const documents = await this.#encoder.encode(texts, options.signal);
      // Others may have come in meanwhile: a request is let in whole or not at all.
      this.#requireRoom(room);
      return (await this.#readAll(documents, options)).map(({ logits }) => logits);
    } finally {
      release();
    }
  }

  /**
   * Reads on in one document, whose tokens come in pieces.
   *
   * @param tokens the next tokens, at least one, see `tokenize`
   * @param states what the models remember of the tokens before; nothing, unless told. Models that read backwards cannot be told.
   * @throws as {@link classify}, and RangeError for states of another bundle.
   */
  async readOn(tokens: readonly string[], states?: readonly DocumentState[], options: ReadOptions = {}): Promise<ReadDocument> {
    if (states !== undefined && states.length !== this.#readers.length) {
      throw new RangeError(`There are ${states.length} states for ${this.#readers.length} models.`);
    }
    const release = this.hold();
    try {
      this.#requireRoom(1);
      const [document] = await this.#readAll([encodeTokens(tokens, this.#readings)], options, states);
      if (document === undefined) throw new Error('A document was read and has no answer.');
      return document;
    } finally {
      release();
    }
  }

  /** How each model of the bundle reads: its words, and from which end. */
  get readings(): readonly Reading[] {
    return this.#readings;
  }

  /**
   * Reads tokens with one model of the bundle.
   *
   * @param member place of the model in the bundle
   * @param ids in the order in which the model reads, at least one
   * @param options `state` is what the model remembers of the tokens before; nothing, unless told
   * @throws as {@link classify}, and RangeError where there is no such model
   */
  async readMember(member: number, ids: Int32Array, options: Pick<ClassifyOptions, 'signal' | 'state'> = {}): Promise<ChunkResult> {
    const reader = this.#readers[member];
    if (reader === undefined) throw new RangeError(`The bundle has no model ${member}.`);
    const release = this.hold();
    try {
      const result = await reader.scheduler.read(ids, options);
      finite(result.logits);
      return result;
    } finally {
      release();
    }
  }

  /**
   * Keeps the models in memory, whoever disposes of them meanwhile: for a request that has chosen them and is still being read.
   *
   * @returns what lets go of them; the second call does nothing
   */
  hold(): () => void {
    this.#holds += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds -= 1;
      if (this.#holds === 0) this.#released?.resolve();
    };
  }

  /** Gives the models' memory back, once nobody holds them and every call has ended. */
  async dispose(): Promise<void> {
    while (this.#holds > 0) {
      this.#released = Promise.withResolvers();
      await this.#released.promise;
    }
    await Promise.all(
      this.#readers.map(async ({ scheduler, runtime }) => {
        await scheduler.idle();
        await runtime.dispose();
      }),
    );
    await this.#encoder.close?.();
  }

  #requireRoom(texts: number): void {
    for (const { scheduler } of this.#readers) scheduler.requireRoom(texts);
  }

  async #readAll(
    documents: readonly EncodedDocument[],
    { signal, onProgress, atOnce = documents.length }: ReadOptions,
    states?: readonly DocumentState[],
  ): Promise<ReadDocument[]> {
    const failure = new AbortController();
    const unfollow = follow(failure, [signal]);
    const readMember = (reader: Reader, member: number): Promise<ChunkResult[]> =>
      longestFirst(
        documents.map((readings) => readings[member] ?? new Int32Array()),
        atOnce,
        (ids, document) =>
          reader.scheduler.read(ids, {
            signal: failure.signal,
            state: states?.[member],
            onChunk: onProgress && ((logits, tokensRead) => onProgress({ document, member, logits, tokensRead, tokens: ids.length })),
          }),
      );
    try {
      const members = await Promise.all(this.#readers.map(readMember));
      return documents.map((_, document) => {
        const results = members.flatMap((ofMember) => ofMember[document] ?? []);
        return { logits: results.map(({ logits }) => finite(logits)), states: results.map(({ state }) => state) };
      });
    } catch (error) {
      failure.abort(error);
      throw error;
    } finally {
      unfollow();
    }
  }
}

/** Reads documents, so many at a time; results come in the documents' order. */
async function longestFirst(
  documents: readonly Int32Array[],
  atOnce: number,
  read: (ids: Int32Array, index: number) => Promise<ChunkResult>,
): Promise<ChunkResult[]> {
  const results = new Array<ChunkResult>(documents.length);
  const waiting = [...documents.entries()];
  // A long one that comes last would be read with nothing beside it.
  if (atOnce < documents.length) waiting.sort(([, one], [, other]) => other.length - one.length);
  const next = waiting.values();
  const readNext = async () => {
    for (const [index, ids] of next) results[index] = await read(ids, index);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, documents.length) }, readNext));
  return results;
}

function finite(logits: Float32Array): Float32Array {
  if (!logits.every(Number.isFinite)) throw new Error('The model answered with a value that is not a finite number.');
  return logits;
}
