import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ENGINE_MISSING } from '../trainer/engine/testSupport.ts';
import { tokenize } from '../text/tokenizer.ts';
import { findPeer, peerFolder, pythonOf, SERVING_PEERS } from './peer.ts';
import { servingBenchmark, type ServingBenchmarkOptions } from './servingBenchmark.ts';
import { servingTexts, SINGLE_TOKENS } from './servingWork.ts';

/** The peer's Python, where somebody has installed it: ULMFIT_PEER names another than `ulmfit benchmark setup-peer`'s. */
const python = process.env['ULMFIT_PEER'] ?? pythonOf(peerFolder());
const NO_PEER = { skipped: 'not wanted' };
const SIZES = { vocabulary: 2000, embedding: 8, hidden: 12, layers: 2 };
const TINY: Omit<ServingBenchmarkOptions, 'peer'> = {
  presets: ['small'],
  precisions: ['fp32'],
  sizes: SIZES,
  documents: 12,
  repeats: 1,
  clients: 4,
  maxBatch: 4,
  requests: 100,
  // Other tests run at the same time.
  anyLoad: true,
  log: () => {},
};

test('the texts are the same in every run, and all of them fit the vocabulary', () => {
  const { texts, ids, vocabulary } = servingTexts('small', 20, SIZES);
  expect(servingTexts('small', 20, SIZES).texts).toEqual(texts);
  expect(vocabulary.size).toBe(SIZES.vocabulary);
  expect(texts).toHaveLength(21);
  expect(ids.map((one) => one.length)).toEqual(texts.map((text) => tokenize(text).length));
  expect(ids.at(-1)).toHaveLength(SINGLE_TOKENS);
  const unknown = ids.flatMap((one) => [...one]).filter((id) => id === 0).length;
  expect(unknown / ids.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(0.3);
  expect(servingTexts('small', 2).vocabulary.size).toBe(15_000);
});

test.skipIf(ENGINE_MISSING)(
  'measures a server, its graph alone, and what only a server has',
  async () => {
    const { measurements, ...run } = await servingBenchmark({ ...TINY, peer: NO_PEER });
    expect(run).toMatchObject({ benchmark: 'serve', repeats: 1, clients: 4 });
    const [measurement] = measurements;
    expect(measurement).toMatchObject({ preset: 'small', documents: 12, sizes: SIZES });
    const names = measurement?.contenders.map(({ name, kind }) => [name, kind]);
    expect(names).toEqual([
      ['ulmfit fp32', 'ours'],
      ['graph alone fp32', 'graph'],
    ]);
    for (const { seconds, single, peakMebibytes, versions } of measurement?.contenders ?? []) {
      expect(seconds.all).toHaveLength(1);
      expect(single.all).toHaveLength(10);
      expect(Math.min(...seconds.all, ...single.all)).toBeGreaterThan(0);
      expect(peakMebibytes).toBeGreaterThan(30);
      expect(versions).toMatchObject({ node: process.versions.node });
    }
    expect(measurement?.skipped).toEqual(Object.fromEntries(SERVING_PEERS.map(({ name }) => [name, NO_PEER])));
    const [load] = measurement?.loads ?? [];
    expect(load).toMatchObject({ precision: 'fp32', mixed: { longWords: 10_000 }, memory: { requests: 100 } });
    expect(load?.mixed.ratio.median).toBeCloseTo((load?.mixed.mixedP95.median ?? 0) / (load?.mixed.aloneP95.median ?? 0), 9);
    for (const { all, min } of load === undefined ? [] : [load.health.idle, load.health.busy]) {
      expect(all).toHaveLength(200);
      expect(min).toBeGreaterThan(0);
    }
    expect(load?.health).toMatchObject({ clients: 4, hugeWords: 200_000 });
    expect(load?.memory?.mebibytes).toHaveLength(10);
    expect(Math.min(...(load?.memory?.mebibytes ?? [0]))).toBeGreaterThan(30);
  },
  240_000,
);

test.skipIf(ENGINE_MISSING || !existsSync(python))(
  'measures the peers beside it (needs `ulmfit benchmark setup-peer`)',
  async () => {
    const { measurements } = await servingBenchmark({ ...TINY, requests: 0, peer: await findPeer(python) });
    const [measurement] = measurements;
    const peers = measurement?.contenders.filter(({ kind }) => kind === 'peer') ?? [];
    expect(peers.map(({ name }) => name)).toEqual(SERVING_PEERS.map(({ name }) => name));
    for (const { seconds, versions } of peers) {
      expect(seconds.median).toBeGreaterThan(0);
      expect(versions).toMatchObject({ torch: expect.stringMatching(/^2\./), fastai: expect.stringMatching(/^2\./) });
    }
    expect(measurement?.loads[0]).not.toHaveProperty('memory');
  },
  180_000,
);
