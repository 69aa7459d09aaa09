import type { Bundle } from '../export/bundle.ts';
import { UserError } from '../text/errors.ts';
import { TOKENIZER_VERSION, tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import { ChunkScheduler, type ChunkSchedulerOptions, type ClassifyOptions } from './chunkScheduler.ts';
import type { ClassifierRuntime } from './classifierRuntime.ts';
import type { ScoreFunction } from './schema.ts';

/** One label with its score. */
export interface LabelScore {
  readonly label: string;
  readonly score: number;
}

/** How long tokenizing the texts of one request may keep the thread from graph calls and other requests. */
const BUSY_MILLISECONDS = 10;

/**
 * Text in, logits out: tokenizes as the model was trained, reads the whole document chunk by chunk, and keeps the
 * tokenizer and the model for the next one.
 *
 * @example
 * const classifier = new Classifier(runtime, vocabularyTokens, { maxBatch: 16, maxQueue: 256 });
 * const [logits] = await classifier.classify(['A fine film.']);
 * scoresOf(classifier.bundle.labels, logits); // [{ label: 'positive', score: 0.98 }, { label: 'negative', score: 0.02 }]
 */
export class Classifier {
  readonly bundle: Bundle;
  readonly #runtime: ClassifierRuntime;
  readonly #vocabulary: Vocabulary;
  readonly #scheduler: ChunkScheduler;

  /** @throws UserError when the bundle needs another tokenizer or vocabulary than the ones at hand. */
  constructor(runtime: ClassifierRuntime, vocabulary: readonly string[], options: ChunkSchedulerOptions) {
    const { bundle } = runtime;
    const [needed, present]: readonly number[] = [bundle.tokenizerVersion, TOKENIZER_VERSION];
    if (needed !== present) {
      throw new UserError(
        `The bundle needs version ${needed} of the tokenizer, this program has version ${present}. Export the model again.`,
      );
    }
    if (vocabulary.length !== bundle.sizes.vocabulary) {
      throw new UserError(`The vocabulary has ${vocabulary.length} tokens, the model ${bundle.sizes.vocabulary}. Export the model again.`);
    }
    this.bundle = bundle;
    this.#runtime = runtime;
    this.#vocabulary = Vocabulary.fromTokens(vocabulary);
    this.#scheduler = new ChunkScheduler(runtime, options);
  }

  /** The most texts that can be in flight at a time. */
  get maxQueue(): number {
    return this.#scheduler.maxQueue;
  }

  /** Texts that wait for their answer now. */
  get inFlight(): number {
    return this.#scheduler.inFlight;
  }

  /**
   * The logits of every text, in order, each of its whole length. When one fails, the others are cancelled.
   *
   * @throws QueueFullError when there is not room for all of them, the signal's reason when cancelled, and what the
   *   runtime threw when a graph call failed.
   */
  async classify(texts: readonly string[], options: Pick<ClassifyOptions, 'signal'> = {}): Promise<Float32Array[]> {
    this.#scheduler.requireRoom(texts.length);
    const documents = await this.#tokenizeAll(texts, options.signal);
    // Others may have come in meanwhile: a request is let in whole or not at all.
    this.#scheduler.requireRoom(texts.length);
    const ownFailure = new AbortController();
    const signal = options.signal === undefined ? ownFailure.signal : AbortSignal.any([options.signal, ownFailure.signal]);
    try {
      return await Promise.all(documents.map((ids) => this.#classifyIds(ids, signal)));
    } catch (error) {
      ownFailure.abort(error);
      throw error;
    }
  }

  /** Gives the model's memory back, once no graph call is using it. */
  async dispose(): Promise<void> {
    await this.#scheduler.idle();
    await this.#runtime.dispose();
  }

  async #tokenizeAll(texts: readonly string[], signal: AbortSignal | undefined): Promise<Int32Array[]> {
    const documents: Int32Array[] = [];
    let busySince = performance.now();
    for (const text of texts) {
      if (performance.now() - busySince > BUSY_MILLISECONDS) {
        await eventLoopTurn();
        busySince = performance.now();
      }
      signal?.throwIfAborted();
      documents.push(this.#vocabulary.encode(tokenize(text)));
    }
    return documents;
  }

  async #classifyIds(ids: Int32Array, signal: AbortSignal): Promise<Float32Array> {
    const logits = await this.#scheduler.classify(ids, { signal });
    if (!logits.every(Number.isFinite)) throw new Error('The model answered with a value that is not a finite number.');
    return logits;
  }
}

/**
 * The labels with their scores, best first; labels with the same score keep the model's order.
 *
 * @param logits one value per label, in the model's order.
 * @example
 * scoresOf(['negative', 'positive'], Float32Array.of(0, 0)); // both 0.5, negative first
 */
export function scoresOf(labels: readonly string[], logits: Float32Array, scoreFunction: ScoreFunction = 'softmax'): LabelScore[] {
  const scores = SCORE_FUNCTIONS[scoreFunction](Array.from(logits));
  return labels.map((label, index) => ({ label, score: scores[index] ?? Number.NaN })).toSorted((one, other) => other.score - one.score);
}

const SCORE_FUNCTIONS: Readonly<Record<ScoreFunction, (logits: readonly number[]) => number[]>> = {
  softmax,
  sigmoid: (logits) => logits.map((logit) => 1 / (1 + Math.exp(-logit))),
  none: (logits) => [...logits],
};

/** e^z / Σ e^z, shifted by the largest logit so that nothing overflows. */
function softmax(logits: readonly number[]): number[] {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
