import { describe, expect, it } from 'vitest';

import { tinyClassifier } from '../../test/fixtures/tinyClassifier.ts';
import { UserError } from '../../text/errors.ts';
import { classifierWeights, type Tensor } from './classifierWeights.ts';

/** A classifier of one unit and one token whose gates are told apart by their digits: 1 input, 2 candidate, 3 forget, 4 output. */
function oneUnit(): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  const add = (name: string, shape: number[], values: number[]): unknown => tensors.set(name, { shape, data: Float32Array.from(values) });
  const fill = (length: number, value: number): number[] => Array.from({ length }, () => value);
  add('embedding.weight', [8, 2], fill(16, 0.5));
  // Two inputs, two units: [input][gate, unit].
  add('lstm.0.inputWeights', [2, 8], [10, 11, 20, 21, 30, 31, 40, 41, 110, 111, 120, 121, 130, 131, 140, 141]);
  add(
    'lstm.0.recurrentWeights',
    [2, 8],
    [10, 11, 20, 21, 30, 31, 40, 41, 110, 111, 120, 121, 130, 131, 140, 141].map((value) => -value),
  );
  add('lstm.0.bias', [8], [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]);
  for (const [part, value] of Object.entries({ scale: 2, shift: 3, mean: 5, variance: 0.25 - 1e-5 })) {
    add(`head.0.norm.${part}`, [6], fill(6, value));
    add(`head.1.norm.${part}`, [50], fill(50, value));
  }
  add('head.0.weight', [6, 50], fill(300, 1));
  add('head.0.bias', [50], fill(50, 7));
  add('head.1.weight', [50, 2], fill(100, 1));
  add('head.1.bias', [2], [7, 8]);
  return tensors;
}

const sizes = { vocabulary: 8, embedding: 2, hidden: 4, layers: 1 };

describe('classifierWeights', () => {
  it('turns i, c, f, o columns into i, o, f, c rows', () => {
    const [layer] = classifierWeights(oneUnit(), sizes, 2).layers;
    expect(layer).toMatchObject({ inputSize: 2, hiddenSize: 2 });
    expect([...(layer?.inputWeights ?? [])]).toEqual([10, 110, 11, 111, 40, 140, 41, 141, 30, 130, 31, 131, 20, 120, 21, 121]);
    expect([...(layer?.recurrentWeights ?? [])]).toEqual(
      [10, 110, 11, 111, 40, 140, 41, 141, 30, 130, 31, 131, 20, 120, 21, 121].map((value) => -value),
    );
    expect([...(layer?.biases ?? [])]).toEqual([1, 1.5, 4, 4.5, 3, 3.5, 2, 2.5, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('folds scale and shift of a batch normalization into the linear layer, and leaves its mean', () => {
    const [hidden] = classifierWeights(oneUnit(), sizes, 2).head;
    // y = ((x − 5) / 0.5 · 2 + 3) · 1, summed over six features, + 7.
    expect(hidden.mean[0]).toBe(5);
    expect(hidden.weight[0]).toBeCloseTo(4, 6);
    expect(hidden.bias[0]).toBe(7 + 6 * 3);
  });

  it('divides the last layer, and nothing else, by the temperature', () => {
    const { tensors, config } = tinyClassifier();
    const usual = classifierWeights(tensors, config.sizes, 3);
    const tempered = classifierWeights(tensors, config.sizes, 3, 4);
    // Division by a power of two is exact.
    expect([...tempered.head[1].weight]).toEqual([...usual.head[1].weight].map((value) => value / 4));
    expect([...tempered.head[1].bias]).toEqual([...usual.head[1].bias].map((value) => value / 4));
    expect({ ...tempered, head: tempered.head[0] }).toEqual({ ...usual, head: usual.head[0] });
    expect(tempered.head[1].mean).toEqual(usual.head[1].mean);
  });

  it('makes the last layer as wide as the embedding', () => {
    const { tensors, config } = tinyClassifier({ embedding: 12, hidden: 20, layers: 3 });
    expect(classifierWeights(tensors, config.sizes, 3).layers.map(({ inputSize, hiddenSize }) => [inputSize, hiddenSize])).toEqual([
      [12, 20],
      [20, 20],
      [20, 12],
    ]);
  });

  it('names a tensor that is missing or has another shape', () => {
    const missing = oneUnit();
    missing.delete('lstm.0.bias');
    expect(() => classifierWeights(missing, sizes, 2)).toThrow(UserError);
    expect(() => classifierWeights(missing, sizes, 2)).toThrow('no tensor "lstm.0.bias" [8]');
    expect(() => classifierWeights(oneUnit(), { ...sizes, vocabulary: 9 }, 2)).toThrow(
      '"embedding.weight" has the shape [8, 2] and 16 numbers, but the sizes in model.json ask for [9, 2]',
    );
    expect(() => classifierWeights(oneUnit(), sizes, 3)).toThrow('"head.1.weight" has the shape [50, 2]');
  });
});
