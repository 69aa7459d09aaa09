/** Clients that send too slowly, close half of their connection, or hang up: none of them costs the others anything. */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { type RunningServer, startServer } from './server.ts';
import { article, ask, POLL, SIZES } from './testSupport.ts';

let folder: string;
let server: RunningServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-clients-'));
  await writeTinyBundle(folder, SIZES);
  server = await startServer(folder, { port: 0, threads: 1, headersMilliseconds: 300, requestMilliseconds: 600, maxConcurrency: 4 });
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

/** A connection, with all that the server said on it once it has closed it. */
function open(): { socket: Socket; answer: Promise<string> } {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (data) => (text += data.toString()));
  socket.on('error', () => {});
  return { socket, answer: new Promise((resolve) => socket.once('close', () => resolve(text))) };
}

const head = (length: number) =>
  `POST /v1/classify HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

async function drip(socket: Socket, text: string): Promise<void> {
  for (const letter of text) {
    if (socket.destroyed) return;
    socket.write(letter);
    await wait(20);
  }
}

it('cuts off clients that send their head or their body letter by letter, and answers the others meanwhile', async () => {
  const slow = Array.from({ length: 8 }, open);
  for (const [index, { socket }] of slow.entries()) {
    if (index % 2 === 1) socket.write(head(10_000));
    void drip(socket, index % 2 === 1 ? ' '.repeat(9_999) : `GET /health HTTP/1.1\r\nx: ${'y'.repeat(9_999)}`);
  }
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  for (const [index, answer] of (await Promise.all(slow.map((client) => client.answer))).entries())
    expect(answer, `client ${index}`).toMatch(/^(HTTP\/1\.1 408 |$)/);
  // The four that had their body half sent held all the places there are.
  expect((await ask(server.url, { inputs: 'good' })).status).toBe(200);
});

it('takes a client that has closed its sending half for gone, and frees its place', async () => {
  const body = JSON.stringify({ inputs: article(60_000) });
  const { socket, answer } = open();
  socket.write(head(body.length) + body);
  await expect.poll(() => server.classifier.inFlight, POLL).toBe(1);
  socket.end();
  expect(await answer).toBe('');
  await expect.poll(() => server.classifier.inFlight, POLL).toBe(0);
});

it('gives up on a client that has closed its sending half in the middle of its body', async () => {
  const { socket, answer } = open();
  socket.end(`${head(1000)}{"inputs": "go`);
  expect(await answer).toMatch(/^(HTTP\/1\.1 400 |$)/);
  expect((await ask(server.url, { inputs: 'good' })).status).toBe(200);
});

it('frees the places of clients that hang up', async () => {
  const body = JSON.stringify({ inputs: article(60_000) });
  const clients = Array.from({ length: 4 }, open);
  for (const { socket } of clients) socket.write(head(body.length) + body);
  await expect.poll(() => server.classifier.inFlight, POLL).toBe(4);
  expect((await ask(server.url, { inputs: 'good' })).status).toBe(429);
  for (const { socket } of clients) socket.destroy();
  await expect.poll(() => server.classifier.inFlight, POLL).toBe(0);
  expect((await ask(server.url, { inputs: 'good' })).status).toBe(200);
});

it('says what is wrong with what is no HTTP at all', async () => {
  const { socket, answer } = open();
  socket.write('\u0016\u0003\u0001 hello\r\n\r\n');
  expect(await answer).toMatch(/^HTTP\/1\.1 400 /);
});
