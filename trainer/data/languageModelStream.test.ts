import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixedLengths, givenOrder, LanguageModelStream, shuffledOrder, streamLength, variableLengths } from './languageModelStream.ts';
import { tokenCorpus } from './tokenCorpus.ts';

const corpus = tokenCorpus([Int32Array.of(1, 2, 3, 4), Int32Array.of(5, 6, 7), Int32Array.of(8, 9, 10, 11, 12, 13)]);

function readStreams(stream: LanguageModelStream, batch: number): { ids: number[][]; targets: number[][] } {
  const ids: number[][] = Array.from({ length: batch }, () => []);
  const targets: number[][] = Array.from({ length: batch }, () => []);
  for (const window of stream.windows()) {
    for (let i = 0; i < window.ids.length; i++) {
      ids[i % batch]?.push(window.ids[i] ?? -1);
      targets[i % batch]?.push(window.targets[i] ?? -1);
    }
  }
  return { ids, targets };
}

describe('LanguageModelStream', () => {
  it('lays the text out in parallel streams whose targets are the next words', () => {
    const stream = new LanguageModelStream(corpus, givenOrder(3), fixedLengths(streamLength(corpus, 2), 4), { batch: 2, bptt: 4 });
    expect(readStreams(stream, 2)).toEqual({
      ids: [
        [1, 2, 3, 4, 5, 6],
        [7, 8, 9, 10, 11, 12],
      ],
      targets: [
        [2, 3, 4, 5, 6, 7],
        [8, 9, 10, 11, 12, 13],
      ],
    });
    expect(stream.steps).toBe(2);
  });

  it('reads each document from its end when backwards', () => {
    const stream = new LanguageModelStream(corpus, givenOrder(3), fixedLengths(12, 5), { batch: 1, bptt: 5, backwards: true });
    expect(readStreams(stream, 1).ids[0]).toEqual([4, 3, 2, 1, 7, 6, 5, 13, 12, 11, 10, 9]);
  });

  it('starts in the middle exactly as if it had come there', () => {
    const lengths = variableLengths(12, 6, { seed: 3, step: 0 });
    const stream = new LanguageModelStream(corpus, shuffledOrder(3, { seed: 3, step: 0 }), lengths, { batch: 1, bptt: 6 });
    expect([...stream.windows(1)]).toEqual([...stream.windows()].slice(1));
  });
});

describe('window lengths', () => {
  it('add up to the stream and stay within bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer(), (total, seed) => {
        const lengths = variableLengths(total, 70, { seed, step: 1 });
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(total);
        expect(Math.max(...lengths)).toBeLessThanOrEqual(90);
        expect(Math.min(...lengths.slice(0, -1), 5)).toBeGreaterThanOrEqual(5);
      }),
    );
  });

  it('are around bptt nineteen times in twenty', () => {
    const lengths = variableLengths(2_000_000, 70, { seed: 1, step: 0 });
    const long = lengths.filter((length) => length > 52).length / lengths.length;
    expect(long).toBeGreaterThan(0.94);
    expect(long).toBeLessThan(0.96);
  });
});

describe('shuffledOrder', () => {
  it('is a permutation that depends on the key', () => {
    const order = shuffledOrder(1000, { seed: 1, step: 2 });
    expect([...order].toSorted((a, b) => a - b)).toEqual([...givenOrder(1000)]);
    expect(order).toEqual(shuffledOrder(1000, { seed: 1, step: 2 }));
    expect(order).not.toEqual(shuffledOrder(1000, { seed: 1, step: 3 }));
  });
});
