import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import {
  referenceOf,
  type TinyClassifier,
  tinyClassifier,
  tinyDocument,
  tinyPartner,
  tokensOf,
  writeTinyBundle,
} from '../test/fixtures/tinyClassifier.ts';
import { UserError } from '../text/errors.ts';
import type { Bundle, Direction } from './bundle.ts';
import { readBundle } from './bundleFolder.ts';
import type { ExportableConfig, ExportableMember, ExportableModel } from './exportable.ts';
import { exportModel, type ExportOptions } from './exportModel.ts';

let home: string;
let out: string;
const model = tinyClassifier();

beforeAll(async () => void (home = await mkdtemp(join(tmpdir(), 'ulmfit-export-'))));
beforeEach(async () => void (out = join(await mkdtemp(join(home, 'test-')), 'bundle')));
afterAll(() => rm(home, { recursive: true, force: true }));

const answering = (classifier: TinyClassifier): ExportableMember => ({ ...classifier, reference: referenceOf(classifier) });

function options(changes: Partial<ExportOptions> = {}): ExportOptions {
  return {
    members: [answering(model)],
    out,
    name: 'reviews',
    version: '7',
    parityDocuments: [tokensOf(tinyDocument(12, { seed: 1 }), model)],
    ...changes,
  };
}

const withModel = (changes: Partial<ExportableModel>): ExportOptions => options({ members: [{ ...answering(model), ...changes }] });
const withConfig = (config: Partial<ExportableConfig>): ExportOptions => withModel({ config: { ...model.config, ...config } });
const pairOf = (...classifiers: readonly TinyClassifier[]): ExportOptions => options({ members: classifiers.map(answering) });

async function nothingWritten(): Promise<void> {
  expect(await readdir(join(out, '..'))).toEqual([]);
}

/** The largest difference that the gate found. */
function largestIn({ parity }: Bundle): number {
  return 'maxRelativeDifference' in parity ? parity.maxRelativeDifference : parity.maxProbabilityDifference;
}

/** What the graph file of a member says of itself. */
async function graphFile(direction: Direction) {
  const { producerName, producerVersion, metadataProps, docString, graph } = fromBinary(
    ModelProtoSchema,
    await readFile(join(out, `${direction}.onnx`)),
  );
  return {
    producer: [producerName, producerVersion],
    description: docString,
    metadata: Object.fromEntries(metadataProps.map(({ key, value }) => [key, value])),
    logits: graph?.output.find(({ name }) => name === 'logits')?.docString,
  };
}

describe('exportModel', () => {
  it('writes a bundle that can be read again, with the figures of the gate', async () => {
    const written = await exportModel(options({ created: new Date('2026-01-31T12:00:00Z'), description: 'Trained on tests.' }));
    expect(await readdir(join(out, '..'))).toEqual(['bundle']);
    expect((await readBundle(out)).bundle).toEqual(written);
    expect(written).toMatchObject({
      name: 'reviews',
      version: '7',
      task: 'singleLabel',
      labels: ['negative', 'positive', 'neutral'],
      members: [
        {
          direction: 'forward',
          chunkLength: 70,
          graph: 'forward.onnx',
          shards: ['forward-weights-00.bin'],
          vocabulary: 'vocabulary.json',
          metrics: { accuracy: 0.5 },
        },
      ],
      parity: { documents: 9, labelDisagreements: 0 },
      dataLicence: 'CC0-1.0',
      created: '2026-01-31T12:00:00.000Z',
    });
    expect(largestIn(written)).toBeLessThan(1e-5);
    expect(await readFile(join(out, 'README.md'), 'utf8')).toContain('Trained on tests.');
  });

  it('makes the same files of the same model', async () => {
    const one = await exportModel(options());
    const other = await exportModel(options());
    for (const file of ['forward.onnx', 'forward-weights-00.bin', 'vocabulary.json'])
      expect(other.checksums[file]).toBe(one.checksums[file]);
  });

  it('tells a stranger with only the graph what it is', async () => {
    await exportModel(options());
    const { metadata, ...graph } = await graphFile('forward');
    expect(graph).toMatchObject({
      producer: ['ulmfit', '0.1.0'],
      description: expect.stringContaining('from its first token to its last'),
    });
    expect(graph.logits).toContain('Softmax makes the logits probabilities of the labels.');
    expect(metadata).toEqual({
      task: 'text classification, one label a text',
      labels: '["negative","positive","neutral"]',
      name: 'reviews',
      version: '7',
      direction: 'forward',
      temperature: '1',
      chunk_length: '70',
      precision: 'fp32',
      tokenizer_version: '1',
      training_data_licence: 'CC0-1.0',
    });
  });

  it.each<[TinyClassifier, object, string]>([
    [
      tinyClassifier({ task: 'multiLabel', temperature: 2 }),
      { task: 'text classification, any number of labels a text', temperature: '2' },
      'Sigmoid makes each logit the probability that its label applies.',
    ],
    [tinyClassifier({ task: 'regression' }), { task: 'text regression, one number a text', range: '"any"' }, 'The logit is the value.'],
    [tinyClassifier({ task: 'regression', range: [1, 5] }), { range: '[1,5]' }, 'The value is 1 + 4 * sigmoid(logit).'],
  ])('tells how the answer is made of the logits: %#', async (classifier, metadata, sentence) => {
    await exportModel(pairOf(classifier));
    const graph = await graphFile('forward');
    expect(graph.metadata).toMatchObject(metadata);
    expect(graph.logits).toContain(sentence);
  });

  it('keeps only figures that are numbers', async () => {
    const written = await exportModel(withConfig({ metrics: { accuracy: 0.9, loss: Number.NaN, curve: [1, 2] } }));
    expect(written.members[0]?.metrics).toEqual({ accuracy: 0.9 });
  });

  it('makes shards of at most the wanted size', async () => {
    const { bundle } = await writeTinyBundle(out, { maxShardBytes: 16_384 });
    const shards = bundle.members.flatMap((member) => member.shards);
    expect(shards.length).toBeGreaterThan(3);
    for (const shard of shards) expect((await stat(join(out, shard))).size).toBeLessThanOrEqual(16_384);
    await expect(readBundle(out)).resolves.toBeDefined();
  });

  it('writes nothing where the graph does not answer as the trainer does', async () => {
    const failure = exportModel(options({ members: [{ ...model, reference: referenceOf(tinyClassifier({ seed: 9 })) }] }));
    await expect(failure).rejects.toThrow(/does not answer as the trainer does.*No bundle was written/);
    await expect(failure).rejects.not.toBeInstanceOf(UserError);
    await nothingWritten();
  });

  it.each<[string, () => ExportOptions, string]>([
    ['a language model', () => withConfig({ kind: 'languageModel' }), 'The model is a language model'],
    ['another tokenizer', () => withConfig({ tokenizerVersion: 2 }), 'version 2 of the tokenizer'],
    ['another vocabulary', () => withModel({ vocabulary: ['one'] }), 'vocabulary.json has 1 tokens, but model.json says 200'],
    ['too few labels for its head', () => withConfig({ labels: ['a', 'b'] }), '"head.1.weight" has the shape [50, 3]'],
    ['labels for the head of a regression', () => withConfig({ task: 'regression' }), '"head.1.weight" has the shape [50, 3]'],
    ['a missing tensor', () => withModel({ tensors: new Map() }), 'no tensor "embedding.weight"'],
    ['nothing', () => pairOf(), '0 forward and 0 backward ones were given'],
    ['two forward classifiers', () => pairOf(model, tinyClassifier({ seed: 3 })), '2 forward and 0 backward ones were given'],
    ['three classifiers', () => pairOf(model, tinyPartner({}), tinyPartner({})), '1 forward and 2 backward ones were given'],
    ['a pair for different labels', () => pairOf(model, tinyPartner({ classes: 2 })), 'differ in labels'],
    ['a pair for different tasks', () => pairOf(model, tinyPartner({ task: 'multiLabel' })), 'differ in task'],
    [
      'a pair for different ranges',
      () => pairOf(tinyClassifier({ task: 'regression', range: [1, 5] }), tinyPartner({ task: 'regression', range: [0, 5] })),
      'differ in range',
    ],
    ['a name with a space', () => options({ name: 'my reviews' }), 'cannot have the name "my reviews"'],
  ])('refuses %s as a mistake of its user', async (_what, make, message) => {
    const refused = exportModel(make());
    await expect(refused).rejects.toBeInstanceOf(UserError);
    await expect(refused).rejects.toThrow(message);
    await nothingWritten();
  });
});

describe('exportModel of a pair', () => {
  const forward = tinyClassifier();
  const backward = tinyPartner({}, { hidden: 20, chunkLength: 50, temperature: 1.5 });

  it('writes both graphs, the forward one first however they are given', async () => {
    const written = await exportModel(pairOf(backward, forward));
    expect((await readBundle(out)).bundle).toEqual(written);
    expect(written.members).toMatchObject([
      { direction: 'forward', sizes: { hidden: 32 }, chunkLength: 70, graph: 'forward.onnx', vocabulary: 'forward-vocabulary.json' },
      {
        direction: 'backward',
        sizes: { hidden: 20 },
        chunkLength: 50,
        temperature: 1.5,
        graph: 'backward.onnx',
        vocabulary: 'backward-vocabulary.json',
      },
    ]);
    expect(written.members[0]).not.toHaveProperty('temperature');
    // Three texts for deployments, the given document, one token, and the lengths around the borders of 70 and of 50 tokens.
    expect(written.parity).toMatchObject({ documents: 13, labelDisagreements: 0 });
    expect(largestIn(written)).toBeLessThan(1e-5);
    const graph = await graphFile('backward');
    expect(graph.description).toContain('from its last token to its first: feed the tokens in reverse order');
    expect(graph.metadata).toMatchObject({ direction: 'backward', temperature: '1.5', chunk_length: '50' });
  });

  it('asks each classifier about the same documents, in its own words and in the order in which it reads', async () => {
    const asked = new Map<Direction, readonly Int32Array[]>();
    const watched = (classifier: TinyClassifier): ExportableMember => {
      const { reference, ...rest } = answering(classifier);
      return {
        ...rest,
        reference: (documents) => {
          asked.set(classifier.config.direction, documents);
          return reference(documents);
        },
      };
    };
    await exportModel(options({ members: [watched(forward), watched(backward)] }));
    const [forwards = [], backwards = []] = [asked.get('forward'), asked.get('backward')];
    expect(forwards).toHaveLength(13);
    expect(backwards.map((ids) => tokensOf(ids.toReversed(), backward))).toEqual(forwards.map((ids) => tokensOf(ids, forward)));
    expect(backwards[0]?.at(-1)).toBe(2);
  });

  it('exports a backward classifier alone', async () => {
    const written = await exportModel(pairOf(backward));
    expect(written.members).toMatchObject([{ direction: 'backward', graph: 'backward.onnx', vocabulary: 'vocabulary.json' }]);
  });

  it('passes the gate for every task', async () => {
    for (const kind of [
      { task: 'multiLabel', temperature: 0.5 },
      { task: 'regression' },
      { task: 'regression', range: [-2, 6], temperature: 3 },
    ] as const) {
      const written = await exportModel(pairOf(tinyClassifier(kind), tinyPartner(kind)));
      expect(largestIn(written), JSON.stringify(kind)).toBeLessThan(1e-5);
      expect(written.members).toHaveLength(2);
    }
  });

  it.each(['forward', 'backward'] as const)('writes nothing where the %s graph alone is not what the trainer has', async (direction) => {
    const wrong = referenceOf(tinyClassifier({ seed: 77 }));
    const members = [forward, backward].map((classifier) => ({
      ...answering(classifier),
      ...(classifier.config.direction === direction ? { reference: wrong } : {}),
    }));
    await expect(exportModel(options({ members }))).rejects.toThrow(`The exported ${direction} graph does not answer as the trainer does`);
    await nothingWritten();
  });

  it("writes nothing where the trainer's backward classifier was asked forwards", async () => {
    const reference = referenceOf(backward);
    const confused: ExportableMember = { ...backward, reference: (documents) => reference(documents.map((ids) => ids.toReversed())) };
    await expect(exportModel(options({ members: [answering(forward), confused] }))).rejects.toThrow('The exported backward graph does not');
  });

  it('writes nothing where the temperature is not what the trainer divides by', async () => {
    const cold = tinyClassifier({ temperature: 1.2 });
    await expect(exportModel(options({ members: [{ ...cold, reference: referenceOf(forward) }] }))).rejects.toThrow('does not answer');
    await nothingWritten();
  });
});
