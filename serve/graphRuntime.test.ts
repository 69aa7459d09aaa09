import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { referenceProbabilities } from '../test/fixtures/referenceClassifier.ts';
import { tinyDocument, writeTinyBundle, type TinyClassifier } from '../test/fixtures/tinyClassifier.ts';
import { answerOf } from './answers.ts';
import type { ChunkResult, ClassifierRuntime, LoadedBundle } from './classifierRuntime.ts';
import { loadBundle } from './node/runtime.ts';
import type { LabelScore } from './schema.ts';

/** Rows of a batch against each row alone, in the same arithmetic. */
const BATCH_TOLERANCE = 1e-5;

let folder: string;
let loaded: LoadedBundle;
let runtime: ClassifierRuntime;
let model: TinyClassifier;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-graph-'));
  ({ model } = await writeTinyBundle(join(folder, 'bundle'), { seed: 3, embedding: 12, hidden: 16 }));
  loaded = await loadBundle(join(folder, 'bundle'), { threads: 1 });
  const [member] = loaded.members;
  if (member === undefined) throw new Error('A bundle has a member.');
  runtime = member.runtime;
});

afterAll(async () => {
  await runtime.dispose();
  await rm(folder, { recursive: true });
});

async function alone(tokens: Int32Array, state = runtime.freshState()): Promise<ChunkResult> {
  const [result] = await runtime.run([{ tokens, state }]);
  if (result === undefined) throw new Error('The runtime gave no result.');
  return result;
}

function largestDifference(one: ChunkResult, other: ChunkResult): number {
  const values = ({ logits, state }: ChunkResult) =>
    [logits, ...state.hidden, ...state.cell, state.pooledMax, state.pooledSum].flatMap((row) => [...row]);
  const others = values(other);
  expect(one.state.count).toBe(other.state.count);
  return Math.max(...values(one).map((value, index) => Math.abs(value - (others[index] ?? NaN))));
}

describe('GraphRuntime on onnxruntime-node', () => {
  it('gives every row of a batch what it gets alone, whatever its length and wherever it is in its document', async () => {
    const documents = [1, 70, 33, 2, 69, 12].map((length, seed) => tinyDocument(length, { seed }));
    const states = await Promise.all(
      documents.map(async (_, seed) =>
        seed % 2 === 0 ? runtime.freshState() : (await alone(tinyDocument(40, { seed: 50 + seed }))).state,
      ),
    );
    const rows = documents.map((tokens, index) => ({ tokens, state: states[index] ?? runtime.freshState() }));
    const together = await runtime.run(rows);
    expect(together).toHaveLength(rows.length);
    for (const [index, row] of rows.entries()) {
      const single = await alone(row.tokens, row.state);
      expect(largestDifference(together[index] ?? single, single)).toBeLessThan(BATCH_TOLERANCE);
    }
  });

  it('comes to the same answer however a document is cut into chunks', async () => {
    const document = tinyDocument(100, { seed: 9 });
    const expected = referenceProbabilities(model.tensors, document);
    for (const cuts of [[70], [1, 2, 3, 60], [50], [30, 60, 90], Array.from({ length: 99 }, (_, index) => index + 1)]) {
      let result: ChunkResult | undefined;
      for (const [index, start] of [0, ...cuts].entries())
        result = await alone(document.subarray(start, cuts[index] ?? document.length), result?.state);
      expect(result?.state.count).toBe(100);
      for (const { label, score } of answerOf(loaded.bundle, [result?.logits ?? new Float32Array()]) as LabelScore[]) {
        expect(Math.abs(score - (expected[model.config.labels.indexOf(label)] ?? NaN))).toBeLessThan(BATCH_TOLERANCE);
      }
    }
  });

  it('leaves the state that it was given as it was', async () => {
    const state = (await alone(tinyDocument(10, { seed: 1 }))).state;
    const copy = structuredClone(state);
    await alone(tinyDocument(20, { seed: 2 }), state);
    expect(state).toEqual(copy);
  });

  it('refuses chunks that the graph does not take, and states of another model', async () => {
    await expect(runtime.run([{ tokens: new Int32Array(), state: runtime.freshState() }])).rejects.toThrow(
      'A chunk has 0 tokens; the graph takes 1 to 70.',
    );
    await expect(alone(tinyDocument(71, { seed: 1 }))).rejects.toThrow('A chunk has 71 tokens; the graph takes 1 to 70.');
    const wrong = { ...runtime.freshState(), pooledMax: new Float32Array(5) };
    await expect(alone(tinyDocument(3, { seed: 1 }), wrong)).rejects.toThrow("A document's state has 5 values where the model has 12.");
    expect(await runtime.run([])).toEqual([]);
  });
});
