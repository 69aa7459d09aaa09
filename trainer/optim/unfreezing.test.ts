import { describe, expect, it } from 'vitest';
import { chainThaw, full, gradualUnfreezing, lastOnly, lastThenAll, staged, UNFREEZING, type UnfreezingName } from './unfreezing.ts';

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

  it('chain-thaw: the last group, then each other one alone from the first on, then all, at its own rates', () => {
    const [last, other] = [0.4, 0.04];
    expect(chainThaw({ rates, epochs: 6 })).toEqual([
      [0, 0, 0, last],
      [other, 0, 0, 0],
      [0, other, 0, 0],
      [0, 0, other, 0],
      [other, other, other, last],
      [other, other, other, last],
    ]);
  });

  it("staged: fastai's tutorial, which goes from three groups to all, each stage slower", () => {
    const five = [1, 2, 3, 4, 20];
    expect(staged({ rates: five, epochs: 5 })).toEqual([
      [0, 0, 0, 0, 20],
      [0, 0, 0, 2, 10],
      [0, 0, 0.75, 1, 5],
      [0.05, 0.1, 3 * (1 / 20), 0.2, 1],
      [0.05, 0.1, 3 * (1 / 20), 0.2, 1],
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
