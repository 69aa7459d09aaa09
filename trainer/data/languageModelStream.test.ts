import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import {
  fixedLengths,
  givenOrder,
  LanguageModelStream,
  shuffledOrder,
  streamLength,
  variableLengths,
  type Window,
} from './languageModelStream.ts';
import { corpusLength, documentAt, documentCount, documentsFrom, tokenCorpus, type TokenCorpus } from './tokenCorpus.ts';
import { convertShards, ShardedCorpus, ShardWriter } from './tokenShards.ts';

const corpus = tokenCorpus([Int32Array.of(1, 2, 3, 4), Int32Array.of(5, 6, 7), Int32Array.of(8, 9, 10, 11, 12, 13)]);

function readStreams(stream: LanguageModelStream, batch: number): { ids: number[][]; targets: number[][] } {
  const ids: number[][] = Array.from({ length: batch }, () => []);
  const targets: number[][] = Array.from({ length: batch }, () => []);
  for (const window of stream.windows()) {
    for (let i = 0; i < window.ids.length; i++) {
      ids[i % batch]?.push(window.ids[i] ?? -1);
      targets[i % batch]?.push(window.targets[i] ?? -1);
    }
  }
  return { ids, targets };
}

describe('LanguageModelStream', () => {
  it('lays the text out in parallel streams whose targets are the next words', () => {
    const stream = new LanguageModelStream(corpus, givenOrder(3), fixedLengths(streamLength(corpus, 2), 4), { batch: 2, bptt: 4 });
    expect(readStreams(stream, 2)).toEqual({
      ids: [
        [1, 2, 3, 4, 5, 6],
        [7, 8, 9, 10, 11, 12],
      ],
      targets: [
        [2, 3, 4, 5, 6, 7],
        [8, 9, 10, 11, 12, 13],
      ],
    });
    expect(stream.steps).toBe(2);
  });

  it('reads each document from its end when backwards', () => {
    const stream = new LanguageModelStream(corpus, givenOrder(3), fixedLengths(12, 5), { batch: 1, bptt: 5, backwards: true });
    expect(readStreams(stream, 1).ids[0]).toEqual([4, 3, 2, 1, 7, 6, 5, 13, 12, 11, 10, 9]);
  });

  it('starts in the middle exactly as if it had come there', () => {
    const lengths = variableLengths(12, 6, { seed: 3, step: 0 });
    const stream = new LanguageModelStream(corpus, shuffledOrder(3, { seed: 3, step: 0 }), lengths, { batch: 1, bptt: 6 });
    expect([...stream.windows(1)]).toEqual([...stream.windows()].slice(1));
  });
});

/** What the windows must be: all documents in one row, the row cut into equal parts, each part cut at the windows' lengths. */
function laidOut(texts: TokenCorpus, order: Uint32Array, lengths: readonly number[], batch: number, backwards: boolean): Window[] {
  const row = [...order].flatMap((document) => (backwards ? [...documentAt(texts, document)].reverse() : [...documentAt(texts, document)]));
  const perStream = streamLength(texts, batch);
  let position = 0;
  return lengths.map((time) => {
    const at = (shift: number) =>
      Int32Array.from({ length: time * batch }, (_, i) => row[(i % batch) * perStream + position + Math.floor(i / batch) + shift] ?? -1);
    const window = { ids: at(0), targets: at(1), time, batch };
    position += time;
    return window;
  });
}

describe('windows of any texts', () => {
  const lengthsOfDocuments = fc.array(fc.oneof(fc.nat(6), fc.nat(60), fc.constant(0), fc.integer({ min: 2000, max: 2500 })), {
    minLength: 1,
    maxLength: 12,
  });

  it('are those of all documents in one row, cut into equal parts', () => {
    fc.assert(
      fc.property(
        lengthsOfDocuments,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 80 }),
        fc.boolean(),
        fc.nat(3),
        fc.nat(100),
        (documents, batch, bptt, backwards, epoch, skipped) => {
          let id = 0;
          const texts = tokenCorpus(documents.map((length) => Int32Array.from({ length }, () => id++)));
          const key = { seed: 5, step: epoch };
          const order = shuffledOrder(documents.length, key);
          const lengths = variableLengths(streamLength(texts, batch), bptt, key);
          const stream = new LanguageModelStream(texts, order, lengths, { batch, bptt, backwards });
          const expected = laidOut(texts, order, lengths, batch, backwards);
          expect([...stream.windows()]).toEqual(expected);
          const first = lengths.length === 0 ? 0 : skipped % lengths.length;
          expect([...stream.windows(first)]).toEqual(expected.slice(first));
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('windows of a text in files', () => {
  const DOCUMENTS = Array.from({ length: 300 }, (_, index) =>
    Int32Array.from({ length: (index * 37) % 211 }, (_unused, place) => (index * 1009 + place * 31) % 60_000),
  );
  const inMemory = tokenCorpus(DOCUMENTS);

  async function inFiles(): Promise<ShardedCorpus> {
    const folder = await temporaryFolder();
    const writer = new ShardWriter(folder, 'counting', 1000);
    for (const document of DOCUMENTS) await writer.append(document);
    const identity = Int32Array.from({ length: 60_000 }, (_, id) => id);
    const tokens = new ShardWriter(folder, 'tokens', 1000);
    const shards = await convertShards(folder, await writer.close(), identity, { writer: tokens, sixteenBits: true });
    const files = shards.map(({ file }) => join(folder, file));
    return new ShardedCorpus({ files, offsets: inMemory.offsets, bytesPerToken: 2, shardTokens: 1000 });
  }

  it.each([1, 4, 64])(
    'are the same as in memory, for %i streams, both directions, two epochs, from the start and from the middle',
    async (batch) => {
      const onDisk = await inFiles();
      const [first, end] = [1, documentCount(inMemory) - 3]; // as where some are held out
      for (const [backwards, epoch] of [
        [false, 0],
        [false, 1],
        [true, 0],
        [true, 1],
      ] as const) {
        const key = { seed: 42, step: epoch };
        const [expected, found] = [inMemory, onDisk].map((all) => {
          const texts = documentsFrom(all, first, end);
          const lengths = variableLengths(streamLength(texts, batch), 20, key);
          const stream = new LanguageModelStream(texts, shuffledOrder(end - first, key), lengths, { batch, bptt: 20, backwards });
          return [...stream.windows(0), ...stream.windows(Math.floor(lengths.length / 2))];
        });
        expect(found).toEqual(expected);
        expect(expected?.length).toBeGreaterThan(corpusLength(inMemory) / batch / 40);
      }
      onDisk.close();
    },
  );
});

describe('window lengths', () => {
  it('add up to the stream and stay within bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer(), (total, seed) => {
        const lengths = variableLengths(total, 70, { seed, step: 1 });
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(total);
        expect(Math.max(...lengths)).toBeLessThanOrEqual(90);
        expect(Math.min(...lengths.slice(0, -1), 5)).toBeGreaterThanOrEqual(5);
      }),
    );
  });

  it('are around bptt nineteen times in twenty', () => {
    const lengths = variableLengths(2_000_000, 70, { seed: 1, step: 0 });
    const long = lengths.filter((length) => length > 52).length / lengths.length;
    expect(long).toBeGreaterThan(0.94);
    expect(long).toBeLessThan(0.96);
  });
});

describe('shuffledOrder', () => {
  it('is a permutation that depends on the key', () => {
    const order = shuffledOrder(1000, { seed: 1, step: 2 });
    expect([...order].toSorted((a, b) => a - b)).toEqual([...givenOrder(1000)]);
    expect(order).toEqual(shuffledOrder(1000, { seed: 1, step: 2 }));
    expect(order).not.toEqual(shuffledOrder(1000, { seed: 1, step: 3 }));
  });
});
