/** Keys and rates at the edge, with the platform's secret and counter. */
import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';

import { sha256Hex } from '../../export/bundle.ts';
import type { Env } from '../src/environment.ts';
import type worker from '../src/worker.ts';

/** A Worker in an isolate of its own, with what its deployment binds. */
async function workerWith(bindings: Partial<Env>): Promise<(path: string, headers?: Record<string, string>) => Promise<Response>> {
  vi.resetModules();
  const fresh: typeof worker = (await import('../src/worker.ts')).default;
  const all: Env = { ASSETS: env.ASSETS, ...bindings };
  return (path, headers = {}) => fresh.fetch(new Request(`http://edge.test${path}`, { headers }), all, createExecutionContext());
}

async function secretOf(key: string): Promise<string> {
  const stored = { id: 'abcdefgh', scope: 'predict', sha256: await sha256Hex(key), created: '2026-01-31T12:00:00.000Z' };
  return JSON.stringify({ schemaVersion: 1, keys: [stored] });
}

describe('keys', () => {
  it('are asked for where the deployment has any, but not for its health', async () => {
    const ask = await workerWith({ API_KEYS: await secretOf('ulmfit_right') });
    expect((await ask('/v1/models')).status).toBe(401);
    expect((await ask('/v1/models', { authorization: 'Bearer ulmfit_wrong' })).status).toBe(401);
    expect((await ask('/v1/models', { authorization: 'Bearer ulmfit_right' })).status).toBe(200);
    expect((await ask('/v1/jobs')).status).toBe(401);
    expect((await ask('/health')).status).toBe(200);
  });

  it('let nobody in when the secret cannot be read, and the log does not show it', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const ask = await workerWith({ API_KEYS: '{"keys": ["a secret"' });
    expect((await ask('/v1/models')).status).toBe(503);
    expect(String(log.mock.calls.flat())).toContain('API_KEYS is not a file of keys');
    expect(String(log.mock.calls.flat())).not.toContain('a secret');
    log.mockRestore();
  });
});

it("asks the platform's counter, by key or by address", async () => {
  const asked: string[] = [];
  const limit: RateLimit['limit'] = async ({ key }) => {
    asked.push(key);
    return { success: asked.filter((one) => one === key).length <= 2 };
  };
  const open = await workerWith({ RATE_LIMITER: { limit }, REQUESTS_PER_MINUTE: 2 });
  const from = (address: string) => open('/v1/models', { 'cf-connecting-ip': address });
  expect([(await from('192.0.2.1')).status, (await from('192.0.2.1')).status]).toEqual([200, 200]);
  const refused = await from('192.0.2.1');
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('60');
  expect(await refused.json()).toMatchObject({ error: { code: 'rate_limited', message: expect.stringContaining('2 requests a minute') } });
  expect((await from('192.0.2.2')).status).toBe(200);

  const keyed = await workerWith({ RATE_LIMITER: { limit }, API_KEYS: await secretOf('ulmfit_right') });
  await keyed('/v1/models', { authorization: 'Bearer ulmfit_right', 'cf-connecting-ip': '192.0.2.3' });
  expect(asked.at(-1)).toBe('abcdefgh');
});

it('counts what it did, as JSON, and says which version it is', async () => {
  const ask = await workerWith({ VERSION: { id: 'v-1', tag: '', timestamp: '' } });
  await ask('/v1/models');
  const nothing = await ask('/nothing');
  expect(nothing.headers.get('x-deployed-version')).toBe('v-1');
  expect(await (await ask('/metrics')).json()).toMatchObject({
    scope: 'isolate',
    deployedVersion: 'v-1',
    requests: [
      { method: 'GET', route: '/v1/models', status: 200, count: 1 },
      { method: 'GET', route: 'unmatched', status: 404, count: 1 },
    ],
    texts: 0,
    documentsInFlight: 0,
  });
});
