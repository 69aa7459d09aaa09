import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';
import { parse, View } from 'vega';
import { compile, type Config, type TopLevelSpec } from 'vega-lite';

/** One line of a chart. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Ends of a band around the line, such as the least and greatest of several measurements. */
  readonly low?: number;
  readonly high?: number;
}

export interface Axis {
  /** What is shown and in which unit: "tokens per second". */
  readonly label: string;
  /** Default: linear. */
  readonly scale?: 'linear' | 'log';
  /** A linear axis begins at 0; default true for y, false for x. */
  readonly fromZero?: boolean;
  /** Places of labels and grid lines; default: round numbers. */
  readonly ticks?: readonly number[];
}

/** Lines over a common x axis. */
export interface LineChart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Marks at the points; default: true where a series has at most 30. */
  readonly marks?: boolean;
}

/** One chart or several beside and below each other. */
export interface Figure {
  readonly title: string;
  /** What must be known to read it: data, machine, what the band is. */
  readonly subtitle?: string;
  readonly charts: readonly LineChart[];
  /** Charts beside each other; default 1. */
  readonly columns?: number;
  /** Size of a chart's plotting area in pixels; default 560 × 320. */
  readonly width?: number;
  readonly height?: number;
}

/** Colours that are told apart with any kind of colour vision (Okabe & Ito 2008), the ones that suit lines on white. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#4d4d4d'];

/** The numbers of a series are shown as points up to here; beyond that the line says it all. */
const MOST_MARKS = 30;

const INK = '#22262b';
const FAINT_INK = '#5c6670';
const FONT = 'Inter';

/** Looks of all charts. */
const CONFIG: Config = {
  background: '#ffffff',
  padding: 24,
  font: FONT,
  view: { stroke: null },
  title: { anchor: 'start', color: INK, fontSize: 14, fontWeight: 600, offset: 14 },
  axis: {
    labelColor: FAINT_INK,
    labelFontSize: 12,
    labelPadding: 6,
    titleColor: FAINT_INK,
    titleFontSize: 12,
    titleFontWeight: 400,
    titlePadding: 10,
    gridColor: '#e8ebee',
    domainColor: '#b8c0c8',
    tickColor: '#b8c0c8',
    tickSize: 4,
  },
  axisY: { domain: false, ticks: false, minExtent: 44 },
  axisX: { grid: false, labelFlush: false },
  legend: {
    orient: 'top',
    title: null,
    labelColor: INK,
    labelFontSize: 13,
    labelLimit: 0,
    symbolType: 'stroke',
    symbolOpacity: 1,
    symbolStrokeWidth: 3,
    symbolSize: 300,
    columnPadding: 28,
    offset: 16,
  },
};

/**
 * Draws a figure as SVG, without a browser.
 *
 * @example
 * await chartSvg({
 *   title: 'Pretraining',
 *   charts: [{
 *     title: 'Held-out loss', x: { label: 'tokens read', scale: 'log' }, y: { label: 'nats per token', fromZero: false },
 *     series: [{ name: 'small', points: [{ x: 1e6, y: 6.1 }, { x: 1e7, y: 4.9 }] }],
 *   }],
 * });
 */
export async function chartSvg(figure: Figure): Promise<string> {
  const view = new View(parse(compile(specification(figure)).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/**
 * Renders SVG as PNG. Texts are set in Inter, which comes along, so that a machine without fonts gives the same picture.
 *
 * @param scale pixels of the picture for each of the SVG's
 */
export function svgToPng(svg: string, scale = 2): Buffer {
  const font = { loadSystemFonts: false, fontFiles: fontFiles(), defaultFontFamily: FONT };
  return new Resvg(svg, { fitTo: { mode: 'zoom', value: scale }, font }).render().asPng();
}

/** Writes a figure as `path`.svg and `path`.png. */
export async function writeFigure(path: string, figure: Figure): Promise<void> {
  const svg = await chartSvg(figure);
  await writeFile(`${path}.svg`, svg);
  await writeFile(`${path}.png`, svgToPng(svg));
}

function fontFiles(): string[] {
  const require = createRequire(import.meta.url);
  return ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf'].map((file) =>
    require.resolve(`@expo-google-fonts/inter/${file}`),
  );
}

/** The figure in Vega-Lite's terms. A series has its colour by its name, the same in all charts, and there is one legend above them. */
function specification({ title, subtitle, charts, columns = 1, width = 560, height = 320 }: Figure): TopLevelSpec {
  const names = [...new Set(charts.flatMap(({ series }) => series.map(({ name }) => name)))];
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: names.map((_, index) => COLOURS[index % COLOURS.length] ?? INK) },
    ...(names.length === 1 && { legend: null }),
  } as const;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    config: CONFIG,
    title: {
      text: title,
      fontSize: 20,
      offset: 22,
      ...(subtitle !== undefined && { subtitle, subtitleColor: FAINT_INK, subtitleFontSize: 13, subtitlePadding: 8 }),
    },
    columns,
    align: 'each',
    spacing: { row: 44, column: 44 },
    resolve: { scale: { color: 'shared' } },
    concat: charts.map((chart) => ({ ...panel(chart, color), width, height })),
  };
}

function panel<Color>({ title, x, y, series, marks }: LineChart, color: Color) {
  const values = series.flatMap(({ name, points }) => points.map((point) => ({ series: name, ...point })));
  const point = marks ?? series.every(({ points }) => points.length <= MOST_MARKS);
  const banded = values.some(({ low }) => low !== undefined);
  const across = values.map((value) => value.x);
  const upwards = values.flatMap((value) => [value.low ?? value.y, value.high ?? value.y]);
  const horizontal = { field: 'x', type: 'quantitative', scale: scaleOf(x, false), axis: axisOf(x, across), title: x.label } as const;
  const vertical = { type: 'quantitative', scale: scaleOf(y, true), axis: axisOf(y, upwards), title: y.label } as const;
  const band = { mark: { type: 'area', opacity: 0.15 }, encoding: { y: { ...vertical, field: 'low' }, y2: { field: 'high' } } } as const;
  const line = {
    mark: { type: 'line', strokeWidth: 2.5, strokeCap: 'round', strokeJoin: 'round', ...(point && { point: { size: 46, filled: true } }) },
    encoding: { y: { ...vertical, field: 'y' } },
  } as const;
  return { title, data: { values }, encoding: { x: horizontal, color }, layer: banded ? [band, line] : [line] };
}

function scaleOf({ scale = 'linear', fromZero }: Axis, zeroByDefault: boolean) {
  return scale === 'log' ? ({ type: 'log', nice: false } as const) : ({ type: 'linear', zero: fromZero ?? zeroByDefault } as const);
}

function axisOf({ ticks, scale }: Axis, values: readonly number[]) {
  const places = ticks ?? (scale === 'log' ? logarithmicTicks(Math.min(...values), Math.max(...values)) : undefined);
  return {
    tickCount: 6,
    labelExpr: `abs(datum.value) >= 10000 ? format(datum.value, '~s') : format(datum.value, ',')`,
    ...(places !== undefined && { values: [...places] }),
  };
}

/** From here on, decades alone are labelled. */
const MANY_DECADES = 3;

/**
 * Round numbers for a logarithmic axis: 1, 2 and 5 times the powers of 10, or the powers alone where there are many.
 *
 * @example logarithmicTicks(30, 1200); // [50, 100, 200, 500, 1000]
 */
export function logarithmicTicks(least: number, greatest: number): number[] {
  const factors = Math.log10(greatest / least) >= MANY_DECADES ? [1] : [1, 2, 5];
  const first = Math.floor(Math.log10(least));
  const decades = Math.ceil(Math.log10(greatest)) - first + 1;
  return Array.from({ length: decades }, (_, index) => factors.map((factor) => factor * 10 ** (first + index)))
    .flat()
    .filter((tick) => tick >= least && tick <= greatest);
}
