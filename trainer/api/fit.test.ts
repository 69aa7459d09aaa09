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
import { fit, type FitOptions, type FitStep } from './fit.ts';
import { pretrain } from './pretrain.ts';

let folder: string;
const at = (...parts: string[]): string => join(folder, ...parts);
let fits = 0;
/** A name that no fit has had. */
const fresh = (): string => at(`fit ${fits++}`);

const REVIEWS = generatedReviews(60, 2);
const TEST = generatedReviews(20, 3);
const flipped = TEST.map(({ text, label }) => ({ text, label: label === 'pos' ? 'neg' : 'pos' }));

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
  return () => rm(folder, { recursive: true });
});

const usual = (): Omit<FitOptions, 'out'> => ({ from: at('pair'), direction: 'forward', quick: true, batch: 4 });
const weightsOf = async (model: string) => Object.fromEntries((await readModel(model)).tensors);

describe('from documents to a bundle', () => {
  it('leaves a language model, a classifier, a bundle and what it measured', async () => {
    const out = fresh();
    const steps: [FitStep, boolean][] = [];
    const result = await fit(at('reviews.jsonl'), { ...usual(), out, onBegin: (...step) => void steps.push(step) });
    expect(steps).toEqual([
      ['fineTune', false],
      ['train', false],
      ['export', false],
    ]);
    expect((await readdir(out)).toSorted()).toEqual(['bundle', 'classifier', 'config.json', 'evaluation.html', 'language-model']);
    expect(await readModel(result.languageModel, 'languageModel')).toMatchObject({ description: { direction: 'forward' } });
    expect(await readModel(result.classifier, 'classifier')).toMatchObject({ description: { labels: ['neg', 'pos'] } });
    expect((await readBundle(result.bundle)).bundle).toEqual(result.description);
    expect(result.description).toMatchObject({ labels: ['neg', 'pos'], name: `fit-${fits - 1}` });
    // A tenth of the 60 reviews.
    expect(result.evaluation).toMatchObject({ task: 'singleLabel', metrics: { n: 6 } });
    expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({ command: 'fit', data: at('reviews.jsonl'), quick: true });
  });

  it('measures on the test documents, from which nothing is learnt', async () => {
    const [first, second] = [fresh(), fresh()];
    const { evaluation, classifier } = await fit(at('reviews.jsonl'), { ...usual(), out: first, test: at('test.jsonl') });
    expect(evaluation).toMatchObject({ task: 'singleLabel', metrics: { n: 20 } });
    expect(await evaluateModel(classifier, at('test.jsonl'))).toEqual(evaluation);
    const wrong = await fit(at('reviews.jsonl'), { ...usual(), out: second, test: at('flipped.jsonl') });
    expect(await weightsOf(wrong.classifier)).toEqual(await weightsOf(classifier));
    const accuracies = [evaluation, wrong.evaluation].map((each) => (each?.task === 'singleLabel' ? each.metrics.accuracy : Number.NaN));
    expect((accuracies[0] ?? 0) + (accuracies[1] ?? 0)).toBeCloseTo(1, 9);
    expect(await readModel(classifier)).toMatchObject({ description: { metrics: { accuracy: accuracies[0] } } });
  });

  it('takes both directions, and numbers', async () => {
    const out = fresh();
    const result = await fit(at('stars.jsonl'), { ...usual(), out, direction: undefined, task: 'regression', range: [1, 6] });
    expect(result.evaluation).toMatchObject({ task: 'regression', metrics: { n: 6 } });
    expect(result.description).toMatchObject({ task: 'regression', range: [1, 6], members: [{ direction: 'forward' }, { direction: 'backward' }] });
    expect(await readdir(result.languageModel)).toEqual(expect.arrayContaining(['forward', 'backward']));
  });

  it('fine-tunes on other texts where there are more, or not at all', async () => {
    const [texts, none] = [fresh(), fresh()];
    const { languageModel } = await fit(at('reviews.jsonl'), { ...usual(), out: texts, texts: at('corpus.jsonl') });
    expect(JSON.parse(await readFile(join(languageModel, 'config.json'), 'utf8'))).toMatchObject({ data: at('corpus.jsonl') });
    await fit(at('reviews.jsonl'), { ...usual(), out: none, fineTuning: false });
    expect(await readdir(none)).not.toContain('language-model');
    expect(JSON.parse(await readFile(join(none, 'classifier', 'config.json'), 'utf8'))).toMatchObject({ from: at('pair') });
  });
});

describe('stopped and resumed', () => {
  it('ends with the same classifier as without a stop, and does no finished step again', async () => {
    const whole = await fit(at('reviews.jsonl'), { ...usual(), out: fresh() });
    let steps = 0;
    await fit(at('reviews.jsonl'), { ...usual(), out: fresh(), onStep: () => void steps++ });
    const last = steps - 1;
    for (const stopAt of [2, last]) {
      const out = fresh();
      const stop = new AbortController();
      let done = 0;
      const onStep = (): void => void (++done === stopAt && stop.abort());
      const stopped = await fit(at('reviews.jsonl'), { ...usual(), out, signal: stop.signal, onStep });
      expect(stopped).toMatchObject({ interrupted: true });
      expect(stopped.evaluation).toBeUndefined();
      const begun = new Map<FitStep, boolean>();
      const result = await fit(at('reviews.jsonl'), {
        ...{ ...usual(), out, resume: true },
        onBegin: (step, isFinished) => void begun.set(step, isFinished),
      });
      expect(begun.get('fineTune')).toBe(stopAt === last);
      expect(await weightsOf(result.classifier)).toEqual(await weightsOf(whole.classifier));
      expect(result.evaluation).toEqual(whole.evaluation);

      const before = await stat(join(result.classifier, 'model.safetensors'));
      const again = await fit(at('reviews.jsonl'), { ...usual(), out, resume: true });
      expect(again.evaluation).toEqual(whole.evaluation);
      expect((await stat(join(result.classifier, 'model.safetensors'))).mtimeMs).toBe(before.mtimeMs);
    }
  });

  it('refuses another fit in the same folder, other settings, and folders of something else', async () => {
    const out = fresh();
    await fit(at('reviews.jsonl'), { ...usual(), out });
    await expect(fit(at('reviews.jsonl'), { ...usual(), out })).rejects.toThrow(/holds an earlier fit\. Add --resume/);
    const changed = fit(at('reviews.jsonl'), { ...usual(), out, resume: true, test: at('test.jsonl') });
    await expect(changed).rejects.toThrow(/Cannot resume .*: test was not given when the fit began and is ".*test\.jsonl" now/);
    const elsewhere = fit(at('reviews.jsonl'), { ...usual(), out: join(out, 'classifier') });
    await expect(elsewhere).rejects.toThrow(/holds something else than a fit/);
  });
});

describe('mistakes come out before anything is trained or written', () => {
  it.each<[string, string, Partial<FitOptions>, RegExp]>([
    ['one label', 'one-label.jsonl', {}, /all 30 documents have the label "pos"/],
    ['a test document with an unknown label', 'reviews.jsonl', { test: 'other-label.jsonl' }, /meh/],
    ['no such column', 'reviews.jsonl', { label: 'stars' }, /stars/],
    ['bounds for labels', 'reviews.jsonl', { range: [0, 1] }, /Bounds are for --regression/],
  ])('%s', async (_name, data, options, message) => {
    const out = fresh();
    const test = options.test === undefined ? {} : { test: at(options.test) };
    const refused = fit(at(data), { ...usual(), out, ...options, ...test });
    await expect(refused).rejects.toThrow(UserError);
    await expect(refused).rejects.toThrow(message);
    await expect(stat(out)).rejects.toThrow('ENOENT');
  });
});

it('exports in a process of its own too, as is done where a GPU trains', async () => {
  const { classifier, bundle } = await fit(at('reviews.jsonl'), { ...usual(), out: fresh(), test: at('test.jsonl') });
  const other = await exportInOwnProcess(classifier, { out: at('other bundle'), documents: at('test.jsonl'), text: ['text'], name: 'other', version: '7' });
  expect(other).toMatchObject({ name: 'other', version: '7' });
  const [graph, same] = await Promise.all([bundle, at('other bundle')].map(async (path) => (await readBundle(path)).bundle.members));
  expect(same).toEqual(graph);
  const refused = exportInOwnProcess(classifier, { out: at('third'), documents: at('nowhere.csv') });
  await expect(refused).rejects.toThrow(UserError);
  await expect(refused).rejects.toThrow(/nowhere\.csv does not exist/);
});
