import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { expect, test } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { readLabelFolders } from './labelFolders.ts';

test('reads a folder a label, in the order of the names', async () => {
  const folder = await temporaryFolder({
    'pos/10.txt': 'Ten.\r\nMore.',
    'pos/2.txt.gz': gzipSync('\ufeffTwo.'),
    'neg/deeper/1.txt': 'One.',
    'neg/49960': 'No ending.',
    'neg/.DS_Store': '\0',
    'README.md': 'beside the labels',
  });
  expect(await Array.fromAsync(readLabelFolders(folder, {}))).toEqual([
    { fields: ['No ending.'], label: 'neg', origin: join(folder, 'neg/49960') },
    { fields: ['One.'], label: 'neg', origin: join(folder, 'neg/deeper/1.txt') },
    { fields: ['Ten.\nMore.'], label: 'pos', origin: join(folder, 'pos/10.txt') },
    { fields: ['Two.'], label: 'pos', origin: join(folder, 'pos/2.txt.gz') },
  ]);
});

test('reads plain text files where no labels are required', async () => {
  const folder = await temporaryFolder({ 'a.txt': 'A.', 'b.txt': 'B.' });
  const labels = (await Array.fromAsync(readLabelFolders(folder, { labels: 'optional' }))).map(({ fields, label }) => [...fields, label]);
  expect(labels).toEqual([
    ['A.', undefined],
    ['B.', undefined],
  ]);
  await expect(Array.fromAsync(readLabelFolders(folder, {}))).rejects.toThrow(
    `${folder} holds no folders named by label, such as ${join(folder, 'pos')}. To read a table or JSON Lines in it, name the file.`,
  );
});

test('leaves labels alone when told so', async () => {
  const folder = await temporaryFolder({ 'pos/1.txt': 'A.', 'top.txt': 'B.' });
  const documents = await Array.fromAsync(readLabelFolders(folder, { labels: 'ignored' }));
  expect(documents.map(({ fields, label }) => [...fields, label])).toEqual([
    ['A.', undefined],
    ['B.', undefined],
  ]);
});

test('follows links to folders, once', async () => {
  const folder = await temporaryFolder({ 'data/pos/1.txt': 'A.', 'elsewhere/2.txt': 'B.' });
  await symlink(join(folder, 'elsewhere'), join(folder, 'data/neg'));
  await symlink(join(folder, 'elsewhere'), join(folder, 'elsewhere/again'));
  const documents = await Array.fromAsync(readLabelFolders(join(folder, 'data'), {}));
  expect(documents.map(({ fields, label }) => [...fields, label])).toEqual([
    ['B.', 'neg'],
    ['A.', 'pos'],
  ]);
});

test('refuses an empty file, a file of another kind and a dangling link', async () => {
  const folder = await temporaryFolder({ 'empty/neg/1.txt': ' \n', 'pdf/pos/1.pdf': '%PDF', 'link/pos/1.txt': 'A.' });
  await symlink(join(folder, 'nowhere'), join(folder, 'link/pos/2.txt'));
  await expect(Array.fromAsync(readLabelFolders(join(folder, 'empty'), {}))).rejects.toThrow(
    `${join(folder, 'empty/neg/1.txt')} is empty. Remove the file or give it a text.`,
  );
  await expect(Array.fromAsync(readLabelFolders(join(folder, 'pdf'), {}))).rejects.toThrow(
    `${join(folder, 'pdf/pos/1.pdf')} is not a text file by its name. Label folders hold .txt files (also .txt.gz, .txt.br or .txt.zst): take it out or rename it.`,
  );
  await expect(Array.fromAsync(readLabelFolders(join(folder, 'link'), {}))).rejects.toThrow(
    `${join(folder, 'link/pos/2.txt')} does not exist.`,
  );
});
