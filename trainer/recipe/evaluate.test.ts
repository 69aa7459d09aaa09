import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { SPECIAL_TOKENS } from '../../text/specialTokens.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { MODEL_SCHEMA_VERSION, readMembers, writeModel, type ModelDescription, type StoredModel } from '../checkpoint/modelFolder.ts';
import { toHost } from '../engine/transfer.ts';
import { outputsOf } from '../model/task.ts';
import type { LanguageModelEvaluation, MultiLabelEvaluation, RegressionEvaluation, SingleLabelEvaluation } from '../report/evaluation.ts';
import { readMetrics } from '../report/runMetrics.ts';
import { TINY, tinyClassifierParameters, tinyLanguageModel } from '../testSupport.ts';
import { calibrateModel } from './calibrateModel.ts';
import { evaluateModel } from './evaluate.ts';
import { TrainedClassifier } from './trainedClassifier.ts';

const WORDS = ['the', 'film', 'was', 'good', 'bad', 'dull', 'warm', 'and', 'music', 'loud', 'a', 'story', '.', 'very', 'not'];
const LABELS = ['neg', 'neutral', 'pos'];

function storedModel(description: Partial<ModelDescription>): StoredModel {
  const kind = description.kind ?? 'classifier';
  const { task, labels = task === 'regression' ? [] : LABELS } = description;
  const parameters = kind === 'classifier' ? tinyClassifierParameters(TINY, outputsOf(task, labels)) : tinyLanguageModel(TINY);
  return {
    description: {
      schemaVersion: MODEL_SCHEMA_VERSION,
      kind,
      tokenizerVersion: 1,
      direction: 'forward',
      sizes: TINY,
      chunkLength: 10,
      created: '2026-01-31T12:00:00Z',
      ...(kind === 'classifier' && { labels }),
      ...description,
    },
    tensors: toHost(parameters),
    vocabulary: Vocabulary.fromTokens([...SPECIAL_TOKENS, ...WORDS]),
  };
}

/** A folder with the models in it: one, or a pair. */
async function modelFolder(...descriptions: Partial<ModelDescription>[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const description of descriptions) {
    const own = descriptions.length === 1 ? folder : join(folder, description.direction ?? 'forward');
    await writeModel(own, storedModel(description), { card: '# Made up' });
  }
  return folder;
}

const PAIR: Partial<ModelDescription>[] = [{ direction: 'forward' }, { direction: 'backward' }];

const TEXTS = Array.from({ length: 30 }, (_, index) =>
  Array.from({ length: 3 + (index % 9) }, (__, word) => WORDS[(7 * index + word * word) % WORDS.length]).join(' '),
);

/** What is wanted of each text: now and then the likeliest answer. */
async function dataFile(label: (index: number) => unknown, count = TEXTS.length): Promise<string> {
  const lines = TEXTS.slice(0, count).map((text, index) => JSON.stringify({ text, label: label(index) }));
  return join(await temporaryFolder({ 'data.jsonl': lines.join('\n') }), 'data.jsonl');
}

const byTurns = (index: number) => LABELS[index % 3];

/** Labels that a model gets right three times in four. */
function mostlyRight(description: Partial<ModelDescription>): (index: number) => string | undefined {
  const classifier = new TrainedClassifier([storedModel(description)]);
  const answers = classifier.answers(TEXTS.map((text) => [text]));
  classifier.dispose();
  return (index) => {
    const likeliest = answers[index]?.indexOf(Math.max(...answers[index])) ?? 0;
    return LABELS[index % 4 === 0 ? (likeliest + 1) % 3 : likeliest];
  };
}

describe('evaluateModel', () => {
  it('judges one label a document', async () => {
    const folder = await modelFolder({});
    const evaluation = (await evaluateModel(folder, await dataFile(byTurns))) as SingleLabelEvaluation;
    const classifier = await TrainedClassifier.open(folder);
    const answers = classifier.answers(TEXTS.map((text) => [text]));
    const right = answers.filter((answer, index) => answer.indexOf(Math.max(...answer)) === index % 3).length;
    expect(evaluation).toMatchObject({ task: 'singleLabel', labels: LABELS, metrics: { n: 30, accuracy: right / 30 } });
    const loss = answers.reduce((sum, answer, index) => sum - Math.log(answer[index % 3] ?? 0), 0) / 30;
    expect(evaluation.metrics.loss).toBeCloseTo(loss, 6);
    expect(evaluation.mostWrong).toHaveLength(Math.min(20, 30 - right));
    expect(TEXTS).toContain(evaluation.mostWrong[0]?.text);
    classifier.dispose();
  });

  it('judges several labels a document, and numbers', async () => {
    const several = (await evaluateModel(
      await modelFolder({ task: 'multiLabel' }),
      await dataFile((index) => LABELS.slice(0, index % 4)),
    )) as MultiLabelEvaluation;
    expect(several).toMatchObject({ task: 'multiLabel', labels: LABELS });
    // Lists of 0, 1, 2 and 3 labels by turns.
    expect(LABELS.map((label) => several.metrics.labels[label]?.n)).toEqual([22, 14, 7]);
    const numbers = (await evaluateModel(
      await modelFolder({ task: 'regression', range: [0, 10] }),
      await dataFile((index) => index / 3),
    )) as RegressionEvaluation;
    expect(numbers).toMatchObject({ task: 'regression', metrics: { n: 30 } });
    expect(numbers.points.map(([wanted]) => wanted)).toEqual(TEXTS.map((_, index) => Math.fround(index / 3)));
    for (const [, given] of numbers.points) expect(given).toBeGreaterThan(0);
  });

  it('judges the mean of both answers of a pair', async () => {
    const pair = await modelFolder(...PAIR);
    const data = await dataFile(byTurns);
    const evaluation = (await evaluateModel(pair, data)) as SingleLabelEvaluation;
    const members = await readMembers(pair);
    const each = members.map((model) => new TrainedClassifier([model]).answers(TEXTS.map((text) => [text])));
    const means = TEXTS.map((_, index) =>
      LABELS.map((__, label) => ((each[0]?.[index]?.[label] ?? 0) + (each[1]?.[index]?.[label] ?? 0)) / 2),
    );
    const loss = means.reduce((sum, answer, index) => sum - Math.log(answer[index % 3] ?? 0), 0) / 30;
    expect(evaluation.metrics.loss).toBeCloseTo(loss, 6);
    expect(evaluation.reliability[0]?.temperature).toBeUndefined();
  });

  it('judges a language model, and both of a pair', async () => {
    const data = await dataFile(byTurns);
    const one = (await evaluateModel(await modelFolder({ kind: 'languageModel' }), data)) as LanguageModelEvaluation;
    const two = (await evaluateModel(
      await modelFolder(...PAIR.map((description) => ({ ...description, kind: 'languageModel' as const }))),
      data,
    )) as LanguageModelEvaluation;
    expect(one.members).toHaveLength(1);
    expect(one.members[0]?.metrics.perplexity).toBeCloseTo(Math.exp(one.members[0]?.metrics.loss ?? 0));
    expect(two.members.map(({ direction }) => direction)).toEqual(['forward', 'backward']);
    expect(two.members[0]).toEqual(one.members[0]);
    expect(two.members[1]?.metrics.loss).not.toBeCloseTo(one.members[0]?.metrics.loss ?? 0, 5);
  });

  it('refuses labels that the model does not know, and labels of another kind', async () => {
    const folder = await modelFolder({});
    await expect(evaluateModel(folder, await dataFile(() => 'other'))).rejects.toThrow('the model does not know the label "other"');
    await expect(evaluateModel(folder, await dataFile(() => ['pos']))).rejects.toThrow('is a list, but one label is due');
    const numbers = await modelFolder({ task: 'regression' });
    await expect(evaluateModel(numbers, await dataFile(() => 'pos'))).rejects.toThrow('must be a number');
  });
});

describe('calibrateModel', () => {
  const json = async (folder: string) => JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')) as Record<string, unknown>;

  it('writes the temperature with the least loss, and nothing else', async () => {
    const folder = await modelFolder({ temperature: 3, metrics: { accuracy: 0.5 } });
    const data = await dataFile(mostlyRight({}));
    const before = (await evaluateModel(folder, data)) as SingleLabelEvaluation;
    const old = await json(folder);
    const weights = await readFile(join(folder, 'model.safetensors'));
    const result = await calibrateModel(folder, data);
    const [member] = result.members;
    expect(member).toMatchObject({ folder, before: 3 });
    expect(member?.temperature).toBeGreaterThan(0.1);
    expect(member?.temperature).toBeLessThan(10);
    expect(await json(folder)).toEqual({ ...old, temperature: member?.temperature });
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);

    const after = (await evaluateModel(folder, data)) as SingleLabelEvaluation;
    expect(result.n).toBe(30);
    expect(result.before.loss).toBeCloseTo(before.metrics.loss, 10);
    expect(result.after.loss).toBeCloseTo(after.metrics.loss, 10);
    expect(result.after.loss).toBeLessThan(result.before.loss);
    expect(after.metrics.confusion).toEqual(before.metrics.confusion);
    // It was the best before as well, and doing it again changes nothing.
    expect((await calibrateModel(folder, data)).members[0]?.temperature).toBeCloseTo(member?.temperature ?? 0, 6);
  });

  it('calibrates several labels, and each of a pair', async () => {
    const several = await modelFolder({ task: 'multiLabel' });
    const result = await calibrateModel(several, await dataFile((index) => LABELS.slice(0, index % 4)));
    expect(result.after.loss).toBeLessThan(result.before.loss);
    expect((await json(several))['temperature']).toBe(result.members[0]?.temperature);

    const pair = await modelFolder(...PAIR);
    const { members } = await calibrateModel(pair, await dataFile(mostlyRight({})));
    expect(members.map(({ folder }) => folder)).toEqual([join(pair, 'forward'), join(pair, 'backward')]);
    expect(members[0]?.temperature).not.toBe(members[1]?.temperature);
    for (const { folder, temperature } of members) expect((await json(folder))['temperature']).toBe(temperature);
  });

  it('refuses what cannot be calibrated, and changes nothing', async () => {
    const folder = await modelFolder({});
    const old = await json(folder);
    await expect(calibrateModel(folder, await dataFile(byTurns, 19))).rejects.toThrow(
      'has 19 documents, too few to calibrate with. Give at least 20',
    );
    const numbers = await modelFolder({ task: 'regression' });
    await expect(calibrateModel(numbers, await dataFile((index) => index))).rejects.toThrow('there is nothing to calibrate');
    const languageModel = await modelFolder({ kind: 'languageModel' });
    await expect(calibrateModel(languageModel, await dataFile(byTurns))).rejects.toThrow('a classifier is needed here');
    expect(await json(folder)).toEqual(old);
    expect(await readMetrics(folder)).toEqual([]);
  });
});
