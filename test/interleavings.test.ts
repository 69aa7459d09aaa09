/**
 * Sessions, sequences, states that clients keep, streams and batches, all at once and in any order, on a real graph: each document gets the answers
 * that it gets alone.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';

import { answerOf } from '../serve/answers.ts';
import { createApp } from '../serve/app.ts';
import { Classifier } from '../serve/classifier.ts';
import { fixedModels } from '../serve/modelRegistry.ts';
import { loadBundle } from '../serve/node/runtime.ts';
import type { LabelScore } from '../serve/schema.ts';
import type { App } from '../serve/service.ts';
import { MemorySessionStore } from '../serve/sessionStore.ts';
import { writeTinyBundle } from './fixtures/tinyClassifier.ts';

const RUNS = 1000;
const TOLERANCE = 1e-5;

const WORDS =
  "the film was good, but story boring! it isn't Funny best actor... love hate 3.5 :-) you they watch TIME time time plot".split(' ');
const text = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 30 }).map((words) => words.join(' '));
const cuts = fc.array(fc.nat(), { maxLength: 4 });
/** A document, the way in which it is sent, where it is cut, and when its pieces come: turns of the event loop before each. */
const document = fc.record({
  way: fc.constantFrom('batch', 'stream', 'session', 'state', 'sequence'),
  text,
  others: fc.array(text, { maxLength: 3 }),
  cuts,
  waits: fc.array(fc.nat({ max: 5 }), { minLength: 6, maxLength: 6 }),
});
type Document = typeof document extends fc.Arbitrary<infer Value> ? Value : never;

let app: App;
let classifier: Classifier;
const store = new MemorySessionStore();
/** What the texts get alone, each asked once. */
const alone = new Map<string, LabelScore[]>();

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  await writeTinyBundle(join(folder, 'bundle'), { embedding: 8, hidden: 8, layers: 2, chunkLength: 7 });
  classifier = new Classifier(await loadBundle(join(folder, 'bundle'), { threads: 1 }), { maxBatch: 4, maxQueue: 256 });
  app = createApp({ models: fixedModels([classifier]), sessions: store });
  return async () => {
    await classifier.dispose();
    await rm(folder, { recursive: true });
  };
});

async function send<Body>(path: string, body: unknown): Promise<Body> {
  const response = await app.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.text();
  expect(response.status, answer).toBeLessThan(300);
  return JSON.parse(path.endsWith('/stream') ? `[${answer.trim().replaceAll('\n', ',')}]` : answer) as Body;
}

/** The answers that a document gets on its way, each with the text that it is an answer to. */
async function answersTo({ way, text: whole, others, cuts: places, waits }: Document, number: number): Promise<[string, LabelScore[]][]> {
  const wait = async (index: number) => {
    for (let turn = 0; turn < (waits[index % waits.length] ?? 0); turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  await wait(0);
  if (way === 'batch') {
    const inputs = [whole, ...others];
    const answers = await send<LabelScore[][]>('/v1/classify', { inputs });
    return inputs.map((input, index) => [input, answers[index] ?? []]);
  }
  if (way === 'stream') {
    const events = await send<{ answer: LabelScore[] }[]>('/v1/classify/stream', { inputs: whole });
    return [[whole, events.at(-1)?.answer ?? []]];
  }
  const ends = [...places.map((place) => 1 + (place % whole.length)), whole.length].sort((one, other) => one - other);
  const { id } = way === 'session' ? await send<{ id: string }>('/v1/sessions', {}) : { id: '' };
  const answers: [string, LabelScore[]][] = [];
  let state: string | undefined;
  for (const [index, end] of ends.entries()) {
    await wait(index + 1);
    const piece = whole.slice(ends[index - 1] ?? 0, end);
    if (way === 'session') {
      const body = { text: piece, sequence: index + 1 };
      // Some pieces are sent twice at once.
      const sent = Array.from({ length: 1 + (number % 2) }, () => send<{ answer: LabelScore[] }>(`/v1/sessions/${id}/text`, body));
      for (const { answer } of await Promise.all(sent)) answers.push([whole.slice(0, end), answer]);
    } else if (way === 'state') {
      const continued = await send<{ answer: LabelScore[]; state: string }>('/v1/classify/continue', { text: piece, state });
      ({ state } = continued);
      answers.push([whole.slice(0, end), continued.answer]);
    } else {
      const parameters = { sequence_id: number + 1, sequence_start: index === 0, sequence_end: index === ends.length - 1 };
      const inputs = [{ name: 'text', datatype: 'BYTES', shape: [1], data: [piece] }];
      const { outputs } = await send<{ outputs: { name: string; data: number[] }[] }>('/v2/models/tiny/infer', { parameters, inputs });
      const scores = outputs.find(({ name }) => name === 'scores')?.data ?? [];
      answers.push([whole.slice(0, end), classifier.bundle.labels.map((label, place) => ({ label, score: scores[place] ?? Number.NaN }))]);
    }
  }
  if (way === 'session') await app.request(`/v1/sessions/${id}`, { method: 'DELETE' });
  return answers;
}

async function aloneAnswer(whole: string): Promise<LabelScore[]> {
  const known = alone.get(whole);
  if (known !== undefined) return known;
  const [logits = []] = await classifier.classify([whole]);
  const answer = answerOf(classifier.bundle, logits) as LabelScore[];
  alone.set(whole, answer);
  return answer;
}

it(`gives every document the answers it gets alone, in ${RUNS} interleavings`, { timeout: 240_000 }, async () => {
  let largest = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(document, { minLength: 2, maxLength: 5 }), async (documents) => {
      const answers = (await Promise.all(documents.map(answersTo))).flat();
      for (const [asked, scores] of answers) {
        for (const { label, score } of await aloneAnswer(asked)) {
          const found = scores.find((other) => other.label === label)?.score ?? Number.NaN;
          largest = Math.max(largest, Math.abs(found - score));
          expect(Math.abs(found - score)).toBeLessThan(TOLERANCE);
        }
      }
      expect(store.size).toBe(0);
      expect(classifier.inFlight).toBe(0);
    }),
    { numRuns: RUNS, seed: 1, endOnFailure: true },
  );
  expect(alone.size).toBeGreaterThan(RUNS);
  expect(largest).toBeGreaterThan(0);
});
