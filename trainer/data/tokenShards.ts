import { closeSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { asUserError } from '../checkpoint/atomicFile.ts';
import type { TokenCorpus } from './tokenCorpus.ts';

/** Tokens of a file: 64 MiB of 16-bit ids. All but the last have as many. */
export const SHARD_TOKENS = 2 ** 25;

/** Tokens that are held in memory where files are read from end to end. */
const BLOCK = 2 ** 20;

/** A file of token ids. */
export interface Shard {
  readonly file: string;
  readonly tokens: number;
  /** CRC-32 of the file. */
  readonly checksum: number;
}

type Ids = Uint16Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Writes token ids to a row of files, as they come. */
export class ShardWriter {
  readonly #folder: string;
  readonly #name: string;
  readonly #shardTokens: number;
  readonly #shards: Shard[] = [];
  #open: { readonly file: string; readonly handle: FileHandle; tokens: number; checksum: number } | undefined;

  /** @param name what the files' names begin with */
  constructor(folder: string, name: string, shardTokens = SHARD_TOKENS) {
    this.#folder = folder;
    this.#name = name;
    this.#shardTokens = shardTokens;
  }

  async append(ids: Ids): Promise<void> {
    for (let start = 0; start < ids.length;) {
      const shard = (this.#open ??= await this.#begin());
      const part = ids.subarray(start, start + this.#shardTokens - shard.tokens);
      await shard.handle.appendFile(part).catch((error: unknown) => {
        throw asUserError(join(this.#folder, shard.file), error);
      });
      shard.checksum = crc32(part, shard.checksum);
      shard.tokens += part.length;
      start += part.length;
      if (shard.tokens === this.#shardTokens) await this.close();
    }
  }

  /** Ends the file that is being written. Gives all files so far. */
  async close(): Promise<readonly Shard[]> {
    if (this.#open !== undefined) {
      const { file, handle, tokens, checksum } = this.#open;
      this.#open = undefined;
      await handle.close();
      this.#shards.push({ file, tokens, checksum });
    }
    return this.#shards;
  }

  async #begin() {
    const file = `${this.#name}-${String(this.#shards.length).padStart(5, '0')}.bin`;
    return { file, handle: await open(join(this.#folder, file), 'w'), tokens: 0, checksum: 0 };
  }
}

/** Puts shards of 32-bit ids through a table of new ids, which 16 bits may hold. Each is removed when it is done with. */
export async function convertShards(
  folder: string,
  shards: readonly Shard[],
  table: Int32Array,
  { writer, sixteenBits }: { readonly writer: ShardWriter; readonly sixteenBits: boolean },
): Promise<readonly Shard[]> {
  for (const { file, tokens } of shards) {
    for await (const ids of blocksOf(join(folder, file), tokens)) {
      const converted = sixteenBits ? new Uint16Array(ids.length) : new Int32Array(ids.length);
      for (let index = 0; index < ids.length; index++) converted[index] = table[ids[index] ?? 0] ?? 0;
      await writer.append(converted);
    }
    await rm(join(folder, file));
  }
  return writer.close();
}

async function* blocksOf(path: string, tokens: number): AsyncGenerator<Int32Array> {
  const handle = await open(path);
  try {
    for (let start = 0; start < tokens; start += BLOCK) {
      const ids = new Int32Array(Math.min(BLOCK, tokens - start));
      const bytes = new Uint8Array(ids.buffer);
      for (let filled = 0; filled < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled);
        if (bytesRead === 0) throw endsEarly(path);
        filled += bytesRead;
      }
      yield ids;
    }
  } finally {
    await handle.close();
  }
}

export interface ShardedCorpusOptions {
  readonly files: readonly string[];
  readonly offsets: Float64Array;
  readonly bytesPerToken: 2 | 4;
  readonly shardTokens?: number;
}

/** A corpus in files, of which only what is asked for is read. The files are open until {@link ShardedCorpus.close}. */
export class ShardedCorpus implements TokenCorpus {
  readonly offsets: Float64Array;
  readonly #paths: readonly string[];
  readonly #files: number[] = [];
  readonly #bytesPerToken: 2 | 4;
  readonly #shardTokens: number;
  /** Where 16-bit ids are put before they are widened. */
  #narrow = new Uint16Array(0);

  constructor({ files, offsets, bytesPerToken, shardTokens = SHARD_TOKENS }: ShardedCorpusOptions) {
    this.offsets = offsets;
    this.#paths = files;
    this.#bytesPerToken = bytesPerToken;
    this.#shardTokens = shardTokens;
    try {
      for (const file of files) this.#files.push(openSync(file, 'r'));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  read(start: number, into: Int32Array): void {
    for (let done = 0; done < into.length;) {
      const shard = Math.floor((start + done) / this.#shardTokens);
      const within = (start + done) % this.#shardTokens;
      const count = Math.min(into.length - done, this.#shardTokens - within);
      this.#readShard(shard, within, into.subarray(done, done + count));
      done += count;
    }
  }

  #readShard(shard: number, start: number, into: Int32Array): void {
    if (this.#bytesPerToken === 4) return this.#readBytes(shard, 4 * start, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
    if (this.#narrow.length < into.length) this.#narrow = new Uint16Array(into.length);
    const narrow = this.#narrow.subarray(0, into.length);
    this.#readBytes(shard, 2 * start, new Uint8Array(narrow.buffer, 0, narrow.byteLength));
    into.set(narrow);
  }

  #readBytes(shard: number, start: number, into: Uint8Array): void {
    const [file, path] = [this.#files[shard], this.#paths[shard]];
    if (file === undefined || path === undefined)
      throw new RangeError(`There are ${this.#files.length} files of tokens, and number ${shard} was asked for.`);
    for (let filled = 0; filled < into.length;) {
      const bytes = readSync(file, into, filled, into.length - filled, start + filled);
      if (bytes === 0) throw endsEarly(path);
      filled += bytes;
    }
  }

  /** Closes the files; nothing can be read afterwards. */
  close(): void {
    for (const file of this.#files.splice(0)) closeSync(file);
  }
}

function endsEarly(path: string): Error {
  return new Error(`${path} ends too early: something else has changed it. Begin again with --resume, which tokenizes the text anew.`);
}
