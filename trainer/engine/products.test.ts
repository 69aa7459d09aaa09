import { describe, expect, test } from 'vitest';
import { numbers, randomTensor } from '../testSupport.ts';
import { backend, tf, type Tensor } from './operations.ts';
import { withPrecision, type Precision } from './precision.ts';
import { operand, product } from './products.ts';

/** Bits of the fraction: a product of two numbers rounded so is off by at most 3 units in this place. */
const FRACTION: Readonly<Record<Precision, number>> = { fp32: 23, bf16: 7, fp16: 10 };
const PRECISIONS = ['fp32', 'bf16', 'fp16'] as const;

/** `[m, k]` and `[k, n]`, stored as the flags say. */
function matrices(transposeA: boolean, transposeB: boolean): [Tensor, Tensor] {
  const [m, k, n] = [3, 5, 4];
  return [randomTensor(transposeA ? [k, m] : [m, k], 'a'), randomTensor(transposeB ? [n, k] : [k, n], 'b')];
}

describe.each(PRECISIONS)('in %s', (precision) => {
  test.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('multiplies, transposed or not: %s, %s', (transposeA, transposeB) => {
    const [a, b] = matrices(transposeA, transposeB);
    const exact = numbers(tf.matMul(a, b, transposeA, transposeB));
    const found = withPrecision(precision, () => product(a, b, transposeA, transposeB));
    expect(found.dtype).toBe('float32');
    expect(found.shape).toEqual([3, 4]);
    const worst = Math.max(...numbers(found).map((value, index) => Math.abs(value - (exact[index] ?? Number.NaN))));
    // Five products of numbers below 1, each rounded twice, and a sum that is rounded once.
    expect(worst).toBeLessThan(3 * 5 * 2 ** -(FRACTION[precision] + 1));
    // And it is rounded: nothing has been multiplied in more bits than were asked for.
    expect(numbers(found).every((value) => value === round(value, FRACTION[precision]))).toBe(true);
  });

  test('takes a matrix that was cast once, for several products', () => {
    const [a, b] = matrices(false, true);
    withPrecision(precision, () => {
      const expected = numbers(product(a, b, false, true));
      const cast = operand(b);
      b.dispose();
      expect([numbers(product(a, cast, false, true)), numbers(product(a, cast, false, true))]).toEqual([expected, expected]);
      cast.tensor.dispose();
    });
  });

  test('leaves nothing behind', () => {
    const [a, b] = matrices(false, false);
    product(a, b).dispose(); // what comes from the host gets its handle now
    const before = [tf.memory().numTensors, backend.binding.getNumOfTensors()];
    withPrecision(precision, () => {
      product(a, b).dispose();
      tf.tidy(() => void product(a, b));
      operand(a).tensor.dispose();
    });
    expect([tf.memory().numTensors, backend.binding.getNumOfTensors()]).toEqual(before);
  });

  test('adds up in 32 bits', () => {
    // 2 ** -12 is lost beside 1 in 16 bits, whatever the type; 4,096 of them are 1.
    const ones = tf.fill([1, 4097], 1);
    const small = tf.concat([tf.ones([1, 1]), tf.fill([4096, 1], 2 ** -12)], 0);
    const [sum] = withPrecision(precision, () => numbers(product(ones, small)));
    expect(sum).toBe(2);
  });
});

test('refuses an operand of another precision', () => {
  const [a, b] = matrices(false, false);
  const cast = withPrecision('bf16', () => operand(b));
  expect(() => product(a, cast)).toThrow('the precision has changed since the operand was made');
  cast.tensor.dispose();
});

/** Rounds to so many bits of the fraction. */
function round(value: number, bits: number): number {
  if (value === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - bits);
  return Math.round(value / unit) * unit;
}
