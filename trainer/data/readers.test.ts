import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import type { ReadOptions } from './document.ts';
import { readDocuments } from './readers.ts';

async function read(path: string, options: ReadOptions = {}) {
  return Array.fromAsync(readDocuments(path, options));
}

const DOCUMENTS = [
  { text: 'Good, very "good".', label: 'pos' },
  { text: 'Bad.\nReally.', label: 'neg' },
];
const FORMS = {
  csv: 'text,label\r\n"Good, very ""good"".",pos\r\n"Bad.\nReally.",neg\r\n',
  tsv: 'text\tlabel\n"Good, very ""good""."\tpos\n"Bad.\nReally."\tneg\n',
  jsonl: DOCUMENTS.map((document) => JSON.stringify(document)).join('\n'),
  ndjson: `${DOCUMENTS.map((document) => JSON.stringify(document)).join('\r\n')}\r\n\r\n`,
};
const COMPRESSED = { '': (text: string) => text, '.gz': gzipSync, '.br': brotliCompressSync, '.zst': zstdCompressSync };

test('reads every form, plain and compressed, with and without a byte order mark', async () => {
  for (const [form, contents] of Object.entries(FORMS)) {
    for (const [ending, compress] of Object.entries(COMPRESSED)) {
      for (const mark of ['', '\ufeff']) {
        const name = `reviews.${form}${ending}`;
        const path = join(await temporaryFolder({ [name]: compress(mark + contents) }), name);
        const lines = form.endsWith('sv') ? [2, 3] : [1, 2];
        const expected = DOCUMENTS.map(({ text, label }, index) => ({ fields: [text], label, origin: `${path}:${lines[index]}` }));
        expect(await read(path)).toEqual(expected);
      }
    }
  }
});

test('reads folders by label', async () => {
  const folder = await temporaryFolder({ 'pos/1.txt': 'Good.', 'neg/1.txt': 'Bad.' });
  expect((await read(folder)).map(({ fields, label }) => [fields[0], label])).toEqual([
    ['Bad.', 'neg'],
    ['Good.', 'pos'],
  ]);
});

test('reads plain text line by line where no labels are required', async () => {
  const path = join(await temporaryFolder({ 'texts.txt': 'One.\n\nTwo.\n' }), 'texts.txt');
  expect(await read(path, { labels: 'optional' })).toEqual([
    { fields: ['One.'], label: undefined, origin: `${path}:1` },
    { fields: ['Two.'], label: undefined, origin: `${path}:3` },
  ]);
  await expect(read(path)).rejects.toThrow(`${path} holds plain text, which has no labels. Give a table, JSON Lines or a folder`);
});

/** Runs the reader in a process of its own, which alone has a standard input to give. */
async function readFromStandardInput(input: string, options: ReadOptions): Promise<unknown> {
  const script = `
    const { readDocuments } = await import(${JSON.stringify(new URL('readers.ts', import.meta.url).href)});
    try { console.log(JSON.stringify(await Array.fromAsync(readDocuments('-', ${JSON.stringify(options)})))); }
    catch (error) { console.log(JSON.stringify(error.message)); }`;
  const running = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  running.child.stdin?.end(input);
  return JSON.parse((await running).stdout);
}

test('reads JSON Lines and plain lines from standard input', async () => {
  expect(await readFromStandardInput('\n {"text": "a", "label": 1}\n', {})).toEqual([
    { fields: ['a'], label: '1', origin: 'standard input:2' },
  ]);
  expect(await readFromStandardInput('One.\r\nTwo.', { labels: 'ignored' })).toMatchObject([
    { fields: ['One.'], origin: 'standard input:1' },
    { fields: ['Two.'], origin: 'standard input:2' },
  ]);
  expect(await readFromStandardInput(' \n', { labels: 'ignored' })).toBe(
    'standard input holds no documents: it is empty, or has nothing after the header.',
  );
});

test('refuses an empty file, and a header with nothing after it', async () => {
  const folder = await temporaryFolder({ 'a.csv': '', 'b.csv': 'text,label\n', 'c.jsonl': '\n\n', 'd.csv.gz': gzipSync('') });
  for (const name of ['a.csv', 'b.csv', 'c.jsonl', 'd.csv.gz']) {
    const path = join(folder, name);
    await expect(read(path)).rejects.toThrow(`${path} holds no documents: it is empty, or has nothing after the header.`);
  }
});

test('refuses what it cannot read by its name', async () => {
  const folder = await temporaryFolder({ 'a.xlsx': 'PK', 'b.json.gz': gzipSync('[]'), c: 'text' });
  const known = 'Read are .csv, .tsv, .jsonl, .ndjson, .txt (each also with .gz, .br, .zst), .parquet and folders named by label.';
  const [a, b, c] = ['a.xlsx', 'b.json.gz', 'c'].map((name) => join(folder, name)) as [string, string, string];
  await expect(read(a)).rejects.toThrow(
    `${a} has the ending .xlsx, which is not one that can be read. ${known} Convert the file, or give it the ending that fits.`,
  );
  await expect(read(b)).rejects.toThrow(
    `${b} has the ending .json, which is not one that can be read. ${known} Write JSON as one object a line, in a file that ends in .jsonl.`,
  );
  await expect(read(c)).rejects.toThrow(`${c} has no ending that tells its form. ${known}`);
  await expect(read(join(folder, 'd.csv'))).rejects.toThrow('d.csv does not exist.');
});

test('names file and line of bytes that are not UTF-8, in every form', async () => {
  const latin1 = Buffer.from('{"text": "café", "label": 1}\n', 'latin1');
  const folder = await temporaryFolder({
    'a.jsonl': Buffer.concat([Buffer.from('{"text": "a", "label": 1}\n'), latin1]),
    'b.csv': Buffer.from('text,label\ncafé,1\n', 'latin1'),
  });
  await expect(read(join(folder, 'a.jsonl'))).rejects.toThrow(
    'a.jsonl:2: byte 14 of the line (byte 39 of the file) is 0xE9, which is not valid UTF-8.',
  );
  await expect(read(join(folder, 'b.csv'))).rejects.toThrow(
    'b.csv:2: byte 4 of the line (byte 14 of the file) is 0xE9, which is not valid UTF-8.',
  );
});

test('passes errors of compressed files on, in every form', async () => {
  const whole = gzipSync('text,label\na,b\n');
  const folder = await temporaryFolder({ 'a.csv.gz': whole.subarray(0, -6), 'a.jsonl.gz': 'not gzip' });
  await expect(read(join(folder, 'a.csv.gz'))).rejects.toThrow('a.csv.gz ends in the middle of its gzip data.');
  await expect(read(join(folder, 'a.jsonl.gz'))).rejects.toThrow('a.jsonl.gz is not gzip data');
});

test('reads a line of many megabytes', async () => {
  const text = 'word '.repeat(2_000_000);
  const path = join(await temporaryFolder({ 'a.jsonl.gz': gzipSync(JSON.stringify({ text, label: 1 })) }), 'a.jsonl.gz');
  const [document] = await read(path);
  expect(document?.fields[0] === text).toBe(true);
});

test('holds one document at a time', async () => {
  const record = `${JSON.stringify({ text: 'x'.repeat(2000), label: 'pos' })}\n`;
  const path = join(await temporaryFolder({ 'big.jsonl.gz': gzipSync(record.repeat(100_000), { level: 1 }) }), 'big.jsonl.gz');
  const before = process.memoryUsage.rss();
  let most = 0;
  let count = 0;
  for await (const { label } of readDocuments(path)) {
    count += Number(label === 'pos');
    if (count % 1000 === 0) most = Math.max(most, process.memoryUsage.rss() - before);
  }
  expect(count).toBe(100_000);
  expect(most).toBeLessThan(150 * 2 ** 20); // of 200 MB of text
});

test('the same records give the same documents in every form', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 10 }).filter((value) => value.trim() !== '');
  const label = fc.constantFrom('pos', 'neg', 'so, so', '7');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ text, label }), { minLength: 1, maxLength: 5 }), async (records) => {
      const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
      const folder = await temporaryFolder({
        'a.csv': ['label,text', ...records.map((record) => `${quoted(record.label)},${quoted(record.text)}`)].join('\n'),
        'a.tsv.br': brotliCompressSync(
          ['label\ttext', ...records.map((record) => `${quoted(record.label)}\t${quoted(record.text)}`)].join('\r\n'),
        ),
        'a.jsonl.gz': gzipSync(records.map((record) => JSON.stringify(record)).join('\n')),
      });
      for (const name of ['a.csv', 'a.tsv.br', 'a.jsonl.gz']) {
        const documents = await read(join(folder, name));
        expect(documents.map((document) => ({ text: document.fields[0], label: document.label }))).toEqual(records);
      }
    }),
    { numRuns: 25 },
  );
});
