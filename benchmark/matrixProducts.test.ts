import { expect, test } from 'vitest';
import { forwardOperations, largeProducts, operationsOf, operationsOfProduct } from './matrixProducts.ts';
import { TINY_CLASSIFIER, TINY_LM } from './testSupport.ts';
import { presetWorkload } from './workload.ts';

// By hand, for embedding 5, hidden 7, vocabulary 24: layers read 5, 7, 7 and are 7, 7, 5 wide, so their gates are 28, 28, 20 wide.
// Multiplications a token: 28·(5+7) + 28·(7+7) + 20·(7+5) = 336 + 392 + 240 = 968; the decoder's 5·24 = 120.
const ENCODER = 968;
const DECODER = 120;

test('a token costs two operations for each weight', () => {
  expect(forwardOperations(TINY_LM)).toBe(2 * (ENCODER + DECODER));
  expect(forwardOperations(TINY_CLASSIFIER)).toBe(2 * ENCODER);
});

test("a training step of a language model costs three times its tokens' forward passes", () => {
  expect(operationsOf(TINY_LM, [0, 1])).toBe(3 * 2 * (ENCODER + DECODER) * 8 * 2);
});

test('tokens before the gradient window are read forward only', () => {
  // Documents of 13 and 5 tokens: the window of 8 begins at token 4, the last chunk border that leaves at least 8.
  expect(operationsOf(TINY_CLASSIFIER, [1])).toBe(2 * ENCODER * (4 + 3 * 9 + 3 * 5));
  expect(operationsOf(TINY_CLASSIFIER, [0, 1])).toBe(2 * ENCODER * (3 * 9 + 4 + 3 * 14));
});

test.each([TINY_LM, { ...TINY_CLASSIFIER, documents: [[4, 4]] }])('the large products of $task are all of a full step', (workload) => {
  const sum = largeProducts(workload).reduce((total, product) => total + operationsOfProduct(product), 0);
  expect(sum).toBe(operationsOf(workload, [0]));
});

test('the products of a transposed weight: logits, gradient of the input, gradient of the weight', () => {
  expect(largeProducts(TINY_LM).slice(-3)).toEqual([
    { rows: 8, inner: 5, columns: 24, transposeLeft: false, transposeRight: true },
    { rows: 8, inner: 24, columns: 5, transposeLeft: false, transposeRight: false },
    { rows: 24, inner: 8, columns: 5, transposeLeft: true, transposeRight: false },
  ]);
});

test('the presets: 49.8 million operations a token for small, 193.5 for base', () => {
  const perToken = (preset: 'small' | 'base') => {
    const workload = presetWorkload({ preset, task: 'lm', device: 'cpu', precision: 'fp32', threads: 1, steps: 1 });
    return operationsOf(workload, [0]) / (workload.batch * workload.chunk);
  };
  // small: 6 · (4·512·768 + 4·512·1024 + 4·256·768 + 256·15000)
  expect(perToken('small')).toBe(6 * (1_572_864 + 2_097_152 + 786_432 + 3_840_000));
  // base: 6 · (4·1152·1552 + 4·1152·2304 + 4·400·1552 + 400·30000)
  expect(perToken('base')).toBe(6 * (7_151_616 + 10_616_832 + 2_483_200 + 12_000_000));
});
