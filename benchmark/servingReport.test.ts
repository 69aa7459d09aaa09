import { expect, test } from 'vitest';
import type { ServingBenchmark, ServingSpeed } from './servingBenchmark.ts';
import { servingLoadRows, servingNotes, servingRows } from './servingReport.ts';
import { percentile, spread } from './statistics.ts';

const speed = (name: string, kind: ServingSpeed['kind'], seconds: number[], single: number[]): ServingSpeed => ({
  name,
  kind,
  seconds: spread(seconds),
  single: spread(single),
  peakMebibytes: 300.4,
  versions: {},
});

const RESULT: ServingBenchmark = {
  benchmark: 'serve',
  created: '',
  machine: { processor: 'Abacus', processors: 2, memoryGibibytes: 8, instructions: [] },
  repeats: 2,
  clients: 64,
  maxBatch: 16,
  measurements: [
    {
      preset: 'small',
      sizes: { vocabulary: 15_000, embedding: 256, hidden: 512, layers: 3 },
      documents: 100,
      tokens: 28_000,
      threads: 2,
      contenders: [
        speed('ulmfit int8', 'ours', [0.5, 0.52], [10, 12, 11]),
        speed('graph alone int8', 'graph', [0.4, 0.5], [8, 8, 8]),
        speed('fastai fp32', 'peer', [2, 2.6], [50, 50, 50]),
        speed('PyTorch bf16', 'peer', [1, 0.9], [20, 24, 22]),
      ],
      skipped: { 'PyTorch int8': { skipped: 'it is not installed' } },
      loads: [
        {
          precision: 'int8',
          mixed: {
            shortTokens: 100,
            shortClients: 8,
            longWords: 10_000,
            longClients: 2,
            aloneP95: spread([20, 22]),
            mixedP95: spread([30, 33]),
            ratio: spread([1.5, 1.5]),
          },
          health: { idle: spread([0.5, 1.5]), busy: spread([2, 12]), clients: 64, words: 300, hugeClients: 2, hugeWords: 200_000 },
          memory: { requests: 100_000, requestsPerSecond: 1500.4, mebibytes: [200, 204], growth: 1.02 },
        },
      ],
      otherLoad: spread([0.3]),
      discarded: 0,
      orders: { all: [], single: [] },
    },
  ],
};

test('the contenders side by side: ratios of ours alone, the peers best in each figure, each repeat by itself', () => {
  expect(servingRows(RESULT).slice(1)).toEqual([
    [
      'small, ulmfit int8',
      '196',
      '4.50 [4.00 – 5.00]',
      '1.87 [1.73 – 2.00]',
      '11.0',
      '11.9',
      '0.50 [0.50 – 0.50]',
      '1.38 [1.25 – 1.50]',
      '300',
    ],
    ['small, graph alone int8', '225', '', '', '8.0', '8.0', '', '', '300'],
    ['small, fastai fp32', '44.2', '', '', '50.0', '50.0', '', '', '300'],
    ['small, PyTorch bf16', '106', '', '', '22.0', '23.8', '', '', '300'],
  ]);
});

test('without peers there is nothing to compare with', () => {
  const [measurement] = RESULT.measurements as [ServingBenchmark['measurements'][0]];
  const alone = { ...measurement, contenders: measurement.contenders.slice(0, 1) };
  const result = { ...RESULT, measurements: [alone] };
  expect(servingRows(result)[1]?.slice(2)).toEqual(['–', '–', '11.0', '11.9', '–', '–', '300']);
  expect(servingLoadRows(result)[1]?.slice(0, 2)).toEqual(['small, int8', '–']);
});

test('what only a server has', () => {
  expect(servingLoadRows(RESULT)[1]).toEqual([
    'small, int8',
    '15 % of graph time',
    '21',
    '32',
    '1.50 [1.50 – 1.50]',
    '1.5',
    '11.9',
    '100000',
    '1500',
    '200',
    '204',
    '2.0 %',
  ]);
});

test('the conditions in words', () => {
  const [conditions, ...notes] = servingNotes(RESULT);
  expect(conditions).toMatch(
    /^2 × Abacus, 8 GiB \(\); small: 100 documents of 280 tokens on average, 15000 words, 2 repeats\. .*64 requests at a time, each of one document, up to 16 in a graph call;/,
  );
  expect(notes).toEqual([
    'Short texts: 100 tokens from 8 clients, alone and beside 2 clients with documents of 10000 words.',
    'Health: 2 checks one after the other, alone and beside 64 clients with documents of 300 words and 2 with documents of 200000 words.',
    'PyTorch int8 was not measured: it is not installed.',
    'small: other programs kept 0.30 processors busy meanwhile. Measure again on an idle machine: these figures cannot be trusted.',
  ]);
});

test('a percentile lies between its neighbours', () => {
  expect(percentile([3, 1, 2], 0.5)).toBe(2);
  expect(percentile([1, 2], 0.95)).toBeCloseTo(1.95, 12); // numpy.percentile([1, 2], 95)
  expect(percentile([7], 0.95)).toBe(7);
});
