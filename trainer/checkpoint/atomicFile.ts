import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../text/errors.ts';

/**
 * Writes a file so that its name holds either the old content or the whole new content, also after a power cut:
 * a temporary file beside it, fsync, rename, fsync of the folder.
 *
 * @param path the file to make or to replace
 * @param chunks the content, in order
 * @throws UserError when the folder is missing, not writable or full
 * @example
 * await writeFileAtomically('model/README.md', [Buffer.from('# Model\n')]);
 */
export async function writeFileAtomically(path: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx');
    try {
      for await (const chunk of chunks) await writeAll(handle, chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw asUserError(path, error);
  }
}

/** One write call may take less than it was given, and Linux takes at most 2 GiB of it. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  const largestWrite = 2 ** 30;
  let written = 0;
  while (written < bytes.byteLength) {
    const length = Math.min(largestWrite, bytes.byteLength - written);
    written += (await handle.write(bytes, written, length)).bytesWritten;
  }
}

/** Makes a rename inside a folder last through a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const CURES: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist; make it first',
  ENOTDIR: 'a part of its path is a file, not a folder; choose another path',
  EISDIR: 'it is a folder; choose a file name',
  EACCES: 'permission denied; choose a folder you may write to',
  EPERM: 'permission denied; choose a folder you may write to',
  EROFS: 'the file system is read-only; choose another folder',
  ENOSPC: 'the disk is full; free some space and try again',
};

/** Turns what the file system threw while `path` was written into a sentence with a cure; anything unusual is returned as it is. */
export function asUserError(path: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const cure = CURES[code];
  return cure === undefined ? error : new UserError(`Cannot write ${path}: ${cure}.`, { cause: error });
}
