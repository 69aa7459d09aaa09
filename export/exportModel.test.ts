import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { referenceProbabilities } from '../test/fixtures/referenceClassifier.ts';
import { tinyClassifier, tinyDocument, writeTinyBundle } from '../test/fixtures/tinyClassifier.ts';
import { UserError } from '../text/errors.ts';
import { readBundle } from './bundleFolder.ts';
import { type ExportableConfig, exportModel, type ExportOptions } from './exportModel.ts';

let home: string;
let out: string;
const model = tinyClassifier();

beforeAll(async () => void (home = await mkdtemp(join(tmpdir(), 'ulmfit-export-'))));
beforeEach(async () => void (out = join(await mkdtemp(join(home, 'test-')), 'bundle')));
afterAll(() => rm(home, { recursive: true, force: true }));

function options(changes: Partial<ExportOptions> = {}): ExportOptions {
  return {
    model,
    out,
    name: 'reviews',
    version: '7',
    reference: async (documents) => documents.map((document) => Float32Array.from(referenceProbabilities(model.tensors, document))),
    parityDocuments: [tinyDocument(12, { seed: 1 })],
    ...changes,
  };
}

const withConfig = (config: Partial<ExportableConfig>): ExportOptions =>
  options({ model: { ...model, config: { ...model.config, ...config } } });

async function nothingWritten(): Promise<void> {
  expect(await readdir(join(out, '..'))).toEqual([]);
}

describe('exportModel', () => {
  it('writes a bundle that can be read again, with the figures of the gate', async () => {
    const written = await exportModel(options({ created: new Date('2026-01-31T12:00:00Z'), description: 'Trained on tests.' }));
    expect(await readdir(join(out, '..'))).toEqual(['bundle']);
    expect((await readBundle(out)).bundle).toEqual(written);
    expect(written).toMatchObject({
      name: 'reviews',
      version: '7',
      labels: ['negative', 'positive', 'neutral'],
      chunkLength: 70,
      shards: ['weights-00.bin'],
      parity: { documents: 6, labelDisagreements: 0 },
      metrics: { accuracy: 0.5 },
      dataLicence: 'CC0-1.0',
      created: '2026-01-31T12:00:00.000Z',
    });
    expect(written.parity.maxProbabilityDifference).toBeLessThan(1e-5);
    expect(await readFile(join(out, 'README.md'), 'utf8')).toContain('Trained on tests.');
  });

  it('makes the same files of the same model', async () => {
    const one = await exportModel(options());
    const other = await exportModel(options());
    for (const file of ['model.onnx', 'weights-00.bin', 'vocabulary.json']) expect(other.checksums[file]).toBe(one.checksums[file]);
  });

  it('tells a stranger with only the graph what it is', async () => {
    await exportModel(options());
    const graph = fromBinary(ModelProtoSchema, await readFile(join(out, 'model.onnx')));
    expect([graph.producerName, graph.producerVersion]).toEqual(['ulmfit', '0.1.0']);
    expect(Object.fromEntries(graph.metadataProps.map(({ key, value }) => [key, value]))).toMatchObject({
      task: 'text classification, one label a text',
      labels: '["negative","positive","neutral"]',
      name: 'reviews',
      training_data_licence: 'CC0-1.0',
    });
  });

  it('keeps only figures that are numbers', async () => {
    const written = await exportModel(withConfig({ metrics: { accuracy: 0.9, loss: Number.NaN, curve: [1, 2] } }));
    expect(written.metrics).toEqual({ accuracy: 0.9 });
  });

  it('makes shards of at most the wanted size', async () => {
    const { bundle } = await writeTinyBundle(out, { maxShardBytes: 16_384 });
    expect(bundle.shards.length).toBeGreaterThan(3);
    for (const shard of bundle.shards) expect((await stat(join(out, shard))).size).toBeLessThanOrEqual(16_384);
    await expect(readBundle(out)).resolves.toBeDefined();
  });

  it('writes nothing where the graph does not answer as the trainer does', async () => {
    const wrong = tinyClassifier({ seed: 9 });
    const reference: ExportOptions['reference'] = async (documents) =>
      documents.map((document) => Float32Array.from(referenceProbabilities(wrong.tensors, document)));
    const failure = exportModel(options({ reference }));
    await expect(failure).rejects.toThrow(/does not answer as the trainer does.*No bundle was written/);
    await expect(failure).rejects.not.toBeInstanceOf(UserError);
    await nothingWritten();
  });

  it.each<[string, () => ExportOptions, string]>([
    ['a language model', () => withConfig({ kind: 'languageModel' }), 'The model is a language model'],
    ['a backward classifier', () => withConfig({ direction: 'backward' }), 'only forward classifiers can be exported'],
    ['another tokenizer', () => withConfig({ tokenizerVersion: 2 }), 'version 2 of the tokenizer'],
    [
      'another vocabulary',
      () => options({ model: { ...model, vocabulary: ['one'] } }),
      'vocabulary.json has 1 tokens, but model.json says 200',
    ],
    ['too few labels for its head', () => withConfig({ labels: ['a', 'b'] }), '"head.1.weight" has the shape [50, 3]'],
    ['a missing tensor', () => options({ model: { ...model, tensors: new Map() } }), 'no tensor "embedding.weight"'],
    ['a name with a space', () => options({ name: 'my reviews' }), 'cannot have the name "my reviews"'],
  ])('refuses %s as a mistake of its user', async (_what, make, message) => {
    const refused = exportModel(make());
    await expect(refused).rejects.toBeInstanceOf(UserError);
    await expect(refused).rejects.toThrow(message);
    await nothingWritten();
  });
});
