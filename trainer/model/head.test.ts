import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { tf, type Tensor } from '../engine/operations.ts';
import { dropoutMask } from '../engine/random.ts';
import { numbers, randomTensor, TINY, tinyClassifierParameters } from '../testSupport.ts';
import { head, type HeadTraining } from './head.ts';
import { HEAD_HIDDEN } from './parameters.ts';

const TOLERANCE = 1e-5;
const ROWS = 6;
const WIDTH = 3 * TINY.embedding;
const KEY = { seed: 3, step: 5 };

const parameters = tinyClassifierParameters();
const pooled = randomTensor([ROWS, WIDTH], 'pooled', 3);

/** Mean, biased and unbiased variance of each column, in double precision. */
function columnStatistics(x: Tensor): { mean: number[]; biased: number[]; unbiased: number[] } {
  const values = numbers(x);
  const [rows = 0, width = 0] = x.shape;
  const columns = Array.from({ length: width }, (_, column) =>
    Array.from({ length: rows }, (_row, row) => values[row * width + column] ?? 0),
  );
  const mean = columns.map((column) => column.reduce((sum, value) => sum + value, 0) / rows);
  const squares = columns.map((column, index) => column.reduce((sum, value) => sum + (value - (mean[index] ?? 0)) ** 2, 0));
  return { mean, biased: squares.map((sum) => sum / rows), unbiased: squares.map((sum) => sum / (rows - 1)) };
}

/** The head in plain operations; `norms` gives the mean and variance by which each block normalizes. */
function plainHead(norms: (block: number, x: Tensor) => { mean: Tensor; variance: Tensor }, masks: readonly (Tensor | undefined)[] = []) {
  const own = (name: string): Tensor => parameters.get(name) as Tensor;
  let x: Tensor = pooled;
  const inputs: Tensor[] = [];
  for (const block of [0, 1]) {
    if (block === 1) x = tf.relu(x);
    inputs.push(x);
    const { mean, variance } = norms(block, x);
    x = tf.batchNorm(
      x,
      mean as never,
      variance as never,
      own(`head.${block}.norm.shift`) as never,
      own(`head.${block}.norm.scale`) as never,
      1e-5,
    );
    const mask = masks[block];
    if (mask !== undefined) x = tf.mul(x, mask);
    x = tf.add(tf.matMul(x, own(`head.${block}.weight`)), own(`head.${block}.bias`));
  }
  return { logits: x, inputs };
}

const byRunning = (block: number) => ({
  mean: parameters.get(`head.${block}.norm.mean`) as Tensor,
  variance: parameters.get(`head.${block}.norm.variance`) as Tensor,
});
const byBatch = (_block: number, x: Tensor) => {
  const { mean, biased } = columnStatistics(x);
  return { mean: tf.tensor1d(mean), variance: tf.tensor1d(biased) };
};

const training = (dropout: number, secondDropout?: number): HeadTraining => ({
  dropout,
  key: KEY,
  ...(secondDropout !== undefined && { secondDropout }),
});

describe('head', () => {
  it('normalizes by the running statistics where it answers, and drops nothing', () => {
    const { logits, statistics } = head(parameters, pooled);
    expect(relativeDifference(numbers(logits), numbers(plainHead(byRunning).logits))).toBeLessThan(TOLERANCE);
    expect(statistics.size).toBe(0);
    // So a document's answer depends on itself alone.
    const second = tf.slice(pooled, [1, 0], [1, WIDTH]);
    expect(relativeDifference(numbers(head(parameters, second).logits), numbers(tf.slice(logits, [1, 0], [1, 3])))).toBeLessThan(TOLERANCE);
  });

  it('normalizes by the batch where it trains', () => {
    const { logits } = head(parameters, pooled, training(0, 0));
    expect(relativeDifference(numbers(logits), numbers(plainHead(byBatch).logits))).toBeLessThan(TOLERANCE);
    expect(relativeDifference(numbers(logits), numbers(plainHead(byRunning).logits))).toBeGreaterThan(0.01);
  });

  it('moves the running statistics a tenth of the way to the mean and the unbiased variance of the batch', () => {
    const { statistics } = head(parameters, pooled, training(0, 0));
    expect([...statistics.keys()].toSorted()).toEqual(
      [0, 1].flatMap((block) => [`head.${block}.norm.mean`, `head.${block}.norm.variance`]),
    );
    for (const [block, input] of plainHead(byBatch).inputs.entries()) {
      const { mean, unbiased } = columnStatistics(input);
      const expected = { mean, variance: unbiased };
      for (const part of ['mean', 'variance'] as const) {
        const old = numbers(parameters.get(`head.${block}.norm.${part}`));
        const moved = old.map((value, index) => 0.9 * value + 0.1 * (expected[part][index] ?? Number.NaN));
        expect(relativeDifference(numbers(statistics.get(`head.${block}.norm.${part}`)), moved), `block ${block}, ${part}`).toBeLessThan(
          TOLERANCE,
        );
      }
    }
    tf.dispose([...statistics.values()]);
  });

  it('drops after each norm: by the given probability, then by a tenth', () => {
    const masks = [dropoutMask([ROWS, WIDTH], 0.4, KEY, 'head.0'), dropoutMask([ROWS, HEAD_HIDDEN], 0.1, KEY, 'head.1')];
    const { logits } = head(parameters, pooled, training(0.4));
    expect(relativeDifference(numbers(logits), numbers(plainHead(byBatch, masks).logits))).toBeLessThan(TOLERANCE);
    expect(relativeDifference(numbers(logits), numbers(plainHead(byBatch).logits))).toBeGreaterThan(0.01);
  });

  it('stays finite on a batch of one document, whose variance is 0', () => {
    const { logits, statistics } = head(parameters, tf.slice(pooled, [0, 0], [1, WIDTH]), training(0, 0));
    for (const tensor of [logits, ...statistics.values()]) expect(numbers(tensor).every(Number.isFinite)).toBe(true);
  });
});
