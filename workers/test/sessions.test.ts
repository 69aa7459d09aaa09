/** Documents in pieces over HTTP, in workerd, kept in Durable Objects that come and go. */
import { createExecutionContext, evictDurableObject } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import { expect, it, vi } from 'vitest';

import type { LabelScore } from '../../serve/schema.ts';
import { SessionObjects } from '../src/sessionObject.ts';
import type worker from '../src/worker.ts';
import { article } from './texts.ts';

interface Answered {
  readonly id: string;
  readonly sequence: number;
  readonly tokens: number;
  readonly answer: readonly LabelScore[] | null;
}

const post = (path: string, body?: unknown) =>
  exports.default.fetch(`http://edge.test${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
const begin = async () => ((await (await post('/v1/sessions')).json()) as Answered).id;
const append = (id: string, text: string, sequence?: number) => post(`/v1/sessions/${id}/text`, { text, ...(sequence && { sequence }) });
const answeredTo = async (response: Response) => (await response.json()) as Answered;
const evict = (id: string) => evictDurableObject(env.SESSIONS.get(env.SESSIONS.idFromName(id)));
const whole = async (inputs: string) => (await (await post('/v1/classify', { inputs })).json()) as LabelScore[];

function expectScores(found: readonly LabelScore[] | null, wanted: readonly LabelScore[]): void {
  expect(found?.map(({ label }) => label)).toEqual(wanted.map(({ label }) => label));
  for (const [index, { score }] of wanted.entries()) expect(found?.[index]?.score).toBeCloseTo(score, 4);
}

it('answers a document in pieces as a whole one, though its object is evicted between any two of them', async () => {
  const text = article(300, 3);
  const id = await begin();
  // Pieces end in the middle of words and of chunks.
  const cuts = [0, 13, 200, 201, 700, text.length];
  for (const [index, cut] of cuts.slice(1).entries()) {
    const answered = await answeredTo(await append(id, text.slice(cuts[index], cut), index + 1));
    expectScores(answered.answer, await whole(text.slice(0, cut)));
    await evict(id);
    const again = await answeredTo(await exports.default.fetch(`http://edge.test/v1/sessions/${id}`));
    expect(again).toMatchObject({ sequence: index + 1, tokens: answered.tokens, answer: answered.answer });
  }
});

it('takes a piece once, however often it is sent, and refuses one out of order', async () => {
  const id = await begin();
  const first = await answeredTo(await append(id, 'good film ', 1));
  await evict(id);
  expect(await answeredTo(await append(id, 'good film ', 1))).toMatchObject({ sequence: 1, answer: first.answer, tokens: first.tokens });
  for (const [text, sequence] of [
    ['bad film ', 1],
    ['later ', 3],
  ] as const) {
    const refused = await append(id, text, sequence);
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ error: { code: 'sequence_conflict' } });
  }
  expect(await answeredTo(await append(id, 'bad plot', 2))).toMatchObject({ sequence: 2 });
});

it('gives pieces that come together an order, and loses none', async () => {
  const id = await begin();
  const pieces = Array.from({ length: 6 }, () => 'good film. ');
  const answers = await Promise.all(pieces.map(async (piece) => answeredTo(await append(id, piece))));
  expect(new Set(answers.map(({ sequence }) => sequence))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
  const last = answers.find(({ sequence }) => sequence === 6);
  expectScores(last?.answer ?? null, await whole(pieces.join('')));
});

it('refuses the state of another model, which a new deployment has', async () => {
  const id = await begin();
  await append(id, 'good film ');
  const store = new SessionObjects(env.SESSIONS);
  const { session } = (await store.get(id)) ?? {};
  if (session === undefined) throw new Error('The session was begun.');
  // As if the piece had been read before the deployment of the model that answers now.
  await store.create(id, { ...session, document: { ...session.document, fingerprint: 'of the bundle before' } });
  const refused = await append(id, 'bad plot');
  expect(refused.status).toBe(409);
  expect(await refused.json()).toMatchObject({ error: { code: 'model_changed' } });
});

it('says that a session is not there', async () => {
  expect((await append('00000000-0000-4000-8000-000000000000', 'good')).status).toBe(404);
  const id = await begin();
  expect((await exports.default.fetch(`http://edge.test/v1/sessions/${id}`, { method: 'DELETE' })).status).toBe(204);
  expect((await append(id, 'good')).status).toBe(404);
});

it('says that a deployment without Durable Objects keeps none', async () => {
  vi.resetModules();
  const fresh: typeof worker = (await import('../src/worker.ts')).default;
  const request = new Request('http://edge.test/v1/sessions', { method: 'POST' });
  const response = await fresh.fetch(request, { ASSETS: env.ASSETS }, createExecutionContext());
  expect(response.status).toBe(501);
  expect(await response.json()).toMatchObject({ error: { code: 'not_enabled', message: expect.stringContaining('--sessions') } });
});
