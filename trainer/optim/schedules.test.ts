import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constant, cosine, oneCycle, SCHEDULES, slantedTriangular, trapezoidal, type Schedule, type ScheduleName } from './schedules.ts';

const curve = (schedule: Schedule, total: number): number[] => Array.from({ length: total }, (_, step) => schedule(step, total));

describe('slantedTriangular', () => {
  it('is equation 3 of the paper, worked by hand', () => {
    // T = 100, cut_frac = 0.1, ratio = 32: cut = 10.
    const schedule = slantedTriangular();
    expect(schedule(0, 100)).toBeCloseTo(1 / 32, 12); // p = 0
    expect(schedule(5, 100)).toBeCloseTo((1 + 0.5 * 31) / 32, 12); // p = 5/10
    expect(schedule(10, 100)).toBeCloseTo(1, 12); // p = 1 − 0/90
    expect(schedule(55, 100)).toBeCloseTo((1 + 0.5 * 31) / 32, 12); // p = 1 − 45/90
    expect(schedule(99, 100)).toBeCloseTo((1 + (1 / 90) * 31) / 32, 12); // p = 1 − 89/90
    // T = 25: cut = ⌊2.5⌋ = 2, and the fall takes 2 · 9 = 18 steps.
    expect(schedule(1, 25)).toBeCloseTo((1 + 0.5 * 31) / 32, 12); // p = 1/2
    expect(schedule(2, 25)).toBeCloseTo(1, 12); // p = 1 − 0/18
    expect(schedule(11, 25)).toBeCloseTo((1 + 0.5 * 31) / 32, 12); // p = 1 − 9/18
    // cut_frac = 0.5, ratio = 10, T = 8: cut = 4.
    expect(curve(slantedTriangular({ cutFraction: 0.5, ratio: 10 }), 8).map((factor) => Math.round(factor * 1e6) / 1e6)).toEqual([
      0.1, 0.325, 0.55, 0.775, 1, 0.775, 0.55, 0.325,
    ]);
  });

  it('falls from the first step on where there are too few steps to rise', () => {
    for (let total = 1; total < 10; total++) {
      const factors = curve(slantedTriangular(), total);
      expect(factors[0]).toBe(1);
      for (const [step, factor] of factors.entries()) {
        if (step > 0) expect(factor).toBeLessThan(factors[step - 1] ?? 0);
        expect(factor).toBeGreaterThan(1 / 32);
      }
    }
  });

  it('never goes below peak / ratio, also where the rounding of the cut makes the fall too short', () => {
    // T = 19: cut = 1, so the fall is over at step 10.
    expect(curve(slantedTriangular(), 19).slice(10)).toEqual(new Array(9).fill(1 / 32));
  });
});

describe('trapezoidal', () => {
  it('rises, stays and falls', () => {
    const factors = curve(trapezoidal({ warmSteps: 4, coolFraction: 0.5 }), 20);
    expect(factors).toEqual([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]);
  });

  it('stands on the same plateau however long the run is', () => {
    const schedule = trapezoidal();
    for (const step of [10, 299, 500, 790]) expect(schedule(step, 1000)).toBe(schedule(step, 5000));
  });
});

describe('the others', () => {
  it('constant is constant', () => expect(curve(constant(), 4)).toEqual([1, 1, 1, 1]));

  it('cosine falls from 1 to almost 0, half-way at a half', () => {
    const factors = curve(cosine(), 10);
    expect(factors[0]).toBe(1);
    expect(factors[5]).toBeCloseTo(0.5, 12);
    expect(factors[9]).toBeCloseTo((1 + Math.cos(0.9 * Math.PI)) / 2, 12);
  });

  it('oneCycle rises from 1/25 to 1 in a quarter of the steps, and falls to 1/100,000', () => {
    const schedule = oneCycle();
    expect(schedule(0, 100)).toBeCloseTo(1 / 25, 12);
    expect(schedule(25, 100)).toBeCloseTo(1, 12);
    expect(schedule(100, 100)).toBeCloseTo(1e-5, 12);
    expect(curve(schedule, 100).indexOf(Math.max(...curve(schedule, 100)))).toBe(25);
  });
});

it.each(Object.keys(SCHEDULES) as ScheduleName[])('%s stays above 0 and up to 1 at every step of a run of any length', (name) => {
  const schedule = SCHEDULES[name]();
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), (total) => {
      const factors = curve(schedule, total);
      expect(Math.min(...factors)).toBeGreaterThan(0);
      expect(Math.max(...factors)).toBeLessThanOrEqual(1);
    }),
  );
});
