import { expect, it } from 'vitest';
import { classifierMetrics } from './metrics.ts';

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
