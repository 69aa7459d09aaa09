import { expect, it } from 'vitest';
import { classifierMetrics } from './metrics.ts';

it('judges answers as a hand count does', () => {
  const answers = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]].map((answer) => Float32Array.from(answer));
  const metrics = classifierMetrics(['neg', 'pos'], [0, 0, 1, 1], answers);
  expect(metrics.n).toBe(4);
  expect(metrics.accuracy).toBe(0.75);
  expect(metrics.confusion).toEqual([[2, 0], [1, 1]]);
  expect(metrics.labels['neg']).toEqual({ n: 2, precision: 2 / 3, recall: 1, f1: 0.8 });
  expect(metrics.labels['pos']).toEqual({ n: 2, precision: 1, recall: 0.5, f1: 2 / 3 });
  expect(metrics.macroF1).toBeCloseTo((0.8 + 2 / 3) / 2);
  expect(metrics.loss).toBeCloseTo(-(Math.log(0.9) + Math.log(0.6) + Math.log(0.8) + Math.log(0.3)) / 4, 6);
  // One document a bin: off by .1, .4, .2 and, wrong at .7, by .7.
  expect(metrics.calibrationError).toBeCloseTo((0.1 + 0.4 + 0.2 + 0.7) / 4, 6);
});
