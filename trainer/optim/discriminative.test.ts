import { expect, it } from 'vitest';
import { discriminativeRates } from './discriminative.ts';

it('discriminativeRates gives the last group the rate and each one before it 2.6 times less', () => {
  // Howard & Ruder 2018, section 3.2, with the classifier's five groups.
  const rates = discriminativeRates(0.01, 5);
  const expected = [0.01 / 45.6976, 0.01 / 17.576, 0.01 / 6.76, 0.01 / 2.6, 0.01];
  for (const [group, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[group] ?? Number.NaN, 12);
  expect(rates).toHaveLength(5);
  expect(discriminativeRates(0.01, 1)).toEqual([0.01]);
  expect(discriminativeRates(8, 4, 2)).toEqual([1, 2, 4, 8]);
});
