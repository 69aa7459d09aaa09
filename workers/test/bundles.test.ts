/** Every kind of bundle in workerd, over the Worker's own fetch: the answers are those of onnxruntime-node. */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { describe, expect, inject, it, vi } from 'vitest';

import { TOLERANCES } from '../../export/tolerances.ts';
import { answerSchemas, type Answer, type Answers } from '../../serve/schema.ts';
import { loadEdgeBundle } from '../src/edgeRuntime.ts';
import type worker from '../src/worker.ts';
import { type BundleName, TEXTS } from './texts.ts';

/** onnxruntime-web against onnxruntime-node. */
const TOLERANCE = 1e-4;

/** The assets of one bundle, as a Worker that was deployed with it would have them. */
function assetsOf(name: BundleName, change: (file: string, bytes: ArrayBuffer) => BodyInit = (_file, bytes) => bytes): Fetcher {
  return {
    async fetch(input) {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const response = await env.ASSETS.fetch(`https://assets.test/${name}${pathname}`);
      return response.ok ? new Response(change(pathname.slice(1), await response.arrayBuffer())) : response;
    },
  };
}

/** A Worker in an isolate of its own, deployed with a bundle. */
async function workerWith(name: BundleName): Promise<(path: string, body?: unknown) => Promise<Response>> {
  vi.resetModules();
  const fresh: typeof worker = (await import('../src/worker.ts')).default;
  const assets = assetsOf(name);
  return async (path, body) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const context = createExecutionContext();
    const response = await fresh.fetch(new Request(`http://edge.test${path}`, body === undefined ? {} : init), { ASSETS: assets }, context);
    await waitOnExecutionContext(context);
    return response;
  };
}

/** An answer as numbers that can be compared: the scores in the order of the labels' names, or the value. */
function numbersOf(answer: Answer): number[] {
  if ('value' in answer) return [answer.value];
  const scores = 'scores' in answer ? answer.scores : answer;
  return scores.toSorted((one, other) => (one.label < other.label ? -1 : 1)).map(({ score }) => score);
}

/** @returns the largest difference */
function expectAnswers(name: BundleName, found: readonly Answer[], tolerance: number = TOLERANCE): number {
  let largest = 0;
  const wanted = inject('nodeAnswers')[name];
  expect(found).toHaveLength(wanted.length);
  for (const [index, answer] of wanted.entries()) {
    const [numbers, others] = [numbersOf(found[index] ?? []), numbersOf(answer)];
    expect(numbers).toHaveLength(others.length);
    for (const [place, value] of others.entries()) {
      const difference = Math.abs((numbers[place] ?? NaN) - value);
      expect(difference).toBeLessThan(tolerance);
      largest = Math.max(largest, difference);
    }
  }
  return largest;
}

describe('a Worker with a bundle of another kind', () => {
  it.each([
    ['pair', 'singleLabel', ['forward', 'backward']],
    ['labels', 'multiLabel', ['forward', 'backward']],
    ['number', 'regression', ['forward']],
    ['bounded', 'regression', ['forward', 'backward']],
  ] as const)('answers as onnxruntime-node does: %s', async (name, task, directions) => {
    const ask = await workerWith(name);
    expect(await (await ask('/v1/models')).json()).toMatchObject({ models: [{ name, task, directions }] });

    const list = await ask('/v1/classify', { inputs: TEXTS });
    expect(list.status).toBe(200);
    expectAnswers(name, v.parse(v.array<v.GenericSchema<Answer>>(answerSchemas[task] as v.GenericSchema<Answer>), await list.json()));

    const alone: Answer[] = [];
    for (const inputs of TEXTS) alone.push((await (await ask('/v1/classify', { inputs })).json()) as Answer);
    expectAnswers(name, alone);
  });

  it('answers with 8-bit weights as float32 does, within the tolerance that a bundle must keep to', async () => {
    const ask = await workerWith('eightBits');
    const found = (await (await ask('/v1/classify', { inputs: TEXTS })).json()) as Answers['singleLabel'][];
    const labels = (answers: readonly Answers['singleLabel'][]) => answers.map(([best]) => best?.label);
    expect(labels(found)).toEqual(labels(inject('nodeAnswers').eightBits as Answers['singleLabel'][]));
    const largest = expectAnswers('eightBits', found, TOLERANCES.int8);
    // 8 bits are not 32: a difference of nothing would mean that the weights are others.
    expect(largest).toBeGreaterThan(1e-5);
  });

  it('gives a text the labels that Node gives it', async () => {
    const ask = await workerWith('labels');
    const found = (await (await ask('/v1/classify', { inputs: TEXTS })).json()) as Answers['multiLabel'][];
    const wanted = inject('nodeAnswers').labels as readonly Answers['multiLabel'][];
    expect(found.map(({ labels }) => labels)).toEqual(wanted.map(({ labels }) => labels));
    expect(new Set(wanted.map(({ labels }) => labels.join())).size).toBeGreaterThan(1);
  });

  it('refuses what has no meaning for its task', async () => {
    const ask = await workerWith('bounded');
    const refused = await ask('/v1/classify', { inputs: 'good', parameters: { top_k: 1 } });
    expect(refused.status).toBe(422);
    expect(await refused.json()).toEqual({
      error: { code: 'invalid_request', message: expect.stringContaining('this one answers with a number') },
    });
  });
});

describe('loadEdgeBundle of a pair', () => {
  const truncated = (wanted: string) => assetsOf('pair', (file, bytes) => (file === wanted ? bytes.slice(0, 1000) : bytes));

  it.each(['forward-weights-01.bin', 'backward-weights-01.bin'])('refuses a truncated %s', async (shard) => {
    await expect(loadEdgeBundle(truncated(shard))).rejects.toThrow(`${shard} is damaged`);
  });

  it('loads both members, with one list for a vocabulary that they share', async () => {
    const pair = await loadEdgeBundle(assetsOf('pair'));
    const shared = await loadEdgeBundle(assetsOf('labels'));
    expect(pair.members.map(({ description }) => description.direction)).toEqual(['forward', 'backward']);
    expect(pair.members[0]?.vocabulary).not.toEqual(pair.members[1]?.vocabulary);
    expect(shared.members[0]?.vocabulary).toBe(shared.members[1]?.vocabulary);
    for (const { runtime } of [...pair.members, ...shared.members]) await runtime.dispose();
  });
});
