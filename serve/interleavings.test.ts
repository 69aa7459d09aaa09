/** A thousand ways in which documents, and pieces of documents, can meet in the line of the exported graph: none changes an answer. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { tinyDocument, writeTinyBundle } from '../test/fixtures/tinyClassifier.ts';
import { ChunkScheduler } from './chunkScheduler.ts';
import type { ClassifierRuntime, DocumentState } from './classifierRuntime.ts';
import { loadBundle } from './node/runtime.ts';

const TOLERANCE = 1e-5;
const RUNS = 1_000;
/** Lengths around the borders of a chunk, of 6 tokens. */
const LENGTHS = [1, 2, 5, 6, 7, 11, 12, 13, 18, 19, 25, 40];

let folder: string;
let runtime: ClassifierRuntime;
let documents: readonly { readonly ids: Int32Array; readonly alone: Float32Array }[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-interleavings-'));
  const { bundle } = await writeTinyBundle(folder, { embedding: 6, hidden: 8, layers: 2, chunkLength: 6 });
  const { members } = await loadBundle(folder, { threads: 1 });
  const [member] = members;
  if (member === undefined) throw new Error('A bundle has a member.');
  ({ runtime } = member);
  const vocabulary = bundle.members[0]?.sizes.vocabulary ?? 0;
  const alone = new ChunkScheduler(runtime, { maxBatch: 1, maxQueue: 1 });
  const answered = [];
  for (const [seed, length] of LENGTHS.entries()) {
    const ids = tinyDocument(length, { seed, vocabulary });
    answered.push({ ids, alone: await alone.classify(ids) });
  }
  documents = answered;
});

afterAll(async () => {
  await runtime.dispose();
  await rm(folder, { recursive: true });
});

const eventLoopTurns = async (turns: number) => {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A document in one piece or, as a session sends it, in several, of which each comes after the one before was answered. */
const arrival = fc.record({
  document: fc.nat({ max: LENGTHS.length - 1 }),
  cuts: fc.array(fc.nat({ max: 39 }), { maxLength: 3 }),
  after: fc.nat({ max: 6 }),
  cancelAfter: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat({ max: 6 }) }),
});

it('gives every document the answer it gets alone', { timeout: 120_000 }, async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(arrival, { minLength: 2, maxLength: 6 }), fc.integer({ min: 1, max: 4 }), async (arrivals, maxBatch) => {
      const scheduler = new ChunkScheduler(runtime, { maxBatch, maxQueue: arrivals.length });
      const gone = new Error('gone');
      const answers = await Promise.allSettled(
        arrivals.map(async ({ document, cuts, after, cancelAfter }) => {
          const { ids } = documents[document] ?? { ids: new Int32Array() };
          const client = new AbortController();
          await eventLoopTurns(after);
          if (cancelAfter !== null) void eventLoopTurns(cancelAfter).then(() => client.abort(gone));
          const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < ids.length), ids.length])].toSorted(
            (one, other) => one - other,
          );
          let state: DocumentState | undefined;
          let logits: Float32Array = new Float32Array();
          let begin = 0;
          for (const end of ends) {
            ({ logits, state } = await scheduler.read(ids.subarray(begin, end), { state, signal: client.signal }));
            begin = end;
          }
          return logits;
        }),
      );
      for (const [place, answer] of answers.entries()) {
        if (answer.status === 'rejected') {
          expect(answer.reason).toBe(gone);
          expect(arrivals[place]?.cancelAfter).not.toBeNull();
          continue;
        }
        const { alone } = documents[arrivals[place]?.document ?? -1] ?? { alone: [] };
        for (const [label, logit] of alone.entries()) expect(Math.abs((answer.value[label] ?? NaN) - logit)).toBeLessThan(TOLERANCE);
        compared += 1;
      }
      expect(scheduler.inFlight).toBe(0);
      await scheduler.idle();
    }),
    { numRuns: RUNS },
  );
  expect(compared).toBeGreaterThan(2 * RUNS);
});
