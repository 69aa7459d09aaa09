import { join } from 'node:path';

import { expect, test } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { checkLabels, loadLabelledSet, loadMultiLabelSet, loadRegressionSet, loadTargets, MOST_LABELS, targetOf } from './labelledSet.ts';

async function load(contents: string) {
  const path = join(await temporaryFolder({ 'set.csv': `text,label\n${contents}` }), 'set.csv');
  return { path, set: await loadLabelledSet(path).catch((error: unknown) => error) };
}

test('loads documents and sorts their labels', async () => {
  const { path, set } = await load('b,pos\na,neg\nc,pos\n');
  expect(set).toEqual({
    task: 'singleLabel',
    notes: [],
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

const rows = (labels: readonly string[]): string => `text,label\n${labels.map((label, index) => `text ${index},${label}\n`).join('')}`;

async function setFile(labels: readonly string[]): Promise<string> {
  return join(await temporaryFolder({ 'set.csv': rows(labels) }), 'set.csv');
}

test('refuses more labels than anybody gives by hand', async () => {
  const labels = Array.from({ length: MOST_LABELS + 1 }, (_, index) => `${index}`);
  const path = await setFile([...labels, ...labels]);
  await expect(loadLabelledSet(path)).rejects.toThrow(
    `${path}: there are 10001 different labels ("0", "1", …), and at most 10000 can be told apart. Name the right column with --label.`,
  );
  await expect(loadMultiLabelSet(path)).rejects.toThrow('there are 10001 different labels');
});

test('notes labels that a person would take for the same', async () => {
  const { notes } = await loadLabelledSet(await setFile(['Sport', 'sport', 'new york', 'NewYork', 'caf\u00e9', 'cafe\u0301', 'x']));
  expect(notes).toEqual([
    'These labels differ in case, spaces or encoding alone, and are learned as different ones: ' +
      '"NewYork" and "new york"; "Sport" and "sport"; "cafe\u0301" and "caf\u00e9".',
  ]);
  expect((await loadLabelledSet(await setFile(['a', 'A', 'b', 'B', 'c', 'C', 'd', 'D', 'e', 'E', 'e']))).notes).toEqual([
    expect.stringContaining('"A" and "a"; "B" and "b"; "C" and "c", and 2 more.'),
  ]);
  expect((await loadLabelledSet(await setFile(['a', 'b']))).notes).toEqual([]);
});

test('loads documents with several labels', async () => {
  const path = await setFile(['b;a', '', 'b']);
  expect(await loadMultiLabelSet(path)).toEqual({
    task: 'multiLabel',
    labels: ['a', 'b'],
    notes: [],
    documents: [
      { fields: ['text 0'], label: undefined, labels: ['b', 'a'], origin: `${path}:2` },
      { fields: ['text 1'], label: undefined, labels: [], origin: `${path}:3` },
      { fields: ['text 2'], label: undefined, labels: ['b'], origin: `${path}:4` },
    ],
  });
});

test('refuses several labels from which nothing can be learned', async () => {
  const [empty, one, own] = [await setFile(['', '']), await setFile(['spam', '']), await setFile(Array.from('abcdefghij'))];
  await expect(loadMultiLabelSet(empty)).rejects.toThrow(
    `${empty}: no label applies to any of the 2 documents. Name the right column with --label.`,
  );
  await expect(loadMultiLabelSet(one)).rejects.toThrow(
    `${one}: "spam" is the only label. Give the other documents a label too, such as "not spam", and train without --multi-label.`,
  );
  await expect(loadMultiLabelSet(own)).rejects.toThrow(
    `${own}: no label ("a", "b", …) applies to more than one of the 10 documents. Name the right column with --label.`,
  );
});

test('notes what is odd about several labels', async () => {
  expect((await loadMultiLabelSet(await setFile(['a|b', 'b', 'a|b']))).notes).toEqual([
    'No document has more than one label. If labels are joined by another sign, name it with --label-separator; ' +
      'if each document has just one, train without --multi-label.',
  ]);
  expect((await loadMultiLabelSet(await setFile(['a;b', 'b']))).notes).toEqual([
    'Every document has the label "b": there is nothing to learn about it.',
  ]);
});

test('loads documents with a number each', async () => {
  const path = await setFile(['2', '-1.5']);
  expect(await loadRegressionSet(path)).toEqual({
    task: 'regression',
    labels: [],
    range: [-1.5, 2],
    notes: [],
    documents: [
      { fields: ['text 0'], label: undefined, value: 2, origin: `${path}:2` },
      { fields: ['text 1'], label: undefined, value: -1.5, origin: `${path}:3` },
    ],
  });
  const equal = await setFile(['3', '3.0']);
  await expect(loadRegressionSet(equal)).rejects.toThrow(`${equal}: all 2 documents have the value 3. There is nothing to tell apart.`);
});

test('loads what the task asks for', async () => {
  const path = await setFile(['1', '2']);
  expect((await loadTargets(path)).task).toBe('singleLabel');
  expect(await loadTargets(path, { task: 'regression' })).toMatchObject({ task: 'regression', range: [1, 2] });
  expect(await loadTargets(path, { task: 'multiLabel', labelSeparator: ',' })).toMatchObject({ task: 'multiLabel', labels: ['1', '2'] });
});

test('folders by label are for one label a document', async () => {
  const folder = await temporaryFolder({ '1/a.txt': 'A.', '2/b.txt': 'B.' });
  expect((await loadLabelledSet(folder)).labels).toEqual(['1', '2']);
  await expect(loadMultiLabelSet(folder)).rejects.toThrow(
    `${folder} is a folder, which gives each document one label, but any number of labels a document is asked for. ` +
      'Give a table or JSON Lines, or train without --multi-label.',
  );
  await expect(loadRegressionSet(folder)).rejects.toThrow('but a number a document is asked for.');
});

test('says what the outputs should be', () => {
  const document = { fields: ['a'], label: undefined, origin: 'test.csv:2' };
  const labels = ['x', 'y', 'z'];
  expect(targetOf({ ...document, label: 'y' }, 'singleLabel', labels)).toEqual(Float32Array.of(0, 1, 0));
  expect(targetOf({ ...document, labels: ['z', 'x'] }, 'multiLabel', labels)).toEqual(Float32Array.of(1, 0, 1));
  expect(targetOf({ ...document, labels: [] }, 'multiLabel', labels)).toEqual(Float32Array.of(0, 0, 0));
  expect(targetOf({ ...document, value: 2.5 }, 'regression', [])).toEqual(Float32Array.of(2.5));
  for (const task of ['singleLabel', 'multiLabel', 'regression'] as const) {
    expect(() => targetOf(document, task, labels)).toThrow('test.csv:2: the document has no');
  }
  expect(() => targetOf({ ...document, label: 'X' }, 'singleLabel', labels)).toThrow('test.csv:2: "X" is not one of the labels.');
});

test('finds a label of several that the model does not know', () => {
  const document = { fields: ['a'], label: undefined, labels: ['x', 'q'], origin: 'test.jsonl:2' };
  expect(() => checkLabels([document], ['x', 'y'])).toThrow(
    'test.jsonl:2: the model does not know the label "q". It was trained on: "x", "y".',
  );
  expect(() =>
    checkLabels(
      [
        { ...document, labels: ['y'] },
        { ...document, labels: [], value: 3 },
      ],
      ['x', 'y'],
    ),
  ).not.toThrow();
});
