import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { chartSvg, logarithmicTicks, svgToPng, writeFigure, type Figure } from './chart.ts';

const FIGURE: Figure = {
  title: 'Speed & size',
  subtitle: 'made up',
  columns: 2,
  charts: [
    {
      title: 'Batch',
      x: { label: 'streams', scale: 'log', ticks: [8, 64] },
      y: { label: 'tokens per second' },
      series: [
        {
          name: 'one',
          points: [
            { x: 8, y: 1500, low: 1400, high: 1600 },
            { x: 64, y: 2500, low: 2400, high: 2600 },
          ],
        },
        {
          name: 'other',
          points: [
            { x: 8, y: 3000 },
            { x: 64, y: 12_000 },
          ],
        },
      ],
    },
    {
      title: 'Loss',
      x: { label: 'steps' },
      y: { label: 'nats', fromZero: false },
      series: [
        {
          name: 'one',
          points: [
            { x: 0, y: 5 },
            { x: 9, y: 4 },
          ],
        },
      ],
    },
  ],
};

/** All texts of an SVG, in their order. */
function textsOf(svg: string): string[] {
  return Array.from(svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g), ([, text]) => text ?? '');
}

test('a figure has its titles, labels with units, one legend, and round numbers', async () => {
  const texts = textsOf(await chartSvg(FIGURE));
  for (const text of [
    'Speed &amp; size',
    'made up',
    'Batch',
    'streams',
    'tokens per second',
    '8',
    '64',
    '2,000',
    '10k',
    'Loss',
    'steps',
    'nats',
  ]) {
    expect(texts).toContain(text);
  }
  expect(texts.filter((text) => text === 'one' || text === 'other')).toEqual(['one', 'other']);
});

test('a single series needs no legend, and a series keeps its colour', async () => {
  const [batch, loss] = FIGURE.charts;
  if (batch === undefined || loss === undefined) throw new Error('two charts');
  expect(textsOf(await chartSvg({ ...FIGURE, charts: [loss] }))).not.toContain('one');
  const colours = (svg: string) => new Set(Array.from(svg.matchAll(/stroke="(#[0-9a-f]{6})" stroke-width="2.5"/g), ([, colour]) => colour));
  expect(colours(await chartSvg(FIGURE)).size).toBe(2);
});

test('logarithmic axes have round numbers', () => {
  expect(logarithmicTicks(30, 1200)).toEqual([50, 100, 200, 500, 1000]);
  expect(logarithmicTicks(1, 1e6)).toEqual([1, 10, 100, 1000, 1e4, 1e5, 1e6]);
});

test('a figure is written as SVG and as PNG of twice its size', async () => {
  const folder = await temporaryFolder({});
  await writeFigure(join(folder, 'figure'), FIGURE);
  const svg = await readFile(join(folder, 'figure.svg'), 'utf8');
  const png = await readFile(join(folder, 'figure.png'));
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  expect(png.readUInt32BE(16)).toBe(2 * Number(/width="(\d+)"/.exec(svg)?.[1]));
});

test('the PNG has its texts: without them it is another picture', async () => {
  const svg = await chartSvg(FIGURE);
  expect(svgToPng(svg).equals(svgToPng(svg.replaceAll(/<text[^]*?<\/text>/g, '')))).toBe(false);
});
