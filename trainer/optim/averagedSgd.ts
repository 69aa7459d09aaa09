import { tf, type Scalar, type Tensor } from '../engine/operations.ts';

/** Validations that must pass without the best loss falling before averaging begins (Merity et al. 2017, section 4: n = 5). */
export const NON_MONOTONE_INTERVAL = 5;

/**
 * Whether averaging is to begin (Merity et al. 2017, algorithm 1): the newest validation loss is above the least of those that are
 * more than `interval` validations old.
 *
 * @param losses of all validations so far, the newest last
 */
export function isNonMonotone(losses: readonly number[], interval = NON_MONOTONE_INTERVAL): boolean {
  const earlier = losses.slice(0, -1);
  const old = earlier.slice(0, Math.max(0, earlier.length - interval));
  return old.length > 0 && (losses.at(-1) ?? 0) > Math.min(...old);
}

/**
 * One update of one tensor by stochastic gradient descent with weight decay: p ← p − rate · (gradient + decay · p), PyTorch's `SGD`.
 * Takes the parameter over; what is returned is kept.
 *
 * @param gradientScale scalar tensor that the gradient is multiplied by, for clipping
 */
export function sgdUpdate(parameter: Tensor, gradient: Tensor, rate: number, weightDecay: number, gradientScale: Scalar): Tensor {
  const next = tf.tidy(() => {
    const decayed = weightDecay > 0 ? tf.mul(parameter, 1 - rate * weightDecay) : parameter;
    return tf.sub(decayed, tf.mul(gradient, tf.mul(gradientScale, rate)));
  });
  parameter.dispose();
  return tf.keep(next);
}

/**
 * The mean of a tensor's values since averaging began, as PyTorch's `ASGD` forms it with `t0 = 0`: the second value takes the place of
 * the first, each later one is averaged in. Takes the mean over; what is returned is kept.
 *
 * @param mean of the values before; undefined for the first
 * @param count values seen, this one included
 */
export function movedAverage(mean: Tensor | undefined, parameter: Tensor, count: number): Tensor {
  const weight = 1 / Math.max(1, count - 1);
  const next =
    mean === undefined || weight === 1 ? tf.clone(parameter) : tf.tidy(() => tf.add(mean, tf.mul(tf.sub(parameter, mean), weight)));
  mean?.dispose();
  return tf.keep(next);
}
