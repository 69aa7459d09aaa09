import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { SPECIAL_TOKENS, Vocabulary } from '../../text/vocabulary.ts';
import { cachedCorpus, type CachedCorpus, ShardStore } from './corpusCache.ts';
import { encodeCorpus, encodeInto } from './encodeCorpus.ts';
import { documentAt, documentCount } from './tokenCorpus.ts';

const TEXTS = ['A good film, a good cast.', 'A bad film.', 'Good, good, GOOD!'];
const LIMITS = { maxSize: 100, minCount: 2 };
const KEY = { settings: 'key', source: 'state' };

async function* fieldsOf(texts: readonly string[]): AsyncGenerator<readonly string[]> {
  for (const text of texts) yield [text];
}

const made = (store: ShardStore) => encodeInto(store, fieldsOf(TEXTS), LIMITS, {});
const unwanted = (): Promise<never> => Promise.reject(new Error('the cache was not used'));

/** What a corpus holds, which is closed then. */
function contentsOf({ corpus, vocabulary, close }: CachedCorpus) {
  const documents = Array.from({ length: documentCount(corpus) }, (_, index) => [...documentAt(corpus, index)]);
  close();
  return { documents, offsets: [...corpus.offsets], tokens: vocabulary.tokens };
}

describe('cachedCorpus', () => {
  it('keeps a corpus as it would be in memory, and gives it back', async () => {
    const folder = join(await temporaryFolder(), 'run', 'corpus');
    const { corpus, vocabulary } = await encodeCorpus(fieldsOf(TEXTS), LIMITS);
    const expected = contentsOf({ corpus, vocabulary, isOutdated: false, close: () => {} });
    expect(contentsOf(await cachedCorpus(folder, KEY, made))).toEqual(expected);
    expect(contentsOf(await cachedCorpus(folder, KEY, unwanted))).toEqual(expected);
    // Nothing half-written stays beside it, nor what words were counted with.
    expect(await readdir(join(folder, '..'))).toEqual(['corpus']);
    expect(await readdir(folder)).toEqual(['corpus.json', 'offsets.bin', 'tokens-00000.bin', 'vocabulary.json']);
  });

  it('cuts tokens into files, and keeps 16 bits of each where the vocabulary allows', async () => {
    const folder = join(await temporaryFolder(), 'corpus');
    const { corpus, vocabulary } = await encodeCorpus(fieldsOf(TEXTS), LIMITS);
    const found = await cachedCorpus(folder, KEY, (store) => encodeInto(smallFilesOf(store), fieldsOf(TEXTS), LIMITS, {}));
    expect(contentsOf(found)).toEqual(contentsOf({ corpus, vocabulary, isOutdated: false, close: () => {} }));
    expect(await readdir(folder)).toContain('tokens-00004.bin');
    expect((await readFile(join(folder, 'tokens-00000.bin'))).length).toBe(2 * 5);
  });

  it('keeps ids of vocabularies that need 32 bits', async () => {
    const folder = join(await temporaryFolder(), 'corpus');
    const vocabulary = Vocabulary.fromTokens([...SPECIAL_TOKENS, ...Array.from({ length: 70_000 }, (_, index) => `w${index}`)]);
    const wide = async (store: ShardStore) => {
      await store.append(Int32Array.of(0, 1, 2));
      return { tokens: await store.finish(Int32Array.of(70_000, 2, 1), false), offsets: Float64Array.of(0, 2, 3), vocabulary };
    };
    expect(contentsOf(await cachedCorpus(folder, KEY, wide)).documents).toEqual([[70_000, 2], [1]]);
    expect(contentsOf(await cachedCorpus(folder, KEY, unwanted)).documents).toEqual([[70_000, 2], [1]]);
  });

  it.each([
    ['other settings', { ...KEY, settings: 'other' }],
    ['another state of the text', { ...KEY, source: 'other' }],
    ['a text whose state is not known', { ...KEY, source: undefined }],
    ['other settings, whatever the state', { settings: 'other', source: 'state', anySource: true }],
  ])('makes it anew for %s', async (_, key) => {
    const folder = join(await temporaryFolder(), 'corpus');
    contentsOf(await cachedCorpus(folder, KEY, made));
    await expect(cachedCorpus(folder, key, unwanted)).rejects.toThrow('the cache was not used');
    const other = await cachedCorpus(folder, key, (store) => encodeInto(store, fieldsOf(['Another text.']), LIMITS, {}));
    expect(other.isOutdated).toBe(false);
    expect(contentsOf(other).documents).toHaveLength(1);
  });

  it('takes any state of the text for whoever asks for it, and says so', async () => {
    const folder = join(await temporaryFolder(), 'corpus');
    const expected = contentsOf(await cachedCorpus(folder, KEY, made));
    for (const source of ['other', undefined]) {
      const found = await cachedCorpus(folder, { settings: 'key', source, anySource: true }, unwanted);
      expect(found.isOutdated).toBe(true);
      expect(contentsOf(found)).toEqual(expected);
    }
    const same = await cachedCorpus(folder, { ...KEY, anySource: true }, unwanted);
    expect(same.isOutdated).toBe(false);
    same.close();
  });

  it('makes it anew where it was made with another tokenizer', async () => {
    const folder = join(await temporaryFolder(), 'corpus');
    contentsOf(await cachedCorpus(folder, KEY, made));
    const path = join(folder, 'corpus.json');
    const description = await readFile(path, 'utf8');
    expect(description).toContain('tokenizer 1 | key');
    await writeFile(path, description.replace('tokenizer 1 |', 'tokenizer 0 |'));
    await expect(cachedCorpus(folder, KEY, unwanted)).rejects.toThrow('the cache was not used');
  });

  it.each([
    ['tokens-00000.bin', 'cut', (path: string) => truncate(path, 10)],
    ['tokens-00000.bin', 'changed in a bit', flipBit],
    ['offsets.bin', 'cut', (path: string) => truncate(path, 16)],
    ['offsets.bin', 'changed in a bit', flipBit],
    ['vocabulary.json', 'cut', (path: string) => truncate(path, 10)],
    ['vocabulary.json', 'another one', (path: string) => writeFile(path, JSON.stringify(SPECIAL_TOKENS))],
    ['corpus.json', 'no JSON', (path: string) => writeFile(path, '{')],
    ['corpus.json', 'of an older form', (path: string) => writeFile(path, JSON.stringify({ key: 'tokenizer 1 | key', tokens: 9 }))],
  ])('makes it anew where %s is %s', async (name, _, damage) => {
    const folder = join(await temporaryFolder(), 'corpus');
    const first = contentsOf(await cachedCorpus(folder, KEY, made));
    await damage(join(folder, name));
    await expect(cachedCorpus(folder, { ...KEY, anySource: true }, unwanted)).rejects.toThrow('the cache was not used');
    expect(contentsOf(await cachedCorpus(folder, KEY, made))).toEqual(first);
    expect(contentsOf(await cachedCorpus(folder, KEY, unwanted))).toEqual(first);
  });

  it('writes nothing where the corpus cannot be made, and leaves what was there', async () => {
    const folder = await temporaryFolder();
    const breaking = async (store: ShardStore) => {
      await store.append(Int32Array.of(1, 2, 3));
      return unwanted();
    };
    await expect(cachedCorpus(join(folder, 'run', 'deep', 'corpus'), KEY, breaking)).rejects.toThrow('the cache was not used');
    expect(await readdir(folder)).toEqual([]);
    await mkdir(join(folder, 'run'));
    const first = contentsOf(await cachedCorpus(join(folder, 'run', 'corpus'), KEY, made));
    await expect(cachedCorpus(join(folder, 'run', 'corpus'), { ...KEY, source: 'other' }, breaking)).rejects.toThrow(
      'the cache was not used',
    );
    expect(await readdir(join(folder, 'run'))).toEqual(['corpus']);
    expect(contentsOf(await cachedCorpus(join(folder, 'run', 'corpus'), KEY, unwanted))).toEqual(first);
  });

  it.each([1, 2])('leaves nothing where it is stopped half-way, with %i threads', async (threads) => {
    const folder = await temporaryFolder();
    const stop = new AbortController();
    async function* stopping(): AsyncGenerator<readonly string[]> {
      for (let index = 0; index < 1000; index++) {
        if (index === 500) stop.abort();
        yield [`Text ${index}`];
      }
    }
    const options = { threads, shortText: 0, batchCharacters: 100, signal: stop.signal };
    const work = cachedCorpus(join(folder, 'corpus'), KEY, (store) => encodeInto(store, stopping(), LIMITS, options));
    await expect(work).rejects.toThrow('This operation was aborted');
    expect(await readdir(folder)).toEqual([]);
  });

  it('clears away what a killed run has left', async () => {
    const folder = await temporaryFolder({ 'corpus.4711.tmp/counting-00000.bin': 'half', 'corpus.txt': 'a text' });
    contentsOf(await cachedCorpus(join(folder, 'corpus'), KEY, made));
    expect(await readdir(folder)).toEqual(['corpus', 'corpus.txt']);
  });
});

/** A store of the same folder whose files hold five tokens. */
function smallFilesOf(store: ShardStore): ShardStore {
  return new ShardStore(store.folder, 5);
}

async function flipBit(path: string): Promise<void> {
  const bytes = await readFile(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(path, bytes);
}
