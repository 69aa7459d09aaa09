import { expect, it } from 'vitest';
import { addToHash, ChunkCache, HASH_START } from './chunkCache.ts';

const hashOf = (chunk: string): number => [...chunk].reduce((hash, character) => addToHash(hash, character.charCodeAt(0)), HASH_START);

it('computes once, wherever the chunk stands', () => {
  const computed: string[] = [];
  const cache = new ChunkCache((chunk) => computed.push(chunk));
  cache.get('a word', 2, 6, hashOf('word'));
  cache.get('word and word', 9, 13, hashOf('word'));
  expect(computed).toEqual(['word']);
});

it('tells chunks of the same hash apart', () => {
  const cache = new ChunkCache((chunk) => chunk.toUpperCase());
  expect(cache.get('one two', 0, 3, 42)).toBe('ONE');
  expect(cache.get('one two', 4, 7, 42)).toBe('TWO');
  expect(cache.get('one two', 0, 3, 42)).toBe('ONE');
});

it('does not keep very long chunks', () => {
  let times = 0;
  const cache = new ChunkCache(() => ++times);
  const long = 'a'.repeat(1000);
  cache.get(long, 0, 1000, 7);
  cache.get(long, 0, 1000, 7);
  expect(times).toBe(2);
});
