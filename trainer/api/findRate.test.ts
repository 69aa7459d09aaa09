/** Learning-rate range tests on tiny models: what they suggest, what they leave alone, and what they refuse. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { generatedDocuments, generatedReviews, jsonLines } from '../../test/fixtures/generatedText.ts';
import { UserError } from '../../text/errors.ts';
import type { RangePoint } from '../recipe/rangeTest.ts';
import { chartSvg } from '../report/chart.ts';
import { rangeTestFigure, rangeTestText, rangeTestWarning } from '../report/rangeTestReport.ts';
import { findRate, type FoundRates } from './findRate.ts';
import { pretrain } from './pretrain.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ulmfit-test-'));
  await writeFile(at('corpus.jsonl'), jsonLines(generatedDocuments(30, 10, 1)));
  await writeFile(at('reviews.jsonl'), jsonLines(generatedReviews(160, 2)));
  const sizes = { embedding: 8, hidden: 12, layers: 2, vocab: 100, batch: 4, bptt: 16, epochs: 2 };
  await pretrain(at('corpus.jsonl'), { ...sizes, out: at('pair'), direction: 'both' });
  return () => rm(folder, { recursive: true });
});

const meanLoss = (points: readonly RangePoint[], from: number, to: number): number => {
  const losses = points.filter(({ learningRate }) => learningRate >= from && learningRate < to).map(({ loss }) => loss);
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
};

describe('finds a rate', () => {
  const SMALL = { batch: 16, bptt: 16, dropMult: 0, lowest: 1e-4, highest: 10 };

  it('for the classifier: the suggestion lies where the loss falls; the model is not touched', async () => {
    const before = await Promise.all(['model.safetensors', 'model.json'].map((name) => readFile(at(`pair/forward/${name}`))));
    const found = await findRate(at('reviews.jsonl'), { from: at('pair'), ...SMALL });
    expect(found).toMatchObject({ step: 'train', direction: 'forward', groups: 'all', discriminative: true });
    const { valley = 0 } = found.suggestions;
    // Half-way down: seen 3.8e-2.
    expect(valley).toBeGreaterThan(5e-3);
    expect(valley).toBeLessThan(0.3);
    expect(found.fall).toBeGreaterThan(0.2);
    expect(meanLoss(found.points, valley, 10 * valley)).toBeLessThan(meanLoss(found.points, 0, valley));
    const after = await Promise.all(['model.safetensors', 'model.json'].map((name) => readFile(at(`pair/forward/${name}`))));
    expect(after).toEqual(before);
    expect((await readdir(folder)).toSorted()).toEqual(['corpus.jsonl', 'pair', 'reviews.jsonl']);
  });

  it('for the language model, of either direction', async () => {
    const options = { from: at('pair'), step: 'finetune', ...SMALL, batch: 4 } as const;
    const forward = await findRate(at('reviews.jsonl'), options);
    const backward = await findRate(at('reviews.jsonl'), { ...options, direction: 'backward' });
    expect([forward.direction, backward.direction]).toEqual(['forward', 'backward']);
    expect(forward.points[0]?.loss).not.toBe(backward.points[0]?.loss);
    for (const { suggestions, points } of [forward, backward]) {
      const { valley = 0 } = suggestions;
      expect(meanLoss(points, valley, 10 * valley)).toBeLessThan(meanLoss(points, 0, valley));
    }
  });

  it('is the same every time, and follows what the step is told', async () => {
    const options = { from: at('pair'), ...SMALL, batch: 4, steps: 20 };
    const usual = await findRate(at('reviews.jsonl'), options);
    expect(await findRate(at('reviews.jsonl'), options)).toEqual(usual);
    for (const change of [{ discriminative: false }, { groups: 'last' }, { seed: 7 }, { dropMult: 1 }, { recipe: 'fastai' }] as const) {
      const other = await findRate(at('reviews.jsonl'), { ...options, ...change });
      expect(
        other.points.map(({ loss }) => loss),
        JSON.stringify(change),
      ).not.toEqual(usual.points.map(({ loss }) => loss));
    }
  });

  it('a task that diverges ends the test, not the program', async () => {
    const found = await findRate(at('reviews.jsonl'), {
      from: at('pair'),
      step: 'finetune',
      ...SMALL,
      batch: 4,
      highest: 1e30,
      clip: 1e30,
    });
    expect(found.end).toBe('diverged');
    expect(found.points.length).toBeLessThan(100);
    for (const { loss } of found.points) expect(loss).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  it('refuses what makes no test', async () => {
    const refused = (options: object) => findRate(at('reviews.jsonl'), { from: at('pair'), ...options });
    await expect(refused({ steps: 5 })).rejects.toThrow('A range test needs at least 20 steps, not 5.');
    await expect(refused({ lowest: 1, highest: 0.1 })).rejects.toThrow(UserError);
    await expect(refused({ from: at('pair/forward'), direction: 'backward' })).rejects.toThrow(/holds a forward language model/);
  });
});

describe('what a person sees', () => {
  /** A level, a fall, a rise. */
  const points = Array.from({ length: 100 }, (_, step) => {
    const power = -7 + (8 * step) / 99;
    const smoothedLoss = 2.3 - 1.5 / (1 + Math.exp(-3 * (power + 3))) + 4 / (1 + Math.exp(-6 * (power + 0.2)));
    return { learningRate: 10 ** power, loss: smoothedLoss + 0.1 * Math.sin(step), smoothedLoss };
  });
  const found: FoundRates = {
    points,
    end: 'completed',
    step: 'train',
    direction: 'forward',
    groups: 'all',
    discriminative: true,
    suggestions: { valley: 1.4e-4, minimum: 4.5e-3, steepest: 9.1e-4 },
    fall: 0.6,
  };

  it('in the terminal: bars whose lengths follow the loss, and the suggestions', () => {
    const lines = rangeTestText(found).split('\n');
    expect(lines[0]).toBe('rate           loss');
    const bars = lines.slice(1, -4).map((line) => line.split('█').length - 1);
    expect(bars.length).toBeLessThanOrEqual(24);
    expect(Math.min(...bars)).toBe(1);
    expect(Math.max(...bars)).toBe(40);
    expect(lines.filter((line) => line.includes('◀ valley'))).toEqual([expect.stringMatching(/^8\.1e-5 /)]);
    expect(lines.slice(-3)).toEqual(['valley         1.4e-4', 'minimum ÷ 10   4.5e-3', 'steepest fall  9.1e-4']);
  });

  it('as a picture with every suggestion in its subtitle, the valley marked', async () => {
    const figure = rangeTestFigure(found, 'data/reviews.csv');
    expect(figure.title).toBe('Learning rates for the classifier');
    expect(figure.subtitle).toBe('valley 1.4e-4, minimum ÷ 10 4.5e-3, steepest fall 9.1e-4');
    const svg = await chartSvg(figure);
    expect(svg.match(/stroke-dasharray/g)).toHaveLength(1);
    expect(svg).toContain('reviews.csv, rates of layer groups 2.6 times apart');
  });

  it('and a warning where the curve tells little', () => {
    expect(rangeTestWarning(found)).toBeUndefined();
    expect(rangeTestWarning({ ...found, fall: 0.004 })).toMatch(/falls by only 0\.4 %/);
    const nothing = { valley: undefined, minimum: undefined, steepest: undefined };
    expect(rangeTestWarning({ ...found, suggestions: nothing })).toMatch(/falls at none of these rates/);
    expect(rangeTestText({ ...found, suggestions: nothing })).toMatch(/No rate is suggested\.$/);
    expect(rangeTestWarning({ ...found, points: [] })).toMatch(/no number almost from the beginning/);
    expect(rangeTestText({ ...found, points: [], suggestions: nothing })).toContain('No rate is suggested.');
  });
});
