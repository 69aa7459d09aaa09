/** Concat pooling by itself, beside fastai's masked_concat_pool where that is right (README.md, "Padding"). */
import { beforeAll, describe, expect, it } from 'vitest';
import { hasFusedOps, tf, type Tensor } from '../../trainer/engine/operations.ts';
import { Packing } from '../../trainer/engine/packing.ts';
import { concatPooled, emptyPooledValues, poolChunk, poolPacked } from '../../trainer/model/pooling.ts';
import { SKIPPED_OPS, valueAndGradients } from '../../trainer/testSupport.ts';
import { relativeDifference } from './closeness.ts';
import { uniform } from './formula.ts';
import { readGolden, type Golden } from './golden.ts';

const TOLERANCE = 1e-6;

let golden: Golden;
let lengths: number[];
let size: number;
beforeAll(async () => {
  golden = await readGolden('pooling');
  lengths = [...golden.integers('lengths')];
  size = golden.facts['embedding'] as number;
});

const ROUTES = [
  { name: 'poolChunk', missing: false },
  { name: 'poolPacked', missing: !hasFusedOps },
] as const;

describe.each(ROUTES)('$name', ({ name, missing }) => {
  it.skipIf(missing)(`has the values and gradients of fastai’s masked_concat_pool${missing ? SKIPPED_OPS : ''}`, () => {
    const [time, batch] = [Math.max(...lengths), lengths.length];
    const values = uniform('pooling.outputs', [time, batch, size], 1);
    const outputs = tf.tensor(values, [time, batch, size]);
    const packing = new Packing(lengths);
    const places = packing.pack((row, t) => t * batch + row);
    const pool = (x: Tensor): Tensor => {
      const empty = emptyPooledValues(batch, size);
      if (name === 'poolChunk') return concatPooled(poolChunk(empty, x, lengths), lengths);
      const packed = tf.gather(tf.reshape(x, [time * batch, size]), tf.tensor1d(places, 'int32'));
      return concatPooled(poolPacked(empty, packed, packing), lengths);
    };
    expect(relativeDifference(pool(outputs).dataSync(), golden.floats('pooled'))).toBeLessThan(TOLERANCE);
    const weights = tf.tensor2d(uniform('pooling.weights', [batch, 3 * size], 1), [batch, 3 * size]);
    const { gradients } = valueAndGradients(() => tf.sum(tf.mul(pool(outputs), weights)), [outputs]);
    expect(relativeDifference(gradients[0] ?? [], golden.floats('gradient'))).toBeLessThan(TOLERANCE);
  });
});
