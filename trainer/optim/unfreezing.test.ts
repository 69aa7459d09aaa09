import { describe, expect, it } from 'vitest';
import { chainThaw, full, gradualUnfreezing, lastOnly, lastThenAll, UNFREEZING, type UnfreezingName } from './unfreezing.ts';

const rates = [1, 2, 3, 4];

describe('unfreezing', () => {
  it('gradual: the last group, then one more with each epoch, then all', () => {
    expect(gradualUnfreezing({ rates, epochs: 6 })).toEqual([
      [0, 0, 0, 4],
      [0, 0, 3, 4],
      [0, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
    expect(gradualUnfreezing({ rates, epochs: 2 })).toEqual([
      [0, 0, 0, 4],
      [0, 0, 3, 4],
    ]);
  });

  it('full: all groups in every epoch', () => {
    expect(full({ rates, epochs: 2 })).toEqual([rates, rates]);
  });

  it('last: the last group alone, to the end', () => {
    expect(lastOnly({ rates, epochs: 3 })).toEqual(new Array(3).fill([0, 0, 0, 4]));
  });

  it('chain-thaw: the last group, then each other one alone from the first on, then all', () => {
    expect(chainThaw({ rates, epochs: 6 })).toEqual([
      [0, 0, 0, 4],
      [1, 0, 0, 0],
      [0, 2, 0, 0],
      [0, 0, 3, 0],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
  });

  it('last then all: one epoch of the last group, and none where there is one epoch only', () => {
    expect(lastThenAll({ rates, epochs: 3 })).toEqual([[0, 0, 0, 4], rates, rates]);
    expect(lastThenAll({ rates, epochs: 1 })).toEqual([rates]);
  });

  it.each(Object.keys(UNFREEZING) as UnfreezingName[])('%s trains something in every epoch', (name) => {
    for (const epochs of [1, 2, 4, 9]) {
      const plan = UNFREEZING[name]({ rates, epochs });
      expect(plan).toHaveLength(epochs);
      for (const epoch of plan) expect(epoch.some((rate) => rate > 0)).toBe(true);
    }
  });
});
