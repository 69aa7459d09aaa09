/** A deployment that gives its model away: over the Worker's own fetch, from the assets as they were prepared. */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';

import { sha256Hex } from '../../export/bundle.ts';
import type { ModelFile } from '../../serve/modelFiles.ts';
import type worker from '../src/worker.ts';

const FILES = '/v1/models/pair/versions/1/files';

/** A Worker in an isolate of its own, deployed with a bundle. */
async function workerWith(folder: string): Promise<(path: string, headers?: Record<string, string>) => Promise<Response>> {
  vi.resetModules();
  const fresh: typeof worker = (await import('../src/worker.ts')).default;
  const assets: Fetcher = {
    fetch: (input) =>
      env.ASSETS.fetch((input instanceof Request ? input.url : input.toString()).replace('assets.invalid', `assets.test/${folder}`)),
  };
  return async (path, headers = {}) => {
    const context = createExecutionContext();
    const response = await fresh.fetch(new Request(`http://edge.test${path}`, { headers }), { ASSETS: assets }, context);
    await waitOnExecutionContext(context);
    return response;
  };
}

describe('a Worker that gives its model away', () => {
  it.each([
    ['pair', ['forward.onnx', 'backward-weights-00.bin'], ['forward-kernel-00.bin', 'parity.json', 'downloads.json']],
    ['int8-pair', ['kernel.json', 'forward-kernel-00.bin', 'backward-kernel-00.bin'], ['forward.onnx', 'parity.json', 'downloads.json']],
  ])('has every file that its answers need, and no other: %s', async (folder, some, none) => {
    const ask = await workerWith(folder);
    expect(await (await ask('/v1/models')).json()).toMatchObject({ models: [{ downloadable: true }] });
    const { files } = (await (await ask(FILES)).json()) as { files: ModelFile[] };
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(['bundle.json', ...some]));
    for (const { name, bytes, sha256 } of files) {
      const response = await ask(`${FILES}/${name}`);
      const content = new Uint8Array(await response.arrayBuffer());
      expect([response.status, content.length, await sha256Hex(content)]).toEqual([200, bytes, sha256]);
      const known = await ask(`${FILES}/${name}`, { 'if-none-match': response.headers.get('etag') ?? '' });
      expect([known.status, await known.text()]).toEqual([304, '']);
    }
    for (const name of [...none, '..%2fbundle.json', 'playground%2findex.html']) expect((await ask(`${FILES}/${name}`)).status).toBe(404);
    expect((await ask('/bundle.json')).status).toBe(404);
    // The kernel needs no onnxruntime.
    const runtime = await ask('/playground/ort-wasm-simd-threaded.wasm');
    expect(runtime.status).toBe(folder === 'pair' ? 200 : 404);
    await runtime.body?.cancel();
  });

  it('has what the playground runs it with, and streams it', async () => {
    const ask = await workerWith('pair');
    expect((await ask('/')).headers.get('content-security-policy')).toContain("worker-src 'self'");
    const script = await ask('/playground/localWorker.js');
    expect([script.status, (await script.text()).length > 100_000]).toEqual([200, true]);
    const runtime = await ask('/playground/ort-wasm-simd-threaded.wasm');
    expect([runtime.status, runtime.headers.get('content-type')]).toEqual([200, 'application/wasm']);
    expect(runtime.headers.get('cache-control')).toContain('immutable');
    expect((await runtime.arrayBuffer()).byteLength).toBeGreaterThan(10_000_000);
  });
});

it('a Worker that keeps its model says so', async () => {
  const ask = await workerWith('labels');
  expect(await (await ask('/v1/models')).json()).toMatchObject({ models: [{ downloadable: false }] });
  const refused = await ask('/v1/models/labels/versions/1/files/bundle.json');
  expect(refused.status).toBe(404);
  expect(await refused.json()).toEqual({ error: { code: 'not_found', message: expect.stringContaining('--downloadable') } });
});
