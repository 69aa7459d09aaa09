import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { classifierShapes, languageModelShapes } from '../model/parameters.ts';
import type { Sizes } from '../model/presets.ts';
import { readModel, writeModel, type ModelDescription, type StoredModel } from './modelFolder.ts';
import { readSafetensors, writeSafetensors, type Tensor } from './safetensors.ts';

const VOCABULARY = Vocabulary.fromCounts(
  new Map([
    ['film', 3],
    ['good', 4],
    ['bad', 5],
  ]),
  { maxSize: 60, minCount: 1 },
);
const SIZES: Sizes = { vocabulary: VOCABULARY.size, embedding: 3, hidden: 5, layers: 2 };
const LABELS = ['neg', 'pos'];

function model(kind: ModelDescription['kind']): StoredModel {
  const shapes = kind === 'languageModel' ? languageModelShapes(SIZES) : classifierShapes(SIZES, LABELS.length);
  let next = 0;
  return {
    description: {
      schemaVersion: 1,
      kind,
      tokenizerVersion: 1,
      direction: 'forward',
      sizes: SIZES,
      ...(kind === 'classifier' && { labels: LABELS }),
      chunkLength: 70,
      metrics: { validationLoss: 4.5 },
      dataLicence: 'CC BY-SA 4.0',
      created: '2026-01-31T12:00:00.000Z',
    },
    // Eighths, so that 16 bits hold them exactly.
    tensors: new Map(
      [...shapes].map(([name, shape]) => {
        const size = shape.reduce((product, axis) => product * axis, 1);
        return [name, { shape, data: Float32Array.from({ length: size }, () => (next++ % 200) / 8) }];
      }),
    ),
    vocabulary: VOCABULARY,
  };
}

/** A written model folder, after something has happened to it. */
async function changedFolder(change: (folder: string) => Promise<unknown>, kind: ModelDescription['kind'] = 'classifier'): Promise<string> {
  const folder = await temporaryFolder();
  await writeModel(folder, model(kind), { card: '# Card\n' });
  await change(folder);
  return folder;
}

const describing = (change: Record<string, unknown>) => async (folder: string) => {
  const path = join(folder, 'model.json');
  const description = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  await writeFile(path, JSON.stringify({ ...description, ...change }));
};

const weighing = (change: (tensors: Map<string, Tensor>) => void) => async (folder: string) => {
  const path = join(folder, 'model.safetensors');
  const { tensors } = await readSafetensors(path);
  change(tensors);
  await writeSafetensors(path, tensors);
};

describe('a model folder', () => {
  it.each(['languageModel', 'classifier'] as const)('comes back as it was written: %s', async (kind) => {
    const folder = join(await temporaryFolder(), 'deep', 'model');
    const written = model(kind);
    await writeModel(folder, written, { card: '# Card\n' });
    expect((await readdir(folder)).toSorted()).toEqual(['README.md', 'model.json', 'model.safetensors', 'vocabulary.json']);
    const read = await readModel(folder, kind);
    expect(read.description).toEqual(written.description);
    expect(read.tensors).toEqual(written.tensors);
    expect(read.vocabulary.tokens).toEqual(VOCABULARY.tokens);
    expect(await readFile(join(folder, 'README.md'), 'utf8')).toBe('# Card\n');
  });

  it('can hold its weights in 16 bits', async () => {
    const folder = await temporaryFolder();
    const written = model('languageModel');
    await writeModel(folder, written, { card: '', precision: 'F16' });
    const { tensors } = await readSafetensors(join(folder, 'model.safetensors'));
    expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F16']));
    expect((await readModel(folder)).tensors).toEqual(written.tensors);
  });
});

type Change = (folder: string) => Promise<unknown>;

const MISTAKES: readonly [what: string, change: Change, message: (folder: string) => string][] = [
  [
    'has no model.json',
    (folder) => rm(join(folder, 'model.json')),
    (folder) => `${folder} is not a model folder: model.json is missing. A folder of an unfinished run has none yet.`,
  ],
  [
    'does not exist',
    (folder) => rm(folder, { recursive: true }),
    (folder) =>
      `There is no model folder ${folder}. Give the path of a folder that holds model.json, or the name of a model that came with ulmfit: `,
  ],
  [
    'was written by a newer program',
    describing({ schemaVersion: 2, kind: 'something new' }),
    (folder) => `${folder}/model.json was written by a newer version of ulmfit (schema 2). Update ulmfit to read it.`,
  ],
  [
    'is of another kind',
    describing({ kind: 'languageModel' }),
    (folder) => `${folder} holds a language model, but a classifier is needed here.`,
  ],
  [
    'has a value of the wrong type',
    describing({ sizes: { ...SIZES, hidden: '5' } }),
    (folder) => `${folder}/model.json: sizes.hidden is wrong: Invalid type: Expected number but received "5".`,
  ],
  [
    'has a size that is not whole',
    describing({ sizes: { ...SIZES, layers: 1.5 } }),
    (folder) => `${folder}/model.json: sizes.layers is wrong: Invalid integer: Received 1.5.`,
  ],
  ['has no labels', describing({ labels: undefined }), (folder) => `${folder}/model.json: a classifier needs at least two labels.`],
  [
    'was made with another tokenizer',
    describing({ tokenizerVersion: 3 }),
    (folder) =>
      `${folder} was trained with tokenizer version 3, but this ulmfit has version 1. Use the ulmfit it was made with, or train it again.`,
  ],
  [
    'has broken JSON',
    (folder) => writeFile(join(folder, 'model.json'), '{"schemaVersion": 1,'),
    (folder) => `${folder}/model.json is not valid JSON; the file is damaged.`,
  ],
  [
    'holds JSON that is no object',
    (folder) => writeFile(join(folder, 'model.json'), 'null'),
    (folder) => `${folder}/model.json: the file is wrong: `,
  ],
  [
    'has no vocabulary',
    (folder) => rm(join(folder, 'vocabulary.json')),
    (folder) => `${folder}/vocabulary.json is missing; the model folder is not complete.`,
  ],
  [
    'has a broken vocabulary',
    (folder) => writeFile(join(folder, 'vocabulary.json'), '["xxunk"'),
    (folder) => `${folder}/vocabulary.json is not valid JSON; the file is damaged.`,
  ],
  [
    'has a vocabulary that is no list of words',
    (folder) => writeFile(join(folder, 'vocabulary.json'), '{"a": 1}'),
    (folder) => `${folder}/vocabulary.json must be a JSON array of strings.`,
  ],
  [
    "has another model's vocabulary",
    (folder) => writeFile(join(folder, 'vocabulary.json'), JSON.stringify(VOCABULARY.tokens.slice(0, -1))),
    (folder) =>
      `${folder}/vocabulary.json has ${SIZES.vocabulary - 1} tokens, but the model has ${SIZES.vocabulary}. They do not belong together.`,
  ],
  [
    'lacks a tensor',
    weighing((tensors) => tensors.delete('head.1.bias')),
    (folder) => `${folder}/model.safetensors: Tensor "head.1.bias" is missing; the file has `,
  ],
  [
    'has a tensor of another shape',
    weighing((tensors) => tensors.set('head.1.bias', { dtype: 'F32', shape: [3], data: new Float32Array(3) })),
    (folder) => `${folder}/model.safetensors: Tensor "head.1.bias" has the shape [3], expected [2].`,
  ],
  [
    'has no weights',
    (folder) => rm(join(folder, 'model.safetensors')),
    (folder) => `Cannot read ${folder}/model.safetensors: no such file. Check the path.`,
  ],
  [
    'is a file',
    async (folder) => {
      await rm(folder, { recursive: true });
      await writeFile(folder, 'not a folder');
    },
    (folder) =>
      `There is no model folder ${folder}. Give the path of a folder that holds model.json, or the name of a model that came with ulmfit: `,
  ],
];

describe('readModel', () => {
  it.each(MISTAKES)('says so where the folder %s', async (_what, change, message) => {
    const folder = await changedFolder(change);
    const reading = readModel(folder, 'classifier');
    await expect(reading).rejects.toThrow(UserError);
    await expect(reading).rejects.toThrow(message(folder));
  });

  it('says so where a language model is needed', async () => {
    const folder = await changedFolder(async () => {});
    await expect(readModel(folder, 'languageModel')).rejects.toThrow(`${folder} holds a classifier, but a language model is needed here.`);
  });

  it('takes any kind where none is asked for', async () => {
    expect((await readModel(await changedFolder(async () => {}))).description.kind).toBe('classifier');
    expect((await readModel(await changedFolder(async () => {}, 'languageModel'))).description.kind).toBe('languageModel');
  });
});

describe('writeModel', () => {
  it('writes model.json last, so that a folder that has it is complete', async () => {
    const folder = await temporaryFolder();
    // README.md cannot be written: it is a folder.
    await mkdir(join(folder, 'README.md'));
    await expect(writeModel(folder, model('classifier'), { card: '' })).rejects.toThrow(UserError);
    await expect(readModel(folder)).rejects.toThrow('model.json is missing');
  });
});
