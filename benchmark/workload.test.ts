import { expect, test } from 'vitest';
import { median } from './statistics.ts';
import { TINY_CLASSIFIER, TINY_LM } from './testSupport.ts';
import { evenlySpaced, presetWorkload, reviewLengths, tokensOf } from './workload.ts';

test('documents are as long as film reviews, the same in every run', () => {
  const lengths = reviewLengths(1600);
  expect(lengths).toEqual(reviewLengths(1600));
  expect(lengths.slice(0, 5)).toMatchInlineSnapshot(`
    [
      573,
      507,
      165,
      195,
      456,
    ]
  `);
  expect(Math.abs(median(lengths) - 230)).toBeLessThan(15);
  expect(Math.abs(lengths.reduce((sum, length) => sum + length, 0) / 1600 - 280)).toBeLessThan(15);
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(10);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(2000);
});

test('batches are taken from all over the order of lengths, longest first', () => {
  const lengths = Array.from({ length: 40 }, (_, index) => index + 1);
  // 10 batches of 4; of two, the middle ones of each half.
  expect(evenlySpaced(lengths, 4, 2)).toEqual([
    [32, 31, 30, 29],
    [12, 11, 10, 9],
  ]);
  expect(evenlySpaced(lengths, 4, 10).flat()).toEqual(lengths.toReversed());
});

test('tokens are counted without padding', () => {
  expect(tokensOf(TINY_LM, [0, 1, 2])).toBe(24);
  expect(tokensOf(TINY_CLASSIFIER, [1])).toBe(18);
});

test('a preset is what its figures are published for, unless told otherwise', () => {
  const choice = { preset: 'base', device: 'cpu', precision: 'fp32', threads: 2, steps: 3 } as const;
  expect(presetWorkload({ ...choice, task: 'lm' })).toMatchObject({
    batch: 32,
    chunk: 70,
    sizes: { vocabulary: 30_000, embedding: 400, hidden: 1152, layers: 3 },
  });
  const classifier = presetWorkload({ ...choice, task: 'classifier', vocabulary: 60_000 });
  expect(classifier).toMatchObject({ batch: 32, chunk: 72, window: 1440, sizes: { vocabulary: 60_000 } });
  expect(classifier.task === 'classifier' && classifier.documents.map((lengths) => lengths.length)).toEqual([32, 32, 32]);
});
