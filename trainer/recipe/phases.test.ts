import { describe, expect, it } from 'vitest';
import { gradualUnfreezing } from '../optim/unfreezing.ts';
import { RatePlan, tensorRates } from './phases.ts';

describe('RatePlan', () => {
  // A schedule that shows where in its phase a step stands.
  const plan = (epochs: readonly (readonly number[])[], steps: readonly number[]) =>
    new RatePlan(epochs, steps, (step, total) => step + total / 1000);

  it('runs through the schedule once for each stage of unfreezing', () => {
    const epochs = gradualUnfreezing({ rates: [10, 100], epochs: 4 });
    expect(epochs).toEqual([
      [0, 100],
      [10, 100],
      [10, 100],
      [10, 100],
    ]);
    const rates = plan(epochs, [3, 4, 5, 6]);
    expect(rates.at(0, 0)).toEqual([0, 0.3]);
    expect(rates.at(0, 2)).toEqual([0, 200.3]);
    // The last three epochs train the same groups: one phase of 15 steps.
    expect(rates.at(1, 0)).toEqual([0.15, 1.5]);
    expect(rates.at(1, 3)[1]).toBeCloseTo(301.5, 9);
    expect(rates.at(2, 0)[1]).toBeCloseTo(401.5, 9);
    expect(rates.at(3, 5)[1]).toBeCloseTo(1401.5, 9);
  });

  it('runs through it once where all epochs are alike', () => {
    const rates = plan([[1], [1], [1]], [2, 2, 2]);
    expect([0, 1, 2].flatMap((epoch) => [0, 1].map((step) => rates.at(epoch, step)[0]))).toEqual([
      0.006, 1.006, 2.006, 3.006, 4.006, 5.006,
    ]);
  });

  it('does not join two like phases over a different one between them', () => {
    const rates = plan([[1], [2], [1]], [5, 5, 5]);
    expect(rates.at(2, 1)).toEqual([1.005]);
  });

  it('stretches the schedule over the steps that are left where the run is cut short', () => {
    expect(plan([[1], [1], [1]], [10, 5, 0]).at(1, 4)[0]).toBeCloseTo(14.015, 9);
  });
});

it('tensorRates gives every tensor the rate of its group', () => {
  expect(tensorRates([['a', 'b'], ['c']], [0, 3])).toEqual(
    new Map([
      ['a', 0],
      ['b', 0],
      ['c', 3],
    ]),
  );
});
