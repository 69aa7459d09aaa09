import { readdir, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { convertShards, type Shard, ShardedCorpus, ShardWriter } from './tokenShards.ts';

/** Writes ids in parts of some sizes. */
async function write(folder: string, ids: Int32Array<ArrayBuffer>, shardTokens: number, parts = ids.length): Promise<readonly Shard[]> {
  const writer = new ShardWriter(folder, 'counting', shardTokens);
  for (let start = 0; start < ids.length; start += parts) await writer.append(ids.subarray(start, start + parts));
  return writer.close();
}

function openShards(folder: string, shards: readonly Shard[], bytesPerToken: 2 | 4, shardTokens: number): ShardedCorpus {
  const offsets = Float64Array.of(
    0,
    shards.reduce((sum, { tokens }) => sum + tokens, 0),
  );
  return new ShardedCorpus({ files: shards.map(({ file }) => join(folder, file)), offsets, bytesPerToken, shardTokens });
}

const readFrom = (corpus: ShardedCorpus, start: number, count: number): number[] => {
  const ids = new Int32Array(count);
  corpus.read(start, ids);
  return [...ids];
};

const NUMBERS = Int32Array.from({ length: 25 }, (_, index) => 70_000 + index);

describe('shards', () => {
  it('hold so many tokens each, in files that their checksums fit', async () => {
    const folder = await temporaryFolder();
    const shards = await write(folder, NUMBERS, 10, 4);
    expect(shards.map(({ file, tokens }) => [file, tokens])).toEqual([
      ['counting-00000.bin', 10],
      ['counting-00001.bin', 10],
      ['counting-00002.bin', 5],
    ]);
    for (const { file, tokens, checksum } of shards) {
      const bytes = await readFile(join(folder, file));
      expect([bytes.length, crc32(bytes)]).toEqual([4 * tokens, checksum]);
    }
  });

  it('begin no file that nothing would be in', async () => {
    const folder = await temporaryFolder();
    expect(await write(folder, NUMBERS.slice(0, 20), 10)).toHaveLength(2);
    expect(await write(folder, new Int32Array(0), 10)).toEqual([]);
  });

  it.each([true, false])('go through a table, one after the other; in 16 bits: %s', async (sixteenBits) => {
    const folder = await temporaryFolder();
    const ids = Int32Array.from({ length: 25 }, (_, index) => index % 7);
    const table = Int32Array.from({ length: 7 }, (_, index) => 60_000 + index);
    const shards = await convertShards(folder, await write(folder, ids, 10), table, {
      writer: new ShardWriter(folder, 'tokens', 10),
      sixteenBits,
    });
    expect(await readdir(folder)).toEqual(['tokens-00000.bin', 'tokens-00001.bin', 'tokens-00002.bin']);
    expect((await stat(join(folder, 'tokens-00000.bin'))).size).toBe(sixteenBits ? 20 : 40);
    const corpus = openShards(folder, shards, sixteenBits ? 2 : 4, 10);
    expect(readFrom(corpus, 0, 25)).toEqual([...ids].map((id) => 60_000 + id));
    corpus.close();
  });

  it('are read from anywhere, across files', async () => {
    const folder = await temporaryFolder();
    const shards = await write(folder, NUMBERS, 4);
    const corpus = openShards(folder, shards, 4, 4);
    fc.assert(
      fc.property(fc.nat(25), fc.nat(25), (start, count) => {
        const expected = [...NUMBERS.subarray(start, start + count)];
        expect(readFrom(corpus, start, expected.length)).toEqual(expected);
      }),
    );
    corpus.close();
  });

  it('say so where there is nothing to read', async () => {
    const folder = await temporaryFolder();
    const shards = await write(folder, NUMBERS, 10);
    const corpus = openShards(folder, shards, 4, 10);
    expect(() => readFrom(corpus, 30, 1)).toThrow('There are 3 files of tokens, and number 3 was asked for.');
    await truncate(join(folder, 'counting-00002.bin'), 8);
    expect(readFrom(corpus, 20, 2)).toEqual([70_020, 70_021]);
    expect(() => readFrom(corpus, 20, 3)).toThrow(/counting-00002\.bin ends too early/);
    corpus.close();
    expect(() => readFrom(corpus, 0, 1)).toThrow(RangeError);
  });
});
