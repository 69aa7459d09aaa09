/** Takes a classifier's weights out of a bundle's graph and the weight files beside it. For Node: the Worker gets them packed. */
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation as DataLocation, TensorProto_DataType as DataType, type TensorProto } from 'onnx-buf';
import { open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { layerSizes, type BundleMember } from '../../export/bundle.ts';
import type { GraphWeights, HeadWeights, LayerWeights } from './pack.ts';

/**
 * The weights of one member of a bundle.
 *
 * @param graphPath the member's graph.
 * @throws Error when the graph has no such weights: it is not one that `ulmfit export` writes.
 */
export async function readGraphWeights(graphPath: string, { sizes }: Pick<BundleMember, 'sizes'>): Promise<GraphWeights> {
  const { graph } = fromBinary(ModelProtoSchema, await readFile(graphPath));
  const tensors = new Map((graph?.initializer ?? []).map((tensor) => [tensor.name, tensor]));
  const folder = dirname(graphPath);
  const read = async (name: string, elements: number): Promise<Float32Array> => {
    const parts = tensors.has(name) ? [name] : [...partNames(tensors, name)];
    const values = new Float32Array(elements);
    let filled = 0;
    for (const part of parts) {
      const piece = await readTensor(folder, tensors.get(part));
      values.set(piece, filled);
      filled += piece.length;
    }
    if (filled !== elements) throw new Error(`The graph has ${filled} numbers in "${name}"; the sizes of the model ask for ${elements}.`);
    return values;
  };

  const layers: LayerWeights[] = [];
  let inputSize = sizes.embedding;
  for (const [index, hiddenSize] of layerSizes(sizes).entries()) {
    const biases = await read(`lstm_${index}_biases`, 8 * hiddenSize);
    layers.push({
      inputSize,
      hiddenSize,
      inputWeights: await read(`lstm_${index}_input_weights`, 4 * hiddenSize * inputSize),
      recurrentWeights: await read(`lstm_${index}_recurrent_weights`, 4 * hiddenSize * hiddenSize),
      // The biases of both products, which are added anyway.
      biases: biases.subarray(0, 4 * hiddenSize).map((bias, place) => bias + (biases[4 * hiddenSize + place] ?? 0)),
    });
    inputSize = hiddenSize;
  }
  const sizeOf = (name: string) => Number(tensors.get(name)?.dims[0] ?? 0);
  const [headHidden, outputs] = [sizeOf('head_0_bias'), sizeOf('head_1_bias')];
  const block = async (index: number, inputs: number, size: number): Promise<HeadWeights> => ({
    mean: await read(`head_${index}_mean`, inputs),
    weight: await read(`head_${index}_weight`, inputs * size),
    bias: await read(`head_${index}_bias`, size),
  });
  return {
    sizes: { ...sizes, headHidden, outputs },
    embedding: await read('embedding', sizes.vocabulary * sizes.embedding),
    layers,
    head: [await block(0, 3 * sizes.embedding, headHidden), await block(1, headHidden, outputs)],
  };
}

/** What a tensor was cut into that is larger than a file: `name.part0`, `name.part1`, … */
function* partNames(tensors: ReadonlyMap<string, TensorProto>, name: string): Generator<string> {
  for (let part = 0; tensors.has(`${name}.part${part}`); part++) yield `${name}.part${part}`;
}

async function readTensor(folder: string, tensor: TensorProto | undefined): Promise<Float32Array> {
  if (tensor?.dataType !== DataType.FLOAT) throw new Error(`The weights "${tensor?.name}" are not float32.`);
  const bytes = tensor.dataLocation === DataLocation.EXTERNAL ? await readExternal(folder, tensor) : Uint8Array.from(tensor.rawData);
  return new Float32Array(bytes.buffer, 0, bytes.length / Float32Array.BYTES_PER_ELEMENT);
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
