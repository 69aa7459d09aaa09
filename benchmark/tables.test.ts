import { expect, test } from 'vitest';
import { markdownTable, replaceBetweenMarks } from './markdown.ts';
import type { Measurement } from './measurement.ts';
import { profileRows } from './profileReport.ts';
import { growthBetween } from './scaling.ts';
import { scalingFigure, scalingRows } from './scalingReport.ts';
import { spread } from './statistics.ts';
import { speedText, trainingNotes, trainingRows } from './tables.ts';

const MACHINE = { processor: 'Abacus', processors: 2, memoryGibibytes: 8, instructions: ['avx2'] };

const MEASUREMENT: Measurement = {
  task: 'lm',
  preset: 'small',
  device: 'cpu',
  precision: 'fp32',
  batch: 64,
  chunk: 70,
  threads: 2,
  steps: 4,
  tokens: 1000,
  sizes: { vocabulary: 15_000, embedding: 256, hidden: 512, layers: 3 },
  operationsPerToken: 50e6,
  ours: { tokensPerSecond: spread([3000, 3300, 3150]), peakMebibytes: 1234.5, versions: {} },
  pytorch: { tokensPerSecond: spread([2500, 2600, 2400]), peakMebibytes: 2520, versions: {} },
  limit: { gigaflops: spread([200, 210, 190]), tokensPerSecond: spread([4000, 4200, 3800]) },
  ratioToPytorch: spread([1.2, 1.27, 1.31]),
  shareOfLimit: spread([0.75, 0.786, 0.829]),
  discarded: 0,
  orders: [],
  otherLoad: spread([0, 0.01, 0.02]),
};

/** A classifier, without the peer, without compiled operations, disturbed. */
const DISTURBED: Measurement = {
  ...MEASUREMENT,
  task: 'classifier',
  ours: { tokensPerSecond: spread([500]), documentsPerSecond: spread([1.784]), peakMebibytes: 900, versions: { operations: 'plain' } },
  pytorch: { skipped: 'it is not installed' },
  limit: { skipped: 'no products' },
  otherLoad: spread([1.5]),
};

test('a training benchmark as a table', () => {
  const { ratioToPytorch: _ratio, shareOfLimit: _share, ...alone } = DISTURBED;
  expect(trainingRows([MEASUREMENT, alone])).toEqual([
    ['', 'ulmfit', 'PyTorch', 'ratio', 'limit', 'of limit', 'MiB', 'PyTorch'],
    ['small, language model, 15000 words, fp32: tokens/s', '3150', '2500', '1.27 [1.20 – 1.31]', '4000', '79 %', '1235', '2520'],
    ['small, classifier, 15000 words, fp32: tokens/s', '500', '–', '–', '–', '–', '900', '–'],
    ['  documents/s', '1.78', '–', '', '', '', '', ''],
  ]);
});

test('what was skipped or disturbed is said in words', () => {
  const result = { benchmark: 'train', created: '', machine: MACHINE, repeats: 3, measurements: [MEASUREMENT, DISTURBED] } as const;
  const [conditions, ...notes] = trainingNotes(result);
  expect(conditions).toMatch(/^2 × Abacus, 8 GiB \(avx2\); medians of 3 repeats/);
  expect(notes).toEqual([
    'PyTorch was not measured: it is not installed.',
    'limit was not measured: no products.',
    'ulmfit ran without its compiled operations, so slower than it could: `ulmfit setup` compiles them.',
    expect.stringMatching(/^small classifier fp32: other programs kept 1.50 processors busy/),
  ]);
});

test('speeds have three digits at least', () => {
  expect([0.1234, 17.64, 99.94, 692.4, 2605].map((value) => speedText(spread([value])))).toEqual(['0.123', '17.6', '99.9', '692', '2605']);
  expect(speedText(undefined)).toBe('–');
});

test('growth is 1 where time grows as arithmetic does', () => {
  const twice = { ...MEASUREMENT, tokens: 2000 };
  expect(growthBetween(MEASUREMENT, twice)).toBeCloseTo(1);
  // Twice the tokens at half the speed: four times the time for twice the work.
  expect(growthBetween(MEASUREMENT, { ...twice, ours: { ...DISTURBED.ours, tokensPerSecond: spread([1575]) } as never })).toBeCloseTo(2);
  expect(growthBetween(MEASUREMENT, { ...twice, ours: { skipped: '' } })).toBeNaN();
});

test('a scaling benchmark as a table and a figure', () => {
  const points = [
    { value: 8, measurement: MEASUREMENT },
    { value: 16, measurement: { ...MEASUREMENT, tokens: 2000 }, growth: 1 },
  ];
  const sweeps = [{ name: 'batch', title: 'Batch size', unit: 'streams', points }] as const;
  const common = { device: 'cpu', precision: 'fp32', repeats: 3, created: '', machine: MACHINE } as const;
  const result = { benchmark: 'scaling', ...common, sweeps } as const;
  expect(scalingRows(result)).toEqual([
    ['', 'tokens/s', 'limit', 'of limit', 'growth', 'MiB'],
    ['Batch size', '', '', '', '', ''],
    ['  8 streams', '3150', '4000', '79 %', '', '1235'],
    ['  16 streams', '3150', '4000', '79 %', '1.00', '1235'],
  ]);
  const [chart] = scalingFigure(result).charts;
  expect(chart?.series[0]?.points).toEqual([
    { x: 8, y: 3150, low: 3000, high: 3300 },
    { x: 16, y: 3150, low: 3000, high: 3300 },
  ]);
});

test('a profile as a table: the shares of its operations add up', () => {
  const profile = {
    step: 100,
    parts: [
      { name: 'forward', milliseconds: 60 },
      { name: 'backward', milliseconds: 40 },
    ],
    operations: ['MatMul', 'Add', 'Mul'].map((operation, index) => ({ operation, milliseconds: 60 / (index + 1), calls: index + 1 })),
    outsideOperations: 10,
  };
  expect(profileRows(profile, 1)).toEqual([
    ['part of the step', 'ms', 'share', ''],
    ['forward', '60', '60.0 %', ''],
    ['backward', '40', '40.0 %', ''],
    ['step', '100', '100.0 %', ''],
    ['', '', '', ''],
    ['operation', 'ms', 'share', 'calls'],
    ['MatMul', '60', '50.0 %', '1'],
    ['2 others', '50', '41.7 %', ''],
    ['outside of operations', '10', '8.3 %', ''],
  ]);
});

test('tables in Markdown, between marks', () => {
  const table = markdownTable([
    ['', 'a|b'],
    ['x', '1'],
  ]);
  expect(table).toBe('|  | a\\|b |\n| --- | ---: |\n| x | 1 |');
  expect(replaceBetweenMarks('1\n<!-- begin t -->\nold\n<!-- end t -->\n2', 't', 'new')).toBe(
    '1\n<!-- begin t -->\nnew\n<!-- end t -->\n2',
  );
  expect(() => replaceBetweenMarks('no marks', 't', 'new')).toThrow('<!-- begin t -->');
});
