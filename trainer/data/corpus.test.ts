import { copyFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

import { expect, test } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { corpusFiles, readCorpus, readCorpusFields } from './corpus.ts';

async function read(path: string) {
  return Array.fromAsync(readCorpus(path));
}

const ARTICLES = '\n = One = \n\n First. \n\n = Two = \n\n Second. \n';

test('reads plain files, compressed or not', async () => {
  const folder = await temporaryFolder({
    'a.txt': 'A.\r\n\r\nB.\r\n',
    'wiki.train.tokens.br': brotliCompressSync(ARTICLES),
    'wiki.raw.gz': gzipSync(ARTICLES),
  });
  expect(await read(join(folder, 'a.txt'))).toEqual(['A.\n\nB.']);
  expect(await read(join(folder, 'wiki.train.tokens.br'))).toEqual(['One\n\nFirst.', 'Two\n\nSecond.']);
  expect(await read(join(folder, 'wiki.raw.gz'))).toEqual(['One\n\nFirst.', 'Two\n\nSecond.']);
});

test('reads the text of tables and JSON Lines, labels or not', async () => {
  const folder = await temporaryFolder({ 'a.csv': 'title,text,label\nT,A.,\n', 'b.jsonl': '{"text": "B.", "label": null}\n' });
  expect(await read(join(folder, 'a.csv'))).toEqual(['A.']);
  expect(await read(join(folder, 'b.jsonl'))).toEqual(['B.']);
  const options = { text: ['title', 'text'] };
  expect(await Array.fromAsync(readCorpusFields(join(folder, 'a.csv'), options))).toEqual([['T', 'A.']]);
  expect(await Array.fromAsync(readCorpus(join(folder, 'a.csv'), options))).toEqual(['T\nA.']);
});

test('reads folders at any depth in the order of the names', async () => {
  const folder = await temporaryFolder({
    'b/1.txt': 'B1.',
    'b/10.txt': 'B10.',
    'b/2.jsonl': '{"text": "B2."}',
    'a.txt': 'A.',
    'c.txt': ' ',
    '.hidden.pdf': '%PDF',
  });
  expect(await read(folder)).toEqual(['A.', 'B1.', 'B10.', 'B2.']);
});

test('reads folders by label, files without an ending too', async () => {
  const folder = await temporaryFolder({ 'sci.space/59904': 'Orbit.', 'rec.autos/101551': 'Wheels.' });
  expect(await read(folder)).toEqual(['Wheels.', 'Orbit.']);
});

test('refuses what is no text, what is empty and what is missing', async () => {
  const folder = await temporaryFolder({
    'mixed/a.txt': 'A.',
    'mixed/b.pdf': '%PDF',
    'empty/a.txt': '\n',
    'bad.csv': 'text\n"a\n',
    'latin.txt': Buffer.from('caf\xe9', 'latin1'),
  });
  const [mixed, empty, nothing] = ['mixed', 'empty', 'nothing'].map((name) => join(folder, name)) as [string, string, string];
  await expect(read(mixed)).rejects.toThrow(
    `${join(mixed, 'b.pdf')} is not a text file by its name. Read are .txt, .text, .tokens, .raw, .csv, .tsv, .jsonl, .ndjson ` +
      '(each also with .gz, .br, .zst) and .parquet: rename it or take it out of the folder.',
  );
  await expect(read(empty)).rejects.toThrow(`${empty} holds no text. Name a file or a folder with text in it.`);
  await expect(read(nothing)).rejects.toThrow(`${nothing} does not exist.`);
  await expect(read(join(folder, 'bad.csv'))).rejects.toThrow(
    'bad.csv:2, column 1: the double quote that opens the field is never closed.',
  );
  await expect(read(join(folder, 'latin.txt'))).rejects.toThrow('latin.txt:1: byte 4 of the line (byte 3 of the file) is 0xE9');
});

test('tells the bytes of a corpus, and each of them once while it is read', async () => {
  const folder = await temporaryFolder({
    'a.txt': 'A. '.repeat(100_000),
    'b/wiki.raw.gz': gzipSync(ARTICLES),
    'b/c.jsonl': '{"text": "B."}\n'.repeat(10_000),
    '.hidden.pdf': '%PDF',
  });
  await copyFile(new URL('../../test/fixtures/parquet/snappy.parquet', import.meta.url), join(folder, 'd.parquet'));
  const sizes = await Promise.all(['a.txt', 'b/wiki.raw.gz', 'b/c.jsonl', 'd.parquet'].map((name) => stat(join(folder, name))));
  const total = sizes.reduce((sum, { size }) => sum + size, 0);
  expect((await corpusFiles(folder))?.bytes).toBe(total);
  const read: number[] = [];
  await Array.fromAsync(readCorpusFields(folder, { onBytes: (bytes) => read.push(bytes) }));
  expect(read.length).toBeGreaterThan(8);
  expect(read.reduce((sum, bytes) => sum + bytes, 0)).toBe(total);
});

test('tells when the files of a corpus have changed', async () => {
  const folder = await temporaryFolder({ 'corpus/a.txt': 'A.', 'corpus/b/c.txt': 'C.' });
  const [corpus, file] = [join(folder, 'corpus'), join(folder, 'corpus', 'a.txt')];
  const stateOf = async (path: string) => (await corpusFiles(path))?.state;
  const states = [await stateOf(corpus), await stateOf(file)];
  expect([await stateOf(corpus), await stateOf(file)]).toEqual(states);
  for (const change of [
    () => writeFile(file, 'B.'), // of the same size, later
    () => utimes(file, 1, 1),
    () => writeFile(file, 'A and B.'),
    () => rename(file, join(corpus, 'z.txt')),
    () => rm(join(corpus, 'z.txt')),
  ]) {
    await change();
    states.push(await stateOf(corpus));
  }
  expect(new Set(states).size).toBe(states.length);
});

test('knows nothing about what can be read once, and refuses what is missing', async () => {
  expect(await corpusFiles('-')).toBeUndefined();
  expect(await corpusFiles('/dev/null')).toBeUndefined();
  const folder = await temporaryFolder();
  await expect(corpusFiles(join(folder, 'nothing'))).rejects.toThrow('nothing does not exist.');
});
