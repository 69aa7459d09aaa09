import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createZstdDecompress } from 'node:zlib';

import { UserError } from '../../text/errors.ts';

/** The compressed forms that are read, by the file name's last ending. */
const DECOMPRESSORS: Readonly<Record<string, { readonly form: string; readonly create: () => Transform }>> = {
  '.gz': { form: 'gzip', create: createGunzip },
  '.br': { form: 'Brotli', create: createBrotliDecompress },
  '.zst': { form: 'Zstandard', create: createZstdDecompress },
};

export const COMPRESSED_EXTENSIONS = Object.keys(DECOMPRESSORS);

/** The name without a compressed form's ending: `reviews.csv.gz` is a `reviews.csv`. */
export function withoutCompression(path: string): string {
  const extension = compressionOf(path);
  return extension === undefined ? path : path.slice(0, -extension.length);
}

function compressionOf(path: string): string | undefined {
  return COMPRESSED_EXTENSIONS.find((extension) => path.toLowerCase().endsWith(extension));
}

/**
 * The bytes of a file as they come, decompressed where the name ends in .gz, .br or .zst. The file is never held as a whole.
 *
 * @param onBytes called with the bytes of the file itself that have been read since the last call
 * @throws UserError where the file cannot be opened, is a folder, or is not (or only partly) in the form that its name promises
 */
export async function* openBytes(path: string, onBytes: (bytes: number) => void = () => {}): AsyncGenerator<Uint8Array> {
  const extension = compressionOf(path);
  const decompressor = extension === undefined ? undefined : DECOMPRESSORS[extension];
  const file = createReadStream(path);
  try {
    // With a decompressor in the chain pipeline() closes the file when the reader stops early, and hands on its errors.
    const stream: AsyncIterable<Uint8Array> = decompressor ? pipeline(file, decompressor.create(), () => {}) : file;
    let told = 0;
    for await (const bytes of stream) {
      onBytes(file.bytesRead - told);
      told = file.bytesRead;
      yield bytes;
    }
    onBytes(file.bytesRead - told);
  } catch (error) {
    throw decompressor && !isSystemError(error) ? compressionError(error, path, decompressor.form) : fileError(error, path);
  }
}

/** Bytes of standard input. */
export function standardInput(): AsyncIterable<Uint8Array> {
  return process.stdin;
}

/** What stands at a path. Pipes and devices, such as a shell's `<(…)`, are read like standard input. */
export async function kindOf(path: string): Promise<'file' | 'folder' | 'stream'> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return 'folder';
    return found.isFile() ? 'file' : 'stream';
  } catch (error) {
    throw fileError(error, path);
  }
}

const CURES: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `${path} does not exist. Check the name; relative names start from ${process.cwd()}.`,
  ENOTDIR: (path) => `${path} does not exist: a part of it that should be a folder is a file.`,
  EACCES: (path) => `${path} may not be read: permission denied. Make it readable, for example with chmod +r.`,
  EPERM: (path) => `${path} may not be read: the operating system refused. Make it readable, for example with chmod +r.`,
  EISDIR: (path) => `${path} is a folder, and a file is due. Name one of the files in it.`,
  ELOOP: (path) => `${path} is a symbolic link that leads back to itself. Name the file itself.`,
  ENAMETOOLONG: (path) => `${path} is too long to be a file name.`,
};

/** Turns what the file system threw about `path` into a sentence with a cure; anything unusual is returned as it is. */
export function fileError(error: unknown, path: string): unknown {
  const cure = isSystemError(error) ? CURES[error.code] : undefined;
  return cure ? new UserError(cure(path)) : error;
}

function compressionError(error: unknown, path: string, form: string): unknown {
  if (error instanceof UserError || !(error instanceof Error)) return error;
  // zlib's name for "the input ended too early", whatever the form.
  const truncated = 'code' in error && error.code === 'Z_BUF_ERROR';
  return new UserError(
    truncated
      ? `${path} ends in the middle of its ${form} data. Copy or download it again; it is incomplete.`
      : `${path} is not ${form} data (${error.message}). Give the file the ending that fits its contents, or make it again.`,
  );
}

function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string';
}
