import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { tokenize, tokenizeFields } from '../../text/tokenizer.ts';
import { SPECIAL_TOKENS, Vocabulary } from '../../text/vocabulary.ts';
import { cachedCorpus, encodeCorpus, encodeWith, type EncodedCorpus } from './encodeCorpus.ts';

const TEXTS = ['A good film, a good cast.', 'A bad film.', 'Good, good, GOOD!'];
const LIMITS = { maxSize: 100, minCount: 2 };

async function* fieldsOf(texts: readonly (string | readonly string[])[]): AsyncGenerator<readonly string[]> {
  for (const text of texts) yield typeof text === 'string' ? [text] : text;
}

const documentsOf = ({ corpus, vocabulary }: EncodedCorpus): string[][] =>
  Array.from({ length: corpus.offsets.length - 1 }, (_, index) => {
    return vocabulary.decode(corpus.ids.subarray(corpus.offsets[index], corpus.offsets[index + 1]));
  });

describe('encodeCorpus', () => {
  it('counts, cuts and encodes: rare words are unknown, documents stay apart', async () => {
    const encoded = await encodeCorpus(fieldsOf(TEXTS), LIMITS);
    const expected = TEXTS.map((text) => tokenize(text).map((token) => (encoded.vocabulary.has(token) ? token : 'xxunk')));
    expect(documentsOf(encoded)).toEqual(expected);
    expect(encoded.vocabulary.tokens.slice(SPECIAL_TOKENS.length, -2)).toEqual(['good', ',', 'a', '.', 'film']);
    expect(expected.flat().filter((token) => token === 'xxunk')).toHaveLength(3); // cast, bad, !
    expect(encoded.corpus.ids).toBeInstanceOf(Uint16Array);
  });

  it('counts with the words of all documents, wherever its blocks end', async () => {
    // A block holds 2^20 tokens.
    const long = 'one two three four '.repeat(1000);
    const encoded = await encodeCorpus(fieldsOf(new Array(270).fill(long)), LIMITS);
    expect(encoded.corpus.offsets.at(-1)).toBe(270 * 4001);
    const last = documentsOf(encoded).at(-1) ?? [];
    expect(last).toEqual(tokenize(long));
    const border = encoded.corpus.ids.subarray(2 ** 20 - 3, 2 ** 20 + 3);
    const place = (2 ** 20 - 3) % 4001;
    expect(encoded.vocabulary.decode(border)).toEqual(tokenize(long).slice(place, place + 6));
  });

  it('extends a vocabulary without moving its ids', async () => {
    const old = Vocabulary.fromCounts(
      new Map([
        ['film', 3],
        ['plot', 2],
      ]),
      LIMITS,
    );
    const { vocabulary, corpus } = await encodeCorpus(fieldsOf(TEXTS), LIMITS, { extend: old });
    expect(vocabulary.tokens.slice(0, 11)).toEqual([...SPECIAL_TOKENS, 'film', 'plot']);
    expect(vocabulary.tokens.slice(11, 15)).toEqual(['good', ',', 'a', '.']);
    expect(documentsOf({ corpus, vocabulary })[1]).toEqual(['xxbos', 'a', 'xxunk', 'film', '.']);
  });

  it('marks the fields of a record', async () => {
    const encoded = await encodeCorpus(fieldsOf([['Good film', 'A good cast']]), { maxSize: 100, minCount: 1 });
    expect(documentsOf(encoded)[0]).toEqual(tokenizeFields(['Good film', 'A good cast']));
  });
});

describe('encodeWith', () => {
  it('takes the vocabulary as it is', async () => {
    const vocabulary = Vocabulary.fromCounts(new Map([['good', 3]]), LIMITS);
    const corpus = await encodeWith(fieldsOf(['A good film', 'Bad']), vocabulary);
    expect(documentsOf({ corpus, vocabulary })).toEqual([
      ['xxbos', 'xxunk', 'good', 'xxunk'],
      ['xxbos', 'xxmaj', 'xxunk'],
    ]);
  });
});

describe('cachedCorpus', () => {
  const made = () => encodeCorpus(fieldsOf(TEXTS), LIMITS);
  const unwanted = (): Promise<EncodedCorpus> => Promise.reject(new Error('the cache was not used'));
  const plain = ({ corpus, vocabulary }: EncodedCorpus) => ({
    ids: [...corpus.ids],
    offsets: [...corpus.offsets],
    tokens: vocabulary.tokens,
  });

  it('keeps a corpus and gives it back', async () => {
    const folder = join(await temporaryFolder(), 'run', 'corpus');
    const first = await cachedCorpus(folder, 'key', made);
    expect(plain(await cachedCorpus(folder, 'key', unwanted))).toEqual(plain(first));
    // Nothing half-written stays beside it.
    expect(await readdir(join(folder, '..'))).toEqual(['corpus']);
  });

  it('keeps ids of vocabularies that need 32 bits', async () => {
    const folder = join(await temporaryFolder(), 'corpus');
    const wide = { corpus: { ids: Int32Array.of(70_000, 2, 1), offsets: Float64Array.of(0, 2, 3) }, vocabulary: (await made()).vocabulary };
    await cachedCorpus(folder, 'key', () => Promise.resolve(wide));
    expect(plain(await cachedCorpus(folder, 'key', unwanted))).toEqual(plain(wide));
  });

  it('makes it anew where it was made from something else', async () => {
    const folder = join(await temporaryFolder(), 'corpus');
    await cachedCorpus(folder, 'key', made);
    const other = await encodeCorpus(fieldsOf(['Another text.']), { maxSize: 100, minCount: 1 });
    expect(plain(await cachedCorpus(folder, 'another key', () => Promise.resolve(other)))).toEqual(plain(other));
    expect(plain(await cachedCorpus(folder, 'another key', unwanted))).toEqual(plain(other));
  });

  it('makes it anew where it was made with another tokenizer', async () => {
    const folder = join(await temporaryFolder(), 'corpus');
    await cachedCorpus(folder, 'key', made);
    const path = join(folder, 'corpus.json');
    const description = await readFile(path, 'utf8');
    expect(description).toContain('tokenizer 1 | key');
    await writeFile(path, description.replace('tokenizer 1 |', 'tokenizer 0 |'));
    await expect(cachedCorpus(folder, 'key', unwanted)).rejects.toThrow('the cache was not used');
  });

  it.each([
    ['ids.bin', (path: string) => truncate(path, 10)],
    ['offsets.bin', (path: string) => truncate(path, 16)],
    ['vocabulary.json', (path: string) => truncate(path, 10)],
    ['corpus.json', (path: string) => writeFile(path, '{')],
  ])('makes it anew where %s is damaged', async (name, damage) => {
    const folder = join(await temporaryFolder(), 'corpus');
    const first = await cachedCorpus(folder, 'key', made);
    await damage(join(folder, name));
    await expect(cachedCorpus(folder, 'key', unwanted)).rejects.toThrow('the cache was not used');
    expect(plain(await cachedCorpus(folder, 'key', made))).toEqual(plain(first));
    expect(plain(await cachedCorpus(folder, 'key', unwanted))).toEqual(plain(first));
  });

  it('writes nothing where the corpus cannot be made', async () => {
    const folder = await temporaryFolder();
    await expect(cachedCorpus(join(folder, 'corpus'), 'key', unwanted)).rejects.toThrow('the cache was not used');
    expect(await readdir(folder)).toEqual([]);
  });
});
