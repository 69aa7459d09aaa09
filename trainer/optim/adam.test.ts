import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { hasFusedOps, tf, type Scalar, type Tensor } from '../engine/operations.ts';
import { numbers, randomValues, SKIPPED_OPS } from '../testSupport.ts';
import { ADAM, adamUpdate, fusedUpdate, initialMoments, plainUpdate, type AdamOptions } from './adam.ts';

const UPDATES = 4;
const RATE = 0.02;
/** As clipping gives it. */
const FACTOR = 0.3;

/** A new gradient for every update. Some numbers never get one: their moments stay 0. */
const gradientOf = (size: number, update: number): Float32Array =>
  randomValues(size, `gradient ${update}`, 5).map((value, place) => (place % 7 === 3 ? 0 : value));

/** Adam (Kingma & Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), in double precision. */
function expected(size: number, { beta1, beta2, epsilon, weightDecay }: AdamOptions) {
  const parameter = Float64Array.from(randomValues(size, 'parameter'));
  const [first, second] = [new Float64Array(size), new Float64Array(size)];
  for (let update = 1; update <= UPDATES; update++) {
    for (const [place, value] of gradientOf(size, update).entries()) {
      const gradient = value * FACTOR;
      const [m, v] = [beta1 * (first[place] ?? 0) + (1 - beta1) * gradient, beta2 * (second[place] ?? 0) + (1 - beta2) * gradient ** 2];
      const step = m / (1 - beta1 ** update) / (Math.sqrt(v / (1 - beta2 ** update)) + epsilon);
      [first[place], second[place]] = [m, v];
      parameter[place] = (parameter[place] ?? 0) * (1 - RATE * weightDecay) - RATE * step;
    }
  }
  return { parameter, first, second };
}

const IMPLEMENTATIONS = [
  { name: 'adamUpdate', update: adamUpdate, missing: false },
  { name: 'plainUpdate', update: plainUpdate, missing: false },
  { name: 'fusedUpdate', update: fusedUpdate, missing: !hasFusedOps },
];

for (const { name, update, missing } of IMPLEMENTATIONS) {
  describe.skipIf(missing)(`${name}${missing ? SKIPPED_OPS : ''}`, () => {
    /** Some updates of a tensor; its moments and itself afterwards. */
    function updated(shape: number[], options: AdamOptions) {
      const size = shape.reduce((product, extent) => product * extent, 1);
      const start: Tensor = tf.keep(tf.tensor(randomValues(size, 'parameter'), shape));
      let now = { parameter: start, moments: initialMoments(start) };
      const given: [Tensor, number[]][] = [];
      const factor: Scalar = tf.scalar(FACTOR);
      for (let k = 1; k <= UPDATES; k++) {
        const gradient = tf.tensor(gradientOf(size, k), shape);
        given.push([gradient, numbers(gradient)]);
        now = update(now.parameter, gradient, now.moments, RATE, options, factor);
      }
      for (const [gradient, before] of given) expect(numbers(gradient)).toEqual(before);
      expect(numbers(factor)).toEqual([Math.fround(FACTOR)]);
      expect(now.parameter.shape).toEqual(shape);
      expect(now.moments.updates).toBe(UPDATES);
      return { parameter: numbers(now.parameter), first: numbers(now.moments.first), second: numbers(now.moments.second) };
    }

    it.each([[[1]], [[15]], [[3, 5]], [[4097]]])('is the formula in double precision, update after update: %j', (shape) => {
      const size = shape.reduce((product, extent) => product * extent, 1);
      for (const options of [
        { ...ADAM, weightDecay: 0.1 },
        { ...ADAM, weightDecay: 0 },
        { beta1: 0.9, beta2: 0.999, epsilon: 0.1, weightDecay: 2 },
      ]) {
        const found = updated(shape, options);
        const wanted = expected(size, options);
        for (const part of ['parameter', 'first', 'second'] as const) {
          expect(relativeDifference(found[part], wanted[part]), part).toBeLessThan(1e-6);
        }
      }
    });

    it('leaves a number without a gradient and without decay as it is', () => {
      const found = updated([15], { ...ADAM, weightDecay: 0 });
      expect([found.parameter[3], found.first[3], found.second[3]]).toEqual([randomValues(15, 'parameter')[3], 0, 0]);
    });

    it('answers alike each time', () => {
      expect(updated([4097], ADAM)).toEqual(updated([4097], ADAM));
    });

    it('holds the parameter and its moments, and nothing else', () => {
      const [start, gradient, factor] = [tf.keep(tf.ones([5])), tf.ones([5]), tf.scalar(1) as Scalar];
      const moments = initialMoments(start);
      const before = tf.memory().numTensors;
      const after = update(start, gradient, moments, RATE, ADAM, factor);
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose([after.parameter, after.moments.first, after.moments.second, gradient, factor]);
      expect(tf.memory().numTensors).toBe(before - 5);
    });
  });
}

describe.skipIf(!hasFusedOps)(`the choice of adamUpdate${SKIPPED_OPS}`, () => {
  it('is the update in place, in memory of its own from the first update on', () => {
    // As large and as aligned as what TensorFlow shares with the array instead of copying it.
    const values = new Float32Array(4096).fill(1);
    const given: Tensor = tf.keep(tf.tensor1d(values));
    const gradient = tf.ones([4096]);
    const first = adamUpdate(given, gradient, initialMoments(given), RATE, ADAM, tf.scalar(1));
    expect(new Set(values)).toEqual(new Set([1]));
    expect(numbers(first.parameter)[0]).toBeCloseTo(1 - RATE - RATE * ADAM.weightDecay, 6);
    const second = adamUpdate(first.parameter, gradient, first.moments, RATE, ADAM, tf.scalar(1));
    expect(second.parameter).toBe(first.parameter);
    expect(given.isDisposed).toBe(true);
  });
});
