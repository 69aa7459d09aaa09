import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';
import { parse, View } from 'vega';
import { compile, type Config, type TopLevelSpec } from 'vega-lite';

/** One line of a chart, or other marks that belong together. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /**
   * Default: a line. `pale` is a thin line behind the others, `dashed` a grey line to compare with: neither is in the legend. `points` are
   * not joined, and `bars` stand from 0 to `y` between `x` and `until`.
   */
  readonly look?: 'line' | 'pale' | 'dashed' | 'points' | 'bars';
  /** The series whose colour a pale one has. */
  readonly colourOf?: string;
}

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Where a bar ends. */
  readonly until?: number;
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
  /** Ends of the axis; default: round numbers around the values. */
  readonly range?: readonly [low: number, high: number];
  /** Places of labels and grid lines; default: round numbers. */
  readonly ticks?: readonly number[];
}

/** Lines over a common x axis. */
export interface LineChart {
  /** Empty where the figure's says enough. */
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Marks at the points; default: true where a series has at most 30. */
  readonly marks?: boolean;
}

/** One chart or several beside and below each other. */
export interface Figure {
  /** Empty where the text around it says enough. */
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
  const color = colours(charts.flatMap(({ series }) => series));
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    config: CONFIG,
    ...(title !== '' && {
      title: {
        text: title,
        fontSize: 20,
        offset: 22,
        ...(subtitle !== undefined && { subtitle, subtitleColor: FAINT_INK, subtitleFontSize: 13, subtitlePadding: 8 }),
      },
    }),
    columns,
    align: 'each',
    spacing: { row: 44, column: 44 },
    resolve: { scale: { color: 'shared' } },
    concat: charts.map((chart) => ({ ...panel(chart, color), width, height })),
  };
}

/** Each name's colour, and a legend of those that stand for themselves, where there are several. */
function colours(series: readonly Series[]) {
  const names = [...new Set(series.map(({ name }) => name))];
  const looks = new Map(series.map((each) => [each.name, each]));
  const shown = names.filter((name) => !['pale', 'dashed'].includes(looks.get(name)?.look ?? 'line'));
  const colourOf = (name: string): string => {
    const { look, colourOf: other = name } = looks.get(name) ?? {};
    return look === 'dashed' ? FAINT_INK : (COLOURS[Math.max(0, shown.indexOf(other)) % COLOURS.length] ?? INK);
  };
  return {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: names.map(colourOf) },
    legend: shown.length > 1 ? { values: shown } : null,
  } as const;
}

/** From the back to the front. */
const LOOKS = ['bars', 'pale', 'dashed', 'line', 'points'] as const;

function panel<Color>({ title, x, y, series, marks }: LineChart, color: Color) {
  const points = series.flatMap((each) => each.points);
  const across = points.map((point) => point.x);
  const upwards = points.flatMap((point) => [point.low ?? point.y, point.high ?? point.y]);
  const horizontal = { field: 'x', type: 'quantitative', scale: scaleOf(x, false), axis: axisOf(x, across), title: x.label } as const;
  const vertical = { type: 'quantitative', scale: scaleOf(y, true), axis: axisOf(y, upwards), title: y.label } as const;
  const ordered = LOOKS.flatMap((look) => series.filter((each) => (each.look ?? 'line') === look));
  return {
    ...(title !== '' && { title }),
    encoding: { x: horizontal, color },
    layer: [
      ...ordered.filter(isBanded).map((each) => ({
        data: dataOf(each),
        mark: { type: 'area', opacity: 0.15 } as const,
        encoding: { y: { ...vertical, field: 'low' }, y2: { field: 'high' } },
      })),
      ...ordered.map((each) => ({
        data: dataOf(each),
        mark: markOf(each, marks),
        encoding: {
          y: { ...vertical, field: 'y' },
          ...(each.look === 'bars' && { x2: { field: 'until' }, y2: { datum: 0 } }),
        },
      })),
    ],
  };
}

function dataOf({ name, points }: Series) {
  return { values: points.map((point) => ({ series: name, ...point })) };
}

function isBanded({ points }: Series): boolean {
  return points.some(({ low }) => low !== undefined);
}

function markOf({ look = 'line', points }: Series, marks: boolean = points.length <= MOST_MARKS) {
  const line = { type: 'line', strokeCap: 'round', strokeJoin: 'round' } as const;
  switch (look) {
    case 'bars':
      return { type: 'rect', opacity: 0.75, stroke: '#ffffff', strokeWidth: 1 } as const;
    case 'points':
      return { type: 'point', size: 22, filled: true, opacity: 0.45 } as const;
    case 'pale':
      return { ...line, strokeWidth: 1, opacity: 0.6 } as const;
    case 'dashed':
      return { ...line, strokeWidth: 1.5, strokeDash: [5, 5] };
    case 'line':
      return { ...line, strokeWidth: 2.5, ...(marks && { point: { size: 46, filled: true } }) } as const;
  }
}

function scaleOf({ scale = 'linear', fromZero, range }: Axis, zeroByDefault: boolean) {
  if (range !== undefined) return { type: scale, domain: [...range], nice: false };
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
