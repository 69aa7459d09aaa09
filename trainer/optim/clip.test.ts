import { expect, it } from 'vitest';
import { tf } from '../engine/operations.ts';
import { numbers, randomValues } from '../testSupport.ts';
import { clipFactor } from './clip.ts';

// The joint norm of these is √(3² + 4² + 12²) = 13.
const gradients = [tf.tensor1d([3, 4]), tf.tensor2d([[0, 12]])];

it('clipFactor brings the joint norm down to the maximum, and never up', () => {
  expect(numbers(clipFactor(gradients, 1.3))[0]).toBeCloseTo(0.1, 6);
  expect(numbers(clipFactor(gradients, 13.1))).toEqual([1]);
  expect(numbers(clipFactor([tf.zeros([3])], 0.25))).toEqual([1]);
});

it('clipFactor takes the norm of large tensors to some of the last bits, and changes none of them', () => {
  const large = ['a', 'b', 'c'].map((name) => randomValues(50_001, name, 2));
  const tensors = large.map((values) => tf.tensor1d(values));
  const norm = Math.sqrt(large.reduce((sum, values) => sum + values.reduce((part, value) => part + value ** 2, 0), 0));
  const [factor = Number.NaN] = numbers(clipFactor(tensors, 0.25));
  expect(Math.abs(factor / (0.25 / norm) - 1)).toBeLessThan(1e-6);
  for (const [index, tensor] of tensors.entries()) expect(tensor.dataSync()).toEqual(large[index]);
});

it('clipFactor is no number where a gradient is none', () => {
  expect(numbers(clipFactor([tf.tensor1d([1, Number.NaN]), tf.ones([3])], 1))).toEqual([Number.NaN]);
});

it('clipFactor leaves nothing behind', () => {
  const before = tf.memory().numTensors;
  clipFactor(gradients, 1).dispose();
  expect(tf.memory().numTensors).toBe(before);
});
