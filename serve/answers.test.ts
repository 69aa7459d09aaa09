import { describe, expect, it } from 'vitest';

import { answerOf } from './answers.ts';

const floats = (...values: readonly number[]): Float32Array => Float32Array.from(values);
const labels = ['a', 'b', 'c'];

describe('answerOf', () => {
  it('ranks labels, and leaves those with one score in the order of the model', () => {
    expect(answerOf({ task: 'singleLabel', labels }, [floats(0, 0, 0)])).toEqual([
      { label: 'a', score: expect.closeTo(1 / 3, 12) },
      { label: 'b', score: expect.closeTo(1 / 3, 12) },
      { label: 'c', score: expect.closeTo(1 / 3, 12) },
    ]);
    expect(answerOf({ task: 'singleLabel', labels }, [floats(-1000, 0, 1000)])).toEqual([
      { label: 'c', score: 1 },
      { label: 'a', score: 0 },
      { label: 'b', score: 0 },
    ]);
  });

  it('ranks by the mean of two models, which neither may have put first', () => {
    const logits = [floats(Math.log(5), Math.log(4), 0), floats(0, Math.log(4), Math.log(5))];
    expect(answerOf({ task: 'singleLabel', labels }, logits, { topK: 1 })).toEqual([{ label: 'b', score: expect.closeTo(0.4, 6) }]);
  });

  it('averages probabilities, not logits', () => {
    // The mean of the logits, (10, 1), would leave the second label next to nothing.
    const answer = answerOf({ task: 'singleLabel', labels: ['a', 'b'] }, [floats(20, 0), floats(0, 2)]);
    expect(answer).toEqual([
      { label: 'a', score: expect.closeTo((1 + 1 / (1 + Math.exp(2))) / 2, 6) },
      { label: 'b', score: expect.closeTo((1 - 1 / (1 + Math.exp(2))) / 2, 6) },
    ]);
  });

  it('gives a label from one half on, itself included', () => {
    expect(answerOf({ task: 'multiLabel', labels }, [floats(0, -1e-3, 3)])).toMatchObject({ labels: ['c', 'a'] });
    expect(answerOf({ task: 'multiLabel', labels }, [floats(-1, -2, -3)])).toMatchObject({ labels: [] });
    // One model is sure enough for both.
    expect(answerOf({ task: 'multiLabel', labels }, [floats(9, -1, -9), floats(-1, -1, -9)])).toMatchObject({ labels: ['a'] });
  });

  it('averages values after they were brought between their bounds', () => {
    expect(answerOf({ task: 'regression', labels: [] }, [floats(3), floats(-1)])).toEqual({ value: 1 });
    expect(answerOf({ task: 'regression', labels: [], range: [0, 10] }, [floats(1000), floats(0)])).toEqual({ value: 7.5 });
  });
});
