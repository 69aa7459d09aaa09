/** The chunk step with 8-bit and with 16-bit weights. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ModelProtoSchema, TensorProto_DataType as DataType } from 'onnx-buf';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { referenceAnswer } from '../../test/fixtures/referenceClassifier.ts';
import { type TinyClassifier, tinyClassifier, tinyDocument } from '../../test/fixtures/tinyClassifier.ts';
import { UserError } from '../../text/errors.ts';
import { answerOf } from '../answers.ts';
import { outputCount, type Precision } from '../bundle.ts';
import { graphLogits } from '../parity.ts';
import { buildChunkStep, type ChunkStepFiles } from './chunkStep.ts';
import { classifierWeights } from './classifierWeights.ts';

const CHUNK = 16;
const model = tinyClassifier();
const { sizes } = model.config;
const documents = [1, 40, CHUNK, 7, 3 * CHUNK + 1, 2, 90].map((length) => tinyDocument(length, { seed: 100 + length }));

let folder: string;
const sessions: InferenceSession[] = [];

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'ulmfit-precisions-'))));

afterAll(async () => {
  for (const session of sessions) await session.release();
  await rm(folder, { recursive: true, force: true });
});

function build(precision: Precision, { tensors, config }: TinyClassifier = model, maxShardBytes?: number): ChunkStepFiles {
  return buildChunkStep(classifierWeights(tensors, config.sizes, outputCount(config), config.temperature), {
    producer: ['test', '1'],
    metadata: {},
    direction: 'forward',
    answer: 'For the tests.',
    precision,
    ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
  });
}

async function open({ graph, shards }: ChunkStepFiles, threads = 1): Promise<InferenceSession> {
  const home = await mkdtemp(join(folder, 'graph-'));
  for (const [file, bytes] of [['model.onnx', graph] as const, ...shards]) await writeFile(join(home, file), bytes);
  const session = await InferenceSession.create(join(home, 'model.onnx'), { intraOpNumThreads: threads, logSeverityLevel: 4 });
  sessions.push(session);
  return session;
}

const ask = (session: InferenceSession, asked: readonly Int32Array[], chunkLength = CHUNK): Promise<Float32Array[]> =>
  graphLogits(session, { sizes, chunkLength }, asked);

function largest(some: ArrayLike<number>, others: ArrayLike<number>): number {
  return Math.max(...Array.from(some, (value, place) => Math.abs(value - (others[place] ?? Number.NaN))));
}

const bytesOf = ({ shards }: ChunkStepFiles): number => [...shards.values()].reduce((sum, { length }) => sum + length, 0);

const typesOf = ({ graph }: ChunkStepFiles): Map<string, DataType> =>
  new Map(fromBinary(ModelProtoSchema, graph).graph?.initializer.map(({ name, dataType }) => [name, dataType]));

describe.each([
  ['fp16', 1e-3],
  ['int8', 0.05],
] as const)('the chunk step in %s', (precision, tolerance) => {
  it.each([
    {},
    { layers: 1, embedding: 8, hidden: 16, classes: 2 },
    { layers: 4, embedding: 11, hidden: 13, classes: 2 },
    { temperature: 2.5 },
    { task: 'multiLabel', temperature: 1.7 },
    { task: 'regression' },
    { task: 'regression', range: [-1, 1] },
  ] as const)('answers as the reference does: %o', async (kind) => {
    const classifier = tinyClassifier({ headScale: 0.1, ...kind });
    const session = await open(build(precision, classifier));
    const { range, task } = classifier.config;
    for (const document of documents) {
      const [logits = new Float32Array()] = await graphLogits(session, { sizes: classifier.config.sizes, chunkLength: CHUNK }, [document]);
      const answer = answerOf({ task, ...(range && { range: [...range] }) }, logits);
      const unit = task === 'regression' ? 2 : 1;
      expect(largest(answer, referenceAnswer(classifier.tensors, classifier.config, document))).toBeLessThan(tolerance * unit);
    }
  });

  it('answers a document beside others as alone, on any number of threads', async () => {
    const [one, four] = [await open(build(precision)), await open(build(precision), 4)];
    const alone: Float32Array[] = [];
    for (const document of documents) alone.push(...(await ask(one, [document])));
    for (const session of [one, four]) {
      const together = await ask(session, documents);
      documents.forEach((_, index) => expect(largest(together[index] ?? [], alone[index] ?? [])).toBeLessThan(1e-6));
    }
  });

  it('answers a document the same however it is cut into chunks, and whatever is beside it', async () => {
    const session = await open(build(precision));
    const tokens = fc.array(fc.integer({ min: 2, max: 199 }), { minLength: 1, maxLength: 30 }).map((ids) => Int32Array.from(ids));
    await fc.assert(
      fc.asyncProperty(tokens, fc.array(tokens, { maxLength: 5 }), fc.integer({ min: 1, max: 12 }), async (document, others, chunk) => {
        const [whole = []] = await ask(session, [document], 30);
        const [cut = []] = await ask(session, [document, ...others], chunk);
        expect(largest(cut, whole)).toBeLessThan(1e-5);
      }),
      { numRuns: 30, seed: 5 },
    );
  });

  it('answers the same from weights that are cut to fit small shards', async () => {
    const files = build(precision, model, 4096);
    expect([...typesOf(files).keys()].filter((name) => name.startsWith('embedding.part')).length).toBeGreaterThan(1);
    expect(await ask(await open(files), documents)).toEqual(await ask(await open(build(precision)), documents));
  });
});

describe('weights', () => {
  const big = tinyClassifier({ vocabulary: 4000, embedding: 64, hidden: 64, layers: 1 });
  const whole = bytesOf(build('fp32', big));

  it('take half of the space in 16 bits, and a quarter in 8', () => {
    // The head stays as it is, and guards and scales take some.
    expect(bytesOf(build('fp16', big)) / whole).toBeLessThan(0.52);
    expect(bytesOf(build('int8', big)) / whole).toBeLessThan(0.31);
  });

  it('are what they are said to be', () => {
    const half = typesOf(build('fp16', big));
    expect(half.get('embedding')).toBe(DataType.FLOAT16);
    expect(half.get('lstm_0_input_weights_float16')).toBe(DataType.FLOAT16);
    expect(half.get('head_0_weight')).toBe(DataType.FLOAT);
    const quarter = typesOf(build('int8', big));
    expect(quarter.get('embedding')).toBe(DataType.INT8);
    expect(quarter.get('lstm_0_recurrent_weights')).toBe(DataType.INT8);
    expect(quarter.get('lstm_0_recurrent_scales')).toBe(DataType.FLOAT);
    expect(quarter.get('head_0_weight')).toBe(DataType.FLOAT);
  });

  it('say so where 16 bits cannot hold one', () => {
    const { tensors, ...rest } = tinyClassifier();
    const weight = tensors.get('lstm.1.recurrentWeights');
    const tooLarge = { shape: weight?.shape ?? [], data: (weight?.data ?? new Float32Array()).with(5, 70_000) };
    const classifier = { ...rest, tensors: new Map(tensors).set('lstm.1.recurrentWeights', tooLarge) };
    expect(() => build('fp16', classifier)).toThrow(UserError);
    expect(() => build('fp16', classifier)).toThrow('lstm_1_recurrent_weights holds 70000, but 16 bits hold no number beyond 65504');
  });
});
