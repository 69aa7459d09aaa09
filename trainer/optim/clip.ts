import { sumOfSquares } from '../engine/fusedOps.ts';
import { hasFusedOps, tf, type Scalar, type Tensor } from '../engine/operations.ts';

/**
 * The factor that brings the gradients' joint L2 norm down to `maximum` (PyTorch's `clip_grad_norm_`): at most 1.
 * Stays on the device: nothing waits for it.
 *
 * @param inverse where the gradients are those of a scaled loss, what takes the scale off: the factor then does that too
 */
export function clipFactor(gradients: Iterable<Tensor>, maximum: number, inverse?: Scalar): Scalar {
  return tf.tidy(() => {
    const squares = [...gradients].map((gradient): Tensor => (hasFusedOps ? sumOfSquares(gradient) : tf.sum(tf.square(gradient))));
    const norm = tf.sqrt(tf.addN(squares));
    if (inverse === undefined) return tf.minimum(1, tf.div(maximum, tf.add(norm, 1e-6))) as Scalar;
    return tf.mul(tf.minimum(1, tf.div(maximum, tf.add(tf.mul(norm, inverse), 1e-6))), inverse) as Scalar;
  });
}
