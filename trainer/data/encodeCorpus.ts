import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TOKENIZER_VERSION, tokenizeFields } from '../../text/tokenizer.ts';
import { Vocabulary, type VocabularyLimits } from '../../text/vocabulary.ts';
import type { TokenCorpus } from './tokenCorpus.ts';

/** A tokenized corpus and the vocabulary counted on it. */
export interface EncodedCorpus {
  readonly corpus: TokenCorpus;
  readonly vocabulary: Vocabulary;
}

export interface EncodeOptions {
  /** A vocabulary that keeps its ids and takes in what it lacks, instead of a new one. */
  readonly extend?: Vocabulary;
  /** Called now and then with the tokens so far. */
  readonly onProgress?: (tokens: number) => void;
}

/** Numbers appended one by one, in blocks, so that nothing is copied while it grows. */
class GrowingIds {
  readonly #blocks: Int32Array[] = [];
  #used = BLOCK;
  length = 0;

  push(id: number): void {
    if (this.#used === BLOCK) {
      this.#blocks.push(new Int32Array(BLOCK));
      this.#used = 0;
    }
    const block = this.#blocks.at(-1);
    if (block !== undefined) block[this.#used++] = id;
    this.length++;
  }

  /** Copies out through a table of new ids. Blocks are let go of one by one. */
  mapped(table: Int32Array, sixteenBits: boolean): Uint16Array | Int32Array {
    const result = sixteenBits ? new Uint16Array(this.length) : new Int32Array(this.length);
    let position = 0;
    for (let block = this.#blocks.shift(); block !== undefined; block = this.#blocks.shift()) {
      const end = Math.min(BLOCK, this.length - position);
      for (let i = 0; i < end; i++) result[position++] = table[block[i] ?? 0] ?? 0;
    }
    return result;
  }
}
const BLOCK = 1 << 20;

/**
 * Tokenizes documents, given as their fields, in one pass, counts words, cuts the vocabulary and encodes. Tokens take 4 bytes each while they are counted
 * and 2 afterwards, when the vocabulary allows.
 */
export async function encodeCorpus(
  documents: AsyncIterable<readonly string[]>,
  limits: VocabularyLimits,
  { extend, onProgress = () => {} }: EncodeOptions = {},
): Promise<EncodedCorpus> {
  const firstSeen = new Map<string, number>();
  const counts: number[] = [];
  const ids = new GrowingIds();
  const offsets = [0];
  for await (const document of documents) {
    for (const token of tokenizeFields(document)) {
      let id = firstSeen.get(token);
      if (id === undefined) {
        id = firstSeen.size;
        firstSeen.set(token, id);
      }
      counts[id] = (counts[id] ?? 0) + 1;
      ids.push(id);
    }
    offsets.push(ids.length);
    if (offsets.length % 256 === 0) onProgress(ids.length);
  }
  const seen = new Map([...firstSeen].map(([token, id]) => [token, counts[id] ?? 0]));
  const vocabulary = extend === undefined ? Vocabulary.fromCounts(seen, limits) : extend.extended(seen, limits);
  const table = Int32Array.from(firstSeen.keys(), (token) => vocabulary.idOf(token));
  const encoded = ids.mapped(table, vocabulary.size <= 0x10000);
  return { corpus: { ids: encoded, offsets: Float64Array.from(offsets) }, vocabulary };
}

/** Encodes documents with a vocabulary that is there already. */
export async function encodeWith(documents: AsyncIterable<readonly string[]>, vocabulary: Vocabulary): Promise<TokenCorpus> {
  const ids = new GrowingIds();
  const offsets = [0];
  for await (const document of documents) {
    for (const id of vocabulary.encode(tokenizeFields(document))) ids.push(id);
    offsets.push(ids.length);
  }
  const identity = Int32Array.from({ length: vocabulary.size }, (_, id) => id);
  return { ids: ids.mapped(identity, vocabulary.size <= 0x10000), offsets: Float64Array.from(offsets) };
}

interface CacheDescription {
  readonly key: string;
  readonly tokens: number;
  readonly documents: number;
  readonly bytesPerToken: 2 | 4;
}

/**
 * Keeps an encoded corpus in a folder, so that a resumed run does not tokenize again. A cache made from another corpus, other
 * limits or another tokenizer version is ignored.
 *
 * @param key names what the corpus was made from
 * @param make makes the corpus when the cache cannot serve
 */
export async function cachedCorpus(folder: string, key: string, make: () => Promise<EncodedCorpus>): Promise<EncodedCorpus> {
  const fullKey = `tokenizer ${TOKENIZER_VERSION} | ${key}`;
  const found = await readCache(folder, fullKey);
  if (found !== undefined) return found;
  const made = await make();
  await writeCache(folder, fullKey, made);
  return made;
}

async function readCache(folder: string, key: string): Promise<EncodedCorpus | undefined> {
  try {
    const description = JSON.parse(await readFile(join(folder, 'corpus.json'), 'utf8')) as CacheDescription;
    if (description.key !== key) return undefined;
    const [ids, offsets, vocabulary] = await Promise.all([
      readFile(join(folder, 'ids.bin')),
      readFile(join(folder, 'offsets.bin')),
      readFile(join(folder, 'vocabulary.json'), 'utf8'),
    ]);
    if (ids.byteLength !== description.tokens * description.bytesPerToken) return undefined;
    if (offsets.byteLength !== (description.documents + 1) * Float64Array.BYTES_PER_ELEMENT) return undefined;
    return {
      corpus: {
        ids: description.bytesPerToken === 2 ? new Uint16Array(exactBuffer(ids)) : new Int32Array(exactBuffer(ids)),
        offsets: new Float64Array(exactBuffer(offsets)),
      },
      vocabulary: Vocabulary.fromTokens(JSON.parse(vocabulary) as string[]),
    };
  } catch {
    return undefined; // No cache, or a damaged one: it is made again.
  }
}

async function writeCache(folder: string, key: string, { corpus, vocabulary }: EncodedCorpus): Promise<void> {
  const temporary = `${folder}.${process.pid}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  const description: CacheDescription = {
    key,
    tokens: corpus.ids.length,
    documents: corpus.offsets.length - 1,
    bytesPerToken: corpus.ids instanceof Uint16Array ? 2 : 4,
  };
  await writeFile(join(temporary, 'ids.bin'), corpus.ids);
  await writeFile(join(temporary, 'offsets.bin'), corpus.offsets);
  await writeFile(join(temporary, 'vocabulary.json'), JSON.stringify(vocabulary.tokens));
  await writeFile(join(temporary, 'corpus.json'), JSON.stringify(description));
  await rm(folder, { recursive: true, force: true });
  await rename(temporary, folder);
}

/** A file's bytes in a buffer of their own, aligned for any element size. */
function exactBuffer(bytes: Buffer): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
