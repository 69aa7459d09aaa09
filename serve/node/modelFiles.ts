/** The files of a bundle's folder, for those who may have a copy of the model. */
import { createReadStream } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ReadableStream as WebStream } from 'node:stream/web';

import { BUNDLE_FILE, checkedFiles, sha256Hex, type Bundle } from '../../export/bundle.ts';
import { HttpError } from '../errors.ts';
import type { ModelFile, ModelFiles } from '../modelFiles.ts';

/**
 * What the answers of a bundle need: its description, graphs, weights and vocabularies. Not the texts of its parity documents, which may be
 * nobody's business.
 *
 * @param folder of the bundle, whose checksums have been verified
 */
export async function bundleFiles(folder: string, bundle: Bundle): Promise<ModelFiles> {
  // Where a link leads now: it may lead to the next version later.
  const root = await realpath(folder);
  const describe = async (name: string): Promise<ModelFile> => ({
    name,
    bytes: (await stat(join(root, name))).size,
    // The checksum that bundle.json has of itself is one of its content, not of its bytes.
    sha256: name === BUNDLE_FILE ? await sha256Hex(await readFile(join(root, name))) : (bundle.checksums[name] ?? ''),
  });
  return filesIn(root, await Promise.all(checkedFiles(bundle).map(describe)));
}

/**
 * Files of one folder.
 *
 * @param list names, bytes and checksums, among them those of bundle.json: by it one sees whether the folder is still the same
 */
export function filesIn(folder: string, list: readonly ModelFile[]): ModelFiles {
  const wanted = list.find(({ name }) => name === BUNDLE_FILE)?.sha256;
  return {
    list,
    async open(name) {
      const description = await readFile(join(folder, BUNDLE_FILE)).catch(() => undefined);
      if (description === undefined || (await sha256Hex(description)) !== wanted) {
        throw new HttpError(
          404,
          'not_found',
          'The files of this version are no longer where the server read them. Ask for the present version.',
        );
      }
      return fileStream(join(folder, name));
    },
  };
}

/** A file as it is read. It is opened when somebody reads, and closed when that is done or given up. */
export function fileStream(path: string): ReadableStream<Uint8Array> {
  return WebStream.from(piecesOf(path)) as ReadableStream<Uint8Array>;
}

/** Bytes that are read at a time. More than Node's own 64 kB: these files have megabytes. */
const READ_BYTES = 512 * 1024;

async function* piecesOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* createReadStream(path, { highWaterMark: READ_BYTES }) as AsyncIterable<Uint8Array>;
}
