/** Where a runtime takes several graph calls at a time, as many turns run. */
import { expect, it } from 'vitest';

import { PlainRuntime } from '../test/fixtures/plainRuntime.ts';
import { ChunkScheduler } from './chunkScheduler.ts';

const document = (seed: number, length = 40) => Int32Array.from({ length }, (_, index) => (index * 7 + seed * 13) % 40);

const eventLoopTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A runtime that counts the calls that run, of which each takes the turns of the event loop that `duration` gives. */
function countingRuntime(callsAtOnce: number, duration: (call: number) => number) {
  const runtime = new PlainRuntime({ chunkLength: 10, callsAtOnce });
  const seen = { running: 0, most: 0 };
  runtime.beforeCall = async () => {
    seen.running += 1;
    seen.most = Math.max(seen.most, seen.running);
    for (let turn = duration(runtime.calls.length); turn > 0; turn--) await eventLoopTurn();
    seen.running -= 1;
  };
  return { runtime, seen };
}

it.each([1, 2, 3])('runs %i turns at a time, and no more', async (callsAtOnce) => {
  const { runtime, seen } = countingRuntime(callsAtOnce, (call) => 1 + (call % 4));
  const scheduler = new ChunkScheduler(runtime, { maxBatch: 2, maxQueue: 20 });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, seed) => scheduler.classify(document(seed))));
  expect(seen.most).toBe(callsAtOnce);
  for (const [seed, answer] of answers.entries())
    for (const [place, value] of runtime.alone(document(seed)).entries()) expect(answer[place]).toBeCloseTo(value, 5);
});

it('shares documents out, so that every call has work', async () => {
  const { runtime } = countingRuntime(2, () => 1);
  const scheduler = new ChunkScheduler(runtime, { maxBatch: 16, maxQueue: 20 });
  // The first one is read at once; the seven others wait when the next turn begins.
  await Promise.all(Array.from({ length: 8 }, (_, seed) => scheduler.classify(document(seed))));
  expect(Math.max(...runtime.calls.map(({ lengths }) => lengths.length))).toBe(4);
});

it('reads a document on while a call of others takes long', async () => {
  const { runtime } = countingRuntime(2, (call) => (call === 1 ? 1000 : 1));
  const scheduler = new ChunkScheduler(runtime, { maxBatch: 1, maxQueue: 2 });
  const ended: string[] = [];
  await Promise.all([
    scheduler.classify(document(1, 5)).then(() => ended.push('slow')),
    scheduler.classify(document(2)).then(() => ended.push('quick')),
  ]);
  expect(ended).toEqual(['quick', 'slow']);
});

it('is idle once all turns have ended', async () => {
  const { runtime, seen } = countingRuntime(2, (call) => 10 * call);
  const scheduler = new ChunkScheduler(runtime, { maxBatch: 1, maxQueue: 2 });
  const clients = [new AbortController(), new AbortController()];
  const answers = Promise.allSettled(clients.map(({ signal }, seed) => scheduler.classify(document(seed), { signal })));
  await eventLoopTurn();
  expect(seen.running).toBe(2);
  for (const client of clients) client.abort(new Error('gone'));
  await answers;
  await scheduler.idle();
  expect(seen.running).toBe(0);
});
