import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Fields, TokenizedBatch } from './batchTokenizer.ts';
import { ThreadWords } from './threadWords.ts';

/** Batches that a thread is given at a time, so that it never waits for the reader. */
const BATCHES_A_THREAD = 3;

/** MiB of memory that a thread may fill before it looks for what it no longer needs: less makes it slower, and V8's own choice, 128, no faster. */
const YOUNG_GENERATION = 48;

interface Thread {
  readonly worker: Worker;
  readonly words: ThreadWords;
  /** Whoever waits for its answers, first asked first answered. */
  readonly waiting: { readonly resolve: (batch: TokenizedBatch) => void; readonly reject: (error: Error) => void }[];
}

/** What a thread has answered, and the words that its numbers stand for once `batch` is added to them. */
export interface ThreadAnswer {
  readonly batch: TokenizedBatch;
  readonly words: ThreadWords;
}

/** Threads that tokenize batches of documents side by side. */
export class TokenizingThreads {
  readonly #threads: Thread[];
  #failure: Error | undefined;

  constructor(count: number) {
    this.#threads = Array.from({ length: count }, () => this.#start());
  }

  /** Batches under way that keep every thread busy. */
  get room(): number {
    return BATCHES_A_THREAD * this.#threads.length;
  }

  /**
   * Has the least busy thread tokenize a batch.
   *
   * @throws Error where the thread has failed
   */
  tokenize(documents: readonly Fields[]): Promise<ThreadAnswer> {
    const thread = this.#threads.reduce((least, other) => (other.waiting.length < least.waiting.length ? other : least));
    const { promise, resolve, reject } = Promise.withResolvers<TokenizedBatch>();
    if (this.#failure !== undefined) reject(this.#failure);
    else {
      thread.waiting.push({ resolve, reject });
      thread.worker.postMessage(documents);
    }
    const answer = promise.then((batch) => ({ batch, words: thread.words }));
    answer.catch(() => {}); // Whoever asked may still be waiting for an earlier batch when this one fails.
    return answer;
  }

  /** Ends all threads, whatever they are at. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(): Thread {
    // Without this process's own flags, of which some, such as --input-type, would make a thread fail.
    const worker = new Worker(new URL(`tokenizingThread${extname(import.meta.url)}`, import.meta.url), {
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
    });
    const thread: Thread = { worker, words: new ThreadWords(), waiting: [] };
    worker.on('message', (batch: TokenizedBatch) => thread.waiting.shift()?.resolve(batch));
    worker.on('error', (error) => this.#fail(error));
    worker.on('messageerror', (error) => this.#fail(error));
    worker.on('exit', (code) => this.#fail(new Error(`it ended with code ${code}`)));
    return thread;
  }

  #fail(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= new Error(`A thread that tokenizes text has failed: ${reason}`, { cause });
    for (const { waiting } of this.#threads) for (const { reject } of waiting.splice(0)) reject(this.#failure);
  }
}
