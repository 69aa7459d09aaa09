import { fusedDropoutMask } from './fusedOps.ts';
import { hasFusedOps, statelessUniform, tf, type Tensor } from './operations.ts';

/**
 * Where a random draw comes from. Nothing is global: the same (seed, step, site) always draws the same numbers,
 * so that a resumed run is the same run.
 */
export interface DrawKey {
  /** The run's seed. */
  readonly seed: number;
  /** The optimizer step the draw belongs to. */
  readonly step: number;
}

/**
 * Mixes a run's seed, a step and the name of a site into the two int32 that TensorFlow's stateless generator takes.
 *
 * @example
 * siteSeed({ seed: 1, step: 20 }, 'lstm.0.weights'); // [a, b], the same in every run
 */
export function siteSeed(key: DrawKey, site: string): [number, number] {
  let hash = 0x811c9dc5;
  for (let i = 0; i < site.length; i++) hash = Math.imul(hash ^ site.charCodeAt(i), 0x01000193);
  const first = scramble(hash ^ scramble(key.seed));
  return [first, scramble(first ^ scramble(key.step + 0x9e3779b9))];
}

/** MurmurHash3's 32-bit finalizer (Appleby): every input bit reaches every output bit. */
function scramble(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/**
 * A dropout mask: 0 with the given probability, else 1 / (1 - probability), so that the mean stays 1.
 *
 * @param shape for a locked mask, 1 on the axes it is shared over
 * @param probability of dropping, in [0, 1)
 */
export function dropoutMask(shape: number[], probability: number, key: DrawKey, site: string): Tensor {
  const seed = siteSeed(key, site);
  return hasFusedOps ? fusedDropoutMask(shape, probability, seed) : plainDropoutMask(shape, probability, seed);
}

/** The same mask in TensorFlow's own operations, bit by bit. */
export function plainDropoutMask(shape: number[], probability: number, seed: readonly [number, number]): Tensor {
  return tf.tidy(() => {
    const keep = tf.greaterEqual(statelessUniform(shape, seed), probability);
    return tf.mul(tf.cast(keep, 'float32'), 1 / (1 - probability));
  });
}

/** A small seeded generator for the host (mulberry32): shuffles, window lengths, starting weights. Numbers in [0, 1). */
export function hostRandom(key: DrawKey, site: string): () => number {
  const [a, b] = siteSeed(key, site);
  let state = (a ^ Math.imul(b, 0x9e3779b1)) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}
