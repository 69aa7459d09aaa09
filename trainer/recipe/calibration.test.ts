import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { surprise } from '../report/metrics.ts';
import { fitMultiLabelTemperature, fitTemperature, logitsOf, probabilitiesAt, TEMPERATURE_BOUNDS } from './calibration.ts';

const [LOWEST, HIGHEST] = TEMPERATURE_BOUNDS;
const rows = (values: readonly (readonly number[])[]): Float32Array[] => values.map((row) => Float32Array.from(row));

/** Logits of some labels, and the label that is right. */
const answered = (classes: number) =>
  fc.array(
    fc.tuple(fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: classes, maxLength: classes }), fc.nat(classes - 1)),
    {
      minLength: 2,
      maxLength: 30,
    },
  );

describe('fitTemperature', () => {
  it('makes a model as sure as it is often right', () => {
    // Right two times in three, with a difference of 2 between the logits: 1 / (1 + exp(−2 / T)) = 2 / 3.
    const logits = rows([
      [2, 0],
      [2, 0],
      [0, 2],
    ]);
    expect(fitTemperature(logits, [0, 1, 1])).toBeCloseTo(2 / Math.log(2), 8);
    // Logits may be shifted, however far, and nothing changes.
    expect(
      fitTemperature(
        rows([
          [1002, 1000],
          [2, 0],
          [-500, -498],
        ]),
        [0, 1, 1],
      ),
    ).toBeCloseTo(2 / Math.log(2), 8);
  });

  it('is right for a model whose logits were multiplied', () => {
    const logits = rows([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
      [1, 0, 0],
    ]);
    const classes = [0, 1, 0, 2];
    const temperature = fitTemperature(logits, classes);
    expect(
      fitTemperature(
        logits.map((row) => row.map((logit) => 3 * logit)),
        classes,
      ),
    ).toBeCloseTo(3 * temperature, 6);
  });

  it('finds the least loss there is between its bounds', () => {
    fc.assert(
      fc.property(answered(3), (documents) => {
        const logits = rows(documents.map(([row]) => row));
        const classes = documents.map(([, wanted]) => wanted);
        const lossAt = (temperature: number) =>
          probabilitiesAt('singleLabel', logits, temperature).reduce(
            (sum, answer, index) => sum + surprise(answer[classes[index] ?? 0] ?? 0),
            0,
          );
        const temperature = fitTemperature(logits, classes);
        expect(temperature).toBeGreaterThanOrEqual(LOWEST);
        expect(temperature).toBeLessThanOrEqual(HIGHEST);
        const loss = lossAt(temperature);
        for (const other of [0.1, 0.2, 0.5, 0.9, 1.1, 2, 5, 10].flatMap((factor) => [factor, factor * temperature])) {
          if (other >= LOWEST && other <= HIGHEST) expect(loss).toBeLessThanOrEqual(lossAt(other) * (1 + 1e-6) + 1e-6);
        }
      }),
    );
  });

  it('stops at an end where the data do not say', () => {
    const logits = rows([
      [3, 0],
      [0, 1],
    ]);
    expect(fitTemperature(logits, [0, 1])).toBe(LOWEST);
    expect(fitTemperature(logits, [1, 0])).toBe(HIGHEST);
    expect(fitTemperature(rows([[0, 0]]), [0])).toBe(LOWEST);
    expect(fitTemperature(rows([[1e30, -1e30]]), [0])).toBe(LOWEST);
  });
});

describe('fitMultiLabelTemperature', () => {
  it('makes a model as sure as it is often right', () => {
    // A logit of 3 that comes true three times in four: 1 / (1 + exp(−3 / T)) = 3 / 4.
    const logits = rows([
      [3, 3],
      [3, 3],
    ]);
    expect(
      fitMultiLabelTemperature(
        logits,
        rows([
          [1, 1],
          [1, 0],
        ]),
      ),
    ).toBeCloseTo(3 / Math.log(3), 8);
  });

  it('stops at an end where the data do not say', () => {
    expect(fitMultiLabelTemperature(rows([[2, -2]]), rows([[1, 0]]))).toBe(LOWEST);
    expect(fitMultiLabelTemperature(rows([[2, -2]]), rows([[0, 1]]))).toBe(HIGHEST);
  });
});

describe('probabilities and logits', () => {
  it('lead to each other', () => {
    const logits = rows([[2, -1, 0.5]]);
    for (const task of ['singleLabel', 'multiLabel'] as const) {
      for (const temperature of [0.5, 1, 3]) {
        const [answer = new Float32Array()] = probabilitiesAt(task, logits, temperature);
        const again = probabilitiesAt(task, logitsOf(task, [answer]), 1)[0] ?? [];
        for (const [index, probability] of answer.entries()) expect(again[index]).toBeCloseTo(probability, 6);
      }
    }
    expect(probabilitiesAt('multiLabel', logits, 2)[0]?.[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
    expect(probabilitiesAt('singleLabel', rows([[1000, 0]]), 1)).toEqual(rows([[1, 0]]));
  });

  it('are finite where a probability is 0 or 1', () => {
    for (const task of ['singleLabel', 'multiLabel'] as const) {
      expect([...(logitsOf(task, rows([[0, 1]]))[0] ?? [])].every(Number.isFinite)).toBe(true);
    }
  });
});
