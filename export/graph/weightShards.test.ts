import { describe, expect, it } from 'vitest';

import { SHARD_ALIGNMENT, WeightShards } from './weightShards.ts';

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

describe('WeightShards', () => {
  it('starts every tensor at a memory page and fills the gaps with zeros', () => {
    const shards = new WeightShards();
    expect(shards.place(bytes(10, 1))).toEqual({ location: 'weights-00.bin', offset: 0, length: 10 });
    expect(shards.place(bytes(3, 2))).toEqual({ location: 'weights-00.bin', offset: SHARD_ALIGNMENT, length: 3 });

    const file = shards.files().get('weights-00.bin');
    expect(file?.length).toBe(SHARD_ALIGNMENT + 3);
    expect([...(file?.subarray(8, 12) ?? [])]).toEqual([1, 1, 0, 0]);
    expect([...(file?.subarray(SHARD_ALIGNMENT) ?? [])]).toEqual([2, 2, 2]);
  });

  it('opens a new shard when none has room, and goes back to one that has', () => {
    const shards = new WeightShards(3 * SHARD_ALIGNMENT);
    expect(shards.place(bytes(2 * SHARD_ALIGNMENT, 1)).location).toBe('weights-00.bin');
    expect(shards.place(bytes(2 * SHARD_ALIGNMENT, 2)).location).toBe('weights-01.bin');
    expect(shards.place(bytes(SHARD_ALIGNMENT, 3))).toEqual({
      location: 'weights-00.bin',
      offset: 2 * SHARD_ALIGNMENT,
      length: SHARD_ALIGNMENT,
    });
    expect([...shards.files()].map(([name, file]) => [name, file.length])).toEqual([
      ['weights-00.bin', 3 * SHARD_ALIGNMENT],
      ['weights-01.bin', 2 * SHARD_ALIGNMENT],
    ]);
  });

  it('puts a prefix before the names, so that two sets can share a folder', () => {
    const shards = new WeightShards(SHARD_ALIGNMENT, 'backward-');
    shards.place(bytes(SHARD_ALIGNMENT, 1));
    expect(shards.place(bytes(1, 2)).location).toBe('backward-weights-01.bin');
    expect([...shards.files().keys()]).toEqual(['backward-weights-00.bin', 'backward-weights-01.bin']);
  });

  it('refuses a tensor that no shard could hold', () => {
    expect(() => new WeightShards(100).place(bytes(101, 0))).toThrow('101 bytes do not fit into a shard of 100 bytes');
  });
});
