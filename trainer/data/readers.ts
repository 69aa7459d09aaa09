import { extname } from 'node:path';

import { UserError } from '../../text/errors.ts';
import { readDelimited } from './delimited.ts';
import { isBlank, type LabelledDocument, type ReadOptions, STANDARD_INPUT } from './document.ts';
import { readJsonLines } from './jsonLines.ts';
import { readLabelFolders } from './labelFolders.ts';
import { type Line, splitLines } from './lines.ts';
import { COMPRESSED_EXTENSIONS, kindOf, openBytes, standardInput, withoutCompression } from './source.ts';
import { decodeUtf8 } from './utf8.ts';

type Reader = (chunks: AsyncIterable<string>, name: string, options: ReadOptions) => AsyncIterable<LabelledDocument>;

const READERS: Readonly<Record<string, Reader>> = {
  '.csv': (chunks, name, options) => readDelimited(chunks, ',', name, options),
  '.tsv': (chunks, name, options) => readDelimited(chunks, '\t', name, options),
  '.jsonl': (chunks, name, options) => readJsonLines(splitLines(chunks, name), name, options),
  '.ndjson': (chunks, name, options) => readJsonLines(splitLines(chunks, name), name, options),
  '.txt': (chunks, name, options) => readPlainLines(splitLines(chunks, name), name, options),
};

/** Parquet is read in an order of its own, not from its beginning to its end, and is compressed inside. */
export const PARQUET_EXTENSION = '.parquet';

/** Endings of the files that hold records with named columns, and may be compressed. */
export const RECORD_EXTENSIONS: readonly string[] = Object.keys(READERS).filter((extension) => extension !== '.txt');

/**
 * Reads documents one by one, whatever the file's size. The form follows from the name:
 *
 * - `.csv`, `.tsv`: a table whose first row names the columns
 * - `.jsonl`, `.ndjson`: one JSON object a line
 * - `.parquet`: a table of columns
 * - `.txt`: one document a line, without labels
 * - a folder: one folder a label, one file a document
 * - `-`: standard input, JSON Lines where its first character is `{`, otherwise one document a line
 *
 * Files but Parquet may end in `.gz`, `.br` or `.zst` besides. Text is UTF-8; a byte order mark and CRLF line breaks do no harm.
 *
 * @throws UserError naming file, line and column, for whatever cannot be read, and where there is no document at all
 * @example
 * for await (const { fields, label, origin } of readDocuments('articles.csv.gz', { text: ['title', 'body'] })) {
 *   console.log(`${origin}: ${label}, ${fields.join(' | ')}`);
 * }
 */
export async function* readDocuments(path: string, options: ReadOptions = {}): AsyncGenerator<LabelledDocument> {
  let count = 0;
  for await (const document of await openDocuments(path, options)) {
    count++;
    yield document;
  }
  if (count === 0)
    throw new UserError(`${path === '-' ? STANDARD_INPUT : path} holds no documents: it is empty, or has nothing after the header.`);
}

async function openDocuments(path: string, options: ReadOptions): Promise<AsyncIterable<LabelledDocument>> {
  if (path === '-') return readStream(standardInput(), STANDARD_INPUT, options);
  const kind = await kindOf(path);
  if (kind === 'folder') return readLabelFolders(path, options);
  if (kind === 'stream') return readStream(openBytes(path), path, options);
  const extension = extname(withoutCompression(path)).toLowerCase();
  if (extension === PARQUET_EXTENSION) return readParquetFile(path, options);
  const reader = READERS[extension];
  if (!reader) throw unknownForm(path, extension);
  return reader(decodeUtf8(openBytes(path, options.onBytes), path), path, options);
}

/** Few runs need the reader of Parquet, so it is loaded when one does. */
async function* readParquetFile(path: string, options: ReadOptions): AsyncGenerator<LabelledDocument> {
  const { readParquet } = await import('./parquet.ts');
  yield* readParquet(path, options);
}

function unknownForm(path: string, extension: string): UserError {
  const known = `Read are ${Object.keys(READERS).join(', ')} (each also with ${COMPRESSED_EXTENSIONS.join(', ')}), ${PARQUET_EXTENSION} and folders named by label.`;
  const cure =
    extension === '.json'
      ? ' Write JSON as one object a line, in a file that ends in .jsonl.'
      : ' Convert the file, or give it the ending that fits.';
  const what = extension === '' ? 'has no ending that tells its form' : `has the ending ${extension}, which is not one that can be read`;
  return new UserError(`${path} ${what}. ${known}${cure}`);
}

/** A stream has no name that tells its form, so its first character does. */
async function* readStream(bytes: AsyncIterable<Uint8Array>, name: string, options: ReadOptions): AsyncGenerator<LabelledDocument> {
  const lines = splitLines(decodeUtf8(bytes, name), name);
  const skipped = await skipBlank(lines);
  if (skipped === undefined) return;
  const all = startingWith(skipped, lines);
  yield* skipped.text.trimStart().startsWith('{') ? readJsonLines(all, name, options) : readPlainLines(all, name, options);
}

async function skipBlank(lines: AsyncGenerator<Line>): Promise<Line | undefined> {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    if (!isBlank(line.value.text)) return line.value;
  }
  return undefined;
}

async function* startingWith(first: Line, rest: AsyncIterable<Line>): AsyncGenerator<Line> {
  yield first;
  yield* rest;
}

/** One document a line; blank lines are skipped. */
async function* readPlainLines(lines: AsyncIterable<Line>, name: string, options: ReadOptions): AsyncGenerator<LabelledDocument> {
  if ((options.labels ?? 'required') === 'required') {
    throw new UserError(`${name} holds plain text, which has no labels. Give a table, JSON Lines or a folder of folders named by label.`);
  }
  for await (const { text, number } of lines) {
    if (!isBlank(text)) yield { fields: [text], label: undefined, origin: `${name}:${number}` };
  }
}
