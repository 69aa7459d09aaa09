import { join } from 'node:path';

import { expect, test } from 'vitest';

import { tokenize, tokenizeFields } from '../../text/tokenizer.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { temporaryFolder } from '../temporaryFolder.ts';
import { ulmfit } from './commandLine.ts';

const VOCABULARY = Vocabulary.fromCounts(
  new Map([
    ['good', 9],
    ['film', 5],
  ]),
  { maxSize: 100, minCount: 1 },
);

async function modelFolder(): Promise<string> {
  return temporaryFolder({ 'vocabulary.json': JSON.stringify(VOCABULARY.tokens) });
}

test('shows the tokens of texts, one line a text, white space in view', async () => {
  const { code, stdout, stderr } = await ulmfit(['tokenize', 'A GOOD film.', 'One.\n\nTwo.']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.split('\n');
  expect(lines[0]).toBe('xxbos a xxup good film .');
  expect(lines[1]).toContain('one . "\\n');
  expect(lines).toHaveLength(3);
});

test('shows the ids that a model gets', async () => {
  const text = 'Good film, dull film.';
  const { stdout } = await ulmfit(['tokenize', text, '--from', await modelFolder()]);
  const tokens = tokenize(text);
  expect(stdout).toBe(`${tokens.join(' ')}\n${VOCABULARY.encode(tokens).join(' ')}\n`);
  expect(VOCABULARY.encode(tokens)).toContain(0);
});

test('prints JSON, one object a text', async () => {
  const folder = await temporaryFolder({ 'reviews.csv': 'title,body,label\n"One\nfilm",Good.,\nTwo,"Bad, ""bad"".",\n' });
  const { stdout } = await ulmfit([
    'tokenize',
    '--file',
    join(folder, 'reviews.csv'),
    '--text',
    'title',
    '--text',
    'body',
    '--from',
    await modelFolder(),
    '--json',
  ]);
  const expected = [
    ['One\nfilm', 'Good.'],
    ['Two', 'Bad, "bad".'],
  ].map(tokenizeFields);
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual(expected.map((tokens) => ({ tokens, ids: [...VOCABULARY.encode(tokens)] })));
});

test('reads standard input, after the texts of the command line', async () => {
  const { stdout } = await ulmfit(['tokenize', 'first', '--file', '-'], { input: 'second\nthird\n' });
  expect(stdout).toBe('xxbos first\nxxbos second\nxxbos third\n');
});

test('refuses a command without a text and folders without a vocabulary', async () => {
  const damaged = await temporaryFolder({ 'vocabulary.json': '["xxunk", 1]' });
  const [nothing, missing, broken] = await Promise.all([
    ulmfit(['tokenize']),
    ulmfit(['tokenize', 'text', '--from', 'nowhere']),
    ulmfit(['tokenize', 'text', '--from', damaged]),
  ]);
  expect(nothing).toEqual({
    code: 2,
    stdout: '',
    stderr: 'There is nothing to tokenize. Give texts in quotes, or a file with --file; "--file -" is standard input.\n',
  });
  expect(missing).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('nowhere/vocabulary.json does not exist.') as string,
  });
  expect(broken).toEqual({
    code: 2,
    stdout: '',
    stderr: `${join(damaged, 'vocabulary.json')} is damaged: it should be a JSON list of tokens. Name the folder of a whole model or bundle.\n`,
  });
});
