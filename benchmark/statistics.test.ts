import { expect, test } from 'vitest';
import { median, pairedRatios, spread } from './statistics.ts';

test('the median is the middle value, or the mean of the middle two', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([7])).toBe(7);
  expect(median([])).toBeNaN();
});

test('a spread keeps every measurement in its order', () => {
  expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, all: [3, 1, 2] });
});

test('ratios are those of measurements next to each other, not of their medians', () => {
  // The machine became twice as slow after the first repeat, for both.
  expect(pairedRatios([100, 50, 50], [80, 40, 40])).toEqual({ median: 1.25, min: 1.25, max: 1.25, all: [1.25, 1.25, 1.25] });
  expect(() => pairedRatios([1, 2], [1])).toThrow('2 and 1 measurements');
});
