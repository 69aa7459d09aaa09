import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../test/fixtures/plainRuntime.ts';
import { sha256Hex } from '../export/bundle.ts';
import type { KeyScope, StoredKey } from './apiKeys.ts';
import type { LoadedBundle } from './classifierRuntime.ts';
import { RateLimiter } from './rateLimiter.ts';
import type { RequestRecord } from './requestRecord.ts';
import type { App } from './service.ts';
import { appOn, classify, errorOf, SECRET, SIZES, type TestAppOptions, TOKENS } from './testSupport.ts';

let runtime: PlainRuntime;
let loaded: LoadedBundle;
let faults: unknown[];
let records: RequestRecord[];

beforeEach(() => {
  runtime = new PlainRuntime({ sizes: SIZES });
  loaded = plainBundle([{ runtime, vocabulary: TOKENS }]);
  faults = [];
  records = [];
});

afterEach(() => {
  expect(faults).toEqual([]);
});

const appWith = (options: TestAppOptions = {}): App => appOn(loaded, faults, { onRequest: (record) => records.push(record), ...options });

const keyOf = async (key: string, scope: KeyScope): Promise<StoredKey> => ({
  id: key.slice(-8),
  scope,
  sha256: await sha256Hex(key),
  created: '2026-01-31T12:00:00.000Z',
});

const asking = (headers: Record<string, string>) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: '{"inputs": "good"}',
});

describe('keys', () => {
  it('let in whoever has one, and nobody else', async () => {
    let keys = [await keyOf('ulmfit_first123', 'predict'), await keyOf('ulmfit_other456', 'admin')];
    const app = appWith({ keys: () => keys });
    const statusWith = async (authorization?: string) =>
      (await app.request('/v1/classify', asking(authorization === undefined ? {} : { authorization }))).status;
    expect(await statusWith('Bearer ulmfit_first123')).toBe(200);
    expect(await statusWith('bearer  ulmfit_other456')).toBe(200);
    for (const wrong of [
      undefined,
      '',
      'Bearer',
      'Bearer ulmfit_first12',
      'Bearer ulmfit_first1234',
      'Basic ulmfit_first123',
      `Bearer ${SECRET}`,
    ])
      expect(await statusWith(wrong)).toBe(401);
    const refused = await app.request('/v1/classify', asking({ authorization: `Bearer ${SECRET}` }));
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect(await errorOf(refused)).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(records[0]).toMatchObject({ status: 200, keyId: 'first123' });
    expect(JSON.stringify(records)).not.toContain('ulmfit_');
    keys = [];
    expect(await statusWith('Bearer ulmfit_first123')).toBe(401);
    expect(runtime.calls).toHaveLength(2);
  });

  it('guard every address below /v1 and /v2, those that are not there too, but not health', async () => {
    const app = appWith({ keys: () => [] });
    for (const path of ['/v1/models', '/v1/nothing', '/v2/models/plain/infer', '/v2']) expect((await app.request(path)).status).toBe(401);
    expect(await (await app.request('/v2/models/plain')).json()).toEqual({ error: expect.stringContaining('Send a key') });
    expect((await app.request('/health')).status).toBe(200);
    for (const path of ['/v2/health/live', '/v2/health/ready']) expect((await app.request(path)).status).toBe(200);
    expect((await app.request('/v2/health/nothing')).status).toBe(401);
  });
});

describe('limits of requests', () => {
  it('429 beyond the rate, for each key by itself', async () => {
    const keys = [await keyOf('ulmfit_first123', 'predict'), await keyOf('ulmfit_other456', 'predict')];
    const app = appWith({ keys: () => keys, requestsPerMinute: 2 });
    const ask = (key: string) => app.request('/v1/classify', asking({ authorization: `Bearer ${key}` }));
    expect((await ask('ulmfit_first123')).status).toBe(200);
    expect((await ask('ulmfit_first123')).status).toBe(200);
    const refused = await ask('ulmfit_first123');
    expect(Number(refused.headers.get('retry-after'))).toBe(30);
    expect(await errorOf(refused)).toMatchObject({ status: 429, code: 'rate_limited' });
    expect((await ask('ulmfit_other456')).status).toBe(200);
  });

  it('429 beyond the rate of an address where there are no keys', async () => {
    const app = appWith({ requestsPerMinute: 1, clientAddress: (context) => context.req.header('x-test-address') });
    const ask = async (address: string) => (await app.request('/v1/classify', asking({ 'x-test-address': address }))).status;
    expect([await ask('a'), await ask('b'), await ask('a')]).toEqual([200, 200, 429]);
  });

  it('429 beyond the concurrency, before the body is read, and answers once there is room', async () => {
    const gate = Promise.withResolvers<void>();
    runtime.beforeCall = () => gate.promise;
    const app = appWith({ maxConcurrency: 2 });
    const running = [classify(app, { inputs: 'good' }), classify(app, { inputs: 'bad' })];
    await expect.poll(() => runtime.calls.length).toBe(1);
    const refused = await classify(app, { inputs: 'fine' });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await errorOf(refused)).toMatchObject({ status: 429, code: 'queue_full' });
    expect((await app.request('/health')).status).toBe(200);
    gate.resolve();
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await classify(app, { inputs: 'fine' })).status).toBe(200);
  });

  it('413 for a text that is too long, whichever it is', async () => {
    const app = appWith({ maxTextLength: 10 });
    expect((await classify(app, { inputs: 'x'.repeat(10) })).status).toBe(200);
    expect(await errorOf(await classify(app, { inputs: 'x'.repeat(11) }))).toMatchObject({ status: 413, code: 'text_too_long' });
    expect(await errorOf(await classify(app, { inputs: ['good', 'x'.repeat(11)] }))).toMatchObject({
      message: 'inputs[1] has 11 characters; at most 10 are taken in one text.',
    });
  });
});

describe('RateLimiter', () => {
  it('fills up evenly, and never beyond a minute', () => {
    let now = 0;
    const limiter = new RateLimiter(60, () => now);
    const taken = Array.from({ length: 61 }, () => limiter.take('a'));
    expect(taken.slice(0, 60).every((seconds) => seconds === 0)).toBe(true);
    expect(taken[60]).toBe(1);
    now = 1000;
    expect([limiter.take('a'), limiter.take('a')]).toEqual([0, 1]);
    now = 3_600_000;
    expect(Array.from({ length: 61 }, () => limiter.take('a')).filter((seconds) => seconds === 0)).toHaveLength(60);
  });

  it('forgets the clients that have been quiet for longest', () => {
    const limiter = new RateLimiter(1, () => 0);
    limiter.take('first');
    limiter.take('second');
    for (let client = 0; client < 9_999; client++) limiter.take(String(client));
    expect([limiter.take('second'), limiter.take('first')]).toEqual([60, 0]);
  });
});

describe('headers', () => {
  it('protect pages, and let no other site ask unless told', async () => {
    const response = await classify(appWith(), { inputs: 'good' });
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('x-frame-options')).toBe('SAMEORIGIN');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('let the sites ask that were named, without a key in the question beforehand', async () => {
    const app = appWith({ corsOrigins: ['https://shop.example'], keys: () => [] });
    const preflight = (origin: string) =>
      app.request('/v1/classify', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });
    expect((await preflight('https://shop.example')).headers.get('access-control-allow-origin')).toBe('https://shop.example');
    expect((await preflight('https://other.example')).headers.get('access-control-allow-origin')).toBeNull();
    const anyone = await appWith({ corsOrigins: ['*'] }).request('/health', { headers: { origin: 'https://other.example' } });
    expect(anyone.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('carry the id of the request, the one it came with or a new one', async () => {
    const app = appWith();
    const given = await app.request('/v1/classify', asking({ 'x-request-id': 'from-the-proxy-17' }));
    expect(given.headers.get('x-request-id')).toBe('from-the-proxy-17');
    const made = await app.request('/v1/classify', asking({ 'x-request-id': 'no id <script>' }));
    expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(records.map(({ requestId }) => requestId)).toEqual(['from-the-proxy-17', made.headers.get('x-request-id')]);
  });
});

describe('records', () => {
  it('tell what happened to every request, and nothing that a caller wrote', async () => {
    const app = appWith({ maxTexts: 2 });
    await classify(app, { inputs: [SECRET, `${SECRET} film`] });
    await classify(app, { inputs: [SECRET, SECRET, SECRET] });
    await app.request(`/v1/models/${SECRET}/classify`, asking({}));
    await app.request(`/${SECRET}?q=${SECRET}`);
    await app.request('/v1/models/plain/versions/1/classify', asking({}));
    expect(records.map(({ route, status, model, texts, error }) => ({ route, status, model, texts, error }))).toEqual([
      { route: '/v1/classify', status: 200, model: 'plain', texts: 2, error: undefined },
      { route: '/v1/classify', status: 413, model: 'plain', texts: undefined, error: 'too_many_texts' },
      { route: '/v1/models/:name/classify', status: 404, model: undefined, texts: undefined, error: 'model_not_found' },
      { route: 'unmatched', status: 404, model: undefined, texts: undefined, error: undefined },
      { route: '/v1/models/:name/versions/:version/classify', status: 200, model: 'plain', texts: 1, error: undefined },
    ]);
    expect(JSON.stringify(records)).not.toContain(SECRET);
  });
});
