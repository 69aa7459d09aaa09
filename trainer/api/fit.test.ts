/** From documents to a bundle in one call, on tiny models: what comes out, and that it goes on where it was stopped. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBundle } from '../../export/bundleFolder.ts';
import { generatedDocuments, generatedReviews, jsonLines } from '../../test/fixtures/generatedText.ts';
import { UserError } from '../../text/errors.ts';
import { readModel } from '../checkpoint/modelFolder.ts';
import { evaluateModel } from '../recipe/evaluate.ts';
import { exportInOwnProcess } from './exportClassifier.ts';
import { fit, type FitOptions, type FitResult, type FitStep } from './fit.ts';
import { pretrain } from './pretrain.ts';

let folder: string;
const at = (...parts: string[]): string => join(folder, ...parts);
let fits = 0;
/** A name that no fit has had. */
const fresh = (): string => at(`fit ${fits++}`);

const REVIEWS = generatedReviews(40, 2);
const TEST = generatedReviews(20, 3);
const flipped = TEST.map(({ text, label }) => ({ text, label: label === 'pos' ? 'neg' : 'pos' }));

/** What most tests do: one direction, few epochs, measured on a file of its own. */
const usual = (): Omit<FitOptions, 'out'> => ({
  from: at('pair'),
  direction: 'forward',
  quick: true,
  batch: 4,
  test: at('test.jsonl'),
});
/** The usual fit, from beginning to end. */
let whole: FitResult;
const stepsOfWhole: [FitStep, boolean][] = [];
let trainingSteps = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  const files = {
    'corpus.jsonl': jsonLines(generatedDocuments(30, 10, 1)),
    'reviews.jsonl': jsonLines(REVIEWS),
    'test.jsonl': jsonLines(TEST),
    'flipped.jsonl': jsonLines(flipped),
    'stars.jsonl': jsonLines(REVIEWS.map(({ text, label }) => ({ text, label: label === 'pos' ? 5 : 2 }))),
    'one-label.jsonl': jsonLines(REVIEWS.filter(({ label }) => label === 'pos')),
    'other-label.jsonl': jsonLines([{ text: 'So so.', label: 'meh' }]),
  };
  for (const [name, contents] of Object.entries(files)) await writeFile(at(name), contents);
  const sizes = { embedding: 8, hidden: 12, layers: 2, vocab: 100, batch: 4, bptt: 16, epochs: 1 };
  await pretrain(at('corpus.jsonl'), { ...sizes, out: at('pair'), direction: 'both' });
  whole = await fit(at('reviews.jsonl'), {
    ...usual(),
    out: fresh(),
    onBegin: (...step) => void stepsOfWhole.push(step),
    onStep: () => void trainingSteps++,
  });
  return () => rm(folder, { recursive: true });
});

const weightsOf = async (model: string) => Object.fromEntries((await readModel(model)).tensors);

describe('from documents to a bundle', () => {
  it('leaves a language model, a classifier, a bundle and what it measured', async () => {
    expect(stepsOfWhole).toEqual([
      ['fineTune', false],
      ['train', false],
      ['export', false],
    ]);
    expect((await readdir(whole.out)).toSorted()).toEqual(['bundle', 'classifier', 'config.json', 'evaluation.html', 'language-model']);
    expect(await readModel(whole.languageModel, 'languageModel')).toMatchObject({ description: { direction: 'forward' } });
    expect(await readModel(whole.classifier, 'classifier')).toMatchObject({ description: { labels: ['neg', 'pos'] } });
    expect((await readBundle(whole.bundle)).bundle).toEqual(whole.description);
    expect(whole.description).toMatchObject({ labels: ['neg', 'pos'], name: 'fit-0' });
    const config: unknown = JSON.parse(await readFile(join(whole.out, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ command: 'fit', data: at('reviews.jsonl'), quick: true });
  });

  it('measures on the test documents, from which nothing is learnt', async () => {
    expect(whole.evaluation).toMatchObject({ task: 'singleLabel', metrics: { n: 20 } });
    expect(await evaluateModel(whole.classifier, at('test.jsonl'))).toEqual(whole.evaluation);
    const wrong = await fit(at('reviews.jsonl'), { ...usual(), out: fresh(), test: at('flipped.jsonl') });
    expect(await weightsOf(wrong.classifier)).toEqual(await weightsOf(whole.classifier));
    const [right, flippedAccuracy] = [whole, wrong].map(({ evaluation }) =>
      evaluation?.task === 'singleLabel' ? evaluation.metrics.accuracy : Number.NaN,
    );
    expect((right ?? 0) + (flippedAccuracy ?? 0)).toBeCloseTo(1, 9);
    expect(await readModel(whole.classifier)).toMatchObject({ description: { metrics: { accuracy: right } } });
  });

  it('takes both directions, numbers, other texts for the language model, and a tenth of the data to measure', async () => {
    const both = { ...usual(), direction: undefined, texts: at('corpus.jsonl'), test: undefined };
    const result = await fit(at('stars.jsonl'), { ...both, out: fresh(), task: 'regression', range: [1, 6] });
    expect(result.evaluation).toMatchObject({ task: 'regression', metrics: { n: 4 } });
    expect(result.description).toMatchObject({
      task: 'regression',
      range: [1, 6],
      members: [{ direction: 'forward' }, { direction: 'backward' }],
    });
    for (const direction of ['forward', 'backward']) {
      const config: unknown = JSON.parse(await readFile(join(result.languageModel, direction, 'config.json'), 'utf8'));
      expect(config).toMatchObject({ command: 'finetune', data: at('corpus.jsonl') });
    }
  });

  it('leaves out step 2 where it is told to', async () => {
    const { out, classifier } = await fit(at('reviews.jsonl'), { ...usual(), out: fresh(), fineTuning: false });
    expect(await readdir(out)).not.toContain('language-model');
    expect(JSON.parse(await readFile(join(classifier, 'config.json'), 'utf8'))).toMatchObject({ from: at('pair'), direction: 'forward' });
  });
});

describe('stopped and resumed', () => {
  it.each(['step 2', 'step 3'])(
    'in %s: ends with the same classifier as without a stop, and does no finished step again',
    async (place) => {
      const out = fresh();
      const stop = new AbortController();
      const stopAt = place === 'step 2' ? 1 : trainingSteps - 1;
      let done = 0;
      const onStep = (): void => void (++done === stopAt && stop.abort());
      const stopped = await fit(at('reviews.jsonl'), { ...usual(), out, signal: stop.signal, onStep });
      expect(stopped).toMatchObject({ interrupted: true });
      expect(stopped.evaluation).toBeUndefined();
      const begun = new Map<FitStep, boolean>();
      const resumed = { ...usual(), out, resume: true };
      const result = await fit(at('reviews.jsonl'), { ...resumed, onBegin: (step, isFinished) => void begun.set(step, isFinished) });
      expect([...begun]).toEqual([
        ['fineTune', place === 'step 3'],
        ['train', false],
        ['export', false],
      ]);
      expect(await weightsOf(result.classifier)).toEqual(await weightsOf(whole.classifier));
      expect(result.evaluation).toEqual(whole.evaluation);
    },
  );

  it('a finished fit is left as it is', async () => {
    const before = await stat(join(whole.classifier, 'model.safetensors'));
    const again = await fit(at('reviews.jsonl'), { ...usual(), out: whole.out, resume: true });
    expect(again.evaluation).toEqual(whole.evaluation);
    expect((await stat(join(whole.classifier, 'model.safetensors'))).mtimeMs).toBe(before.mtimeMs);
  });

  it('refuses another fit in the same folder, other settings, and folders of something else', async () => {
    const { out } = whole;
    await expect(fit(at('reviews.jsonl'), { ...usual(), out })).rejects.toThrow(/holds an earlier fit\. Add --resume/);
    const changed = fit(at('reviews.jsonl'), { ...usual(), out, resume: true, seed: 3 });
    await expect(changed).rejects.toThrow(/Cannot resume .*: seed was not given when the fit began and is 3 now/);
    const elsewhere = fit(at('reviews.jsonl'), { ...usual(), out: join(out, 'classifier') });
    await expect(elsewhere).rejects.toThrow(/holds something else than a fit/);
  });
});

describe('mistakes come out before anything is trained or written', () => {
  it.each<[string, string, Partial<FitOptions>, RegExp]>([
    ['one label', 'one-label.jsonl', {}, /all 20 documents have the label "pos"/],
    ['a test document with an unknown label', 'reviews.jsonl', { test: 'other-label.jsonl' }, /meh/],
    ['no such column', 'reviews.jsonl', { label: 'stars' }, /stars/],
    ['bounds for labels', 'reviews.jsonl', { range: [0, 1] }, /Bounds are for --regression/],
  ])('%s', async (_name, data, options, message) => {
    const out = fresh();
    const refused = fit(at(data), { ...usual(), out, ...options, test: options.test && at(options.test) });
    await expect(refused).rejects.toThrow(UserError);
    await expect(refused).rejects.toThrow(message);
    await expect(stat(out)).rejects.toThrow('ENOENT');
  });
});

it('exports in a process of its own too, as is done where a GPU trains', async () => {
  const options = { documents: at('test.jsonl'), text: ['text'], name: 'other', version: '7' };
  const other = await exportInOwnProcess(whole.classifier, { ...options, out: at('other bundle') });
  expect(other).toMatchObject({ name: 'other', version: '7', members: whole.description?.members, parity: { labelDisagreements: 0 } });
  expect((await readBundle(at('other bundle'))).bundle).toEqual(other);
  const refused = exportInOwnProcess(whole.classifier, { out: at('third'), documents: at('nowhere.csv') });
  await expect(refused).rejects.toThrow(UserError);
  await expect(refused).rejects.toThrow(/nowhere\.csv does not exist/);
});
