/** Bundles that answer with several labels or a number. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../test/fixtures/plainRuntime.ts';
import { tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import type { LoadedBundle } from './classifierRuntime.ts';
import { answerSchemas } from './schema.ts';
import { appOn, classify, errorOf, SECRET, SIZES, TOKENS } from './testSupport.ts';

let runtime: PlainRuntime;
let loaded: LoadedBundle;

const appWith = () => appOn(loaded, []);

describe('a bundle of another task', () => {
  const LABELS = ['funny', 'long', 'sad', 'short'];

  /** Serves one runtime, of four labels or one value, as a bundle of this task. */
  function serveTask(task: 'multiLabel' | 'regression', range?: [number, number]): void {
    runtime = new PlainRuntime({ sizes: SIZES, outputs: task === 'regression' ? 1 : LABELS.length, seed: 5 });
    const differences = { task, labels: task === 'regression' ? [] : LABELS, ...(range && { range }) };
    loaded = plainBundle([{ runtime, vocabulary: TOKENS }], differences);
  }

  const logitsOf = (text: string) => runtime.alone(Vocabulary.fromTokens(TOKENS).encode(tokenize(text)));
  const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));
  const ask = async (inputs: unknown, parameters?: unknown): Promise<unknown> => {
    const response = await classify(appWith(), { inputs, parameters });
    expect(response.status).toBe(200);
    return response.json();
  };

  const TEXTS = ['The film was not very good.', 'fine story', 'it is a dull plot, but the actor!', 'good', 'bad , bad . bad !'];

  it('answers with the labels that apply, and all scores, each for itself', async () => {
    serveTask('multiLabel');
    const answers = v.parse(v.array(answerSchemas.multiLabel), await ask(TEXTS));
    expect(answers).toHaveLength(TEXTS.length);
    for (const [index, { labels, scores }] of answers.entries()) {
      const probabilities = [...logitsOf(TEXTS[index] ?? '')].map(sigmoid);
      for (const { label, score } of scores) expect(score).toBeCloseTo(probabilities[LABELS.indexOf(label)] ?? NaN, 5);
      expect(scores).toEqual(scores.toSorted((one, other) => other.score - one.score));
      expect(labels).toEqual(scores.filter(({ score }) => score >= 0.5).map(({ label }) => label));
      expect(labels.toSorted()).toEqual(LABELS.filter((_, label) => (probabilities[label] ?? NaN) >= 0.5));
    }
    // Not all texts get the same labels, nor exactly one each: otherwise the above would say little.
    expect(new Set(answers.map(({ labels }) => labels.join())).size).toBeGreaterThan(1);
    expect(answers.some(({ labels }) => labels.length !== 1)).toBe(true);
    expect(await ask(TEXTS[1])).toEqual(answers[1]);
  });

  it('limits the scores to top_k, and never the labels', async () => {
    serveTask('multiLabel');
    const all = v.parse(answerSchemas.multiLabel, await ask(TEXTS[0]));
    expect(await ask(TEXTS[0], { top_k: 1 })).toEqual({ labels: all.labels, scores: all.scores.slice(0, 1) });
    expect(await ask(TEXTS[0], { function_to_apply: 'sigmoid', top_k: null })).toEqual(all);
    const raw = v.parse(answerSchemas.multiLabel, await ask(TEXTS[0], { function_to_apply: 'none' }));
    expect(raw.labels).toEqual(all.labels);
    for (const [index, { score }] of raw.scores.entries()) expect(sigmoid(score)).toBeCloseTo(all.scores[index]?.score ?? NaN, 12);
  });

  it('answers with a value', async () => {
    serveTask('regression');
    for (const text of TEXTS) {
      const { value } = v.parse(answerSchemas.regression, await ask(text));
      expect(value).toBeCloseTo(logitsOf(text)[0] ?? NaN, 5);
    }
    const values = v.parse(v.array(answerSchemas.regression), await ask(TEXTS));
    expect(new Set(values.map(({ value }) => value)).size).toBe(TEXTS.length);
  });

  it('answers with a value between bounds', async () => {
    serveTask('regression', [10, 30]);
    for (const text of TEXTS) {
      const { value } = v.parse(answerSchemas.regression, await ask(text));
      expect(value).toBeCloseTo(10 + 20 * sigmoid(logitsOf(text)[0] ?? NaN), 4);
    }
  });

  it.each<['multiLabel' | 'regression', unknown, string]>([
    ['multiLabel', { function_to_apply: 'softmax' }, 'parameters.function_to_apply must be "sigmoid" or "none"'],
    ['regression', { function_to_apply: 'none' }, 'parameters.function_to_apply is for models with labels'],
    ['regression', { top_k: 1 }, 'parameters.top_k is for models with labels; this one answers with a number'],
    ['regression', { top_k: SECRET }, 'parameters.top_k must be a whole number'],
  ])('422 from a model of %s for %j', async (task, parameters, message) => {
    serveTask(task);
    expect(await errorOf(await classify(appWith(), { inputs: 'good', parameters }))).toMatchObject({
      status: 422,
      code: 'invalid_request',
      message: expect.stringContaining(message),
    });
    expect((await classify(appWith(), { inputs: 'good', parameters: { top_k: null, function_to_apply: null } })).status).toBe(200);
  });

  it('/v1/models tells the task', async () => {
    serveTask('regression', [1, 5]);
    const { models } = (await (await appWith().request('/v1/models')).json()) as { models: object[] };
    expect(models).toEqual([expect.objectContaining({ task: 'regression', labels: [], range: [1, 5] })]);
    serveTask('multiLabel');
    const others = (await (await appWith().request('/v1/models')).json()) as { models: object[] };
    expect(others.models).toEqual([expect.objectContaining({ task: 'multiLabel', labels: LABELS })]);
    expect(others.models[0]).not.toHaveProperty('range');
  });
});
