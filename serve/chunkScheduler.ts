import type { ChunkResult, ClassifierRuntime, DocumentState } from './classifierRuntime.ts';
import { turnLength } from './turnLength.ts';
import { TurnPlaces } from './turnPlaces.ts';

export interface ChunkSchedulerOptions {
  /** Documents in one graph call. More rows share the cost of reading the weights, and take more memory. */
  readonly maxBatch: number;
  /** Documents in flight, those waiting for their first chunk included. The next one is refused with QueueFullError. */
  readonly maxQueue: number;
  /**
   * Awaited before every turn, by whoever waits for a document. Needed where a graph call does not give the thread back by
   * itself (WebAssembly): there it must let timers and new requests have their turn.
   */
  readonly betweenTurns?: (() => Promise<void>) | undefined;
  /** Told of every turn, for metrics. */
  readonly onTurn?: ((turn: TurnRecord) => void) | undefined;
}

/** What one graph call did. */
export interface TurnRecord {
  /** Documents in it. */
  readonly rows: number;
  /** Tokens read, without padding. */
  readonly tokens: number;
  /** How long the call took. */
  readonly milliseconds: number;
}

export interface ClassifyOptions {
  /** Takes the document out of the line; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every chunk with the prediction so far and the number of tokens read. */
  readonly onChunk?: ((logits: Float32Array, tokensRead: number) => void) | undefined;
  /** What the model remembers of the text before these tokens. Nothing, unless told: the document begins here. */
  readonly state?: DocumentState | undefined;
}

/** No room for another document now. `retryAfterSeconds` is an estimate from the work that is waiting. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError';
  readonly retryAfterSeconds: number;

  constructor(maxQueue: number, retryAfterSeconds: number) {
    super(`The queue, of ${maxQueue} documents, has no room for this request now. Try again in ${retryAfterSeconds} s.`);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** One document on its way through the model. */
interface DocumentInFlight {
  readonly ids: Int32Array;
  readonly onChunk: ClassifyOptions['onChunk'];
  state: DocumentState;
  position: number;
  /** Whether a graph call is reading it now. */
  inTurn: boolean;
  outcome: Outcome | undefined;
}

type Outcome = { readonly result: ChunkResult } | { readonly error: unknown };

/** How much the newest turn counts in the running mean of the turns' duration. */
const NEWEST_TURN_WEIGHT = 0.2;
const MAX_RETRY_AFTER_SECONDS = 60;

/**
 * Continuous batching of recurrent documents. Documents in flight stand in one line, each with its state. A turn takes the
 * next chunk of up to `maxBatch` of them, whatever their lengths and however far along they are, and makes one graph
 * call; finished documents are answered and leave, the others go to the end of the line. So nothing is cut off, and each
 * costs the same memory whatever its length. Long documents have few of the places while short ones wait: see TurnPlaces. How
 * much a turn reads depends on who is in it, so that little of a call is padding: see turnLength; a document with nothing beside it is read in
 * longer pieces. Where the runtime can make several graph calls at a time, as many turns run, each with its share of the documents.
 *
 * Every document's answer is the one it would get alone: rows share a call, never a state.
 *
 * Nobody owns the loop: whoever waits for a document drives the turns, and all who wait share the turns that are running. A
 * turn only leaves its outcomes with the documents; each is picked up by the one who waits for it. That is what an edge
 * platform needs, where a request can neither settle another one's promises nor outlive its own client.
 *
 * @example
 * const scheduler = new ChunkScheduler(runtime, { maxBatch: 16, maxQueue: 256 });
 * const logits = await scheduler.classify(vocabulary.encode(tokenize('A fine film.')));
 */
export class ChunkScheduler {
  readonly maxQueue: number;
  readonly #runtime: ClassifierRuntime;
  readonly #maxBatch: number;
  readonly #betweenTurns: ChunkSchedulerOptions['betweenTurns'];
  readonly #onTurn: ChunkSchedulerOptions['onTurn'];
  /** Documents without outcome, in the order of their next turn. A Set lets a cancelled one leave from the middle. */
  readonly #line = new Set<DocumentInFlight>();
  readonly #places = new TurnPlaces();
  readonly #turns = new Set<Promise<void>>();
  readonly #turnsAtOnce: number;
  #turnsDone = 0;
  #meanTurnMilliseconds = 0;

  /** @throws RangeError when a limit is not a whole number of at least 1. */
  constructor(runtime: ClassifierRuntime, options: ChunkSchedulerOptions) {
    for (const name of ['maxBatch', 'maxQueue'] as const) {
      if (!Number.isSafeInteger(options[name]) || options[name] < 1) {
        throw new RangeError(`${name} is ${options[name]}; it must be a whole number of at least 1.`);
      }
    }
    this.#runtime = runtime;
    this.#turnsAtOnce = runtime.callsAtOnce ?? 1;
    this.#maxBatch = options.maxBatch;
    this.maxQueue = options.maxQueue;
    this.#betweenTurns = options.betweenTurns;
    this.#onTurn = options.onTurn;
  }

  /** Documents that wait for their answer now. */
  get inFlight(): number {
    return this.#line.size;
  }

  /**
   * Makes sure that so many more documents may come in now.
   *
   * @throws QueueFullError when there is no room for all of them.
   */
  requireRoom(documents: number): void {
    if (this.#line.size + documents > this.maxQueue) throw new QueueFullError(this.maxQueue, this.#retryAfterSeconds());
  }

  /**
   * The logits of a whole document.
   *
   * @param ids at least one token id; any number of them.
   * @throws RangeError for a document without tokens, QueueFullError when there is no room, the signal's reason when
   *   cancelled, and what the runtime threw when the graph call with one of the document's chunks failed.
   */
  async classify(ids: Int32Array, options: ClassifyOptions = {}): Promise<Float32Array> {
    return (await this.read(ids, options)).logits;
  }

  /** As {@link classify}, with the state after the last token, from which the document can be read on later. */
  async read(ids: Int32Array, options: ClassifyOptions = {}): Promise<ChunkResult> {
    const { signal, onChunk, state = this.#runtime.freshState() } = options;
    if (ids.length === 0) throw new RangeError('A document needs at least one token.');
    signal?.throwIfAborted();
    this.requireRoom(1);
    const document: DocumentInFlight = { ids, onChunk, state, position: 0, inTurn: false, outcome: undefined };
    const cancelled = Promise.withResolvers<never>();
    const cancel = () => {
      this.#line.delete(document);
      cancelled.reject(signal?.reason);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    this.#line.add(document);
    try {
      return await Promise.race([this.#outcomeOf(document), cancelled.promise]);
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Resolves once no graph call is running: the call of a cancelled document ends after its promise did. */
  async idle(): Promise<void> {
    while (this.#turns.size > 0) await Promise.race(this.#turns);
  }

  /** Keeps turns going until the document has its outcome. One that was cancelled gets none: nobody waits for it any more. */
  async #outcomeOf(document: DocumentInFlight): Promise<ChunkResult> {
    while (this.#line.has(document)) {
      const turns = this.#turnsDone;
      await this.#betweenTurns?.();
      // Where someone else made a turn in the meantime, the event loop has its own turn before the next one.
      if (this.#line.has(document) && this.#turnsDone === turns) await this.#nextTurn();
    }
    const outcome = document.outcome ?? { error: new Error('The document was cancelled.') };
    if ('error' in outcome) throw outcome.error;
    return outcome.result;
  }

  /** The end of the next turn to end. Starts turns where there is room for one, and documents that are in none. */
  #nextTurn(): Promise<void> {
    while (this.#turns.size < this.#turnsAtOnce) {
      const batch = this.#nextBatch();
      if (batch.length === 0) break;
      const turn = this.#runTurn(batch).finally(() => {
        this.#turnsDone += 1;
        this.#turns.delete(turn);
      });
      this.#turns.add(turn);
    }
    return Promise.race(this.#turns);
  }

  /** Who has a place in the next turn: each of several turns at a time has its share, so that all of them have work. */
  #nextBatch(): DocumentInFlight[] {
    const places = Math.min(this.#maxBatch, Math.ceil(this.#line.size / this.#turnsAtOnce));
    const waiting = [...this.#line.values()].filter((document) => !document.inTurn);
    return this.#places.choose(waiting, places, this.#runtime.chunkLength);
  }

  async #runTurn(batch: readonly DocumentInFlight[]): Promise<void> {
    for (const document of batch) document.inTurn = true;
    const length = turnLength(
      batch.map((document) => document.ids.length - document.position),
      this.#longestChunk(),
    );
    const chunks = batch.map((document) => document.ids.subarray(document.position, document.position + length));
    const started = performance.now();
    let results: ChunkResult[];
    try {
      results = await this.#runtime.run(batch.map((document, row) => ({ tokens: chunks[row] ?? document.ids, state: document.state })));
    } catch (error) {
      for (const document of batch) this.#finish(document, { error });
      return;
    }
    const milliseconds = performance.now() - started;
    this.#noteTurn(milliseconds);
    this.#onTurn?.({ rows: batch.length, tokens: chunks.reduce((sum, chunk) => sum + chunk.length, 0), milliseconds });
    for (const [row, document] of batch.entries()) {
      document.inTurn = false;
      const result = results[row];
      if (result === undefined)
        this.#finish(document, { error: new Error(`The runtime answered ${results.length} of ${batch.length} rows.`) });
      else this.#advance(document, result, chunks[row]?.length ?? 0);
    }
  }

  /**
   * A document with nothing beside it is read in longer pieces where the runtime takes them, unless somebody wants to hear of each chunk:
   * every call costs something, and most of all its way to another thread and back on a machine that was idle.
   */
  #longestChunk(): number {
    const { chunkLength, loneLength = chunkLength } = this.#runtime;
    const [first] = this.#line;
    return this.#line.size === 1 && first?.onChunk === undefined ? loneLength : chunkLength;
  }

  /** Takes a chunk's result: the document leaves with its answer, or goes to the end of the line. */
  #advance(document: DocumentInFlight, result: ChunkResult, tokens: number): void {
    // A document cancelled during the call has left the line: its result is nobody's.
    if (!this.#line.has(document)) return;
    document.state = result.state;
    document.position += tokens;
    try {
      document.onChunk?.(result.logits, document.position);
    } catch (error) {
      this.#finish(document, { error });
      return;
    }
    if (document.position === document.ids.length) {
      this.#finish(document, { result });
    } else {
      this.#line.delete(document);
      this.#line.add(document);
    }
  }

  #finish(document: DocumentInFlight, outcome: Outcome): void {
    this.#line.delete(document);
    document.outcome = outcome;
  }

  #noteTurn(milliseconds: number): void {
    const weight = this.#meanTurnMilliseconds === 0 ? 1 : NEWEST_TURN_WEIGHT;
    this.#meanTurnMilliseconds += weight * (milliseconds - this.#meanTurnMilliseconds);
  }

  /** The time all waiting work would take at the present pace, at least 1 s and at most a minute. */
  #retryAfterSeconds(): number {
    const { chunkLength } = this.#runtime;
    let chunks = 0;
    for (const document of this.#line) chunks += Math.ceil((document.ids.length - document.position) / chunkLength);
    const seconds = Math.ceil(((chunks / (this.#maxBatch * this.#turnsAtOnce)) * this.#meanTurnMilliseconds) / 1000);
    return Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, seconds));
  }
}
