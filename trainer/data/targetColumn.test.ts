import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import type { Task } from '../model/task.ts';
import type { ReadOptions } from './document.ts';
import { readDocuments } from './readers.ts';
import { readTarget, type TargetColumn } from './targetColumn.ts';

const column = (task: Task, separator?: string): TargetColumn => ({ name: 'label', task, separator });
const ORIGIN = 'r.csv:7';

describe('one label', () => {
  it.each([
    ['  pos ', 'pos'],
    [7, '7'],
    [7n, '7'],
    [false, 'false'],
  ])('reads %o', (value, label) => {
    expect(readTarget(value, column('singleLabel'), ORIGIN)).toEqual({ label });
  });

  it.each([undefined, null, ' '])('takes %o for none', (value) => {
    expect(readTarget(value, column('singleLabel'), ORIGIN)).toBeUndefined();
  });

  it('refuses a list, and says which flag takes it', () => {
    expect(() => readTarget(['a', 'b'], column('singleLabel'), ORIGIN)).toThrow(
      'r.csv:7: the label in column "label" is a list, but one label is due. Give one, or train with --multi-label where several labels may apply to a document.',
    );
    expect(() => readTarget(new Date(0), column('singleLabel'), ORIGIN)).toThrow('but is a date (1970-01-01T00:00:00.000Z).');
  });
});

describe('several labels', () => {
  it.each([
    [
      ['a', ' b '],
      ['a', 'b'],
    ],
    [
      ['a', 'b', 'a'],
      ['a', 'b'],
    ],
    [
      [1, true],
      ['1', 'true'],
    ],
    [[], []],
  ])('reads the list %o', (value, labels) => {
    expect(readTarget(value, column('multiLabel'), ORIGIN)).toEqual({ labels });
  });

  it.each([
    ['a; b;;a;', ';', ['a', 'b']],
    ['', ';', []],
    ['a;b|c', '|', ['a;b', 'c']],
    ['a, b', ', ', ['a', 'b']],
    ['[draft]', ';', ['[draft]']],
    [3, ';', ['3']],
    [['a;b'], ';', ['a;b']],
  ])('cuts %o at %o', (value, separator, labels) => {
    expect(readTarget(value, column('multiLabel', separator), ORIGIN)).toEqual({ labels });
  });

  it('takes null for none where a list is due', () => {
    expect(readTarget(null, column('multiLabel'), ORIGIN)).toBeUndefined();
    expect(readTarget(null, column('multiLabel', ';'), ORIGIN)).toBeUndefined();
    expect(readTarget(undefined, column('multiLabel', ';'), ORIGIN)).toBeUndefined();
  });

  it.each([
    [
      'a;b',
      undefined,
      'the labels in column "label" must be a list such as ["sport", "politics"], but are a string ("a;b"). Write a list, ' +
        'say what stands between the labels with --label-separator, or train without --multi-label if each document has one label.',
    ],
    [7, undefined, 'must be a list such as ["sport", "politics"], but are a number (7).'],
    [{ a: 1 }, ';', 'must be a list such as ["sport", "politics"], but are an object.'],
    [['a', null], undefined, 'must be strings, but number 2 of the list is null. Give it a name or take it out of the list.'],
    [['a', ' '], undefined, 'must be strings, but number 2 of the list is empty.'],
    [[['a']], undefined, 'must be strings, but number 1 of the list is a list.'],
    [
      "['a', 'b']",
      ';',
      "are written as a list (['a', 'b']), but a table holds them joined: a;b. Write them so, nothing where no label applies",
    ],
    ['["a"]', ';', 'are written as a list (["a"])'],
    ['[]', ';', 'are written as a list ([])'],
  ])('refuses %o', (value, separator, message) => {
    expect(() => readTarget(value, column('multiLabel', separator), ORIGIN)).toThrow(message);
  });
});

describe('a value', () => {
  it.each([
    [4.5, 4.5],
    [4n, 4],
    [' 4.5 ', 4.5],
    ['-1e-3', -0.001],
    ['+.5', 0.5],
    ['3.', 3],
  ])('reads %o', (given, value) => {
    expect(readTarget(given, column('regression'), ORIGIN)).toEqual({ value });
  });

  it.each([undefined, null, '', ' ', Number.NaN])('takes %o for none', (given) => {
    expect(readTarget(given, column('regression'), ORIGIN)).toBeUndefined();
  });

  it.each([
    ['good', 'a string ("good"). Correct it, name another column with --label, or train without --regression if the column holds labels.'],
    ['4,5', 'a string ("4,5"). Write the decimal point as ".".'],
    ['0x10', 'a string ("0x10").'],
    ['1e999', 'a string ("1e999").'],
    ['Infinity', 'a string ("Infinity").'],
    [Infinity, 'a number (Infinity).'],
    [true, 'a boolean (true).'],
    [[4], 'a list.'],
  ])('refuses %o', (given, message) => {
    expect(() => readTarget(given, column('regression'), ORIGIN)).toThrow(
      `r.csv:7: the value in column "label" must be a number, but is ${message}`,
    );
  });

  it('reads every number that JavaScript writes', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(readTarget(String(value), column('regression'), ORIGIN)).toEqual({ value: value === 0 ? 0 : value });
      }),
    );
  });
});

async function read(name: string, contents: string, options: ReadOptions) {
  return Array.fromAsync(readDocuments(join(await temporaryFolder({ [name]: contents }), name), options));
}

test('tables and JSON Lines give the same labels', async () => {
  const label = fc.constantFrom('sport', 'world news', 'Ünïcode', '7');
  const record = fc.record({ text: fc.constantFrom('a', 'b c'), label: fc.uniqueArray(label) });
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 6 }), fc.constantFrom(';', '|', ' + '), async (records, separator) => {
      const lines = records.map((each) => JSON.stringify(each)).join('\n');
      const rows = ['text,label', ...records.map((each) => `${each.text},${each.label.join(separator)}`)].join('\n');
      const expected = records.map(({ text, label: labels }) => ({ fields: [text], labels }));
      const options = { task: 'multiLabel', labelSeparator: separator } as const;
      expect(await read('a.jsonl', lines, { task: 'multiLabel' })).toMatchObject(expected);
      expect(await read('a.csv', rows, options)).toMatchObject(expected);
      expect(await read('a.tsv', rows.replaceAll(',', '\t'), options)).toMatchObject(expected);
    }),
    { numRuns: 20 },
  );
});

test('looks for the column under the usual names of the task', async () => {
  expect(await read('a.csv', 'text,labels\na,x;y\n', { task: 'multiLabel' })).toMatchObject([{ labels: ['x', 'y'] }]);
  expect(await read('a.csv', 'text,value\na,1.5\n', { task: 'regression' })).toMatchObject([{ value: 1.5, label: undefined }]);
  expect(await read('a.csv', 'review,value\na,1.5\n', { task: 'regression' })).toMatchObject([{ fields: ['a'], value: 1.5 }]);
  expect(await read('a.csv', 'text,value,label\na,1.5,2\n', { task: 'regression' })).toMatchObject([{ value: 2 }]);
  expect(await read('a.csv', 'text,value,stars\na,1.5,2\n', { task: 'regression', label: 'stars' })).toMatchObject([{ value: 2 }]);
  await expect(read('a.csv', 'text,value\na,1.5\n', {})).rejects.toThrow('there is no column "label".');
});

test('leaves targets alone when told so, and takes what is there when they are optional', async () => {
  const lines = '{"text": "a", "label": ["x"]}\n{"text": "b", "label": 3}\n';
  expect(await read('a.jsonl', lines, { task: 'regression', labels: 'ignored' })).toMatchObject([
    { label: undefined },
    { label: undefined },
  ]);
  const documents = await read('a.csv', 'text,label\na,1\nb,\n', { task: 'regression', labels: 'optional' });
  expect(documents.map(({ value }) => value)).toEqual([1, undefined]);
});

test('says what is missing, and where', async () => {
  await expect(read('a.csv', 'text,label\na,1\nb,\n', { task: 'regression' })).rejects.toThrow(
    'a.csv:3: the value in column "label" is missing. Give the record a number or remove it.',
  );
  await expect(read('a.jsonl', '{"text": "a", "label": null}', { task: 'multiLabel' })).rejects.toThrow(
    'a.jsonl:1: the labels in column "label" are missing. Give the record a list of labels ([] where none applies) or remove it.',
  );
});
