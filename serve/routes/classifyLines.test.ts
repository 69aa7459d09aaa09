import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as v from 'valibot';

import { PlainRuntime, plainBundle } from '../../test/fixtures/plainRuntime.ts';
import type { App } from '../service.ts';
import type { LoadedBundle } from '../classifierRuntime.ts';
import { stoppingError } from '../errors.ts';
import { lineAnswerSchema } from '../lineSchema.ts';
import type { LabelScore } from '../schema.ts';
import { appOn, classify, errorOf, expectScores, SECRET, SIZES, type TestAppOptions, TOKENS, WORDS } from '../testSupport.ts';

interface Answer {
  readonly line?: number;
  readonly id?: string | number;
  readonly answer?: LabelScore[];
  readonly error?: { readonly code: string; readonly message: string };
}

let runtime: PlainRuntime;
let loaded: LoadedBundle;
let faults: unknown[];

const appWith = (options: TestAppOptions = {}): App => appOn(loaded, faults, options);

const send = (
  app: App,
  body: string | Blob | ReadableStream | null,
  { query = '', type = 'application/x-ndjson', signal }: { query?: string; type?: string; signal?: AbortSignal } = {},
) =>
  app.request(`/v1/classify/ndjson${query}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
    ...(body instanceof ReadableStream && { duplex: 'half' }),
    ...(signal && { signal }),
  } as RequestInit);

async function answersOf(response: Response): Promise<Answer[]> {
  const text = await response.text();
  expect(text).not.toContain(SECRET);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => v.parse(lineAnswerSchema, JSON.parse(line)) as Answer);
}

const textOf = (seed: number) =>
  Array.from({ length: 1 + (seed % 40) }, (_, word) => WORDS[(seed * 7 + word * word) % (WORDS.length - 3)]).join(' ');
const linesOf = (count: number) => Array.from({ length: count }, (_, index) => `${JSON.stringify({ text: textOf(index), label: 'x' })}\n`);

/** A body whose lines are sent one by one. */
function openBody() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => void (cancelled = true),
  });
  return {
    stream,
    write: (text: string) => controller?.enqueue(new TextEncoder().encode(text)),
    close: () => controller?.close(),
    isCancelled: () => cancelled,
  };
}

/** Reads a response answer by answer. */
function reading(response: Response) {
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
  return {
    next: async () => {
      const { done, value } = await reader.read();
      return done ? undefined : (JSON.parse(new TextDecoder().decode(value)) as Answer);
    },
    cancel: () => reader.cancel(),
  };
}

beforeEach(() => {
  runtime = new PlainRuntime({ sizes: SIZES });
  loaded = plainBundle([{ runtime, vocabulary: TOKENS }]);
  faults = [];
});

afterEach(() => expect(faults).toEqual([]));

describe('POST /v1/classify/ndjson', () => {
  it('answers every line in order, as each text alone', async () => {
    const app = appWith();
    const response = await send(app, linesOf(200).join(''));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    const answers = await answersOf(response);
    expect(answers.map(({ line }) => line)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    for (const index of [0, 1, 39, 199]) {
      const alone = (await (await classify(app, { inputs: textOf(index) })).json()) as LabelScore[];
      expectScores(answers[index]?.answer, alone);
    }
  });

  it('repeats ids, skips blank lines, and takes parameters from the query', async () => {
    const body = '{"text": "good", "id": "a"}\n\n  \r\n{"id": 7, "text": "bad"}\r\n{"text": "fine"}';
    const answers = await answersOf(
      await send(appWith(), body, { query: '?top_k=1&function_to_apply=none', type: 'application/jsonl; charset=utf-8' }),
    );
    expect(answers.map(({ line, id }) => [line, id])).toEqual([
      [1, 'a'],
      [4, 7],
      [5, undefined],
    ]);
    for (const { answer } of answers) expect(answer).toHaveLength(1);
  });

  it('answers a bad line in its place, with its number, and goes on', async () => {
    const bad = [
      `{"text": "${SECRET}`,
      `"${SECRET}"`,
      '[1]',
      '{}',
      `{"text": 3, "x": "${SECRET}"}`,
      '{"text": " "}',
      '{"text": "good", "id": {}}',
    ];
    const long = `{"text": "${'good '.repeat(300)}"}`;
    const pieces = [...bad, long, '{"text": "good"}'].map((line) => new TextEncoder().encode(`${line}\n`));
    const body = new Blob([...pieces, Uint8Array.of(0x22, 0xff, 0x22, 0x0a), '{"text": "bad"}']);
    const answers = await answersOf(await send(appWith({ maxBodyBytes: 1000 }), body));
    expect(answers.map(({ line, error, answer }) => [line, error?.code ?? answer?.length])).toEqual([
      [1, 'malformed_body'],
      [2, 'invalid_request'],
      [3, 'invalid_request'],
      [4, 'invalid_request'],
      [5, 'invalid_request'],
      [6, 'empty_input'],
      [7, 'invalid_request'],
      [8, 'text_too_long'],
      [9, 3],
      [10, 'malformed_body'],
      [11, 3],
    ]);
    expect(answers[4]?.error?.message).toBe('text in line 5 must be a string.');
    expect(answers[9]?.error?.message).toBe('Line 10 is not valid UTF-8.');
  });

  it('answers a line before the next one is sent', async () => {
    const body = openBody();
    const answers = reading(await send(appWith(), body.stream));
    for (let line = 1; line <= 3; line++) {
      body.write(`{"text": "good film", "id": ${line}}\n`);
      expect(await answers.next()).toMatchObject({ line, id: line });
    }
    body.close();
    expect(await answers.next()).toBeUndefined();
  });

  it('reads only as many lines as there is room for while nobody reads the answers', async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode(`{"text": "good film", "id": ${++sent}}\n`)),
    });
    const answers = reading(await send(appWith(), endless));
    await answers.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [before, calls] = [sent, runtime.calls.length];
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([sent, runtime.calls.length]).toEqual([before, calls]);
    expect(before).toBeLessThan(80);
    for (let line = 2; line <= 500; line++) expect((await answers.next())?.line).toBe(line);
    expect(sent).toBeLessThan(580);
    await answers.cancel();
  });

  it('stops when the client leaves', async () => {
    const gate = Promise.withResolvers<void>();
    runtime.beforeCall = () => gate.promise;
    const body = openBody();
    const app = appWith();
    const answers = reading(await send(app, body.stream));
    const first = answers.next();
    body.write(linesOf(3).join(''));
    await expect.poll(() => runtime.calls.length).toBe(1);
    await answers.cancel();
    gate.resolve();
    await first;
    await expect.poll(() => body.isCancelled()).toBe(true);
    // Nothing of it is left in the line.
    const calls = runtime.calls.length;
    expect((await classify(app, { inputs: 'good' })).status).toBe(200);
    expect(runtime.calls.slice(calls).every(({ lengths }) => lengths.length === 1)).toBe(true);
  });

  it('waits for room in a full queue instead of refusing lines', async () => {
    runtime.beforeCall = () => new Promise((resolve) => setTimeout(resolve, 1));
    const answers = await answersOf(await send(appWith({ maxQueue: 2 }), linesOf(40).join('')));
    expect(answers.filter(({ answer }) => answer !== undefined)).toHaveLength(40);
  });

  it('tells a fault of the server in the place of the line, and goes on', async () => {
    runtime.beforeCall = (rows) => {
      if (rows.some(({ tokens }) => tokens.length === 2)) throw new Error(`broken ${SECRET}`);
    };
    const answers = await answersOf(
      await send(appWith({ maxBatch: 1 }), '{"text": "good film story"}\n{"text": "good"}\n{"text": "bad film story"}\n'),
    );
    expect(answers.map(({ error }) => error?.code)).toEqual([undefined, 'internal', undefined]);
    expect(faults.splice(0)).toHaveLength(1);
  });

  it('says so, and ends, when the server gives up what is in flight', async () => {
    const shutdown = new AbortController();
    const body = openBody();
    const answers = reading(await send(appWith({ shutdown: shutdown.signal }), body.stream));
    body.write('{"text": "good"}\n');
    expect(await answers.next()).toMatchObject({ line: 1, answer: expect.any(Array) });
    shutdown.abort(stoppingError());
    expect(await answers.next()).toEqual({ error: { code: 'unavailable', message: expect.any(String) } });
    expect(await answers.next()).toBeUndefined();
  });

  it('does not wait for ever for a client that sends nothing, nor for an answer', async () => {
    const silent = reading(await send(appWith({ deadlineMilliseconds: 30 }), openBody().stream));
    expect(await silent.next()).toMatchObject({ error: { code: 'deadline_exceeded' } });
    expect(await silent.next()).toBeUndefined();
    const gate = Promise.withResolvers<void>();
    runtime.beforeCall = () => gate.promise;
    const slow = await answersOf(await send(appWith({ deadlineMilliseconds: 30 }), '{"text": "good"}\n'));
    expect(slow).toMatchObject([{ line: 1, error: { code: 'deadline_exceeded' } }]);
    gate.resolve();
  });

  it.each([
    ['another type', '', 'application/json', 415],
    ['an unknown parameter', '?topk=1', 'application/x-ndjson', 422],
    ['a wrong parameter', '?top_k=many', 'application/x-ndjson', 422],
    ['a number that is not written as one', '?top_k=0x2', 'application/x-ndjson', 422],
  ])('refuses %s', async (_what, query, type, status) => {
    expect(await errorOf(await send(appWith(), '{"text": "good"}', { query, type }))).toMatchObject({ status });
  });

  it('answers an empty body with nothing', async () => {
    expect(await answersOf(await send(appWith(), null))).toEqual([]);
    expect(await answersOf(await send(appWith(), '\n\n'))).toEqual([]);
  });
});
