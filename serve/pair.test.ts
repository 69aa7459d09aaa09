/** A bundle of two models: one reads every text from its beginning, the other from its end. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../test/fixtures/plainRuntime.ts';
import { tokenize } from '../text/tokenizer.ts';
import { SPECIAL_TOKENS, Vocabulary } from '../text/vocabulary.ts';
import { createApp } from './app.ts';
import { Classifier } from './classifier.ts';
import type { LoadedBundle } from './classifierRuntime.ts';
import type { Answers, LabelScore } from './schema.ts';
import { appOn, classify, errorOf, expectScores, post, SIZES, type TestAppOptions, TOKENS, TOLERANCE, WORDS } from './testSupport.ts';
import { fixedModels } from './modelRegistry.ts';
import type { App } from './service.ts';

let runtime: PlainRuntime;
let loaded: LoadedBundle;
let faults: unknown[];

const appWith = (options: TestAppOptions = {}): App => appOn(loaded, faults, options);

afterEach(() => {
  expect(faults).toEqual([]);
});

describe('a pair', () => {
  /** The backward member's words have other ids than the forward member's. */
  const OTHER_TOKENS = [...SPECIAL_TOKENS, ...WORDS.toReversed()];
  let backward: PlainRuntime;

  beforeEach(() => {
    faults = [];
    runtime = new PlainRuntime({ sizes: SIZES });
    backward = new PlainRuntime({ sizes: SIZES, seed: 2, chunkLength: 5 });
    loaded = plainBundle([
      { runtime, vocabulary: TOKENS },
      { runtime: backward, vocabulary: OTHER_TOKENS },
    ]);
  });

  /** The logits of both members, each asked about the whole document at once. */
  function pairLogits(text: string): [Float32Array, Float32Array] {
    const tokens = tokenize(text);
    return [
      runtime.alone(Vocabulary.fromTokens(TOKENS).encode(tokens)),
      backward.alone(Vocabulary.fromTokens(OTHER_TOKENS).encode(tokens).reverse()),
    ];
  }

  const probabilitiesOf = (logits: Float32Array) => {
    const powers = [...logits].map(Math.exp);
    return powers.map((power) => power / powers.reduce((sum, other) => sum + other, 0));
  };

  const TEXTS = ['The film was not very good.', 'good', 'not good , bad', 'bad , not good', 'it is that plot '.repeat(30)];

  it("answers with the mean of its members' probabilities", async () => {
    const answers = (await (await classify(appWith(), { inputs: TEXTS })).json()) as LabelScore[][];
    for (const [index, text] of TEXTS.entries()) {
      const [one = [], other = []] = pairLogits(text).map(probabilitiesOf);
      const mean = loaded.bundle.labels.map((label, place) => ({ label, score: ((one[place] ?? NaN) + (other[place] ?? NaN)) / 2 }));
      expectScores(
        answers[index],
        mean.toSorted((left, right) => right.score - left.score),
      );
      // Neither member alone would have said so.
      for (const single of [one, other]) expect(Math.abs((single[0] ?? NaN) - (mean[0]?.score ?? NaN))).toBeGreaterThan(100 * TOLERANCE);
    }
  });

  it('reads every token once in each direction', async () => {
    await classify(appWith(), { inputs: TEXTS });
    const wanted = TEXTS.reduce((sum, text) => sum + tokenize(text).length, 0);
    for (const { calls } of [runtime, backward]) {
      expect(calls.flatMap(({ lengths }) => lengths).reduce((sum, length) => sum + length, 0)).toBe(wanted);
    }
  });

  it('applies any other function to the logits of each member, and takes the mean', async () => {
    const [one, other] = pairLogits('fine story');
    for (const [name, apply] of [
      ['none', (logit: number) => logit],
      ['sigmoid', (logit: number) => 1 / (1 + Math.exp(-logit))],
    ] as const) {
      const body = { inputs: 'fine story', parameters: { function_to_apply: name } };
      const scores = (await (await classify(appWith(), body)).json()) as LabelScore[];
      for (const { label, score } of scores) {
        const place = loaded.bundle.labels.indexOf(label);
        expect(score).toBeCloseTo((apply(one[place] ?? NaN) + apply(other[place] ?? NaN)) / 2, 5);
      }
    }
  });

  it('answers a document as alone, whatever else is in flight in either direction', async () => {
    const app = appWith({ maxBatch: 3, maxQueue: 64 });
    runtime.beforeCall = () => new Promise((resolve) => setTimeout(resolve, 1));
    const texts = Array.from({ length: 24 }, (_, index) =>
      Array.from({ length: 1 + ((index * 13) % 60) }, (_word, word) => WORDS[(word * 7 + index + (word >> 2)) % WORDS.length]).join(' '),
    );
    const ask = async (inputs: string) => (await (await classify(app, { inputs })).json()) as LabelScore[];
    const together = await Promise.all(texts.map(ask));
    for (const { calls } of [runtime, backward]) expect(Math.max(...calls.map(({ lengths }) => lengths.length))).toBe(3);
    for (const [index, text] of texts.entries()) expectScores(together[index], await ask(text));
  });

  it('answers several labels and values by their means too', async () => {
    const members = () => [
      { runtime, vocabulary: TOKENS },
      { runtime: backward, vocabulary: OTHER_TOKENS },
    ];
    loaded = plainBundle(members(), { task: 'multiLabel' });
    const [one, other] = pairLogits('a dull plot');
    const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));
    const several = (await (await classify(appWith(), { inputs: 'a dull plot' })).json()) as Answers['multiLabel'];
    for (const { label, score } of several.scores) {
      const place = loaded.bundle.labels.indexOf(label);
      expect(score).toBeCloseTo((sigmoid(one[place] ?? NaN) + sigmoid(other[place] ?? NaN)) / 2, 5);
    }

    runtime = new PlainRuntime({ sizes: SIZES, outputs: 1, seed: 3 });
    backward = new PlainRuntime({ sizes: SIZES, outputs: 1, seed: 4 });
    loaded = plainBundle(members(), { task: 'regression', labels: [], range: [0, 10] });
    const [first, second] = pairLogits('a dull plot');
    const { value } = (await (await classify(appWith(), { inputs: 'a dull plot' })).json()) as Answers['regression'];
    expect(value).toBeCloseTo((10 * sigmoid(first[0] ?? NaN) + 10 * sigmoid(second[0] ?? NaN)) / 2, 4);
  });

  it('429 while either line is full, and lets a list in whole or not at all', async () => {
    const gate = Promise.withResolvers<void>();
    backward.beforeCall = () => gate.promise;
    const app = appWith({ maxQueue: 3 });
    const waiting = classify(app, { inputs: ['good', 'bad', 'fine'] });
    await expect.poll(() => backward.calls.length).toBe(1);
    // The forward member is done with all three; the backward one has not answered any.
    await expect.poll(() => runtime.calls.length).toBeGreaterThan(0);
    const calls = runtime.calls.length;
    expect(await errorOf(await classify(app, { inputs: 'dull' }))).toMatchObject({ status: 429, code: 'queue_full' });
    expect(runtime.calls).toHaveLength(calls);
    gate.resolve();
    expect((await waiting).status).toBe(200);
    expect((await classify(app, { inputs: 'dull' })).status).toBe(200);
  });

  it('gives up a document in both directions when one of them fails', async () => {
    const classifier = new Classifier(loaded, { maxBatch: 2, maxQueue: 8 });
    const app = createApp({ models: fixedModels([classifier]), onFault: (error) => faults.push(error) });
    backward.beforeCall = () => {
      if (backward.calls.length === 2) throw new Error('bad_alloc');
    };
    runtime.beforeCall = () => new Promise((resolve) => setTimeout(resolve, 1));
    expect((await classify(app, { inputs: 'good film ! '.repeat(200) })).status).toBe(500);
    expect(classifier.inFlight).toBe(0);
    expect(runtime.calls.length).toBeLessThan(20);
    expect(faults).toHaveLength(1);
    faults = [];
  });

  it('500 rather than a mean with something that is no number', async () => {
    const run = backward.run.bind(backward);
    backward.run = async (rows) => (await run(rows)).map((result) => ({ ...result, logits: result.logits.fill(Number.NaN) }));
    expect(await errorOf(await classify(appWith(), { inputs: 'good' }))).toMatchObject({ status: 500, code: 'internal' });
    expect(faults).toHaveLength(1);
    faults = [];
  });

  it('takes the documents of a client that hangs up out of both lines, and disposes of both models', async () => {
    const slowly = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
    [runtime.beforeCall, backward.beforeCall] = [slowly, slowly];
    const classifier = new Classifier(loaded, { maxBatch: 4, maxQueue: 4 });
    const app = createApp({ models: fixedModels([classifier]), onFault: (error) => faults.push(error) });
    const client = new AbortController();
    const hungUp = post(app, JSON.stringify({ inputs: ['good film ! '.repeat(2000)] }), { signal: client.signal });
    await expect.poll(() => Math.min(runtime.calls.length, backward.calls.length)).toBeGreaterThan(1);
    client.abort();
    await hungUp.catch(() => {});
    expect(classifier.inFlight).toBe(0);
    await classifier.dispose();
    expect([runtime.disposed, backward.disposed]).toEqual([true, true]);
  });

  it('is refused with a vocabulary that does not fit one of its models', () => {
    const [forwardMember, backwardMember] = loaded.members;
    if (forwardMember === undefined || backwardMember === undefined) throw new Error('A pair has two members.');
    const members = [forwardMember, { ...backwardMember, vocabulary: TOKENS.slice(1) }];
    expect(() => new Classifier({ ...loaded, members }, { maxBatch: 1, maxQueue: 1 })).toThrow(
      `The vocabulary has ${TOKENS.length - 1} tokens, the backward model ${TOKENS.length}.`,
    );
  });

  it('/v1/models tells both directions', async () => {
    const { models } = (await (await appWith().request('/v1/models')).json()) as { models: object[] };
    expect(models).toEqual([
      expect.objectContaining({
        directions: ['forward', 'backward'],
        members: [
          { direction: 'forward', chunkLength: 7, sizes: SIZES },
          { direction: 'backward', chunkLength: 5, sizes: SIZES },
        ],
      }),
    ]);
  });
});
