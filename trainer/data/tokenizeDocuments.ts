import { availableParallelism } from 'node:os';
import { BatchTokenizer, type Fields, type TokenizedBatch } from './batchTokenizer.ts';
import { ThreadWords } from './threadWords.ts';
import { TokenizingThreads } from './tokenizingThreads.ts';

export interface TokenizeOptions {
  /** Threads that tokenize; by default as many as there are processors, but no more than {@link MOST_THREADS}. With 1 this thread does it all. */
  readonly threads?: number | undefined;
  /** Aborting throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Characters of a batch, which a thread tokenizes in one go. Default: {@link BATCH_CHARACTERS}. */
  readonly batchCharacters?: number | undefined;
  /** Threads are started when the text turns out to be longer than this. Default: {@link SHORT_TEXT}. */
  readonly shortText?: number | undefined;
}

/** Long enough that handing it over costs nothing beside tokenizing it, short enough that a few of them need no memory. */
const BATCH_CHARACTERS = 2 ** 18;

/** In the time that a thread takes to start, and to see text often enough to be fast, this thread has tokenized so much by itself. */
const SHORT_TEXT = 2 ** 21;

/** Reading, counting and writing, which one thread does for all, take about a sixth of the time that tokenizing takes. */
const MOST_THREADS = 8;

/** Tokenized documents, and the words that their numbers stand for. */
export interface NumberedBatch {
  readonly batch: TokenizedBatch;
  readonly words: ThreadWords;
}

/**
 * Tokenizes documents over all processors, in their order and in bounded memory: text is read no faster than it is tokenized. What comes
 * out does not depend on the number of threads but for the numbers that stand for words.
 *
 * A batch's numbers must be looked up before the next batch is asked for, which may begin a new numbering.
 *
 * @throws Error where a thread fails; whatever reading the documents throws
 */
export async function* tokenizeDocuments(documents: AsyncIterable<Fields>, options: TokenizeOptions): AsyncGenerator<NumberedBatch> {
  const {
    threads: count = Math.min(availableParallelism(), MOST_THREADS),
    signal,
    batchCharacters = BATCH_CHARACTERS,
    shortText = SHORT_TEXT,
  } = options;
  const own = { tokenizer: new BatchTokenizer(), words: new ThreadWords() };
  const underWay: Promise<NumberedBatch>[] = [];
  let threads: TokenizingThreads | undefined;
  let characters = 0;
  const added = ({ batch, words }: NumberedBatch): NumberedBatch => {
    signal?.throwIfAborted();
    words.add(batch);
    return { batch, words };
  };
  try {
    for await (const batch of batchesOf(documents, batchCharacters)) {
      signal?.throwIfAborted();
      characters += batch.characters;
      if (count < 2 || characters <= shortText) {
        yield added({ batch: own.tokenizer.tokenize(batch.documents), words: own.words });
        continue;
      }
      threads ??= new TokenizingThreads(count);
      underWay.push(threads.tokenize(batch.documents));
      if (underWay.length >= threads.room) yield added(await first(underWay));
    }
    while (underWay.length > 0) yield added(await first(underWay));
  } finally {
    await threads?.close();
  }
}

async function first<Value>(queue: Promise<Value>[]): Promise<Value> {
  const head = queue.shift();
  if (head === undefined) throw new Error('the queue is empty');
  return head;
}

interface Batch {
  readonly documents: Fields[];
  readonly characters: number;
}

/** Puts documents together until they have the characters of a batch. */
async function* batchesOf(documents: AsyncIterable<Fields>, batchCharacters: number): AsyncGenerator<Batch> {
  let batch: Fields[] = [];
  let characters = 0;
  for await (const fields of documents) {
    batch.push(fields);
    for (const field of fields) characters += field.length;
    if (characters < batchCharacters) continue;
    yield { documents: batch, characters };
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield { documents: batch, characters };
}
