import { padded, PANEL_GATES, PANEL_UNITS, weightLayout, type KernelSizes, type LayerPlace, type MatrixPlace } from './layout.ts';

/** A classifier's weights as the graph of a bundle has them: row-major float32, gates in the order input, output, forget, cell. */
export interface GraphWeights {
  readonly sizes: KernelSizes;
  /** [vocabulary, embedding] */
  readonly embedding: Float32Array;
  readonly layers: readonly LayerWeights[];
  readonly head: readonly [hidden: HeadWeights, output: HeadWeights];
}

export interface LayerWeights {
  readonly inputSize: number;
  readonly hiddenSize: number;
  /** [4 · hiddenSize, inputSize] */
  readonly inputWeights: Float32Array;
  /** [4 · hiddenSize, hiddenSize] */
  readonly recurrentWeights: Float32Array;
  /** [4 · hiddenSize] */
  readonly biases: Float32Array;
}

/** y = (x − mean) · weight + bias */
export interface HeadWeights {
  /** [in] */
  readonly mean: Float32Array;
  /** [in, out] */
  readonly weight: Float32Array;
  /** [out] */
  readonly bias: Float32Array;
}

/** The integer that stands for an activation of zero, and the largest distance from it. */
export const ACTIVATION_ZERO = 64;
export const LARGEST_ACTIVATION = 63;
/** The largest weight. −128 is left out: with it a pair of products could overflow 16 bits. */
const LARGEST_WEIGHT = 127;

/**
 * The weights as the kernel wants them in memory: 7-bit rows of the embedding, 8-bit weights with a scale for each output
 * channel, everything in the places of {@link weightLayout}. Rounded once, from what is given.
 *
 * Weights that are 8-bit integers times a scale already, the largest of a channel being 127, keep their integers.
 */
export function packWeights(weights: GraphWeights): Uint8Array<ArrayBuffer> {
  const layout = weightLayout(weights.sizes);
  const image = new ArrayBuffer(layout.bytes);
  const { vocabulary, embedding } = weights.sizes;
  const rows = new Uint8Array(image, layout.embedding, vocabulary * layout.embeddingWidth).fill(ACTIVATION_ZERO);
  const scales = new Float32Array(image, layout.embeddingScales, vocabulary);
  for (let token = 0; token < vocabulary; token++) {
    const row = weights.embedding.subarray(token * embedding, (token + 1) * embedding);
    const scale = Math.fround(largestOf(row) / LARGEST_ACTIVATION);
    scales[token] = scale;
    for (const [place, value] of row.entries()) rows[token * layout.embeddingWidth + place] = quantized(value, scale) + ACTIVATION_ZERO;
  }
  for (const [index, place] of layout.layers.entries()) {
    const layer = weights.layers[index];
    if (layer === undefined) throw new RangeError(`The sizes ask for ${layout.layers.length} layers, ${weights.layers.length} are given.`);
    packMatrix(image, place, place.input, layer, layer.inputWeights, layer.inputSize);
    packMatrix(image, place, place.recurrent, layer, layer.recurrentWeights, layer.hiddenSize);
    const biases = new Float32Array(image, place.biases, 4 * place.units);
    for (let channel = 0; channel < 4 * layer.hiddenSize; channel++)
      biases[placeOfChannel(channel, layer.hiddenSize)] = layer.biases[channel] ?? 0;
  }
  for (const [index, place] of layout.head.entries()) {
    const block = weights.head[index] ?? weights.head[1];
    new Float32Array(image, place.mean, place.inputs).set(block.mean);
    new Float32Array(image, place.weight, place.inputs * place.outputs).set(block.weight);
    new Float32Array(image, place.bias, place.outputs).set(block.bias);
  }
  return new Uint8Array(image);
}

function packMatrix(
  image: ArrayBuffer,
  { units }: LayerPlace,
  place: MatrixPlace,
  { hiddenSize }: LayerWeights,
  matrix: Float32Array,
  width: number,
): void {
  const paddedWidth = padded(width);
  const weights = new Int8Array(image, place.weights, 4 * units * paddedWidth);
  const scales = new Float32Array(image, place.scales, 4 * units);
  const offsets = new Int32Array(image, place.offsets, 4 * units);
  for (let channel = 0; channel < 4 * hiddenSize; channel++) {
    const row = matrix.subarray(channel * width, (channel + 1) * width);
    const scale = Math.fround(largestOf(row) / LARGEST_WEIGHT);
    const target = placeOfChannel(channel, hiddenSize);
    const panel = Math.floor(target / PANEL_GATES) * PANEL_GATES * paddedWidth;
    const lane = (target % PANEL_GATES) * 4;
    let sum = 0;
    for (let input = 0; input < width; input++) {
      const value = quantized(row[input] ?? 0, scale);
      sum += value;
      weights[panel + (input >> 2) * 4 * PANEL_GATES + lane + (input & 3)] = value;
    }
    scales[target] = scale;
    offsets[target] = ACTIVATION_ZERO * sum;
  }
}

/** Where a gate's number stands among [panels, 4 gates, 4 units]. */
export function placeOfChannel(channel: number, hiddenSize: number): number {
  const gate = Math.floor(channel / hiddenSize);
  const unit = channel % hiddenSize;
  return Math.floor(unit / PANEL_UNITS) * PANEL_GATES + gate * PANEL_UNITS + (unit % PANEL_UNITS);
}

function largestOf(values: Float32Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

function quantized(value: number, scale: number): number {
  return scale === 0 ? 0 : Math.round(value / scale);
}
