import { join } from 'node:path';

import { expect, test } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { checkLabels, loadLabelledSet } from './labelledSet.ts';

async function load(contents: string) {
  const path = join(await temporaryFolder({ 'set.csv': `text,label\n${contents}` }), 'set.csv');
  return { path, set: await loadLabelledSet(path).catch((error: unknown) => error) };
}

test('loads documents and sorts their labels', async () => {
  const { path, set } = await load('b,pos\na,neg\nc,pos\n');
  expect(set).toEqual({
    documents: [
      { fields: ['b'], label: 'pos', origin: `${path}:2` },
      { fields: ['a'], label: 'neg', origin: `${path}:3` },
      { fields: ['c'], label: 'pos', origin: `${path}:4` },
    ],
    labels: ['neg', 'pos'],
  });
});

test('sorts labels that are numbers by value', async () => {
  expect((await load('a,10\nb,9\nc,-1\n')).set).toMatchObject({ labels: ['-1', '9', '10'] });
  expect((await load('a,10\nb,9\nc,1a\n')).set).toMatchObject({ labels: ['10', '1a', '9'] });
});

test('refuses a set with one label only', async () => {
  const { path, set } = await load('a,pos\nb,pos\n');
  expect(set).toMatchObject({
    name: 'UserError',
    message: `${path}: all 2 documents have the label "pos". A classifier needs at least two labels to tell apart.`,
  });
});

test('refuses a set in which no two documents share a label', async () => {
  const { path, set } = await load(Array.from({ length: 10 }, (_, index) => `text ${index},id${index}\n`).join(''));
  expect(set).toMatchObject({
    name: 'UserError',
    message: `${path}: every one of the 10 documents has a label of its own ("id0", "id1", …). Name the right column with --label.`,
  });
});

test('finds a label that the model does not know', () => {
  const documents = [
    { fields: ['a'], label: 'pos', origin: 'test.csv:2' },
    { fields: ['b'], label: undefined, origin: 'test.csv:3' },
    { fields: ['c'], label: 'Neg', origin: 'test.csv:4' },
  ];
  expect(() => checkLabels(documents, ['neg', 'pos'])).toThrow(
    'test.csv:4: the model does not know the label "Neg". It was trained on: "neg", "pos". Rename the label or leave the document out.',
  );
  expect(() => checkLabels(documents, ['Neg', 'pos'])).not.toThrow();
});
