import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { UserError } from '../../text/errors.ts';
import { writeFileAtomically } from './atomicFile.ts';

describe('writeFileAtomically', () => {
  it('writes the chunks in order and leaves nothing else behind', async () => {
    const folder = await temporaryFolder();
    await writeFileAtomically(join(folder, 'a.bin'), [Buffer.from('one '), Buffer.alloc(0), Buffer.from('two')]);
    expect(await readFile(join(folder, 'a.bin'), 'utf8')).toBe('one two');
    expect(await readdir(folder)).toEqual(['a.bin']);
  });

  it('replaces a file', async () => {
    const folder = await temporaryFolder({ 'a.txt': 'a longer old text' });
    await writeFileAtomically(join(folder, 'a.txt'), [Buffer.from('new')]);
    expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('new');
  });

  it('keeps the old content when it fails half-way', async () => {
    const folder = await temporaryFolder({ 'a.txt': 'old' });
    const chunks = (function* () {
      yield Buffer.from('half of the new');
      throw new Error('out of luck');
    })();
    await expect(writeFileAtomically(join(folder, 'a.txt'), chunks)).rejects.toThrow('out of luck');
    expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['a.txt']);
  });

  it('says what to do when the folder is missing', async () => {
    const path = join(await temporaryFolder(), 'missing', 'a.txt');
    const writing = writeFileAtomically(path, []);
    await expect(writing).rejects.toThrow(UserError);
    await expect(writing).rejects.toThrow(`Cannot write ${path}: its folder does not exist; make it first.`);
  });

  it('says so when the name is a folder', async () => {
    const folder = await temporaryFolder({ 'model/weights.bin': '' });
    await expect(writeFileAtomically(join(folder, 'model'), [])).rejects.toThrow('it is a folder; choose a file name');
    expect(await readdir(folder)).toEqual(['model']);
  });
});
