import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../test/fixtures/plainRuntime.ts';
import { tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import { answerOf } from './answers.ts';
import { createApp } from './app.ts';
import { Classifier } from './classifier.ts';
import type { LoadedBundle } from './classifierRuntime.ts';
import type { LabelScore } from './schema.ts';
import { appOn, classify, errorOf, expectScores, post, SECRET, SIZES, type TestAppOptions, TOKENS, WORDS } from './testSupport.ts';
import { fixedModels } from './modelRegistry.ts';
import type { App } from './service.ts';

let runtime: PlainRuntime;
let loaded: LoadedBundle;
let faults: unknown[];

const appWith = (options: TestAppOptions = {}): App => appOn(loaded, faults, options);

function expected(text: string): LabelScore[] {
  return answerOf(loaded.bundle, [runtime.alone(Vocabulary.fromTokens(TOKENS).encode(tokenize(text)))]) as LabelScore[];
}

beforeEach(() => {
  runtime = new PlainRuntime({ sizes: SIZES });
  loaded = plainBundle([{ runtime, vocabulary: TOKENS }]);
  faults = [];
});

afterEach(() => {
  expect(faults).toEqual([]);
});

describe('POST /v1/classify', () => {
  it('answers one text with its labels, best first', async () => {
    const response = await classify(appWith(), { inputs: 'The film was not very good.' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    const scores = (await response.json()) as LabelScore[];
    expectScores(scores, expected('The film was not very good.'));
    expect(scores.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 12);
    expect(scores.map(({ score }) => score)).toEqual(scores.map(({ score }) => score).toSorted((one, other) => other - one));
  });

  it('answers a list with a list in the same order, every text of it, a list of one included', async () => {
    const texts = ['Good film!', 'The plot was dull and the actor was bad.', 'it is', 'Good film!'];
    const answers = (await (await classify(appWith(), { inputs: texts })).json()) as LabelScore[][];
    expect(answers).toHaveLength(texts.length);
    for (const [index, text] of texts.entries()) expectScores(answers[index], expected(text));
    const single = (await (await classify(appWith(), { inputs: ['it is'] })).json()) as LabelScore[][];
    expect(single).toHaveLength(1);
    expectScores(single[0], expected('it is'));
  });

  it('reads a text of 20,000 words to its end', async () => {
    const text = Array.from({ length: 20_000 }, (_, index) => WORDS[(index * 7 + (index >> 3)) % (WORDS.length - 3)]).join(' ');
    const other = `${text} not good !`;
    const answers = (await (await classify(appWith(), { inputs: [text, other] })).json()) as LabelScore[][];
    expectScores(answers[0], expected(text));
    expectScores(answers[1], expected(other));
    expect(answers[0]).not.toEqual(answers[1]);
    const tokensRead = runtime.calls.reduce((sum, call) => sum + call.lengths.reduce((total, length) => total + length, 0), 0);
    expect(tokensRead).toBe(tokenize(text).length + tokenize(other).length);
  });

  it('takes top_k and function_to_apply', async () => {
    const app = appWith();
    const all = (await (await classify(app, { inputs: 'fine story' })).json()) as LabelScore[];
    const ask = async (parameters: unknown) => (await (await classify(app, { inputs: 'fine story', parameters })).json()) as LabelScore[];
    expect(await ask({ top_k: 1 })).toEqual(all.slice(0, 1));
    expect(await ask({ top_k: 99 })).toEqual(all);
    expect(await ask({ top_k: null, function_to_apply: null })).toEqual(all);
    expect(await ask({})).toEqual(all);
    expect(await ask(null)).toEqual(all);
    const logits = await ask({ function_to_apply: 'none' });
    const sigmoids = await ask({ function_to_apply: 'sigmoid' });
    expect(logits.map(({ label }) => label)).toEqual(all.map(({ label }) => label));
    for (const [index, { score }] of logits.entries()) expect(sigmoids[index]?.score).toBeCloseTo(1 / (1 + Math.exp(-score)), 12);
    const [first, second] = logits;
    // The quotient of two softmax scores is e to the difference of their logits.
    expect((all[0]?.score ?? NaN) / (all[1]?.score ?? NaN)).toBeCloseTo(Math.exp((first?.score ?? NaN) - (second?.score ?? NaN)), 6);
  });

  it.each([
    ['a NUL', 'good\u0000film'],
    ['a lone surrogate', 'good \ud83d film'],
    ['emoji and other scripts', '👍🏽 Очень хорошо 非常好 🇩🇪'],
    ['control characters and line ends', 'good\u0007\r\n\u2028film\t.'],
    ['tokens of the model itself', 'xxbos xxpad xxunk good'],
    ['markup', '<br /><b>good</b> &amp; &#39;fine&#39;'],
  ])('answers a text with %s', async (_what, text) => {
    const response = await classify(appWith(), { inputs: text });
    expect(response.status).toBe(200);
    expectScores(await response.json(), expected(text.toWellFormed()));
  });

  it('answers escaped lone surrogates, a byte order mark and spaces around the body', async () => {
    expect((await post(appWith(), '{"inputs": "good \\ud800 film"}')).status).toBe(200);
    expect((await post(appWith(), '\ufeff {"inputs": "good"} \n')).status).toBe(200);
  });

  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'])('takes %s', async (type) => {
    expect((await post(appWith(), '{"inputs": "good"}', { headers: { 'content-type': type } })).status).toBe(200);
  });
});

describe('a request that cannot be answered', () => {
  it.each([
    ['nothing', ''],
    ['text', SECRET],
    ['broken JSON', `{"inputs": "${SECRET}`],
    ['two values', '{"inputs": "a"} {"inputs": "b"}'],
    ['a raw NUL', '{"inputs": "a\u0000b"}'],
    ['a trailing comma', `{"inputs": "${SECRET}",}`],
    ['single quotes', `{'inputs': '${SECRET}'}`],
  ])('400 for a body of %s', async (_what, body) => {
    expect(await errorOf(await post(appWith(), body))).toMatchObject({ status: 400, code: 'malformed_body' });
  });

  it('400 for bytes that are not UTF-8', async () => {
    const latin1 = Uint8Array.from([...'{"inputs": "caf'].map((character) => character.charCodeAt(0)).concat(0xe9, 0x22, 0x7d));
    expect(await errorOf(await post(appWith(), latin1))).toMatchObject({
      status: 400,
      code: 'malformed_body',
      message: expect.stringContaining('UTF-8'),
    });
  });

  it.each([
    ['an empty string', '', 'inputs is blank'],
    ['spaces', ' \n\t', 'inputs is blank'],
    ['an empty list', [], 'inputs is an empty array'],
    ['a list with an empty string', ['good', ''], 'inputs[1] is blank'],
  ])('400 for %s', async (_what, inputs, message) => {
    expect(await errorOf(await classify(appWith(), { inputs }))).toMatchObject({
      status: 400,
      code: 'empty_input',
      message: expect.stringContaining(message),
    });
  });

  it.each<[string, unknown, string]>([
    ['null', null, 'The body must be an object with "inputs"'],
    ['a string', SECRET, 'The body must be an object'],
    ['an array', [SECRET], 'The body must be an object'],
    ['no inputs', {}, 'The body must be an object with "inputs"'],
    ['another key', { text: SECRET }, 'must be an object with "inputs"'],
    ['a further key', { inputs: 'good', [SECRET]: 1 }, 'no other entries'],
    ['inputs of a number', { inputs: 12 }, 'inputs must be a string or an array of strings'],
    ['inputs of null', { inputs: null }, 'inputs must be a string or an array of strings'],
    ['inputs of an object', { inputs: { text: SECRET } }, 'inputs must be a string or an array of strings'],
    ['a number among the inputs', { inputs: ['good', SECRET, 3] }, 'inputs[2] must be a string'],
    ['a list within the list', { inputs: ['good', [SECRET]] }, 'inputs[1] must be a string'],
    ['parameters of a string', { inputs: 'good', parameters: SECRET }, 'parameters must be an object'],
    ['an unknown parameter', { inputs: 'good', parameters: { [SECRET]: 1 } }, 'parameters must be an object with no other entries'],
    ['top_k of zero', { inputs: 'good', parameters: { top_k: 0 } }, 'parameters.top_k must be at least 1'],
    ['top_k of 1.5', { inputs: 'good', parameters: { top_k: 1.5 } }, 'parameters.top_k must be a whole number'],
    ['top_k of a string', { inputs: 'good', parameters: { top_k: SECRET } }, 'parameters.top_k must be a whole number'],
    [
      'an unknown function',
      { inputs: 'good', parameters: { function_to_apply: SECRET } },
      'parameters.function_to_apply must be "softmax"',
    ],
  ])('422 for %s', async (_what, body, message) => {
    expect(await errorOf(await classify(appWith(), body))).toMatchObject({
      status: 422,
      code: 'invalid_request',
      message: expect.stringContaining(message),
    });
  });

  it('422 for a million nested arrays, and the server lives', async () => {
    const app = appWith();
    const depth = 1_000_000;
    expect(await errorOf(await post(app, `{"inputs": ${'['.repeat(depth)}${']'.repeat(depth)}}`))).toMatchObject({
      status: 422,
      code: 'invalid_request',
    });
    expect(await errorOf(await post(app, '['.repeat(depth)))).toMatchObject({ status: 400, code: 'malformed_body' });
    expect((await classify(app, { inputs: 'good' })).status).toBe(200);
  });

  it('422 for keys that would change an object', async () => {
    expect(await errorOf(await post(appWith(), '{"inputs": "good", "__proto__": {"parameters": {}}}'))).toMatchObject({
      status: 422,
      code: 'invalid_request',
    });
  });

  it('413 for a body over the limit, before it is parsed, and takes one at the limit', async () => {
    const app = appWith({ maxBodyBytes: 1000 });
    const bodyOf = (bytes: number) => {
      const frame = JSON.stringify({ inputs: '' }).length;
      return JSON.stringify({ inputs: 'good '.repeat(Math.ceil(bytes / 5)).slice(0, bytes - frame) });
    };
    expect((await post(app, bodyOf(1000))).status).toBe(200);
    expect(await errorOf(await post(app, bodyOf(1001)))).toMatchObject({
      status: 413,
      code: 'body_too_large',
      message: expect.stringContaining('1000 bytes'),
    });
    expect(await errorOf(await post(app, SECRET.repeat(100)))).toMatchObject({ status: 413, code: 'body_too_large' });
  });

  it('413 for a 10 MB text under the default limit', async () => {
    expect(await errorOf(await classify(appWith(), { inputs: 'x'.repeat(10_000_000) }))).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
    expect(runtime.calls).toHaveLength(0);
  });

  it('413 for more texts than a request may have, or than the queue could ever hold', async () => {
    expect(await errorOf(await classify(appWith({ maxTexts: 3 }), { inputs: ['a', 'b', 'c', 'd'] }))).toMatchObject({
      status: 413,
      code: 'too_many_texts',
      message: expect.stringContaining('at most 3'),
    });
    expect(await errorOf(await classify(appWith({ maxQueue: 2 }), { inputs: ['a', 'b', 'c'] }))).toMatchObject({
      status: 413,
      code: 'too_many_texts',
      message: expect.stringContaining('at most 2'),
    });
    expect(
      await errorOf(await classify(appWith({ maxQueue: 1000 }), { inputs: Array.from({ length: 100_000 }, () => 'x') })),
    ).toMatchObject({ status: 413, code: 'too_many_texts' });
    expect((await classify(appWith({ maxTexts: 3 }), { inputs: ['a', 'b', 'c'] })).status).toBe(200);
  });

  it.each<[string, Record<string, string>]>([
    ['no content type', {}],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text', { 'content-type': 'text/plain' }],
    ['another charset', { 'content-type': 'application/json; charset=latin1' }],
    ['a compressed body', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
  ])('415 for %s', async (_what, headers) => {
    const body = new TextEncoder().encode('{"inputs": "good"}');
    expect(await errorOf(await post(appWith(), body, { headers }))).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it('404 for an unknown address, 405 for a wrong method, with the ones it takes', async () => {
    const app = appWith();
    for (const path of ['/', '/v1', '/v1/classify/', `/${SECRET}`, '/v1/classify/../../etc/passwd']) {
      expect(await errorOf(await app.request(path))).toMatchObject({ status: 404, code: 'not_found' });
    }
    const wrong = await app.request('/v1/classify');
    expect(wrong.headers.get('allow')).toBe('POST');
    expect(await errorOf(wrong)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS'])
      expect(await errorOf(await app.request('/v1/classify', { method }))).toMatchObject({ status: 405, code: 'method_not_allowed' });
    const health = await app.request('/health', { method: 'POST' });
    expect(health.headers.get('allow')).toBe('GET, HEAD');
    expect(await errorOf(health)).toMatchObject({ status: 405, code: 'method_not_allowed' });
  });

  it('429 with Retry-After while the queue is full, and answers once it is not', async () => {
    const gate = Promise.withResolvers<void>();
    runtime.beforeCall = () => gate.promise;
    const app = appWith({ maxQueue: 3 });
    const waiting = classify(app, { inputs: ['good', 'bad', 'fine'] });
    await expect.poll(() => runtime.calls.length).toBe(1);
    const refused = await classify(app, { inputs: 'dull' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await errorOf(refused)).toMatchObject({ status: 429, code: 'queue_full' });
    gate.resolve();
    expect((await waiting).status).toBe(200);
    expect((await classify(app, { inputs: 'dull' })).status).toBe(200);
  });

  it('lets a list in whole or not at all', async () => {
    runtime.beforeCall = () => new Promise((resolve) => setTimeout(resolve, 5));
    const app = appWith({ maxQueue: 4 });
    const texts = ['good film', 'bad plot', 'fine story'];
    const statuses = (await Promise.all([classify(app, { inputs: texts }), classify(app, { inputs: texts })])).map(({ status }) => status);
    expect(statuses.toSorted((one, other) => one - other)).toEqual([200, 429]);
    const rows = runtime.calls.reduce((sum, call) => sum + call.counts.filter((count) => count === 0).length, 0);
    expect(rows).toBe(texts.length);
  });

  it('503 once the server is stopping', async () => {
    const app = appWith({ isStopping: () => true });
    expect(await errorOf(await classify(app, { inputs: 'good' }))).toMatchObject({ status: 503, code: 'unavailable' });
    expect(await errorOf(await app.request('/health'))).toMatchObject({ status: 503, code: 'unavailable' });
    for (const path of ['/v2', '/v2/health/ready', '/v2/models/plain/ready']) {
      const response = await app.request(path);
      expect([response.status, await response.json()]).toEqual([503, { error: expect.stringContaining('stopping') }]);
    }
  });

  it('lives while it is stopping, for whoever asks without a key', async () => {
    const response = await appWith({ isStopping: () => true, keys: () => [] }).request('/v2/health/live');
    expect([response.status, await response.json()]).toEqual([200, { live: true }]);
  });

  it('504 past the deadline, and frees the place', async () => {
    const gate = Promise.withResolvers<void>();
    runtime.beforeCall = () => gate.promise;
    const app = appWith({ deadlineMilliseconds: 30, maxQueue: 1 });
    expect(await errorOf(await classify(app, { inputs: 'good' }))).toMatchObject({ status: 504, code: 'deadline_exceeded' });
    gate.resolve();
    runtime.beforeCall = () => {};
    expect((await classify(app, { inputs: 'good' })).status).toBe(200);
  });

  it('500 without detail when the graph fails, tells the log, and answers the next request', async () => {
    const app = appWith();
    runtime.beforeCall = () => {
      throw new Error(`bad_alloc at /home/user/${SECRET}`);
    };
    expect(await errorOf(await classify(app, { inputs: ['good', 'bad'] }))).toMatchObject({ status: 500, code: 'internal' });
    expect(faults).toEqual([expect.objectContaining({ message: `bad_alloc at /home/user/${SECRET}` })]);
    faults = [];
    runtime.beforeCall = () => {};
    expect((await classify(app, { inputs: 'good' })).status).toBe(200);
  });

  it('gives up the other texts of a request when one of them fails', async () => {
    const classifier = new Classifier(loaded, { maxBatch: 1, maxQueue: 8 });
    const app = createApp({ models: fixedModels([classifier]), onFault: (error) => faults.push(error) });
    runtime.beforeCall = () => {
      if (runtime.calls.length === 2) throw new Error('bad_alloc');
    };
    const response = await classify(app, { inputs: ['good film ! '.repeat(50), 'bad plot , '.repeat(50), 'fine story . '.repeat(50)] });
    expect(response.status).toBe(500);
    expect(classifier.inFlight).toBe(0);
    expect(faults).toHaveLength(1);
    faults = [];
  });

  it('500 rather than a score that is no number', async () => {
    const run = runtime.run.bind(runtime);
    runtime.run = async (rows) => (await run(rows)).map((result) => ({ ...result, logits: result.logits.fill(Number.NaN) }));
    expect(await errorOf(await classify(appWith(), { inputs: 'good' }))).toMatchObject({ status: 500, code: 'internal' });
    expect(faults).toHaveLength(1);
    faults = [];
  });

  it('takes the documents of a client that hangs up out of the line', async () => {
    runtime.beforeCall = () => new Promise((resolve) => setTimeout(resolve, 5));
    const classifier = new Classifier(loaded, { maxBatch: 4, maxQueue: 4 });
    const app = createApp({ models: fixedModels([classifier]), onFault: (error) => faults.push(error) });
    const client = new AbortController();
    const hungUp = post(app, JSON.stringify({ inputs: ['good film ! '.repeat(2000), 'bad actor , '.repeat(2000)] }), {
      signal: client.signal,
    });
    await expect.poll(() => runtime.calls.length).toBeGreaterThan(2);
    expect(classifier.inFlight).toBe(2);
    client.abort();
    await hungUp.catch(() => {});
    expect(classifier.inFlight).toBe(0);
    const calls = runtime.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(runtime.calls.length).toBeLessThanOrEqual(calls + 1);
  });
});

describe('Classifier.dispose', () => {
  it('waits for the graph call of a document that was cancelled', async () => {
    const gate = Promise.withResolvers<void>();
    runtime.beforeCall = () => gate.promise;
    const classifier = new Classifier(loaded, { maxBatch: 1, maxQueue: 1 });
    const client = new AbortController();
    const answer = classifier.classify(['good'], { signal: client.signal });
    await expect.poll(() => runtime.calls.length).toBe(1);
    client.abort(new Error('gone'));
    await expect(answer).rejects.toThrow('gone');
    const disposed = classifier.dispose();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(runtime.disposed).toBe(false);
    gate.resolve();
    await disposed;
    expect(runtime.disposed).toBe(true);
  });
});

describe('GET', () => {
  it('/health answers while requests are taken', async () => {
    const response = await appWith().request('/health');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ok' });
    expect((await appWith().request('/health', { method: 'HEAD' })).status).toBe(200);
  });

  it('/v1/models tells the model and the limits', async () => {
    const response = await appWith({ maxTexts: 5, maxBodyBytes: 999 }).request('/v1/models');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      default: 'plain',
      models: [
        expect.objectContaining({
          name: 'plain',
          task: 'singleLabel',
          labels: ['negative', 'neutral', 'positive'],
          directions: ['forward'],
          members: [{ direction: 'forward', chunkLength: 7, sizes: SIZES }],
          versions: ['1'],
          limits: { maxBodyBytes: 999, maxTexts: 5, maxTextLength: 2_000_000, deadlineMilliseconds: 120_000 },
        }),
      ],
    });
  });
});
