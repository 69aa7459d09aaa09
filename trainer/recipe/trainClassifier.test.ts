import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { tokenize } from '../../text/tokenizer.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { readModel, type StoredModel } from '../checkpoint/modelFolder.ts';
import { toDevice } from '../engine/transfer.ts';
import { languageModelShapes } from '../model/parameters.ts';
import { randomValues } from '../testSupport.ts';
import { classifierAnswers } from './classifierTask.ts';
import { TrainedClassifier, type ClassifierMember } from './trainedClassifier.ts';
import { readSets } from './heldOut.ts';
import { trainClassifier, type ClassifierConfig, type ClassifierStart } from './trainClassifier.ts';

type Row = readonly [text: string, label: string];

const SETS = { validationFraction: 0.1, seed: 1 };

async function dataFile(rows: readonly Row[], name = 'data.jsonl'): Promise<string> {
  const lines = rows.map(([text, label]) => JSON.stringify({ text, label }));
  return join(await temporaryFolder({ [name]: lines.join('\n') }), name);
}

/** As many documents of each label as told, each with a text of its own. */
const documents = (counts: Readonly<Record<string, number>>): Row[] =>
  Object.entries(counts).flatMap(([label, count]) =>
    Array.from({ length: count }, (_, index): Row => [`${label} document number ${index}`, label]),
  );

const countLabels = (set: readonly { readonly label: string | undefined }[]) =>
  Object.fromEntries([...Map.groupBy(set, ({ label }) => label)].map(([label, ofLabel]) => [label, ofLabel.length]));

const textsOf = (set: readonly { readonly fields: readonly string[] }[]) => set.map(({ fields }) => fields.join());

describe('readSets', () => {
  it('holds out the share that is asked for, of each label in proportion', async () => {
    const data = await dataFile(documents({ common: 160, rare: 40 }));
    const { training, validation, labels } = await readSets({ data, ...SETS });
    expect(labels).toEqual(['common', 'rare']);
    expect(countLabels(validation)).toEqual({ common: 16, rare: 4 });
    expect(countLabels(training)).toEqual({ common: 144, rare: 36 });
    expect(new Set([...textsOf(training), ...textsOf(validation)]).size).toBe(200);
    // They are drawn at random, not taken from one end.
    const numbers = textsOf(validation).map((text) => Number(text.split(' ').at(-1)));
    expect(Math.max(...numbers)).toBeGreaterThan(100);
  });

  it('leaves a document of every label to train on, however rare it is', async () => {
    const data = await dataFile(documents({ common: 195, rare: 4, single: 1 }));
    for (let seed = 0; seed < 5; seed++) {
      const { training, validation } = await readSets({ data, validationFraction: 0.5, seed });
      expect(validation.length).toBe(100);
      expect(countLabels(training)).toMatchObject({ rare: 2, single: 1 });
    }
  });

  it('draws the same documents from the same seed, and others from another', async () => {
    const data = await dataFile(documents({ a: 60, b: 60 }));
    const draw = async (seed: number) => {
      const { training, validation } = await readSets({ data, validationFraction: 0.1, seed, labels: 20 });
      return [textsOf(training), textsOf(validation)];
    };
    expect(await draw(1)).toEqual(await draw(1));
    const [[training1, validation1], [training2, validation2]] = [await draw(1), await draw(2)] as [string[][], string[][]];
    expect(training1?.toSorted()).not.toEqual(training2?.toSorted());
    expect(validation1?.toSorted()).not.toEqual(validation2?.toSorted());
  });

  it('draws --labels documents, the same number of each label as long as they last', async () => {
    const data = await dataFile(documents({ common: 150, rare: 40, rarest: 10 }));
    const drawn = async (labels: number) => countLabels((await readSets({ data, ...SETS, labels })).training);
    expect(await drawn(12)).toEqual({ common: 4, rare: 4, rarest: 4 });
    expect(await drawn(50)).toEqual({ common: 21, rare: 20, rarest: 9 });
    const { validation } = await readSets({ data, ...SETS, labels: 12 });
    expect(validation).toHaveLength(20);
  });

  it('takes held-out documents from their own file, also where they have not all labels', async () => {
    const data = await dataFile(documents({ a: 10, b: 10 }));
    const validation = await dataFile([['held out', 'b']], 'valid.jsonl');
    const sets = await readSets({ data, validation, ...SETS });
    expect(textsOf(sets.validation)).toEqual(['held out']);
    expect(sets.training).toHaveLength(20);
  });

  it('takes texts and labels in any language', async () => {
    const rows: Row[] = [
      ['素晴らしい映画', '良い'],
      ['ひどい', '悪い'],
      ['Ein schöner Film', 'größer'],
      ['فيلم جيد', 'جيد'],
      ['🎬🎬', '👍'],
    ];
    const { training, labels } = await readSets({ data: await dataFile(rows), ...SETS });
    expect(labels.toSorted()).toEqual(rows.map(([, label]) => label).toSorted());
    expect(training.map(({ fields, label }) => [fields[0], label])).toEqual(rows);
  });

  it.each<[string, Row[], Partial<ClassifierConfig>, string]>([
    ['too few documents', documents({ a: 5, b: 5 }), { labels: 10 }, 'has only 9 documents to train on.'],
    [
      'a label that none is drawn of',
      documents({ a: 5, b: 5, c: 5 }),
      { labels: 2 },
      'No document with the label "c" is left to train on.',
    ],
    ['one label', documents({ a: 5 }), {}, 'all 5 documents have the label "a". A classifier needs at least two labels to tell apart.'],
  ])('refuses %s', async (_what, rows, config, message) => {
    const reading = readSets({ data: await dataFile(rows), ...SETS, ...config });
    await expect(reading).rejects.toThrow(UserError);
    await expect(reading).rejects.toThrow(message);
  });

  it('refuses held-out documents with a label that is not in the training data', async () => {
    const validation = await dataFile(
      [
        ['a', 'a'],
        ['b', 'unheard of'],
      ],
      'valid.jsonl',
    );
    const reading = readSets({ data: await dataFile(documents({ a: 5, b: 5 })), validation, ...SETS });
    await expect(reading).rejects.toThrow(UserError);
    await expect(reading).rejects.toThrow('valid.jsonl:2: the model does not know the label "unheard of".');
  });
});

const TEXTS: Row[] = Array.from({ length: 24 }, (_, index) =>
  index % 2 === 0 ? [`a good film ${index}`, 'pos'] : [`a bad film ${index}`, 'neg'],
);
const CONFIG: Omit<ClassifierConfig, 'data'> = {
  batch: 8,
  bptt: 10,
  bpttWindow: 40,
  epochs: 2,
  learningRate: 0.01,
  schedule: 'slanted-triangular',
  unfreezing: 'gradual',
  discriminative: true,
  dropMult: 0.5,
  weightDecay: 0.01,
  clip: 25,
  ...SETS,
};
const OPTIONS = { resume: false, recordEvery: 1, checkpointEvery: Number.POSITIVE_INFINITY };

function languageModel(direction: 'forward' | 'backward'): StoredModel {
  const vocabulary = Vocabulary.fromCounts(new Map(['a', 'good', 'bad', 'film'].map((word) => [word, 5])), { maxSize: 60, minCount: 1 });
  const sizes = { vocabulary: vocabulary.size, embedding: 6, hidden: 8, layers: 2 };
  const shapes = [...languageModelShapes(sizes)];
  return {
    description: {
      schemaVersion: 1,
      kind: 'languageModel',
      tokenizerVersion: 1,
      direction,
      sizes,
      chunkLength: 70,
      created: '',
      dataLicence: 'CC0-1.0',
    },
    tensors: new Map(
      shapes.map(([name, shape]) => [
        name,
        {
          shape,
          data: randomValues(
            shape.reduce((a, b) => a * b, 1),
            name,
            0.5,
          ),
        },
      ]),
    ),
    vocabulary,
  };
}

describe('trainClassifier', () => {
  async function train(start: ClassifierStart, config: Partial<ClassifierConfig> = {}) {
    const out = join(await temporaryFolder(), 'model');
    const notes: string[] = [];
    const data = await dataFile(TEXTS);
    const outcome = await trainClassifier(start, { ...CONFIG, data, ...config }, out, { ...OPTIONS, onNote: (note) => notes.push(note) });
    return { out, outcome, notes };
  }

  it('writes a model folder whose classifier answers by itself', async () => {
    const { out, outcome, notes } = await train({ languageModel: languageModel('forward') });
    // Two held out of 24; batches small enough for several steps an epoch.
    expect(notes[0]).toBe('22 documents to train on, 2 held out, 2 labels, batches of 4');
    expect(outcome).toMatchObject({ steps: 12, interrupted: false });
    const classifier = await TrainedClassifier.open(out);
    const [member] = classifier.members;
    expect(member?.model.description).toMatchObject({
      kind: 'classifier',
      labels: ['neg', 'pos'],
      chunkLength: 10,
      direction: 'forward',
      dataLicence: 'CC0-1.0',
      metrics: { steps: 12, accuracy: outcome.measured['accuracy'] },
    });
    const [probabilities = new Float32Array()] = classifier.answers([['a good film']]);
    expect(probabilities.reduce((sum, probability) => sum + probability, 0)).toBeCloseTo(1, 5);
    expect(await readFile(join(out, 'README.md'), 'utf8')).toContain('Answers with one of 2 labels: `neg`, `pos`.');
    expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({
      command: 'train',
      batch: 4,
      labelNames: ['neg', 'pos'],
    });
    classifier.dispose();
  });

  it('starts from the encoder of the language model', async () => {
    const start = languageModel('forward');
    const { out } = await train({ languageModel: start }, { unfreezing: 'last', epochs: 1 });
    const classifier = await TrainedClassifier.open(out);
    const encoder = [...start.tensors].filter(([name]) => name !== 'decoder.bias');
    expect(encoder).toHaveLength(7);
    for (const [name, { data }] of encoder) expect(classifier.members[0]?.model.tensors.get(name)?.data, name).toEqual(data);
    classifier.dispose();
  });

  it('stores its weights in 16 bits where that is asked for', async () => {
    const [whole, half] = [
      await train({ languageModel: languageModel('forward') }),
      await train({ languageModel: languageModel('forward') }, { half: true }),
    ];
    const sizeOf = async ({ out }: { readonly out: string }) => (await stat(join(out, 'model.safetensors'))).size;
    expect((await sizeOf(half)) / (await sizeOf(whole))).toBeLessThan(0.7); // the header stays
    const [of32, of16] = [await readModel(whole.out), await readModel(half.out)];
    for (const [name, { data }] of of32.tensors) expect(of16.tensors.get(name)?.data, name).toEqual(data.map(Math.f16round));
  });

  it('can start without one, with words from the training texts', async () => {
    const scratch = { sizes: { vocabulary: 60, embedding: 6, hidden: 8, layers: 2 }, limits: { maxSize: 60, minCount: 3 } };
    const { out } = await train({ scratch }, { unfreezing: 'full', discriminative: false });
    const { vocabulary } = await readModel(out, 'classifier');
    expect(vocabulary.tokens.slice(9, 13)).toEqual(['a', 'film', 'bad', 'good']);
  });

  it('reads documents from their end where the language model does', async () => {
    const { out } = await train({ languageModel: languageModel('backward') });
    const classifier = await TrainedClassifier.open(out);
    const [member] = classifier.members as [ClassifierMember];
    const { description, tensors, vocabulary } = member.model;
    expect(description.direction).toBe('backward');
    const forwardIds = vocabulary.encode(tokenize('a good film'));
    expect(member.encode(['a good film'])).toEqual(forwardIds.toReversed());
    classifier.dispose();

    // The training itself read them so: its last figures are those of the reversed held-out documents.
    const metrics = (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number>);
    const { validation, labels } = await readSets({ ...CONFIG, data: await dataFile(TEXTS) });
    const parameters = toDevice(tensors);
    const lossOf = (turn: (ids: Int32Array) => Int32Array) => {
      const ids = validation.map(({ fields }) => turn(vocabulary.encode(tokenize(fields[0] ?? ''))));
      const probabilities = classifierAnswers(description.sizes, parameters, ids, { bptt: 10 });
      return (
        validation.reduce((sum, { label }, row) => sum - Math.log(probabilities[row]?.[labels.indexOf(label ?? '')] ?? 0), 0) /
        validation.length
      );
    };
    expect(lossOf((ids) => ids.toReversed())).toBeCloseTo(metrics.at(-1)?.['validationLoss'] ?? Number.NaN, 5);
    expect(Math.abs(lossOf((ids) => ids) - (metrics.at(-1)?.['validationLoss'] ?? 0))).toBeGreaterThan(1e-5);
  });

  it('writes nothing where the data is refused', async () => {
    const folder = await temporaryFolder();
    const data = await dataFile(documents({ a: 5 }));
    const training = trainClassifier({ languageModel: languageModel('forward') }, { ...CONFIG, data }, join(folder, 'model'), OPTIONS);
    await expect(training).rejects.toThrow(UserError);
    expect(await readdir(folder)).toEqual([]);
  });
});
