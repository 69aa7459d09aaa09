import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { tinyClassifier } from '../../test/fixtures/tinyClassifier.ts';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { writeModel, type ModelDescription } from '../checkpoint/modelFolder.ts';
import { explainDocument } from '../recipe/explain.ts';
import { TrainedClassifier } from '../recipe/trainedClassifier.ts';
import { createProgram } from '../cli.ts';

type Kind = Partial<Pick<ModelDescription, 'task' | 'range' | 'direction'>> & { readonly seed?: number };

async function classifierFolder(folder: string, { seed = 8, ...kind }: Kind = {}): Promise<string> {
  const model = tinyClassifier({ seed, embedding: 12, hidden: 16, layers: 2, classes: kind.task === 'regression' ? 1 : 3 });
  const labels = kind.task === 'regression' ? [] : model.config.labels;
  const description = { ...model.config, ...kind, labels, schemaVersion: 1, created: '2026-01-31T12:00:00.000Z' } as ModelDescription;
  await writeModel(folder, { description, tensors: model.tensors, vocabulary: Vocabulary.fromTokens(model.vocabulary) }, { card: '' });
  return folder;
}

/** Runs a command in this process. */
async function run(...args: string[]): Promise<{ output: string; notes: string[] }> {
  let output = '';
  const notes: string[] = [];
  using _output = vi.spyOn(process.stdout, 'write').mockImplementation((piece) => (output += String(piece)) !== '');
  using _notes = vi.spyOn(console, 'error').mockImplementation((note: unknown) => void notes.push(String(note)));
  await createProgram().parseAsync(['predict', ...args], { from: 'user' });
  return { output, notes };
}

const parsed = ({ output }: { output: string }) =>
  output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const TEXT = "The film wasn't GOOD, it was boring!!!";

describe('ulmfit predict', () => {
  it('answers with the labels, the likeliest first', async () => {
    const folder = await classifierFolder(await temporaryFolder());
    const { output } = await run(folder, TEXT, 'Good.');
    expect(output).toMatch(/^((positive|negative|neutral) \d+\.\d %( {2}|\n)){6}$/);
    const [answer] = parsed(await run(folder, TEXT, '--json', '--top-k', '2'));
    expect(Object.keys(answer?.['scores'] as object)).toHaveLength(2);
    expect(answer?.['scores']).toHaveProperty(String(answer?.['label']), answer?.['score']);
  });

  it('answers with every label that applies', async () => {
    const folder = await classifierFolder(await temporaryFolder(), { task: 'multiLabel' });
    const [answer] = parsed(await run(folder, TEXT, '--json'));
    const scores = answer?.['scores'] as Record<string, number>;
    expect(answer).toEqual({ labels: Object.keys(scores).filter((label) => (scores[label] ?? 0) >= 0.5), scores });
    expect(Object.values(scores)).toEqual(Object.values(scores).toSorted((a, b) => b - a));
  });

  it('answers with a number', async () => {
    const folder = await classifierFolder(await temporaryFolder(), { task: 'regression', range: [1, 5] });
    const [answer] = parsed(await run(folder, TEXT, '--json'));
    expect(answer).toEqual({ value: expect.any(Number) });
    expect(Number((await run(folder, TEXT)).output)).toBeCloseTo(answer?.['value'] as number, 4);
  });
});

describe('ulmfit predict --explain', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await classifierFolder(await temporaryFolder());
  });

  it('gives each word its probability and its occlusion score', async () => {
    const classifier = await TrainedClassifier.open(folder);
    const { words, value, start } = explainDocument(classifier, [TEXT]);
    classifier.dispose();
    const [answer, second, ...others] = parsed(await run(folder, TEXT, 'Good.', '--explain', '--json'));
    expect(answer).toMatchObject({ score: value, scores: expect.any(Object), start, occludedBy: 'unknown' });
    expect(answer?.['words']).toEqual(
      words.map(({ text, value: probability, occlusion, isUnknown }) => ({
        word: text,
        probability,
        occlusion,
        ...(isUnknown && { unknown: true }),
      })),
    );
    expect(second?.['words']).toHaveLength(2);
    expect(others).toEqual([]);
  });

  it('has plain text for a pipe', async () => {
    const { output, notes } = await run(folder, TEXT, '--explain');
    expect(output).toMatch(
      /^(positive|negative|neutral) \d+\.\d %.*\n\n"(positive|negative|neutral)" while reading: .*[▁-█].*\n\nword +place/,
    );
    expect(output).toContain('\nGOOD ');
    expect(output).not.toContain('\u001b');
    expect(output).not.toContain(TEXT);
    expect(notes).toEqual([]);
  });

  it.each([
    [{ NO_COLOR: '1' }, false],
    [{ NO_COLOR: '', FORCE_COLOR: undefined, TERM: 'xterm-256color' }, true],
  ])('has colour on a terminal, unless NO_COLOR is set: %o', async (environment, coloured) => {
    const { isTTY } = process.stdout;
    const hasColors = Object.getOwnPropertyDescriptor(process.stdout, 'hasColors');
    const { WriteStream } = await import('node:tty');
    for (const name of ['NO_COLOR', 'FORCE_COLOR', 'NODE_DISABLE_COLORS', 'TERM', 'CI'])
      vi.stubEnv(name, (environment as Record<string, string>)[name]);
    try {
      // What a terminal's stream asks the environment.
      Object.assign(process.stdout, { isTTY: true, hasColors: () => WriteStream.prototype.getColorDepth.call(process.stdout) > 1 });
      const { output } = await run(folder, TEXT, '--explain');
      expect(output.includes('\u001b[')).toBe(coloured);
    } finally {
      Object.assign(process.stdout, { isTTY });
      if (hasColors === undefined) Reflect.deleteProperty(process.stdout, 'hasColors');
      else Object.defineProperty(process.stdout, 'hasColors', hasColors);
      vi.unstubAllEnvs();
    }
  });

  it('writes one page with all texts, and says where', async () => {
    const out = await temporaryFolder();
    const page = join(out, 'why.html');
    const { output, notes } = await run(folder, TEXT, '<script>alert(1)</script>', '--html', page);
    expect(notes).toEqual([`Written to ${page}.`]);
    expect(output).toContain('while reading'); // --html explains without --explain
    const html = await readFile(page, 'utf8');
    expect(html).toContain(`How the answers of ${folder} move`);
    expect(html.match(/<section/g)).toHaveLength(2);
    expect(html).not.toContain('<script');
    expect(html).toContain('&lt;');
    expect(await readdir(out)).toEqual(['why.html']);
  });

  it('explains texts of a file, columns and all', async () => {
    const out = await temporaryFolder({ 'data.csv': 'title,body\nGood,a boring plot\nBad,a funny story\n' });
    const answers = parsed(await run(folder, '--file', join(out, 'data.csv'), '--text', 'title', '--text', 'body', '--explain', '--json'));
    expect(answers.map(({ words }) => (words as { word: string }[]).map(({ word }) => word))).toEqual([
      ['Good', 'a', 'boring', 'plot'],
      ['Bad', 'a', 'funny', 'story'],
    ]);
  });

  it('explains numbers, and both models of a pair', async () => {
    const number = await classifierFolder(await temporaryFolder(), { task: 'regression' });
    const [answer] = parsed(await run(number, 'Good film', '--explain', '--json'));
    expect(answer).toMatchObject({ value: expect.any(Number), words: [{ word: 'Good', value: expect.any(Number) }, { word: 'film' }] });
    const pair = await temporaryFolder();
    await classifierFolder(join(pair, 'forward'));
    await classifierFolder(join(pair, 'backward'), { seed: 9, direction: 'backward' });
    expect((await run(pair, TEXT, '--explain')).output).toContain("The curve is the forward model's");
  });

  it('refuses a page that cannot be written before it explains anything', async () => {
    const out = await temporaryFolder();
    for (const [path, message] of [
      [out, `--html ${out} is a folder. Give the name of a file`],
      [join(out, 'nowhere', 'why.html'), `there is no folder ${join(out, 'nowhere')}. Make it first.`],
    ] as const) {
      const refusal = run(folder, TEXT, '--html', path);
      await expect(refusal).rejects.toThrow(UserError);
      await expect(refusal).rejects.toThrow(message);
    }
    expect(await readdir(out)).toEqual([]);
  });
});
