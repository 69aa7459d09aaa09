import { describe, expect, it } from 'vitest';
import { tf, type Tensor } from '../engine/operations.ts';
import { numbers, valueAndGradients } from '../testSupport.ts';
import { answersOf, objective, oneHot } from './objective.ts';

const value = (tensor: Tensor): number => numbers(tensor)[0] ?? Number.NaN;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe('one label', () => {
  const probabilities = [
    [0.5, 0.25, 0.25],
    [0.1, 0.1, 0.8],
  ];
  const logits = tf.log(tf.tensor2d(probabilities));

  it('is the mean of −log of the probability that each label got', () => {
    const loss = value(objective({ task: 'singleLabel' }, logits, oneHot([0, 2], 3)));
    expect(loss).toBeCloseTo(-(Math.log(0.5) + Math.log(0.8)) / 2, 5);
  });

  it("weighs documents by their label's share of the weights", () => {
    const loss = value(objective({ task: 'singleLabel', labelWeights: [3, 1, 1] }, logits, oneHot([0, 2], 3)));
    expect(loss).toBeCloseTo(-(3 * Math.log(0.5) + Math.log(0.8)) / 4, 5);
  });

  it('answers with probabilities, softer with a higher temperature', () => {
    expect(numbers(answersOf({ task: 'singleLabel' }, logits))).toEqual(probabilities.flat().map((p) => expect.closeTo(p, 6)));
    const [first = 0, second = 0, third = 0] = numbers(answersOf({ task: 'singleLabel', temperature: 2 }, logits));
    expect(first / second).toBeCloseTo(Math.sqrt(2), 5);
    expect(first + second + third).toBeCloseTo(1, 6);
  });
});

describe('several labels', () => {
  const logits = tf.tensor2d([
    [2, -1],
    [0, 30],
  ]);
  const targets = [Float32Array.of(1, 0), Float32Array.of(1, 1)];

  it('is the mean of the cross-entropies of all labels of all documents, and finite however sure the answer is', () => {
    const loss = value(objective({ task: 'multiLabel' }, logits, targets));
    expect(loss).toBeCloseTo(-(Math.log(sigmoid(2)) + Math.log(1 - sigmoid(-1)) + Math.log(0.5) + 0) / 4, 5);
    const wrong = value(objective({ task: 'multiLabel' }, logits, [Float32Array.of(1, 0), Float32Array.of(1, 0)]));
    expect(wrong).toBeCloseTo(loss + 30 / 4, 4);
  });

  it('weighs a label where it applies', () => {
    const loss = value(objective({ task: 'multiLabel', labelWeights: [5, 7] }, logits, targets));
    expect(loss).toBeCloseTo(-(5 * Math.log(sigmoid(2)) + Math.log(1 - sigmoid(-1)) + 5 * Math.log(0.5)) / 4, 5);
  });

  it('answers with a probability of each label on its own', () => {
    const answers = numbers(answersOf({ task: 'multiLabel', temperature: 2 }, logits));
    expect(answers).toEqual([sigmoid(1), sigmoid(-0.5), 0.5, sigmoid(15)].map((p) => expect.closeTo(p, 6)));
  });
});

describe('a number', () => {
  const logits = tf.tensor2d([[0.5], [-2]]);
  const targets = [Float32Array.of(3), Float32Array.of(1)];

  it('is the mean squared error, as it stands without a scale', () => {
    expect(value(objective({ task: 'regression' }, logits, targets))).toBeCloseTo((2.5 ** 2 + 3 ** 2) / 2, 5);
  });

  it('is the squared error over the variance, of outputs that are scaled', () => {
    const scale = { mean: 2, deviation: 4 };
    expect(numbers(answersOf({ task: 'regression', scale }, logits))).toEqual([4, -6]);
    expect(value(objective({ task: 'regression', scale }, logits, targets))).toBeCloseTo((1 + 49) / 2 / 16, 5);
  });

  it('stays between its bounds', () => {
    const answering = { task: 'regression', range: [1, 5] } as const;
    expect(numbers(answersOf(answering, tf.tensor2d([[-99], [0], [99]])))).toEqual([1, 3, 5].map((answer) => expect.closeTo(answer, 5)));
    const { gradients } = valueAndGradients(() => objective(answering, logits, targets), [logits]);
    const slope = (z: number, wanted: number): number => ((1 + 4 * sigmoid(z) - wanted) * 2 * 4 * sigmoid(z) * (1 - sigmoid(z))) / 2;
    expect([...(gradients[0] ?? [])]).toEqual([expect.closeTo(slope(0.5, 3), 4), expect.closeTo(slope(-2, 1), 4)]);
  });
});
