/** Takes a classifier's weights out of a bundle's graph and the weight files beside it. For Node: the Worker gets them packed. */
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation as DataLocation, TensorProto_DataType as DataType, type TensorProto } from 'onnx-buf';
import { open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { layerSizes, type BundleMember } from '../../export/bundle.ts';
import type { GraphWeights, HeadWeights, LayerWeights } from './pack.ts';

/** A tensor's numbers, whatever they are stored as, and whether they are 8-bit integers that scales belong to. */
interface Numbers {
  readonly values: Float32Array;
  readonly areIntegers: boolean;
}

/** Reads the tensor of that name, which may be cut into parts or stored in 16 bits. */
type Reader = (name: string) => Promise<Numbers>;

/** Inputs and units that a graph with 8-bit weights has besides the model's: they only fix the range of its activations. */
const GUARDS = 2;
const GATES = 4;

/**
 * The weights of one member of a bundle, of whatever precision. Those that were rounded to 16 or 8 bits when the bundle was
 * exported stay rounded: a bundle with float32 weights gives the kernel the best ones.
 *
 * @param graphPath the member's graph.
 * @throws Error when the graph has no such weights: it is not one that `ulmfit export` writes.
 */
export async function readGraphWeights(graphPath: string, { sizes }: Pick<BundleMember, 'sizes'>): Promise<GraphWeights> {
  const { graph } = fromBinary(ModelProtoSchema, await readFile(graphPath));
  const tensors = new Map((graph?.initializer ?? []).map((tensor) => [tensor.name, tensor]));
  const folder = dirname(graphPath);
  const read: Reader = async (name) => {
    const stored = [name, `${name}.part0`, `${name}_float16`, `${name}_float16.part0`].find((candidate) => tensors.has(candidate));
    if (stored === undefined) throw new Error(`The graph has no weights "${name}". It is not one that \`ulmfit export\` writes.`);
    const parts = stored.endsWith('.part0') ? [...partNames(tensors, stored.slice(0, -'.part0'.length))] : [stored];
    const pieces: Float32Array[] = [];
    for (const part of parts) pieces.push(await readTensor(folder, tensors.get(part)));
    return { values: joined(pieces), areIntegers: tensors.get(stored)?.dataType === DataType.INT8 };
  };
  const exactly = async (name: string, elements: number): Promise<Float32Array> => sized(name, (await read(name)).values, elements);

  const layers: LayerWeights[] = [];
  let inputSize = sizes.embedding;
  for (const [index, hiddenSize] of layerSizes(sizes).entries()) {
    const name = `lstm_${index}`;
    const guards = (await read(`${name}_input_weights`)).areIntegers ? GUARDS : 0;
    const biases = await exactly(`${name}_biases`, 2 * GATES * (hiddenSize + guards));
    layers.push({
      inputSize,
      hiddenSize,
      inputWeights: await readMatrix(read, `${name}_input`, hiddenSize, inputSize),
      recurrentWeights: await readMatrix(read, `${name}_recurrent`, hiddenSize, hiddenSize),
      // The biases of both products, which are added anyway.
      biases: Float32Array.from({ length: GATES * hiddenSize }, (_, channel) => {
        const place = Math.floor(channel / hiddenSize) * (hiddenSize + guards) + (channel % hiddenSize);
        return (biases[place] ?? 0) + (biases[GATES * (hiddenSize + guards) + place] ?? 0);
      }),
    });
    inputSize = hiddenSize;
  }
  const sizeOf = (name: string) => Number(tensors.get(name)?.dims[0] ?? 0);
  const [headHidden, outputs] = [sizeOf('head_0_bias'), sizeOf('head_1_bias')];
  const block = async (index: number, inputs: number, size: number): Promise<HeadWeights> => ({
    mean: await exactly(`head_${index}_mean`, inputs),
    weight: await exactly(`head_${index}_weight`, inputs * size),
    bias: await exactly(`head_${index}_bias`, size),
  });
  return {
    sizes: { ...sizes, headHidden, outputs },
    embedding: await readEmbedding(read, sizes),
    layers,
    head: [await block(0, 3 * sizes.embedding, headHidden), await block(1, headHidden, outputs)],
  };
}

/** [vocabulary, embedding]. With 8-bit weights, the scales of its columns are factors of the first layer's weights. */
async function readEmbedding(read: Reader, { vocabulary, embedding }: BundleMember['sizes']): Promise<Float32Array> {
  const { values, areIntegers } = await read('embedding');
  const width = embedding + (areIntegers ? GUARDS : 0);
  sized('embedding', values, vocabulary * width);
  if (!areIntegers) return values;
  return Float32Array.from({ length: vocabulary * embedding }, (_, place) => {
    return values[Math.floor(place / embedding) * width + (place % embedding)] ?? 0;
  });
}

/** [4 · hiddenSize, inputs]. A graph with 8-bit weights has the transpose, and a scale for each of its columns. */
async function readMatrix(read: Reader, name: string, hiddenSize: number, inputs: number): Promise<Float32Array> {
  const { values, areIntegers } = await read(`${name}_weights`);
  if (!areIntegers) return sized(name, values, GATES * hiddenSize * inputs);
  const columns = GATES * (hiddenSize + GUARDS);
  sized(name, values, columns * (inputs + GUARDS));
  const { values: scales } = await read(`${name}_scales`);
  const matrix = new Float32Array(GATES * hiddenSize * inputs);
  for (let channel = 0; channel < GATES * hiddenSize; channel++) {
    const column = Math.floor(channel / hiddenSize) * (hiddenSize + GUARDS) + (channel % hiddenSize);
    const scale = scales[column] ?? 0;
    for (let input = 0; input < inputs; input++) matrix[channel * inputs + input] = (values[input * columns + column] ?? 0) * scale;
  }
  return matrix;
}

function sized(name: string, values: Float32Array, elements: number): Float32Array {
  if (values.length === elements) return values;
  throw new Error(`The graph has ${values.length} numbers in "${name}"; the sizes of the model ask for ${elements}.`);
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const whole = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let filled = 0;
  for (const piece of pieces) {
    whole.set(piece, filled);
    filled += piece.length;
  }
  return whole;
}

/** What a tensor was cut into that is larger than a file: `name.part0`, `name.part1`, … */
function* partNames(tensors: ReadonlyMap<string, TensorProto>, name: string): Generator<string> {
  for (let part = 0; tensors.has(`${name}.part${part}`); part++) yield `${name}.part${part}`;
}

async function readTensor(folder: string, tensor: TensorProto | undefined): Promise<Float32Array> {
  if (tensor === undefined) throw new Error('A part of the weights is missing.');
  const bytes = tensor.dataLocation === DataLocation.EXTERNAL ? await readExternal(folder, tensor) : Uint8Array.from(tensor.rawData);
  if (tensor.dataType === DataType.FLOAT) return new Float32Array(bytes.buffer);
  if (tensor.dataType === DataType.FLOAT16) return Float32Array.from(new Float16Array(bytes.buffer));
  if (tensor.dataType === DataType.INT8) return Float32Array.from(new Int8Array(bytes.buffer));
  throw new Error(`The weights "${tensor.name}" are of a type that the kernel does not know.`);
}

async function readExternal(folder: string, { externalData }: TensorProto): Promise<Uint8Array<ArrayBuffer>> {
  const entry = (key: string) => externalData.find((candidate) => candidate.key === key)?.value;
  const file = await open(join(folder, entry('location') ?? ''));
  try {
    const bytes = new Uint8Array(Number(entry('length')));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, Number(entry('offset') ?? 0));
    if (bytesRead !== bytes.length) throw new Error(`The weight file ${entry('location')} ends too early.`);
    return bytes;
  } finally {
    await file.close();
  }
}
