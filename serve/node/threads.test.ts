import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { tinyDocument, writeTinyBundle } from '../../test/fixtures/tinyClassifier.ts';
import { ChunkScheduler } from '../chunkScheduler.ts';
import { LocalEncoder, readingsOf } from '../documentEncoder.ts';
import { loadBundle } from './runtime.ts';
import { article, SIZES } from './testSupport.ts';
import { ThreadCaller } from './threadCalls.ts';
import { ThreadedEncoder } from './threadedEncoder.ts';
import type { LoadedBundle } from '../classifierRuntime.ts';

let folder: string;
let loaded: LoadedBundle;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-threads-'));
  await writeTinyBundle(folder, { ...SIZES, backward: {} });
  loaded = await loadBundle(folder, { threads: 1 });
});

afterAll(async () => {
  for (const { runtime } of loaded.members) await runtime.dispose();
  await rm(folder, { recursive: true });
});

describe('ThreadedEncoder', () => {
  it('gives the ids that the thread of the requests would give, for short and long texts', async () => {
    const encoder = new ThreadedEncoder(loaded.members);
    const local = new LocalEncoder(readingsOf(loaded.members));
    const requests = [['good'], [article(3_000)], ['The film!', article(4_000, 3), 'bad \u0000'], ['best', 'worst']];
    const answers = await Promise.all(requests.map((texts) => encoder.encode(texts)));
    for (const [index, texts] of requests.entries()) expect(answers[index]).toEqual(await local.encode(texts));
    await encoder.close();
  });

  it('is left when the client leaves', async () => {
    const encoder = new ThreadedEncoder(loaded.members);
    const client = new AbortController();
    const encoded = encoder.encode([article(20_000)], client.signal);
    client.abort(new Error('gone'));
    await expect(encoded).rejects.toThrow('gone');
    await expect(encoder.encode(['good'], client.signal)).rejects.toThrow('gone');
    await encoder.close();
  });

  it('lets the event loop turn while a long text is read, and between short ones', async () => {
    const encoder = new ThreadedEncoder(loaded.members);
    await encoder.encode([article(2_000)]);
    let turns = 0;
    let done = false;
    const counting = (async () => {
      for (; !done; turns++) await new Promise((resolve) => setImmediate(resolve));
    })();
    await encoder.encode([article(300_000)]);
    expect(turns).toBeGreaterThan(100);
    const before = turns;
    await Promise.all(Array.from({ length: 50 }, (_, seed) => encoder.encode([article(100, seed)])));
    expect(turns - before).toBeGreaterThanOrEqual(49);
    done = true;
    await counting;
    await encoder.close();
  });
});

describe('a graph in a thread', () => {
  it('lets the event loop turn while it computes', async () => {
    const [member] = loaded.members;
    if (member === undefined) throw new Error('A bundle has a member.');
    const { runtime } = member;
    const tokens = new Int32Array(runtime.chunkLength).fill(12);
    const rows = Array.from({ length: 1_000 }, () => ({ tokens, state: runtime.freshState() }));
    let turns = 0;
    let done = false;
    const counting = (async () => {
      for (; !done; turns++) await new Promise((resolve) => setImmediate(resolve));
    })();
    await runtime.run(rows);
    done = true;
    await counting;
    expect(turns).toBeGreaterThan(20);
  });
});

describe('several graph calls at a time', () => {
  it('gives the answers of one at a time, in whichever thread', async () => {
    const several = await loadBundle(folder, { threads: 2, callsAtOnce: 3 });
    try {
      const [one, two] = [loaded, several].map(({ members }) => members[0]?.runtime);
      if (one === undefined || two === undefined) throw new Error('A bundle has a member.');
      expect([one.callsAtOnce, two.callsAtOnce]).toEqual([1, 2]);
      // Only where another call can be made meanwhile is one longer than a chunk.
      expect([one.loneLength, two.loneLength]).toEqual([one.chunkLength, 5 * one.chunkLength]);
      const rows = [4, 9, 17].map((length) => ({ tokens: new Int32Array(length).fill(length), state: one.freshState() }));
      const expected = await one.run(rows);
      // Alone with all threads; then beside others; then one more than there are threads for.
      const [alone] = await two.run(rows.slice(0, 1));
      const [first, rest, whole] = await Promise.all([two.run(rows.slice(0, 1)), two.run(rows.slice(1)), two.run(rows)]);
      for (const answers of [[alone, ...rest], [...first, ...rest], whole]) {
        for (const [row, { logits }] of expected.entries())
          for (const [place, logit] of logits.entries()) expect(answers[row]?.logits[place]).toBeCloseTo(logit, 5);
      }
    } finally {
      for (const { runtime } of several.members) await runtime.dispose();
    }
  });
});

describe('a document with nothing beside it', () => {
  it('is read in fewer calls, and its answer is the same', async () => {
    const several = await loadBundle(folder, { threads: 2, callsAtOnce: 2 });
    const lengths: number[] = [];
    const onTurn = ({ tokens }: { readonly tokens: number }) => lengths.push(tokens);
    try {
      const [runtime] = several.members.map((member) => member.runtime);
      if (runtime === undefined) throw new Error('A bundle has a member.');
      const { chunkLength } = runtime;
      const ids = tinyDocument(7 * chunkLength + 3, { seed: 4 });
      const scheduler = new ChunkScheduler(runtime, { maxBatch: 4, maxQueue: 4, onTurn });
      const whole = await scheduler.read(ids);
      expect(lengths).toEqual([5 * chunkLength, 2 * chunkLength + 3]);
      const chunked = await scheduler.read(ids, { onChunk: () => {} });
      expect(lengths.slice(2)).toEqual([...Array.from({ length: 7 }, () => chunkLength), 3]);
      for (const [place, logit] of chunked.logits.entries()) expect(whole.logits[place]).toBeCloseTo(logit, 5);
      expect(whole.state.count).toBe(chunked.state.count);
    } finally {
      for (const { runtime } of several.members) await runtime.dispose();
    }
  });
});

describe('ThreadCaller', () => {
  it('tells everybody who waits when the thread cannot do its work, every time', async () => {
    const data = { graphPath: join(folder, 'forward.onnx'), graphWritten: 0, threads: 1, spinMicroseconds: 0 }; // not the file that was checked
    const caller = new ThreadCaller<object, unknown>('graphThread', data);
    for (const _ of [1, 2]) {
      const answers = await Promise.allSettled([caller.call({}), caller.call({})]);
      for (const answer of answers)
        expect(answer).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('has been replaced') } });
    }
    await caller.close();
  });

  it('starts another thread after one has ended', async () => {
    const data = loaded.members.map(({ description, vocabulary }) => ({ description, vocabulary }));
    const caller = new ThreadCaller<readonly string[], readonly Int32Array[][]>('encoderThread', data);
    const [first] = await caller.call(['good film']);
    const [interrupted] = await Promise.allSettled([caller.call([article(100_000)]), caller.close()]);
    expect(interrupted).toMatchObject({ status: 'rejected', reason: { message: 'The thread was closed.' } });
    expect(await caller.call(['good film'])).toEqual([first]);
    await caller.close();
  });
});
