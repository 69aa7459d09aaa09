import { getActiveResourcesInfo } from 'node:process';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { tokenizeFields } from '../../text/tokenizer.ts';
import { BatchTokenizer, type Fields } from './batchTokenizer.ts';
import { tokenizeDocuments, type TokenizeOptions } from './tokenizeDocuments.ts';

const IN_THREADS = { threads: 2, shortText: 0, batchCharacters: 30 } as const;

const TEXTS = Array.from({ length: 200 }, (_, index) => `Text number ${index}, of ${index % 7} kinds`);

async function* fieldsOf(texts: readonly string[]): AsyncGenerator<Fields> {
  for (const text of texts) yield [text];
}

/** The words of all documents. */
async function wordsOf(documents: AsyncIterable<Fields>, options: TokenizeOptions): Promise<string[][]> {
  const known: string[] = [];
  const idOf = (word: string): number => known.push(word) - 1;
  const all: string[][] = [];
  for await (const { batch, words } of tokenizeDocuments(documents, options)) {
    let position = 0;
    for (const length of batch.lengths) {
      const numbers = batch.numbers.subarray(position, position + length);
      all.push(Array.from(numbers, (number) => known[words.idOf(number, idOf)] ?? ''));
      position += length;
    }
  }
  return all;
}

const threadsAlive = (): number => getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

describe('tokenizeDocuments', () => {
  it.each([1, 2, 5])('gives documents in their order, with %i threads', async (threads) => {
    const found = await wordsOf(fieldsOf(TEXTS), { ...IN_THREADS, threads });
    expect(found).toEqual(TEXTS.map((text) => tokenizeFields([text])));
  });

  it('starts no threads for a short text', async () => {
    const before = threadsAlive();
    const batches = tokenizeDocuments(fieldsOf(TEXTS), { threads: 4, batchCharacters: 30 });
    for await (const { batch } of batches) {
      expect(batch.lengths.length).toBeGreaterThan(0);
      expect(threadsAlive()).toBe(before);
    }
  });

  it('starts threads for a long one, and ends them', async () => {
    const before = threadsAlive();
    const batches = tokenizeDocuments(fieldsOf(TEXTS), IN_THREADS);
    await batches.next();
    expect(threadsAlive()).toBe(before + 2);
    await batches.return(undefined);
    expect(threadsAlive()).toBe(before);
  });

  it('reads no further than its threads need', async () => {
    let read = 0;
    async function* counted(): AsyncGenerator<Fields> {
      for (; read < 10_000; read++) yield ['x'.repeat(30)];
    }
    const batches = tokenizeDocuments(counted(), IN_THREADS);
    await batches.next();
    await batches.next();
    expect(read).toBeLessThan(10); // 2 threads with 3 batches each, and the next ones
    await batches.return(undefined);
  });

  it('hands on what reading throws, and ends its threads', async () => {
    async function* failing(): AsyncGenerator<Fields> {
      yield* fieldsOf(TEXTS);
      throw new UserError('corpus.txt:201: not UTF-8');
    }
    await expect(wordsOf(failing(), IN_THREADS)).rejects.toThrow(new UserError('corpus.txt:201: not UTF-8'));
    await expect(wordsOf(failing(), { threads: 1 })).rejects.toThrow(UserError);
  });

  it('says so where a thread fails', async () => {
    async function* broken(): AsyncGenerator<Fields> {
      yield* fieldsOf(TEXTS);
      yield [{ length: 5 } as unknown as string];
      yield* fieldsOf(TEXTS);
    }
    const work = wordsOf(broken(), IN_THREADS);
    await expect(work).rejects.toThrow(/^A thread that tokenizes text has failed: /);
    await expect(work).rejects.not.toBeInstanceOf(UserError);
  });

  it.each([1, 3])('stops where it is told to, with %i threads', async (threads) => {
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Fields> {
      for (let index = 0; ; index++) {
        if (index === 100) stop.abort();
        yield [`Text ${index}`];
      }
    }
    const reason: unknown = await wordsOf(endless(), { ...IN_THREADS, threads, signal: stop.signal }).catch((error: unknown) => error);
    expect(reason).toBe(stop.signal.reason);
    expect(reason).toMatchObject({ name: 'AbortError' });
  });
});

describe('BatchTokenizer', () => {
  it('numbers words as they come, and tells which are new', () => {
    const tokenizer = new BatchTokenizer();
    const first = tokenizer.tokenize([['a b'], ['b c b']]);
    expect([...first.lengths]).toEqual([3, 4]);
    expect([...first.numbers]).toEqual([0, 1, 2, 0, 2, 3, 2]);
    expect(first.newWords).toEqual(['xxbos', 'a', 'b', 'c']);
    const second = tokenizer.tokenize([['d a']]);
    expect([...second.numbers]).toEqual([0, 4, 1]);
    expect(second.newWords).toEqual(['d']);
    expect([first.restarted, second.restarted]).toEqual([false, false]);
  });

  it('begins anew when it has seen many words', () => {
    const tokenizer = new BatchTokenizer(3);
    tokenizer.tokenize([['a b c']]);
    const next = tokenizer.tokenize([['c d']]);
    expect(next).toMatchObject({ restarted: true, newWords: ['xxbos', 'c', 'd'] });
    expect([...next.numbers]).toEqual([0, 1, 2]);
    expect(tokenizer.tokenize([['d']]).restarted).toBe(false);
  });
});
