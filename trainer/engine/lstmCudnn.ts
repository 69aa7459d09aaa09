import type { LstmState, LstmWeights } from './lstm.ts';
import { attributes, backend, tf, type Tensor } from './operations.ts';
import { currentPrecision } from './precision.ts';
import { carrier, lower, raise } from './products.ts';
import type { Attribute } from './tensorflow.ts';

/*
 * One LSTM layer on NVIDIA's cuDNN, through TensorFlow's CudnnRNNV3 and CudnnRNNBackpropV3. Only GPUs have kernels for these, so the
 * processor's tests reach as far as the call; `ulmfit doctor --device gpu` compares what comes back with the processor's layer.
 */

/** Sizes of a layer. */
interface LayerSizes {
  readonly input: number;
  readonly hidden: number;
}

/**
 * The same layer as `lstm` of engine/lstm.ts, on a GPU. In fp16 the whole layer computes in that type. In bf16 it computes in fp32 (as
 * TF32 on GPUs that have it), because TensorFlow's kernel has no bf16 of its own: it would cast to fp32 inside.
 *
 * @param x `[time, batch, in]`
 * @returns `outputs` `[time, batch, hidden]`, differentiable in x and the weights; `state` after the last step, kept: the caller
 *   disposes of it. The state that comes in is a constant to the gradient.
 */
export function cudnnLstm(x: Tensor, weights: LstmWeights, state: LstmState): { outputs: Tensor; state: LstmState } {
  const [time = 0, batch = 0, input = 0] = x.shape;
  const hidden = weights.bias.size / 4;
  const type = currentPrecision() === 'fp16' ? attributes.float16 : attributes.float32;
  // What only the backward pass needs is not written where there will be none.
  const training = tf.engine().isTapeOn();
  let last: LstmState | undefined;
  const layer = tf.customGrad((...args) => {
    const [sequence, inputWeights, recurrentWeights, bias] = args as unknown as [Tensor, Tensor, Tensor, Tensor];
    const save = args[4] as unknown as (tensors: Tensor[]) => void;
    const parameters = packParameters({ input: inputWeights, recurrent: recurrentWeights, bias });
    const inputs = [sequence, ...[state.hidden, state.cell].map((one) => tf.reshape(one, [1, batch, hidden])), parameters];
    const lengths = tf.fill([batch], time, 'int32');
    const cast = inputs.map((one) => lower(one, type));
    const results = run('CudnnRNNV3', [...cast, lengths], [...layerAttributes(type), attributes.boolean('is_training', training)], 5);
    const [outputs, hiddenAfter, cellAfter] = results.slice(0, 3).map((one) => raise(one, type)) as [Tensor, Tensor, Tensor];
    last = {
      hidden: tf.keep(tf.reshape(hiddenAfter, [batch, hidden])),
      cell: tf.keep(tf.reshape(cellAfter, [batch, hidden])),
    };
    save([...cast, lengths, ...results]);
    return { value: outputs, gradFunc: (gradient, saved) => cudnnLstmGradient(gradient, saved, type, { input, hidden }) };
  });
  const outputs = layer(x, weights.input, weights.recurrent, weights.bias);
  if (last === undefined) throw new Error('cudnnLstm: the forward pass did not run');
  return { outputs, state: last };
}

/**
 * Gradients of x, the input weights, the recurrent weights and the bias.
 *
 * @param saved the forward pass's inputs `x, hidden, cell, parameters, lengths` and its five outputs, all but the lengths in `type`
 */
export function cudnnLstmGradient(gradient: Tensor, saved: readonly Tensor[], type: number, sizes: LayerSizes): Tensor[] {
  const [x, hidden, cell, parameters, lengths, outputs, hiddenAfter, cellAfter, reserve, hostReserve] = saved as Ten;
  // Nothing flows back through the state after the last step: the next window takes it as a constant.
  const none = lower(tf.zeros(hiddenAfter.shape), type);
  const results = run(
    'CudnnRNNBackpropV3',
    [x, hidden, cell, parameters, lengths, outputs, hiddenAfter, cellAfter, lower(gradient, type), none, none, reserve, hostReserve],
    layerAttributes(type),
    4,
  );
  const [inputGradient, , , packed] = results.map((one) => raise(one, type)) as [Tensor, Tensor, Tensor, Tensor];
  const weights = unpackParameters(packed, sizes);
  return [inputGradient, weights.input, weights.recurrent, weights.bias];
}

type Ten = [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];

/** cuDNN's gates in our order (input, candidate, forget, output): it has input, forget, candidate, output. The swap is its own inverse. */
const GATE_ORDER = [0, 2, 1, 3] as const;

/**
 * A layer's weights as cuDNN's one buffer (`cudnnGetRNNWeightParams`; Keras packs in the same way): the four gates' input weights,
 * each `[hidden, in]`, their recurrent weights, each `[hidden, hidden]`, then two biases, each `[4 * hidden]`, that it adds up. Ours is
 * the second, and the first is nothing.
 *
 * @returns `[4 * hidden * (in + hidden + 2)]`
 */
export function packParameters({ input, recurrent, bias }: LstmWeights): Tensor {
  return tf.tidy(() => {
    const matrices = [input, recurrent].flatMap((matrix) => reordered(tf.split(tf.transpose(matrix), 4, 0)));
    const biases = [tf.zerosLike(bias), ...reordered(tf.split(bias, 4))];
    return tf.concat([...matrices, ...biases].map((part) => tf.reshape(part, [-1])));
  });
}

/**
 * The inverse of {@link packParameters}, for gradients: each of the two biases has the whole gradient of their sum.
 *
 * @throws Error where the buffer has another size
 */
export function unpackParameters(packed: Tensor, { input, hidden }: LayerSizes): LstmWeights {
  const sizes = [4 * hidden * input, 4 * hidden * hidden, 4 * hidden, 4 * hidden];
  const expected = sizes.reduce((sum, size) => sum + size, 0);
  if (packed.size !== expected) {
    throw new Error(`a layer of ${input} inputs and ${hidden} units has ${expected} parameters, and the buffer holds ${packed.size}`);
  }
  return tf.tidy(() => {
    const [inputPart, recurrentPart, , bias] = tf.split(packed, sizes) as [Tensor, Tensor, Tensor, Tensor];
    const matrix = (part: Tensor, columns: number) =>
      tf.transpose(tf.concat(reordered(tf.split(tf.reshape(part, [4 * hidden, columns]), 4, 0)), 0));
    return {
      input: matrix(inputPart, input),
      recurrent: matrix(recurrentPart, hidden),
      bias: tf.concat(reordered(tf.split(bias, 4))),
    };
  });
}

function reordered(gates: readonly Tensor[]): Tensor[] {
  return GATE_ORDER.map((place) => gates[place] as Tensor);
}

function layerAttributes(type: number): Attribute[] {
  return [
    attributes.type('T', type),
    attributes.string('rnn_mode', 'lstm'),
    attributes.string('input_mode', 'linear_input'),
    attributes.string('direction', 'unidirectional'),
    attributes.floating('dropout', 0),
    attributes.integer('seed', 0),
    attributes.integer('seed2', 0),
    attributes.integer('num_proj', 0),
    attributes.boolean('time_major', true),
  ];
}

/** Runs an operation whose outputs may have types that tfjs does not know. */
function run(operation: string, inputs: readonly Tensor[], types: readonly Attribute[], count: number): Tensor[] {
  return backend.binding.executeOp(operation, types, backend.getInputTensorIds(inputs), count).map(carrier);
}
