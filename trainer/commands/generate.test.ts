import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { ulmfit } from '../../test/cli/commandLine.ts';
import { SPECIAL_TOKENS, Vocabulary } from '../../text/vocabulary.ts';
import { writeModel, type ModelDescription } from '../checkpoint/modelFolder.ts';
import { createProgram } from '../cli.ts';
import { languageModelShapes } from '../model/parameters.ts';
import { generateText } from '../recipe/generate.ts';
import { TrainedLanguageModel } from '../recipe/trainedLanguageModel.ts';
import { randomValues } from '../testSupport.ts';

const VOCABULARY = Vocabulary.fromTokens([
  ...SPECIAL_TOKENS,
  ...'the film was good bad and , .'.split(' '),
  'xxfake',
  'xxfake',
  'xxfake',
  'xxfake',
  'xxfake',
  'xxfake',
  'xxfake',
]);
const SIZES = { vocabulary: VOCABULARY.size, embedding: 6, hidden: 8, layers: 2 };

/** A model that has learned nothing but to write on and on in words. */
async function languageModelFolder(folder: string, direction: ModelDescription['direction'] = 'forward'): Promise<string> {
  const tensors = new Map(
    [...languageModelShapes(SIZES)].map(([name, shape]) => {
      const data = randomValues(
        shape.reduce((product, axis) => product * axis, 1),
        name,
        0.5,
      );
      if (name === 'decoder.bias') data.fill(-20, 0, SPECIAL_TOKENS.length);
      return [name, { shape, data }];
    }),
  );
  const description = {
    schemaVersion: 1,
    kind: 'languageModel',
    tokenizerVersion: 1,
    direction,
    sizes: SIZES,
    chunkLength: 70,
    created: '',
  } as const;
  await writeModel(folder, { description, tensors, vocabulary: VOCABULARY }, { card: '' });
  return folder;
}

/** Runs a command in this process. */
async function run(...args: string[]): Promise<{ output: string; pieces: string[]; notes: string[] }> {
  const pieces: string[] = [];
  const notes: string[] = [];
  using _output = vi.spyOn(process.stdout, 'write').mockImplementation((piece) => pieces.push(String(piece)) > 0);
  using _notes = vi.spyOn(console, 'error').mockImplementation((note: unknown) => void notes.push(String(note)));
  await createProgram().parseAsync(['generate', ...args], { from: 'user' });
  return { output: pieces.join(''), pieces, notes };
}

async function textOf(folder: string, options: Parameters<typeof generateText>[1]): Promise<string> {
  const model = await TrainedLanguageModel.open(folder);
  const { text } = generateText(model, options);
  model.dispose();
  return text;
}

describe('ulmfit generate', () => {
  it('prints the text as it grows, and nothing else', async () => {
    const folder = await languageModelFolder(await temporaryFolder());
    const { output, pieces, notes } = await run(folder, '--prompt', 'The film', '--words', '12', '--seed', '4');
    const text = await textOf(folder, { prompt: 'The film', words: 12, seed: 4 });
    expect(output).toBe(`${text}\n`);
    expect(text.length).toBeGreaterThan('The film'.length + 10);
    expect(pieces[0]).toBe('The film');
    expect(pieces.length).toBeGreaterThan(5);
    expect(notes).toEqual([]);
  });

  it('writes several texts, a blank line apart, each of its own draws and the same every time', async () => {
    const folder = await languageModelFolder(await temporaryFolder());
    const { output } = await run(folder, '--words', '8', '--count', '3', '--temperature', '2');
    const texts = await Promise.all([0, 1, 2].map((index) => textOf(folder, { words: 8, temperature: 2, index })));
    expect(output).toBe(`${texts.join('\n\n')}\n`);
    expect(new Set(texts).size).toBe(3);
    expect((await run(folder, '--words', '8', '--count', '3', '--temperature', '2')).output).toBe(output);
    expect((await run(folder, '--words', '8', '--count', '3', '--temperature', '2', '--seed', '1')).output).not.toBe(output);
  });

  it('prints an object a text as JSON', async () => {
    const folder = await languageModelFolder(await temporaryFolder());
    const { output } = await run(folder, '--words', '5', '--count', '2', '--json', '--top-k', '3', '--top-p', '0.9');
    const lines = output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(2);
    for (const line of lines)
      expect(line).toEqual({ text: expect.any(String), tokens: expect.any(Array), ending: expect.stringMatching(/^(words|document)$/) });
  });

  it('says which words of the prompt the model does not know', async () => {
    const folder = await languageModelFolder(await temporaryFolder());
    const { output, notes } = await run(folder, '--prompt', 'Zorkmid plot was', '--words', '3');
    expect(notes).toEqual(['The model does not know zorkmid, plot, and reads xxunk instead.']);
    expect(output).toMatch(/^Zorkmid plot was /);
    expect(output).not.toContain('xxunk');
  });

  it('prints the text of a backward model once it is whole, and says why', async () => {
    const folder = await languageModelFolder(await temporaryFolder(), 'backward');
    const { output, pieces, notes } = await run(folder, '--prompt', 'was good.', '--words', '6');
    expect(notes).toEqual(['This model writes from the end of a text to its beginning: the prompt is how the text ends.']);
    expect(output).toBe(`${await textOf(folder, { prompt: 'was good.', words: 6 })}\n`);
    expect(output).toMatch(/\S was good\.\n$/);
    expect(pieces).toHaveLength(1);
  });

  it('lets the forward one of two models write', async () => {
    const folder = await temporaryFolder();
    await languageModelFolder(join(folder, 'forward'));
    await languageModelFolder(join(folder, 'backward'), 'backward');
    const { output, notes } = await run(folder, '--words', '6');
    expect(notes).toEqual([`${folder} holds two models; the forward one writes. Name ${folder}/backward for the other.`]);
    expect(output).toBe(`${await textOf(join(folder, 'forward'), { words: 6 })}\n`);
  });

  it.each([
    [['--temperature', '-1'], "option '--temperature <number>' argument '-1' is invalid. It must be a number of at least 0."],
    [['--top-p', '0'], "option '--top-p <probability>' argument '0' is invalid. It must be a number greater than 0."],
    [
      ['--top-p', '1.01'],
      "option '--top-p <probability>' argument '1.01' is invalid. It must be a number above 0 and up to 1, such as 0.9.",
    ],
    [['--top-k', '0'], "option '--top-k <words>' argument '0' is invalid. It must be a whole number of at least 1."],
    [['--words', 'many'], "option '--words <count>' argument 'many' is invalid."],
    [['--count', '0'], "option '--count <texts>' argument '0' is invalid."],
    [[], 'There is no model folder nowhere.'],
  ])('refuses %j with one sentence and 2', async (options, message) => {
    const { code, stdout, stderr } = await ulmfit(['generate', 'nowhere', ...options]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});
