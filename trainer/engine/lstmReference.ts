import { tf, type Tensor } from './operations.ts';
import type { LstmState, LstmWeights } from './lstm.ts';

/**
 * The same layer as {@link lstm} in plain, differentiable operations, one line an equation: the yardstick for the fused kernels.
 *
 * @param x `[time, batch, in]`
 * @returns `outputs` `[time, batch, hidden]` and the state after the last step
 */
export function lstmReference(x: Tensor, weights: LstmWeights, state: LstmState): { outputs: Tensor; state: LstmState } {
  let { hidden, cell } = state;
  const outputs: Tensor[] = [];
  const [time = 0, batch = 0, inputSize = 0] = x.shape;
  for (let t = 0; t < time; t++) {
    const step = tf.reshape(tf.slice(x, [t, 0, 0], [1, batch, inputSize]), [batch, inputSize]);
    const gates = tf.add(tf.add(tf.matMul(step, weights.input), tf.matMul(hidden, weights.recurrent)), weights.bias);
    const [input, candidate, forget, output] = tf.split(gates, 4, 1) as [Tensor, Tensor, Tensor, Tensor];
    cell = tf.add(tf.mul(tf.sigmoid(forget), cell), tf.mul(tf.sigmoid(input), tf.tanh(candidate)));
    hidden = tf.mul(tf.sigmoid(output), tf.tanh(cell));
    outputs.push(hidden);
  }
  return { outputs: tf.stack(outputs), state: { hidden, cell } };
}
