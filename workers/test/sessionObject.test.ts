/** Sessions in Durable Objects: what was answered is there after an eviction, and pieces that come together have an order. */
import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';

import type { Session } from '../../serve/sessionStore.ts';
import { SessionObjects } from '../src/sessionObject.ts';

const store = new SessionObjects(env.SESSIONS);
const objectOf = (id: string) => env.SESSIONS.get(env.SESSIONS.idFromName(id));

function session(revision: number): Session {
  const row = (length: number) => Float32Array.from({ length }, (_, place) => Math.sin(place + revision));
  const state = { hidden: [row(32), row(24)], cell: [row(32), row(24)], pooledMax: row(24), pooledSum: row(24), count: revision };
  return {
    document: { model: 'usual', version: '1', fingerprint: 'f', states: [state], rest: 'an unfinis\ud83d' },
    revision,
    sequence: revision,
    pieceHash: 'a'.repeat(64),
    logits: [row(3)],
    tokens: revision,
  };
}

it('keeps a session whole across an eviction', async () => {
  const { expires } = await store.create('evicted', session(7));
  await evictDurableObject(objectOf('evicted'));
  const kept = await store.get('evicted');
  expect(kept).toEqual({ session: session(7), expires });
  expect(kept?.session.document.states?.[0]?.hidden[0]).toBeInstanceOf(Float32Array);

  await store.replace('evicted', session(8), 7);
  await evictDurableObject(objectOf('evicted'));
  expect((await store.get('evicted'))?.session).toEqual(session(8));
});

it('replaces the revision that was seen, and no other', async () => {
  await store.create('revisions', session(1));
  const both = await Promise.all([store.replace('revisions', session(2), 1), store.replace('revisions', session(2), 1)]);
  expect(both.filter((one) => one !== undefined)).toHaveLength(1);
  expect(await store.replace('revisions', session(9), 1)).toBeUndefined();
  expect((await store.get('revisions'))?.session.revision).toBe(2);
});

it('knows nothing of sessions that are not there, or were ended', async () => {
  expect(await store.get('nobody')).toBeUndefined();
  expect(await store.replace('nobody', session(1), 0)).toBeUndefined();
  expect(await store.delete('nobody')).toBe(false);
  await store.create('ended', session(1));
  expect(await store.delete('ended')).toBe(true);
  expect(await store.get('ended')).toBeUndefined();
  expect(await store.delete('ended')).toBe(false);
});

it('forgets a session when its time is over', async () => {
  const hasty = new SessionObjects(env.SESSIONS, 30);
  await hasty.create('late', session(1));
  expect(await hasty.get('late')).toBeDefined();
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(await hasty.get('late')).toBeUndefined();
  await runDurableObjectAlarm(objectOf('late')); // it may have run already
  expect(await hasty.replace('late', session(2), 1)).toBeUndefined();
  // Nothing is left, so that no alarm will ever run again.
  expect(await runDurableObjectAlarm(objectOf('late'))).toBe(false);
});

it('lives on when a piece comes in time', async () => {
  await store.create('alive', session(1));
  // The alarm of an earlier time finds that there is a later one.
  expect(await runDurableObjectAlarm(objectOf('alive'))).toBe(true);
  expect((await store.get('alive'))?.session).toEqual(session(1));
  expect(await runDurableObjectAlarm(objectOf('alive'))).toBe(true);
});

it('has an object, and so a fate, of its own for every session', async () => {
  await Promise.all([1, 2, 3].map((number) => store.create(`own-${number}`, session(number))));
  await store.delete('own-2');
  expect((await store.get('own-1'))?.session.revision).toBe(1);
  expect(await store.get('own-2')).toBeUndefined();
  expect((await store.get('own-3'))?.session.revision).toBe(3);
});
