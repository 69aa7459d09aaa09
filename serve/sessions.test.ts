import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../test/fixtures/plainRuntime.ts';
import { tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import { answerOf } from './answers.ts';
import { Classifier } from './classifier.ts';
import type { LoadedBundle } from './classifierRuntime.ts';
import type { ModelRegistry } from './modelRegistry.ts';
import type { LabelScore } from './schema.ts';
import type { App } from './service.ts';
import { MemorySessionStore } from './sessionStore.ts';
import { appOn, errorOf, expectScores, SECRET, SIZES, TOKENS } from './testSupport.ts';

interface SessionAnswer {
  readonly id: string;
  readonly sequence: number;
  readonly tokens: number;
  readonly answer: LabelScore[] | null;
  readonly expires_at: string;
  readonly state: string;
}

let runtime: PlainRuntime;
let loaded: LoadedBundle;
let faults: unknown[];
let time: number;
let store: MemorySessionStore;
let app: App;

beforeEach(() => {
  runtime = new PlainRuntime({ sizes: SIZES });
  loaded = plainBundle([{ runtime, vocabulary: TOKENS }]);
  faults = [];
  time = Date.parse('2026-01-01T00:00:00Z');
  store = new MemorySessionStore({ maxSessions: 3, idleMilliseconds: 60_000, now: () => time });
  app = appOn(loaded, faults, { sessions: store });
});

afterEach(() => {
  expect(faults).toEqual([]);
});

const TEXT = 'The film was not very good, but I like the plot and the actor. It is a fine story: dull, bad, but this is that of it!';

function whole(text: string): LabelScore[] {
  return answerOf(loaded.bundle, [runtime.alone(Vocabulary.fromTokens(TOKENS).encode(tokenize(text)))]) as LabelScore[];
}

function send(method: string, path: string, body?: unknown): Promise<Response> {
  const init = body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  return Promise.resolve(app.request(path, { method, ...init }));
}

async function ok(response: Promise<Response>): Promise<SessionAnswer> {
  const { status, body } = await response.then(async (received) => ({ status: received.status, body: (await received.json()) as unknown }));
  expect(status, JSON.stringify(body)).toBeLessThan(300);
  return body as SessionAnswer;
}

const begin = async (): Promise<string> => (await ok(send('POST', '/v1/sessions'))).id;
const appendTo = (id: string, body: unknown) => send('POST', `/v1/sessions/${id}/text`, body);

describe('a session', () => {
  it('answers every piece with what all text so far gets at once, wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: TEXT.length }), { maxLength: 6 }), async (places) => {
        const ends = [...places, TEXT.length].sort((one, other) => one - other);
        const id = await begin();
        for (const [index, end] of ends.entries()) {
          const text = TEXT.slice(ends[index - 1] ?? 0, end);
          const { answer, tokens, sequence } = await ok(appendTo(id, { text, sequence: index + 1 }));
          expect(sequence).toBe(index + 1);
          if (end === 0) expect(answer).toBeNull();
          else expectScores(answer, whole(TEXT.slice(0, end)));
          expect(tokens).toBe(end === 0 ? 0 : tokenize(TEXT.slice(0, end)).length);
        }
        expect((await send('DELETE', `/v1/sessions/${id}`)).status).toBe(204);
      }),
      { numRuns: 40, seed: 1 },
    );
    expect(store.size).toBe(0);
  });

  it('begins with its id and address, and tells its last answer again until it is ended', async () => {
    const response = await send('POST', '/v1/sessions');
    expect(response.status).toBe(201);
    const begun = (await response.json()) as SessionAnswer;
    expect(response.headers.get('location')).toBe(`/v1/sessions/${begun.id}`);
    expect(begun).toMatchObject({
      sequence: 0,
      tokens: 0,
      answer: null,
      model: 'plain',
      version: '1',
      expires_at: '2026-01-01T00:01:00.000Z',
    });
    const answered = await ok(appendTo(begun.id, { text: 'good film', parameters: { top_k: 1 } }));
    expect(answered.answer).toHaveLength(1);
    expect(await ok(send('GET', `/v1/sessions/${begun.id}`))).toEqual({
      ...answered,
      answer: expect.arrayContaining(answered.answer ?? []),
    });
    expect((await send('DELETE', `/v1/sessions/${begun.id}`)).status).toBe(204);
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/text'],
    ] as const) {
      const gone = await send(method, `/v1/sessions/${begun.id}${path}`, method === 'POST' ? { text: 'x' } : undefined);
      expect(await errorOf(gone)).toMatchObject({ status: 404, code: 'session_not_found' });
    }
  });

  it('keeps half a character for the piece that brings the other half', async () => {
    const id = await begin();
    await ok(appendTo(id, { text: 'good film \ud83d' }));
    const { answer, tokens } = await ok(appendTo(id, { text: '\udc4d fine' }));
    expectScores(answer, whole('good film 👍 fine'));
    expect(tokens).toBe(tokenize('good film 👍 fine').length);
  });

  it('counts a piece once, however often it is sent with its number', async () => {
    const id = await begin();
    const pieces = ['The film was not ', 'very good, but I li', 'ke the plot.'];
    for (const [index, text] of pieces.entries()) {
      const first = await ok(appendTo(id, { text, sequence: index + 1 }));
      const calls = runtime.calls.length;
      expect(await ok(appendTo(id, { text, sequence: index + 1 }))).toEqual(first);
      expect(runtime.calls).toHaveLength(calls);
    }
    expectScores((await ok(send('GET', `/v1/sessions/${id}`))).answer, whole(pieces.join('')));
  });

  it('409 for a gap, for a number that was used before, and for another text under the last one', async () => {
    const id = await begin();
    const refuse = async (body: unknown, message: string) =>
      expect(await errorOf(await appendTo(id, body))).toMatchObject({
        status: 409,
        code: 'sequence_conflict',
        message: expect.stringContaining(message),
      });
    await refuse({ text: 'b', sequence: 2 }, 'came before piece 1');
    await ok(appendTo(id, { text: 'a film ', sequence: 1 }));
    await ok(appendTo(id, { text: 'was good', sequence: 2 }));
    await refuse({ text: 'a film ', sequence: 1 }, 'others after it. The next one is 3');
    await refuse({ text: SECRET, sequence: 2 }, 'Piece 2 was another text');
    await refuse({ text: 'x', sequence: 4 }, 'came before piece 3');
    expectScores((await ok(send('GET', `/v1/sessions/${id}`))).answer, whole('a film was good'));
  });

  it('reads pieces that arrive at the same time one after the other, each once', async () => {
    runtime.beforeCall = () => new Promise((resolve) => setTimeout(resolve, 1));
    const id = await begin();
    const same = await Promise.all(Array.from({ length: 5 }, () => ok(appendTo(id, { text: 'the film was good ', sequence: 1 }))));
    for (const answer of same) expect(answer).toEqual(same[0]);
    await Promise.all(Array.from({ length: 5 }, () => ok(appendTo(id, { text: 'but dull ' }))));
    const { sequence, answer } = await ok(send('GET', `/v1/sessions/${id}`));
    expect(sequence).toBe(6);
    expectScores(answer, whole(`the film was good ${'but dull '.repeat(5)}`));
  });

  it('loses nothing when a piece cannot be read', async () => {
    const id = await begin();
    await ok(appendTo(id, { text: 'the film was ', sequence: 1 }));
    runtime.beforeCall = () => {
      throw new Error('bad_alloc');
    };
    expect(await errorOf(await appendTo(id, { text: 'good ', sequence: 2 }))).toMatchObject({ status: 500 });
    expect(faults).toHaveLength(1);
    faults = [];
    runtime.beforeCall = () => {};
    expectScores((await ok(appendTo(id, { text: 'good ', sequence: 2 }))).answer, whole('the film was good'));
  });

  it('is forgotten when it has waited too long, and no more are kept than may be', async () => {
    const ids = [await begin(), await begin(), await begin()];
    const refused = await send('POST', '/v1/sessions');
    expect(refused.headers.get('retry-after')).toBe('60');
    expect(await errorOf(refused)).toMatchObject({ status: 429, code: 'sessions_full' });
    time += 59_000;
    await ok(appendTo(ids[1] ?? '', { text: 'good' }));
    time += 1_000;
    expect(store.size).toBe(1);
    expect((await send('GET', `/v1/sessions/${ids[0]}`)).status).toBe(404);
    expectScores((await ok(appendTo(ids[1] ?? '', { text: ' film' }))).answer, whole('good film'));
    await begin();
    time += 60_000;
    expect(store.size).toBe(0);
  });

  it.each<[string, unknown, number, string]>([
    ['no text', {}, 422, 'The body must be an object with "text"'],
    ['a number', { text: 3 }, 422, 'text must be a string'],
    ['sequence 0', { text: 'a', sequence: 0 }, 422, 'sequence must be a whole number from 1 on'],
    ['sequence 1.5', { text: 'a', sequence: 1.5 }, 422, 'sequence must be a whole number from 1 on'],
    ['a further key', { text: 'a', [SECRET]: 1 }, 422, 'no other entries'],
    ['a long text', { text: 'x'.repeat(2_000_001) }, 413, 'text has 2000001 characters'],
    ['a text without a place to cut it', { text: SECRET.repeat(10_000) }, 413, 'at most 100000 characters are held back'],
  ])('refuses %s', async (_what, body, status, message) => {
    const id = await begin();
    expect(await errorOf(await appendTo(id, body))).toMatchObject({ status, message: expect.stringContaining(message) });
    expect((await ok(send('GET', `/v1/sessions/${id}`))).sequence).toBe(0);
  });
});

describe('a document whose model is not there any more', () => {
  /** One model whose versions the test exchanges. */
  function exchangeable() {
    const versionOf = (version: string) => {
      const bundle = { ...loaded.bundle, version };
      return { name: 'plain', version, classifier: new Classifier({ ...loaded, bundle }, { maxBatch: 4, maxQueue: 8 }) };
    };
    let served = [versionOf('1')];
    const models: ModelRegistry = {
      defaultName: 'plain',
      find: (_name, version) => served.find((model) => version === undefined || model.version === version),
      list: () => served.slice(0, 1).map((current) => ({ name: 'plain', current, previous: served[1] })),
      subscribe: () => () => {},
    };
    return { models, serve: (...versions: string[]) => void (served = versions.map(versionOf)) };
  }

  it('goes on with its own version while that is kept, and is refused with 409 after', async () => {
    const { models, serve } = exchangeable();
    app = appOn(loaded, faults, { models, sessions: store });
    const id = await begin();
    const { state } = await ok(send('POST', '/v1/classify/continue', { text: 'the film ' }));
    await ok(appendTo(id, { text: 'the film ' }));
    serve('2', '1');
    expect(await ok(appendTo(id, { text: 'was ' }))).toMatchObject({ version: '1' });
    expect(await ok(send('POST', '/v1/classify/continue', { text: 'was ', state }))).toMatchObject({ version: '1' });
    serve('3', '2');
    const message = expect.stringContaining('version 1 of the model plain, which is not served any more');
    for (const refused of [
      appendTo(id, { text: 'good' }),
      send('GET', `/v1/sessions/${id}`),
      send('POST', '/v1/classify/continue', { text: 'was ', state }),
    ]) {
      expect(await errorOf(await refused)).toMatchObject({ status: 409, code: 'model_changed', message });
    }
  });
});

describe('a model that reads backwards too', () => {
  it('is refused for documents in pieces and streams, and answers whole documents', async () => {
    const backward = new PlainRuntime({ sizes: SIZES, seed: 2 });
    app = appOn(
      plainBundle([
        { runtime, vocabulary: TOKENS },
        { runtime: backward, vocabulary: TOKENS },
      ]),
      faults,
      {},
    );
    for (const response of [
      send('POST', '/v1/sessions'),
      send('POST', '/v1/classify/continue', { text: 'good' }),
      send('POST', '/v1/classify/stream', { inputs: 'good' }),
    ]) {
      expect(await errorOf(await response)).toMatchObject({ status: 422, code: 'not_streamable' });
    }
    expect((await send('POST', '/v1/classify', { inputs: 'good' })).status).toBe(200);
  });
});
