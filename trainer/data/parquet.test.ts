import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import fc from 'fast-check';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it, test } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { readCorpus } from './corpus.ts';
import type { ReadOptions } from './document.ts';
import { loadMultiLabelSet, loadRegressionSet } from './labelledSet.ts';
import { readDocuments } from './readers.ts';

/** Files that pyarrow, pandas and polars wrote, all of the same documents: see make.py beside them. */
const fixture = (name: string): string => join(import.meta.dirname, '../../test/fixtures/parquet', `${name}.parquet`);

async function read(path: string, options: ReadOptions = {}) {
  return Array.fromAsync(readDocuments(path, options));
}

const LABELS = [['sport', 'politics'], [], ['naïve'], ['sport']];

describe.each(['snappy', 'zstd', 'gzip', 'brotli', 'pandas', 'polars'])('the file %s', (name) => {
  const path = fixture(name);

  it('has texts and labels', async () => {
    const expected = Array.from({ length: 12 }, (_, index) => ({
      fields: [`Text number ${index}: 日本 and more of it.`],
      label: index % 2 === 1 ? 'pos' : 'neg',
      origin: `${path}, row ${index + 1}`,
    }));
    expect(await read(path)).toEqual(expected);
  });

  it('has several texts, a missing one among them', async () => {
    const documents = await read(path, { text: ['title', 'text'], labels: 'ignored' });
    expect(documents.map(({ fields }) => fields[0])).toEqual(
      Array.from({ length: 12 }, (_, index) => (index === 1 ? '' : `Title ${index}`)),
    );
  });

  it.each([
    ['stars', (index: number) => index - 3],
    ['score', (index: number) => index / 4],
  ])('has numbers: %s', async (label, value) => {
    const { documents, range } = await loadRegressionSet(path, { label, text: ['text'] });
    expect(documents.map((document) => document.value)).toEqual(Array.from({ length: 12 }, (_, index) => value(index)));
    expect(range).toEqual([value(0), value(11)]);
  });

  it.each(['labels', 'joined'])('has several labels: %s', async (label) => {
    const { documents } = await loadMultiLabelSet(path, { label });
    expect(documents.map((document) => document.labels)).toEqual(Array.from({ length: 12 }, (_, index) => LABELS[index % 4]));
  });

  it('has numbers and truth values for labels', async () => {
    expect((await read(path, { label: 'stars' })).map(({ label }) => label).slice(0, 4)).toEqual(['-3', '-2', '-1', '0']);
    expect((await read(path, { label: 'good' })).map(({ label }) => label).slice(0, 2)).toEqual(['false', 'true']);
  });
});

/** A file of our own making. */
async function written(columnData: ColumnSource[], options: { rowGroupSize?: number; pageSize?: number } = {}): Promise<string> {
  const path = join(await temporaryFolder({ 'a.parquet': new Uint8Array(parquetWriteBuffer({ columnData, ...options })) }), 'a.parquet');
  return path;
}

test('the same documents come back, whatever their number and the size of groups and pages', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 30 }).filter((value) => value.trim() !== '');
  const record = fc.record({ text, label: fc.constantFrom('pos', 'neg', 'só, so') });
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 20, max: 2000 }),
      async (records, rowGroupSize, pageSize) => {
        const columns: ColumnSource[] = ['label', 'text'].map((name) => ({
          name,
          data: records.map((each) => each[name as keyof typeof each]),
          type: 'STRING' as const,
        }));
        const path = await written(columns, { rowGroupSize, pageSize });
        expect((await read(path)).map(({ fields, label }) => ({ text: fields[0], label }))).toEqual(records);
      },
    ),
    { numRuns: 30 },
  );
});

/** Reads a file in a process of its own, whose memory holds nothing else. */
async function readApart(path: string): Promise<{ rows: number; inOrder: boolean; memory: number }> {
  const script = `
    const { readDocuments } = await import(${JSON.stringify(new URL('readers.ts', import.meta.url).href)});
    const before = process.resourceUsage().maxRSS;
    let rows = 0;
    let inOrder = true;
    for await (const { fields, label, origin } of readDocuments(${JSON.stringify(path)})) {
      inOrder &&= fields[0].startsWith(rows + ' a film') && label === String(rows % 2) && origin.endsWith('row ' + (rows + 1));
      rows++;
    }
    console.log(JSON.stringify({ rows, inOrder, memory: (process.resourceUsage().maxRSS - before) * 1024 }));`;
  return JSON.parse((await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])).stdout);
}

test('holds a part of the texts at a time, and every row once', async () => {
  const text = 'a film about films '.repeat(200);
  const rows = 60_000; // 230 MB of text in one row group
  const path = await written(
    [
      { name: 'text', data: Array.from({ length: rows }, (_, row) => `${row} ${text}`), type: 'STRING' },
      { name: 'label', data: Array.from({ length: rows }, (_, row) => `${row % 2}`), type: 'STRING' },
    ],
    { rowGroupSize: rows },
  );
  const { memory, ...read } = await readApart(path);
  expect(read).toEqual({ rows, inOrder: true });
  expect(memory).toBeLessThan(150 * 2 ** 20);
});

test('a corpus can be a Parquet file, alone or in a folder', async () => {
  const path = fixture('zstd');
  expect(await Array.fromAsync(readCorpus(path))).toHaveLength(12);
  const folder = await temporaryFolder({ 'b.parquet': await readFile(path), 'a.txt': 'A.' });
  expect((await Array.fromAsync(readCorpus(folder))).slice(0, 2)).toEqual(['A.', 'Text number 0: 日本 and more of it.']);
});

test('names the row and the column of what is missing or of another kind', async () => {
  const path = await written([
    { name: 'text', data: ['a', '', 'c'], type: 'STRING', nullable: true },
    { name: 'label', data: ['x', 'y', null], type: 'STRING', nullable: true },
    { name: 'number', data: [1, 2, 3], type: 'DOUBLE' },
  ]);
  await expect(read(path)).rejects.toThrow(`${path}, row 2: the text in column "text" is empty.`);
  await expect(read(path, { text: ['number'], label: 'text' })).rejects.toThrow(
    `${path}, row 1: the text in column "number" must be a string, but is a number (1).`,
  );
  await expect(read(path, { text: ['title'] })).rejects.toThrow(
    `${path}: there is no column "title". The columns are: "text", "label", "number". Name the text columns with --text.`,
  );
  await expect(read(path, { task: 'regression' })).rejects.toThrow(
    `${path}, row 1: the value in column "label" must be a number, but is a string ("x").`,
  );
  const missing = await written([
    { name: 'text', data: ['a', 'b'], type: 'STRING' },
    { name: 'label', data: ['x', null], type: 'STRING', nullable: true },
  ]);
  await expect(read(missing)).rejects.toThrow(`${missing}, row 2: the label in column "label" is missing.`);
  expect((await read(missing, { labels: 'optional' })).map(({ label }) => label)).toEqual(['x', undefined]);
  await expect(read(fixture('snappy'), { label: 'labels' })).rejects.toThrow(
    'row 1: the label in column "labels" is a list, but one label is due. Give one, or train with --multi-label',
  );
});

test('refuses a way of compression that cannot be read, where it matters', async () => {
  await expect(read(fixture('lz4'))).rejects.toThrow(
    /lz4\.parquet: column "text" is compressed with LZ4(_RAW)?, which cannot be read\. Write the file with Snappy, zstd, gzip, Brotli or no compression/,
  );
});

test('refuses what is no Parquet file', async () => {
  const folder = await temporaryFolder({ 'text.parquet': 'text,label\na,b\n', 'empty.parquet': '', 'a.parquet.gz': 'x' });
  for (const name of ['text.parquet', 'empty.parquet']) {
    const path = join(folder, name);
    const error: unknown = await read(path).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(
      new RegExp(`^${path} is not Parquet data, or damaged \\(.+\\)\\. Copy or download it again`),
    );
  }
  await expect(read(join(folder, 'a.parquet.gz'))).rejects.toThrow('a.parquet.gz is compressed twice: Parquet is compressed inside.');
  await expect(read(join(folder, 'none.parquet'))).rejects.toThrow('none.parquet does not exist.');
});

test('refuses a text that is not UTF-8', async () => {
  const path = await written([
    { name: 'text', data: [Buffer.from('caf\xe9', 'latin1')], type: 'BYTE_ARRAY' },
    { name: 'label', data: ['x'], type: 'STRING' },
  ]);
  await expect(read(path)).rejects.toThrow(/a\.parquet is not Parquet data, or damaged \(.*not valid.*utf-8.*\)/);
});

test('a damaged file gives documents or a clear sentence, and nothing else', async () => {
  const whole = await readFile(fixture('snappy'));
  const folder = await temporaryFolder();
  const path = join(folder, 'a.parquet');
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), fc.boolean(), async (place, change, cut) => {
      const bytes = cut ? whole.subarray(0, place) : Uint8Array.from(whole);
      if (!cut) bytes[place] = (bytes[place] ?? 0) ^ change;
      await writeFile(path, bytes);
      const outcome: unknown = await read(path, { label: 'labels', task: 'multiLabel' }).catch((error: unknown) => error);
      if (!Array.isArray(outcome)) expect(outcome).toBeInstanceOf(UserError);
    }),
    { numRuns: 300, seed: 1 },
  );
});
