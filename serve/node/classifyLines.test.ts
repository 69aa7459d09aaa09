import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { startServer, type RunningServer } from './server.ts';

interface Answer {
  readonly line: number;
  readonly answer?: readonly object[];
}

let folder: string;
let server: RunningServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-lines-'));
  await writeTinyBundle(join(folder, 'bundle'), { embedding: 8, hidden: 8, layers: 1 });
  server = await startServer(join(folder, 'bundle'), { port: 0, threads: 1, requestMilliseconds: 300, logLevel: 'silent' });
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

/** A request whose body is written by hand, and its response. */
async function open() {
  const outgoing = request(`${server.url}/v1/classify/ndjson`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } });
  outgoing.on('error', () => {}); // of tests that break the connection
  outgoing.flushHeaders();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { outgoing, response };
}

it('streams a body of 192 MiB through a fraction of that memory, and answers every line', async () => {
  const line = `${JSON.stringify({ text: 'a good film', notes: 'x'.repeat(256 * 1024) })}\n`;
  const count = 768;
  const { outgoing, response } = await open();
  const before = process.memoryUsage().rss;
  let peak = 0;
  const sending = (async () => {
    for (let index = 0; index < count; index++) {
      peak = Math.max(peak, process.memoryUsage().rss - before);
      if (!outgoing.write(line)) await once(outgoing, 'drain');
    }
    outgoing.end();
  })();
  let answered = 0;
  for await (const text of createInterface(response)) {
    answered += 1;
    expect(JSON.parse(text) as Answer).toMatchObject({ line: answered, answer: expect.any(Array) });
  }
  await sending;
  expect(answered).toBe(count);
  // The client, in this process too, and garbage that is not collected yet have their part in it.
  expect(peak).toBeLessThan(128 * 1024 * 1024);
});

it('holds a client back that sends faster than it reads', async () => {
  const { outgoing, response } = await open();
  const line = `${JSON.stringify({ text: 'good film', id: 'y'.repeat(50_000) })}\n`;
  let sent = 1;
  // Nobody reads the answers; the sockets' own buffers take some, a few MB in all.
  while (outgoing.write(line) || (await Promise.race([once(outgoing, 'drain').then(() => true), quiet(1000)]))) sent += 1;
  expect(sent).toBeLessThan(1000);
  expect(server.classifier.inFlight).toBe(0);
  outgoing.end();
  let answered = 0;
  for await (const _ of createInterface(response)) answered += 1;
  expect(answered).toBe(sent);
});

it('takes the lines of a client that sends them slowly, for longer than any other body may take', async () => {
  const { outgoing, response } = await open();
  const answers = createInterface(response)[Symbol.asyncIterator]();
  for (let line = 1; line <= 3; line++) {
    await quiet(600);
    outgoing.write('{"text": "a good film"}\n');
    expect(JSON.parse((await answers.next()).value ?? '') as Answer).toMatchObject({ line });
  }
  outgoing.end();
  expect((await answers.next()).done).toBe(true);
});

it('lets go of the lines of a client that is gone', async () => {
  const { outgoing, response } = await open();
  response.on('error', () => {});
  outgoing.write(`${JSON.stringify({ text: 'good film '.repeat(100_000) })}\n`);
  await expect.poll(() => server.classifier.inFlight, { interval: 1, timeout: 20_000 }).toBe(1);
  outgoing.destroy();
  await expect.poll(() => server.classifier.inFlight, { timeout: 2000 }).toBe(0);
});

const quiet = (milliseconds: number) => new Promise<false>((resolve) => setTimeout(() => resolve(false), milliseconds));
