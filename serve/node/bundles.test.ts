/** Every kind of bundle over HTTP on onnxruntime-node: against the equations, which know nothing of chunks, batches or servers. */
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { expectedAnswer, type TinyBundleOptions, type TinyClassifier, writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { tokenize } from '../../text/tokenizer.ts';
import { UserError } from '../../text/errors.ts';
import { answerSchemas } from '../schema.ts';
import { type RunningServer, startServer } from './server.ts';

/** onnxruntime in float32 against the equations in float64. */
const TOLERANCE = 1e-5;
const SIZES = { embedding: 8, hidden: 10, layers: 2, chunkLength: 20 };
const WORDS = 'the film was good but story boring funny best actor love hate you i they watch more time worst plot great'.split(' ');

const article = (words: number, seed: number) =>
  Array.from({ length: words }, (_, index) => WORDS[(index * 11 + seed + (index >> 4)) % WORDS.length]).join(' ');

/** One token, around the borders of a chunk, and many chunks. */
const TEXTS = ['good', 'The film was not very good!', ...[18, 19, 20, 21, 38, 39, 40, 41, 200].map((words) => article(words, words))];

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-bundles-'));
});

afterAll(() => rm(folder, { recursive: true }));

/** Serves a bundle of this kind while `use` asks it. */
async function serving(
  name: string,
  options: TinyBundleOptions,
  use: (ask: (inputs: unknown) => Promise<unknown>, models: readonly TinyClassifier[], server: RunningServer) => Promise<void>,
): Promise<void> {
  const bundle = join(folder, name);
  const { models } = await writeTinyBundle(bundle, { ...SIZES, ...options });
  const server = await startServer(bundle, { port: 0, threads: 1 });
  try {
    const ask = async (inputs: unknown): Promise<unknown> => {
      const response = await fetch(`${server.url}/v1/classify`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ inputs }),
      });
      expect(response.status).toBe(200);
      return response.json();
    };
    await use(ask, models, server);
  } finally {
    await server.stop();
  }
}

/** The scores of an answer in the order of the model's labels. */
function inOrder(scores: v.InferOutput<typeof answerSchemas.singleLabel>, model: TinyClassifier | undefined): number[] {
  return (model?.config.labels ?? []).map((wanted) => scores.find(({ label }) => label === wanted)?.score ?? Number.NaN);
}

function expectClose(found: readonly number[], wanted: readonly number[], unit = 1): void {
  expect(found).toHaveLength(wanted.length);
  for (const [place, value] of wanted.entries()) expect(Math.abs((found[place] ?? NaN) - value)).toBeLessThan(TOLERANCE * unit);
}

describe('a bundle over HTTP', () => {
  it.each<[string, TinyBundleOptions]>([
    ['a pair', { backward: { hidden: 14, chunkLength: 13 } }],
    ['a pair with one vocabulary', { backward: { otherWords: false } }],
    ['a pair of different temperatures', { temperature: 2.5, backward: { temperature: 0.7 } }],
    ['a backward model alone', { direction: 'backward' }],
    ['a forward model with a temperature', { temperature: 3 }],
  ])('answers with one label: %s', async (name, options) => {
    await serving(name, options, async (ask, models, server) => {
      const answers = v.parse(v.array(answerSchemas.singleLabel), await ask(TEXTS));
      for (const [index, text] of TEXTS.entries())
        expectClose(inOrder(answers[index] ?? [], models[0]), expectedAnswer(models, tokenize(text)));
      expect(server.classifier.inFlight).toBe(0);
    });
  });

  it.each<[string, TinyBundleOptions]>([
    ['several labels', { task: 'multiLabel', classes: 5 }],
    ['several labels from a pair', { task: 'multiLabel', classes: 5, temperature: 1.5, backward: {} }],
  ])('answers with %s', async (name, options) => {
    await serving(name, options, async (ask, models) => {
      const answers = v.parse(v.array(answerSchemas.multiLabel), await ask(TEXTS));
      for (const [index, text] of TEXTS.entries()) {
        const wanted = expectedAnswer(models, tokenize(text));
        expectClose(inOrder(answers[index]?.scores ?? [], models[0]), wanted);
        expect(answers[index]?.labels.toSorted()).toEqual(
          models[0]?.config.labels.filter((_, label) => (wanted[label] ?? 0) >= 0.5).toSorted(),
        );
      }
      expect(new Set(answers.map(({ labels }) => labels.join())).size).toBeGreaterThan(1);
      expect(await ask(TEXTS[1])).toEqual(expect.objectContaining({ labels: answers[1]?.labels }));
    });
  });

  it.each<[string, TinyBundleOptions, number]>([
    ['a number', { task: 'regression' }, 1],
    ['a number between bounds from a pair', { task: 'regression', range: [10, 20], backward: { seed: 3 } }, 10],
  ])('answers with %s', async (name, options, unit) => {
    await serving(name, options, async (ask, models) => {
      const answers = v.parse(v.array(answerSchemas.regression), await ask(TEXTS));
      for (const [index, text] of TEXTS.entries())
        expectClose([answers[index]?.value ?? NaN], expectedAnswer(models, tokenize(text)), unit);
      expect(new Set(answers.map(({ value }) => value)).size).toBe(TEXTS.length);
    });
  });

  it('answers a document of a pair as alone, whatever is in flight with it', async () => {
    await serving('mates', { backward: {} }, async (ask, models, server) => {
      const texts = Array.from({ length: 40 }, (_, index) => article(1 + ((index * 37) % 150), index));
      const parse = (answer: unknown) => inOrder(v.parse(answerSchemas.singleLabel, answer), models[0]);
      const together = await Promise.all(texts.map(async (text) => parse(await ask(text))));
      expect(server.classifier.inFlight).toBe(0);
      for (const [index, text] of texts.entries()) expectClose(together[index] ?? [], parse(await ask(text)));
    });
  });
});

describe('a pair that is damaged', () => {
  it.each(['forward-weights-00.bin', 'backward-weights-00.bin'])('is refused with a truncated %s', async (shard) => {
    const damaged = join(folder, `damaged-${shard}`);
    await writeTinyBundle(damaged, { ...SIZES, backward: {} });
    await truncate(join(damaged, shard), 1000);
    const refused = startServer(damaged, { port: 0 });
    await expect(refused).rejects.toBeInstanceOf(UserError);
    await expect(refused).rejects.toThrow(`${shard} is damaged or belongs to another bundle`);
  });
});
