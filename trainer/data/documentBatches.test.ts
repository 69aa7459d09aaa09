import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sortedBatches, sortishBatches } from './documentBatches.ts';

const lengthsArbitrary = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 2, maxLength: 400 });

it('sortishBatches takes every document once, the longest first, and leaves none alone', () => {
  fc.assert(
    fc.property(lengthsArbitrary, fc.integer({ min: 2, max: 64 }), fc.integer(), (lengths, batch, seed) => {
      const batches = sortishBatches(lengths, batch, { seed, step: 3 });
      expect(batches.flat().toSorted((a, b) => a - b)).toEqual([...lengths.keys()]);
      expect(Math.max(...(batches[0] ?? []).map((document) => lengths[document] ?? 0))).toBe(Math.max(...lengths));
      for (const documents of batches) expect(documents.length).toBeGreaterThan(1);
      expect(batches).toEqual(sortishBatches(lengths, batch, { seed, step: 3 }));
    }),
  );
});

it('sortishBatches puts documents of like length together', () => {
  const lengths = Array.from({ length: 1000 }, (_, index) => (index * 7919) % 1000);
  const spread = (documents: number[]) => {
    const of = documents.map((document) => lengths[document] ?? 0);
    return Math.max(...of) - Math.min(...of);
  };
  for (const documents of sortishBatches(lengths, 20, { seed: 1, step: 0 })) expect(spread(documents)).toBeLessThanOrEqual(20);
});

it('sortedBatches goes from the longest to the shortest', () => {
  expect(sortedBatches([3, 9, 5, 1, 7], 2)).toEqual([[1, 4], [2, 0], [3]]);
});
