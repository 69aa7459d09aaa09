import type { Vocabulary, VocabularyLimits } from '../../text/vocabulary.ts';
import { UserError } from '../../text/errors.ts';
import { corpusFiles, readCorpusFields } from '../data/corpus.ts';
import { cachedCorpus, type CachedCorpus } from '../data/corpusCache.ts';
import { encodeInto } from '../data/encodeCorpus.ts';

export interface TokenizedTextOptions {
  /** A file of text, a table or a folder of them. */
  readonly corpus: string;
  /** Text columns, where the corpus is a table. */
  readonly text?: readonly string[] | undefined;
  readonly limits: VocabularyLimits;
  /** Take what was tokenized before, even where the text has changed since, or is gone. */
  readonly isFixed?: boolean | undefined;
  /** Called with a text that has just been tokenized, before it is kept: nothing is, where this throws. */
  readonly check: (offsets: Float64Array, vocabulary: Vocabulary) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
  readonly onNote?: ((text: string) => void) | undefined;
}

/**
 * A text as tokens: read from a folder where they lie since an earlier run, or else tokenized in one pass and kept there.
 *
 * @throws UserError where the text cannot be read; the reason of `signal` when it is aborted
 */
export async function tokenizedText(folder: string, options: TokenizedTextOptions): Promise<CachedCorpus> {
  const { corpus, text, limits, isFixed = false, check, signal, onNote = () => {} } = options;
  const files = await corpusFiles(corpus).catch((error: unknown) => {
    if (isFixed && error instanceof UserError) return undefined;
    throw error;
  });
  const settings = JSON.stringify([corpus, limits.maxSize, limits.minCount, ...(text ?? [])]);
  const tokens = await cachedCorpus(folder, { settings, source: files?.state, anySource: isFixed }, async (store) => {
    const progress = new TokenizingProgress(files?.bytes, onNote);
    const documents = readCorpusFields(corpus, { text, onBytes: (bytes) => progress.read(bytes) });
    const made = await encodeInto(store, documents, limits, { signal, onProgress: (count) => progress.tokenized(count) });
    await check(made.offsets, made.vocabulary);
    return made;
  });
  if (tokens.isOutdated) onNote(`${corpus} has changed or is gone since this run began, which goes on with the tokens in ${folder}`);
  return tokens;
}

/** Tokens from one line to the next. */
const STEP = 10e6;

/** Tells how far a text has been tokenized, and how fast. */
export class TokenizingProgress {
  readonly #bytes: number | undefined;
  readonly #report: (text: string) => void;
  readonly #now: () => number;
  readonly #started: number;
  #bytesRead = 0;
  #reported = 0;

  /**
   * @param bytes of the whole text, if known
   * @param now the clock, in milliseconds
   */
  constructor(bytes: number | undefined, report: (text: string) => void, now: () => number = () => performance.now()) {
    this.#bytes = bytes;
    this.#report = report;
    this.#now = now;
    this.#started = now();
  }

  /** Some more bytes of the text have been read. */
  read(bytes: number): void {
    this.#bytesRead += bytes;
  }

  /** So many tokens are there by now. */
  tokenized(tokens: number): void {
    if (tokens < this.#reported + STEP) return;
    this.#reported = Math.floor(tokens / STEP) * STEP;
    const rate = tokens / ((this.#now() - this.#started) / 1000);
    const share = this.#bytes === undefined ? '' : `, ${Math.floor((100 * this.#bytesRead) / this.#bytes)} % of the text`;
    this.#report(`tokenized ${this.#reported / 1e6} million tokens${share}, ${(rate / 1e6).toFixed(2)} million a second`);
  }
}
