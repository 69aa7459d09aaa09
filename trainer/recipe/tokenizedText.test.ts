import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { corpusLength } from '../data/tokenCorpus.ts';
import { TokenizingProgress, tokenizedText } from './tokenizedText.ts';

const LIMITS = { maxSize: 100, minCount: 1 };

describe('tokenizedText', () => {
  it('checks a text that has just been tokenized before it is kept, and keeps nothing where it is refused', async () => {
    const folder = await temporaryFolder({ 'corpus.txt': 'One two three.' });
    const options = { corpus: join(folder, 'corpus.txt'), limits: LIMITS };
    const refuse = (): Promise<never> => Promise.reject(new UserError('too little text'));
    await expect(tokenizedText(join(folder, 'run', 'tokens'), { ...options, check: refuse })).rejects.toThrow('too little text');
    expect(await readdir(folder)).toEqual(['corpus.txt']);

    const seen: unknown[] = [];
    const check = async (offsets: Float64Array, { size }: { readonly size: number }): Promise<void> => void seen.push([...offsets], size);
    const first = await tokenizedText(join(folder, 'run', 'tokens'), { ...options, check });
    expect(seen).toEqual([[0, 6], 16]); // xxbos xxmaj one two three .
    first.close();
    const again = await tokenizedText(join(folder, 'run', 'tokens'), { ...options, check: refuse });
    expect(corpusLength(again.corpus)).toBe(6);
    again.close();
  });

  it('tokenizes anew for other limits and other columns', async () => {
    const folder = await temporaryFolder({ 'corpus.csv': 'title,text\nOne,Two three four\n' });
    const made: string[] = [];
    const tokenize = async (name: string, more: object): Promise<void> => {
      const check = async (): Promise<void> => void made.push(name);
      const options = { corpus: join(folder, 'corpus.csv'), limits: LIMITS, check, ...more };
      (await tokenizedText(join(folder, 'tokens'), options)).close();
    };
    await tokenize('first', {});
    await tokenize('same', {});
    await tokenize('smaller', { limits: { ...LIMITS, maxSize: 20 } });
    await tokenize('rarer', { limits: { ...LIMITS, minCount: 2 } });
    await tokenize('title', { text: ['title'] });
    await tokenize('title again', { text: ['title'] });
    expect(made).toEqual(['first', 'smaller', 'rarer', 'title']);
  });
});

describe('TokenizingProgress', () => {
  it('says every ten million tokens how far it is, and how fast', () => {
    let time = 0;
    const lines: string[] = [];
    const progress = new TokenizingProgress(
      1000,
      (line) => lines.push(line),
      () => time,
    );
    progress.read(199);
    time = 8000;
    for (const tokens of [1e6, 9_999_999, 10_000_000, 10_500_000]) progress.tokenized(tokens);
    progress.read(300);
    time = 20_000;
    progress.tokenized(31_000_000);
    expect(lines).toEqual([
      'tokenized 10 million tokens, 19 % of the text, 1.25 million a second',
      'tokenized 30 million tokens, 49 % of the text, 1.55 million a second',
    ]);
  });

  it('says nothing of the text where its size is not known', () => {
    let time = 0;
    const lines: string[] = [];
    const progress = new TokenizingProgress(
      undefined,
      (line) => lines.push(line),
      () => time,
    );
    time = 10_000;
    progress.tokenized(10e6);
    expect(lines).toEqual(['tokenized 10 million tokens, 1.00 million a second']);
  });
});
