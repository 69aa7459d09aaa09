import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ModelProtoSchema } from 'onnx-buf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { pooledOutputs, referenceAnswer, referenceLogits, referenceProbabilities } from '../../test/fixtures/referenceClassifier.ts';
import { type TinyClassifier, tinyClassifier, tinyDocument } from '../../test/fixtures/tinyClassifier.ts';
import { layerSizes, LOWEST_FLOAT32, outputCount } from '../bundle.ts';
import { answerOf } from '../answers.ts';
import { graphLogits } from '../parity.ts';
import { buildChunkStep, type ChunkStepFiles } from './chunkStep.ts';
import { classifierWeights } from './classifierWeights.ts';

/** onnxruntime computes sigmoid and tanh in float32 with short approximations; the reference is double precision throughout. */
const TOLERANCE = 1e-5;
const CHUNK = 16;

function build(model: TinyClassifier, maxShardBytes?: number): ChunkStepFiles {
  const { sizes, temperature, direction } = model.config;
  return buildChunkStep(classifierWeights(model.tensors, sizes, outputCount(model.config), temperature), {
    producer: ['test', '1'],
    metadata: { task: 'test' },
    direction,
    answer: 'For the tests.',
    ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
  });
}

let folder: string;
const sessions: InferenceSession[] = [];

async function open(name: string, { graph, shards }: ChunkStepFiles): Promise<InferenceSession> {
  const home = await mkdtemp(join(folder, name));
  for (const [file, bytes] of [['model.onnx', graph] as const, ...shards]) await writeFile(join(home, file), bytes);
  const session = await InferenceSession.create(join(home, 'model.onnx'), { intraOpNumThreads: 1, logSeverityLevel: 4 });
  sessions.push(session);
  return session;
}

const model = tinyClassifier();
const description = { sizes: model.config.sizes, chunkLength: CHUNK };
let session: InferenceSession;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-graph-'));
  session = await open('plain', build(model));
});

afterAll(async () => {
  for (const opened of sessions) await opened.release();
  await rm(folder, { recursive: true, force: true });
});

/** The probabilities of labels that the graph gives. */
async function classify(from: InferenceSession, how: typeof description, documents: readonly Int32Array[]): Promise<Float32Array[]> {
  return (await graphLogits(from, how, documents)).map((logits) => answerOf({ task: 'singleLabel' }, logits));
}

function largestDifference(answer: ArrayLike<number>, expected: readonly number[]): number {
  expect(answer.length).toBe(expected.length);
  return Math.max(...expected.map((value, index) => Math.abs(value - (answer[index] ?? Number.NaN))));
}

/** Every input of a fresh batch: tokens [batch, time], their lengths, and the state of documents not yet begun. */
function freshInputs(rows: readonly (readonly number[])[], lengths: readonly number[]): Record<string, Tensor> {
  const { sizes } = model.config;
  const batch = rows.length;
  const state = (size: number, value = 0): Tensor => new Tensor('float32', new Float32Array(batch * size).fill(value), [batch, size]);
  return {
    tokens: new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [batch, rows[0]?.length ?? 0]),
    lengths: new Tensor('int32', Int32Array.from(lengths), [batch]),
    ...Object.fromEntries(
      layerSizes(sizes).flatMap((size, layer) => [
        [`hidden_${layer}`, state(size)],
        [`cell_${layer}`, state(size)],
      ]),
    ),
    pooled_max: state(sizes.embedding, LOWEST_FLOAT32),
    pooled_sum: state(sizes.embedding),
    count: state(1),
  };
}

function numbers(outputs: InferenceSession.ReturnType, name: string): number[] {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`No float32 output "${name}".`);
  return [...data];
}

describe('the chunk-step graph', () => {
  it.each([1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 5 * CHUNK + 3])(
    'answers a document of %i tokens as the reference does',
    async (length) => {
      const document = tinyDocument(length, { seed: length });
      const [answer] = await classify(session, description, [document]);
      expect(largestDifference(answer ?? [], referenceProbabilities(model.tensors, document))).toBeLessThan(TOLERANCE);
    },
  );

  it('answers with different labels for different documents, so that agreeing means something', async () => {
    const documents = Array.from({ length: 20 }, (_, seed) => tinyDocument(3 + seed, { seed }));
    const answers = await classify(session, description, documents);
    expect(new Set(answers.map((answer) => answer.indexOf(Math.max(...answer)))).size).toBe(3);
  });

  it('answers a document in a padded batch as alone', async () => {
    const documents = [1, 40, CHUNK, 7, 3 * CHUNK + 1, 2].map((length) => tinyDocument(length, { seed: 100 + length }));
    const together = await classify(session, description, documents);
    for (const [index, document] of documents.entries()) {
      const [alone] = await classify(session, description, [document]);
      expect(largestDifference(together[index] ?? [], [...(alone ?? [])])).toBeLessThan(1e-6);
    }
  });

  it('answers any document the same however it is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 2, max: 199 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 12 }),
        async (tokens, chunkLength) => {
          const [answer] = await classify(session, { ...description, chunkLength }, [Int32Array.from(tokens)]);
          expect(largestDifference(answer ?? [], referenceProbabilities(model.tensors, tokens))).toBeLessThan(TOLERANCE);
        },
      ),
      { numRuns: 30, seed: 7 },
    );
  });

  it('gives logits and running values of the whole document so far', async () => {
    const document = [...tinyDocument(9, { seed: 5 })];
    const outputs = await session.run(freshInputs([document], [9]));
    const { embedding, layers } = model.config.sizes;
    const expected = pooledOutputs(model.tensors, document);

    expect(largestDifference(numbers(outputs, 'logits'), referenceLogits(model.tensors, document))).toBeLessThan(TOLERANCE);
    expect(numbers(outputs, 'new_count')).toEqual([9]);
    expect(largestDifference(numbers(outputs, `new_hidden_${layers - 1}`), expected.slice(0, embedding))).toBeLessThan(TOLERANCE);
    expect(largestDifference(numbers(outputs, 'new_pooled_max'), expected.slice(embedding, 2 * embedding))).toBeLessThan(TOLERANCE);
    expect(
      largestDifference(
        numbers(outputs, 'new_pooled_sum').map((sum) => sum / 9),
        expected.slice(2 * embedding),
      ),
    ).toBeLessThan(TOLERANCE);
  });

  it('lets padding change nothing: not the answer, not the state, whatever its ids are', async () => {
    const document = [...tinyDocument(5, { seed: 6 })];
    const other = [...tinyDocument(9, { seed: 7 })];
    const withPadding = (id: number): Promise<InferenceSession.ReturnType> =>
      session.run(freshInputs([[...document, id, id, id, id], other], [5, 9]));
    const ones = await withPadding(1);
    const others = await withPadding(150);
    const alone = await session.run(freshInputs([document], [5]));

    for (const name of session.outputNames) {
      expect(numbers(others, name)).toEqual(numbers(ones, name));
      const expected = numbers(alone, name);
      expect(largestDifference(numbers(ones, name).slice(0, expected.length), expected)).toBeLessThan(1e-6);
    }
  });

  it('takes the maximum of real outputs only, even where all of them are negative', async () => {
    const outputs = await session.run(freshInputs([[2, 40, 1, 1, 1]], [2]));
    expect(numbers(outputs, 'new_pooled_max').some((value) => value < 0)).toBe(true);
  });

  it('refuses ids that the vocabulary does not have', async () => {
    await expect(session.run(freshInputs([[2, 200]], [2]))).rejects.toThrow(/indices|out of/i);
  });

  it('answers the same from weights that are cut to fit small shards', async () => {
    const files = build(model, 8192);
    expect(files.shards.size).toBeGreaterThan(5);
    expect(Math.max(...[...files.shards.values()].map((shard) => shard.length))).toBeLessThanOrEqual(8192);
    const names = fromBinary(ModelProtoSchema, files.graph).graph?.initializer.map(({ name }) => name) ?? [];
    // 200 rows of 24 numbers need three shards of 8 KiB; both kinds of cut weights must be among these.
    expect(names.filter((name) => name.startsWith('embedding.part'))).toHaveLength(3);
    expect(names).toContain('lstm_0_input_weights.part1');

    const cut = await open('cut', files);
    const everyToken = Int32Array.from({ length: 200 }, (_, id) => id);
    const [whole] = await classify(session, description, [everyToken]);
    const [pieces] = await classify(cut, description, [everyToken]);
    expect(pieces).toEqual(whole);
    for (const id of [0, 84, 85, 86, 169, 170, 171, 199]) {
      const one = freshInputs([[id]], [1]);
      expect(numbers(await cut.run(one), 'new_hidden_0'), `token ${id}`).toEqual(numbers(await session.run(one), 'new_hidden_0'));
    }
    await expect(cut.run(freshInputs([[2, 200]], [2]))).rejects.toThrow(/indices|out of/i);
  });

  it.each([
    { layers: 1, embedding: 8, hidden: 16, classes: 2 },
    { layers: 2, embedding: 16, hidden: 8, classes: 5 },
    { layers: 4, embedding: 10, hidden: 14, classes: 2 },
  ])('holds for other sizes: %o', async (sizes) => {
    const other = tinyClassifier({ ...sizes, seed: 21 });
    const opened = await open('other', build(other));
    const document = tinyDocument(CHUNK + 5, { seed: 1 });
    const [answer] = await classify(opened, { sizes: other.config.sizes, chunkLength: CHUNK }, [document]);
    expect(largestDifference(answer ?? [], referenceProbabilities(other.tensors, document))).toBeLessThan(TOLERANCE);
  });

  it.each([
    { temperature: 2.5 },
    { temperature: 0.4 },
    { task: 'multiLabel', temperature: 1.7 },
    { task: 'regression' },
    { task: 'regression', range: [10, 20] },
  ] as const)('holds for another task or temperature: %o', async (kind) => {
    const other = tinyClassifier({ ...kind, seed: 12 });
    const opened = await open('kind', build(other));
    const document = tinyDocument(CHUNK + 5, { seed: 1 });
    const [logits = new Float32Array()] = await graphLogits(opened, description, [document]);
    const { range } = other.config;
    const answer = answerOf({ task: other.config.task, ...(range && { range: [...range] }) }, logits);
    expect(largestDifference(answer, referenceAnswer(other.tensors, other.config, document))).toBeLessThan(TOLERANCE * (range ? 10 : 1));
  });

  it('divides the logits by the temperature, so that probabilities come closer together and keep their order', async () => {
    const hot = await open('hot', build(tinyClassifier({ temperature: 4 })));
    const document = tinyDocument(30, { seed: 3 });
    const [cold = new Float32Array()] = await graphLogits(session, description, [document]);
    const [warm = new Float32Array()] = await graphLogits(hot, description, [document]);
    expect(
      largestDifference(
        warm,
        [...cold].map((logit) => logit / 4),
      ),
    ).toBeLessThan(1e-6);
    const spread = (logits: Float32Array) => {
      const probabilities = answerOf({ task: 'singleLabel' }, logits);
      return Math.max(...probabilities) - Math.min(...probabilities);
    };
    expect(spread(warm)).toBeLessThan(0.5 * spread(cold));
  });

  it('has the agreed inputs and outputs, each with a description', () => {
    const { graph } = fromBinary(ModelProtoSchema, build(model).graph);
    const layers = [0, 1, 2].flatMap((layer) => [`hidden_${layer}`, `cell_${layer}`]);
    const state = [...layers, 'pooled_max', 'pooled_sum', 'count'];
    expect(graph?.input.map(({ name }) => name)).toEqual(['tokens', 'lengths', ...state]);
    expect(graph?.output.map(({ name }) => name).toSorted()).toEqual(['logits', ...state.map((name) => `new_${name}`)].toSorted());
    for (const { name, docString } of [...(graph?.input ?? []), ...(graph?.output ?? []), ...(graph?.node ?? [])]) {
      expect(docString, name).not.toBe('');
    }
  });
});
