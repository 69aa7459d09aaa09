import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../test/fixtures/plainRuntime.ts';
import { tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import { answerOf } from './answers.ts';
import { createApp } from './app.ts';
import { Classifier } from './classifier.ts';
import type { LoadedBundle } from './classifierRuntime.ts';
import { fixedModels } from './modelRegistry.ts';
import type { LabelScore } from './schema.ts';
import type { App } from './service.ts';
import { errorOf, expectScores, SIZES, TOKENS } from './testSupport.ts';

interface Event {
  readonly tokens_read: number;
  readonly tokens: number;
  readonly final: boolean;
  readonly answer: LabelScore[];
}

let runtime: PlainRuntime;
let loaded: LoadedBundle;
let classifier: Classifier;
let app: App;
let faults: unknown[];

beforeEach(() => {
  runtime = new PlainRuntime({ sizes: SIZES });
  loaded = plainBundle([{ runtime, vocabulary: TOKENS }]);
  classifier = new Classifier(loaded, { maxBatch: 4, maxQueue: 2 });
  faults = [];
  app = createApp({ models: fixedModels([classifier]), onFault: (error) => faults.push(error) });
});

afterEach(() => {
  expect(faults).toEqual([]);
});

const TEXT = 'The film was not very good, but I like the plot and the actor. It is a fine story: dull, bad, but this is that of it!';
const LONG = 'good film ! '.repeat(2000);

const stream = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  Promise.resolve(
    app.request('/v1/classify/stream', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }),
  );

function expectPredictions(events: readonly Event[]): void {
  const ids = Vocabulary.fromTokens(TOKENS).encode(tokenize(TEXT));
  expect(events.length).toBeGreaterThan(3);
  for (const [index, { tokens_read, tokens, final, answer }] of events.entries()) {
    expect(tokens).toBe(ids.length);
    expect(tokens_read).toBeGreaterThan(events[index - 1]?.tokens_read ?? 0);
    expect(final).toBe(index === events.length - 1);
    expectScores(answer, answerOf(loaded.bundle, [runtime.alone(ids.subarray(0, tokens_read))]) as LabelScore[]);
  }
  expect(events.at(-1)?.tokens_read).toBe(ids.length);
}

describe('POST /v1/classify/stream', () => {
  it('sends the prediction after every chunk, as lines of JSON', async () => {
    const response = await stream({ inputs: TEXT });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await response.text()).split('\n');
    expect(lines.pop()).toBe('');
    expectPredictions(lines.map((line) => JSON.parse(line) as Event));
  });

  it('sends server-sent events to who accepts them', async () => {
    const response = await stream({ inputs: TEXT }, { accept: 'text/event-stream' });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const events = (await response.text()).split('\n\n');
    expect(events.pop()).toBe('');
    expectPredictions(events.map((event) => JSON.parse(/^event: prediction\ndata: (.*)$/.exec(event)?.[1] ?? '') as Event));
  });

  it('sends each prediction when it is there, not all at the end', async () => {
    const gates = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    runtime.beforeCall = () => gates[runtime.calls.length - 1]?.promise;
    gates[0]?.resolve();
    const reader = (await stream({ inputs: TEXT })).body?.getReader();
    for (const gate of [undefined, ...gates.slice(1)]) {
      gate?.resolve();
      expect(new TextDecoder().decode((await reader?.read())?.value)).toMatch(/^\{"tokens_read":\d+,.*\}\n$/);
      expect(classifier.inFlight).toBe(1);
    }
    await reader?.cancel();
  });

  it('takes the text out of the line when the client leaves', async () => {
    runtime.beforeCall = () => new Promise((resolve) => setTimeout(resolve, 2));
    const response = await stream({ inputs: LONG });
    const reader = response.body?.getReader();
    await reader?.read();
    expect(classifier.inFlight).toBe(1);
    await reader?.cancel();
    expect(classifier.inFlight).toBe(0);
    const calls = runtime.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(runtime.calls.length).toBeLessThanOrEqual(calls + 1);
  });

  it('answers what is wrong before the first prediction with its status', async () => {
    expect(await errorOf(await stream({ inputs: ' ' }))).toMatchObject({ status: 400, code: 'empty_input' });
    expect(await errorOf(await stream({ inputs: ['good'] }))).toMatchObject({
      status: 422,
      message: 'inputs must be a string: one text is streamed at a time.',
    });
    runtime.beforeCall = () => new Promise((resolve) => setTimeout(resolve, 2));
    const busy = await Promise.all([stream({ inputs: LONG }), stream({ inputs: LONG })]);
    expect(await errorOf(await stream({ inputs: 'good' }))).toMatchObject({ status: 429, code: 'queue_full' });
    await Promise.all(busy.map(async (response) => response.body?.cancel()));
    expect((await stream({ inputs: 'good' })).status).toBe(200);
  });

  it('tells a later fault in the stream, without its detail, and ends', async () => {
    runtime.beforeCall = () => {
      if (runtime.calls.length === 3) throw new Error('bad_alloc');
    };
    const lines = (await (await stream({ inputs: TEXT })).text()).trim().split('\n');
    expect(lines).toHaveLength(3);
    expect(JSON.parse(lines[2] ?? '')).toEqual({ error: { code: 'internal', message: expect.not.stringContaining('bad_alloc') } });
    expect(faults).toEqual([expect.objectContaining({ message: 'bad_alloc' })]);
    faults = [];
  });
});
