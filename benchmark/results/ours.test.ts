import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { writeModel } from '../../trainer/checkpoint/modelFolder.ts';
import { languageModelShapes } from '../../trainer/model/parameters.ts';
import { randomValues } from '../../trainer/testSupport.ts';
import { measureSet, type MeasureOptions } from './ours.ts';
import { prepare } from './prepare.ts';
import { readRecords, recordsOf } from './records.ts';
import { accuracyRows } from './resultTable.ts';
import { readSettings } from './settings.ts';

const WORDS = ['good', 'bad', 'film', 'a', 'the', 'is', 'very'];

/** Reviews that a word tells apart. */
const REVIEWS = Array.from({ length: 60 }, (_, index) => {
  const label = index % 2 === 0 ? 'neg' : 'pos';
  return {
    label,
    text: `${index % 3 === 0 ? 'a film' : 'the film is'} ${index % 5 === 0 ? 'very ' : ''}${label === 'neg' ? 'bad' : 'good'}`,
  };
});

async function writeLanguageModel(folder: string): Promise<void> {
  const vocabulary = Vocabulary.fromCounts(new Map(WORDS.map((word) => [word, 9])), { maxSize: 60, minCount: 1 });
  const sizes = { vocabulary: vocabulary.size, embedding: 6, hidden: 8, layers: 2 };
  const shapes = [...languageModelShapes(sizes)];
  const tensors = new Map(
    shapes.map(([name, shape]) => [
      name,
      {
        shape,
        data: randomValues(
          shape.reduce((all, axis) => all * axis, 1),
          name,
        ),
      },
    ]),
  );
  const description = {
    kind: 'languageModel',
    direction: 'forward',
    sizes,
    chunkLength: 10,
    schemaVersion: 1,
    tokenizerVersion: 1,
  } as const;
  await writeModel(folder, { description: { ...description, created: '2026-01-31T12:00:00.000Z' }, tensors, vocabulary }, { card: '' });
}

describe('measureSet', () => {
  let options: MeasureOptions;
  let folder: string;
  let out: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
    out = join(folder, 'reviews');
    const from = join(folder, 'language-model');
    await writeLanguageModel(from);
    await writeFile(join(folder, 'reviews.jsonl'), REVIEWS.map((review) => JSON.stringify(review)).join('\n'));
    await prepare(join(folder, 'reviews.jsonl'), { out, testFraction: 0.2, labels: [8], draws: 2 });
    const settings = {
      languageModel: { epochs: 1, batch: 4, bptt: 5 },
      classifier: { all: { epochs: 20, batch: 8 }, '8': { epochs: 2 } },
      scratch: { epochs: 2 },
    };
    options = { from, labels: ['all', 8], seeds: [1, 2], settings, command: 'the command' };
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('measures each run once, and learns', async () => {
    expect(await measureSet(out, options)).toBe(true);
    const records = await readRecords(join(out, 'ours.jsonl'));
    expect(records.map(({ train, seed, labels, documents, method }) => [train, seed, labels, documents, method])).toEqual([
      ['labelled.jsonl', 1, 48, 12, 'ulmfit-forward'],
      ['labelled.jsonl', 2, 48, 12, 'ulmfit-forward'],
      ['labels-8-1.jsonl', 1, 8, 12, 'ulmfit-forward'],
      ['labels-8-2.jsonl', 2, 8, 12, 'ulmfit-forward'],
    ]);
    expect(records[0]).toMatchObject({ set: 'reviews', command: 'the command', settings: { classifier: { epochs: 20, batch: 8 } } });
    expect(Math.max(...records.map(({ accuracy }) => accuracy))).toBe(1);
    expect(await readdir(join(out, 'models'))).toHaveLength(1); // the language model: classifiers are judged and gone

    await measureSet(out, { ...options, seeds: [1, 2] });
    expect(await readRecords(join(out, 'ours.jsonl'))).toEqual(records);
    await measureSet(out, { ...options, labels: [8], seeds: [1], settings: { ...options.settings, classifier: { '8': { epochs: 3 } } } });
    expect(await readRecords(join(out, 'ours.jsonl'))).toHaveLength(5); // other settings are another run
  });

  it('measures from scratch, and on the validation part, apart', async () => {
    await measureSet(out, { ...options, labels: ['all'], seeds: [1], scratch: true });
    expect((await readRecords(join(out, 'ours.jsonl'))).at(-1)).toMatchObject({
      method: 'scratch-forward',
      settings: { scratch: { epochs: 2 } },
    });
    await measureSet(out, { ...options, labels: ['all'], seeds: [1], validate: true });
    expect(await readRecords(join(out, 'validation.jsonl'))).toMatchObject([{ train: 'train.jsonl', labels: 43, documents: 5 }]);
  });

  it('takes a language model as it is where that is wanted', async () => {
    const before = await readdir(join(out, 'models'));
    const settings = { ...options.settings, languageModel: null };
    await measureSet(out, { ...options, labels: [8], seeds: [1], settings });
    expect((await readRecords(join(out, 'ours.jsonl'))).at(-1)?.settings).toEqual({ languageModel: null, classifier: { epochs: 2 } });
    await measureSet(out, { ...options, from: join(out, 'models', before[0] as string), labels: [8], seeds: [1], settings });
    const [untuned, tuned] = (await readRecords(join(out, 'ours.jsonl'))).slice(-2);
    expect(untuned).not.toEqual(tuned);
    expect(await readdir(join(out, 'models'))).toEqual(before); // no further language model
  });

  it('makes a table of what was measured', async () => {
    const [head, ...rows] = accuracyRows(await recordsOf(out), 'reviews');
    expect(head).toEqual(['accuracy', 'all 48 labels', '8 labels']);
    expect(rows.map(([method]) => method)).toEqual(['the same network from scratch', '**ULMFiT**, forward']);
    expect(rows[1]?.[2]).toMatch(/^\d+\.\d % \[\d+\.\d – \d+\.\d\]$/);
    expect(rows[0]?.[2]).toBe('–');
  });

  it('says so where a folder was not made ready, or a draw is missing', async () => {
    await expect(measureSet(await temporaryFolder(), options)).rejects.toThrow(
      'holds no set. Make it ready with benchmark/results/prepare.ts.',
    );
    await expect(measureSet(out, { ...options, labels: [9] })).rejects.toThrow('labels-9-1.jsonl does not exist');
  });
});

describe('readSettings', () => {
  it('refuses what is no setting, with its place', async () => {
    const folder = await temporaryFolder({
      'typo.json': '{"classifier": {"all": {"epoch": 5}}}',
      'broken.json': '{',
      'name.json': '{"classifier": {"some": {}}}',
    });
    await expect(readSettings(join(folder, 'typo.json'))).rejects.toThrow('typo.json: classifier.all.epoch');
    await expect(readSettings(join(folder, 'broken.json'))).rejects.toThrow('broken.json cannot be read as settings');
    await expect(readSettings(join(folder, 'name.json'))).rejects.toThrow('it must be "all" or a number of labels');
    expect(await readSettings(undefined)).toEqual({ languageModel: {}, classifier: {}, scratch: {} });
  });
});
