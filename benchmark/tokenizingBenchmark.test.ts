import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../test/temporaryFolder.ts';
import { tokenizeFields } from '../text/tokenizer.ts';
import { findPeer, peerFolder, pythonOf } from './peer.ts';
import { spread } from './statistics.ts';
import { tokenizingBenchmark, type TokenizingBenchmark } from './tokenizingBenchmark.ts';
import { tokenizingNotes, tokenizingRows } from './tokenizingReport.ts';
import { generatedReviews, sampleOf } from './tokenizingWork.ts';

/** The peer's Python, where somebody has installed it: ULMFIT_PEER names another than `ulmfit benchmark setup-peer`'s. */
const python = process.env['ULMFIT_PEER'] ?? pythonOf(peerFolder());
const NO_PEER = { skipped: 'not wanted' };
/** Other tests run at the same time. */
const TEST = { anyLoad: true, log: () => {} } as const;

const tokensIn = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + tokenizeFields([text]).length, 0);

test('measures generated texts with one thread and with two', async () => {
  const result = await tokenizingBenchmark({ documents: 20, repeats: 2, threads: [1, 2], peer: NO_PEER, ...TEST });
  expect(result).toMatchObject({ benchmark: 'tokenize', source: 'generated', documents: 20 });
  expect(result.measurements.map(({ threads }) => threads)).toEqual([1, 2]);
  for (const { ours, fastai, ...rest } of result.measurements) {
    expect(ours.tokens).toBe(tokensIn(generatedReviews(20)));
    expect(ours.documentsPerSecond.all).toHaveLength(2);
    expect(ours.tokensPerSecond.median / ours.documentsPerSecond.median).toBeCloseTo(ours.tokens / 20, 6);
    expect(ours.peakMebibytes).toBeGreaterThan(30);
    expect(ours.versions).toMatchObject({ node: process.versions.node });
    expect(fastai).toEqual(NO_PEER);
    expect(rest).not.toHaveProperty('ratioToFastai');
  }
}, 120_000);

test('measures a file of texts, or some of them', async () => {
  const folder = await temporaryFolder({ 'texts.csv': 'title,text\nOne,First.\nTwo,Second.\nThree,Third.\n' });
  const options = { file: join(folder, 'texts.csv'), text: ['title', 'text'], repeats: 1, threads: [1], peer: NO_PEER, ...TEST };
  const result = await tokenizingBenchmark({ ...options, documents: 2 });
  const texts = ['One First.', 'Three Third.'];
  expect(result).toMatchObject({ source: options.file, documents: 2, characters: texts.join('').length });
  expect(result.measurements[0]?.ours.tokens).toBe(tokensIn(texts));
});

test.skipIf(!existsSync(python))(
  'measures fastai beside it, which makes the same tokens (needs `ulmfit benchmark setup-peer`)',
  async () => {
    const peer = await findPeer(python);
    const { measurements } = await tokenizingBenchmark({ documents: 50, repeats: 1, threads: [1, 2], peer, ...TEST });
    for (const { ours, fastai, ratioToFastai } of measurements) {
      if ('skipped' in fastai) throw new Error(fastai.skipped);
      expect(fastai.tokens).toBe(ours.tokens);
      expect(fastai.versions).toMatchObject({ spacy: expect.stringMatching(/^3\./), fastai: expect.stringMatching(/^2\./) });
      expect(ratioToFastai?.min).toBeGreaterThan(0);
    }
  },
  180_000,
);

test('generated texts are the same in every run, and as long as reviews', () => {
  const texts = generatedReviews(300);
  expect(texts).toEqual(generatedReviews(300));
  expect(tokensIn(texts) / 300).toBeGreaterThan(200);
  expect(tokensIn(texts) / 300).toBeLessThan(400);
});

test('a sample is evenly spaced', () => {
  expect(sampleOf([0, 1, 2, 3, 4, 5, 6, 7], 2)).toEqual([2, 6]);
  expect(sampleOf([0, 1, 2], 5)).toEqual([0, 1, 2]);
});

const RESULT: TokenizingBenchmark = {
  benchmark: 'tokenize',
  created: '',
  machine: { processor: 'Abacus', processors: 2, memoryGibibytes: 8, instructions: [] },
  repeats: 3,
  source: 'reviews.jsonl',
  documents: 2500,
  characters: 3_000_000,
  measurements: [
    {
      threads: 1,
      ours: {
        documentsPerSecond: spread([4000, 4200, 3900]),
        tokensPerSecond: spread([1.2e6]),
        tokens: 742_000,
        peakMebibytes: 250.2,
        versions: {},
      },
      fastai: {
        documentsPerSecond: spread([350, 340, 360]),
        tokensPerSecond: spread([104_000]),
        tokens: 742_000,
        peakMebibytes: 480,
        versions: {},
      },
      ratioToFastai: spread([11.4, 12.35, 10.8]),
      otherLoad: spread([0.01]),
      discarded: 0,
      orders: [],
    },
    {
      threads: 2,
      ours: { documentsPerSecond: spread([7000]), tokensPerSecond: spread([2.1e6]), tokens: 742_000, peakMebibytes: 400, versions: {} },
      fastai: { skipped: 'it is not installed' },
      otherLoad: spread([0.7]),
      discarded: 0,
      orders: [],
    },
  ],
};

test('the result as a table, and in words', () => {
  expect(tokenizingRows(RESULT)).toEqual([
    ['', 'ulmfit', 'fastai', 'ratio', 'MiB', 'fastai'],
    ['1 thread: documents/s', '4000', '350', '11.40 [10.80 – 12.35]', '250', '480'],
    ['  tokens/s', '1200000', '104000', '', '', ''],
    ['2 threads: documents/s', '7000', '–', '–', '400', '–'],
    ['  tokens/s', '2100000', '–', '', '', ''],
  ]);
  const [conditions, ...notes] = tokenizingNotes(RESULT);
  expect(conditions).toMatch(
    /^2 × Abacus, 8 GiB \(\); 2500 documents \(reviews\.jsonl\), 3000000 characters, 742000 tokens; medians of 3 repeats/,
  );
  expect(notes).toEqual([
    'fastai was not measured: it is not installed.',
    '2 threads: other programs kept 0.70 processors busy meanwhile. Measure again on an idle machine: these figures cannot be trusted.',
  ]);
});

test('says so where the two do not make the same tokens', () => {
  const [first] = RESULT.measurements as [TokenizingBenchmark['measurements'][0]];
  const other = { ...first, ours: { ...first.ours, tokens: 741_999 } };
  expect(tokenizingNotes({ ...RESULT, measurements: [other] })).toContain('ulmfit made 741999 tokens of the texts and fastai 742000.');
});
