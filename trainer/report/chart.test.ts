import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { chartSvg, logarithmicTicks, svgToPng, writeFigure, type Figure, type LineChart } from './chart.ts';

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

const line = (name: string) => ({ name, points: [0, 5].map((x) => ({ x, y: x })) });
const figureOf = (series: LineChart['series'], axis: Partial<LineChart['x']> = {}): Figure => ({
  title: '',
  charts: [{ title: '', x: { label: 'x', ...axis }, y: { label: 'y' }, series }],
});

test('pale and dashed lines are no entries of the legend, and a pale one has the colour of another', async () => {
  const series = [line('strong'), { ...line('raw'), look: 'pale', colourOf: 'strong' }, { ...line('even'), look: 'dashed' }] as const;
  const svg = await chartSvg(figureOf([...series, line('other')]));
  expect(textsOf(svg)).toEqual(expect.arrayContaining(['strong', 'other']));
  expect(textsOf(svg)).not.toEqual(expect.arrayContaining(['raw']));
  const strokes = Array.from(
    svg.matchAll(/stroke="(#[0-9a-f]{6})" stroke-width="(1|1.5|2.5)"/g),
    ([, colour, width]) => `${width} ${colour}`,
  );
  expect(strokes).toEqual(expect.arrayContaining(['1 #0072b2', '1.5 #5c6670', '2.5 #0072b2', '2.5 #d55e00']));
  expect(textsOf(await chartSvg(figureOf(series)))).not.toContain('strong');
});

test('bars stand side by side on the axis, and an axis has the ends it is given', async () => {
  const bars = [
    { x: 0, until: 10, y: 4 },
    { x: 10, until: 20, y: 1 },
  ];
  const svg = await chartSvg(figureOf([{ name: 'bars', look: 'bars', points: bars }], { range: [0, 40], ticks: [0, 40] }));
  // 560 pixels are 40 units wide, 320 are 4 high.
  const paths = Array.from(svg.matchAll(/aria-roledescription="rect mark"[^>]*? d="(M[^"]*)"/g), ([, path]) => path);
  expect(paths).toEqual(['M0,0h140v320h-140Z', 'M140,240h140v80h-140Z']);
  expect(textsOf(svg)).toEqual(expect.arrayContaining(['0', '40']));
});

test('a scatter has a mark for each point', async () => {
  const points = Array.from({ length: 50 }, (_, index) => ({ x: index, y: index % 7 }));
  const svg = await chartSvg(figureOf([{ name: 'points', look: 'points', points }]));
  expect(svg.match(/aria-roledescription="circle"|aria-roledescription="point"/g)).toHaveLength(50);
});

test('few points are marked, many are not, each line by itself', async () => {
  const many = { name: 'many', points: Array.from({ length: 40 }, (_, x) => ({ x, y: x })) };
  const marks = (svg: string) => (svg.match(/aria-roledescription="point"/g) ?? []).length;
  expect(marks(await chartSvg(figureOf([line('few'), many])))).toBe(2);
});
