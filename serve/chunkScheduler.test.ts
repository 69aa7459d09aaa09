import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PlainRuntime } from '../test/fixtures/plainRuntime.ts';
import { ChunkScheduler, QueueFullError } from './chunkScheduler.ts';

const VOCABULARY = 40;
const TOLERANCE = 1e-5;

const ids = (length: number, seed = 0) =>
  Int32Array.from({ length }, (_, index) => (index * 7 + seed * 13 + ((index * index) % 5)) % VOCABULARY);

/** A document of random length, and the number of turns of the event loop after which it arrives. */
const arrivingDocument = fc.record({
  ids: fc.int32Array({ min: 0, max: VOCABULARY - 1, minLength: 1, maxLength: 60 }),
  after: fc.nat({ max: 30 }),
});

const eventLoopTurns = async (turns: number) => {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
};

function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  for (const [index, value] of expected.entries()) expect(Math.abs((actual[index] ?? NaN) - value)).toBeLessThan(TOLERANCE);
}

describe('ChunkScheduler', () => {
  it('gives every document the answer it gets alone, however they interleave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(arrivingDocument, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        async (documents, maxBatch, chunkLength, callsAtOnce, loneChunks) => {
          const runtime = new PlainRuntime({ chunkLength, callsAtOnce, loneLength: chunkLength * loneChunks });
          runtime.beforeCall = () => eventLoopTurns(1);
          const scheduler = new ChunkScheduler(runtime, { maxBatch, maxQueue: documents.length });
          const answers = await Promise.all(
            documents.map(async (document) => {
              await eventLoopTurns(document.after);
              return scheduler.classify(document.ids);
            }),
          );
          for (const [index, document] of documents.entries())
            expectClose(answers[index] ?? new Float32Array(), runtime.alone(document.ids));
          expect(scheduler.inFlight).toBe(0);
          expect(Math.max(...runtime.calls.map((call) => call.lengths.length))).toBeLessThanOrEqual(maxBatch);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives the others their answers when some are cancelled at any moment', async () => {
    const cancellable = fc.record({ document: arrivingDocument, cancelAfter: fc.option(fc.nat({ max: 20 })) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(cancellable, { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        async (documents, maxBatch, callsAtOnce) => {
          const runtime = new PlainRuntime({ callsAtOnce });
          runtime.beforeCall = () => eventLoopTurns(1);
          const scheduler = new ChunkScheduler(runtime, { maxBatch, maxQueue: documents.length });
          const reason = new Error('cancelled by the test');
          const answers = await Promise.allSettled(
            documents.map(async ({ document, cancelAfter }) => {
              await eventLoopTurns(document.after);
              const controller = new AbortController();
              const answer = scheduler.classify(document.ids, { signal: controller.signal });
              if (cancelAfter !== null) void eventLoopTurns(cancelAfter).then(() => controller.abort(reason));
              return answer;
            }),
          );
          for (const [index, answer] of answers.entries()) {
            const expected = runtime.alone(documents[index]?.document.ids ?? new Int32Array());
            if (answer.status === 'fulfilled') expectClose(answer.value, expected);
            else expect(answer.reason).toBe(reason);
            if (documents[index]?.cancelAfter === null) expect(answer.status).toBe('fulfilled');
          }
          expect(scheduler.inFlight).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('fills each call with documents wherever they are, and reads every token once', async () => {
    const runtime = new PlainRuntime({ chunkLength: 10 });
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 3, maxQueue: 8 });
    await Promise.all([scheduler.classify(ids(25)), scheduler.classify(ids(10)), scheduler.classify(ids(3)), scheduler.classify(ids(12))]);
    expect(runtime.calls).toEqual([
      { lengths: [10, 10, 3], counts: [0, 0, 0] },
      { lengths: [10, 10], counts: [0, 10] },
      { lengths: [2, 5], counts: [10, 20] },
    ]);
  });

  it('reads a document with nothing beside it in longer pieces, until others come', async () => {
    const runtime = new PlainRuntime({ chunkLength: 10, loneLength: 30 });
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 2, maxQueue: 2 });
    expectClose(await scheduler.classify(ids(65)), runtime.alone(ids(65)));
    expect(runtime.calls.map(({ lengths }) => lengths)).toEqual([[30], [30], [5]]);
    runtime.calls.length = 0;
    let other: Promise<Float32Array> | undefined;
    runtime.beforeCall = () => void (other ??= scheduler.classify(ids(15, 1)));
    expectClose(await scheduler.classify(ids(65)), runtime.alone(ids(65)));
    expectClose((await other) ?? new Float32Array(), runtime.alone(ids(15, 1)));
    expect(runtime.calls.map(({ lengths }) => lengths)).toEqual([[30], [10, 10], [5, 5], [20]]);
  });

  it('tells of every chunk who asks for it, also where the document is alone', async () => {
    const scheduler = new ChunkScheduler(new PlainRuntime({ chunkLength: 10, loneLength: 30 }), { maxBatch: 2, maxQueue: 2 });
    const read: number[] = [];
    await scheduler.classify(ids(25), { onChunk: (_, tokens) => read.push(tokens) });
    expect(read).toEqual([10, 20, 25]);
  });

  it('cuts a long document short where most of the others in the call end, and loses nothing of it', async () => {
    const runtime = new PlainRuntime({ chunkLength: 50 });
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 4, maxQueue: 4 });
    const answers = await Promise.all([ids(60), ids(5, 1), ids(5, 2), ids(4, 3)].map((document) => scheduler.classify(document)));
    expect(runtime.calls.map((call) => call.lengths)).toEqual([[5, 5, 5, 4], [50], [5]]);
    expectClose(answers[0] ?? new Float32Array(), runtime.alone(ids(60)));
  });

  it('answers a short document while a 10,000-token one is being read', async () => {
    const runtime = new PlainRuntime({ chunkLength: 10 });
    runtime.beforeCall = () => eventLoopTurns(1);
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 1, maxQueue: 8 });
    let longIsDone = false;
    const long = scheduler.classify(ids(10_000)).then((logits) => {
      longIsDone = true;
      return logits;
    });
    await eventLoopTurns(1);
    const callsBefore = runtime.calls.length;
    await scheduler.classify(ids(15, 1));
    expect(longIsDone).toBe(false);
    // Two chunks of its own, and in between those of the one document it shares the line with.
    expect(runtime.calls.length - callsBefore).toBeLessThanOrEqual(5);
    expectClose(await long, runtime.alone(ids(10_000)));
  });

  it('answers documents of one length in the order in which they came', async () => {
    const scheduler = new ChunkScheduler(new PlainRuntime(), { maxBatch: 2, maxQueue: 10 });
    const finished: number[] = [];
    await Promise.all(Array.from({ length: 10 }, (_, index) => scheduler.classify(ids(20, index)).then(() => finished.push(index))));
    expect(finished).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('holds the same state for a document whatever its length', async () => {
    const runtime = new PlainRuntime();
    const sizes = new Set<number>();
    runtime.beforeCall = (rows) => {
      for (const { state } of rows) {
        const values = [...state.hidden, ...state.cell, state.pooledMax, state.pooledSum];
        sizes.add(values.reduce((sum, value) => sum + value.buffer.byteLength, 0));
      }
    };
    await new ChunkScheduler(runtime, { maxBatch: 1, maxQueue: 1 }).classify(ids(2_000));
    expect(sizes.size).toBe(1);
  });

  it('refuses documents beyond the queue and says when to come back', async () => {
    const runtime = new PlainRuntime({ chunkLength: 5 });
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 2, maxQueue: 3 });
    const accepted = [0, 1, 2].map((seed) => scheduler.classify(ids(50, seed)));
    expect(() => scheduler.requireRoom(1)).toThrow(QueueFullError);
    const refusal = await scheduler.classify(ids(5)).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(QueueFullError);
    expect((refusal as QueueFullError).retryAfterSeconds).toBeGreaterThanOrEqual(1);
    expect((refusal as QueueFullError).retryAfterSeconds).toBeLessThanOrEqual(60);
    await Promise.all(accepted);
    scheduler.requireRoom(3);
    await expect(scheduler.classify(ids(5))).resolves.toBeInstanceOf(Float32Array);
  });

  it('fails only the documents of the call that failed', async () => {
    const runtime = new PlainRuntime();
    const broken = new Error('the graph call failed');
    let call = 0;
    runtime.beforeCall = () => {
      call += 1;
      if (call === 2) throw broken;
    };
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 2, maxQueue: 10 });
    const answers = await Promise.allSettled([0, 1, 2, 3, 4, 5].map((seed) => scheduler.classify(ids(20, seed))));
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled', 'fulfilled']);
    for (const [seed, answer] of answers.entries()) {
      if (answer.status === 'fulfilled') expectClose(answer.value, runtime.alone(ids(20, seed)));
      else expect(answer.reason).toBe(broken);
    }
    expect(scheduler.inFlight).toBe(0);
  });

  it('fails a document whose row the runtime leaves out, and no other', async () => {
    const runtime = new PlainRuntime();
    const scheduler = new ChunkScheduler(
      {
        chunkLength: runtime.chunkLength,
        freshState: () => runtime.freshState(),
        dispose: () => runtime.dispose(),
        run: async (rows) => (await runtime.run(rows)).slice(0, 1),
      },
      { maxBatch: 2, maxQueue: 2 },
    );
    const [first, second] = await Promise.allSettled([scheduler.classify(ids(3)), scheduler.classify(ids(3, 1))]);
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(second).toMatchObject({ status: 'rejected', reason: { message: 'The runtime answered 1 of 2 rows.' } });
  });

  it('rejects a cancelled document at once, while its graph call still runs', async () => {
    const runtime = new PlainRuntime();
    const gate = Promise.withResolvers<void>();
    runtime.beforeCall = () => gate.promise;
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 2, maxQueue: 2 });
    const controller = new AbortController();
    const cancelled = scheduler.classify(ids(30), { signal: controller.signal });
    const other = scheduler.classify(ids(30, 1));
    await eventLoopTurns(2);
    controller.abort(new Error('gone'));
    await expect(cancelled).rejects.toThrow('gone');
    expect(scheduler.inFlight).toBe(1);
    gate.resolve();
    expectClose(await other, runtime.alone(ids(30, 1)));
    const chunksOfTheCancelled = runtime.calls.filter((call) => call.lengths.length === 2).length;
    expect(chunksOfTheCancelled).toBe(1);
  });

  it('takes no document whose signal is already aborted', async () => {
    const runtime = new PlainRuntime();
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 2, maxQueue: 2 });
    await expect(scheduler.classify(ids(3), { signal: AbortSignal.abort(new Error('too late')) })).rejects.toThrow('too late');
    expect(runtime.calls).toHaveLength(0);
  });

  it('tells the prediction after every chunk', async () => {
    const runtime = new PlainRuntime({ chunkLength: 8 });
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 2, maxQueue: 2 });
    const document = ids(20);
    const seen: [number, Float32Array][] = [];
    const logits = await scheduler.classify(document, { onChunk: (soFar, tokensRead) => seen.push([tokensRead, soFar]) });
    expect(seen.map(([tokensRead]) => tokensRead)).toEqual([8, 16, 20]);
    for (const [tokensRead, soFar] of seen) expectClose(soFar, runtime.alone(document.subarray(0, tokensRead)));
    expect(seen.at(-1)?.[1]).toEqual(logits);
  });

  it('fails only the document whose listener throws', async () => {
    const runtime = new PlainRuntime();
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 2, maxQueue: 2 });
    const deaf = scheduler.classify(ids(30), {
      onChunk: () => {
        throw new Error('the listener is gone');
      },
    });
    const other = scheduler.classify(ids(30, 1));
    await expect(deaf).rejects.toThrow('the listener is gone');
    expectClose(await other, runtime.alone(ids(30, 1)));
  });

  it('lets the event loop turn between calls when asked to', async () => {
    let timers = 0;
    const runtime = new PlainRuntime({ chunkLength: 5 });
    const scheduler = new ChunkScheduler(runtime, {
      maxBatch: 1,
      maxQueue: 1,
      betweenTurns: () => new Promise((resolve) => setTimeout(resolve)),
    });
    const counting = setInterval(() => {
      timers += 1;
    });
    await scheduler.classify(ids(200));
    clearInterval(counting);
    expect(runtime.calls).toHaveLength(40);
    expect(timers).toBeGreaterThan(5);
  });

  it('makes one call for every turn of the event loop, however many wait', async () => {
    const runtime = new PlainRuntime({ chunkLength: 5 });
    const scheduler = new ChunkScheduler(runtime, { maxBatch: 2, maxQueue: 40, betweenTurns: () => eventLoopTurns(1) });
    let loopTurns = 0;
    let done = false;
    const counting = (async () => {
      for (; !done; loopTurns++) await eventLoopTurns(1);
    })();
    await Promise.all(Array.from({ length: 40 }, (_, seed) => scheduler.classify(ids(20, seed))));
    done = true;
    await counting;
    expect(runtime.calls).toHaveLength(80);
    expect(loopTurns).toBeGreaterThan(75);
  });

  it('answers the others, and frees the place, when the one who drove the turns is gone for good', async () => {
    // At the edge a request that is gone has no timers any more: its driver stands still in betweenTurns for ever.
    const runtime = new PlainRuntime({ chunkLength: 5 });
    let waits = 0;
    const scheduler = new ChunkScheduler(runtime, {
      maxBatch: 2,
      maxQueue: 4,
      betweenTurns: () => {
        waits += 1;
        return waits === 1 ? new Promise(() => {}) : new Promise((resolve) => setTimeout(resolve));
      },
    });
    void scheduler.classify(ids(20));
    expectClose(await scheduler.classify(ids(20, 1)), runtime.alone(ids(20, 1)));
    expect(scheduler.inFlight).toBe(0);
  });

  it('refuses a document without tokens and limits that are no limits', async () => {
    const runtime = new PlainRuntime();
    await expect(new ChunkScheduler(runtime, { maxBatch: 1, maxQueue: 1 }).classify(new Int32Array())).rejects.toThrow(
      'at least one token',
    );
    expect(() => new ChunkScheduler(runtime, { maxBatch: 0, maxQueue: 1 })).toThrow('maxBatch is 0');
    expect(() => new ChunkScheduler(runtime, { maxBatch: 1, maxQueue: 1.5 })).toThrow('maxQueue is 1.5');
  });
});
