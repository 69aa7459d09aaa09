import { expect, it } from 'vitest';
import { tf } from '../engine/operations.ts';
import { numbers } from '../testSupport.ts';
import { clipFactor } from './clip.ts';

// The joint norm of these is √(3² + 4² + 12²) = 13.
const gradients = [tf.tensor1d([3, 4]), tf.tensor2d([[0, 12]])];

it('clipFactor brings the joint norm down to the maximum, and never up', () => {
  expect(numbers(clipFactor(gradients, 1.3))[0]).toBeCloseTo(0.1, 6);
  expect(numbers(clipFactor(gradients, 13.1))).toEqual([1]);
  expect(numbers(clipFactor([tf.zeros([3])], 0.25))).toEqual([1]);
});

it('clipFactor leaves nothing behind', () => {
  const before = tf.memory().numTensors;
  clipFactor(gradients, 1).dispose();
  expect(tf.memory().numTensors).toBe(before);
});
