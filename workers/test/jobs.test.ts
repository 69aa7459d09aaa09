/** Jobs in workerd, with its bucket and its queue: from the request to the results, and when things fail on the way. */
import { createExecutionContext } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';

import type { Answer, LabelScore } from '../../serve/schema.ts';
import { EDGE_LIMITS, readyIsolate } from '../src/isolate.ts';
import { jobPrefix, type PartMessage } from '../src/jobs/job.ts';
import { consumeDeadLetters, consumeParts, type JobTools } from '../src/jobs/jobConsumer.ts';
import { JobStore } from '../src/jobs/jobStore.ts';
import { OutOfMemoryError } from '../src/onnxRuntimeMemory.ts';
import worker from '../src/worker.ts';
import { article } from './texts.ts';

const LINES_TYPE = { 'content-type': 'application/x-ndjson' };

interface Job {
  readonly id: string;
  readonly state: string;
  readonly lines: number;
  readonly linesDone: number;
  readonly errors: number;
  readonly parts: number;
  readonly partsDone: number;
  readonly deadLetters: readonly object[];
  readonly versions: readonly string[];
}

interface ResultLine {
  readonly line: number;
  readonly id?: string | number;
  readonly answer?: Answer;
  readonly error?: { readonly code: string };
}

const ask = (path: string, init?: RequestInit) => exports.default.fetch(`http://edge.test${path}`, init);
const submit = (body: string) => ask('/v1/jobs', { method: 'POST', headers: LINES_TYPE, body });
const statusOf = async (id: string) => (await (await ask(`/v1/jobs/${id}`)).json()) as Job;

async function resultsOf(id: string): Promise<ResultLine[]> {
  const response = await ask(`/v1/jobs/${id}/results`);
  expect(response.status).toBe(200);
  return new TextDecoder()
    .decode(await response.arrayBuffer())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ResultLine);
}

const untilDone = (id: string) =>
  vi.waitUntil(
    async () => {
      const job = await statusOf(id);
      return job.state === 'running' ? undefined : job;
    },
    { timeout: 30_000, interval: 100 },
  );

/** A queue that keeps what is put into it, so that a test can deliver it as often as it likes. */
function heldQueue() {
  const sent: PartMessage[] = [];
  const queue: Queue<PartMessage> = {
    sendBatch: async (messages) => {
      sent.push(...messages.map(({ body }) => body));
    },
  };
  return { sent, store: new JobStore(env.JOBS, queue) };
}

/** Delivers a message once. @returns whether it was acknowledged, or after how many seconds it comes again */
async function deliver(
  consume: (batch: MessageBatch<PartMessage>, tools: JobTools) => Promise<void>,
  tools: JobTools,
  body: PartMessage,
  attempts = 1,
): Promise<'done' | number | undefined> {
  let outcome: 'done' | number | undefined;
  const message: Message<PartMessage> = {
    id: 'message',
    attempts,
    body,
    ack: () => (outcome = 'done'),
    retry: (options) => (outcome = options?.delaySeconds),
  };
  await consume({ queue: 'usual-jobs', messages: [message] }, tools);
  return outcome;
}

const toolsOf = (store: JobStore): JobTools => ({
  store,
  limits: EDGE_LIMITS,
  classifier: async () => (await readyIsolate(env)).classifier,
});

const streamOf = (text: string) => new Response(text).body ?? new ReadableStream<Uint8Array>();

async function takenJob(store: JobStore, lines = 3) {
  const body = Array.from({ length: lines }, (_, index) => `${JSON.stringify({ text: article(5, index) })}\n`).join('');
  const job = await store.create(streamOf(body), {});
  if (job === undefined) throw new Error('The job has lines.');
  return job;
}

describe('a job', () => {
  it('answers every line in order, as a request would, in parts that the queue spreads', async () => {
    const texts = Array.from({ length: 520 }, (_, index) => article(1 + (index % 7), index));
    const lines = texts.map((text, index) => JSON.stringify({ text, id: `document ${index}` }));
    lines.splice(3, 0, '{"text": "', '', '{"text": "  "}', '{"label": "positive"}');
    const response = await submit(lines.join('\n'));
    expect(response.status).toBe(202);
    const job = (await response.json()) as Job;
    expect(response.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
    expect(job).toMatchObject({ state: 'running', lines: 524, linesDone: 0, parts: 2 });

    expect(await untilDone(job.id)).toMatchObject({
      state: 'finished',
      linesDone: 524,
      errors: 3,
      partsDone: 2,
      deadLetters: [],
      versions: ['1'],
    });
    const results = await resultsOf(job.id);
    expect(results.map(({ line }) => line)).toEqual(Array.from({ length: 524 }, (_, index) => index + 1).filter((line) => line !== 5));
    expect(results.filter(({ error }) => error).map(({ line, error }) => [line, error?.code])).toEqual([
      [4, 'malformed_body'],
      [6, 'empty_input'],
      [7, 'invalid_request'],
    ]);
    const answered = results.filter(({ answer }) => answer);
    expect(answered.map(({ id }) => id)).toEqual(texts.map((_, index) => `document ${index}`));
    for (const place of [0, 3, 499, 519]) {
      const inputs = texts[place];
      const alone = await ask('/v1/classify', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ inputs }),
      });
      const first = (await alone.json()) as LabelScore[];
      const other = answered[place]?.answer as LabelScore[];
      expect(other.map(({ label }) => label)).toEqual(first.map(({ label }) => label));
      for (const [index, { score }] of first.entries()) expect(other[index]?.score).toBeCloseTo(score, 4);
    }
  });

  it('takes parameters from its address', async () => {
    const response = await ask('/v1/jobs?top_k=1', { method: 'POST', headers: LINES_TYPE, body: '{"text": "good film"}' });
    const { id } = (await response.json()) as Job;
    await untilDone(id);
    expect((await resultsOf(id))[0]?.answer).toHaveLength(1);
  });

  it('is forgotten when it is deleted', async () => {
    const { id } = (await (await submit('{"text": "good"}')).json()) as Job;
    await untilDone(id);
    expect((await ask(`/v1/jobs/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(`/v1/jobs/${id}`)).status).toBe(404);
    expect((await env.JOBS.list({ prefix: jobPrefix(id) })).objects).toEqual([]);
  });

  it.each([
    ['nothing', { headers: LINES_TYPE }, 400, 'empty_input'],
    ['another type', { headers: { 'content-type': 'text/csv' }, body: 'text\ngood' }, 415, 'unsupported_media_type'],
  ])('refuses %s', async (_what, init, status, code) => {
    const response = await ask('/v1/jobs', { method: 'POST', ...init });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code } });
  });

  it.each(['../../bundle.json', 'f'.repeat(32), '%00', ''])('says that there is no job "%s"', async (id) => {
    expect((await ask(`/v1/jobs/${id}/results`)).status).toBe(404);
  });
});

describe('delivery', () => {
  it('answers a part once, however often it is delivered', async () => {
    const { sent, store } = heldQueue();
    const job = await takenJob(store);
    const put = vi.spyOn(store, 'putResult');
    const [message] = sent;
    if (message === undefined) throw new Error('A job has a part.');
    for (let time = 0; time < 3; time++) expect(await deliver(consumeParts, toolsOf(store), message)).toBe('done');
    expect(put).toHaveBeenCalledOnce();
    expect(await store.progress(job)).toMatchObject({ state: 'finished', linesDone: 3 });
  });

  it('lets parts go whose job was deleted meanwhile', async () => {
    const { sent, store } = heldQueue();
    const { id } = await takenJob(store);
    await store.delete(id);
    for (const message of sent) expect(await deliver(consumeParts, toolsOf(store), message)).toBe('done');
    expect((await env.JOBS.list({ prefix: jobPrefix(id) })).objects).toEqual([]);
  });
});

describe('a consumer that fails', () => {
  it('has its parts delivered again, later each time, then shows them as dead letters, and tries again on request', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { sent, store } = heldQueue();
    const { id } = await takenJob(store);
    const [message] = sent;
    if (message === undefined) throw new Error('A job has a part.');
    const failing: JobTools = { ...toolsOf(store), classifier: () => Promise.reject(new Error('no memory')) };
    const outcomes: unknown[] = [];
    for (const attempt of [1, 2, 3, 4, 5]) outcomes.push(await deliver(consumeParts, failing, message, attempt));
    expect(outcomes).toEqual([5, 10, 20, 40, 80]);
    expect(await statusOf(id)).toMatchObject({ state: 'running', linesDone: 0, deadLetters: [] });
    expect((await ask(`/v1/jobs/${id}/results`)).status).toBe(409);

    expect(await deliver(consumeDeadLetters, failing, message)).toBe('done');
    expect(await statusOf(id)).toMatchObject({ state: 'incomplete', deadLetters: [{ part: 0, firstLine: 1, lines: 3 }] });
    expect(await resultsOf(id)).toMatchObject([1, 2, 3].map((line) => ({ line, error: { code: 'internal' } })));

    // The Worker's own queue delivers it now, to a consumer that works.
    expect((await ask(`/v1/jobs/${id}/retry`, { method: 'POST' })).status).toBe(202);
    expect(await untilDone(id)).toMatchObject({ state: 'finished', linesDone: 3, deadLetters: [] });
    expect((await resultsOf(id)).every(({ answer }) => answer !== undefined)).toBe(true);
    expect(log).toHaveBeenCalled();
    expect(log.mock.calls.flat().join()).not.toContain(article(5, 0));
    log.mockRestore();
  });

  it('tries a part again that there was no memory for, rather than answer its lines with that', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { sent, store } = heldQueue();
    const job = await takenJob(store);
    const [message] = sent;
    if (message === undefined) throw new Error('A job has a part.');
    const { classifier } = await readyIsolate(env);
    const full = vi.spyOn(classifier, 'classify').mockRejectedValueOnce(new OutOfMemoryError());
    expect(await deliver(consumeParts, toolsOf(store), message)).toBe(5);
    full.mockRestore();
    expect(await deliver(consumeParts, toolsOf(store), message, 2)).toBe('done');
    expect(await store.progress(job)).toMatchObject({ state: 'finished', linesDone: 3, errors: 0 });
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
  });

  it('notes no dead letter for a part that was done after all', async () => {
    const { sent, store } = heldQueue();
    const job = await takenJob(store);
    const [message] = sent;
    if (message === undefined) throw new Error('A job has a part.');
    await deliver(consumeParts, toolsOf(store), message);
    await deliver(consumeDeadLetters, toolsOf(store), message);
    expect(await store.progress(job)).toMatchObject({ state: 'finished', deadLetters: [] });
  });

  it('leaves nothing of a job that the queue does not take', async () => {
    const before = (await env.JOBS.list({ prefix: 'jobs/' })).objects.length;
    const store = new JobStore(env.JOBS, { sendBatch: () => Promise.reject(new Error('the queue is full')) });
    await expect(takenJob(store)).rejects.toThrow('the queue is full');
    expect((await env.JOBS.list({ prefix: 'jobs/' })).objects).toHaveLength(before);
  });
});

it('says that a deployment without a bucket and a queue takes no jobs', async () => {
  vi.resetModules();
  const fresh: typeof worker = (await import('../src/worker.ts')).default;
  for (const [path, method] of [
    ['/v1/jobs', 'POST'],
    [`/v1/jobs/${'f'.repeat(32)}`, 'GET'],
  ] as const) {
    const response = await fresh.fetch(
      new Request(`http://edge.test${path}`, { method }),
      { ASSETS: env.ASSETS },
      createExecutionContext(),
    );
    expect(response.status).toBe(501);
    expect(await response.json()).toMatchObject({ error: { code: 'not_enabled', message: expect.stringContaining('--jobs') } });
  }
});
