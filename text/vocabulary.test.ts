import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from './errors.ts';
import { PADDING_ID, SPECIAL_TOKENS, UNKNOWN_ID, Vocabulary } from './vocabulary.ts';

const limits = { maxSize: 60_000, minCount: 1 };

describe('Vocabulary.fromCounts', () => {
  it('puts the special tokens first, then words by count and code points, then filling', () => {
    const counts = new Map([
      ['b', 2],
      ['a', 2],
      ['the', 9],
      ['once', 1],
      ['\uff01', 2],
      ['😀', 2],
      ['xxmaj', 99],
      ['xxfake', 99],
    ]);
    const vocabulary = Vocabulary.fromCounts(counts, { maxSize: 100, minCount: 2 });
    expect(vocabulary.tokens).toEqual([...SPECIAL_TOKENS, 'the', 'a', 'b', '\uff01', '😀', 'xxfake', 'xxfake']);
    expect(vocabulary.idOf('xxunk')).toBe(UNKNOWN_ID);
    expect(vocabulary.idOf('xxpad')).toBe(PADDING_ID);
  });

  it('cuts the rarest words', () => {
    const counts = new Map(Array.from({ length: 50 }, (_, index) => [`w${index}`, 100 - index] as const));
    const vocabulary = Vocabulary.fromCounts(counts, { maxSize: 16, minCount: 1 });
    expect(vocabulary.size).toBe(16);
    expect(vocabulary.tokens.slice(9)).toEqual(['w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6']);
  });

  it('does not depend on the order of counting', () => {
    const word = fc.string({ unit: 'binary', minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(word, fc.integer({ min: 1, max: 3 })), { selector: ([token]) => token }), (counts) => {
        const forward = Vocabulary.fromCounts(new Map(counts), limits);
        const backward = Vocabulary.fromCounts(new Map(counts.toReversed()), limits);
        expect(backward.tokens).toEqual(forward.tokens);
        expect(forward.size % 8).toBe(0);
      }),
    );
  });

  it.each([9, 0, -1, 10.5, Number.NaN])('refuses a size of %d', (maxSize) => {
    expect(() => Vocabulary.fromCounts(new Map(), { maxSize, minCount: 1 })).toThrow(UserError);
  });
});

describe('Vocabulary.fromTokens', () => {
  it('takes what fromCounts made', () => {
    const made = Vocabulary.fromCounts(new Map([['film', 1]]), limits);
    expect(Vocabulary.fromTokens(made.tokens).tokens).toEqual(made.tokens);
  });

  it('says which special token is missing', () => {
    expect(() => Vocabulary.fromTokens(['xxunk', 'the'])).toThrow(/"the" as token 1, where xxpad belongs/);
    expect(() => Vocabulary.fromTokens([])).toThrow(UserError);
  });

  it('says which token is there twice', () => {
    expect(() => Vocabulary.fromTokens([...SPECIAL_TOKENS, 'a', 'b', 'a'])).toThrow(/names "a" twice, as tokens 9 and 11/);
  });
});

describe('encode and decode', () => {
  const vocabulary = Vocabulary.fromTokens([...SPECIAL_TOKENS, 'a', 'film', 'xxfake', 'xxfake']);

  it('encodes unknown words, and the filling, as unknown', () => {
    expect(vocabulary.encode(['xxbos', 'a', 'bad', 'film', 'xxfake', '__proto__'])).toEqual(Int32Array.of(2, 9, 0, 10, 0, 0));
    expect(vocabulary.has('film')).toBe(true);
    expect(vocabulary.has('bad')).toBe(false);
    expect(vocabulary.has('xxfake')).toBe(false);
  });

  it('refuses ids that it does not have', () => {
    expect(() => vocabulary.decode([13])).toThrow(/Token id 13 is outside the vocabulary of 13 tokens/);
    expect(() => vocabulary.decode([-1])).toThrow(RangeError);
  });

  it('come back to the same tokens', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), (words) => {
        const known = Vocabulary.fromCounts(new Map(words.map((word) => [word, 1])), limits);
        const tokens = words.filter((word) => known.has(word));
        expect(known.decode(known.encode(tokens))).toEqual(tokens);
        const ids = Int32Array.from({ length: known.size }, (_, id) => id).filter((id) => known.tokens[id] !== 'xxfake');
        expect(known.encode(known.decode(ids))).toEqual(ids);
      }),
    );
  });
});
