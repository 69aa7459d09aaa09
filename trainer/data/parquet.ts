import { type FileHandle, open } from 'node:fs/promises';
import { TextDecoder } from 'node:util';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';

import { type Compressors, type FileMetaData, parquetMetadataAsync, parquetScan, type ParquetScan, parquetSchema } from 'hyparquet';

import { UserError } from '../../text/errors.ts';
import { chooseColumns, documentOf } from './columns.ts';
import type { LabelledDocument, ReadOptions } from './document.ts';
import { fileError, withoutCompression } from './source.ts';
import { withJoinedLabels } from './targetColumn.ts';

/** Bytes of text that are decoded at a time. */
const SLICE_BYTES = 2 ** 22;

/** Ways of compression besides Snappy and none, which hyparquet has itself. */
const COMPRESSORS = {
  GZIP: decompressor(gunzipSync),
  BROTLI: decompressor(brotliDecompressSync),
  ZSTD: decompressor(zstdDecompressSync),
} satisfies Compressors;

const READABLE: readonly string[] = ['UNCOMPRESSED', 'SNAPPY', ...Object.keys(COMPRESSORS)];

/** The columns that pandas adds to keep a data frame's row numbers. */
const ROW_NUMBERS = /^__index_level_\d+__$/;

/**
 * Documents of a Parquet file: texts are strings; labels strings, numbers, truth values or lists of these. Of a file of any size, the
 * compressed columns of one row group and a few megabytes of text are in memory at a time.
 *
 * @throws UserError naming row and column for what is missing or of another kind, and for a file that is damaged or compressed in a way
 *   that cannot be read
 */
export async function* readParquet(path: string, options: ReadOptions): AsyncGenerator<LabelledDocument> {
  if (withoutCompression(path) !== path)
    throw new UserError(`${path} is compressed twice: Parquet is compressed inside. Unpack it and name the .parquet file.`);
  const file = await ParquetFile.open(path);
  try {
    const metadata = await unlessDamaged(path, parquetMetadataAsync(file));
    const { children } = await unlessDamaged(path, () => parquetSchema(metadata));
    const found = children.map(({ element }) => element.name).filter((name) => !ROW_NUMBERS.test(name));
    const columns = chooseColumns(found, withJoinedLabels(options), path);
    const names = [...columns.text, ...(columns.target && found.includes(columns.target.name) ? [columns.target.name] : [])];
    refuseCompression(metadata, names, path);
    const nested = new Set(children.filter((child) => child.children.length > 0).map(({ element }) => element.name));
    const scan = await unlessDamaged(
      path,
      parquetScan({ file, metadata, columns: names, compressors: COMPRESSORS, parsers: { stringFromBytes } }),
    );
    const rows = scan.ranges.reduce((sum, { rowStart, rowEnd }) => sum + rowEnd - rowStart, 0);
    if (rows !== Number(metadata.num_rows)) throw damaged(path, `it says to hold ${metadata.num_rows} rows, and holds ${rows}`);
    const sliceRows = rowsIn(SLICE_BYTES, metadata, names);
    for await (const record of recordsOf(scan, file, { path, names, nested, sliceRows })) yield documentOf(record, columns);
  } finally {
    await file.close();
  }
}

interface Reading {
  readonly path: string;
  readonly names: readonly string[];
  /** Columns of lists or structures, of which hyparquet can only decode a whole row group: done once, not for each slice of it. */
  readonly nested: ReadonlySet<string>;
  readonly sliceRows: number;
}

async function* recordsOf(scan: ParquetScan, file: ParquetFile, { path, names, nested, sliceRows }: Reading) {
  for (const group of scan.ranges) {
    file.forget();
    for (let rowStart = group.rowStart; rowStart < group.rowEnd; rowStart += sliceRows) {
      const slice = { rowStart, rowEnd: Math.min(rowStart + sliceRows, group.rowEnd) };
      const columns = await unlessDamaged(path, Promise.all(names.map((column) => readColumn(column, nested.has(column) ? group : slice))));
      for (let row = rowStart; row < slice.rowEnd; row++) {
        yield {
          values: Object.fromEntries(columns.map((column, index) => [names[index] ?? '', column(row)])),
          origin: `${path}, row ${row + 1}`,
        };
      }
    }
  }

  async function readColumn(column: string, range: { readonly rowStart: number; readonly rowEnd: number }) {
    const values = await scan.readColumn({ column, rowStart: range.rowStart, rowEnd: range.rowEnd });
    if (values.length !== range.rowEnd - range.rowStart) throw new Error(`column "${column}" has too few values`);
    return (row: number): unknown => values[row - range.rowStart] ?? null;
  }
}

/** How many rows have so many bytes in these columns, on average. */
function rowsIn(bytes: number, { row_groups: groups }: FileMetaData, names: readonly string[]): number {
  const chunks = groups.flatMap(({ columns }) => columns.filter(({ meta_data: chunk }) => names.includes(chunk?.path_in_schema[0] ?? '')));
  const size = chunks.reduce((sum, { meta_data: chunk }) => sum + Number(chunk?.total_uncompressed_size ?? 0), 0);
  const rows = groups.reduce((sum, { num_rows: count }) => sum + Number(count), 0);
  return Math.max(1, Math.ceil((bytes * rows) / Math.max(1, size)));
}

function refuseCompression({ row_groups: groups }: FileMetaData, names: readonly string[], path: string): void {
  for (const { meta_data: chunk } of groups.flatMap(({ columns }) => columns)) {
    const name = chunk?.path_in_schema[0] ?? '';
    if (chunk === undefined || !names.includes(name) || READABLE.includes(chunk.codec)) continue;
    throw new UserError(
      `${path}: column "${name}" is compressed with ${chunk.codec}, which cannot be read. ` +
        'Write the file with Snappy, zstd, gzip, Brotli or no compression, for example in Python: frame.to_parquet(path, compression="zstd").',
    );
  }
}

function decompressor(
  decompress: (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array,
): (input: Uint8Array, length: number) => Uint8Array {
  return (input, length) => (length === 0 ? new Uint8Array(0) : decompress(input, { maxOutputLength: length }));
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const stringFromBytes = (bytes: Uint8Array | undefined): string | undefined => bytes && decoder.decode(bytes);

/** Waits for what hyparquet reads. Whatever it throws, the file is to blame. */
async function unlessDamaged<Value>(path: string, value: Promise<Value> | (() => Value)): Promise<Value> {
  try {
    return await (typeof value === 'function' ? value() : value);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw damaged(path, error instanceof Error ? error.message : String(error));
  }
}

function damaged(path: string, reason: string): UserError {
  return new UserError(`${path} is not Parquet data, or damaged (${reason}). Copy or download it again, or give it the ending that fits.`);
}

/** A file as hyparquet wants it: read from any place. What was read is kept for as long as a row group is worked on. */
class ParquetFile {
  readonly byteLength: number;
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #kept = new Map<string, Promise<ArrayBuffer>>();

  private constructor(file: FileHandle, byteLength: number, path: string) {
    this.#file = file;
    this.byteLength = byteLength;
    this.#path = path;
  }

  static async open(path: string): Promise<ParquetFile> {
    try {
      const file = await open(path);
      return new ParquetFile(file, (await file.stat()).size, path);
    } catch (error) {
      throw fileError(error, path);
    }
  }

  // Not async: the very promise that is kept is returned, whose failure may reach nobody, because hyparquet asks for bytes before it wants them.
  slice(start: number, end = this.byteLength): Promise<ArrayBuffer> {
    const key = `${start} ${end}`;
    let bytes = this.#kept.get(key);
    if (bytes === undefined) {
      this.#kept.set(key, (bytes = this.#read(start, end)));
      bytes.catch(() => {});
    }
    return bytes;
  }

  async #read(start: number, end: number): Promise<ArrayBuffer> {
    if (!(start >= 0 && start <= end && end <= this.byteLength)) throw new Error('it points outside of the file');
    const bytes = new Uint8Array(end - start);
    for (let length = 0; length < bytes.length;) {
      const { bytesRead } = await this.#file.read(bytes, length, bytes.length - length, start + length).catch((error: unknown) => {
        throw fileError(error, this.#path);
      });
      if (bytesRead === 0) throw new Error('it became shorter while it was read');
      length += bytesRead;
    }
    return bytes.buffer;
  }

  /** Lets go of what was read. */
  forget(): void {
    this.#kept.clear();
  }

  async close(): Promise<void> {
    this.forget();
    await this.#file.close();
  }
}
