import { adamInPlace } from '../engine/fusedOps.ts';
import { whereFinite } from '../engine/lossScale.ts';
import { hasFusedOps, tf, type Scalar, type Tensor } from '../engine/operations.ts';

export interface AdamOptions {
  /** Decay of the running mean of gradients. */
  readonly beta1: number;
  /** Decay of the running mean of squared gradients. */
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled (Loshchilov & Hutter 2019): each step shrinks a weight by rate × decay. */
  readonly weightDecay: number;
}

/** The paper's betas (Howard & Ruder 2018, section 4.1): short memories, because fine-tuning is short. */
export const ADAM: AdamOptions = { beta1: 0.7, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01 };

/** What Adam remembers of one tensor. */
export interface AdamMoments {
  readonly first: Tensor;
  readonly second: Tensor;
  /** Updates made so far; a frozen tensor makes none. */
  readonly updates: number;
}

/** Moments of a tensor that has not been updated yet. */
export function initialMoments(parameter: Tensor): AdamMoments {
  return { first: tf.keep(tf.zerosLike(parameter)), second: tf.keep(tf.zerosLike(parameter)), updates: 0 };
}

/**
 * One update of one tensor by Adam with decoupled weight decay (Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019).
 * Takes the parameter and its moments over: they may be overwritten or disposed of, and what is returned, kept, takes their place.
 *
 * @param gradientScale scalar tensor that the gradient is multiplied by, for clipping
 * @param finite boolean scalar: where it is given and false, parameter and moments keep their values, and only the count goes on
 */
export function adamUpdate(
  parameter: Tensor,
  gradient: Tensor,
  moments: AdamMoments,
  rate: number,
  options: AdamOptions,
  gradientScale: Scalar,
  finite?: Tensor,
): { parameter: Tensor; moments: AdamMoments } {
  if (finite === undefined && hasFusedOps) return fusedUpdate(parameter, gradient, moments, rate, options, gradientScale);
  return plainUpdate(parameter, gradient, moments, rate, options, gradientScale, finite);
}

type AdamUpdate = typeof adamUpdate;

/** In one pass, in place. It has no condition: whoever scales losses trains on a GPU, where this op is not. */
export const fusedUpdate: AdamUpdate = (given, gradient, moments, rate, options, gradientScale) => {
  const updates = moments.updates + 1;
  const parameter = updates === 1 ? ownCopy(given) : given;
  adamInPlace(parameter, moments.first, moments.second, gradient, gradientScale, { ...options, rate, updates });
  return { parameter, moments: { ...moments, updates } };
};

/** A tensor made from a typed array may share its memory (TF_NewTensor), and the array is not ours to write to. */
function ownCopy(given: Tensor): Tensor {
  const copy = tf.keep(tf.add(given, 0));
  given.dispose();
  return copy;
}

/** In TensorFlow's own operations. */
export const plainUpdate: AdamUpdate = (parameter, gradient, moments, rate, options, gradientScale, finite) => {
  const { beta1, beta2, epsilon, weightDecay } = options;
  const updates = moments.updates + 1;
  const [next, first, second] = tf.tidy(() => {
    const scaled = tf.mul(gradient, gradientScale);
    const mean: Tensor = tf.add(tf.mul(moments.first, beta1), tf.mul(scaled, 1 - beta1));
    const square: Tensor = tf.add(tf.mul(moments.second, beta2), tf.mul(tf.square(scaled), 1 - beta2));
    // The bias corrections go into two numbers, so that the tensors are passed over once less.
    const stepSize = rate / (1 - beta1 ** updates);
    const root = tf.add(tf.mul(tf.sqrt(square), 1 / Math.sqrt(1 - beta2 ** updates)), epsilon);
    const decayed = weightDecay > 0 ? tf.mul(parameter, 1 - rate * weightDecay) : parameter;
    const updated = [tf.sub(decayed, tf.mul(tf.div(mean, root), stepSize)), mean, square] as [Tensor, Tensor, Tensor];
    if (finite === undefined) return updated;
    const old = [parameter, moments.first, moments.second] as const;
    // A factor of 0 would not do: 0 times infinity is NaN.
    return updated.map((tensor, place) => whereFinite(finite, tensor, old[place] as Tensor)) as [Tensor, Tensor, Tensor];
  });
  tf.dispose([parameter, moments.first, moments.second]);
  return { parameter: tf.keep(next), moments: { first: tf.keep(first), second: tf.keep(second), updates } };
};
