import type { StoredModel } from '../checkpoint/modelFolder.ts';
import type { Vocabulary } from '../../text/vocabulary.ts';

/**
 * Moves a language model to another vocabulary: rows of the embedding and of the decoder's bias move by token; a token that the
 * pretrained model lacks gets the mean of all rows and the mean bias (Howard & Ruder 2018, section 3.2; fastai's `match_embeds`).
 */
export function transferVocabulary(model: StoredModel, vocabulary: Vocabulary): StoredModel {
  const { vocabulary: old, tensors, description } = model;
  const from = Int32Array.from(vocabulary.tokens, (token) => (old.has(token) ? old.idOf(token) : -1));
  const moved = new Map(tensors);
  for (const name of ['embedding.weight', 'decoder.bias']) {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`the language model has no tensor ${name}`);
    const width = tensor.data.length / old.size;
    const mean = meanRow(tensor.data, width);
    const data = new Float32Array(vocabulary.size * width);
    for (const [row, source] of from.entries()) {
      data.set(source < 0 ? mean : tensor.data.subarray(source * width, (source + 1) * width), row * width);
    }
    moved.set(name, { shape: [vocabulary.size, ...tensor.shape.slice(1)], data });
  }
  return { description: { ...description, sizes: { ...description.sizes, vocabulary: vocabulary.size } }, tensors: moved, vocabulary };
}

function meanRow(data: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width);
  for (let i = 0; i < data.length; i++) sums[i % width] = (sums[i % width] ?? 0) + (data[i] ?? 0);
  return Float32Array.from(sums, (sum) => (sum * width) / data.length);
}
