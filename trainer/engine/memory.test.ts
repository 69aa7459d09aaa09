import { describe, expect, test } from 'vitest';
import { PRESETS } from '../model/presets.ts';
import { largestBatch, trainingBytes, type Workload } from './memory.ts';

const languageModel = (embedding: number, hidden: number, vocabulary: number): Workload => ({
  sizes: { embedding, hidden, vocabulary, layers: 3 },
  tokens: 70,
  predictsWords: true,
});

describe('the memory of a training step', () => {
  // Growth of the resident set in two steps (VmHWM), glibc's malloc giving everything back at once; docs/gpu.md says how.
  test.each([
    [64, 128, 2_000, 8, 71],
    [64, 128, 2_000, 64, 258],
    [64, 512, 2_000, 8, 220],
    [64, 512, 2_000, 64, 527],
    [256, 512, 16_000, 8, 587],
    [256, 512, 16_000, 32, 685],
    [256, 512, 16_000, 64, 808],
  ])('embedding %i, hidden %i, %i words, batch %i: %i MB measured', (embedding, hidden, vocabulary, batch, megabytes) => {
    const ratio = trainingBytes(languageModel(embedding, hidden, vocabulary), batch) / (megabytes * 1e6);
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.3);
  });

  test('grows with the batch and the vocabulary, and a classifier has no logits', () => {
    const workload = languageModel(256, 512, 16_000);
    expect(trainingBytes(workload, 2)).toBeGreaterThan(trainingBytes(workload, 1));
    expect(trainingBytes(workload, 64) - trainingBytes({ ...workload, predictsWords: false }, 64)).toBe(3 * 64 * 2 ** 20);
  });
});

describe('the largest batch', () => {
  const workload: Workload = { sizes: PRESETS.base, tokens: 70, predictsWords: true };
  test.each([1, 2, 3, 17, 64, 1000])('that fits is found: %i', (batch) => {
    expect(largestBatch(workload, trainingBytes(workload, batch))).toBe(batch);
    expect(largestBatch(workload, trainingBytes(workload, batch + 1) - 1)).toBe(batch);
  });

  test('is 0 where not even one fits', () => {
    expect(largestBatch(workload, trainingBytes(workload, 1) - 1)).toBe(0);
  });
});
