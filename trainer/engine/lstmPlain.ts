import { blockLstm, lstmStepGradient, tf, unstack, type LstmActivations, type LstmStep, type Tensor } from './operations.ts';
import type { LstmState, LstmWeights } from './lstm.ts';

/** {@link lstm} on kernels that TensorFlow brings with it for any device, with a hand-written gradient. */
export function plainLstm(x: Tensor, weights: LstmWeights, state: LstmState): { outputs: Tensor; state: LstmState } {
  let lastCell: Tensor | undefined;
  const layer = tf.customGrad((...args) => {
    const [input, inputWeights, recurrentWeights, bias] = args as unknown as [Tensor, Tensor, Tensor, Tensor];
    const save = args[4] as unknown as (tensors: Tensor[]) => void;
    const activations = blockLstm(input, tf.concat([inputWeights, recurrentWeights], 0), bias, state.hidden, state.cell);
    lastCell = tf.keep(lastStep(activations.cells));
    save([input, inputWeights, recurrentWeights, bias, state.hidden, state.cell, ...ACTIVATIONS.map((name) => activations[name])]);
    return {
      value: activations.outputs,
      gradFunc: lstmGradient,
    };
  });
  const outputs = layer(x, weights.input, weights.recurrent, weights.bias);
  if (lastCell === undefined) throw new Error('plainLstm: the forward pass did not run');
  return { outputs, state: { hidden: tf.keep(lastStep(outputs)), cell: lastCell } };
}

const ACTIVATIONS = [
  'inputGate',
  'cells',
  'forgetGate',
  'outputGate',
  'candidate',
  'cellTanh',
  'outputs',
] as const satisfies readonly (keyof LstmActivations)[];

/** The last time step of `[time, batch, hidden]`. */
function lastStep(sequence: Tensor): Tensor {
  const [time = 0, batch = 0, hidden = 0] = sequence.shape;
  return tf.reshape(tf.slice(sequence, [time - 1, 0, 0], [1, batch, hidden]), [batch, hidden]);
}

/** Back-propagation through time: one small product a step for the recurrence, then one large product for each weight. */
function lstmGradient(outputGradient: Tensor, saved: Tensor[]): Tensor[] {
  const [x, inputWeights, recurrentWeights, bias, hidden, cell, ...rest] = saved as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    ...Tensor[],
  ];
  const state: LstmState = { hidden, cell };
  const [time = 0, batch = 0, inputSize = 0] = x.shape;
  const hiddenSize = bias.size / 4;
  const rows = time * batch;

  const gates = tf.tidy(() => {
    const unstacked = rest.map(unstack);
    const steps = Array.from({ length: time }, (_, t) => {
      return Object.fromEntries(ACTIVATIONS.map((name, k) => [name, unstacked[k]?.[t]])) as unknown as LstmStep;
    });
    return recurrenceGradient(unstack(outputGradient), steps, state, recurrentWeights, bias);
  });

  const [outputs] = rest.slice(-1) as [Tensor];
  const previousHidden = tf.tidy(() => {
    const first = tf.reshape(state.hidden, [1, batch, hiddenSize]);
    if (time === 1) return tf.reshape(first, [rows, hiddenSize]);
    return tf.reshape(tf.concat([first, tf.slice(outputs, [0, 0, 0], [time - 1, batch, hiddenSize])], 0), [rows, hiddenSize]);
  });
  return [
    tf.reshape(tf.matMul(gates, inputWeights, false, true), [time, batch, inputSize]),
    tf.matMul(tf.reshape(x, [rows, inputSize]), gates, true, false),
    tf.matMul(previousHidden, gates, true, false),
    tf.sum(gates, 0),
  ];
}

/** Walks the steps backwards. Returns the gradient of every gate before its activation, `[time * batch, 4 * hidden]`. */
function recurrenceGradient(
  outputGradients: Tensor[],
  steps: LstmStep[],
  state: LstmState,
  recurrentWeights: Tensor,
  bias: Tensor,
): Tensor {
  // A skinny product with a transposed right-hand side is three times slower than with one transposed beforehand.
  const transposed = tf.transpose(recurrentWeights);
  const gates: Tensor[] = [];
  let cellGradient: Tensor = tf.zerosLike(state.cell);
  let fromNextStep: Tensor | undefined;
  for (let t = steps.length - 1; t >= 0; t--) {
    const step = steps[t];
    const outputGradient = outputGradients[t];
    if (step === undefined || outputGradient === undefined) throw new Error(`plainLstm: no step ${t}`);
    const before = steps[t - 1];
    const previous = before === undefined ? state : { hidden: before.outputs, cell: before.cells };
    const hiddenGradient: Tensor = fromNextStep === undefined ? outputGradient : tf.add(outputGradient, fromNextStep);
    const gradient = lstmStepGradient(step, previous, recurrentWeights, bias, cellGradient, hiddenGradient);
    cellGradient = gradient.cell;
    gates.push(gradient.gates);
    if (t > 0) fromNextStep = tf.matMul(gradient.gates, transposed);
  }
  return tf.concat(gates.toReversed(), 0);
}
