import { describe, expect, it } from 'vitest';
import { numbers, SKIPPED_OPS } from '../testSupport.ts';
import { fusedDropoutMask } from './fusedOps.ts';
import { hasFusedOps, statelessUniform, tf } from './operations.ts';
import { dropoutMask, hostRandom, plainDropoutMask, siteSeed, type DrawKey } from './random.ts';

const KEY: DrawKey = { seed: 42, step: 7 };

describe('dropoutMask', () => {
  const mask = (key: DrawKey, site: string) => numbers(dropoutMask([40, 5], 0.5, key, site));

  it('is the same for the same seed, step and site, and another for any other', () => {
    const first = mask(KEY, 'input');
    expect(mask(KEY, 'input')).toEqual(first);
    for (const other of [mask({ ...KEY, seed: 43 }, 'input'), mask({ ...KEY, step: 8 }, 'input'), mask(KEY, 'output')]) {
      const same = other.filter((value, index) => value === first[index]).length / first.length;
      // Masks that have nothing to do with each other agree in half of their places.
      expect(same).toBeGreaterThan(0.3);
      expect(same).toBeLessThan(0.7);
    }
  });

  it.each([0.02, 0.25, 0.5, 0.9])('drops with probability %d and keeps the mean at 1', (probability) => {
    const values = numbers(dropoutMask([400, 500], probability, KEY, 'site'));
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / (1 - probability))]));
    const dropped = values.filter((value) => value === 0).length / values.length;
    // 5 standard deviations of the share that is dropped.
    expect(Math.abs(dropped - probability)).toBeLessThan(5 * Math.sqrt((probability * (1 - probability)) / values.length));
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(1, 1);
  });

  it('drops nothing at probability 0', () => {
    expect(new Set(numbers(dropoutMask([20, 20], 0, KEY, 'site')))).toEqual(new Set([1]));
  });

  it('has the shape asked for, 1 on the axes it is shared over', () => {
    expect(dropoutMask([1, 3, 4], 0.5, KEY, 'site').shape).toEqual([1, 3, 4]);
    expect(dropoutMask([9, 1], 0.5, KEY, 'site').shape).toEqual([9, 1]);
  });
});

describe.skipIf(!hasFusedOps)(`fusedDropoutMask${SKIPPED_OPS}`, () => {
  const INT32 = 2 ** 31;

  /** A mask by our op and by TensorFlow's. */
  function both(shape: number[], probability: number, seed: readonly [number, number]) {
    return [fusedDropoutMask, plainDropoutMask].map((draw) => {
      const mask = draw(shape, probability, seed);
      const values = mask.dataSync();
      mask.dispose();
      return { shape: mask.shape, values };
    });
  }

  it('is bit by bit what TensorFlow’s generator gives, whatever the seed', () => {
    const special = [0, 1, -1, INT32 - 1, -INT32, 0x12345678];
    const seeds = [
      ...special.flatMap((a) => special.map((b) => [a, b] as const)),
      ...Array.from({ length: 40 }, (_, step) => siteSeed({ seed: 3, step }, 'weight.0')),
    ];
    expect(seeds.filter(([a]) => a < 0).length).toBeGreaterThan(20);
    for (const seed of seeds) {
      const [found, expected] = both([37, 3], 0.5, seed);
      expect(found, seed.join()).toEqual(expected);
    }
  });

  // The generator gives 4 numbers at once; 64 times 4 of them are made before they are compared; and there are several threads.
  it.each([[[1]], [[2]], [[3]], [[5]], [[255]], [[257]], [[1, 31, 7]], [[511]], [[1027]], [[2, 3, 5, 1]], [[4099]], [[16_391]]])(
    'and whatever the shape: %j',
    (shape) => {
      for (const probability of [0, 0.02, 0.5, 0.999]) {
        const [found, expected] = both(shape, probability, [-7, 11]);
        expect(found, `probability ${probability}`).toEqual(expected);
      }
    },
  );

  it('keeps a place whose number is the probability itself, as TensorFlow does', () => {
    const seed = [5, -9] as const;
    const uniform = numbers(statelessUniform([64], seed));
    for (const [place, probability] of uniform.entries()) {
      // The next number that a float32 can hold is above it, and the place is dropped.
      const above = probability + 2 ** (Math.floor(Math.log2(probability)) - 23);
      for (const [border, kept] of [
        [probability, true],
        [above, false],
      ] as const) {
        const [found, expected] = both([64], border, seed);
        expect(found).toEqual(expected);
        expect((found?.values[place] ?? Number.NaN) > 0).toBe(kept);
      }
    }
  });

  it('is what dropoutMask gives', () => {
    expect(numbers(dropoutMask([9, 7], 0.25, KEY, 'input'))).toEqual(numbers(plainDropoutMask([9, 7], 0.25, siteSeed(KEY, 'input'))));
  });

  it('leaves nothing behind', () => {
    const before = tf.memory().numTensors;
    fusedDropoutMask([9, 7], 0.25, [1, 2]).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('siteSeed', () => {
  it('gives two int32, and never the same for neighbouring steps, seeds and sites', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      for (let step = -1; step < 19; step++) {
        for (const site of ['weight.0', 'weight.1', 'hidden.0', 'input']) {
          const pair = siteSeed({ seed, step }, site);
          for (const value of pair) expect(value).toBe(value | 0);
          seen.add(pair.join());
        }
      }
    }
    expect(seen.size).toBe(20 * 20 * 4);
  });
});

describe('hostRandom', () => {
  it('draws the same numbers for the same key and site, and others for any other', () => {
    const draw = (key: DrawKey, site: string) => {
      const random = hostRandom(key, site);
      return Array.from({ length: 8 }, () => random());
    };
    const first = draw(KEY, 'shuffle');
    expect(draw(KEY, 'shuffle')).toEqual(first);
    expect(draw({ ...KEY, seed: 1 }, 'shuffle')).not.toEqual(first);
    expect(draw({ ...KEY, step: 1 }, 'shuffle')).not.toEqual(first);
    expect(draw(KEY, 'labels')).not.toEqual(first);
  });

  it('is uniform over [0, 1), for one long sequence and for the first numbers of many', () => {
    const long = hostRandom(KEY, 'long');
    const sequences = [
      Array.from({ length: 20_000 }, () => long()),
      Array.from({ length: 20_000 }, (_, step) => hostRandom({ seed: 1, step }, 'first')()),
    ];
    for (const values of sequences) {
      const counts = new Array<number>(20).fill(0);
      for (const value of values) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThan(1);
        const bin = Math.floor(value * 20);
        counts[bin] = (counts[bin] ?? 0) + 1;
      }
      // Chi squared with 19 degrees of freedom: 43.8 is passed once in a thousand.
      expect(counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(43.8);
      const pairs = values.slice(1).map((value, index) => (value - 0.5) * ((values[index] ?? 0) - 0.5) * 12);
      expect(Math.abs(pairs.reduce((sum, product) => sum + product, 0) / pairs.length)).toBeLessThan(0.03);
    }
  });
});
