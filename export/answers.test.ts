import { describe, expect, it } from 'vitest';

import { answerOf, compareAnswers, meanAnswer } from './answers.ts';

const floats = (...values: readonly number[]): Float32Array => Float32Array.from(values);

describe('answerOf', () => {
  it('makes probabilities that sum to 1, of each label on its own, or a value', () => {
    const logits = floats(0, Math.log(3));
    expect([...answerOf({ task: 'singleLabel' }, logits)]).toEqual([expect.closeTo(0.25, 6), expect.closeTo(0.75, 6)]);
    expect([...answerOf({ task: 'multiLabel' }, logits)]).toEqual([expect.closeTo(0.5, 6), expect.closeTo(0.75, 6)]);
    expect([...answerOf({ task: 'regression' }, floats(-2.5))]).toEqual([-2.5]);
    expect([...answerOf({ task: 'regression', range: [1, 5] }, floats(Math.log(3)))]).toEqual([expect.closeTo(4, 6)]);
  });

  it('does not overflow', () => {
    expect([...answerOf({ task: 'singleLabel' }, floats(1000, -1000))]).toEqual([1, 0]);
    expect([...answerOf({ task: 'multiLabel' }, floats(1000, -1000))]).toEqual([1, 0]);
    expect([...answerOf({ task: 'regression', range: [1, 5] }, floats(-1000))]).toEqual([1]);
  });
});

describe('meanAnswer', () => {
  it('is the mean place by place', () => {
    expect([...meanAnswer([floats(0.25, 0.75), floats(0.75, 0.25)])]).toEqual([0.5, 0.5]);
    expect([...meanAnswer([floats(3)])]).toEqual([3]);
  });

  it('is no number where one has none', () => {
    expect(meanAnswer([floats(0.25, 0.75), floats(0.75)])[1]).toBeNaN();
  });
});

describe('compareAnswers', () => {
  const TOLERANCE = 1e-3;
  const labels = (task: 'singleLabel' | 'multiLabel', expected: Float32Array, ...found: readonly Float32Array[]) =>
    compareAnswers(
      { task },
      [expected],
      found.map((answer) => [answer]),
      TOLERANCE,
    );

  it('takes the worst of all documents and of all ways in which they were asked', () => {
    const expected = [floats(0.2, 0.8), floats(0.6, 0.4)];
    const close = [floats(0.25, 0.75), floats(0.6, 0.4)];
    const far = [floats(0.2, 0.8), floats(0.3, 0.7)];
    expect(compareAnswers({ task: 'singleLabel' }, expected, [close, far], TOLERANCE)).toEqual({
      documents: 2,
      maxProbabilityDifference: expect.closeTo(0.3, 6),
      labelDisagreements: 1,
    });
  });

  it('counts another likeliest label, but not one of two between which the expected answer does not decide', () => {
    expect(labels('singleLabel', floats(0.51, 0.49), floats(0.49, 0.51))).toMatchObject({ labelDisagreements: 1 });
    expect(labels('singleLabel', floats(0.5002, 0.4998), floats(0.4998, 0.5002))).toMatchObject({ labelDisagreements: 0 });
    expect(labels('singleLabel', floats(0.5, 0.5), floats(0.5, 0.5))).toMatchObject({ labelDisagreements: 0 });
    // The third label was no candidate.
    expect(labels('singleLabel', floats(0.4, 0.4, 0.2), floats(0.1, 0.1, 0.8))).toMatchObject({ labelDisagreements: 1 });
  });

  it('counts any label on the other side of one half, but not one that the expected answer leaves undecided', () => {
    expect(labels('multiLabel', floats(0.9, 0.51), floats(0.9, 0.49))).toMatchObject({ labelDisagreements: 1 });
    expect(labels('multiLabel', floats(0.9, 0.49), floats(0.9, 0.51))).toMatchObject({ labelDisagreements: 1 });
    expect(labels('multiLabel', floats(0.9, 0.5002), floats(0.9, 0.4998))).toMatchObject({ labelDisagreements: 0 });
    // Likelier than another label means nothing where each stands for itself.
    expect(labels('multiLabel', floats(0.9, 0.8), floats(0.8, 0.9))).toMatchObject({ labelDisagreements: 0 });
    // Undecided in one place, wrong in another.
    expect(labels('multiLabel', floats(0.5, 0.8), floats(0.4999, 0.2))).toMatchObject({ labelDisagreements: 1 });
  });

  it('counts a document once, however many labels and ways of asking differ', () => {
    expect(labels('multiLabel', floats(0.9, 0.9), floats(0.1, 0.1), floats(0.1, 0.1))).toMatchObject({
      documents: 1,
      labelDisagreements: 1,
    });
  });

  it('measures a value by its range, or by itself where it is large', () => {
    const relative = (range: readonly [number, number] | undefined, expected: number, found: number) =>
      compareAnswers({ task: 'regression', ...(range && { range: [...range] }) }, [floats(expected)], [[floats(found)]], TOLERANCE);
    expect(relative([0, 50], 20, 21)).toEqual({ documents: 1, maxRelativeDifference: expect.closeTo(0.02, 6) });
    expect(relative([0, 50], 0, 1)).toEqual({ documents: 1, maxRelativeDifference: expect.closeTo(0.02, 6) });
    expect(relative(undefined, -2000, -2001)).toEqual({ documents: 1, maxRelativeDifference: expect.closeTo(0.0005, 6) });
    expect(relative(undefined, 0.001, 0.002)).toEqual({ documents: 1, maxRelativeDifference: expect.closeTo(0.001, 6) });
  });

  it('never takes something that is not a number for agreement', () => {
    for (const task of ['singleLabel', 'multiLabel', 'regression'] as const) {
      expect(() => compareAnswers({ task }, [floats(0.5)], [[floats(Number.NaN)]], TOLERANCE)).toThrow('not a number');
      expect(() => compareAnswers({ task }, [floats(Number.NaN)], [[floats(0.5)]], TOLERANCE)).toThrow('not a number');
      expect(() => compareAnswers({ task }, [floats(0.5)], [[]], TOLERANCE)).toThrow('The graph has 0 outputs, the trainer 1');
    }
  });
});
