import { describe, expect, it } from 'vitest';
import { SPECIAL_TOKENS, Vocabulary } from '../../text/vocabulary.ts';
import { BatchTokenizer } from './batchTokenizer.ts';
import { ThreadWords } from './threadWords.ts';
import { mostWordsFor, WordCounts } from './wordCounts.ts';

/** Counts texts that tokenizers of limited memory have numbered, each text a batch. */
function countWith(
  counts: WordCounts,
  batches: readonly (readonly string[])[],
  tokenizers = [new BatchTokenizer(), new BatchTokenizer(4)],
): number[] {
  const words = tokenizers.map(() => new ThreadWords());
  return batches.flatMap((texts, index) => {
    const turn = index % tokenizers.length;
    const [tokenizer, own] = [tokenizers[turn], words[turn]];
    if (tokenizer === undefined || own === undefined) throw new Error('no tokenizer');
    const batch = tokenizer.tokenize(texts.map((text) => [text]));
    own.add(batch);
    return [...counts.count({ batch, words: own })];
  });
}

describe('WordCounts', () => {
  it('counts the words of several tokenizers together', () => {
    const counts = new WordCounts();
    const ids = countWith(counts, [['a b'], ['b c'], ['c d e f'], ['b']]);
    expect(ids).toEqual([0, 1, 2, 0, 2, 3, 0, 3, 4, 5, 6, 0, 2]);
    expect(counts.seen(2)).toEqual(
      new Map([
        ['xxbos', 4],
        ['b', 3],
        ['c', 2],
      ]),
    );
    const vocabulary = Vocabulary.fromTokens([...SPECIAL_TOKENS, 'c', 'b']);
    expect([...counts.table(vocabulary)]).toEqual([2, 0, 10, 9, 0, 0, 0]);
  });

  const texts = Array.from({ length: 300 }, (_, index) => `the film of word${index} and word${index % 40}`);

  it('keeps the frequent words where there are too many to remember, and the same ones for any batches', () => {
    const found = [1, 2, 7, 300].map((size) => {
      const counts = new WordCounts(50);
      const batches = Array.from({ length: Math.ceil(texts.length / size) }, (_, index) => texts.slice(index * size, (index + 1) * size));
      const ids = countWith(counts, batches);
      const vocabulary = Vocabulary.fromCounts(counts.seen(3), { maxSize: 100, minCount: 3 });
      const table = counts.table(vocabulary);
      return { tokens: vocabulary.tokens, ids: ids.map((id) => table[id]) };
    });
    const [first] = found;
    for (const other of found) expect(other).toEqual(first);
    expect(first?.tokens.slice(9, 13)).toEqual(['and', 'film', 'of', 'the']);
    const vocabulary = Vocabulary.fromTokens(first?.tokens ?? []);
    expect(first?.ids.filter((id) => id === vocabulary.idOf('film'))).toHaveLength(300);
  });

  it('holds no more words than it may', () => {
    const counts = new WordCounts(50);
    countWith(counts, [texts]);
    expect(counts.seen(1).size).toBeLessThanOrEqual(50);
  });

  it('remembers far more words than a vocabulary takes in', () => {
    expect(mostWordsFor({ maxSize: 60_000, minCount: 3 })).toBe(2 ** 22);
    expect(mostWordsFor({ maxSize: 2 ** 21, minCount: 3 })).toBe(2 ** 23);
  });
});
