/** Work so small that a measurement takes no time, for the benchmark's tests. */
import type { ClassifierWorkload, LanguageModelWorkload } from './workload.ts';

const COMMON = {
  preset: 'tiny',
  sizes: { vocabulary: 24, embedding: 5, hidden: 7, layers: 3 },
  device: 'cpu',
  precision: 'fp32',
  threads: 1,
} as const;

export const TINY_LM: LanguageModelWorkload = { ...COMMON, task: 'lm', batch: 2, chunk: 4 };

/** The second step's first document is longer than the window of 8: its first chunk of 4 sends no gradient. */
export const TINY_CLASSIFIER: ClassifierWorkload = {
  ...COMMON,
  task: 'classifier',
  batch: 2,
  chunk: 4,
  window: 8,
  documents: [
    [6, 3],
    [13, 5],
  ],
};
