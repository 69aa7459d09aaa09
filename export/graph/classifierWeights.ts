import { UserError } from '../../text/errors.ts';
import { classifierShapes, HEAD_HIDDEN } from '../../trainer/model/parameters.ts';
import { layerSizes, type ModelSizes } from '../bundle.ts';

/** A trained tensor: numbers in row-major order. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** One LSTM layer as the ONNX operator wants it: gates in the order input, output, forget, cell. */
export interface OnnxLstmLayer {
  /** Width of the layer's input. */
  readonly inputSize: number;
  /** Width of its hidden and cell state, h. */
  readonly hiddenSize: number;
  /** W, [1, 4h, inputSize]. */
  readonly inputWeights: Float32Array;
  /** R, [1, 4h, h]. */
  readonly recurrentWeights: Float32Array;
  /** B, [1, 8h]: the biases of W, then those of R. A trained layer has one bias, so the second half is zeros. */
  readonly biases: Float32Array;
}

/** One block of the head, y = (x − mean)·weight + bias: batch normalization and the linear layer after it in one. */
export interface HeadBlock {
  readonly inputSize: number;
  readonly outputSize: number;
  /** [inputSize] */
  readonly mean: Float32Array;
  /** [inputSize, outputSize] */
  readonly weight: Float32Array;
  /** [outputSize] */
  readonly bias: Float32Array;
}

/** Everything that the chunk-step graph needs of a trained classifier, in the graph's own layout. */
export interface ClassifierWeights {
  readonly sizes: ModelSizes;
  readonly classes: number;
  /** [vocabulary, embedding] */
  readonly embedding: Float32Array;
  readonly layers: readonly OnnxLstmLayer[];
  readonly head: readonly [hidden: HeadBlock, output: HeadBlock];
}

/** The epsilon of every batch normalization in the head (fastai and PyTorch's `BatchNorm1d` default). */
export const BATCH_NORM_EPSILON = 1e-5;

/** ONNX wants the gates as i, o, f, c (onnx/docs/Operators.md, LSTM). A trained layer holds i, c, f, o; these are the places to take them from. */
const TRAINED_PLACE_OF_ONNX_GATE = [0, 3, 2, 1] as const;

/**
 * Checks a trained classifier's tensors and turns them into the layout of the ONNX graph.
 *
 * The temperature (Guo et al. 2017, section 4.2) is folded into the last layer: (x·W + b)/T = x·(W/T) + b/T. So the graph of a
 * calibrated model costs what any other does, and nobody who runs it can forget to divide.
 *
 * @param tensors by the names of a model folder: `embedding.weight`, `lstm.0.inputWeights`, `head.0.norm.scale`, …
 * @param classes outputs of the last layer.
 * @param temperature what the logits are divided by.
 * @throws UserError where a tensor is missing or has another shape than the sizes ask for.
 */
export function classifierWeights(
  tensors: ReadonlyMap<string, Tensor>,
  sizes: ModelSizes,
  classes: number,
  temperature = 1,
): ClassifierWeights {
  const shapes = classifierShapes(sizes, classes);
  const take = (name: string): Float32Array => takeTensor(tensors, name, shapes);
  const hiddenSizes = layerSizes(sizes);

  return {
    sizes,
    classes,
    embedding: take('embedding.weight'),
    layers: hiddenSizes.map((hiddenSize, layer) => {
      const inputSize = hiddenSizes[layer - 1] ?? sizes.embedding;
      return {
        inputSize,
        hiddenSize,
        inputWeights: onnxGateRows(take(`lstm.${layer}.inputWeights`), inputSize, hiddenSize),
        recurrentWeights: onnxGateRows(take(`lstm.${layer}.recurrentWeights`), hiddenSize, hiddenSize),
        biases: onnxBiases(take(`lstm.${layer}.bias`), hiddenSize),
      };
    }),
    head: [headBlock(take, 0, 3 * sizes.embedding, HEAD_HIDDEN, 1), headBlock(take, 1, HEAD_HIDDEN, classes, temperature)],
  };
}

/** [inputSize, 4h] with gates i, c, f, o in the columns to [4h, inputSize] with gates i, o, f, c in the rows. */
function onnxGateRows(trained: Float32Array, inputSize: number, hiddenSize: number): Float32Array {
  const columns = 4 * hiddenSize;
  const rows = new Float32Array(columns * inputSize);
  TRAINED_PLACE_OF_ONNX_GATE.forEach((trainedGate, onnxGate) => {
    for (let unit = 0; unit < hiddenSize; unit++) {
      const column = trainedGate * hiddenSize + unit;
      const row = (onnxGate * hiddenSize + unit) * inputSize;
      // Every index is inside the lengths that takeTensor has checked.
      for (let input = 0; input < inputSize; input++) rows[row + input] = trained[input * columns + column] as number;
    }
  });
  return rows;
}

/** [4h] with gates i, c, f, o to [8h] with gates i, o, f, c and zeros for the recurrent half. */
function onnxBiases(trained: Float32Array, hiddenSize: number): Float32Array {
  const biases = new Float32Array(8 * hiddenSize);
  TRAINED_PLACE_OF_ONNX_GATE.forEach((trainedGate, onnxGate) => {
    biases.set(trained.subarray(trainedGate * hiddenSize, (trainedGate + 1) * hiddenSize), onnxGate * hiddenSize);
  });
  return biases;
}

/**
 * Folds the scale and shift of a batch normalization into the linear layer after it, in double precision.
 *
 * The mean is not folded into the bias: where a feature's mean is much larger than its deviation, x·w − mean·w would
 * cancel the digits that matter, while x − mean loses none. The subtraction costs one number a feature.
 *
 * @param divisor what the block's outputs are divided by.
 */
function headBlock(take: (name: string) => Float32Array, block: number, inputSize: number, outputSize: number, divisor: number): HeadBlock {
  const norm = (part: string): Float32Array => take(`head.${block}.norm.${part}`);
  const scale = norm('scale');
  const shift = norm('shift');
  const mean = norm('mean');
  const variance = norm('variance');
  const trainedWeight = take(`head.${block}.weight`);
  const bias = Float64Array.from(take(`head.${block}.bias`));
  const weight = new Float32Array(inputSize * outputSize);
  for (let input = 0; input < inputSize; input++) {
    // Every index is inside the lengths that takeTensor has checked.
    const factor = (scale[input] as number) / Math.sqrt((variance[input] as number) + BATCH_NORM_EPSILON);
    for (let output = 0; output < outputSize; output++) {
      const place = input * outputSize + output;
      const trained = trainedWeight[place] as number;
      weight[place] = (factor * trained) / divisor;
      bias[output] = (bias[output] as number) + (shift[input] as number) * trained;
    }
  }
  return { inputSize, outputSize, mean, weight, bias: Float32Array.from(bias, (value) => value / divisor) };
}

/** The numbers of the tensor of that name, once its shape is the expected one. */
function takeTensor(tensors: ReadonlyMap<string, Tensor>, name: string, shapes: ReadonlyMap<string, readonly number[]>): Float32Array {
  const shape = shapes.get(name);
  if (shape === undefined) throw new Error(`A classifier has no tensor "${name}".`);
  const expected = `[${shape.join(', ')}]`;
  const tensor = tensors.get(name);
  if (tensor === undefined) {
    throw new UserError(`The model has no tensor "${name}" ${expected}. The model folder is incomplete; copy it again or retrain.`);
  }
  const elements = shape.reduce((product, size) => product * size, 1);
  if (tensor.shape.join() !== shape.join() || tensor.data.length !== elements) {
    throw new UserError(
      `The tensor "${name}" has the shape [${tensor.shape.join(', ')}] and ${tensor.data.length} numbers, but the sizes in model.json ask for ${expected}. ` +
        'The files of the model folder do not belong together; copy the folder again or retrain.',
    );
  }
  return tensor.data;
}
