import { describe, expect, test } from 'vitest';
import { numbers, randomTensor } from '../testSupport.ts';
import { cudnnLstm, cudnnLstmGradient, packParameters, unpackParameters } from './lstmCudnn.ts';
import type { LstmWeights } from './lstm.ts';
import { attributes, tf, type Tensor } from './operations.ts';
import { withPrecision } from './precision.ts';
import { lower } from './products.ts';

const [TIME, BATCH, INPUT, HIDDEN] = [4, 2, 3, 5];

function layer(): { x: Tensor; weights: LstmWeights; state: { hidden: Tensor; cell: Tensor } } {
  return {
    x: randomTensor([TIME, BATCH, INPUT], 'x'),
    weights: {
      input: randomTensor([INPUT, 4 * HIDDEN], 'input'),
      recurrent: randomTensor([HIDDEN, 4 * HIDDEN], 'recurrent'),
      bias: randomTensor([4 * HIDDEN], 'bias'),
    },
    state: { hidden: randomTensor([BATCH, HIDDEN], 'hidden'), cell: randomTensor([BATCH, HIDDEN], 'cell') },
  };
}

/** TensorFlow's number of 8-bit integers. */
const INT8 = 6;

/** The places of cuDNN's gates (input, forget, candidate, output) in our order: input, candidate, forget, output. */
const OURS = [0, 2, 1, 3];

describe('packing', () => {
  test("puts every number at cuDNN's place", () => {
    const { weights } = layer();
    const [input, recurrent, bias] = [weights.input, weights.recurrent, weights.bias].map(numbers) as [number[], number[], number[]];
    const expected: (number | undefined)[] = [];
    for (const [matrix, rows] of [
      [input, INPUT],
      [recurrent, HIDDEN],
    ] as const) {
      for (const gate of OURS) {
        // One gate's matrix is [hidden, in], row after row; ours has the units of all gates side by side.
        for (let unit = 0; unit < HIDDEN; unit++) {
          for (let row = 0; row < rows; row++) expected.push(matrix[row * 4 * HIDDEN + gate * HIDDEN + unit]);
        }
      }
    }
    expected.push(...Array.from({ length: 4 * HIDDEN }, () => 0));
    for (const gate of OURS) expected.push(...bias.slice(gate * HIDDEN, (gate + 1) * HIDDEN));
    expect(numbers(packParameters(weights))).toEqual(expected);
  });

  test('is undone by unpacking', () => {
    const { weights } = layer();
    const back = unpackParameters(packParameters(weights), { input: INPUT, hidden: HIDDEN });
    for (const name of ['input', 'recurrent', 'bias'] as const) {
      expect(back[name].shape).toEqual(weights[name].shape);
      expect(numbers(back[name])).toEqual(numbers(weights[name]));
    }
  });

  test('a buffer computes what the layer computes, by the formulas of cuDNN’s manual', () => {
    const { x, weights, state } = layer();
    const expected = tf.tidy(() => {
      const gates = tf.add(tf.add(tf.matMul(step(x), weights.input), tf.matMul(state.hidden, weights.recurrent)), weights.bias);
      const [i, c, f, o] = tf.split(gates, 4, 1) as [Tensor, Tensor, Tensor, Tensor];
      return numbers(tf.mul(tf.sigmoid(o), tf.tanh(tf.add(tf.mul(tf.sigmoid(f), state.cell), tf.mul(tf.sigmoid(i), tf.tanh(c))))));
    });
    const found = tf.tidy(() => {
      const packed = packParameters(weights);
      let place = 0;
      const take = (...shape: number[]) => {
        const size = shape.reduce((product, axis) => product * axis, 1);
        place += size;
        return tf.reshape(tf.slice(packed, [place - size], [size]), shape);
      };
      const four = <Item>(make: () => Item) => [make(), make(), make(), make()];
      const inputWeights = four(() => take(HIDDEN, INPUT));
      const recurrentWeights = four(() => take(HIDDEN, HIDDEN));
      const inputBias = four(() => take(HIDDEN));
      const recurrentBias = four(() => take(HIDDEN));
      const gate = (k: number) => {
        const fromInput = tf.add(tf.matMul(step(x), inputWeights[k] as Tensor, false, true), inputBias[k] as Tensor);
        const fromState = tf.add(tf.matMul(state.hidden, recurrentWeights[k] as Tensor, false, true), recurrentBias[k] as Tensor);
        return tf.add(fromInput, fromState);
      };
      // cudnnRNNMode_t, CUDNN_LSTM: linLayerID 0 input gate, 1 forget gate, 2 new memory, 3 output gate.
      const [i, f, c, o] = [0, 1, 2, 3].map(gate) as [Tensor, Tensor, Tensor, Tensor];
      return numbers(tf.mul(tf.sigmoid(o), tf.tanh(tf.add(tf.mul(tf.sigmoid(f), state.cell), tf.mul(tf.sigmoid(i), tf.tanh(c))))));
    });
    for (const [index, value] of found.entries()) expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 6);
  });

  test('refuses a buffer of another size', () => {
    expect(() => unpackParameters(tf.zeros([7]), { input: 2, hidden: 1 })).toThrow(
      'a layer of 2 inputs and 1 units has 20 parameters, and the buffer holds 7',
    );
  });

  test('leaves nothing behind but its result', () => {
    const { weights } = layer();
    const before = tf.memory().numTensors;
    const packed = packParameters(weights);
    expect(tf.memory().numTensors).toBe(before + 1);
    unpackParameters(packed, { input: INPUT, hidden: HIDDEN });
    expect(tf.memory().numTensors).toBe(before + 4);
  });
});

// On the processor TensorFlow takes the call as it is written, attributes, types and all, and lacks the kernel alone.
describe.each(['fp32', 'bf16', 'fp16'] as const)('the call in %s', (precision) => {
  const T = precision === 'fp16' ? 'DT_HALF' : 'DT_FLOAT';
  const noKernel = (operation: string) => new RegExp(`Could not find device for node: .*${operation}\\[.*T=${T}`);

  test('forward, without and with a backward pass to come', () => {
    const { x, weights, state } = layer();
    const forward = () => cudnnLstm(x, weights, state).outputs;
    expect(() => withPrecision(precision, forward)).toThrow(noKernel('CudnnRNNV3'));
    expect(() => withPrecision(precision, forward)).toThrow(/is_training=false/);
    expect(() => withPrecision(precision, () => tf.grad(forward)(x))).toThrow(/is_training=true/);
  });

  test('backward', () => {
    const { x } = layer();
    const type = precision === 'fp16' ? attributes.float16 : attributes.float32;
    const of = (shape: number[], to = type) => lower(tf.ones(shape), to);
    const state = [1, BATCH, HIDDEN];
    const outputs = [TIME, BATCH, HIDDEN];
    const parameters = [4 * HIDDEN * (INPUT + HIDDEN + 2)];
    const saved = [of(x.shape), of(state), of(state), of(parameters), tf.fill([BATCH], TIME, 'int32')];
    const results = [of(outputs), of(state), of(state), of([9]), of([], INT8)];
    const gradient = () => cudnnLstmGradient(tf.ones(outputs), [...saved, ...results], type, { input: INPUT, hidden: HIDDEN });
    expect(gradient).toThrow(noKernel('CudnnRNNBackpropV3'));
  });
});

/** The first step of a sequence, `[batch, in]`. */
function step(x: Tensor): Tensor {
  return tf.reshape(tf.slice(x, [0, 0, 0], [1, BATCH, INPUT]), [BATCH, INPUT]);
}
