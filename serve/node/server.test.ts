import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { referenceProbabilities } from '../../test/fixtures/referenceClassifier.ts';
import { writeTinyBundle, type TinyClassifier } from '../../test/fixtures/tinyClassifier.ts';
import { tokenize } from '../../text/tokenizer.ts';
import { UserError } from '../../text/errors.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import type { LabelScore } from '../schema.ts';
import { startServer, type RunningServer } from './server.ts';

/** onnxruntime in float32 against the equations in float64. */
const TOLERANCE = 1e-5;
/** Often enough to see a document that is answered within a moment. */
const POLL = { interval: 1, timeout: 20_000 };
/** Small, so that the equations in plain TypeScript can follow 20,000 words. */
const SIZES = { embedding: 8, hidden: 8, layers: 2 };
const WORDS = 'the film was good but story boring funny best actor love hate you i they watch more time worst plot great'.split(' ');

let folder: string;
let bundle: string;
let model: TinyClassifier;
let server: RunningServer;

const article = (words: number, seed = 0) =>
  Array.from({ length: words }, (_, index) => WORDS[(index * 11 + seed + (index >> 4)) % WORDS.length]).join(' ');

const post = (url: string, body: unknown) =>
  fetch(`${url}/v1/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

function expectScores(actual: readonly LabelScore[] | undefined, text: string): void {
  const probabilities = referenceProbabilities(model.tensors, Vocabulary.fromTokens(model.vocabulary).encode(tokenize(text)));
  const byLabel = new Map(actual?.map(({ label, score }) => [label, score]));
  expect(byLabel.size).toBe(model.config.labels.length);
  for (const [index, label] of model.config.labels.entries()) {
    expect(Math.abs((byLabel.get(label) ?? NaN) - (probabilities[index] ?? NaN))).toBeLessThan(TOLERANCE);
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-serve-'));
  bundle = join(folder, 'bundle');
  ({ model } = await writeTinyBundle(bundle, { ...SIZES, seed: 8 }));
  server = await startServer(bundle, { port: 0, threads: 1 });
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

describe('the server', () => {
  it('answers over HTTP what the equations give', async () => {
    const text = 'The film was funny, but the story is not good!';
    const response = await post(server.url, { inputs: text });
    expect(response.status).toBe(200);
    expectScores((await response.json()) as LabelScore[], text);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });

  it('answers many clients at once, each with its own answer', async () => {
    const texts = Array.from({ length: 60 }, (_, index) => article(1 + ((index * 37) % 400), index));
    const answers = await Promise.all(texts.map(async (text) => (await (await post(server.url, { inputs: text })).json()) as LabelScore[]));
    for (const [index, text] of texts.entries()) expectScores(answers[index], text);
    expect(server.classifier.inFlight).toBe(0);
  });

  it('reads 20,000 words to their end, and a short text does not wait for them', async () => {
    const long = article(20_000);
    let longIsDone = false;
    const answer = post(server.url, { inputs: long }).then(async (response) => {
      longIsDone = true;
      return (await response.json()) as LabelScore[];
    });
    await expect.poll(() => server.classifier.inFlight, POLL).toBe(1);
    expectScores((await (await post(server.url, { inputs: 'best film' })).json()) as LabelScore[], 'best film');
    expect(longIsDone).toBe(false);
    expectScores(await answer, long);
  });

  it('refuses a 10 MB text with 413 while it is still being sent, and goes on', async () => {
    const response = await post(server.url, JSON.stringify({ inputs: 'x'.repeat(10_000_000) }));
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: { code: 'body_too_large' } });
    expect((await post(server.url, { inputs: 'good' })).status).toBe(200);
  });

  it('refuses a body of unstated length with 413 at the limit', async () => {
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 16).fill(0x20)) });
    const response = await fetch(`${server.url}/v1/classify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: endless,
      duplex: 'half',
    });
    expect(response.status).toBe(413);
    await response.arrayBuffer();
    expect((await post(server.url, { inputs: 'good' })).status).toBe(200);
  });

  it.each([
    ['broken JSON', '{"inputs": ', 400],
    ['a raw NUL', '{"inputs": "a\u0000b"}', 400],
    ['a lone surrogate', '{"inputs": "good \\ud800"}', 200],
    ['an escaped NUL', '{"inputs": "good \\u0000"}', 200],
    ['deep nesting', '[['.repeat(500_000), 400],
    ['an empty list', '{"inputs": []}', 400],
    ['a wrong type', '{"inputs": 3}', 422],
    ['a huge batch', JSON.stringify({ inputs: Array.from({ length: 200_000 }, () => 'good') }), 413],
  ])('answers %s', async (_what, body, status) => {
    expect((await post(server.url, body)).status).toBe(status);
  });

  it('drops the documents of a client that hangs up', async () => {
    const tokensRead = async () => {
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      return Number(/^ulmfit_tokens_total (\d+)$/m.exec(metrics)?.[1]);
    };
    const words = 60_000;
    const body = JSON.stringify({ inputs: article(words) });
    const before = await tokensRead();
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(
      `POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await expect.poll(() => server.classifier.inFlight, POLL).toBe(1);
    socket.destroy();
    await expect.poll(() => server.classifier.inFlight, POLL).toBe(0);
    expect((await tokensRead()) - before).toBeLessThan(words);
    expect((await post(server.url, { inputs: 'good' })).status).toBe(200);
  });

  it('survives a client that hangs up in the middle of its body', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    // The server asks for the body as soon as it has the head, and so has begun the request.
    const asked = once(socket, 'data');
    const head =
      'POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n';
    socket.write(head);
    expect(String((await asked)[0])).toMatch(/^HTTP\/1\.1 100 /);
    await new Promise((resolve) => socket.write('{"inputs": "go', resolve));
    socket.destroy();
    expect((await post(server.url, { inputs: 'good' })).status).toBe(200);
  });
});

describe('startServer', () => {
  it('says what is wrong with a bundle, an option or an address', async () => {
    await expect(startServer(join(folder, 'nothing'), { port: 0 })).rejects.toThrow(UserError);
    await expect(startServer(bundle, { port: 0, maxBatch: 0 })).rejects.toThrow('maxBatch is 0; it must be a whole number from 1 to 1024.');
    await expect(startServer(bundle, { port: 70_000 })).rejects.toThrow('port is 70000; it must be a whole number from 0 to 65535.');
    await expect(startServer(bundle, { port: 0, maxSessions: 0 })).rejects.toThrow('maxSessions is 0; it must be a whole number');
    await expect(startServer(bundle, { port: 0, sessionIdleMilliseconds: 0.5 })).rejects.toThrow(
      'sessionIdleMilliseconds is 0.5; it must be',
    );
    await expect(startServer(bundle, { port: Number(new URL(server.url).port) })).rejects.toThrow(/Another program listens there/);
    await expect(startServer(bundle, { port: 0, host: '192.0.2.1' })).rejects.toThrow(/no such address/);
  });

  it('refuses a bundle whose weights were changed', async () => {
    const damaged = join(folder, 'damaged');
    const { bundle: description } = await writeTinyBundle(damaged, { ...SIZES, seed: 8 });
    const shard = join(damaged, description.members[0]?.shards[0] ?? '');
    const bytes = await readFile(shard);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    await writeFile(shard, bytes);
    await expect(startServer(damaged, { port: 0 })).rejects.toThrow(UserError);
  });

  it('has limits that can be set', async () => {
    const small = await startServer(bundle, { port: 0, maxBodyBytes: 100, maxTexts: 2, maxQueue: 2, maxBatch: 1, threads: 1 });
    try {
      expect((await post(small.url, { inputs: 'x'.repeat(100) })).status).toBe(413);
      expect((await post(small.url, { inputs: ['a', 'b', 'c'] })).status).toBe(413);
      expect((await post(small.url, { inputs: ['good', 'bad'] })).status).toBe(200);
    } finally {
      await small.stop();
    }
  });
});

describe('stop', () => {
  it('finishes what is in flight, closes idle connections, and takes no new ones', async () => {
    const stopping = await startServer(bundle, { port: 0, threads: 1 });
    const text = article(20_000);
    // fetch keeps this connection open after its answer.
    expect((await post(stopping.url, { inputs: 'good' })).status).toBe(200);
    const inFlight = post(stopping.url, { inputs: text });
    await expect.poll(() => stopping.classifier.inFlight, POLL).toBe(1);
    const stopped = stopping.stop();
    expect(stopping.stop()).toBe(stopped);
    const response = await inFlight;
    expect(response.status).toBe(200);
    expectScores((await response.json()) as LabelScore[], text);
    await stopped;
    await expect(post(stopping.url, { inputs: 'good' })).rejects.toThrow('fetch failed');
  });

  it('tells whoever asks meanwhile that it stops, and health checks that it lives', async () => {
    const stopping = await startServer(bundle, { port: 0, threads: 1 });
    // Long enough to be read for longer than all that is asked here takes.
    const busy = post(stopping.url, { inputs: article(50_000) });
    await expect.poll(() => stopping.classifier.inFlight, POLL).toBe(1);
    const stopped = stopping.stop();
    const statuses = await Promise.all(
      ['/health', '/v2/health/ready', '/v2/health/live', '/v1/models'].map(async (path) => {
        // A connection of its own, as a health check has.
        const response = await fetch(stopping.url + path, { headers: { connection: 'close' } });
        return [path, response.status];
      }),
    );
    expect(statuses).toEqual([
      ['/health', 503],
      ['/v2/health/ready', 503],
      ['/v2/health/live', 200],
      ['/v1/models', 503],
    ]);
    expect((await post(stopping.url, { inputs: 'good' })).status).toBe(503);
    expect((await busy).status).toBe(200);
    await stopped;
    await expect(fetch(`${stopping.url}/v2/health/live`)).rejects.toThrow('fetch failed');
  });

  it('answers 503 on a connection that was open already, and closes it', async () => {
    const stopping = await startServer(bundle, { port: 0, threads: 1 });
    const busy = post(stopping.url, { inputs: article(50_000) });
    await expect.poll(() => stopping.classifier.inFlight, POLL).toBe(1);
    // One request is answered, and the head of the next one half sent, when the server stops: the connection is in use.
    const socket = connect(Number(new URL(stopping.url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => (answer += data.toString()));
    socket.write(
      'GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\nPOST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n',
    );
    await expect.poll(() => answer, POLL).toMatch(/^HTTP\/1\.1 200 [^]*\}$/);
    answer = '';
    const stopped = stopping.stop();
    const closed = once(socket, 'close');
    socket.write('content-length: 18\r\n\r\n{"inputs": "good"}');
    await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(answer).toContain('{"error":{"code":"unavailable",');
    expect((await busy).status).toBe(200);
    await stopped;
  });

  it('gives up past the drain time, with an answer', async () => {
    const stopping = await startServer(bundle, { port: 0, threads: 1, drainMilliseconds: 50 });
    const inFlight = post(stopping.url, { inputs: article(200_000) });
    await expect.poll(() => stopping.classifier.inFlight, POLL).toBe(1);
    const stopped = stopping.stop();
    const response = await inFlight;
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: 'unavailable' } });
    await stopped;
  });
});

describe('the serve command', () => {
  it('prints where it listens, answers, and ends with 0 on SIGTERM once its requests are answered', async () => {
    const command = new URL('../../trainer/commands/serve.ts', import.meta.url).href;
    const script = `import { serve } from ${JSON.stringify(command)}; await serve([${JSON.stringify(bundle)}], { port: 0 });`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    const exited = once(child, 'exit');
    await expect.poll(() => output, POLL).toMatch(/\n/);
    const url = /^listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(output)?.[1] ?? '';
    const inFlight = request(`${url}/v1/classify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', expect: '100-continue' },
    });
    inFlight.flushHeaders();
    const answered = once(inFlight, 'response') as Promise<[IncomingMessage]>;
    // The server has begun the request when it asks for its body.
    await once(inFlight, 'continue');
    child.kill('SIGTERM');
    await expect.poll(() => errors, POLL).toContain('Stopping: finishing what is in flight.');
    inFlight.end(JSON.stringify({ inputs: article(2_000) }));
    const [response] = await answered;
    response.resume();
    expect(response.statusCode).toBe(200);
    expect(await exited).toEqual([0, null]);
    expect(errors).toContain(`curl ${url}/v1/classify`);
  });
});
