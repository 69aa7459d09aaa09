/** The examples in docs/languages.md are what the program prints. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { tokenize } from '../text/tokenizer.ts';
import { ulmfit } from './cli/commandLine.ts';

const page = await readFile(join(import.meta.dirname, '../docs/languages.md'), 'utf8');
const examples = [...page.matchAll(/^ *\$ ulmfit tokenize "(.+)"\n *(xxbos.*)$/gm)].map(([, text = '', tokens = '']) => ({ text, tokens }));

it('there are examples', () => {
  expect(examples.length).toBeGreaterThan(15);
});

it.each(examples)('$text', ({ text, tokens }) => {
  expect(tokenize(text).join(' ')).toBe(tokens);
});

it('the command prints them so', async () => {
  const { stdout } = await ulmfit(['tokenize', ...examples.map(({ text }) => text)]);
  expect(stdout.trimEnd().split('\n')).toEqual(examples.map(({ tokens }) => tokens));
});
