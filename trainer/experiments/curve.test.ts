/** Whole experiments on tiny models and made-up texts. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { generatedDocuments, generatedReviews, jsonLines } from '../../test/fixtures/generatedText.ts';
import { UserError } from '../../text/errors.ts';
import { pretrain } from '../api/pretrain.ts';
import { train } from '../api/train.ts';
import { type CurveOptions, measureCurve } from './curve.ts';
import { curveSentences, curveTable, type Curve } from './curveReport.ts';
import type { RunRecord } from './experiment.ts';

let folder: string;
const at = (...parts: string[]): string => join(folder, ...parts);
let experiments = 0;
const fresh = (): string => at(`experiment-${experiments++}`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  await writeFile(at('corpus.jsonl'), jsonLines(generatedDocuments(30, 10, 1)));
  await writeFile(at('reviews.jsonl'), jsonLines(generatedReviews(120, 2)));
  await writeFile(at('more.jsonl'), jsonLines(generatedDocuments(10, 4, 3)));
  await pretrain(at('corpus.jsonl'), { embedding: 8, hidden: 12, layers: 2, vocab: 100, batch: 4, bptt: 16, epochs: 1, out: at('lm') });
  return () => rm(folder, { recursive: true });
});

/** Two numbers of labels, two seeds: quick, and still something to learn. */
function options(out: string): CurveOptions {
  return {
    out,
    from: at('lm'),
    labels: [16, 8],
    seeds: [1, 2],
    epochs: 2,
    earlyStopping: 1,
    lmEpochs: 1,
    validFraction: 0.2,
    classifier: { batch: 4, learningRate: 0.03 },
    scratch: { batch: 4, learningRate: 0.01 },
    languageModel: { batch: 4, bptt: 8 },
  };
}

const curveIn = async (out: string): Promise<Curve> => JSON.parse(await readFile(join(out, 'curve.json'), 'utf8')) as Curve;
const resultsIn = async (out: string): Promise<RunRecord[]> =>
  (await readFile(join(out, 'results.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RunRecord);

// Many runs, each with checkpoints and a report of its own.
describe('a curve', { timeout: 180_000 }, () => {
  it('of two sizes, three ways and two seeds, from data to plot', async () => {
    const out = fresh();
    const jobs: string[] = [];
    const { curve, interrupted } = await measureCurve(at('reviews.jsonl'), {
      ...options(out),
      scratchLabels: [32],
      unlabelled: at('more.jsonl'),
      onJob: ({ number, of, title }) => void jobs.push(`${number}/${of} ${title}`),
    });
    expect(interrupted).toBe(false);
    expect(curve?.points.map(({ way, labels, values }) => [way, labels, values.length])).toEqual([
      ['scratch', 8, 2],
      ['scratch', 16, 2],
      ['scratch', 32, 2],
      ['supervised', 8, 2],
      ['supervised', 16, 2],
      ['semi-supervised', 8, 2],
      ['semi-supervised', 16, 2],
    ]);
    expect(curve).toMatchObject({ measure: { name: 'error' }, test: 24, valid: 19 });
    for (const { mean, min, max, values } of curve?.points ?? []) {
      expect(mean).toBeCloseTo(((values[0] ?? 0) + (values[1] ?? 0)) / 2, 12);
      expect([min, max]).toEqual([Math.min(...values), Math.max(...values)]);
      // Errors are counts of 24 documents.
      for (const value of values) expect(24 * value).toBeCloseTo(Math.round(24 * value), 9);
    }
    // 5 classifiers, 2 language models of labelled text and 1 of all text for each of 2 seeds; those of 32 labels besides.
    expect(jobs).toHaveLength(2 * (3 + 2 + 2 + 2 + 1));
    expect(jobs[0]).toBe('1/20 from scratch, 8 labels, seed 1');
    expect(jobs.filter((job) => job.includes('language model on all text'))).toHaveLength(2);

    expect(await curveIn(out)).toEqual(JSON.parse(JSON.stringify(curve)));
    expect(await readFile(join(out, 'curve.svg'), 'utf8')).toContain('semi-supervised');
    expect((await readFile(join(out, 'curve.png'))).subarray(1, 4).toString()).toBe('PNG');
    const table = curveTable(curve as Curve).split('\n');
    expect(table[0]).toMatch(/^labels +from scratch +ULMFiT, supervised +ULMFiT, semi-supervised$/);
    expect(table[1]).toMatch(/^8 ( +\d+\.\d % \[\d+\.\d – \d+\.\d\]){3}$/);
    expect(table[3]).toMatch(/^32 .*– +–$/);
    expect(curveSentences(curve as Curve)).toEqual([
      expect.stringMatching(/^8 labels with supervised ULMFiT /),
      expect.stringMatching(/^8 labels with semi-supervised ULMFiT /),
    ]);
  });

  it('leaves records, not weights; keeps them where told to', async () => {
    const [lean, whole] = [fresh(), fresh()];
    await measureCurve(at('reviews.jsonl'), { ...options(lean), labels: [8], seeds: [1], ways: ['supervised', 'semi-supervised'] });
    await measureCurve(at('reviews.jsonl'), { ...options(whole), labels: [8], seeds: [1], ways: ['supervised'], keepModels: true });
    expect(await readdir(join(lean, 'runs', 'supervised-8-1'))).toEqual(expect.arrayContaining(['config.json', 'metrics.jsonl']));
    for (const name of ['model.json', 'model.safetensors', 'checkpoints']) {
      expect(await readdir(join(lean, 'runs', 'supervised-8-1'))).not.toContain(name);
      expect(await readdir(join(whole, 'runs', 'supervised-8-1'))).toContain(name);
    }
    expect(await readdir(join(lean, 'models', 'language-model-1'))).toContain('model.safetensors');
    expect(await readdir(join(lean, 'models', 'language-model-8-1'))).not.toContain('model.safetensors');
    expect((await curveIn(lean)).points).toEqual(expect.arrayContaining((await curveIn(whole)).points as unknown[]));
  });

  it('that was stopped goes on where it was, and comes to the same', async () => {
    const whole = fresh();
    const usual = { ...options(whole), seeds: [1], ways: ['supervised', 'scratch'] };
    await measureCurve(at('reviews.jsonl'), usual);
    const out = fresh();
    // Stopped within a language model's training, within a classifier's, and so on to the end.
    const trained: string[] = [];
    for (let session = 0; session < 20; session++) {
      const stop = new AbortController();
      let steps = 0;
      const { interrupted, curve } = await measureCurve(at('reviews.jsonl'), {
        ...usual,
        out,
        resume: session > 0,
        signal: stop.signal,
        onStep: () => void (++steps === 17 && stop.abort()),
        onResult: ({ run }) => void trained.push(run),
      });
      if (!interrupted) break;
      expect(curve).toBeUndefined();
      expect(await readdir(out)).not.toContain('curve.json');
    }
    expect(trained).toHaveLength(new Set(trained).size); // none is done twice
    expect(trained).toHaveLength(4);
    const [expected, found] = [await curveIn(whole), await curveIn(out)];
    expect(found.points).toEqual(expected.points);
    expect(found.runs).toEqual(expected.runs);
    expect(curveTable(found)).toBe(curveTable(expected));
  });

  it('can be made longer, and repeats nothing', async () => {
    const out = fresh();
    const usual = { ...options(out), ways: ['scratch'], seeds: [1] };
    const first = await measureCurve(at('reviews.jsonl'), usual);
    await expect(measureCurve(at('reviews.jsonl'), usual)).rejects.toThrow(/holds an earlier experiment\. Add --resume/);
    const trained: string[] = [];
    const more = { ...usual, resume: true, labels: [8, 16, 24], onResult: ({ run }: RunRecord) => void trained.push(run) };
    const second = await measureCurve(at('reviews.jsonl'), more);
    expect(trained).toEqual(['scratch-24-1']);
    expect(second.curve?.points.slice(0, 2)).toEqual(first.curve?.points);
    await expect(measureCurve(at('reviews.jsonl'), { ...more, epochs: 9 })).rejects.toThrow(
      /Cannot resume .*: epochs was 2 when the experiment began and is 9 now/,
    );
  });

  it('of a regression, and of several labels', async () => {
    const reviews = generatedReviews(60, 2);
    await writeFile(at('stars.jsonl'), jsonLines(reviews.map(({ text, label }) => ({ text, label: label === 'pos' ? 5 : 2 }))));
    await writeFile(
      at('topics.jsonl'),
      jsonLines(reviews.map(({ text, label }) => ({ text, label: text.includes('plot') ? [label, 'plot'] : [label] }))),
    );
    for (const [data, task, name] of [
      ['stars.jsonl', 'regression', 'rootMeanSquaredError'],
      ['topics.jsonl', 'multiLabel', 'microF1'],
    ] as const) {
      const out = fresh();
      const { curve } = await measureCurve(at(data), { ...options(out), labels: [16], seeds: [1], ways: ['scratch'], task });
      expect(curve?.measure.name).toBe(name);
      const [record] = await resultsIn(out);
      expect(curve?.points[0]?.mean).toBe(record?.figures[name]);
    }
  });
});

describe('bad input leaves nothing behind', () => {
  /** What a curve with these options comes to. */
  const failure = async (changes: Partial<CurveOptions>): Promise<unknown> => {
    const out = fresh();
    const error: unknown = await measureCurve(at('reviews.jsonl'), { ...options(out), ...changes }).catch((thrown: unknown) => thrown);
    return { isMistake: error instanceof UserError, message: (error as Error).message, left: await readdir(out).catch(() => []) };
  };
  const refusal = (message: RegExp): object => ({ isMistake: true, message: expect.stringMatching(message), left: [] });

  it('more labels than there are documents', async () => {
    expect(await failure({ labels: [8, 100] })).toEqual(
      refusal(/--labels 100: .*reviews\.jsonl has only 77 documents to draw labels from, besides 24 to judge on and 19/),
    );
  });

  it('too few documents for a label to get one', async () => {
    expect(await failure({ labels: [1] })).toEqual(refusal(/No document with the label "pos" is left to train on/));
  });

  it('no number of labels, no seed, an unknown way', async () => {
    expect(await failure({ labels: [] })).toEqual(refusal(/at least one number of labels/));
    expect(await failure({ seeds: [] })).toEqual(refusal(/at least one seed/));
    expect(await failure({ ways: ['semisupervised'] })).toEqual(refusal(/no way "semisupervised".* Did you mean "semi-supervised"\?/));
  });

  it('a classifier where a language model is due, or nothing at all', async () => {
    const classifier = fresh();
    await train(at('reviews.jsonl'), { from: at('lm'), out: classifier, epochs: 1 });
    expect(await failure({ from: classifier })).toEqual(refusal(/holds a classifier, but a language model is needed here/));
    expect(await failure({ from: at('nowhere') })).toEqual(refusal(/no model folder/));
  });

  it('a folder that holds something else is left alone', async () => {
    const attempt = measureCurve(at('reviews.jsonl'), options(at('lm')));
    await expect(attempt).rejects.toThrow(/is not empty and holds no experiment|holds an earlier experiment/);
    expect(await readdir(at('lm'))).toContain('model.safetensors');
  });
});
