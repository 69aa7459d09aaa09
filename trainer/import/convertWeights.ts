import type { HostTensor } from '../checkpoint/modelFolder.ts';
import { HEAD_HIDDEN } from '../model/parameters.ts';
import { UserError } from '../../text/errors.ts';
import type { FastaiWeights, HeadBlock, LayerWeights, NamedTensor } from './fastaiWeights.ts';
import { FILLING_ROW, MEAN_ROW, type VocabularyPlan } from './fastaiVocabulary.ts';
import type { TorchFile } from './torchFile.ts';
import { elementCount } from './torchNumbers.ts';

/** Where PyTorch's gates (i, f, g, o) go in our order: input, candidate (PyTorch's g), forget, output. */
const OUR_GATES = [0, 2, 1, 3] as const;

type Values = Float32Array<ArrayBuffer>;

/** Reads tensors of one file and refuses what is not a number. */
class Reader {
  readonly #path: string;
  readonly #file: TorchFile;

  constructor(path: string, file: TorchFile) {
    this.#path = path;
    this.#file = file;
  }

  async read({ name, tensor }: NamedTensor): Promise<Values> {
    const values = await this.#file.read(tensor, name);
    if (!values.every(Number.isFinite)) {
      throw new UserError(
        `${this.#path}: tensor "${name}" has values that are no finite numbers. The training that wrote it has diverged.`,
      );
    }
    return values;
  }
}

/**
 * Reads the tensors of a recognized model and brings them into the form of our model folders: `[in, 4h]` instead of PyTorch's `[4h, in]`,
 * gates in the order i, c, f, o instead of i, f, g, o, one bias that is the sum of PyTorch's two, and rows in our vocabulary's order.
 * A token that fastai's model lacks gets the mean of all rows (Howard & Ruder 2018, section 3.2; fastai's `match_embeds`).
 *
 * @param path the file's name, for messages
 * @returns the tensors by the names of model/parameters.ts
 * @throws UserError where a tensor cannot be read, or the decoder's weights are not the embedding's
 */
export async function convertWeights(
  path: string,
  file: TorchFile,
  weights: FastaiWeights,
  plan: VocabularyPlan,
): Promise<Map<string, HostTensor>> {
  refuseRepeats(path, file, weights);
  const reader = new Reader(path, file);
  const tensors = new Map<string, HostTensor>();
  tensors.set('embedding.weight', await convertEmbedding(path, reader, weights, plan));
  for (const [layer, layerWeights] of weights.layers.entries()) {
    for (const [name, tensor] of await convertLayer(reader, layerWeights)) tensors.set(`lstm.${layer}.${name}`, tensor);
  }
  if (weights.holds === 'classifier') {
    for (const [index, block] of weights.head.entries()) {
      for (const [name, tensor] of await convertBlock(reader, block)) tensors.set(`head.${index}.${name}`, tensor);
    }
  } else {
    tensors.set('decoder.bias', await convertDecoderBias(reader, weights, plan));
  }
  return tensors;
}

/** @throws UserError where a classifier's head is not of our form: one hidden layer of 50 units */
export function checkHead(path: string, { head }: FastaiWeights): void {
  const widths = head.map(({ weight }) => weight.tensor.shape[0] ?? 0);
  if (widths.length === 2 && widths[0] === HEAD_HIDDEN) return;
  const hidden = widths.slice(0, -1).join(', ') || 'none';
  throw new UserError(
    `${path} holds a classifier whose hidden layers have these units: ${hidden}. Ours has one of ${HEAD_HIDDEN}, fastai's default. ` +
      'Import the language model and train the classifier here.',
  );
}

/** A file can name the same numbers under many names; what is read of it then would outgrow the file, and memory. */
function refuseRepeats(path: string, file: TorchFile, { embedding, layers, head, decoder }: FastaiWeights): void {
  const wanted = [
    embedding,
    ...(decoder.bias ? [decoder.bias] : []),
    ...layers.flatMap(({ input, recurrent, biases }) => [input, recurrent, ...biases]),
    ...head.flatMap(({ norm, weight, bias }) => [...Object.values(norm), weight, ...(bias ? [bias] : [])]),
  ];
  const bytes = wanted.reduce((sum, { tensor }) => sum + elementCount(tensor.shape) * tensor.storage.type.bytes, 0);
  if (bytes <= file.size) return;
  throw new UserError(
    `${path} has ${file.size} bytes and describes weights of ${bytes}: it is cut off or damaged. Copy or download it again.`,
  );
}

async function convertEmbedding(path: string, reader: Reader, weights: FastaiWeights, { rows }: VocabularyPlan): Promise<HostTensor> {
  const { embedding, decoder, sizes } = weights;
  const values = await reader.read(embedding);
  if (decoder.weight !== undefined && !isSameView(embedding, decoder.weight)) {
    const decoderValues = await reader.read(decoder.weight);
    if (!values.every((value, index) => value === decoderValues[index])) {
      throw new UserError(
        `${path} has a decoder with weights of its own (tie_weights=False). Ours shares the embedding's, as the paper's model and fastai's default do, so this one cannot be imported.`,
      );
    }
  }
  const width = sizes.embedding;
  const mean = meanRow(values, width);
  const data = new Float32Array(rows.length * width);
  for (const [row, old] of rows.entries()) data.set(old < 0 ? mean : values.subarray(old * width, (old + 1) * width), row * width);
  return { shape: [rows.length, width], data };
}

/** True where two names stand for one and the same numbers of the file. */
function isSameView({ tensor: a }: NamedTensor, { tensor: b }: NamedTensor): boolean {
  const place = ({ storage, offset, strides }: typeof a): string => JSON.stringify([storage.key, storage.start, offset, strides]);
  return place(a) === place(b);
}

/** A filling row gets the lowest bias, so that it takes next to nothing of the other words' probability. */
async function convertDecoderBias(reader: Reader, { decoder, sizes }: FastaiWeights, { rows }: VocabularyPlan): Promise<HostTensor> {
  const values = decoder.bias === undefined ? new Float32Array(sizes.vocabulary) : await reader.read(decoder.bias);
  const [mean = 0] = meanRow(values, 1);
  const lowest = values.reduce((least, value) => Math.min(least, value), Infinity);
  const data = Float32Array.from(rows, (old) => (old === MEAN_ROW ? mean : old === FILLING_ROW ? lowest : (values[old] ?? 0)));
  return { shape: [rows.length], data };
}

function meanRow(values: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width);
  for (let start = 0; start < values.length; start += width) {
    for (let column = 0; column < width; column++) sums[column] = (sums[column] ?? 0) + (values[start + column] ?? 0);
  }
  return Float32Array.from(sums, (sum) => (sum * width) / values.length);
}

async function convertLayer(reader: Reader, { input, recurrent, biases }: LayerWeights): Promise<Map<string, HostTensor>> {
  const [first, second] = [await reader.read(biases[0]), await reader.read(biases[1])];
  const sum = first.map((value, index) => value + (second[index] ?? 0));
  return new Map([
    ['inputWeights', ourMatrix(await reader.read(input), input.tensor.shape)],
    ['recurrentWeights', ourMatrix(await reader.read(recurrent), recurrent.tensor.shape)],
    ['bias', { shape: [sum.length], data: ourMatrix(sum, [sum.length, 1]).data }],
  ]);
}

/** `[4h, in]` in PyTorch's gates as `[in, 4h]` in ours. */
function ourMatrix(values: Float32Array, [rows = 0, columns = 0]: readonly number[]): HostTensor {
  const width = rows / OUR_GATES.length;
  const data = new Float32Array(values.length);
  for (const [gate, theirs] of OUR_GATES.entries()) {
    for (let unit = 0; unit < width; unit++) {
      const from = (theirs * width + unit) * columns;
      const to = gate * width + unit;
      for (let column = 0; column < columns; column++) data[column * rows + to] = values[from + column] ?? 0;
    }
  }
  return { shape: [columns, rows], data };
}

async function convertBlock(reader: Reader, { norm, weight, bias }: HeadBlock): Promise<Map<string, HostTensor>> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, tensor] of Object.entries(norm)) {
    tensors.set(`norm.${name}`, { shape: tensor.tensor.shape, data: await reader.read(tensor) });
  }
  const [outputs = 0, inputs = 0] = weight.tensor.shape;
  const values = await reader.read(weight);
  const transposed = new Float32Array(values.length);
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) transposed[input * outputs + output] = values[output * inputs + input] ?? 0;
  }
  tensors.set('weight', { shape: [inputs, outputs], data: transposed });
  tensors.set('bias', { shape: [outputs], data: bias === undefined ? new Float32Array(outputs) : await reader.read(bias) });
  return tensors;
}
