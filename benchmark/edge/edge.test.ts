import { join } from 'node:path';
import { expect, test } from 'vitest';

import { readBundle } from '../../export/bundleFolder.ts';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { tokenize } from '../../text/tokenizer.ts';
import { Vocabulary } from '../../text/vocabulary.ts';
import { thisMachine } from '../machine.ts';
import { spread } from '../statistics.ts';
import type { EdgeBenchmark } from './edgeBenchmark.ts';
import { edgeNotes, edgeRows, pricePerMillion } from './edgeReport.ts';
import { randomText, writeRandomBundle } from './randomBundle.ts';
import { emptyWorker, RunningWorker } from './workerd.ts';

test('a random bundle is one, and knows every word of the random texts', async () => {
  const folder = await temporaryFolder();
  await writeRandomBundle(folder, 'random', { vocabulary: 6_000, embedding: 8, hidden: 12, layers: 2 });
  const { members } = await readBundle(folder);
  const vocabulary = Vocabulary.fromTokens([...(members[0]?.vocabulary ?? [])]);
  const ids = vocabulary.encode(tokenize(randomText(300, 1)));
  expect(ids).toHaveLength(301);
  expect(ids.slice(1)).not.toContain(0);
  expect(new Set(ids).size).toBeGreaterThan(200);
  expect(randomText(20, 1)).not.toBe(randomText(20, 2));
});

test('a Worker runs in a workerd of its own, whose time and memory can be read', async () => {
  const folder = await temporaryFolder();
  const running = await RunningWorker.start(await emptyWorker(join(folder, 'worker')), folder);
  try {
    expect(await running.classify('anything')).toBe(200);
    expect(running.processorMilliseconds()).toBeGreaterThan(0);
    expect(running.peakMebibytes()).toBeGreaterThan(1);
  } finally {
    await running.stop();
  }
  await expect(running.classify('anything')).rejects.toThrow('fetch failed');
});

test('the table says what was measured, and what is arithmetic', () => {
  const figures: EdgeBenchmark = {
    benchmark: 'edge',
    created: '2026-01-31T12:00:00.000Z',
    machine: thisMachine(),
    repeats: 3,
    comparisons: [
      { preset: 'small', words: 300, kernel: spread([40, 50, 60]), onnxruntime: spread([100, 200, 300]), ratio: spread([0.4, 0.25, 0.2]) },
    ],
    lengths: [{ words: 10_000, milliseconds: 1500.4, peakMebibytes: 60 }],
    memory: { emptyMebibytes: 10, baseMebibytes: 92, batch: 16, vocabulary: 60_000 },
    uploadBytes: { kernel: 2 ** 18, onnxruntime: 2 ** 23 },
    coldStart: { empty: spread([30]), kernel: spread([100]), onnxruntime: spread([500]) },
    crowd: { requests: 200, statuses: { 200: 64, 429: 136 }, seconds: 2.5 },
  };
  const [, small, long, memory, upload, start, crowd] = edgeRows(figures);
  expect(small?.slice(1)).toEqual(['50.0', '200', '0.25 [0.20 – 0.40]']);
  expect(long?.[1]).toBe('1500; 50');
  expect(memory?.[1]).toBe('82');
  expect(upload?.slice(1)).toEqual(['0.25', '8.00', '0.03']);
  expect(start?.slice(1)).toEqual(['100', '500', '0.20']);
  expect(crowd?.[1]).toBe('64 × 200, 136 × 429');
  // 50 ms are 50 million ms for a million: 50 · $0.02, and $0.30 for the requests.
  expect(pricePerMillion(50)).toBeCloseTo(1.3, 10);
  expect(edgeNotes(figures).join('\n')).toContain(
    'A million documents of 300 words, small, one a request: $1.30; on onnxruntime-web $4.30.',
  );
});
