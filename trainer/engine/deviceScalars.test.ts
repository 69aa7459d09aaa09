import { afterEach, expect, test, vi } from 'vitest';
import { numbers } from '../testSupport.ts';
import { rememberingScalars } from './deviceScalars.ts';
import { attributes, backend, tf } from './operations.ts';
import type { Binding } from './tensorflow.ts';

const writable = backend as { binding: Binding };
const original = backend.binding;
afterEach(() => {
  writable.binding = original;
});

/** Calls that make a tensor of numbers of the host. */
function copies(remembered?: number) {
  const create = vi.fn<Binding['createTensor']>((...given) => original.createTensor(...given));
  const watched = Object.create(original, { createTensor: { value: create } }) as Binding;
  writable.binding = rememberingScalars(watched, attributes.float32, remembered);
  return create;
}

test('a number is copied once, and each use of it may go', () => {
  const create = copies();
  const x = tf.tensor1d([1, 2]);
  x.square().dispose(); // x itself is copied now
  create.mockClear();
  for (let round = 0; round < 3; round++) {
    tf.tidy(() => {
      expect(numbers(tf.mul(x, 3))).toEqual([3, 6]);
      expect(numbers(tf.add(x, 0.5))).toEqual([1.5, 2.5]);
    });
  }
  expect(create.mock.calls.map(([shape, , values]) => [shape, ...values])).toEqual([
    [[], 3],
    [[], 0.5],
  ]);
});

test('other tensors are what they are: vectors, whole numbers, negative zero, NaN', () => {
  copies();
  expect(numbers(tf.add(tf.tensor1d([1, 2]), tf.tensor1d([3, 4])))).toEqual([4, 6]);
  expect(numbers(tf.add(tf.scalar(1, 'int32'), tf.scalar(2, 'int32')))).toEqual([3]);
  expect(numbers(tf.div(1, tf.scalar(0)))).toEqual([Number.POSITIVE_INFINITY]);
  expect(numbers(tf.div(1, tf.scalar(-0)))).toEqual([Number.NEGATIVE_INFINITY]);
  for (let round = 0; round < 2; round++) expect(numbers(tf.scalar(Number.NaN).neg())).toEqual([Number.NaN]);
});

test('no more than so many are kept, those used last', () => {
  const create = copies(3);
  const use = (value: number) => tf.tidy(() => numbers(tf.mul(tf.scalar(1), value))[0]);
  expect([2, 3].map(use)).toEqual([2, 3]); // 1, 2, 3 are kept now
  const before = original.getNumOfTensors();
  create.mockClear();
  expect([4, 5, 6, 7].map(use)).toEqual([4, 5, 6, 7]);
  expect(original.getNumOfTensors()).toBe(before);
  // 1 stays because every use takes it; 4 has gone.
  create.mockClear();
  expect([7, 6, 4].map(use)).toEqual([7, 6, 4]);
  expect(create.mock.calls.map(([, , [value]]) => value)).toEqual([4]);
});
