import { pool, poolGradient } from '../engine/fusedOps.ts';
import { tf, type Tensor, type Tensor1D } from '../engine/operations.ts';
import type { Packing } from '../engine/packing.ts';

/**
 * What concat pooling remembers of the documents read so far, one row a document: it costs the same whatever their length.
 * Each `[batch, embedding]`.
 */
export interface PooledValues {
  readonly last: Tensor;
  readonly maximum: Tensor;
  readonly sum: Tensor;
}

/** The lowest float32: below every activation, so that it never wins a maximum. */
export const LOWEST = -3.4028234663852886e38;

/** Pooled values of documents of which nothing has been read. */
export function emptyPooledValues(batch: number, embedding: number): PooledValues {
  return { last: tf.zeros([batch, embedding]), maximum: tf.fill([batch, embedding], LOWEST), sum: tf.zeros([batch, embedding]) };
}

/**
 * Takes one chunk of encoder outputs into the pooled values. What is beyond a document's end never counts.
 *
 * @param outputs `[time, batch, embedding]`
 * @param lengths real tokens of each row in this chunk, 1 to `time`
 */
export function poolChunk(pooled: PooledValues, outputs: Tensor, lengths: readonly number[]): PooledValues {
  const [time = 0, batch = 0, size = 0] = outputs.shape;
  const lastRows = tf.tensor1d(
    lengths.map((length, row) => (length - 1) * batch + row),
    'int32',
  );
  const last = tf.gather(tf.reshape(outputs, [time * batch, size]), lastRows as Tensor1D);
  const padded = lengths.some((length) => length < time);
  const real = padded ? realTokens(lengths, time) : undefined;
  const visible = real === undefined ? outputs : tf.mul(outputs, real);
  // A padded place holds 0 · output + lowest: under the maximum, and without a gradient.
  const comparable = real === undefined ? outputs : tf.add(visible, tf.mul(tf.sub(1, real), LOWEST));
  return {
    last,
    maximum: tf.maximum(pooled.maximum, tf.max(comparable, 0)),
    sum: tf.add(pooled.sum, tf.sum(visible, 0)),
  };
}

/**
 * Takes packed encoder outputs into the pooled values, by our own ops. What was pooled before is a constant to the gradient.
 *
 * @param outputs `[tokens, embedding]`
 */
export function poolPacked({ last, maximum, sum }: PooledValues, outputs: Tensor, packing: Packing): PooledValues {
  const before = tf.stack([last, maximum, sum]);
  const after = tf.customGrad((...args) => {
    const [x, save] = args as unknown as [Tensor, (tensors: Tensor[]) => void];
    const { pooled, places } = pool(x, before, packing);
    save([places]);
    return { value: pooled, gradFunc: (gradient, [saved]) => poolGradient(gradient, saved as Tensor, packing) };
  });
  const [newLast, newMaximum, newSum] = tf.unstack(after(outputs)) as [Tensor, Tensor, Tensor];
  return { last: newLast, maximum: newMaximum, sum: newSum };
}

/** 1 where a row has a real token, 0 beyond its end: `[time, batch, 1]`. */
function realTokens(lengths: readonly number[], time: number): Tensor {
  const values = Float32Array.from({ length: time * lengths.length }, (_, index) => {
    return Math.floor(index / lengths.length) < (lengths[index % lengths.length] ?? 0) ? 1 : 0;
  });
  return tf.tensor(values, [time, lengths.length, 1]);
}

/**
 * Concat pooling: `[h_T, max over time, mean over time]` (Howard & Ruder 2018, section 3.3).
 *
 * @param counts tokens of each document
 * @returns `[batch, 3 * embedding]`
 */
export function concatPooled(pooled: PooledValues, counts: readonly number[]): Tensor {
  const mean = tf.div(pooled.sum, tf.tensor2d([...counts], [counts.length, 1]));
  return tf.concat([pooled.last, pooled.maximum, mean], 1);
}
