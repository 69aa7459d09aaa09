import { tf, type Tensor } from '../engine/operations.ts';

/**
 * The factor that brings the gradients' joint L2 norm down to `maximum` (PyTorch's `clip_grad_norm_`): at most 1.
 * Stays on the device: nothing waits for it.
 */
export function clipFactor(gradients: Iterable<Tensor>, maximum: number): Tensor {
  return tf.tidy(() => {
    const squares = [...gradients].map((gradient) => tf.sum(tf.square(gradient)));
    const norm = tf.sqrt(tf.addN(squares));
    return tf.minimum(1, tf.div(maximum, tf.add(norm, 1e-6)));
  });
}
