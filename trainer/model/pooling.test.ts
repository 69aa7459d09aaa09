import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../../test/parity/closeness.ts';
import { hasFusedOps, tf, type Tensor } from '../engine/operations.ts';
import { Packing } from '../engine/packing.ts';
import { numbers, randomTensor, randomValues, SKIPPED_OPS, valueAndGradients } from '../testSupport.ts';
import { concatPooled, emptyPooledValues, poolChunk, poolPacked, type PooledValues } from './pooling.ts';

const TOLERANCE = 1e-6;
const TIME = 5;
const SIZE = 3;
const LENGTHS = [5, 1, 3, 4];
const BATCH = LENGTHS.length;

/** Encoder outputs, all negative; the places beyond a document's end hold what would win every maximum. */
function chunk(name: string, lengths: readonly number[] = LENGTHS): Tensor {
  const values = randomValues(TIME * BATCH * SIZE, name).map((value, index) => {
    const t = Math.floor(index / (BATCH * SIZE));
    const row = Math.floor(index / SIZE) % BATCH;
    return t < (lengths[row] ?? 0) ? -0.6 + value / 4 : 1000;
  });
  return tf.tensor(values, [TIME, BATCH, SIZE]);
}

/** Pools each row by itself, in plain numbers. */
function plainPooling(chunks: readonly { outputs: Tensor; lengths: readonly number[] }[]): Record<keyof PooledValues, number[]> {
  const rows = Array.from({ length: BATCH }, (_, row) =>
    chunks.flatMap(({ outputs, lengths }) => {
      const values = numbers(outputs);
      const output = (t: number) => values.slice((t * BATCH + row) * SIZE, (t * BATCH + row + 1) * SIZE);
      return Array.from({ length: lengths[row] ?? 0 }, (_output, t) => output(t));
    }),
  );
  const units = [...Array(SIZE).keys()];
  const over = (reduce: (values: number[]) => number) =>
    rows.flatMap((outputs) => units.map((unit) => reduce(outputs.map((o) => o[unit] ?? 0))));
  return {
    last: over((values) => values.at(-1) ?? Number.NaN),
    maximum: over((values) => Math.max(...values)),
    sum: over((values) => values.reduce((sum, value) => sum + value, 0)),
  };
}

/** The largest difference of any pooled value. */
function difference(found: PooledValues, expected: Record<keyof PooledValues, number[]>): number {
  const parts = ['last', 'maximum', 'sum'] as const;
  return Math.max(...parts.flatMap((part) => numbers(found[part]).map((value, index) => Math.abs(value - (expected[part][index] ?? NaN)))));
}

describe('poolChunk', () => {
  const empty = () => emptyPooledValues(BATCH, SIZE);

  it('never lets padding into last, maximum or sum, also where all activations are negative', () => {
    const outputs = chunk('outputs');
    const pooled = poolChunk(empty(), outputs, LENGTHS);
    expect(difference(pooled, plainPooling([{ outputs, lengths: LENGTHS }]))).toBeLessThan(TOLERANCE);
  });

  it('takes a full chunk as it is', () => {
    const full = LENGTHS.map(() => TIME);
    const outputs = chunk('outputs', full);
    const pooled = poolChunk(empty(), outputs, full);
    expect(difference(pooled, plainPooling([{ outputs, lengths: full }]))).toBeLessThan(TOLERANCE);
  });

  it('goes on from chunk to chunk', () => {
    const full = LENGTHS.map(() => TIME);
    const chunks = [
      { outputs: chunk('first', full), lengths: full },
      { outputs: chunk('second'), lengths: LENGTHS },
    ];
    const pooled = chunks.reduce((before, { outputs, lengths }) => poolChunk(before, outputs, lengths), empty());
    expect(difference(pooled, plainPooling(chunks))).toBeLessThan(TOLERANCE);
  });

  it('gives padding no gradient', () => {
    const outputs = chunk('outputs');
    for (const part of ['last', 'maximum', 'sum'] as const) {
      const { gradients } = valueAndGradients(() => tf.sum(poolChunk(empty(), outputs, LENGTHS)[part]), [outputs]);
      const [gradient = []] = gradients;
      const total = Array.from({ length: BATCH }, () => 0);
      for (const [index, value] of gradient.entries()) {
        const t = Math.floor(index / (BATCH * SIZE));
        const row = Math.floor(index / SIZE) % BATCH;
        if (t >= (LENGTHS[row] ?? 0)) expect(value, `${part} at ${t}, row ${row}`).toBe(0);
        total[row] = (total[row] ?? 0) + value;
      }
      // One place of each unit is the last and one the largest; all count in the sum.
      expect(total).toEqual(LENGTHS.map((length) => SIZE * (part === 'sum' ? length : 1)));
    }
  });
});

describe.skipIf(!hasFusedOps)(`poolPacked${SKIPPED_OPS}`, () => {
  const lengths = LENGTHS.toSorted((a, b) => b - a);
  const packing = new Packing(lengths);
  const outputs = randomTensor([packing.tokens, SIZE], 'packed');
  const earlier = (): PooledValues => ({
    last: randomTensor([BATCH, SIZE], 'last'),
    // Some of them are above all that follows.
    maximum: randomTensor([BATCH, SIZE], 'maximum', 1.5),
    sum: randomTensor([BATCH, SIZE], 'sum'),
  });

  /** The same tokens with padding, for poolChunk. */
  function padded(packed: Tensor): Tensor {
    const places = new Int32Array(TIME * BATCH);
    let at = 0;
    packing.pack((row, t) => (places[t * BATCH + row] = at++));
    return tf.reshape(tf.gather(packed, tf.tensor1d(places, 'int32')), [TIME, BATCH, SIZE]);
  }

  it.each([
    ['nothing', () => emptyPooledValues(BATCH, SIZE)],
    ['what was pooled before', earlier],
  ])('agrees with poolChunk, going on from %s: values and gradients', (_, before) => {
    const found = poolPacked(before(), outputs, packing);
    const expected = poolChunk(before(), padded(outputs), lengths);
    const weights = {
      last: randomTensor([BATCH, SIZE], 'a'),
      maximum: randomTensor([BATCH, SIZE], 'b'),
      sum: randomTensor([BATCH, SIZE], 'c'),
    };
    const weighed = (pooled: PooledValues): Tensor =>
      tf.addN((['last', 'maximum', 'sum'] as const).map((part) => tf.sum(tf.mul(pooled[part], weights[part]))));
    for (const part of ['last', 'maximum', 'sum'] as const) {
      expect(relativeDifference(numbers(found[part]), numbers(expected[part])), part).toBeLessThan(TOLERANCE);
    }
    const gradient = valueAndGradients(() => weighed(poolPacked(before(), outputs, packing)), [outputs]);
    const wanted = valueAndGradients(() => weighed(poolChunk(before(), padded(outputs), lengths)), [outputs]);
    expect(gradient.value).toBeCloseTo(wanted.value, 4);
    expect(relativeDifference(gradient.gradients[0] ?? [], wanted.gradients[0] ?? [])).toBeLessThan(TOLERANCE);
  });

  it('changes nothing that it is given, and leaves nothing behind', () => {
    const before = earlier();
    const given = [outputs, before.last, before.maximum, before.sum];
    const values = given.map(numbers);
    const tensors = tf.memory().numTensors;
    valueAndGradients(() => tf.sum(poolPacked(before, outputs, packing).maximum), [outputs]);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(given.map(numbers)).toEqual(values);
  });
});

describe('concatPooled', () => {
  it('is [last, maximum, mean], each document by its own length', () => {
    const tensor = (values: number[]) => tf.tensor2d(values, [2, 2]);
    const pooled = { last: tensor([1, 2, 3, 4]), maximum: tensor([5, 6, 7, 8]), sum: tensor([10, 20, 30, 40]) };
    expect(concatPooled(pooled, [10, 4]).arraySync()).toEqual([
      [1, 2, 5, 6, 1, 2],
      [3, 4, 7, 8, 7.5, 10],
    ]);
  });
});
