import { describe, expect, it } from 'vitest';
import { equivalenceSentence, equivalentLabels } from './equivalentLabels.ts';

/** Errors of a classifier from scratch. */
const SCRATCH = [
  { labels: 1000, value: 0.2 },
  { labels: 10, value: 0.6 },
  { labels: 100, value: 0.4 },
];

describe('how many labels from scratch match fewer', () => {
  it('lies between two measured points, over the logarithm of labels', () => {
    // Halfway between .4 at 100 and .2 at 1000: 10 ** 2.5.
    const halfway = equivalentLabels(SCRATCH, { labels: 100, value: 0.3 }, 'lower');
    expect(halfway).toEqual({ kind: 'matched', labels: 100, fromScratch: expect.closeTo(316.23, 2), factor: expect.closeTo(3.1623, 4) });
    const aQuarter = equivalentLabels(SCRATCH, { labels: 10, value: 0.55 }, 'lower');
    expect(aQuarter.fromScratch).toBeCloseTo(10 ** 1.25, 9);
  });

  it('at a measured point it is that point', () => {
    expect(equivalentLabels(SCRATCH, { labels: 10, value: 0.2 }, 'lower').factor).toBeCloseTo(100, 9);
  });

  it('is the same where more is better', () => {
    const scores = SCRATCH.map(({ labels, value }) => ({ labels, value: 1 - value }));
    expect(equivalentLabels(scores, { labels: 100, value: 0.7 }, 'higher').factor).toBeCloseTo(3.1623, 4);
  });

  it('says so where it lies beyond what was measured', () => {
    expect(equivalentLabels(SCRATCH, { labels: 100, value: 0.1 }, 'lower')).toEqual({
      kind: 'beyond',
      labels: 100,
      fromScratch: 1000,
      factor: 10,
    });
    expect(equivalentLabels(SCRATCH, { labels: 1000, value: 0.1 }, 'lower')).toMatchObject({
      kind: 'beyond',
      factor: 1,
    });
  });

  it('says so where there is nothing to gain', () => {
    const none = { kind: 'none', labels: 100, fromScratch: 100, factor: 1 };
    expect(equivalentLabels(SCRATCH, { labels: 100, value: 0.4 }, 'lower')).toEqual(none);
    expect(equivalentLabels(SCRATCH, { labels: 100, value: 0.9 }, 'lower')).toEqual(none);
  });

  it('takes the first crossing of a curve that goes up and down: the cautious one', () => {
    const wavy = [
      { labels: 10, value: 0.5 },
      { labels: 100, value: 0.3 },
      { labels: 1000, value: 0.4 },
      { labels: 10_000, value: 0.1 },
    ];
    expect(equivalentLabels(wavy, { labels: 10, value: 0.3 }, 'lower').factor).toBeCloseTo(10, 9);
  });

  it('is refused where from scratch was measured with more labels alone', () => {
    expect(() => equivalentLabels([{ labels: 100, value: 0.1 }], { labels: 50, value: 0.2 }, 'lower')).toThrow(RangeError);
  });
});

describe('the sentence', () => {
  const sentence = (value: number, labels = 100): string =>
    equivalenceSentence('supervised ULMFiT', equivalentLabels(SCRATCH, { labels, value }, 'lower'));

  it.each([
    [0.3, 100, '100 labels with supervised ULMFiT match 3.2× as many from scratch (about 320).'],
    [0.2, 10, '10 labels with supervised ULMFiT match 100× as many from scratch (about 1,000).'],
    [0.1, 100, '100 labels with supervised ULMFiT match more than 10× as many from scratch (1000, the most measured, do worse).'],
    [0.1, 1000, '1000 labels with supervised ULMFiT do better than as many from scratch; more were not measured from scratch.'],
    [0.5, 100, '100 labels with supervised ULMFiT do no better than as many from scratch.'],
  ])('error %s with %s labels', (value, labels, expected) => {
    expect(sentence(value, labels)).toBe(expected);
  });
});
