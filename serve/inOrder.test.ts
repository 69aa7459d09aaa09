import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { inOrder } from './inOrder.ts';

async function* counting(count: number, onRead: (item: number) => void = () => {}): AsyncGenerator<number> {
  for (let item = 0; item < count; item++) {
    onRead(item);
    yield item;
  }
}

it('gives results in the order of the items, however long each takes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 8 }),
      async (delays, atOnce) => {
        const results: number[] = [];
        const work = async (item: number) => {
          await wait(delays[item]);
          return item;
        };
        for await (const result of inOrder(counting(delays.length), { atOnce }, work)) results.push(result);
        expect(results).toEqual(delays.map((_, item) => item));
      },
    ),
    { numRuns: 30 },
  );
});

it('reads no more items than may be at hand, as fast as results are taken', async () => {
  const read: number[] = [];
  const results = inOrder(
    counting(100, (item) => read.push(item)),
    { atOnce: 4 },
    (item) => Promise.resolve(item),
  );
  await results.next();
  await wait(5);
  expect(read.length).toBeLessThanOrEqual(5);
  for (let taken = 0; taken < 10; taken++) await results.next();
  await wait(5);
  expect(read.length).toBeLessThanOrEqual(15);
});

it('reads no further item while those at hand take the room', async () => {
  const read: number[] = [];
  const gate = Promise.withResolvers<void>();
  const work = async (item: number) => {
    await gate.promise;
    return item;
  };
  const results = inOrder(
    counting(100, (item) => read.push(item)),
    { atOnce: 50, sizeOf: () => 10, room: 25 },
    work,
  );
  const first = results.next();
  await wait(5);
  expect(read).toEqual([0, 1, 2]);
  gate.resolve();
  expect((await first).value).toBe(0);
});

it('gives a result while it waits for the next item', async () => {
  const gate = Promise.withResolvers<void>();
  async function* slow(): AsyncGenerator<string> {
    yield 'first';
    await gate.promise;
    yield 'second';
  }
  const results = inOrder(slow(), { atOnce: 4 }, (item) => Promise.resolve(item));
  expect((await results.next()).value).toBe('first');
  gate.resolve();
  expect((await results.next()).value).toBe('second');
  expect((await results.next()).done).toBe(true);
});
