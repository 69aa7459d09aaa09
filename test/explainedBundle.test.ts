/** A bundle's answers are explained as those of the model that it was made of. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { explainText } from '../serve/explain.ts';
import { openBundle } from '../serve/index.ts';
import type { Explanation } from '../text/explanation.ts';
import { explainDocument } from '../trainer/recipe/explain.ts';
import { TrainedClassifier } from '../trainer/recipe/trainedClassifier.ts';
import { storedModel, type TinyBundleOptions, writeTinyBundle } from './fixtures/tinyClassifier.ts';

/** onnxruntime against TensorFlow, of differences of probabilities and of numbers up to 20. */
const DIGITS = 4;
const TEXT = "The film wasn't GOOD, it was boring!!! Sooo boring, with a funny actor and a story that I love.";

function expectSameExplanation(actual: Explanation, wanted: Explanation): void {
  const figures = ({ answer: _answer, words: _words, value, start, last, ...rest }: Explanation) => [
    rest,
    typeof value,
    typeof start,
    typeof last,
  ];
  expect(figures(actual)).toEqual(figures(wanted));
  expect(actual.words.map(({ text, start, end, isUnknown }) => [text, start, end, isUnknown])).toEqual(
    wanted.words.map(({ text, start, end, isUnknown }) => [text, start, end, isUnknown]),
  );
  const numbers = ({ answer, value, start, last, words }: Explanation) =>
    [...answer, value, start, last, ...words.flatMap((word) => [word.value, word.change, word.occlusion])].map((number) => number ?? 0);
  const wantedNumbers = numbers(wanted);
  for (const [index, number] of numbers(actual).entries()) expect(number).toBeCloseTo(wantedNumbers[index] ?? Number.NaN, DIGITS);
}

describe.each<[string, TinyBundleOptions]>([
  ['a single label', { chunkLength: 7 }],
  ['a backward model', { direction: 'backward' }],
  ['a pair', { temperature: 1.5, backward: { hidden: 20 } }],
  ['several labels', { task: 'multiLabel', classes: 4 }],
  ['a number between bounds', { task: 'regression', range: [10, 20] }],
])('of %s', (_what, options) => {
  let base: string;
  let trained: TrainedClassifier;
  let served: Awaited<ReturnType<typeof openBundle>>;

  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'ulmfit-explained-'));
    const folder = join(base, 'bundle');
    const { models } = await writeTinyBundle(folder, { embedding: 12, hidden: 16, layers: 2, ...options });
    trained = new TrainedClassifier(models.map(storedModel));
    served = await openBundle(folder, { threads: 1 });
  });

  afterAll(async () => {
    trained.dispose();
    await served.dispose();
    await rm(base, { recursive: true });
  });

  it('is explained alike, every word of it', async () => {
    expectSameExplanation(await explainText(served, [TEXT]), explainDocument(trained, [TEXT]));
    const fields = ['Good', 'A boring story.'];
    const ofFields = await explainText(served, fields);
    expect(ofFields.text).toBe('Good\n\nA boring story.');
    expectSameExplanation(ofFields, explainDocument(trained, fields));
  });

  it('is explained alike with other options, and without words', async () => {
    const choice = {
      occlusion: 'leftOut',
      mostOccluded: 3,
      ...(served.bundle.labels.length > 0 && { label: served.bundle.labels.at(-1) }),
    } as const;
    const explanation = await explainText(served, [TEXT], choice);
    expect(explanation.occluded).toBe(3);
    expectSameExplanation(explanation, explainDocument(trained, [TEXT], choice));
    expectSameExplanation(await explainText(served, ['xxbos']), explainDocument(trained, ['xxbos']));
  });
});
