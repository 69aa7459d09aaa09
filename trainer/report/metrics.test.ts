import { expect, it } from 'vitest';
import { binaryEntropy, classifierMetrics, multiLabelMetrics, regressionMetrics } from './metrics.ts';

it('judges answers as a hand count does', () => {
  const answers = [
    [0.95, 0.05],
    [0.65, 0.35],
    [0.15, 0.85],
    [0.75, 0.25],
  ].map((answer) => Float32Array.from(answer));
  const metrics = classifierMetrics(['neg', 'pos'], [0, 0, 1, 1], answers);
  expect(metrics.n).toBe(4);
  expect(metrics.accuracy).toBe(0.75);
  expect(metrics.confusion).toEqual([
    [2, 0],
    [1, 1],
  ]);
  expect(metrics.labels['neg']).toEqual({ n: 2, precision: 2 / 3, recall: 1, f1: 0.8 });
  expect(metrics.labels['pos']).toEqual({ n: 2, precision: 1, recall: 0.5, f1: 2 / 3 });
  expect(metrics.macroF1).toBeCloseTo((0.8 + 2 / 3) / 2);
  expect(metrics.loss).toBeCloseTo(-(Math.log(0.95) + Math.log(0.65) + Math.log(0.85) + Math.log(0.25)) / 4, 6);
  // One document a bin: off by .05, .35, .15 and, wrong at .75, by .75.
  expect(metrics.calibrationError).toBeCloseTo((0.05 + 0.35 + 0.15 + 0.75) / 4, 6);
});

const rows = (values: readonly (readonly number[])[]): Float32Array[] => values.map((row) => Float32Array.from(row));

it('judges answers of several labels as a hand count does', () => {
  const targets = rows([
    [1, 0, 1],
    [0, 0, 0],
    [0, 1, 0],
    [1, 1, 0],
  ]);
  const answers = rows([
    [0.9, 0.2, 0.4],
    [0.1, 0.1, 0.1],
    [0.5, 0.8, 0.3],
    [0.7, 0.3, 0.2],
  ]);
  const metrics = multiLabelMetrics(['a', 'b', 'c'], targets, answers);
  expect(metrics.n).toBe(4);
  expect(metrics.exactMatch).toBe(0.25); // the second alone
  expect(metrics.labels).toEqual({
    a: { n: 2, precision: 2 / 3, recall: 1, f1: 0.8 },
    b: { n: 2, precision: 1, recall: 0.5, f1: 2 / 3 },
    c: { n: 1, precision: 0, recall: 0, f1: 0 },
  });
  // 3 right of 4 given and 5 wanted.
  expect(metrics.microF1).toBeCloseTo((2 * 3) / (4 + 5));
  expect(metrics.macroF1).toBeCloseTo((0.8 + 2 / 3) / 3);
  const right = [0.9, 0.8, 0.4, 0.9, 0.9, 0.9, 0.5, 0.8, 0.7, 0.7, 0.3, 0.8];
  expect(metrics.loss).toBeCloseTo(-right.reduce((sum, probability) => sum + Math.log(probability), 0) / 12, 6);
  // Bins of .1 to .9 by tenths: .1 ×3 (none applies), .2 ×2 (none), .3 ×2 (one), .4 (yes), .5 (no), .7 (yes), .8 (yes), .9 (yes)
  const distances = 3 * 0.1 + 2 * 0.2 + 2 * 0.2 + 0.6 + 0.5 + 0.3 + 0.2 + 0.1;
  expect(metrics.calibrationError).toBeCloseTo(distances / 12, 6);
});

it('knows a label that applies where its probability is a half', () => {
  const [target, answer] = [rows([[1, 0]]), rows([[0.5, 0.49]])];
  expect(multiLabelMetrics(['a', 'b'], target, answer).exactMatch).toBe(1);
  expect(binaryEntropy(Float32Array.of(1, 0), Float32Array.of(0.5, 0.5))).toBeCloseTo(Math.LN2, 6);
});

it('stays finite where a probability of nothing comes true', () => {
  expect(multiLabelMetrics(['a', 'b'], rows([[1, 0]]), rows([[0, 1]])).loss).toBeCloseTo(-Math.log(1e-12));
});

it('judges numbers', () => {
  // Squares of the differences sum to 2, of those from the mean 2.5 to 5; the products of both sides' differences from it to 4.
  const metrics = regressionMetrics([1, 2, 3, 4], [1, 2, 4, 3]);
  expect(metrics.loss).toBe(0.5);
  expect(metrics.rootMeanSquaredError).toBeCloseTo(Math.SQRT1_2);
  expect(metrics.meanAbsoluteError).toBe(0.5);
  expect(metrics.r2).toBeCloseTo(0.6);
  expect(metrics.pearson).toBeCloseTo(0.8);
  const shifted = regressionMetrics([1, 2, 3], [11, 12, 13]);
  expect(shifted.pearson).toBeCloseTo(1);
  expect(shifted.r2).toBeCloseTo(1 - 100 / (2 / 3));
  expect(regressionMetrics([2, 2], [2, 3])).toMatchObject({ r2: 0, pearson: 0, meanAbsoluteError: 0.5 });
});
