import type { Bundle, BundleMember, Direction } from '../export/bundle.ts';
import { UserError } from '../text/errors.ts';
import { TOKENIZER_VERSION, tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import type { MemberLogits } from './answers.ts';
import { ChunkScheduler, type ChunkSchedulerOptions, type ClassifyOptions } from './chunkScheduler.ts';
import type { ClassifierRuntime, LoadedBundle } from './classifierRuntime.ts';

/** How long tokenizing the texts of one request may keep the thread from graph calls and other requests. */
const BUSY_MILLISECONDS = 10;

/** One model with all it needs to read documents on its own. */
interface Reader {
  readonly direction: Direction;
  readonly vocabulary: Vocabulary;
  readonly runtime: ClassifierRuntime;
  readonly scheduler: ChunkScheduler;
}

/** One document for one model: its ids in the order in which that model reads them. */
interface Reading {
  readonly scheduler: ChunkScheduler;
  readonly ids: Int32Array;
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

  /**
   * @param options of every scheduler: a pair makes graph calls of up to `maxBatch` documents for each of its models.
   * @throws UserError when the bundle needs another tokenizer or vocabulary than the ones at hand.
   */
  constructor({ bundle, members }: LoadedBundle, options: ChunkSchedulerOptions) {
    const [needed, present]: readonly number[] = [bundle.tokenizerVersion, TOKENIZER_VERSION];
    if (needed !== present) {
      throw new UserError(
        `The bundle needs version ${needed} of the tokenizer, this program has version ${present}. Export the model again.`,
      );
    }
    this.bundle = bundle;
    this.maxQueue = options.maxQueue;
    const known = new Map<readonly string[], Vocabulary>();
    this.#readers = members.map(({ description, runtime, vocabulary: tokens }) => {
      requireTokens(description, tokens);
      const vocabulary = known.get(tokens) ?? Vocabulary.fromTokens(tokens);
      known.set(tokens, vocabulary);
      return { direction: description.direction, vocabulary, runtime, scheduler: new ChunkScheduler(runtime, options) };
    });
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
  async classify(texts: readonly string[], options: Pick<ClassifyOptions, 'signal'> = {}): Promise<MemberLogits[]> {
    this.#requireRoom(texts.length);
    const documents = await this.#encodeAll(texts, options.signal);
    // Others may have come in meanwhile: a request is let in whole or not at all.
    this.#requireRoom(texts.length);
    const ownFailure = new AbortController();
    const signal = options.signal === undefined ? ownFailure.signal : AbortSignal.any([options.signal, ownFailure.signal]);
    try {
      return await Promise.all(documents.map((readings) => Promise.all(readings.map((reading) => read(reading, signal)))));
    } catch (error) {
      ownFailure.abort(error);
      throw error;
    }
  }

  /** Gives the models' memory back, once no graph call is using it. */
  async dispose(): Promise<void> {
    await Promise.all(
      this.#readers.map(async ({ scheduler, runtime }) => {
        await scheduler.idle();
        await runtime.dispose();
      }),
    );
  }

  #requireRoom(texts: number): void {
    for (const { scheduler } of this.#readers) scheduler.requireRoom(texts);
  }

  /** Every text as each model reads it. */
  async #encodeAll(texts: readonly string[], signal: AbortSignal | undefined): Promise<Reading[][]> {
    const documents: Reading[][] = [];
    let busySince = performance.now();
    for (const text of texts) {
      if (performance.now() - busySince > BUSY_MILLISECONDS) {
        await eventLoopTurn();
        busySince = performance.now();
      }
      signal?.throwIfAborted();
      const tokens = tokenize(text);
      documents.push(this.#readers.map((reader) => ({ scheduler: reader.scheduler, ids: encode(reader, tokens) })));
    }
    return documents;
  }
}

function requireTokens({ sizes, direction }: BundleMember, tokens: readonly string[]): void {
  if (tokens.length === sizes.vocabulary) return;
  throw new UserError(`The vocabulary has ${tokens.length} tokens, the ${direction} model ${sizes.vocabulary}. Export the model again.`);
}

function encode({ direction, vocabulary }: Reader, tokens: readonly string[]): Int32Array {
  const ids = vocabulary.encode(tokens);
  return direction === 'backward' ? ids.reverse() : ids;
}

async function read({ scheduler, ids }: Reading, signal: AbortSignal): Promise<Float32Array> {
  const logits = await scheduler.classify(ids, { signal });
  if (!logits.every(Number.isFinite)) throw new Error('The model answered with a value that is not a finite number.');
  return logits;
}

function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
