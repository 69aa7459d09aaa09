import { randomBytes } from 'node:crypto';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';

import { expect, onTestFinished, test } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { kindOf, openBytes, withoutCompression } from './source.ts';

const COMPRESS = { gz: gzipSync, br: brotliCompressSync, zst: zstdCompressSync };
const FORMS = { gz: 'gzip', br: 'Brotli', zst: 'Zstandard' };
const extensions = Object.keys(COMPRESS) as (keyof typeof COMPRESS)[];

async function readAll(path: string): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(openBytes(path)));
}

test('reads plain files', async () => {
  const folder = await temporaryFolder({ 'a.txt': 'text' });
  expect((await readAll(join(folder, 'a.txt'))).toString()).toBe('text');
});

test.each(extensions)('decompresses .%s', async (extension) => {
  const bytes = randomBytes(300_000);
  const folder = await temporaryFolder({
    [`a.txt.${extension}`]: COMPRESS[extension](bytes),
    [`B.TXT.${extension.toUpperCase()}`]: COMPRESS[extension](bytes),
  });
  expect((await readAll(join(folder, `a.txt.${extension}`))).equals(bytes)).toBe(true);
  expect((await readAll(join(folder, `B.TXT.${extension.toUpperCase()}`))).equals(bytes)).toBe(true);
});

test.each(extensions)('says that a .%s file is incomplete', async (extension) => {
  const whole = COMPRESS[extension](randomBytes(1000));
  const folder = await temporaryFolder({ [`a.${extension}`]: whole.subarray(0, -20), [`none.${extension}`]: '' });
  const path = join(folder, `a.${extension}`);
  const none = join(folder, `none.${extension}`);
  await expect(readAll(path)).rejects.toThrow(
    `${path} ends in the middle of its ${FORMS[extension]} data. Copy or download it again; it is incomplete.`,
  );
  await expect(readAll(none)).rejects.toThrow(`${none} ends in the middle of its ${FORMS[extension]} data`);
});

test.each(extensions)('says that a .%s file is not what its name says', async (extension) => {
  const folder = await temporaryFolder({ [`a.${extension}`]: 'This is plain text, whatever the name.' });
  const path = join(folder, `a.${extension}`);
  await expect(readAll(path)).rejects.toThrow(
    new RegExp(`^${path} is not ${FORMS[extension]} data \\(.+\\)\\. Give the file the ending that fits`),
  );
});

test('stops reading when the reader stops', async () => {
  const folder = await temporaryFolder({ 'a.gz': gzipSync(randomBytes(2_000_000)) });
  for await (const bytes of openBytes(join(folder, 'a.gz'))) {
    expect(bytes.length).toBeGreaterThan(0);
    break;
  }
});

test('says that a file does not exist', async () => {
  const folder = await temporaryFolder({ file: '' });
  const path = join(folder, 'reviews.csv');
  const message = `${path} does not exist. Check the name; relative names start from ${process.cwd()}.`;
  await expect(kindOf(path)).rejects.toThrow(message);
  await expect(readAll(path)).rejects.toThrow(message);
  await expect(kindOf(join(folder, 'file', 'a.csv'))).rejects.toThrow('does not exist: a part of it that should be a folder is a file.');
});

test('says that a folder stands where a file is due', async () => {
  const folder = await temporaryFolder({ 'data.csv/a.txt': 'x' });
  const path = join(folder, 'data.csv');
  expect(await kindOf(path)).toBe('folder');
  await expect(readAll(path)).rejects.toThrow(`${path} is a folder, and a file is due. Name one of the files in it.`);
});

test('says that permission is denied', async () => {
  const folder = await temporaryFolder({ 'a.csv': 'text,label\n' });
  const path = join(folder, 'a.csv');
  const { chmod } = await import('node:fs/promises');
  await chmod(folder, 0o755);
  await chmod(path, 0o000);
  becomeOrdinaryUser();
  await expect(readAll(path)).rejects.toThrow(`${path} may not be read: permission denied. Make it readable, for example with chmod +r.`);
});

/** The administrator may read everything, so for the rest of a test we are nobody. */
function becomeOrdinaryUser(): void {
  if (process.getuid?.() !== 0) return;
  process.seteuid?.(65_534);
  onTestFinished(() => process.seteuid?.(0));
}

test('says that a link leads back to itself', async () => {
  const folder = await temporaryFolder();
  await symlink(join(folder, 'loop'), join(folder, 'loop'));
  await expect(kindOf(join(folder, 'loop'))).rejects.toThrow('is a symbolic link that leads back to itself. Name the file itself.');
});

test('knows the name under the compression', () => {
  expect(withoutCompression('a/reviews.csv.GZ')).toBe('a/reviews.csv');
  expect(withoutCompression('reviews.csv')).toBe('reviews.csv');
});
