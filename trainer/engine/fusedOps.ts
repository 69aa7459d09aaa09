/**
 * Our own TensorFlow ops for the CPU (trainer/engine/native/fused, where each says what it computes). They are there where
 * {@link hasFusedOps} is true. None is differentiable; some overwrite an input, which therefore must be the caller's alone: no other
 * tensor may share its memory, as a reshape or a slice does.
 */
import type { LstmState } from './lstm.ts';
import { attributes, backend, tf, type Scalar, type Tensor, type Tensor1D } from './operations.ts';
import type { Packing } from './packing.ts';
import { runInType, type Operand } from './products.ts';

function run(name: string, inputs: Tensor[], outputCount: number): Tensor[] {
  return backend.executeMultipleOutputs(`Ulmfit${name}`, [], inputs, outputCount);
}

/** An op that takes one of its inputs in fp32 or bf16. */
function inTypeOf({ type }: Operand, name: string): string {
  if (type === attributes.bfloat16) return `${name}Bf16`;
  if (type !== attributes.float32) throw new Error(`${name} takes fp32 and bf16, and no type ${type}`);
  return name;
}

/**
 * The recurrence of an LSTM layer (gates i, c, f, o). Where gates are bf16, so are both sides of the recurrent product; sums, cells and outputs are
 * fp32.
 *
 * @param projected `[tokens, 4 * hidden]`, packed inputs times input weights; overwritten with the activated gates
 * @param hidden `[batch, hidden]` and likewise cell: where each row starts
 * @returns both `[batch + tokens, hidden]`: the state that came in, then that after each token
 */
export function lstmForward(
  projected: Operand,
  recurrentWeights: Tensor,
  bias: Tensor,
  { hidden, cell }: LstmState,
  { rows }: Packing,
): { cells: Tensor; outputs: Tensor } {
  const inputs = [projected.tensor, recurrentWeights, bias, hidden, cell, integers(rows)];
  const [cells, outputs] = run(inTypeOf(projected, 'LstmForward'), inputs, 2) as [Tensor, Tensor];
  return { cells, outputs };
}

/**
 * The gradient of {@link lstmForward}.
 *
 * @param outputGradient `[tokens, hidden]`
 * @param gates as the forward op left them; overwritten with the gradient of the gates before their activation
 * @param truncation steps after which the gradient is cut
 * @returns the gradient of the bias, `[4 * hidden]`
 */
export function lstmBackward(
  outputGradient: Tensor,
  gates: Operand,
  cells: Tensor,
  recurrentWeights: Tensor,
  { rows }: Packing,
  truncation: number,
): Tensor {
  const inputs = [outputGradient, gates.tensor, cells, recurrentWeights, integers(rows), tf.scalar(truncation, 'int32')];
  const [bias] = run(inTypeOf(gates, 'LstmBackward'), inputs, 1) as [Tensor];
  return bias;
}

/**
 * The inputs of an LSTM layer times its weights, on a processor's matrix unit, in bf16; there where `hasMatrixUnit` is true.
 *
 * @param x `[tokens, in]`
 * @param weights `[in, 4 * hidden]`
 * @returns `[tokens, 4 * hidden]` bf16
 */
export function layerProduct(x: Tensor, weights: Tensor): Operand {
  return { tensor: runInType('UlmfitLayerProduct', [x, weights], []), type: attributes.bfloat16 };
}

/**
 * What the gradient of a layer's gates means for all that was multiplied to make them, on a processor's matrix unit, in bf16; there where `hasMatrixUnit` is true.
 *
 * @param gradient `[tokens, 4 * hidden]` bf16
 * @param previous `[tokens, hidden]`, the output before each token
 * @returns the gradients in x, in the input weights and in the recurrent weights
 */
export function layerGradients(gradient: Operand, x: Tensor, weights: Tensor, previous: Tensor): Tensor[] {
  return run('LayerGradients', [gradient.tensor, x, weights, previous], 3);
}

/**
 * Locked dropout of packed tokens: each times the mask of its row.
 *
 * @param x `[tokens, width]`
 * @param mask `[batch, width]`
 */
export function maskRows(x: Tensor, mask: Tensor, { rows }: Packing): Tensor {
  const [masked] = run('MaskRows', [x, mask, integers(rows)], 1) as [Tensor];
  return masked;
}

/**
 * Concat pooling of packed tokens, going on from what was pooled before.
 *
 * @param outputs `[tokens, width]`
 * @param pooled `[3, batch, width]`: last output, maximum and sum
 * @returns the same anew, and the step of each maximum `[batch, width]` int32
 */
export function pool(outputs: Tensor, pooled: Tensor, { rows }: Packing): { pooled: Tensor; places: Tensor } {
  const [after, places] = run('Pool', [outputs, pooled, integers(rows)], 2) as [Tensor, Tensor];
  return { pooled: after, places };
}

/** The gradient of {@link pool} in its outputs, `[tokens, width]`. */
export function poolGradient(gradient: Tensor, places: Tensor, { rows, tokens }: Packing): Tensor {
  const [outputs] = run('PoolGradient', [gradient, places, integers(rows), tf.scalar(tokens, 'int32')], 1) as [Tensor];
  return outputs;
}

/**
 * Softmax cross-entropy, value and gradient.
 *
 * @param logits `[rows, words]` without their bias; overwritten with the gradient of `scale · Σ losses`
 * @param targets `[rows]` int32
 * @returns `losses` `[rows]` in nats, and the gradient of `scale · Σ losses` in the bias
 */
export function softmaxCrossEntropy(
  logits: Operand,
  bias: Tensor,
  targets: Tensor,
  scale: Scalar,
): { losses: Tensor; biasGradient: Tensor } {
  const [losses, biasGradient] = run(inTypeOf(logits, 'SoftmaxCrossEntropy'), [logits.tensor, bias, targets, scale], 2) as [Tensor, Tensor];
  return { losses, biasGradient };
}

/**
 * Softmax cross-entropy of a decoder that is tied to the embedding, value and gradients, in bf16. It is there where `hasMatrixUnit` is true.
 *
 * @param hidden `[rows, width]`
 * @param embedding `[words, width]`
 * @param bias `[words]`
 * @param targets `[rows]` int32
 * @returns `losses` `[rows]` in nats, and the `gradients` of `scale · Σ losses` in hidden, embedding and bias
 */
export function tiledCrossEntropy(
  hidden: Tensor,
  embedding: Tensor,
  bias: Tensor,
  targets: Tensor,
  scale: Scalar,
): { losses: Tensor; gradients: Tensor[] } {
  const [losses, ...gradients] = run('TiedCrossEntropy', [hidden, embedding, bias, targets, scale], 4) as [Tensor, ...Tensor[]];
  return { losses, gradients };
}

/** A dropout mask: the same numbers as TensorFlow's stateless generator gives for the seed. */
export function fusedDropoutMask(shape: readonly number[], probability: number, seed: readonly [number, number]): Tensor {
  return tf.tidy(() => {
    const [mask] = run(
      'DropoutMask',
      [integers(Int32Array.from(shape)), integers(Int32Array.from(seed)), tf.scalar(probability), tf.scalar(1 / (1 - probability))],
      1,
    ) as [Tensor];
    return mask;
  });
}

/** Σ x², a scalar. */
export function sumOfSquares(x: Tensor): Scalar {
  const [sum] = run('SumOfSquares', [x], 1) as [Scalar];
  return sum;
}

/** What {@link adamInPlace} takes besides tensors; `updates` counts this one. */
export interface AdamSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly rate: number;
  readonly updates: number;
}

/** One Adam update of one tensor; parameter and moments are overwritten. */
export function adamInPlace(
  parameter: Tensor,
  first: Tensor,
  second: Tensor,
  gradient: Tensor,
  gradientScale: Scalar,
  { beta1, beta2, epsilon, weightDecay, rate, updates }: AdamSettings,
): void {
  tf.tidy(() => {
    const settings = tf.tensor1d([
      beta1,
      1 - beta1,
      beta2,
      1 - beta2,
      1 / (1 - beta2 ** updates),
      epsilon,
      rate / (1 - beta1 ** updates),
      1 - rate * weightDecay,
    ]);
    run('Adam', [parameter, first, second, gradient, gradientScale, settings], 1);
  });
}

function integers(values: Int32Array): Tensor1D {
  return tf.tensor1d(values, 'int32');
}
