import { describe, expect, it } from 'vitest';

import { modelCard } from './modelCard.ts';

const bundle = {
  schemaVersion: 1,
  name: 'reviews',
  version: '2',
  task: 'singleLabel',
  labels: ['negative', 'so `so`'],
  tokenizerVersion: 1,
  direction: 'forward',
  sizes: { vocabulary: 16_000, embedding: 256, hidden: 512, layers: 3 },
  chunkLength: 70,
  precision: 'fp32',
  graph: 'model.onnx',
  shards: ['weights-00.bin', 'weights-01.bin'],
  vocabulary: 'vocabulary.json',
  parity: { documents: 105, maxProbabilityDifference: 2.5e-6, labelDisagreements: 0 },
  created: '2026-01-31T12:00:00.000Z',
  producer: 'ulmfit 0.1.0',
} as const;

/** The schema's own type has lists that may change. */
const card = (changes: Parameters<typeof modelCard>[0] | object = {}): string =>
  modelCard({ ...bundle, labels: [...bundle.labels], shards: [...bundle.shards], ...changes });

describe('modelCard', () => {
  it('says what the model is, what it answers and how well graph and trainer agree', () => {
    const text = card({ metrics: { accuracy: 0.943 }, dataLicence: 'CC BY 4.0' });
    expect(text).toMatch(/^# reviews 2\n/);
    for (const line of [
      '- `negative`',
      '- `` so `so` ``',
      '| vocabulary | 16000 tokens |',
      '| accuracy | 0.943 |',
      '| documents on which graph and trainer were compared | 105 |',
      '| largest difference of a probability | 2.5e-6 |',
      '- `weights-00.bin`, `weights-01.bin`: the weights, as ONNX external data',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toContain('## Licence of the training data\n\nCC BY 4.0\n');
  });

  it('says so where figures or licence are not known', () => {
    expect(card()).toContain('records no figures of its training');
    expect(card()).toContain('Not stated. Ask whoever trained the model');
  });
});
