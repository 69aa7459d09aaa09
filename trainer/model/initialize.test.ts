import { describe, expect, it } from 'vitest';
import { numbers, TINY } from '../testSupport.ts';
import { initializeHead, initializeLanguageModel } from './initialize.ts';
import { headShapes, languageModelShapes } from './parameters.ts';

/** U(−bound, bound): inside it, near its ends, and around 0. */
function expectUniform(values: readonly number[], bound: number): void {
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  expect(Math.abs(mean)).toBeLessThan((4 * bound) / Math.sqrt(3 * values.length));
  expect(Math.sqrt(variance)).toBeGreaterThan((0.85 * bound) / Math.sqrt(3));
}

describe('initializeLanguageModel', () => {
  const sizes = { vocabulary: 200, embedding: 20, hidden: 30, layers: 2 };

  it('draws embedding and LSTM as fastai and PyTorch do, and begins with a decoder bias of 0', () => {
    const parameters = initializeLanguageModel(sizes, 1);
    expect([...parameters].map(([name, { shape }]) => [name, shape])).toEqual([...languageModelShapes(sizes)]);
    expectUniform(numbers(parameters.get('embedding.weight')), 0.1);
    for (const [layer, width] of [30, 20].entries()) {
      for (const name of ['inputWeights', 'recurrentWeights', 'bias'])
        expectUniform(numbers(parameters.get(`lstm.${layer}.${name}`)), 1 / Math.sqrt(width));
    }
    expect(new Set(numbers(parameters.get('decoder.bias')))).toEqual(new Set([0]));
  });

  it('depends on the seed, and draws every tensor apart', () => {
    const embedding = (seed: number) => numbers(initializeLanguageModel(TINY, seed).get('embedding.weight'));
    expect(embedding(1)).toEqual(embedding(1));
    expect(embedding(2)).not.toEqual(embedding(1));
    const { embedding: size } = sizes;
    const square = initializeLanguageModel({ ...sizes, hidden: size }, 1);
    expect(numbers(square.get('lstm.0.inputWeights'))).not.toEqual(numbers(square.get('lstm.1.inputWeights')));
  });
});

describe('initializeHead', () => {
  it('draws linear layers as PyTorch does, and begins with batch norms that change nothing', () => {
    const parameters = initializeHead(TINY, 3, 1);
    expect([...parameters].map(([name, { shape }]) => [name, shape])).toEqual([...headShapes(TINY, 3)]);
    expectUniform(numbers(parameters.get('head.0.weight')), 1 / Math.sqrt(15));
    expectUniform(numbers(parameters.get('head.0.bias')), 1 / Math.sqrt(15));
    expectUniform(numbers(parameters.get('head.1.weight')), 1 / Math.sqrt(50));
    for (const [name, value] of [
      ['scale', 1],
      ['shift', 0],
      ['mean', 0],
      ['variance', 1],
    ] as const) {
      expect(new Set(numbers(parameters.get(`head.1.norm.${name}`)))).toEqual(new Set([value]));
    }
  });
});
