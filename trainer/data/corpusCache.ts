import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { TOKENIZER_VERSION } from '../../text/tokenizer.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import type { EncodedCorpus, TokenStore } from './encodeCorpus.ts';
import { convertShards, type Shard, ShardedCorpus, SHARD_TOKENS, ShardWriter } from './tokenShards.ts';

/** A tokenized corpus in files. */
export interface CachedCorpus extends EncodedCorpus {
  /** What the files were made from is not what is there now, and the caller did not mind. */
  readonly isOutdated: boolean;
  /** Closes the files; nothing can be read from the corpus afterwards. */
  readonly close: () => void;
}

/** What a corpus is made from. */
export interface CacheKey {
  /** Names the text and every decision about it. */
  readonly settings: string;
  /** The state that the text is in; undefined where that cannot be told: a pipe, or a text that is gone. */
  readonly source: string | undefined;
  /** Take what was made from the text in any state: for whoever has begun to use it. */
  readonly anySource?: boolean | undefined;
}

/** corpus.json. The other files are vocabulary.json, offsets.bin (see TokenCorpus, 64-bit floats) and the shards of token ids. */
interface Description {
  readonly format: typeof FORMAT;
  readonly settings: string;
  readonly source: string | undefined;
  readonly tokens: number;
  readonly documents: number;
  readonly bytesPerToken: 2 | 4;
  readonly tokensPerShard: number;
  readonly shards: readonly Shard[];
  /** CRC-32 by file. */
  readonly checksums: Readonly<Record<string, number>>;
}

const FORMAT = 2;
const DESCRIPTION = 'corpus.json';
const OFFSETS = 'offsets.bin';
const VOCABULARY = 'vocabulary.json';

/** A corpus that has been made, its tokens still in a {@link ShardStore}. */
interface Made {
  readonly tokens: StoredShards;
  readonly offsets: Float64Array;
  readonly vocabulary: Vocabulary;
}

/**
 * Opens the tokenized corpus that a folder holds, or makes it there: whole or not at all. It is made anew where it was made from something
 * else or by another version of the tokenizer, or is damaged.
 *
 * @param make fills a store that lies in a folder of its own until all is done
 * @throws whatever `make` throws; then nothing is left behind
 */
export async function cachedCorpus(folder: string, key: CacheKey, make: (store: ShardStore) => Promise<Made>): Promise<CachedCorpus> {
  const found = await openCorpus(folder, key);
  if (found !== undefined) return found;
  await makeCorpus(folder, key, make);
  const made = await openCorpus(folder, { ...key, anySource: true });
  if (made === undefined) throw new Error(`The tokenized corpus in ${folder} cannot be read back. Is the disk sound?`);
  return { ...made, isOutdated: false };
}

async function openCorpus(folder: string, { settings, source, anySource = false }: CacheKey): Promise<CachedCorpus | undefined> {
  try {
    const description = JSON.parse(await readFile(join(folder, DESCRIPTION), 'utf8')) as Description;
    if (description.format !== FORMAT || description.settings !== withVersion(settings)) return undefined;
    const isOutdated = source === undefined || description.source !== source;
    if (isOutdated && !anySource) return undefined;
    if (!(await isSound(folder, description))) return undefined;
    const offsets = new Float64Array(new Uint8Array(await readFile(join(folder, OFFSETS))).buffer); // aligned
    const vocabulary = Vocabulary.fromTokens(JSON.parse(await readFile(join(folder, VOCABULARY), 'utf8')) as string[]);
    const corpus = new ShardedCorpus({
      files: description.shards.map(({ file }) => join(folder, file)),
      offsets,
      bytesPerToken: description.bytesPerToken,
      shardTokens: description.tokensPerShard,
    });
    return { corpus, vocabulary, isOutdated, close: () => corpus.close() };
  } catch {
    return undefined; // No corpus, or a damaged one: it is made again.
  }
}

/** Whether all files are as they were written. */
async function isSound(folder: string, { shards, checksums }: Description): Promise<boolean> {
  const all = [...Object.entries(checksums), ...shards.map(({ file, checksum }) => [file, checksum] as const)];
  for (const [file, checksum] of all) if ((await checksumOf(join(folder, file))) !== checksum) return false;
  return true;
}

async function checksumOf(path: string): Promise<number> {
  let checksum = 0;
  for await (const bytes of createReadStream(path, { highWaterMark: 2 ** 20 })) checksum = crc32(bytes as Uint8Array, checksum);
  return checksum;
}

async function makeCorpus(folder: string, { settings, source }: CacheKey, make: (store: ShardStore) => Promise<Made>): Promise<void> {
  await removeUnfinished(folder);
  const temporary = `${folder}.${process.pid}.tmp`;
  const firstMade = await mkdir(temporary, { recursive: true });
  const store = new ShardStore(temporary);
  try {
    const { tokens, offsets, vocabulary } = await make(store);
    const files = { [OFFSETS]: offsets, [VOCABULARY]: Buffer.from(JSON.stringify(vocabulary.tokens)) };
    for (const [file, bytes] of Object.entries(files)) await writeFile(join(temporary, file), bytes);
    const description: Description = {
      format: FORMAT,
      settings: withVersion(settings),
      source,
      tokens: offsets.at(-1) ?? 0,
      documents: offsets.length - 1,
      ...tokens,
      checksums: Object.fromEntries(Object.entries(files).map(([file, bytes]) => [file, crc32(bytes)])),
    };
    await writeFile(join(temporary, DESCRIPTION), `${JSON.stringify(description, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  } catch (error) {
    await store.close();
    await rm(temporary, { recursive: true, force: true });
    await removeEmpty(dirname(temporary), firstMade);
    throw error;
  }
}

const withVersion = (settings: string): string => `tokenizer ${TOKENIZER_VERSION} | ${settings}`;

/** What a killed run left half-written. */
async function removeUnfinished(folder: string): Promise<void> {
  const [above, name] = [dirname(folder), basename(folder)];
  for (const other of await readdir(above).catch((): string[] => [])) {
    if (other.startsWith(`${name}.`) && /\.\d+\.tmp$/.test(other)) await rm(join(above, other), { recursive: true, force: true });
  }
}

/** Removes folders from the innermost up to the first that was made, as long as they are empty. */
async function removeEmpty(innermost: string, firstMade: string | undefined): Promise<void> {
  if (firstMade === undefined) return;
  for (let folder = resolve(innermost); folder.startsWith(resolve(firstMade)); folder = dirname(folder)) {
    const removed = await rmdir(folder).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}

/** What a {@link ShardStore} has written in the end. */
export type StoredShards = Pick<Description, 'bytesPerToken' | 'tokensPerShard' | 'shards'>;

/** Keeps tokens in files while words are counted: 4 bytes a token, and then, file by file, as many as the vocabulary takes. */
export class ShardStore implements TokenStore<StoredShards> {
  readonly folder: string;
  readonly #tokensPerShard: number;
  readonly #counting: ShardWriter;
  readonly #final: ShardWriter;

  constructor(folder: string, tokensPerShard = SHARD_TOKENS) {
    this.folder = folder;
    this.#tokensPerShard = tokensPerShard;
    this.#counting = new ShardWriter(folder, 'counting', tokensPerShard);
    this.#final = new ShardWriter(folder, 'tokens', tokensPerShard);
  }

  async append(ids: Int32Array<ArrayBuffer>): Promise<void> {
    await this.#counting.append(ids);
  }

  async finish(table: Int32Array, sixteenBits: boolean): Promise<StoredShards> {
    const options = { writer: this.#final, sixteenBits };
    const shards = await convertShards(this.folder, await this.#counting.close(), table, options);
    return { bytesPerToken: sixteenBits ? 2 : 4, tokensPerShard: this.#tokensPerShard, shards };
  }

  /** Closes the files, finished or not. */
  async close(): Promise<void> {
    await this.#counting.close();
    await this.#final.close();
  }
}
