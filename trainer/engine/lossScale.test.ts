import { describe, expect, test, vi } from 'vitest';
import { numbers, randomTensor } from '../testSupport.ts';
import { allFinite, LOSS_SCALE, LossScale, nextScale, whereFinite } from './lossScale.ts';
import { tf, type Scalar, type Tensor } from './operations.ts';
import { withPrecision } from './precision.ts';
import { product } from './products.ts';

const state = (scale: number, goodSteps: number) => ({ scale: tf.scalar(scale), goodSteps: tf.scalar(goodSteps) });

describe('the scale', () => {
  test.each([
    ['stays while steps are good', [1024, 5], true, [1024, 6]],
    ['doubles after 2,000 good steps', [1024, 1999], true, [2048, 0]],
    ['does not double a step earlier', [1024, 1998], true, [1024, 1999]],
    ['halves at an overflow, and counts anew', [1024, 1999], false, [512, 0]],
    ['has a smallest', [LOSS_SCALE.smallest, 3], false, [LOSS_SCALE.smallest, 0]],
    ['has a largest', [LOSS_SCALE.largest, 1999], true, [LOSS_SCALE.largest, 0]],
  ] as const)('%s', (_, [scale, good], finite, expected) => {
    const next = nextScale(state(scale, good), tf.scalar(finite));
    expect([...numbers(next.scale), ...numbers(next.goodSteps)]).toEqual(expected);
  });

  test('goes through a checkpoint', () => {
    const scaling = new LossScale(64);
    scaling.advance(tf.scalar(true));
    const stored = new Map([...scaling.tensors()].map(([name, tensor]) => [name, tf.tensor(numbers(tensor), tensor.shape)]));
    const resumed = new LossScale();
    resumed.restore(stored);
    expect([...resumed.tensors()].map(([name, tensor]) => [name, numbers(tensor)])).toEqual([
      ['lossScale.scale', [64]],
      ['lossScale.goodSteps', [1]],
    ]);
    resumed.restore(new Map());
    expect(numbers(resumed.inverse())).toEqual([1 / 64]);
  });
});

test.each([
  [[1, -2, 3], true],
  [[1, Number.POSITIVE_INFINITY, 3], false],
  [[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], false],
  [[1, Number.NaN], false],
])('gradients %j are finite: %s', (values, expected) => {
  expect(numbers(allFinite([tf.tensor1d([1, 2]), tf.tensor1d(values)]))).toEqual([expected ? 1 : 0]);
});

/** y = x · w in fp16 with its gradient, as the trainer's layers are made. */
function halfProduct(x: Tensor, w: Tensor): Tensor {
  const made = tf.customGrad((...args) => {
    const [left, right] = args as unknown as [Tensor, Tensor];
    return { value: product(left, right), gradFunc: (dy) => [product(dy, right, false, true), product(left, dy, true, false)] };
  });
  return made(x, w);
}

describe('training in fp16', () => {
  /** Fits w to known weights by gradient descent, and tells what happened to the scale. */
  function fit(initialScale: number, steps: number) {
    const x = randomTensor([8, 4], 'x');
    // Gradients of 1e-8: without scaling, fp16 would round all of them to nothing.
    const size = 1e-8;
    const target = tf.mul(tf.matMul(x, randomTensor([4, 2], 'wanted')), size);
    let w: Tensor = tf.zeros([4, 2]);
    const scaling = new LossScale(initialScale);
    const scales: number[] = [];
    const weights: number[][] = [];
    for (let step = 0; step < steps; step++) {
      withPrecision('fp16', () => {
        const loss = (v: Tensor) =>
          scaling.scaled(tf.mul(tf.sum(tf.square(tf.sub(tf.mul(halfProduct(x, v), size), target))), 1 / size) as Scalar);
        const gradient = tf.grad((v: Tensor) => loss(v))(w);
        const finite = allFinite([gradient]);
        w = whereFinite(finite, tf.sub(w, tf.mul(gradient, tf.mul(scaling.inverse(), 0.02 / size))), w);
        scaling.advance(finite);
      });
      scales.push(...numbers(scaling.tensors().get('lossScale.scale')));
      weights.push(numbers(w));
    }
    return { scales, weights, wanted: numbers(randomTensor([4, 2], 'wanted')) };
  }
  const error = (found: readonly number[], wanted: readonly number[]) =>
    Math.max(...found.map((value, index) => Math.abs(value - (wanted[index] ?? Number.NaN))));

  test('comes to the goal with a scale, and not without one', () => {
    const scaled = fit(2 ** 16, 200);
    expect(error(scaled.weights.at(-1) ?? [], scaled.wanted)).toBeLessThan(0.02);
    const unscaled = fit(1, 200);
    expect(error(unscaled.weights.at(-1) ?? [], unscaled.wanted)).toBeGreaterThan(0.5);
  });

  test('an overflow halves the scale and leaves the weights as they are, until gradients fit', () => {
    const { scales, weights } = fit(2 ** 48, 60);
    const overflows = scales.filter((scale, step) => scale < (scales[step - 1] ?? 2 ** 48)).length;
    expect(overflows).toBeGreaterThan(3);
    expect(scales.slice(0, overflows)).toEqual(Array.from({ length: overflows }, (_, step) => 2 ** (47 - step)));
    for (const values of weights.slice(0, overflows)) expect(values.every((value) => value === 0)).toBe(true);
    expect(weights[overflows]?.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
    expect(new Set(scales.slice(overflows))).toEqual(new Set([scales.at(-1)]));
  });
});

test('a step reads nothing back from the device, and leaves nothing behind', () => {
  const scaling = new LossScale();
  const w = randomTensor([4, 2], 'w');
  const step = () =>
    tf.tidy(() => {
      const { value, grads } = tf.valueAndGrads((v: Tensor) => scaling.scaled(tf.sum(tf.square(v)) as Scalar))([w]);
      const finite = allFinite(grads);
      scaling.advance(finite);
      whereFinite(finite, tf.sub(w, tf.mul(grads[0] as Tensor, scaling.inverse())), w);
      value.dispose();
    });
  step();
  const before = tf.memory().numTensors;
  const reads = vi.spyOn(tf.backend(), 'readSync');
  step();
  expect(reads).not.toHaveBeenCalled();
  reads.mockRestore();
  expect(tf.memory().numTensors).toBe(before);
  scaling.dispose();
  expect(tf.memory().numTensors).toBe(before - 2);
});
