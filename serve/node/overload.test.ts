/** More load than the server can take, and a server that is killed in the middle of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import autocannon from 'autocannon';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { writeTinyBundle, type TinyClassifier } from '../../test/fixtures/tinyClassifier.ts';
import type { LabelScore } from '../schema.ts';
import { startServer } from './server.ts';
import { article, ask, isAnswerOf, POLL, SIZES } from './testSupport.ts';

let folder: string;
let model: TinyClassifier;
/** As many different ones as clients, so that an answer to another one's text would be seen. */
const TEXTS = Array.from({ length: 24 }, (_, index) => article(400 + index * 37, index));
const SECONDS = 2;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-overload-'));
  ({ model } = await writeTinyBundle(folder, SIZES));
});

afterAll(() => rm(folder, { recursive: true }));

it('refuses with 429 what is beyond its capacity, answers the rest right, and nothing else happens', async () => {
  const server = await startServer(folder, { port: 0, threads: 1, maxQueue: 8, maxBatch: 4 });
  const counts: Record<number, number> = {};
  const wrong: string[] = [];
  for (const text of TEXTS) isAnswerOf(model, text, []); // Worked out beforehand: client and server share a thread.
  const requests = TEXTS.map((text) => ({
    method: 'POST' as const,
    path: '/v1/classify',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: text }),
    onResponse: (status: number, body: string) => {
      counts[status] = (counts[status] ?? 0) + 1;
      if (status === 200 && !isAnswerOf(model, text, JSON.parse(body) as LabelScore[])) wrong.push(body);
    },
  }));
  try {
    const { errors, timeouts } = await autocannon({ url: server.url, connections: TEXTS.length, duration: SECONDS, requests });
    expect({ errors, timeouts }).toEqual({ errors: 0, timeouts: 0 });
    expect(Object.keys(counts).toSorted()).toEqual(['200', '429']);
    expect(wrong).toEqual([]);
    await expect.poll(() => server.classifier.inFlight, POLL).toBe(0);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain('ulmfit_model_info{model="tiny",version="1"} 1');
    // Of the last second's requests some were answered after their clients had left.
    const counted = Number(/^ulmfit_requests_total\{.*status="429".*\} (\d+)$/m.exec(metrics)?.[1]);
    expect(counted).toBeGreaterThanOrEqual(counts[429] ?? Infinity);
  } finally {
    await server.stop();
  }
});

/** `ulmfit serve` in a process of its own. */
async function spawnServer(port: number): Promise<{ child: ChildProcess; url: string }> {
  const command = new URL('../../trainer/commands/serve.ts', import.meta.url).href;
  const options = JSON.stringify({ port, threads: 1, logLevel: 'error' });
  const script = `import { serve } from ${JSON.stringify(command)}; await serve([${JSON.stringify(folder)}], ${options});`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, url: /listening on (\S+)/.exec(line.toString())?.[1] ?? '' };
}

it('starts again at the same address after kill -9 under load, and answers right', async () => {
  const first = await spawnServer(0);
  const loaded = Promise.withResolvers<void>();
  const load = autocannon(
    {
      url: `${first.url}/v1/classify`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: TEXTS.slice(0, 8) }),
      connections: 8,
      duration: SECONDS,
    },
    () => loaded.resolve(),
  );
  const killed = once(first.child, 'exit');
  await new Promise((resolve) => load.once('response', resolve));
  first.child.kill('SIGKILL');
  expect(await killed).toEqual([null, 'SIGKILL']);
  const second = await spawnServer(Number(new URL(first.url).port));
  expect(second.url).toBe(first.url);
  await loaded.promise;
  for (const text of TEXTS.slice(0, 8)) {
    const response = await ask(second.url, { inputs: text });
    expect(response.status).toBe(200);
    expect(isAnswerOf(model, text, (await response.json()) as LabelScore[])).toBe(true);
  }
  const ended = once(second.child, 'exit');
  second.child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});
