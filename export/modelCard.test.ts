import { describe, expect, it } from 'vitest';

import type { BundleMember } from './bundle.ts';
import { modelCard } from './modelCard.ts';

const member = {
  direction: 'forward',
  sizes: { vocabulary: 16_000, embedding: 256, hidden: 512, layers: 3 },
  chunkLength: 70,
  graph: 'forward.onnx',
  shards: ['forward-weights-00.bin', 'forward-weights-01.bin'],
  vocabulary: 'vocabulary.json',
} as const;

const bundle = {
  schemaVersion: 3,
  name: 'reviews',
  version: '2',
  task: 'singleLabel',
  labels: ['negative', 'so `so`'],
  tokenizerVersion: 1,
  precision: 'fp32',
  parity: { documents: 105, maxProbabilityDifference: 2.5e-6, labelDisagreements: 0 },
  created: '2026-01-31T12:00:00.000Z',
  producer: 'ulmfit 0.1.0',
} as const;

/** The schema's own type has lists that may change. */
const card = (changes: Partial<Parameters<typeof modelCard>[0]> = {}, ...members: readonly Partial<BundleMember>[]): string =>
  modelCard({
    ...bundle,
    labels: [...bundle.labels],
    members: (members.length === 0 ? [{}] : members).map((differences) => ({ ...member, shards: [...member.shards], ...differences })),
    ...changes,
  });

describe('modelCard', () => {
  it('says what the model is, what it answers and how well graph and trainer agree', () => {
    const text = card({ dataLicence: 'CC BY 4.0' }, { metrics: { accuracy: 0.943 } });
    expect(text).toMatch(/^# reviews 2\n/);
    for (const line of [
      '- `negative`',
      '- `` so `so` ``',
      'A text gets one of 2 labels:',
      '|  | forward |',
      '| vocabulary | 16000 tokens |',
      '| accuracy | 0.943 |',
      '- 105 documents',
      '| precision | fp32: weights and products in 32 bits |',
      '- largest difference of a probability: 2.5e-6 (at most 0.0001 is accepted)',
      '- documents with other labels: 0 (at most 0.5 % are accepted)',
      '- `forward-weights-00.bin`, `forward-weights-01.bin`: its weights, as ONNX external data',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toContain('## Licence of the training data\n\nCC BY 4.0\n');
  });

  it('tells of both models of a pair what they are, and what becomes of their answers', () => {
    const text = card(
      { task: 'multiLabel' },
      { metrics: { accuracy: 0.9 } },
      { direction: 'backward', graph: 'backward.onnx', shards: [], temperature: 1.25, metrics: { loss: 0.3 } },
    );
    for (const line of [
      'A text gets any number of 2 labels, each where its probability is at least 0.5:',
      '|  | forward | backward |',
      '| temperature | 1 | 1.25 |',
      '| accuracy | 0.9 |  |',
      '| loss |  | 0.3 |',
      '- `vocabulary.json`: the tokens in the order of their ids',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toContain("the answer is the mean of both models' answers");
    expect(text).toContain('`backward.onnx`: the ONNX graph');
  });

  it('tells what number a regression answers with', () => {
    const text = card({ task: 'regression', labels: [], range: [1, 5], parity: { documents: 9, maxRelativeDifference: 3e-7 } });
    expect(text).toContain('## Answer\n\nA text gets a number between 1 and 5.\n');
    expect(text).not.toContain('documents beside it');
    expect(text).toContain('- largest difference of a value, as a share of the range or of the value: 3.0e-7');
    expect(text).not.toContain('labels');
  });

  it('tells what 8 bits cost, and that documents have no part in the answers of others', () => {
    const parity = { documents: 205, maxProbabilityDifference: 0.0132, labelDisagreements: 1, maxBatchDifference: 0 };
    const lines = card({ precision: 'int8', parity }).split('\n');
    for (const line of [
      "| precision | int8: embedding and the LSTM layers' products in 8 bits, the rest in 32 |",
      '- largest difference of a probability: 1.3e-2 (at most 0.05 is accepted)',
      '- documents with other labels: 1 (at most 0.5 % are accepted)',
      '- largest difference that documents beside it make to an answer: 0.0e+0',
    ]) {
      expect(lines).toContain(line);
    }
  });

  it('tells that a model reads backwards', () => {
    expect(card({}, { direction: 'backward' })).toContain('It is read from its end to its beginning.');
  });

  it('says so where figures or licence are not known', () => {
    expect(card()).toContain('records no figures of its training');
    expect(card()).toContain('Not stated. Ask whoever trained the model');
  });
});
