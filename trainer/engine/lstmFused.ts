import { layerGradients, layerProduct, lstmBackward, lstmForward } from './fusedOps.ts';
import type { LstmState, LstmWeights } from './lstm.ts';
import { tf, type Tensor, type Tensor1D } from './operations.ts';
import { Packing } from './packing.ts';
import { onMatrixUnit, product, productForOps, type Operand } from './products.ts';

/** `lstm` of lstm.ts on our own ops. */
export function fusedLstm(x: Tensor, weights: LstmWeights, state: LstmState): { outputs: Tensor; state: LstmState } {
  const [time = 0, batch = 0, inputSize = 0] = x.shape;
  const packed = packedLstm(tf.reshape(x, [time * batch, inputSize]), weights, state, Packing.rectangle(time, batch), time);
  return { ...packed, outputs: tf.reshape(packed.outputs, [time, batch, weights.bias.size / 4]) };
}

/**
 * One LSTM layer over texts of different lengths: large products for all tokens at once, and the recurrence in one op each way.
 *
 * @param x `[tokens, in]`
 * @param truncation the gradient is cut after every so many steps, as if each such chunk had been read alone from a given state
 * @returns `outputs` `[tokens, hidden]`, differentiable; `state` after the last token of each row, kept: the caller disposes of it
 */
export function packedLstm(
  x: Tensor,
  weights: LstmWeights,
  state: LstmState,
  packing: Packing,
  truncation: number,
): { outputs: Tensor; state: LstmState } {
  let last: LstmState | undefined;
  const layer = tf.customGrad((...args) => {
    const [input, inputWeights, recurrentWeights, bias] = args as unknown as [Tensor, Tensor, Tensor, Tensor];
    const save = args[4] as unknown as (tensors: Tensor[]) => void;
    const gates = onMatrixUnit() ? layerProduct(input, inputWeights) : productForOps(input, inputWeights);
    const { cells, outputs } = lstmForward(gates, recurrentWeights, bias, state, packing);
    const ends = tf.tensor1d(packing.ends(), 'int32');
    last = { hidden: tf.keep(tf.gather(outputs, ends)), cell: tf.keep(tf.gather(cells, ends)) };
    save([input, inputWeights, recurrentWeights, gates.tensor, cells, outputs]);
    return {
      value: tf.slice(outputs, [packing.batch, 0], [packing.tokens, bias.size / 4]),
      gradFunc: (gradient, saved) => packedLstmGradient(gradient, saved, gates.type, packing, truncation),
    };
  });
  const outputs = layer(x, weights.input, weights.recurrent, weights.bias);
  if (last === undefined) throw new Error('packedLstm: the forward pass did not run');
  return { outputs, state: last };
}

function packedLstmGradient(outputGradient: Tensor, saved: Tensor[], gatesType: number, packing: Packing, truncation: number): Tensor[] {
  const [x, inputWeights, recurrentWeights, activated, cells, outputs] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const gates = { tensor: activated, type: gatesType };
  const bias = lstmBackward(outputGradient, gates, cells, recurrentWeights, packing, truncation);
  // From here on, `gates` holds their gradient.
  const ofProducts = gradientsOfProducts(gates, x, inputWeights, previousOutputs(outputs, packing));
  // tfjs would hold the activations of all layers until the last gradient is there.
  tf.dispose(saved);
  return [...ofProducts, bias];
}

/** The gradients in the layer's input, its input weights and its recurrent weights. */
function gradientsOfProducts(gates: Operand, x: Tensor, inputWeights: Tensor, previous: Tensor): Tensor[] {
  if (onMatrixUnit()) return layerGradients(gates, x, inputWeights, previous);
  return [product(gates, inputWeights, false, true), product(x, gates, true, false), product(previous, gates, true, false)];
}

/** For every token, the output before it: `[tokens, hidden]`. */
function previousOutputs(outputs: Tensor, packing: Packing): Tensor {
  // Where no row ends early, they are all outputs but the last step's, and a slice costs nothing.
  if (packing.isRectangle) return tf.slice(outputs, [0, 0], [packing.tokens, outputs.shape[1] ?? 0]);
  return tf.gather(outputs, tf.tensor1d(packing.previous(), 'int32') as Tensor1D);
}
