import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { referenceProbabilities } from '../test/fixtures/referenceClassifier.ts';
import { type TinyClassifier, tinyDocument, writeTinyBundle } from '../test/fixtures/tinyClassifier.ts';
import type { Bundle } from './bundle.ts';
import { gateDocuments, measureParity, type ReferenceClassifier, requireParity } from './parity.ts';

let folder: string;
let bundle: Bundle;
let model: TinyClassifier;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-parity-'));
  ({ bundle, model } = await writeTinyBundle(join(folder, 'bundle'), { chunkLength: 10 }));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const documents = [1, 10, 11, 55, 3, 24, 30, 9, 31].map((length) => tinyDocument(length, { seed: length }));

const measure = (reference: ReferenceClassifier): ReturnType<typeof measureParity> =>
  measureParity(join(folder, 'bundle', 'model.onnx'), bundle, documents, reference);

/** The trainer's answers, changed by a function of the document's number. */
const reference =
  (change: (probabilities: number[], index: number) => number[] = (same) => same): ReferenceClassifier =>
  async (asked) =>
    asked.map((document, index) => Float32Array.from(change(referenceProbabilities(model.tensors, document), index)));

describe('gateDocuments', () => {
  it('adds the lengths around the borders of a chunk', () => {
    const made = gateDocuments([Int32Array.of(2, 14, 9), new Int32Array()], 70);
    expect(made.map((document) => document.length)).toEqual([3, 1, 69, 70, 71, 350]);
    expect(Array.from(made[4] ?? []).slice(0, 7)).toEqual([2, 14, 9, 2, 14, 9, 2]);
  });

  it('makes no empty document where a chunk is one token', () => {
    expect(gateDocuments([Int32Array.of(2)], 1).map((document) => document.length)).toEqual([1, 1, 1, 2, 5]);
  });

  it('needs something to ask about', () => {
    expect(() => gateDocuments([new Int32Array()], 70)).toThrow('at least one document that is not empty');
  });
});

describe('measureParity', () => {
  it('finds graph and reference to agree, alone and in padded batches', async () => {
    const figures = await measure(reference());
    expect(figures).toMatchObject({ documents: 9, labelDisagreements: 0 });
    expect(figures.maxProbabilityDifference).toBeLessThan(1e-5);
    expect(() => requireParity(figures)).not.toThrow();
  });

  it('finds one wrong probability in one document', async () => {
    const figures = await measure(reference((right, index) => (index === 8 ? right.with(0, (right[0] ?? 0) + 2e-4) : right)));
    expect(figures.maxProbabilityDifference).toBeCloseTo(2e-4, 5);
    expect(() => requireParity(figures)).toThrow(/differ by up to 0\.00020 \(at most 0\.0001 is accepted\), 0 of 9 documents/);
  });

  it('finds a graph that is right for single documents and wrong for padded ones', async () => {
    const broken = join(folder, 'broken');
    await cp(join(folder, 'bundle'), broken, { recursive: true });
    const graph = fromBinary(ModelProtoSchema, await readFile(join(broken, 'model.onnx')));
    // The fifth input of an LSTM is the number of steps of each row; without it, padding moves the state.
    for (const node of graph.graph?.node ?? []) if (node.opType === 'LSTM') node.input[4] = '';
    await writeFile(join(broken, 'model.onnx'), toBinary(ModelProtoSchema, graph));

    const same = documents.map(() => Int32Array.from(documents[3] ?? []));
    const rightForEqualLengths = await measureParity(join(broken, 'model.onnx'), bundle, same, reference());
    expect(rightForEqualLengths.maxProbabilityDifference).toBeLessThan(1e-5);
    const figures = await measureParity(join(broken, 'model.onnx'), bundle, documents, reference());
    expect(figures.maxProbabilityDifference).toBeGreaterThan(0.01);
  });

  it('counts documents with another label', async () => {
    const figures = await measure(reference((right, index) => (index < 2 ? right.map((probability) => 1 - probability) : right)));
    expect(figures.labelDisagreements).toBe(2);
  });

  it('never takes something that is not a number for agreement', async () => {
    await expect(measure(reference((right) => right.with(1, Number.NaN)))).rejects.toThrow('not a number');
    expect(() => requireParity({ documents: 1, maxProbabilityDifference: Number.NaN, labelDisagreements: 0 })).toThrow(
      'does not answer as the trainer does',
    );
  });

  it('notices answers that are missing or of the wrong size', async () => {
    await expect(measure(async () => [])).rejects.toThrow('The trainer answered 0 of 9 documents');
    await expect(measure(reference((right) => right.slice(1)))).rejects.toThrow('The graph knows 3 classes, the trainer 2');
  });
});
