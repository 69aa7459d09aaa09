/** fastai's classifier, exported: the graph must answer as fastai itself did when the golden file was made. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';

import { answerOf } from '../../export/answers.ts';
import { buildChunkStep } from '../../export/graph/chunkStep.ts';
import { classifierWeights, type Tensor } from '../../export/graph/classifierWeights.ts';
import { graphLogits } from '../../export/parity.ts';
import { referenceProbabilities } from '../fixtures/referenceClassifier.ts';
import { temporaryFolder } from '../temporaryFolder.ts';
import { type Golden, readGolden } from './golden.ts';

const SIZES = { vocabulary: 40, embedding: 12, hidden: 16, layers: 3 };
const CLASSES = 3;

/** The golden's weights; with `after`, batch norm's running statistics are those after a training step. */
function weightsOf(golden: Golden, statistics: 'weights' | 'after'): Map<string, Tensor> {
  const names = [...golden.under('weights').keys()];
  return new Map(
    names.map((name) => {
      const source = statistics === 'after' && /\.norm\.(mean|variance)$/.test(name) ? `after.${name}` : `weights.${name}`;
      return [name, { shape: golden.shape(source), data: golden.floats(source) }];
    }),
  );
}

/** The documents, which the golden holds side by side: ids [time, batch]. */
function documentsOf(golden: Golden): Int32Array[] {
  const lengths = golden.integers('lengths');
  const ids = golden.integers('ids');
  return Array.from(lengths, (length, row) => Int32Array.from({ length }, (_, step) => ids[step * lengths.length + row] ?? 0));
}

function softmaxRows(logits: Float32Array): number[][] {
  return Array.from({ length: logits.length / CLASSES }, (_, row) => {
    const powers = [...logits.subarray(row * CLASSES, (row + 1) * CLASSES)].map((logit) => Math.exp(logit));
    return powers.map((power) => power / powers.reduce((sum, value) => sum + value, 0));
  });
}

describe('an exported fastai classifier', () => {
  it.each([
    { statistics: 'weights', answers: 'evaluation.logits' },
    { statistics: 'after', answers: 'after.evaluation.logits' },
  ] as const)('answers as fastai does ($answers)', async ({ statistics, answers }) => {
    const golden = await readGolden('classifier');
    const tensors = weightsOf(golden, statistics);
    const documents = documentsOf(golden);
    const { graph, shards } = buildChunkStep(classifierWeights(tensors, SIZES, CLASSES), {
      producer: ['test', '1'],
      metadata: {},
      direction: 'forward',
      answer: 'Softmax makes the logits probabilities.',
    });
    const folder = await temporaryFolder({ 'model.onnx': graph });
    for (const [name, bytes] of shards) await writeFile(join(folder, name), bytes);
    const session = await InferenceSession.create(join(folder, 'model.onnx'));

    const expected = softmaxRows(golden.floats(answers));
    expect(expected).toHaveLength(documents.length);
    for (const chunkLength of [7, 70]) {
      const logits = await graphLogits(session, { sizes: SIZES, chunkLength }, documents);
      const found = logits.map((row) => answerOf({ task: 'singleLabel' }, row));
      expected.forEach((probabilities, row) =>
        probabilities.forEach((probability, label) => {
          expect(found[row]?.[label], `document ${row}, label ${label}`).toBeCloseTo(probability, 5);
          expect(referenceProbabilities(tensors, documents[row] ?? [])[label]).toBeCloseTo(probability, 6);
        }),
      );
    }
    await session.release();
  });
});
