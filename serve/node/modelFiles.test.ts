/** Models that are given away: over the routes of the app, from a real bundle on disk. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { BUNDLE_FILE, checkedFiles, sha256Hex, type Bundle } from '../../export/bundle.ts';
import { readBundle } from '../../export/bundleFolder.ts';
import { writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { createApp, type AppOptions } from '../app.ts';
import { fixedModels } from '../modelRegistry.ts';
import type { ModelFile, ModelFiles } from '../modelFiles.ts';
import type { App } from '../service.ts';
import { errorOf } from '../testSupport.ts';
import { bundleFiles } from './modelFiles.ts';
import { openClassifier } from './openClassifier.ts';
import type { Classifier } from '../classifier.ts';

const FILES = '/v1/models/tiny/versions/1/files';

let folder: string;
let bundle: Bundle;
let classifier: Classifier;
let files: ModelFiles;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-files-'));
  ({ bundle } = await writeTinyBundle(join(folder, 'bundle'), { embedding: 8, hidden: 8, layers: 2, maxShardBytes: 4_000, backward: {} }));
  await writeFile(join(folder, 'secret.json'), '"secret"');
  classifier = await openClassifier(join(folder, 'bundle'), { threads: 1 });
  files = await bundleFiles(join(folder, 'bundle'), bundle);
});

afterAll(async () => {
  await classifier.dispose();
  await rm(folder, { recursive: true });
});

const appWith = (options: Partial<AppOptions> = {}): App => createApp({ models: fixedModels([classifier], () => files), ...options });

describe('the files of a model', () => {
  it('are those that its answers need, each as it is, and a copy of them is a bundle', async () => {
    const app = appWith();
    const { files: list } = (await (await app.request(FILES)).json()) as { files: ModelFile[] };
    expect(list.map(({ name }) => name).toSorted()).toEqual(checkedFiles(bundle).toSorted());
    const copy = join(folder, 'copy');
    await mkdir(copy);
    for (const { name, bytes, sha256 } of list) {
      const response = await app.request(`${FILES}/${name}`);
      expect([response.status, response.headers.get('etag')]).toEqual([200, `"${sha256}"`]);
      const content = new Uint8Array(await response.arrayBuffer());
      expect([content.length, await sha256Hex(content)]).toEqual([bytes, sha256]);
      expect(response.headers.get('content-length')).toBe(String(bytes));
      await writeFile(join(copy, name), content);
    }
    expect((await readBundle(copy)).bundle).toEqual(bundle);
  });

  it('are not sent to whoever has them', async () => {
    const app = appWith();
    const name = bundle.members[0]?.shards[0] ?? '';
    const etag = `"${bundle.checksums[name]}"`;
    const known = await app.request(`${FILES}/${name}`, { headers: { 'if-none-match': `"other", ${etag}` } });
    expect([known.status, await known.text(), known.headers.get('etag')]).toEqual([304, '', etag]);
    expect((await app.request(`${FILES}/${name}`, { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
    const head = await app.request(`${FILES}/${name}`, { method: 'HEAD' });
    expect([head.status, await head.text(), head.headers.get('etag')]).toEqual([200, '', etag]);
  });

  it.each([
    '../secret.json',
    '..%2Fsecret.json',
    '..%2f..%2fetc%2fpasswd',
    '%2e%2e%2fsecret.json',
    '..%5Csecret.json',
    '....//secret.json',
    '/etc/passwd',
    '%2Fetc%2Fpasswd',
    `${BUNDLE_FILE}%00.bin`,
    `${BUNDLE_FILE}/`,
    `.%2F${BUNDLE_FILE}`,
    // In the folder, but nothing that the answers need: texts, and what is said of the model.
    'parity.json',
    'README.md',
    '__proto__',
  ])('and nothing else: %s', async (name) => {
    const response = await appWith().request(`${FILES}/${name}`);
    expect(await errorOf(response)).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('need the name and the version that are served, and a key where there are keys', async () => {
    const app = appWith();
    for (const address of [
      '/v1/models/tiny/versions/2/files',
      '/v1/models/other/versions/1/files',
      `/v1/models/tiny/versions/2/files/${BUNDLE_FILE}`,
    ])
      expect(await errorOf(await app.request(address))).toMatchObject({ status: 404, code: 'model_not_found' });
    const guarded = appWith({ keys: () => [] });
    for (const address of [FILES, `${FILES}/${BUNDLE_FILE}`])
      expect(await errorOf(await guarded.request(address))).toMatchObject({ status: 401, code: 'unauthorized' });
    const limited = appWith({ requestsPerMinute: 1 });
    expect((await limited.request(`${FILES}/${BUNDLE_FILE}`)).status).toBe(200);
    expect(await errorOf(await limited.request(`${FILES}/${BUNDLE_FILE}`))).toMatchObject({ status: 429, code: 'rate_limited' });
  });

  it('stay where they are unless the operator wants it, and models say which it is', async () => {
    const app = createApp({ models: fixedModels([classifier]), playground: async () => '' });
    for (const address of [FILES, `${FILES}/${BUNDLE_FILE}`])
      expect(await errorOf(await app.request(address))).toMatchObject({ status: 404, message: expect.stringContaining('--downloadable') });
    expect(await (await app.request('/v1/models')).json()).toMatchObject({ models: [{ downloadable: false }] });
    expect(await (await appWith().request('/v1/models/tiny')).json()).toMatchObject({ downloadable: true });
    expect((await app.request('/playground/localWorker.js')).status).toBe(404);
    expect((await app.request('/')).headers.get('content-security-policy')).not.toContain('worker-src');
  });

  it('let the playground compile WebAssembly in its worker, and nowhere else', async () => {
    const app = appWith({ playground: async (file) => file });
    const policyOf = async (path: string) => (await app.request(path)).headers.get('content-security-policy');
    expect(await policyOf('/')).toContain("worker-src 'self'");
    expect(await policyOf('/')).not.toContain('unsafe');
    expect(await policyOf('/playground/localWorker.js')).toBe(
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'",
    );
  });
});

describe('the files of a folder that has another bundle now', () => {
  it('are not given out as those of the version before', async () => {
    const replaced = join(folder, 'replaced');
    const { bundle: first } = await writeTinyBundle(replaced, { embedding: 8, hidden: 8, layers: 1 });
    const before = await bundleFiles(replaced, first);
    const app = createApp({ models: fixedModels([classifier], () => before) });
    expect((await app.request(`${FILES}/${BUNDLE_FILE}`)).status).toBe(200);
    await writeTinyBundle(replaced, { embedding: 8, hidden: 8, layers: 1, version: '2' });
    for (const name of [BUNDLE_FILE, 'forward.onnx'])
      expect(await errorOf(await app.request(`${FILES}/${name}`))).toMatchObject({ status: 404, code: 'not_found' });
    await rm(replaced, { recursive: true });
    expect(await errorOf(await app.request(`${FILES}/forward.onnx`))).toMatchObject({ status: 404, code: 'not_found' });
  });
});
