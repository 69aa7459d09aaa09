import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { FileSlices } from './fileSlices.ts';
import { bytesOf, wholeNumber, zip } from './testSupport.ts';
import { looksLikeZip, positionOf, readZipDirectory } from './zipArchive.ts';

async function opened(bytes: Uint8Array): Promise<FileSlices> {
  return FileSlices.open(join(await temporaryFolder({ 'file.zip': bytes }), 'file.zip'));
}

async function contentsOf(bytes: Uint8Array): Promise<Record<string, string>> {
  const file = await opened(bytes);
  const contents: Record<string, string> = {};
  try {
    for (const [name, entry] of await readZipDirectory(file)) {
      contents[name] = new TextDecoder().decode(await file.read(await positionOf(file, entry), entry.size));
    }
    return contents;
  } finally {
    await file.close();
  }
}

const FILES = { 'a/one': bytesOf('first'), 'a/two': bytesOf(''), 'a/three': bytesOf('third file') };

it('finds every file', async () => {
  expect(looksLikeZip(zip(FILES))).toBe(true);
  expect(await contentsOf(zip(FILES))).toEqual({ 'a/one': 'first', 'a/two': '', 'a/three': 'third file' });
});

it('reads past a comment at the end, and an empty archive', async () => {
  const withComment = bytesOf(zip(FILES).slice(0, -2), wholeNumber(7, 2), 'comment');
  expect(await contentsOf(withComment)).toEqual(await contentsOf(zip(FILES)));
  expect(await contentsOf(zip({}))).toEqual({});
});

/** The same file with its sizes in the 64-bit fields, as archives above 4 GB have them. */
function zip64(): Uint8Array {
  const full = '\xff'.repeat(4);
  const fixed = `${wholeNumber(0, 2)}${wholeNumber(0, 2)}${wholeNumber(0, 8)}`;
  const name = 'only';
  const local = bytesOf(
    'PK\x03\x04',
    wholeNumber(45, 2),
    fixed,
    full,
    full,
    wholeNumber(4, 2),
    wholeNumber(20, 2),
    name,
    wholeNumber(1, 2),
    wholeNumber(16, 2),
    wholeNumber(4, 8),
    wholeNumber(4, 8),
    'data',
  );
  const extra = `${wholeNumber(0x7075, 2)}${wholeNumber(1, 2)}x${wholeNumber(1, 2)}${wholeNumber(24, 2)}${wholeNumber(4, 8)}${wholeNumber(4, 8)}${wholeNumber(0, 8)}`;
  const entry = bytesOf(
    'PK\x01\x02',
    wholeNumber(45, 2),
    wholeNumber(45, 2),
    fixed,
    full,
    full,
    wholeNumber(4, 2),
    wholeNumber(extra.length, 2),
    '\0'.repeat(10),
    full,
    name,
    extra,
  );
  const end64 = bytesOf(
    'PK\x06\x06',
    wholeNumber(44, 8),
    '\0'.repeat(12),
    wholeNumber(1, 8),
    wholeNumber(1, 8),
    wholeNumber(entry.length, 8),
    wholeNumber(local.length, 8),
  );
  const locator = bytesOf('PK\x06\x07', '\0'.repeat(4), wholeNumber(local.length + entry.length, 8), wholeNumber(1, 4));
  const end = bytesOf('PK\x05\x06', '\0'.repeat(4), '\xff'.repeat(4), full, full, '\0\0');
  return bytesOf(local, entry, end64, locator, end);
}

it('reads 64-bit sizes', async () => {
  expect(await contentsOf(zip64())).toEqual({ only: 'data' });
});

it('a compressed file is refused', async () => {
  await expect(contentsOf(zip(FILES, { method: 8 }))).rejects.toThrow(/packed anew, with compression/);
});

it.each([
  ['no end', () => zip(FILES).slice(0, -5), /begins as a zip archive and has no end/],
  ['a list elsewhere', () => replaced(zip(FILES), 'PK\x01\x02', 'PK\x01\x07'), /its list of files is broken/],
  ['a file elsewhere', () => replaced(zip(FILES), 'PK\x03\x04', 'PK\x03\x07'), /is not where it should be/],
  ['two files of one name', () => replaced(replaced(zip(FILES), 'a/two', 'a/one'), 'a/two', 'a/one'), /have the same name/],
  ['a list beyond the end', () => zip(FILES).slice(40), /its list of files is broken|cut off/],
])('%s is damage', async (_, bytes, message) => {
  await expect(contentsOf(bytes())).rejects.toThrow(message);
});

/** Replaces the first occurrence of some bytes by as many others. */
function replaced(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const text = String.fromCharCode(...bytes);
  return bytesOf(text.replace(from, to));
}
