/** A forward and a backward classifier of every task, from their model folders through `ulmfit export` to HTTP: the trainer's answers. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeAll, describe, expect, it, vi } from 'vitest';

import { parseBundle } from '../export/bundle.ts';
import { startServer } from '../serve/node/server.ts';
import type { Answers, LabelScore } from '../serve/schema.ts';
import { writeModel } from '../trainer/checkpoint/modelFolder.ts';
import { exportBundle } from '../trainer/commands/export.ts';
import { TrainedClassifier } from '../trainer/recipe/trainedClassifier.ts';
import { jsonLines } from './fixtures/generatedText.ts';
import { storedModel, tinyClassifier, type TinyClassifierOptions, tinyPartner } from './fixtures/tinyClassifier.ts';

/** Of the trainer's float32 and onnxruntime's. */
const TOLERANCE = 1e-4;

const TEXTS = [
  'Good!',
  'I love this film, and the actor is funny.',
  "The plot was boring; we didn't like it at all, not even the best time of it.",
  'the story is more than the film '.repeat(30),
  'Hate it . '.repeat(75),
];

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  await writeFile(join(folder, 'documents.jsonl'), jsonLines(TEXTS.slice(0, 3)));
  return () => rm(folder, { recursive: true });
});

/** Writes a pair folder and exports it. */
async function exportedPair(name: string, kind: TinyClassifierOptions): Promise<{ readonly pair: string; readonly bundle: string }> {
  const [pair, bundle] = [join(folder, name), join(folder, `${name}-bundle`)];
  const sizes = { embedding: 10, hidden: 14, layers: 2, ...kind };
  await writeModel(join(pair, 'forward'), storedModel(tinyClassifier(sizes)), { card: '' });
  await writeModel(join(pair, 'backward'), storedModel(tinyPartner(sizes, { temperature: 1.3 })), { card: '' });
  using _progress = vi.spyOn(console, 'error').mockImplementation(() => {});
  await exportBundle(pair, { out: bundle, documents: join(folder, 'documents.jsonl'), bundleVersion: '1', json: false });
  return { pair, bundle };
}

async function served(bundle: string): Promise<unknown[]> {
  const server = await startServer(bundle, { port: 0, threads: 1 });
  try {
    const response = await fetch(`${server.url}/v1/classify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: TEXTS }),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as unknown[];
  } finally {
    await server.stop();
  }
}

/** The answers of the trainer to a folder of one model or two. */
async function trainers(path: string): Promise<number[][]> {
  const classifier = await TrainedClassifier.open(path);
  const answers = classifier.answers(TEXTS.map((text) => [text]));
  classifier.dispose();
  return answers.map((answer) => [...answer]);
}

/** The largest difference, in units of what an answer extends over. */
function difference(found: readonly (readonly number[])[], expected: readonly (readonly number[])[]): number {
  return Math.max(...expected.flatMap((row, index) => row.map((value, place) => Math.abs(value - (found[index]?.[place] ?? Number.NaN)))));
}

/** An answer in the order of the labels. */
const ordered = (scores: readonly LabelScore[], labels: readonly string[]) =>
  labels.map((wanted) => scores.find(({ label }) => label === wanted)?.score ?? Number.NaN);

describe('a pair folder, exported and served', () => {
  it.each<[string, TinyClassifierOptions, (answer: unknown, labels: readonly string[]) => number[], number]>([
    ['one label', { task: 'singleLabel', temperature: 2 }, (answer, labels) => ordered(answer as Answers['singleLabel'], labels), 1],
    [
      'several labels',
      { task: 'multiLabel', classes: 4 },
      (answer, labels) => ordered((answer as Answers['multiLabel']).scores, labels),
      1,
    ],
    ['a number', { task: 'regression' }, (answer) => [(answer as Answers['regression']).value], 1],
    ['a number between bounds', { task: 'regression', range: [0, 100] }, (answer) => [(answer as Answers['regression']).value], 100],
  ])('answers %s as the trainer does, which is the mean of its two classifiers', async (name, kind, read, unit) => {
    const { pair, bundle } = await exportedPair(name.replaceAll(' ', '-'), kind);
    const { labels, members } = parseBundle(JSON.parse(await readFile(join(bundle, 'bundle.json'), 'utf8')));
    expect(members.map(({ direction }) => direction)).toEqual(['forward', 'backward']);
    const answers = (await served(bundle)).map((answer) => read(answer, labels));

    expect(difference(answers, await trainers(pair))).toBeLessThan(TOLERANCE * unit);
    const [forward, backward] = [await trainers(join(pair, 'forward')), await trainers(join(pair, 'backward'))];
    const mean = forward.map((row, index) => row.map((value, place) => (value + (backward[index]?.[place] ?? Number.NaN)) / 2));
    expect(difference(answers, mean)).toBeLessThan(TOLERANCE * unit);
    // The two do not agree by themselves, or the mean would say nothing.
    expect(difference(forward, backward)).toBeGreaterThan(100 * TOLERANCE * unit);
  });
});
