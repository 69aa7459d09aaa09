import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../../text/errors.ts';

/** One read call takes at most 2 GiB. */
const LARGEST_READ = 2 ** 30;

/** A file that is read piece by piece. */
export class FileSlices {
  readonly path: string;
  /** Bytes */
  readonly size: number;
  readonly #handle: FileHandle;

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  /** @throws UserError where there is no such file, or it may not be read */
  static async open(path: string): Promise<FileSlices> {
    try {
      const handle = await open(path, 'r');
      const status = await handle.stat();
      if (status.isFile()) return new FileSlices(path, status.size, handle);
      await handle.close();
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      const reason = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : code;
      throw new UserError(`Cannot read ${path}: ${reason}. Check the path.`, { cause: error });
    }
    throw new UserError(`Cannot read ${path}: it is not a file.`);
  }

  /**
   * Some bytes, in memory of their own, so that an array of numbers over them is aligned.
   *
   * @throws UserError where the file ends before
   */
  async read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (!(position >= 0 && length >= 0 && position + length <= this.size)) {
      throw new UserError(`${this.path} is cut off: it has ${this.size} bytes and needs ${position + length}. Copy or download it again.`);
    }
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(bytes, filled, Math.min(LARGEST_READ, length - filled), position + filled);
      if (bytesRead === 0) throw new UserError(`${this.path} became shorter while it was read, at byte ${position + filled}.`);
      filled += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** The SHA-256 of a file's bytes, in hexadecimal digits. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest('hex');
}
