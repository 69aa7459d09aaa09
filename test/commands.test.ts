/** The commands one after the other, as a user runs them, and what they say to a user's mistakes. */
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeAll, describe, expect, it, vi } from 'vitest';

import { createProgram } from '../trainer/cli.ts';
import { exitCodeOf, failureText } from '../trainer/report/failure.ts';
import { ulmfit } from './cli/commandLine.ts';
import { generatedDocuments, generatedReviews, jsonLines } from './fixtures/generatedText.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

/** Runs a command in a process of its own. Words that name files of the test's folder begin with `@`. */
async function run(line: string, input?: string): Promise<string> {
  const { code, stdout, stderr } = await ulmfit(wordsOf(line), input === undefined ? {} : { input });
  expect(code, stderr).toBe(0);
  return stdout;
}

const wordsOf = (line: string): string[] => line.split(' ').map((word) => (word.startsWith('@') ? at(word.slice(1)) : word));
const json = (text: string): unknown => JSON.parse(text);
const modelOf = async (name: string) => JSON.parse(await readFile(at(`${name}/model.json`), 'utf8')) as Record<string, unknown>;

const SIZES = '--embedding 8 --hidden 12 --layers 2';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  const files: Record<string, string> = {
    'corpus.jsonl': jsonLines(generatedDocuments(40, 10, 1)),
    'reviews.jsonl': jsonLines(generatedReviews(40, 2)),
    'test.jsonl': jsonLines(generatedReviews(10, 3)),
    'one-label.jsonl': jsonLines(generatedReviews(10, 3).filter(({ label }) => label === 'pos')),
    'other-label.jsonl': jsonLines([{ text: 'So so.', label: 'meh' }, ...generatedReviews(4, 3)]),
    'no-label.jsonl': jsonLines(['Good.', 'Bad.']),
    'short.txt': 'Too short.\n',
    'broken.jsonl': '{"text": "Good."}\n{"text": \n',
    'empty.jsonl': '',
  };
  for (const [name, contents] of Object.entries(files)) await writeFile(at(name), contents);
  return () => rm(folder, { recursive: true });
});

describe('from text to a bundle', () => {
  it('pretrain', async () => {
    const figures = json(
      await run(
        `pretrain @corpus.jsonl --out @lm ${SIZES} --vocab 100 --batch 8 --bptt 16 --epochs 1 --half --data-licence CC0-1.0 --json`,
      ),
    );
    const { metrics, ...model } = await modelOf('lm');
    expect(figures).toEqual({ out: at('lm'), direction: 'forward', ...(metrics as object) });
    expect(figures).toMatchObject({
      steps: expect.any(Number),
      trainingLoss: expect.any(Number),
      validationLoss: expect.any(Number),
      perplexity: expect.any(Number),
    });
    expect(model).toMatchObject({
      kind: 'languageModel',
      direction: 'forward',
      dataLicence: 'CC0-1.0',
      sizes: { embedding: 8, hidden: 12, layers: 2 },
    });
    // 16 bits a weight: embedding, decoder, two layers.
    const vocabulary = (json(await readFile(at('lm/vocabulary.json'), 'utf8')) as string[]).length;
    const weights = vocabulary * 9 + (8 * 48 + 12 * 48 + 48) + (12 * 32 + 8 * 32 + 32);
    expect((await stat(at('lm/model.safetensors'))).size).toBeLessThan(2 * weights + 2000);
  });

  it('finetune', async () => {
    const figures = json(
      await run('finetune @reviews.jsonl --from @lm --out @reviews-lm --valid @test.jsonl --batch 8 --bptt 16 --epochs 2 --json'),
    );
    expect(figures).toMatchObject({ out: at('reviews-lm'), validationLoss: expect.any(Number) });
    const before = json(await readFile(at('lm/vocabulary.json'), 'utf8')) as string[];
    const after = json(await readFile(at('reviews-lm/vocabulary.json'), 'utf8')) as string[];
    const words = before.filter((token) => token !== 'xxfake');
    expect(after.slice(0, words.length)).toEqual(words);
    expect(await modelOf('reviews-lm')).toMatchObject({ kind: 'languageModel', dataLicence: 'CC0-1.0' });
  });

  it('train', async () => {
    const figures = json(
      await run(
        'train @reviews.jsonl --from @reviews-lm --out @classifier --epochs 8 --batch 4 --learning-rate 0.03 --unfreezing full --no-discriminative --json',
      ),
    );
    expect(figures).toMatchObject({ out: at('classifier'), steps: 72, accuracy: expect.any(Number) });
    expect(await modelOf('classifier')).toMatchObject({ kind: 'classifier', labels: ['neg', 'pos'], chunkLength: 70 });
  });

  it('evaluate', async () => {
    const figures = json(await run('evaluate @classifier @test.jsonl --json')) as Record<string, unknown>;
    expect(figures).toMatchObject({ n: 10, labels: { neg: { n: 5 }, pos: { n: 5 } } });
    // The adjectives tell the label, so hardly anything is left to get wrong.
    expect(figures['accuracy']).toBeGreaterThanOrEqual(0.9);
    const table = await run('evaluate @classifier @test.jsonl');
    expect(table).toMatch(/^accuracy {2}\d+\.\d %  \(10 documents\)\n/);
    expect(table).toMatch(/\nneg +5 /);
  });

  it('evaluate, for a language model', async () => {
    const [general, tuned] = await Promise.all(
      ['lm', 'reviews-lm'].map(async (name) => json(await run(`evaluate @${name} @test.jsonl --json`)) as Record<string, number>),
    );
    for (const figures of [general, tuned]) {
      expect(figures?.['perplexity']).toBeCloseTo(Math.exp(figures?.['loss'] ?? Number.NaN), 6);
      expect(figures?.['unknownRate']).toBeLessThan(0.05);
    }
    expect(tuned?.['loss']).toBeLessThan(general?.['loss'] ?? Number.NaN);
  });

  it('predict', async () => {
    const lines = (await run('predict @classifier --file - --json', 'The film was great and warm.\nThe plot is dull and boring.\n'))
      .trimEnd()
      .split('\n');
    const answers = lines.map((line) => json(line) as { label: string; score: number; scores: Record<string, number> });
    expect(answers.map(({ label }) => label)).toEqual(['pos', 'neg']);
    for (const { label, score, scores } of answers) {
      expect(score).toBe(scores[label]);
      expect((scores['neg'] ?? 0) + (scores['pos'] ?? 0)).toBeCloseTo(1, 5);
    }
    expect(await run('predict @classifier --top-k 1 Brilliant')).toMatch(/^(pos|neg) \d+\.\d %\n$/);
  });

  it('export', async () => {
    const figures = json(await run('export @classifier --out @bundle --documents @test.jsonl --name films --json')) as Record<
      string,
      unknown
    >;
    expect(figures).toMatchObject({ out: at('bundle'), labelDisagreements: 0 });
    expect(figures['maxProbabilityDifference']).toBeLessThan(1e-4);
    expect(json(await readFile(at('bundle/bundle.json'), 'utf8'))).toMatchObject({
      name: 'films',
      labels: ['neg', 'pos'],
      dataLicence: 'CC0-1.0',
    });
  });

  it('tells a mistake on standard error alone', async () => {
    const { code, stdout, stderr } = await ulmfit(wordsOf('train @one-label.jsonl --from @lm --out @new'));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      `${at('one-label.jsonl')}: all 5 documents have the label "pos". A classifier needs at least two labels to tell apart.\n`,
    );
  });
});

/** Every file below the test's folder with its size and time of change. */
async function snapshot(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const lines = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const { size, mtimeMs } = await stat(path);
    return entry.isDirectory() ? path : `${path} ${size} ${mtimeMs}`;
  });
  return (await Promise.all(lines)).toSorted();
}

/** The engine is loaded once for all of these, so they run in this process. */
async function refusal(line: string): Promise<{ code: number; text: string | undefined }> {
  using _progress = vi.spyOn(console, 'error').mockImplementation(() => {});
  try {
    await createProgram().parseAsync(wordsOf(line), { from: 'user' });
    return { code: 0, text: undefined };
  } catch (error) {
    return { code: exitCodeOf(error), text: failureText(error, false) };
  }
}

const MISTAKES: readonly [line: string, message: string][] = [
  ['pretrain @nowhere.txt --out @new', 'nowhere.txt does not exist.'],
  ['pretrain - --out @new', 'A corpus cannot come from standard input, because a resumed run reads it again.'],
  [
    'pretrain @short.txt --out @new',
    'short.txt has 5 tokens for training, too few for 64 parallel streams. Give more text or a smaller --batch.',
  ],
  ['pretrain @corpus.jsonl --valid @nowhere.txt --out @new', 'nowhere.txt does not exist.'],
  ['pretrain @corpus.jsonl --valid @broken.jsonl --out @new', 'broken.jsonl:2'],
  ['pretrain @corpus.jsonl --vocab 9 --out @new', 'A vocabulary of at most 9 tokens has no place for words'],
  ['pretrain @broken.jsonl --out @new', 'broken.jsonl:2'],
  ['pretrain @corpus.jsonl --out @lm', 'lm holds an earlier run. Add --resume to go on with it, or choose another --out.'],
  ['finetune @nowhere.csv --from @lm --out @new', 'nowhere.csv does not exist.'],
  ['finetune @reviews.jsonl --from @nothing --out @new', 'There is no model folder'],
  ['finetune @reviews.jsonl --from @classifier --out @new', 'classifier holds a classifier, but a language model is needed here.'],
  ['finetune @short.txt --from @lm --out @new', 'short.txt has 5 tokens, too few to fine-tune a language model on.'],
  ['finetune @reviews.jsonl --from @lm --valid @empty.jsonl --out @new', 'empty.jsonl holds no'],
  ['finetune @reviews.jsonl --from @lm --out @reviews-lm', 'reviews-lm holds an earlier run.'],
  ['train @nowhere.csv --from @lm --out @new', 'nowhere.csv does not exist.'],
  ['train @reviews.jsonl --from @classifier --out @new', 'classifier holds a classifier, but a language model is needed here.'],
  ['train @reviews.jsonl --from @bundle --out @new', 'bundle is not a model folder: model.json is missing.'],
  [
    'train @one-label.jsonl --from @lm --out @new',
    'all 5 documents have the label "pos". A classifier needs at least two labels to tell apart.',
  ],
  ['train @no-label.jsonl --from @lm --out @new', 'no-label.jsonl'],
  ['train @reviews.jsonl --label stars --from @lm --out @new', 'stars'],
  [
    'train @reviews.jsonl --valid @other-label.jsonl --from @lm --out @new',
    'other-label.jsonl:1: the model does not know the label "meh". It was trained on: "neg", "pos".',
  ],
  ['train @reviews.jsonl --labels 100 --from @lm --out @new', '--labels 100: '],
  ['train @reviews.jsonl --labels 1 --from @lm --out @new', 'No document with the label "pos" is left to train on.'],
  ['train @reviews.jsonl --from @lm --out @classifier', 'classifier holds an earlier run.'],
  ['train @reviews.jsonl --from @lm --out @copied', 'copied holds a model, which would be overwritten. Choose another --out.'],
  ['train @reviews.jsonl --from @lm --out @copied --resume', 'copied holds a model, which would be overwritten. Choose another --out.'],
  ['train @reviews.jsonl --from @reviews-lm --out @classifier --epochs 8 --batch 5 --resume', 'Cannot resume: '],
  ['evaluate @nothing @test.jsonl', 'There is no model folder'],
  ['evaluate @classifier @nowhere.csv', 'nowhere.csv does not exist.'],
  ['evaluate @classifier @other-label.jsonl', 'other-label.jsonl:1: the model does not know the label "meh".'],
  ['evaluate @classifier @no-label.jsonl', 'no-label.jsonl'],
  ['predict @classifier', 'There is nothing to predict. Give texts in quotes, or a file with --file'],
  ['predict @lm Good.', 'lm holds a language model, but a classifier is needed here.'],
  ['predict @classifier --file @nowhere.csv', 'nowhere.csv does not exist.'],
  ['export @lm --out @new --documents @test.jsonl', 'lm holds a language model, but a classifier is needed here.'],
  ['serve @nothing', 'nothing. Give one that "ulmfit export" wrote'],
  ['export @classifier --out @new --documents @empty.jsonl', 'empty.jsonl holds no documents'],
  ['export @classifier --out @reviews-lm --documents @test.jsonl', 'reviews-lm'],
];

describe("a user's mistake", () => {
  beforeAll(async () => {
    // A model without its checkpoints, as one gets it from somebody else.
    await cp(at('lm'), at('copied'), { recursive: true, filter: (source) => !source.endsWith('checkpoints') });
  });

  it.each(MISTAKES)('ends with 2, says what is wrong, and writes nothing: %s', async (line, message) => {
    const before = await snapshot();
    const { code, text } = await refusal(line);
    expect(text).toContain(message);
    expect(code).toBe(2);
    expect(await snapshot()).toEqual(before);
  });
});

describe('pretrain', () => {
  const command = `pretrain @growing.txt --out @grown ${SIZES} --vocab 50 --batch 8 --bptt 8 --epochs 1 --min-count 1 --json`;

  it('reads its text anew where it is run again, and puts checkpoints where it is told to', async () => {
    const [text = ''] = generatedDocuments(1, 4, 5);
    await writeFile(at('growing.txt'), text);
    expect(await refusal(command)).toMatchObject({ code: 2 });
    await writeFile(at('growing.txt'), generatedDocuments(12, 4, 5).join('\n\n'));
    const figures = json(await run(`${command} --checkpoints @elsewhere`)) as Record<string, number>;
    expect(figures['tokens']).toBeGreaterThan(300);
    expect(await readdir(at('elsewhere'))).toContain(`step-${String(figures['steps']).padStart(9, '0')}`);
    expect(await readdir(at('grown'))).not.toContain('checkpoints');
    // A run that was stopped before its first checkpoint, and is begun anew with more text.
    await rm(at('grown/model.json'));
    await rm(at('elsewhere'), { recursive: true });
    await writeFile(at('growing.txt'), generatedDocuments(24, 4, 5).join('\n\n'));
    const grown = json(await run(`${command} --checkpoints @elsewhere`)) as Record<string, number>;
    expect(grown['tokens']).toBeGreaterThan(1.5 * (figures['tokens'] ?? Number.NaN));
    expect(await refusal(`${command} --checkpoints @elsewhere`)).toMatchObject({
      code: 2,
      text: expect.stringContaining('holds an earlier run'),
    });
  });
});
