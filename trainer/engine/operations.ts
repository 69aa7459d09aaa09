/**
 * TensorFlow kernels that tfjs-core has no name for, called through the Node binding. None of them is differentiable:
 * each is wrapped with its own gradient where it is used.
 */
import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import { loadTensorFlow } from './tensorflow.ts';

export type { Tensor };
export type Scalar = import('@tensorflow/tfjs-node-gpu').Scalar;
export type Tensor1D = import('@tensorflow/tfjs-node-gpu').Tensor1D;
export type Tensor2D = import('@tensorflow/tfjs-node-gpu').Tensor2D;

/** The tfjs namespace on the installed engine; importing this module fails with a clear sentence where there is none. */
export const { tf, backend, attributes, hasFusedOps, hasMatrixUnit } = await loadTensorFlow();

const FLOAT = attributes.float32;

/** `tf.tidy` for results of any type: tensors anywhere in the result outlive the call. (tfjs types plain mutable containers only.) */
export function tidy<Result>(body: () => Result): Result {
  return tf.tidy(body as () => Tensor) as Result;
}

/**
 * One LSTM layer over a whole sequence (TensorFlow's `BlockLSTM`; gates i, c, f, o; no peepholes, no cell clipping).
 *
 * @param x `[time, batch, in]`
 * @param weights input and recurrent weights, one above the other: `[in + hidden, 4 * hidden]`
 * @param bias `[4 * hidden]`
 * @returns what the backward pass needs, each `[time, batch, hidden]`
 */
export function blockLstm(x: Tensor, weights: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor): LstmActivations {
  const [time] = x.shape;
  if (time === undefined) throw new Error(`blockLstm: x must be [time, batch, in], got [${x.shape.join(', ')}]`);
  const peephole = tf.zeros([bias.size / 4]);
  const steps = int64Scalar(time);
  const inputs = backend.getInputTensorIds([x, cell, hidden, weights, peephole, peephole, peephole, bias]);
  const handles = backend.binding.executeOp(
    'BlockLSTM',
    [
      attributes.floating('forget_bias', 0),
      attributes.floating('cell_clip', -1),
      attributes.boolean('use_peephole', false),
      attributes.type('T', FLOAT),
    ],
    [steps, ...inputs],
    7,
  );
  backend.binding.deleteTensor(steps);
  peephole.dispose();
  const [inputGate, cells, forgetGate, outputGate, candidate, cellTanh, outputs] = handles.map((handle) =>
    backend.createOutputTensor(handle),
  ) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  return { inputGate, cells, forgetGate, outputGate, candidate, cellTanh, outputs };
}

/** Every intermediate value of an LSTM layer's forward pass, each `[time, batch, hidden]`. */
export interface LstmActivations {
  readonly inputGate: Tensor;
  readonly cells: Tensor;
  readonly forgetGate: Tensor;
  readonly outputGate: Tensor;
  readonly candidate: Tensor;
  readonly cellTanh: Tensor;
  readonly outputs: Tensor;
}

/** One time step of {@link LstmActivations}, each `[batch, hidden]`. */
export type LstmStep = { readonly [Name in keyof LstmActivations]: Tensor };

/**
 * The element-wise backward pass of one LSTM step (TensorFlow's `LSTMBlockCellGrad`).
 *
 * @param recurrentWeights only its shape is used, `[hidden, 4 * hidden]`
 * @returns the gradients of the previous cell `[batch, hidden]` and of the gates before their activation `[batch, 4 * hidden]`
 */
export function lstmStepGradient(
  step: LstmStep,
  previous: { readonly hidden: Tensor; readonly cell: Tensor },
  recurrentWeights: Tensor,
  bias: Tensor,
  cellGradient: Tensor,
  hiddenGradient: Tensor,
): { cell: Tensor; gates: Tensor } {
  const [batch = 0] = previous.cell.shape;
  return tf.tidy(() => {
    const peephole = tf.zeros([bias.size / 4]);
    const noInput = tf.zeros([batch, 0]);
    const outputs = backend.executeMultipleOutputs(
      'LSTMBlockCellGrad',
      [attributes.boolean('use_peephole', false), attributes.type('T', FLOAT)],
      [
        noInput,
        previous.cell,
        previous.hidden,
        recurrentWeights,
        peephole,
        peephole,
        peephole,
        bias,
        step.inputGate,
        step.cells,
        step.forgetGate,
        step.outputGate,
        step.candidate,
        step.cellTanh,
        cellGradient,
        hiddenGradient,
      ],
      5,
    ) as [Tensor, Tensor, Tensor, Tensor, Tensor];
    return { cell: outputs[0], gates: outputs[1] };
  });
}

/** Splits `[n, …]` into n tensors `[…]` (TensorFlow's `Unpack`). */
export function unstack(x: Tensor): Tensor[] {
  const [count] = x.shape;
  if (count === undefined) throw new Error('unstack: a scalar has no first axis');
  return backend.executeMultipleOutputs(
    'Unpack',
    [attributes.integer('num', count), attributes.integer('axis', 0), attributes.type('T', FLOAT)],
    [x],
    count,
  );
}

/** Uniform numbers in [0, 1) that depend on the seed alone. */
export function statelessUniform(shape: number[], seed: readonly [number, number]): Tensor {
  return backend.executeSingleOutput(
    'StatelessRandomUniform',
    [attributes.type('dtype', FLOAT), attributes.type('T', attributes.int32), attributes.type('Tseed', attributes.int32)],
    [tf.tensor1d(shape, 'int32'), tf.tensor1d([...seed], 'int32')],
  );
}

/** A 64-bit scalar as a bare handle, because tfjs has no such type. The caller deletes it. */
function int64Scalar(value: number): number {
  const narrow = tf.scalar(value, 'int32');
  const [handle] = backend.binding.executeOp(
    'Cast',
    [attributes.type('SrcT', attributes.int32), attributes.type('DstT', attributes.int64), attributes.boolean('Truncate', false)],
    backend.getInputTensorIds([narrow]),
    1,
  );
  narrow.dispose();
  if (handle === undefined) throw new Error('Cast gave no output');
  return handle.id;
}
