import { describe, expect, it } from 'vitest';
import { Vocabulary } from '../../text/vocabulary.ts';
import type { StoredModel } from '../checkpoint/modelFolder.ts';
import { languageModelShapes } from '../model/parameters.ts';
import { randomValues } from '../testSupport.ts';
import { transferVocabulary } from './vocabularyTransfer.ts';

const EMBEDDING = 3;
/** Nine special tokens, four words and three fillers. */
const OLD = Vocabulary.fromCounts(
  new Map([
    ['the', 9],
    ['film', 4],
    ['plot', 3],
    ['scene', 2],
  ]),
  { maxSize: 60, minCount: 1 },
);

function pretrained(): StoredModel {
  const sizes = { vocabulary: OLD.size, embedding: EMBEDDING, hidden: 4, layers: 2 };
  return {
    description: {
      schemaVersion: 1,
      kind: 'languageModel',
      tokenizerVersion: 1,
      direction: 'forward',
      sizes,
      chunkLength: 70,
      created: '',
    },
    tensors: new Map(
      [...languageModelShapes(sizes)].map(([name, shape]) => [
        name,
        {
          shape,
          data: randomValues(
            shape.reduce((product, axis) => product * axis, 1),
            name,
          ),
        },
      ]),
    ),
    vocabulary: OLD,
  };
}

const rowOf = (model: StoredModel, name: string, token: string): number[] => {
  const data = model.tensors.get(name)?.data ?? new Float32Array();
  const width = data.length / model.vocabulary.size;
  const id = model.vocabulary.idOf(token);
  return [...data.subarray(id * width, (id + 1) * width)];
};

describe('transferVocabulary', () => {
  const model = pretrained();

  it('moves rows by token to a vocabulary in another order', () => {
    const vocabulary = Vocabulary.fromCounts(
      new Map([
        ['scene', 9],
        ['actor', 8],
        ['film', 7],
      ]),
      { maxSize: 60, minCount: 1 },
    );
    const moved = transferVocabulary(model, vocabulary);
    for (const name of ['embedding.weight', 'decoder.bias']) {
      for (const token of ['xxunk', 'xxbos', 'scene', 'film']) expect(rowOf(moved, name, token), token).toEqual(rowOf(model, name, token));
    }
    expect(moved.vocabulary).toBe(vocabulary);
    expect(moved.description.sizes).toEqual({ ...model.description.sizes, vocabulary: vocabulary.size });
    expect(moved.tensors.get('embedding.weight')?.shape).toEqual([vocabulary.size, EMBEDDING]);
    expect(moved.tensors.get('decoder.bias')?.shape).toEqual([vocabulary.size]);
  });

  it('gives a new word the mean of all rows and the mean bias', () => {
    const vocabulary = Vocabulary.fromCounts(new Map([['actor', 8]]), { maxSize: 60, minCount: 1 });
    const moved = transferVocabulary(model, vocabulary);
    for (const [name, width] of [
      ['embedding.weight', EMBEDDING],
      ['decoder.bias', 1],
    ] as const) {
      const data = model.tensors.get(name)?.data ?? new Float32Array();
      const mean = Array.from({ length: width }, (_, column) => {
        return data.filter((_value, index) => index % width === column).reduce((sum, value) => sum + value, 0) / OLD.size;
      });
      for (const [column, value] of rowOf(moved, name, 'actor').entries()) expect(value).toBeCloseTo(mean[column] ?? Number.NaN, 6);
    }
  });

  it('leaves all else as it is', () => {
    const moved = transferVocabulary(model, Vocabulary.fromCounts(new Map([['actor', 8]]), { maxSize: 60, minCount: 1 }));
    expect([...moved.tensors.keys()].toSorted()).toEqual([...model.tensors.keys()].toSorted());
    for (const [name, tensor] of model.tensors) if (name.startsWith('lstm.')) expect(moved.tensors.get(name)).toBe(tensor);
  });

  it('keeps the id and the rows of every old word where the vocabulary is extended', () => {
    const extended = OLD.extended(
      new Map([
        ['actor', 5],
        ['the', 50],
        ['dull', 7],
        ['rare', 1],
      ]),
      { maxSize: 60, minCount: 2 },
    );
    const words = OLD.tokens.filter((token) => token !== 'xxfake');
    expect(extended.tokens.slice(0, words.length)).toEqual(words);
    expect(extended.tokens.slice(words.length, words.length + 2)).toEqual(['dull', 'actor']);
    expect(extended.has('rare')).toBe(false);
    const moved = transferVocabulary(model, extended);
    const before = model.tensors.get('embedding.weight')?.data.subarray(0, words.length * EMBEDDING);
    expect(moved.tensors.get('embedding.weight')?.data.subarray(0, words.length * EMBEDDING)).toEqual(before);
  });
});
