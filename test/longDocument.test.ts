/** A document of 20,000 tokens, from the trainer to HTTP: one answer everywhere, read to its end, in memory that does not grow. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeAll, describe, expect, it, vi } from 'vitest';

import { createApp } from '../serve/app.ts';
import { Classifier } from '../serve/classifier.ts';
import type { ChunkRow, ClassifierRuntime } from '../serve/classifierRuntime.ts';
import { loadBundle } from '../serve/node/runtime.ts';
import { fixedModels } from '../serve/modelRegistry.ts';
import { startServer, type RunningServer } from '../serve/node/server.ts';
import type { LabelScore } from '../serve/schema.ts';
import { writeModel } from '../trainer/checkpoint/modelFolder.ts';
import { exportBundle } from '../trainer/commands/export.ts';
import { tf } from '../trainer/engine/operations.ts';
import { TrainedClassifier, type ClassifierMember } from '../trainer/recipe/trainedClassifier.ts';
import { jsonLines } from './fixtures/generatedText.ts';
import { randomNumbers, storedModel, tinyClassifier } from './fixtures/tinyClassifier.ts';

const TOKENS = 20_000;
const WORDS = 'the film was good but story boring funny best actor love hate you i they watch more time worst plot great'.split(' ');

const PARTS = 4;

/**
 * Words at random, none of them twice in a row, because the tokenizer has a token of its own for repeated words. Each quarter of the
 * text has words of its own, so that an answer to a part of it is not the answer to the whole.
 */
function article(words: number, seed: number): string {
  const random = randomNumbers(seed);
  const perPart = Math.floor(WORDS.length / PARTS);
  let word = 0;
  return Array.from({ length: words }, (_, place) => {
    word = (word + 1 + Math.floor(random() * (perPart - 1))) % perPart;
    return WORDS[Math.floor((place * PARTS) / words) * perPart + word];
  }).join(' ');
}

/** With xxbos before them, that many tokens. */
const long = article(TOKENS - 1, 3);
const short = ['best film', article(300, 5), 'i hate the plot', article(69, 8)];

let folder: string;
let classifier: TrainedClassifier;
/** Its only member, which takes ids. */
let member: ClassifierMember;
let server: RunningServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  // A seed with which the classifier is not sure of the long document: otherwise no difference would show.
  const model = storedModel(tinyClassifier({ seed: 4, embedding: 12, hidden: 16, layers: 2 }));
  await writeModel(join(folder, 'model'), model, { card: '' });
  await writeFile(join(folder, 'documents.jsonl'), jsonLines([long, ...short]));
  using _progress = vi.spyOn(console, 'error').mockImplementation(() => {});
  await exportBundle(join(folder, 'model'), {
    out: join(folder, 'bundle'),
    documents: join(folder, 'documents.jsonl'),
    bundleVersion: '1',
    json: false,
  });
  classifier = await TrainedClassifier.open(join(folder, 'model'));
  [member] = classifier.members as [ClassifierMember];
  server = await startServer(join(folder, 'bundle'), { port: 0, threads: 1 });
  return async () => {
    await server.stop();
    classifier.dispose();
    await rm(folder, { recursive: true });
  };
});

const trainers = (texts: readonly string[]): number[][] =>
  classifier.answers(texts.map((text) => [text])).map((probabilities) => [...probabilities]);

/** The served scores in the order of the trainer's labels. */
async function served(inputs: readonly string[]): Promise<number[][]> {
  const response = await fetch(`${server.url}/v1/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs }),
  });
  expect(response.status).toBe(200);
  const answers = (await response.json()) as LabelScore[][];
  return answers.map((scores) => classifier.labels.map((label) => scores.find((score) => score.label === label)?.score ?? Number.NaN));
}

/** The largest difference of a probability. */
function difference(found: readonly (readonly number[])[], expected: readonly (readonly number[])[]): number {
  return Math.max(
    ...expected.flatMap((row, document) => row.map((value, label) => Math.abs(value - (found[document]?.[label] ?? Number.NaN)))),
  );
}

describe('a document of 20,000 tokens', () => {
  it('has that many, and none is left unread', () => {
    const ids = member.encode([long]);
    expect(ids.length).toBe(TOKENS);
    // Leaving a tenth of it out gives another answer, wherever that is; so do a few other words, at its beginning and its end too.
    const tenths = Array.from({ length: 10 }, (_, part) => (part * TOKENS) / 10);
    const shortened = tenths.map((start) => Int32Array.from([...ids.subarray(0, start), ...ids.subarray(start + TOKENS / 10)]));
    const changed = [1, TOKENS / 2, TOKENS - 50].map((start) => ids.slice().fill(20, start, start + 50));
    const [whole = new Float32Array(), ...others] = member.answers([ids, ...shortened, ...changed]);
    for (const [index, other] of others.entries()) {
      expect(difference([[...other]], [[...whole]]), `variant ${index}`).toBeGreaterThan(index < shortened.length ? 1e-3 : 1e-5);
    }
  });

  it('gets the same answer from the trainer and over HTTP', async () => {
    expect(difference(await served([long]), trainers([long]))).toBeLessThan(1e-4);
  });

  it('gets the same answer alone and among others, in the trainer and over HTTP', async () => {
    const together = [...short.slice(0, 2), long, ...short.slice(2)];
    const alone = together.map((text) => trainers([text])[0] ?? []);
    expect(difference(trainers(together), alone)).toBeLessThan(1e-5);
    const servedAlone = await Promise.all(together.map(async (text) => (await served([text]))[0] ?? []));
    expect(difference(await served(together), servedAlone)).toBeLessThan(1e-5);
    expect(difference(servedAlone, alone)).toBeLessThan(1e-4);
  });

  it('takes the trainer no more memory than one of 2,000', async () => {
    const peak = async (tokens: number) => {
      const ids = member.encode([article(tokens - 1, 3)]);
      const { peakBytes } = await tf.profile(() => void member.answers([ids]));
      return peakBytes;
    };
    const before = tf.memory();
    const peaks = [await peak(2000), await peak(TOKENS)] as const;
    expect(peaks[1] - before.numBytes).toBeLessThan((peaks[0] - before.numBytes) * 1.01);
    expect(tf.memory().numTensors).toBe(before.numTensors);
  });

  it('takes the server a state of the same size from its first chunk to its last', async () => {
    const { bundle, members } = await loadBundle(join(folder, 'bundle'), { threads: 1 });
    const [loaded] = members;
    if (loaded === undefined) throw new Error('A bundle has a member.');
    const { runtime } = loaded;
    const sizes = new Set<number>();
    const tokens: number[] = [];
    const numbersIn = (value: unknown): number => {
      if (value instanceof Float32Array) return value.length;
      return typeof value === 'object' && value !== null ? Object.values(value).reduce<number>((sum, part) => sum + numbersIn(part), 0) : 1;
    };
    // The real runtime, watched.
    const watched: ClassifierRuntime = {
      chunkLength: runtime.chunkLength,
      freshState: () => runtime.freshState(),
      dispose: () => runtime.dispose(),
      async run(rows: readonly ChunkRow[]) {
        const results = await runtime.run(rows);
        for (const [index, { state }] of results.entries()) {
          sizes.add(numbersIn(state));
          tokens.push(rows[index]?.tokens.length ?? 0);
        }
        return results;
      },
    };
    const app = createApp({
      models: fixedModels([new Classifier({ bundle, members: [{ ...loaded, runtime: watched }] }, { maxBatch: 4, maxQueue: 4 })]),
    });
    const body = JSON.stringify({ inputs: long });
    const response = await app.request('/v1/classify', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    expect(response.status).toBe(200);
    await watched.dispose();
    expect(tokens.reduce((sum, count) => sum + count, 0)).toBe(TOKENS);
    expect(tokens.length).toBeGreaterThan(200);
    // Hidden and cell of both layers, pooled maximum and sum, and the count.
    expect([...sizes]).toEqual([2 * (16 + 12) + 2 * 12 + 1]);
  });
});
