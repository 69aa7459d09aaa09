import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { extname, relative } from 'node:path';

import { UserError } from '../../text/errors.ts';
import { articlesOf } from './articles.ts';
import { STANDARD_INPUT } from './document.ts';
import { walkFiles } from './labelFolders.ts';
import { splitLines } from './lines.ts';
import { PARQUET_EXTENSION, readDocuments, RECORD_EXTENSIONS } from './readers.ts';
import { COMPRESSED_EXTENSIONS, kindOf, openBytes, standardInput, withoutCompression } from './source.ts';
import { decodeUtf8 } from './utf8.ts';

/** Endings of plain text: the corpora called WikiText use `.tokens` and `.raw`, and many a corpus has none, such as text8. */
const TEXT_EXTENSIONS: readonly string[] = ['.txt', '.text', '.tokens', '.raw', ''];

export interface CorpusOptions {
  /** Text columns of tables and JSON Lines. Default: as in readDocuments. */
  readonly text?: readonly string[] | undefined;
  /** Begin a new document at each title line in WikiText's form, ` = Title = `. Default: true. */
  readonly splitArticles?: boolean | undefined;
  /** Called now and then with the bytes of files that have been read since the last call: in the end, those of {@link corpusFiles}. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Reads the text that a language model learns from, document by document, whatever the size.
 *
 * - `.txt`, `.text`, `.tokens`, `.raw` or no ending: plain text, one document a file; a file of articles in WikiText's form is one document an
 *   article. Text that goes on for more than about a million characters is cut at a blank line.
 * - `.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.parquet`: one document a record; labels are not looked at
 * - a folder: all such files in it, at any depth, in the order of their names; hidden files are left out
 * - `-`: plain text from standard input
 *
 * Files but Parquet may end in `.gz`, `.br` or `.zst` besides.
 *
 * @returns the fields of each document: one, unless several text columns are named
 * @throws UserError naming file, line and column, for whatever cannot be read, and where there is no text at all
 */
export async function* readCorpusFields(path: string, options: CorpusOptions = {}): AsyncGenerator<readonly string[]> {
  let count = 0;
  for await (const fields of readAny(path, options)) {
    count++;
    yield fields;
  }
  if (count === 0) throw new UserError(`${path === '-' ? STANDARD_INPUT : path} holds no text. Name a file or a folder with text in it.`);
}

/**
 * {@link readCorpusFields} with the fields of a document joined by line breaks.
 *
 * @example
 * for await (const article of readCorpus('wiki.train.tokens')) console.log(article.length);
 */
export async function* readCorpus(path: string, options: CorpusOptions = {}): AsyncGenerator<string> {
  for await (const fields of readCorpusFields(path, options)) yield fields.join('\n');
}

/** The files of a corpus, whatever is in them. */
export interface CorpusFiles {
  /** Of all files together, as they lie there, compressed or not. */
  readonly bytes: number;
  /** Changes when a file changes, comes or goes: a digest of names, sizes and times of change. */
  readonly state: string;
}

/**
 * Looks at the files that {@link readCorpusFields} would read.
 *
 * @returns undefined for a pipe or standard input, which can be read once and have no size
 * @throws UserError where there is nothing at the path
 */
export async function corpusFiles(path: string): Promise<CorpusFiles | undefined> {
  if (path === '-') return undefined;
  const kind = await kindOf(path);
  if (kind === 'stream') return undefined;
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const file of kind === 'file' ? [path] : walkFiles(path)) {
    const { size, mtimeMs } = await stat(file);
    digest.update(`${JSON.stringify([relative(path, file), size, mtimeMs])}\n`);
    bytes += size;
  }
  return { bytes, state: digest.digest('hex') };
}

async function* readAny(path: string, options: CorpusOptions): AsyncGenerator<readonly string[]> {
  if (path === '-') return yield* readPlain(standardInput(), STANDARD_INPUT, options);
  const kind = await kindOf(path);
  if (kind === 'stream') return yield* readPlain(openBytes(path), path, options);
  if (kind === 'file') return yield* readFile(path, options);
  for await (const file of walkFiles(path)) yield* readFile(file, options);
}

async function* readFile(path: string, options: CorpusOptions): AsyncGenerator<readonly string[]> {
  const extension = extname(withoutCompression(path)).toLowerCase();
  if (TEXT_EXTENSIONS.includes(extension)) return yield* readPlain(openBytes(path, options.onBytes), path, options);
  if (extension !== PARQUET_EXTENSION && !RECORD_EXTENSIONS.includes(extension)) {
    const known = [...TEXT_EXTENSIONS, ...RECORD_EXTENSIONS].filter(Boolean).join(', ');
    throw new UserError(
      `${path} is not a text file by its name. Read are ${known} (each also with ${COMPRESSED_EXTENSIONS.join(', ')}) and ${PARQUET_EXTENSION}: rename it or take it out of the folder.`,
    );
  }
  for await (const { fields } of readDocuments(path, { text: options.text, onBytes: options.onBytes, labels: 'ignored' })) yield fields;
  if (extension === PARQUET_EXTENSION) options.onBytes?.((await stat(path)).size); // It is read in an order of its own.
}

async function* readPlain(bytes: AsyncIterable<Uint8Array>, name: string, options: CorpusOptions): AsyncGenerator<readonly string[]> {
  const lines = splitLines(decodeUtf8(bytes, name), name);
  for await (const text of articlesOf(lines, { splitArticles: options.splitArticles ?? true })) yield [text];
}
