/**
 * Weights in 8 bits for `com.microsoft.DynamicQuantizeLSTM`, which multiplies 8-bit activations with 8-bit weights, adds in 32-bit
 * integers and does all else in float32. Its two kinds of inexactness are met here, so that an answer depends on its document alone.
 *
 * **Neighbours.** The operator gives the activations of a product one scale, from the least and the greatest of them: those of all
 * documents of the batch, and of their padding. A document's answer would depend on what it happens to share a batch with, and on how
 * many threads cut the batch. So every activation vector gets two guards, which always hold the end points of the range: a row of the
 * embedding −128 and 127, a hidden state, which is in (−1, 1), −1 and 1. The scale is then the same whatever else is there. Guards
 * have weights of zero. In a hidden state they are two more units, whose gates are closed to everything by their biases.
 *
 * **Saturation.** Without VNNI instructions an x86 processor adds two neighbouring products of a column in 16 bits, and cuts off
 * what does not fit (onnxruntime.ai/docs/performance/model-optimizations/quantization.html). No scale here lets that happen, see
 * {@link quantizeColumns}.
 */
import type { ClassifierWeights, OnnxLstmLayer } from './graph/classifierWeights.ts';

/** A matrix in 8 bits: the number at (row, column) is values[row, column] · scales[column]. */
export interface QuantizedMatrix {
  /** [rows, columns] */
  readonly values: Int8Array;
  /** [columns] */
  readonly scales: Float32Array;
}

/** One LSTM layer as the operator wants it: matrices transposed, gates in the order input, output, forget, cell, guards included. */
export interface QuantizedLayer {
  /** Width of the layer's input, guards included. */
  readonly inputSize: number;
  /** Width of its hidden and cell state, h, guards included. */
  readonly hiddenSize: number;
  /** [inputSize, 4h] */
  readonly inputWeights: QuantizedMatrix;
  /** [h, 4h] */
  readonly recurrentWeights: QuantizedMatrix;
  /** [8h] */
  readonly biases: Float32Array;
}

/** What of a classifier is in 8 bits. The head stays as it is: it is small, and runs once a chunk. */
export interface QuantizedClassifier {
  /** [vocabulary, embedding + {@link GUARDS}]; the scale of each column is a factor of the first layer's weights. */
  readonly embedding: Int8Array;
  readonly layers: readonly QuantizedLayer[];
}

/** Numbers at the end of every activation vector that fix the range of the activations: its upper end, then its lower end. */
export const GUARDS = 2;

/** The guards of an embedded token: with them the operator's scale is (127 − −128) / 255 = 1, so that it reads back the very integers. */
const EMBEDDING_GUARDS = [127, -128] as const;

/** The guards of a hidden state, a hyperbolic tangent times a sigmoid. */
export const HIDDEN_GUARDS = [1, -1] as const;

/** Far out, where sigmoid is 0 or 1 and the hyperbolic tangent −1 or 1 in float32. */
const SATURATED = 30;

/** The guards of a cell state, whose hyperbolic tangents are those of the hidden state. */
export const CELL_GUARDS = [SATURATED, -SATURATED] as const;

/** Biases that keep a guard's cell as it is and let all of it out: gates in the order input, output, forget, cell. */
const GUARD_BIASES = [-SATURATED, SATURATED, SATURATED, 0] as const;

const GATES = 4;
const LARGEST = 127;

/** Quantizes embedding and LSTM layers. */
export function quantizeClassifier({ sizes, embedding, layers }: ClassifierWeights): QuantizedClassifier {
  const table = quantizeEmbedding(embedding, sizes.embedding);
  return {
    embedding: table.values,
    layers: layers.map((layer, index) => quantizeLayer(layer, index === 0 ? table.scales : undefined)),
  };
}

/**
 * A table [rows, width] in 8 bits with a scale for each column, and the guards at the end of each row.
 * A scale for each column costs nothing when the graph runs: it is multiplied into the weights of the product that comes next.
 */
function quantizeEmbedding(table: Float32Array, width: number): QuantizedMatrix {
  const rows = table.length / width;
  const scales = new Float32Array(width);
  table.forEach((value, place) => {
    const column = place % width;
    scales[column] = Math.max(scales[column] ?? 0, Math.abs(value) / LARGEST);
  });
  const values = new Int8Array(rows * (width + GUARDS));
  for (let row = 0; row < rows; row++) {
    const start = row * (width + GUARDS);
    for (let column = 0; column < width; column++) values[start + column] = nearest(table[row * width + column], scales[column]);
    values.set(EMBEDDING_GUARDS, start + width);
  }
  return { values, scales };
}

/** @param inputScales factors of the layer's inputs, one each; 1 unless told. */
function quantizeLayer(layer: OnnxLstmLayer, inputScales?: Float32Array): QuantizedLayer {
  const { inputSize, hiddenSize } = layer;
  const columns = GATES * (hiddenSize + GUARDS);
  return {
    inputSize: inputSize + GUARDS,
    hiddenSize: hiddenSize + GUARDS,
    inputWeights: quantizeColumns(guarded(layer.inputWeights, inputSize, hiddenSize, inputScales), columns),
    recurrentWeights: quantizeColumns(guarded(layer.recurrentWeights, hiddenSize, hiddenSize), columns),
    biases: guardedBiases(layer.biases, hiddenSize),
  };
}

/** [4h, inputs] transposed, with zeros for the guards: [inputs + 2, 4 · (h + 2)]. */
function guarded(weights: Float32Array, inputs: number, hiddenSize: number, inputScales?: Float32Array): Float32Array {
  const columns = GATES * (hiddenSize + GUARDS);
  const result = new Float32Array((inputs + GUARDS) * columns);
  for (let gate = 0; gate < GATES; gate++) {
    for (let unit = 0; unit < hiddenSize; unit++) {
      const row = (gate * hiddenSize + unit) * inputs;
      const column = gate * (hiddenSize + GUARDS) + unit;
      for (let input = 0; input < inputs; input++) {
        result[input * columns + column] = (weights[row + input] ?? 0) * (inputScales?.[input] ?? 1);
      }
    }
  }
  return result;
}

/** [8h] with the biases of the guards: [8 · (h + 2)]. The second half, those of the recurrent weights, are zeros as before. */
function guardedBiases(biases: Float32Array, hiddenSize: number): Float32Array {
  const width = hiddenSize + GUARDS;
  const result = new Float32Array(2 * GATES * width);
  for (let gate = 0; gate < 2 * GATES; gate++) {
    result.set(biases.subarray(gate * hiddenSize, (gate + 1) * hiddenSize), gate * width);
    result.fill(GUARD_BIASES[gate] ?? 0, gate * width + hiddenSize, (gate + 1) * width);
  }
  return result;
}

/**
 * A matrix [rows, columns] in 8 bits, with the smallest scale for each column that no pair of neighbours makes saturate: the
 * largest activation is 255, and 255 · (|q₂ₖ| + |q₂ₖ₊₁|) stays below 2¹⁵ where the sum of the two is at most 128. Halves round away
 * from zero at most once in each, so that a sum of 127 before rounding is enough.
 */
export function quantizeColumns(matrix: Float32Array, columns: number): QuantizedMatrix {
  const rows = matrix.length / columns;
  const largest = new Float32Array(columns);
  for (let row = 0; row < rows; row += 2) {
    for (let column = 0; column < columns; column++) {
      const one = Math.abs(matrix[row * columns + column] ?? 0);
      const other = Math.abs(matrix[(row + 1) * columns + column] ?? 0);
      largest[column] = Math.max(largest[column] ?? 0, one + other);
    }
  }
  // A column of zeros, as the guards have, may have any scale but zero.
  const scales = largest.map((sum) => (sum === 0 ? 1 : sum / LARGEST));
  const values = Int8Array.from(matrix, (value, place) => nearest(value, scales[place % columns]));
  return { values, scales };
}

function nearest(value = 0, scale = 0): number {
  return scale === 0 ? 0 : Math.round(value / scale);
}
