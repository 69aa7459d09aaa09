import { expect, it } from 'vitest';

import { runCurves, smoothed, thinned } from './curves.ts';
import type { RunRecord } from './runRecord.ts';

const RUN: RunRecord = {
  folder: 'run',
  config: {},
  training: [],
  measured: [],
  pace: { secondsOfEpoch: new Map(), speeds: [] },
  model: undefined,
  evaluation: undefined,
};

it('smooths as if every step had been recorded, and from the first point on', () => {
  const seldom = smoothed(
    [
      { x: 10, y: 4 },
      { x: 20, y: 2 },
    ],
    50,
  );
  const often = smoothed(
    Array.from({ length: 20 }, (_, index) => ({ x: index + 1, y: index < 10 ? 4 : 2 })),
    50,
  );
  expect(seldom[0]?.y).toBeCloseTo(4, 10);
  expect(seldom[1]?.y).toBeCloseTo(often[19]?.y ?? 0, 10);
  expect(
    smoothed(
      [
        { x: 1, y: 3 },
        { x: 2, y: 5 },
      ],
      1,
    ).map(({ y }) => y),
  ).toEqual([3, 5]);
});

it('thins a line to means of neighbours, within whose ends all of them lie', () => {
  const points = Array.from({ length: 1000 }, (_, x) => ({ x, y: x % 10 }));
  const thin = thinned(points, 100);
  expect(thin).toHaveLength(100);
  expect(thin[0]).toEqual({ x: 4.5, y: 4.5, low: 0, high: 9 });
  expect(thin.at(-1)?.x).toBe(994.5);
  expect(thinned(points.slice(0, 100), 100)).toEqual(points.slice(0, 100));
  const odd = thinned(points.slice(0, 333), 100);
  expect(odd).toHaveLength(100);
  expect(Math.max(...odd.map(({ high = 0 }) => high))).toBe(9);
});

it('draws what is known of a run, and nothing else', () => {
  expect(runCurves(RUN)).toEqual([]);
  const training = [10, 20].map((step) => ({ step, epoch: 1, loss: 3, learningRate: 0.1, tokens: step }));
  const measured = [20, 40].map((step) => ({ step, epoch: step / 20, validationLoss: 2, perplexity: Math.exp(2) }));
  expect(runCurves({ ...RUN, training }).map(({ title }) => title)).toEqual(['Loss', 'Learning rate']);
  expect(runCurves({ ...RUN, training, measured }).map(({ title }) => title)).toEqual(['Loss', 'Perplexity', 'Learning rate']);
  const accuracies = measured.map(({ step, epoch }) => ({ step, epoch, validationLoss: 1, accuracy: 0.5 }));
  const pace = { secondsOfEpoch: new Map(), speeds: training.map(({ step }) => ({ step, tokensPerSecond: 5 })) };
  expect(runCurves({ ...RUN, training, measured: accuracies, pace }).map(({ title }) => title)).toEqual([
    'Loss',
    'Accuracy',
    'Learning rate',
    'Speed',
  ]);
});

it('leaves out the beginning of a loss that would press the rest flat, and says so', () => {
  const losses = (first: number) =>
    Array.from({ length: 200 }, (_, index) => ({
      step: 10 * (index + 1),
      epoch: 1,
      loss: 4 + first * Math.exp(-index / 5) - index / 1000,
      learningRate: 0.1,
    }));
  const [steep] = runCurves({ ...RUN, training: losses(6) });
  const highest = (curve: typeof steep) =>
    Math.max(...(curve?.figure.charts[0]?.series.flatMap(({ points }) => points.map(({ y }) => y)) ?? []));
  expect(highest(steep)).toBeLessThan(6);
  expect(steep?.explanation).toContain('The beginning is left out: it lies as high as 10.0.');
  const [flat] = runCurves({ ...RUN, training: losses(0.01) });
  expect(highest(flat)).toBeCloseTo(4.01, 5);
  expect(flat?.explanation).not.toContain('left out');
});
