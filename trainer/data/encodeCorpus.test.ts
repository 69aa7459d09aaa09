import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenize, tokenizeFields } from '../../text/tokenizer.ts';
import { SPECIAL_TOKENS, Vocabulary } from '../../text/vocabulary.ts';
import { encodeCorpus, encodeWith, type EncodedCorpus, type EncodeOptions } from './encodeCorpus.ts';
import { documentAt, documentCount } from './tokenCorpus.ts';

type Document = string | readonly string[];

const TEXTS = ['A good film, a good cast.', 'A bad film.', 'Good, good, GOOD!'];
const LIMITS = { maxSize: 100, minCount: 2 };
const EVERY_WORD = { maxSize: 100_000, minCount: 1 };

async function* fieldsOf(texts: readonly Document[]): AsyncGenerator<readonly string[]> {
  for (const text of texts) yield typeof text === 'string' ? [text] : text;
}

/** A word of letters alone, which is one token. */
const wordOf = (index: number): string => `zu${Array.from(String(index), (digit) => `${'bdfgklmnrt'[Number(digit)]}o`).join('')}`;

const idsOf = ({ corpus }: Pick<EncodedCorpus, 'corpus'>): number[][] =>
  Array.from({ length: documentCount(corpus) }, (_, index) => [...documentAt(corpus, index)]);

const documentsOf = ({ corpus, vocabulary }: EncodedCorpus): string[][] => idsOf({ corpus }).map((ids) => vocabulary.decode(ids));

const plain = (encoded: EncodedCorpus) => ({ ids: idsOf(encoded), tokens: encoded.vocabulary.tokens });

describe('encodeCorpus', () => {
  it('counts, cuts and encodes: rare words are unknown, documents stay apart', async () => {
    const encoded = await encodeCorpus(fieldsOf(TEXTS), LIMITS);
    const expected = TEXTS.map((text) => tokenize(text).map((token) => (encoded.vocabulary.has(token) ? token : 'xxunk')));
    expect(documentsOf(encoded)).toEqual(expected);
    expect(encoded.vocabulary.tokens.slice(SPECIAL_TOKENS.length, -2)).toEqual(['good', ',', 'a', '.', 'film']);
    expect(expected.flat().filter((token) => token === 'xxunk')).toHaveLength(3); // cast, bad, !
  });

  it('counts with the words of all documents, wherever its batches end', async () => {
    const long = 'one two three four '.repeat(1000);
    const encoded = await encodeCorpus(fieldsOf(new Array(270).fill(long)), LIMITS);
    expect(encoded.corpus.offsets.at(-1)).toBe(270 * 4001);
    expect(encoded.vocabulary.decode(documentAt(encoded.corpus, 269))).toEqual(tokenize(long));
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
    const encoded = await encodeCorpus(fieldsOf([['Good film', 'A good cast']]), EVERY_WORD);
    expect(documentsOf(encoded)[0]).toEqual(tokenizeFields(['Good film', 'A good cast']));
  });

  it('tells the tokens so far', async () => {
    const told: number[] = [];
    await encodeCorpus(fieldsOf(TEXTS), LIMITS, { batchCharacters: 1, onProgress: (tokens) => told.push(tokens) });
    const lengths = TEXTS.map((text) => tokenize(text).length) as [number, number, number];
    expect(told).toEqual([lengths[0], lengths[0] + lengths[1], lengths[0] + lengths[1] + lengths[2]]);
  });

  it('encodes more words than 16 bits can tell apart', async () => {
    const words = Array.from({ length: 66_000 }, (_, index) => wordOf(index));
    const encoded = await encodeCorpus(fieldsOf([words.join(' '), words.toReversed().join(' ')]), EVERY_WORD, { threads: 2, shortText: 0 });
    expect(encoded.vocabulary.size).toBeGreaterThan(0x10000);
    expect(documentsOf(encoded)[1]).toEqual(['xxbos', ...words.toReversed()]);
  });
});

describe('the result does not depend on threads and batches', () => {
  const TEXT = [
    ...TEXTS,
    '',
    ' \n ',
    ['Title', 'body'],
    ['', ''],
    'Ünïcode: 我用 iPhone 🙂🙂🙂, naïve\u00a0café, x\ud800y',
    'SHOUTING aaaaaa yes yes yes yes <br /> &amp;',
    Array.from({ length: 500 }, (_, index) => `word${index % 97}`).join(' '), // longer than a batch
    'The last one.',
  ];
  const encode = (options: EncodeOptions) => encodeCorpus(fieldsOf(TEXT), LIMITS, options).then(plain);

  it('for 1, 2 and 3 threads and batches of any size', { timeout: 120_000 }, async () => {
    const expected = await encode({ threads: 1 });
    expect(expected.ids).toHaveLength(TEXT.length);
    for (const batchCharacters of [1, 7, 60, 2000, 1e6]) {
      expect(await encode({ threads: 1, batchCharacters }), `1 thread, ${batchCharacters}`).toEqual(expected);
    }
    for (const threads of [2, 3]) {
      for (const [batchCharacters, shortText] of [
        [1, 0],
        [40, 0],
        [40, 100],
        [1e6, 0],
      ] as const) {
        expect(await encode({ threads, batchCharacters, shortText }), `${threads} threads, ${batchCharacters}`).toEqual(expected);
      }
    }
  });

  it('for texts of any characters', { timeout: 120_000 }, async () => {
    const document = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { minLength: 1, maxLength: 3 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(document, { maxLength: 20 }), fc.integer({ min: 1, max: 100 }), async (texts, batchCharacters) => {
        const expected = await encodeCorpus(fieldsOf(texts), EVERY_WORD, { threads: 1 });
        const words = texts.map((text) => tokenizeFields(typeof text === 'string' ? [text] : text));
        expect(documentsOf(expected)).toEqual(
          words.map((tokens) => tokens.map((token) => (expected.vocabulary.has(token) ? token : 'xxunk'))),
        );
        const found = await encodeCorpus(fieldsOf(texts), EVERY_WORD, { threads: 2, batchCharacters, shortText: 0 });
        expect(plain(found)).toEqual(plain(expected));
      }),
      { numRuns: 5 },
    );
  });
});

describe('encodeWith', () => {
  it('takes the vocabulary as it is, with any number of threads', async () => {
    const vocabulary = Vocabulary.fromCounts(new Map([['good', 3]]), LIMITS);
    for (const threads of [1, 2]) {
      const corpus = await encodeWith(fieldsOf(['A good film', 'Bad']), vocabulary, { threads, shortText: 0 });
      expect(documentsOf({ corpus, vocabulary })).toEqual([
        ['xxbos', 'xxunk', 'good', 'xxunk'],
        ['xxbos', 'xxmaj', 'xxunk'],
      ]);
    }
  });

  it('keeps ids that need 32 bits', async () => {
    const vocabulary = Vocabulary.fromTokens([...SPECIAL_TOKENS, ...Array.from({ length: 70_000 }, (_, index) => wordOf(index))]);
    const corpus = await encodeWith(fieldsOf([`${wordOf(69_999)} ${wordOf(0)}`]), vocabulary);
    expect([...documentAt(corpus, 0)]).toEqual([2, 9 + 69_999, 9]);
  });
});
